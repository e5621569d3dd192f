package events

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// encodeReference is what AppendEvent must write, by encoding/json alone.
func encodeReference(e *Event) ([]byte, error) {
	var data, event bytes.Buffer
	if err := encodeJSON(&data, e.Data); err != nil {
		return nil, err
	}
	err := encodeJSON(&event, envelope{
		ID: e.ID, Type: e.Data.EventType(), Version: 1, Time: e.Time.UTC().Format("2006-01-02T15:04:05.000000Z"),
		Organization: e.Organization, Actor: Actor{Application: e.Actor.Application, User: e.Actor.User},
		Correlation: e.Correlation, Causation: e.Causation, Data: data.Bytes(),
	})
	return event.Bytes(), err
}

// decodeReference reads one event by encoding/json alone.
func decodeReference(b []byte) (*decoder, error) {
	d := &decoder{types: catalogue}
	return d, d.decodeJSON(b)
}

func FuzzHotEncode(f *testing.F) {
	f.Add("e_1", "acme", "a_1", "u_1", "r_1", "e_0", "a_1", "u_1", "s_1", "client_credentials", "read:x write:x", "k_1", 1, int64(1795346054), int64(1795349654), int64(1795346054123456), []byte("jti"))
	f.Add("e_2", "acme", "", "u_1", "r_1", "", "a_1", "", "5-1", "password", "", "k_1", 0, int64(0), int64(1), int64(1), []byte{1})
	f.Add("e", "", "", "", "", "", "", "", "", "", "", "", 0, int64(0), int64(-1), int64(0), []byte{})
	f.Add("\"\\/<>&", "\u2028\u2029", "\x00\x1f\x7f", "\xff\xc0", "é", "😀", "\b\f\n\r\t", "\ufffd", "\x1f", "\ud7ff", "a\xf0\x9f", "'", -1, int64(1)<<62, int64(-1)<<63, int64(-62135596800000000), []byte{255})
	f.Fuzz(func(t *testing.T, id, organization, actorApplication, actorUser, correlation, causation, application, user, service, grant, scope, key string,
		secret int, issuedAt, expiresAt, micros int64, jti []byte,
	) {
		issued := &TokenIssued{
			Application: application, Secret: secret, User: user, UserVersion: secret, Service: service, Family: service, Grant: grant, Scope: scope, Key: key,
			IssuedAt: issuedAt, ExpiresAt: expiresAt,
		}
		copy(issued.ID[:], jti)
		copy(issued.Digest[len(issued.Digest)/2:], jti)
		revoked := &TokenRevoked{ID: issued.ID, Application: application, Reason: grant}
		e := &Event{
			ID: id, Time: time.UnixMicro(micros), Organization: organization,
			Actor:       Actor{Application: actorApplication, User: actorUser},
			Correlation: correlation, Causation: causation,
		}
		e.Data = issued
		checkEncoded(t, e, secret >= 0 && issuedAt >= 0 && expiresAt >= 0 && max(int64(secret), issuedAt, expiresAt) < 1<<31)
		e.Data = revoked
		checkEncoded(t, e, true)
	})
}

// checkEncoded holds the writing and reading of an event to encoding/json.
// canonical says that its numbers can be read by hand.
func checkEncoded(t *testing.T, e *Event, canonical bool) {
	t.Helper()
	got, err := AppendEvent(nil, e)
	if y := e.Time.UTC().Year(); e.ID == "" || e.Time.IsZero() || y < 0 || y > 9999 {
		if err == nil {
			t.Fatal("wrote an event without id or time")
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	want, err := encodeReference(e)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatalf("wrote\n%s\nencoding/json\n%s\n%v", got, want, err)
	}
	checkSameEvent(t, got)
	if d := new(decoder); canonical && isPlain(string(got)) {
		if ok, err := d.decodeCanonical(&cursor{b: got}); !ok || err != nil {
			t.Errorf("%s was left to encoding/json: %v", got, err)
		}
	}
}

// isPlain reports whether there is nothing in an encoded event that only
// encoding/json reads.
func isPlain(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r == '\\' || r < ' ' || r > '~' })
}

