package projections_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"io/fs"
	"os"
	"runtime"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

func encoded(t require, f *projections.Frozen) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.Encode(&b); err != nil {
		t.Fatalf("encode: %v", err)
	}
	return b.Bytes()
}

func restored(t require, snapshot []byte) *projections.State {
	t.Helper()
	s, err := projections.Decode(bytes.NewReader(snapshot))
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return s
}

// A snapshot anywhere, restored, goes on as if nothing had happened, and the
// frozen copy does not notice what is applied after it was taken.
func TestReplayEqualsSnapshotAndTail(t *testing.T) { checkSnapshots(t, histories(60)) }

func TestRefreshTokensSurviveSnapshots(t *testing.T) { checkSnapshots(t, refreshHistories(30)) }

func checkSnapshots(t *testing.T, histories *rapid.Generator[[]page]) {
	rapid.Check(t, func(t *rapid.T) {
		pages, cut := drawn(t, histories)
		s := replayed(t, pages[:cut])
		atCut := s.Hash()
		frozen := s.Freeze()
		for _, p := range pages[cut:] {
			apply(t, s, p)
		}
		if frozen.Hash() != atCut {
			t.Fatalf("the frozen copy changed")
		}
		again := restored(t, encoded(t, frozen))
		if again.Hash() != atCut {
			t.Fatalf("the restored state differs at the cut")
		}
		for _, p := range pages[cut:] {
			apply(t, again, p)
		}
		if again.Hash() != s.Hash() {
			t.Fatalf("the restored state went on differently")
		}
	})
}

func TestHashIsThatOfTheHistory(t *testing.T) {
	pages := longHistory(2000)
	want := replayed(t, pages).Hash()
	for _, procs := range []int{1, 2, 8} {
		former := runtime.GOMAXPROCS(procs)
		got := replayed(t, pages).Hash()
		runtime.GOMAXPROCS(former)
		if got != want {
			t.Errorf("another hash with GOMAXPROCS %d", procs)
		}
	}
	if replayed(t, pages[:len(pages)-1]).Hash() == want {
		t.Error("the last record does not show in the hash")
	}
}

// longHistory issues for many applications and users, so that sections,
// chunks and buckets fill up, and ends and sweeps some of it.
func longHistory(issues int) []page {
	pages := []page{
		on("acme", 0, created("a1", false)),
		on("acme", 0, created("a2", false)),
		on("acme", 0, &events.OrganizationCreated{ID: "acme", Name: "Acme"}),
		on("acme", 0, userCreated("u1", "h1"), userCreated("u2", "h2"), userCreated("u3", "h3")),
		on("acme", 0, &events.UserDeleted{ID: "u3"}),
	}
	for n := 0; n < issues; n += 10 {
		after := time.Duration(n) * time.Second / 10
		var data []events.Data
		for i := range 10 {
			d := issued(n+i, []string{"a1", "a2", "gone"}[(n+i)%3], 1, after, time.Duration(60+(n+i)%600)*time.Second)
			if d.User = []string{"", "u1", "u2", "u3"}[(n+i)%4]; d.User != "" {
				d.UserVersion = 1
			}
			data = append(data, d)
		}
		pages = append(pages, on("acme", after, data...))
		if n%100 == 0 {
			pages = append(pages, on("acme", after, failed(byte(n/100))))
		}
		if n%50 == 0 {
			pages = append(pages, on("acme", after, &events.TokenRevoked{ID: tokenID(n), Application: "a1"}))
		}
	}
	return pages
}

func TestSectionsOfManyTokens(t *testing.T) {
	s := replayed(t, longHistory(30_000))
	if s.Tokens.Len() < 2_000 {
		t.Fatalf("only %d tokens", s.Tokens.Len())
	}
	snapshot := encoded(t, s.Freeze())
	if again := restored(t, snapshot); !bytes.Equal(encoded(t, again.Freeze()), snapshot) {
		t.Error("another encoding after a restore")
	}
}

