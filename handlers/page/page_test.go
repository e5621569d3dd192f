package page

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/handlers/oauth"
)

var cursors = New([]byte("a key of a test"))

func isBadRequest(err error) bool {
	var e *oauth.Error
	return errors.As(err, &e) && e.Status == http.StatusBadRequest
}

func TestLimit(t *testing.T) {
	for query, want := range map[string]int{
		"": 50, "limit=1": 1, "limit=200": 200, "limit=007": 7, "other=x": 50,
		"limit=": 0, "limit=0": 0, "limit=201": 0, "limit=-1": 0, "limit=1.5": 0, "limit=x": 0, "limit=%2B5": 0,
		"limit=1e2": 0, "limit=9223372036854775808": 0, "limit=5&limit=5": 0, "limit=+5": 0, "limit=0x10": 0, "limit=1%00": 0, "limit=1_0": 0,
	} {
		values, err := url.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := cursors.Parse(values, "list")
		if want == 0 && !isBadRequest(err) || want != 0 && (err != nil || got.Limit != want) {
			t.Errorf("%q: %+v, %v", query, got, err)
		}
	}
}

func TestCursorComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		after := rapid.SliceOfN(rapid.Byte(), 0, maxAfter).Draw(t, "after")
		list := rapid.SliceOf(rapid.String()).Draw(t, "list")
		got, err := cursors.Parse(url.Values{"cursor": {cursors.Next(after, list...)}}, list...)
		if err != nil || !bytes.Equal(got.After, after) || got.After == nil {
			t.Fatalf("%x came back as %x, %v", after, got.After, err)
		}
		other := rapid.SliceOf(rapid.String()).Filter(func(s []string) bool {
			return strings.Join(s, "\x00|") != strings.Join(list, "\x00|") || len(s) != len(list)
		}).Draw(t, "other")
		if _, err := cursors.open(cursors.Next(after, list...), other); err == nil {
			t.Fatal("a cursor of another list was accepted")
		}
	})
}

func TestForgedCursors(t *testing.T) {
	good := cursors.Next([]byte("place"), "applications", "acme")
	forged := map[string]string{
		"empty":         "",
		"not base64":    "!!!!",
		"padded":        good + "==",
		"line break":    good[:4] + "\n" + good[4:],
		"too long":      strings.Repeat("A", 10_000),
		"no mac":        base64.RawURLEncoding.EncodeToString([]byte{version, 'x'}),
		"mac alone":     good[len(good)-22:],
		"another key":   New([]byte("another")).Next([]byte("place"), "applications", "acme"),
		"another list":  cursors.Next([]byte("place"), "tokens", "acme"),
		"another owner": cursors.Next([]byte("place"), "applications", "other"),
		"moved border":  cursors.Next([]byte("place"), "applicationsacme"),
	}
	for i := range good {
		c := byte('A')
		if good[i] == c {
			c = 'B'
		}
		forged["byte changed at "+good[:i]] = good[:i] + string(c) + good[i+1:]
		forged["cut to "+good[:i]] = good[:i]
	}
	for name, cursor := range forged {
		if _, err := cursors.Parse(url.Values{"cursor": {cursor}}, "applications", "acme"); !isBadRequest(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := cursors.Parse(url.Values{"cursor": {good, good}}, "applications", "acme"); !isBadRequest(err) {
		t.Errorf("repeated: %v", err)
	}
}

// Only what Next returned is ever read.
func FuzzCursor(f *testing.F) {
	f.Add(cursors.Next(nil, "list"))
	f.Add(cursors.Next([]byte("place"), "list"))
	f.Add(cursors.Next([]byte("place"), "other"))
	f.Add("")
	f.Add(strings.Repeat("A", 600))
	f.Fuzz(func(t *testing.T, cursor string) {
		after, err := cursors.open(cursor, []string{"list"})
		if err != nil {
			if !isBadRequest(err) {
				t.Fatalf("%q: %v", cursor, err)
			}
			return
		}
		if cursors.Next(after, "list") != cursor {
			t.Fatalf("%q has a second spelling", cursor)
		}
	})
}

func TestQuery(t *testing.T) {
	for target, ok := range map[string]bool{
		"/?limit=5": true, "/": true, "/?a=%zz": false, "/?a;b": false,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.URL.RawQuery = strings.TrimPrefix(target, "/?")
		if target == "/" {
			r.URL.RawQuery = ""
		}
		if _, err := Query(r); ok != (err == nil) || !ok && !isBadRequest(err) {
			t.Errorf("%s: %v", target, err)
		}
	}
	values := url.Values{"one": {"1"}, "two": {"1", "2"}}
	if v, err := One(values, "one"); v != "1" || err != nil {
		t.Errorf("one: %q, %v", v, err)
	}
	if v, err := One(values, "none"); v != "" || err != nil {
		t.Errorf("none: %q, %v", v, err)
	}
	if _, err := One(values, "two"); !isBadRequest(err) {
		t.Errorf("two: %v", err)
	}
}