func FuzzHotDecode(f *testing.F) {
	f.Add([]byte(hotEvent))
	f.Add([]byte(coldEvent))
	f.Add([]byte(revokedEvent))
	f.Add([]byte(strings.Replace(revokedEvent, `,"reason":"r"`, ``, 1)))
	f.Add([]byte(strings.Replace(revokedEvent, `"version":1`, `"version":2`, 1)))
	f.Add([]byte(strings.Replace(hotEvent, `"u_1"`, `"\ud800"`, 1)))
	f.Add([]byte(strings.Replace(hotEvent, `"version":1`, `"version":9`, 1)))
	f.Add([]byte(strings.Replace(coldEvent, `"application.updated"`, `""`, 1)))
	f.Add([]byte(`{"id":"0","type":"","version":1,"time":"2026-11-22T11:14:14.123456Z","data":0}`))
	f.Add([]byte(`{"id":"0","type":"","version":1,"time":"2026-11-22T11:14:14.123456Z","data":{0}}`))
	f.Add([]byte(strings.Replace(hotEvent, `"secret":1`, `"secret":-0`, 1)))
	f.Add([]byte(strings.Replace(coldEvent, `"application.updated"`, `"key.created"`, 1)))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := &decoder{types: catalogue}
		if _, err := d.decode([]byte(hotEvent), 0); err != nil { // which b may be like
			t.Fatal(err)
		}
		c := cursor{b: b}
		ok, err := d.decodeCanonical(&c)
		if !ok {
			if want, err := decodeReference(b); err == nil {
				checkRewritten(t, &want.event)
			}
			return
		}
		want, wantErr := decodeReference(b[:c.i])
		if (err == nil) != (wantErr == nil) || errors.Is(err, ErrMalformed) != errors.Is(wantErr, ErrMalformed) {
			t.Fatalf("by hand: %v\nencoding/json: %v", err, wantErr)
		}
		if err != nil {
			return
		}
		if diff := cmp.Diff(want.event, d.event); diff != "" {
			t.Fatalf("encoding/json and by hand differ:\n%s", diff)
		}
		checkRewritten(t, &d.event)
	})
}

// checkSameEvent decodes an event both ways.
func checkSameEvent(t *testing.T, b []byte) {
	t.Helper()
	d := &decoder{types: catalogue}
	end, err := d.decode(b, 0)
	if err != nil || end != len(b) {
		t.Fatalf("read %d of %d bytes of %s: %v", end, len(b), b, err)
	}
	want, err := decodeReference(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.event, d.event); diff != "" {
		t.Fatalf("encoding/json and by hand differ:\n%s", diff)
	}
}

// checkRewritten holds an event that was read to being written and read again.
func checkRewritten(t *testing.T, e *Event) {
	t.Helper()
	if e.Time.IsZero() {
		return
	}
	b, err := AppendEvent(nil, e)
	if err != nil {
		t.Fatalf("%+v was read but not written: %v", e, err)
	}
	checkSameEvent(t, b)
}