// Damage may go unnoticed here, as the file's hash is checked elsewhere, but
// it never panics and is never taken for another kind of error.
func TestDamagedSnapshot(t *testing.T) {
	snapshot := encoded(t, replayed(t, longHistory(30)).Freeze())
	for i := range snapshot {
		for _, mask := range []byte{1, 0x80, 0xff} {
			b := bytes.Clone(snapshot)
			b[i] ^= mask
			if _, err := projections.Decode(bytes.NewReader(b)); err != nil && !errors.Is(err, projections.ErrSnapshot) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
		if _, err := projections.Decode(bytes.NewReader(snapshot[:i])); !errors.Is(err, projections.ErrSnapshot) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	if _, err := projections.Decode(bytes.NewReader(append(snapshot, 0))); !errors.Is(err, projections.ErrSnapshot) {
		t.Fatalf("trailing byte: %v", err)
	}
}

// What no log gives would not be listed in one order everywhere.
func TestTwoOfOnePlaceAreRefused(t *testing.T) {
	key := func(kid string) events.Data { return &events.KeyCreated{ID: kid} }
	for name, pair := range map[string][2]events.Data{
		"applications": {created("a1", true), created("a2", true)},
		"services":     {serviceCreated("s1", "none"), serviceCreated("s2", "none")},
		"keys":         {key("k1"), key("k2")},
	} {
		s := projections.New()
		for _, d := range pair {
			if err := s.Apply(projections.Record{Position: 1}, 0, &events.Event{Time: epoch, Organization: "acme", Data: d}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := projections.Decode(bytes.NewReader(encoded(t, s.Freeze()))); !errors.Is(err, projections.ErrSnapshot) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClaimedLengthAllocatesNothing(t *testing.T) {
	head := encoded(t, projections.New().Freeze())[:16]
	b := binary.AppendUvarint(append(head, 1), 60<<20)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := projections.Decode(bytes.NewReader(b)); !errors.Is(err, projections.ErrSnapshot) {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 {
		t.Errorf("allocated %d bytes for a section that is not there", grown)
	}
}

// FuzzDecodeSnapshot: what is accepted is a state like any other.
func FuzzDecodeSnapshot(f *testing.F) {
	f.Add(encoded(f, projections.New().Freeze()))
	f.Add(encoded(f, replayed(f, longHistory(40)).Freeze()))
	f.Fuzz(func(t *testing.T, snapshot []byte) {
		s, err := projections.Decode(bytes.NewReader(snapshot))
		if err != nil {
			return
		}
		again := restored(t, encoded(t, s.Freeze()))
		if again.Hash() != s.Hash() {
			t.Fatal("another hash after a restore")
		}
		p := on("acme", time.Hour, issued(1, "a1", 1, time.Hour, time.Minute))
		apply(t, s, p)
		apply(t, again, p)
		if again.Hash() != s.Hash() {
			t.Fatal("the restored state went on differently")
		}
	})
}

func familyToken(n int, family string) *events.TokenIssued {
	d := issued(n, "a3", 1, time.Minute, time.Hour)
	d.User, d.UserVersion, d.Family = "u9", 1, family
	return d
}

var rewrite = flag.Bool("rewrite", false, "add the golden file of a new schema; an existing one is never changed")

// A change of the canonical form, or of the fold, raises the schema.
func TestGoldenSnapshot(t *testing.T) {
	const file = "testdata/snapshot.v9"
	pages := append(longHistory(40),
		on("acme", time.Minute, rotated("a1", epoch.Add(time.Hour))),
		on("", time.Minute,
			&events.KeyCreated{
				ID: "k1", Algorithm: "ES256", Public: events.RawJSON(`{"kty":"EC"}`),
				Sealed: []byte("sealed"), NotBefore: epoch,
			},
			&events.KeyActivated{ID: "k1"}),
		on("", time.Minute, &events.SealingKeyCreated{ID: "d1", Wrapped: []byte("wrapped")}),
		on("acme", time.Minute, &events.OrganizationCreated{ID: "acme", Limits: events.Limits{PerMinute: 2}}),
		on("acme", time.Minute, serviceCreated("s1", "oauth")),
		on("acme", time.Minute, credentialAdded("s1", "svc_1")),
		on("acme", time.Minute, issuedFor(1000, "s1", "svc_1", time.Minute, time.Hour)),
		on("acme", time.Minute, serviceCreated("s2", "none")),
		on("acme", time.Minute, &events.ServiceDeleted{ID: "s2"}),
		accounted("r_1", 1, time.Minute, events.Usage{Organization: "acme", Application: "a1", Secret: 1, Admitted: 3, Errors: 1, Refused: 2}),
		on("acme", time.Minute, userCreated("u1", "h1"), userCreated("u2", "h2"), userCreated("u3", "h3")),
		on("acme", time.Minute, &events.UserUpdated{ID: "u1", UserProfile: profile("h4", "ADMIN")}),
		on("acme", time.Minute, &events.UserDisabled{ID: "u1"}),
		on("acme", time.Minute, &events.UserDeleted{ID: "u2"}),
		on("acme", time.Minute, failed(1), failed(1), failed(2)),
		on("acme", time.Minute, &events.ProviderSet{Name: "f4w", ProviderSettings: events.ProviderSettings{TokenURL: "https://provider.example"}}),
		on("acme", time.Minute, &events.AuthenticationAdded{ID: "c1", Provider: "f4w", Tokens: []byte("sealed"), ExpiresAt: 1}),
		on("acme", time.Minute, &events.AuthenticationLeased{ID: "c1", Until: 2, Key: "k"}),
		on("acme", time.Minute, webhookCreated("w1", 3)),
		on("acme", time.Minute, webhookCreated("w2", 3)),
		on("acme", time.Minute, &events.WebhookLeased{ID: "w1", Lease: "l1", Until: epoch.Add(time.Hour)}),
		on("acme", time.Minute, &events.WebhookFailed{
			ID: "w2", WebhookProgress: events.WebhookProgress{Position: 4, Amid: 1, Acknowledged: 2}, Error: "slow", RetryAt: epoch.Add(time.Hour),
		}),
		on("acme", time.Minute, created("a3", false), userCreated("u9", "h9")),
		on("acme", time.Minute, familyBegun("f1", "a3", 1, "u9", time.Minute, time.Hour), familyBegun("f2", "a3", 1, "u9", time.Minute, time.Hour)),
		on("acme", time.Minute, presented("f1", 0, "a3", 1, ""), presented("f1", 1, "a3", 1, "k")),
		on("acme", time.Minute, presented("f2", 0, "a3", 1, ""), presented("f2", 0, "a3", 1, "")),
		on("acme", time.Minute, familyToken(2000, "f1"), familyToken(2001, "f1")),
		keyed(1, 1, on("acme", time.Minute, created("a4", false))),
		keyed(1, 2, on("acme", time.Minute, created("a5", false))), keyed(2, 3, on("beta", time.Minute, created("a6", false))),
		on("", time.Minute, &events.LogRestored{ID: "n35nozch", From: 5}),
		on("acme", time.Minute, &events.OrganizationTokensRevoked{ID: "acme", Reason: "log_restored"}),
		on("", time.Minute, &events.LogArchived{From: 1, Through: 7, Chain: events.Chain{1}, Root: []byte("root"), State: []byte("state"), SHA256: "5e", Bytes: 9}),
	)
	got := encoded(t, replayed(t, pages).Freeze())
	want, err := os.ReadFile(file)
	if *rewrite && errors.Is(err, fs.ErrNotExist) {
		want, err = got, os.WriteFile(file, got, 0o644)
	}
	if err != nil {
		t.Fatalf("%v (go test -run TestGoldenSnapshot -rewrite adds it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("not the bytes of %s", file)
	}
}