func FuzzDecodePage(f *testing.F) {
	f.Add(AppendPage(nil, testHeader, []byte(hotEvent), []byte(coldEvent), []byte(hotEvent)))
	f.Add(AppendPage(nil, testHeader, []byte(revokedEvent), []byte(revokedEvent)))
	f.Add(AppendPage(nil, PageHeader{}, []byte(coldEvent)))
	f.Add([]byte(`{"events":[ {} ],"replica":"r","commit":"c"}`))
	f.Add([]byte(`{"commit":"c","replica":"r","events":["\"]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		got, gotHeader, err := readPage(catalogue.decodePage(b))
		want, wantHeader, wantErr := readPage(catalogue.decodePageJSON(b))
		if (err == nil) != (wantErr == nil) {
			t.Fatalf("by hand: %v\nencoding/json: %v", err, wantErr)
		}
		var unknown *UnknownTypeError
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.As(err, &unknown) {
			t.Fatalf("error of no kind: %v", err)
		}
		if err == nil && (gotHeader != wantHeader || cmp.Diff(want, got) != "") {
			t.Fatalf("encoding/json and by hand differ:\n%s", cmp.Diff(want, got))
		}
		if !bytes.Equal(b, before) {
			t.Fatal("reading changed the page")
		}
	})
}

// What is remembered of an event does not show in the next one, however much
// they are alike.
func TestEventsOfAPageAreReadEachForItself(t *testing.T) {
	var all []string
	for _, change := range [][2]string{
		{},
		{`14.123456Z`, `14.000001Z`},
		{`14.123456Z`, `15.123456Z`},
		{`11-22T`, `12-22T`},
		{`"application":"a_1","secret"`, `"application":"a_11","secret"`},
		{`"secret":1`, `"secret":0`},
		{`"secret":1,`, `"secret":1,"userVersion":2,`},
		{`"user":"u_1","grant"`, `"grant"`},
		{`"user":"u_1","grant"`, `"user":"u_1","userVersion":7,"grant"`},
		{`"user":"u_1","grant"`, `"service":"s_1","family":"f_1","grant"`},
		{`"grant":"g"`, `"grant":""`},
		{`"scope":"s"`, `"scope":"s t"`},
		{`"key":"k"`, `"key":"é"`},
		{`"issuedAt":1`, `"issuedAt":10`},
		{`"issuedAt":1,`, `"issuedAt":-1,`},
		{`"issuedAt":1,`, `"issuedAt":"1",`},
		{`14.123456Z`, `14.12345xZ`},
		{`14.123456Z`, `14,123456Z`},
		{`14.123456Z`, `14.123456z`},
		{`"f0f1`, `"F0f1`},
		{`"version":1`, `"version":12`},
		{`"version":1`, `"version":2`},
		{`"token.issued"`, `"token.issuer"`},
	} {
		all = append(all, strings.Replace(hotEvent, change[0], change[1], 1))
	}
	all = append(all, coldEvent, revokedEvent)
	for _, first := range all {
		for _, second := range all {
			got, _, err := readPage(DecodePage(AppendPage(nil, testHeader, []byte(first), []byte(second), []byte(second))))
			var want []*Event
			var wantErr error
			for _, b := range []string{first, second, second} {
				d, err := decodeReference([]byte(b))
				if wantErr = err; err != nil {
					break
				}
				d.event.Actor.Replica = testHeader.Replica
				want = append(want, &d.event)
			}
			if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wantErr == nil) {
				t.Errorf("%s\nand\n%s\n%v, want %v\n%s", first, second, err, wantErr, diff)
			}
		}
	}
}

func TestTextEndsAtTheFirstByteThatIsNotPlain(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				b := bytes.Repeat([]byte("~ "), length)[:length]
				b[at] = byte(c)
				want := at
				if plain[c] {
					want = length
				}
				if got := skipPlainText(b, 0); got != want {
					t.Fatalf("byte %#x at %d of %d: %d", c, at, length, got)
				}
			}
		}
	}
}

// TestCanonicalFormAllocatesNothing counts per page of 1,000: what a page
// costs is its header and one decoder.
func TestCanonicalFormAllocatesNothing(t *testing.T) {
	buf := make([]byte, 0, 1024)
	for _, e := range []*Event{issuedToken(1), revokedToken(1)} {
		if n := testing.AllocsPerRun(100, func() { buf, _ = AppendEvent(buf[:0], e) }); n != 0 {
			t.Errorf("encoding a %s allocates %v times", e.Data.EventType(), n)
		}
	}
	b := hotPage(t, 1000)
	n := testing.AllocsPerRun(10, func() {
		if _, err := count(b); err != nil {
			t.Fatal(err)
		}
	})
	if n > 10 {
		t.Errorf("decoding a page of 1,000 allocates %v times", n)
	}
}
