package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// lives says which tokens of the scenario are live at its moments.
var lives = []struct{ at, tokens string }{
	{"12:01:30", ""},
	{"12:02:00", "1"},
	{"12:04:30", "1 2"},
	{"12:08:30", "1 2 3 4"},
	{"12:09:00", "2 3 4"},
	{"12:13:59.999999", "2 3 4"},
	{"12:14:00", "3 4"},
	{"12:19:59.999999", "3 4"},
	{"12:20:00", "3"},
	{"12:25:00", ""},
	{"12:26:30", ""},
	{"12:27:00", "6"},
	{"12:30:00", ""},
}

// Every token is what it was at every moment: by introspection, by a replay of
// the directory and by a replay through the server.
func TestEveryMomentByInterfaceAndCommand(t *testing.T) {
	s := recordScenario(t)
	atRest := s.byCommand("--data")
	stop := s.serve()
	served := s.byIntrospection()
	asked := s.byCommand("--url")
	stop()
	stop = s.serve() // from a snapshot
	again := s.byIntrospection()
	stop()
	for i, moment := range lives {
		for name, got := range map[string][]string{
			"replay --data": atRest, "replay --url": asked, "introspection": served, "introspection after a restart": again,
		} {
			if got[i] != moment.tokens {
				t.Errorf("%s at %s: live are [%s], want [%s]", name, moment.at, got[i], moment.tokens)
			}
		}
	}
}

func (s *scenario) byIntrospection() (live []string) {
	s.t.Helper()
	for _, moment := range lives {
		var found []string
		for n := byte(1); n <= 6; n++ {
			form := url.Values{"token": {compact(n)}, "as_of": {clock(s.t, moment.at).Format(time.RFC3339Nano)}}
			status, header, body := s.request(http.MethodPost, "/oauth/introspect", form, asAdmin)
			if status != http.StatusOK || header.Get("As-Of-Position") == "" {
				s.t.Errorf("%s: %d %s", moment.at, status, body)
			}
			switch {
			case strings.HasPrefix(body, `{"active":true,`) && strings.Contains(body, jti(n).String()):
				found = append(found, fmt.Sprint(n))
			case body != `{"active":false}`:
				s.t.Errorf("%s: %s", moment.at, body)
			}
		}
		live = append(live, strings.Join(found, " "))
	}
	return live
}

// byCommand takes one replay per moment for the application's list of live
// tokens.
func (s *scenario) byCommand(from string) (live []string) {
	s.t.Helper()
	for _, moment := range lives {
		code, stdout, stderr := s.replay(from, "--as-of", clock(s.t, moment.at).Format(time.RFC3339Nano), "--application", theApp, "--out", "ndjson")
		if code != exitOK && (code != exitAbsent || moment.at != "12:30:00") {
			s.t.Errorf("%s: %d %s", moment.at, code, stderr)
		}
		var found []string
		for n := byte(1); n <= 6; n++ {
			if strings.Contains(stdout, `{"liveToken":{"jti":"`+jti(n).String()) {
				found = append(found, fmt.Sprint(n))
			}
		}
		live = append(live, strings.Join(found, " "))
	}
	return live
}

// What a server is asked for comes out as from the log itself, byte by byte.
func TestServerAndDirectorySayTheSame(t *testing.T) {
	s := recordScenario(t)
	at := func(text string) string { return clock(t, text).Format(time.RFC3339Nano) }
	questions := [][]string{
		{"--as-of", at("12:04:30"), "--application", theApp},
		{"--as-of", "10", "--application", theApp},
		{"--as-of", at("12:08:30"), "--organization", "default"},
		{"--as-of", at("12:00:30"), "--organization", "default"},
		{"--as-of", at("12:10:00"), "--impact", "secret:" + theApp + "@1"},
		{"--as-of", "15", "--impact", "application:" + theApp},
		{"--as-of", "15", "--impact", "secret:" + theApp + "@9"},
		{"--as-of", "15", "--impact", "user:nobody"},
		{"--as-of", "15", "--impact", "application:app_integration"},
		{"--as-of", "15", "--impact", "secret:app_integration@1"},
		{"--as-of", "15", "--impact", "key:k_1"},
		{"--as-of", at("12:08:30"), "--impact", "key:k_1"},
		{"--as-of", "15", "--impact", "key:k_2"},
		{"--as-of", "15", "--what-if", "tokenLifetime=20s"},
		{"--as-of", "15", "--speed", "1e9"},
		{"--as-of", "12", "--speed", "1e9", "--out", "ndjson"},
		{"--as-of", at("12:03:30"), "--what-if", "limit.perMinute=2", "--what-if", "limit.perHour=5"},
		{"--as-of", at("12:30:00"), "--application", theApp},
		{"--as-of", "15", "--organization", "nowhere"},
		{"--as-of", "15", "--lineage", strings.Repeat("0", 32)},
		{"--as-of", "10"},
		{"--as-of", at("12:08:30"), "--out", "table"},
		{"--as-of", "15", "--state-hash"},
		{"--diff", "1..15"},
		{"--diff", at("12:04:30") + ".." + at("12:20:00"), "--out", "table"},
		{"--diff", "4..11", "--out", "ndjson"},
	}
	for n := byte(1); n <= 6; n++ {
		for _, moment := range []string{"15", "11", at("12:08:30"), at("12:20:00"), at("13:30:00")} {
			questions = append(questions,
				[]string{"--as-of", moment, "--token", jti(n).String()},
				[]string{"--as-of", moment, "--lineage", jti(n).String()})
		}
	}
	type result struct {
		code           int
		stdout, stderr string
	}
	atRest := make([]result, len(questions))
	for i, args := range questions {
		r := &atRest[i]
		r.code, r.stdout, r.stderr = s.replay("--data", args...)
	}
	defer s.serve()()
	for i, args := range questions {
		var r result
		if r.code, r.stdout, r.stderr = s.replay("--url", args...); r != atRest[i] {
			t.Errorf("%v:\n%s", args, cmp.Diff(atRest[i], r, cmp.AllowUnexported(result{})))
		}
	}
	for _, args := range [][]string{
		{"--diff", "9..5"}, {"--diff", "5..1000000"}, {"--as-of", "1000000"}, {"--as-of", "1000000", "--state-hash"}, {"--as-of", "1000000", "--application", theApp},
	} {
		if code, stdout, stderr := s.replay("--url", args...); code != exitUsage || stdout != "" || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
	// The end of the log moves on while a server runs.
	for _, args := range [][]string{{}, {"--state-hash"}, {"--diff", "3.."}} {
		if code, stdout, stderr := s.replay("--url", args...); code != exitOK || !strings.HasPrefix(stdout, "{") {
			t.Errorf("%v: exit code %d\n%s%s", args, code, stdout, stderr)
		}
	}
}

// ask notes a request and its answer.
func (s *scenario) ask(l *commandLog, path string, authorize func(*http.Request)) (body string) {
	s.t.Helper()
	status, header, body := s.request(http.MethodGet, path, nil, authorize)
	fmt.Fprintf(&l.text, "> GET %s\n< %d", path, status)
	for _, name := range []string{"As-Of-Position", "As-Of-Time"} {
		if value := header.Get(name); value != "" {
			fmt.Fprintf(&l.text, ", %s: %s", name, value)
		}
	}
	fmt.Fprintf(&l.text, "\n%s\n\n", today.ReplaceAllString(body, "<now>"))
	return body
}

// What the HTTP interface says of the scenario's past, word by word.
func TestAsOfTranscript(t *testing.T) {
	s := recordScenario(t)
	l := &commandLog{t: t, name: "requests.txt"}
	stop := s.serve()
	bearer := s.bearer()
	const app = "/oauth/applications/" + theApp

	l.section("An application that is gone, as it was")
	s.ask(l, app, bearer)
	s.ask(l, app+"?as_of=2024-01-02T12:04:30Z", bearer)
	s.ask(l, app+"?as_of=2024-01-02T12:08:30Z", bearer)
	s.ask(l, app+"?as_of=12", bearer)
	s.ask(l, app+"?as_of=2024-01-02T12:00:59.999999Z", bearer)
	s.ask(l, app+"?as_of=2024-01-02T12:30:00Z", bearer)
	l.section("Lists, as they were")
	s.ask(l, "/oauth/applications?as_of=2", bearer)
	s.ask(l, "/oauth/applications?as_of=2023-01-01T00:00:00Z", bearer)
	s.ask(l, "/oauth/organizations?as_of=2", bearer)
	s.ask(l, app+"/tokens?as_of=2024-01-02T12:10:00Z", bearer)
	l.section("As far as one replica had come: the record at 12:07 was written after it had applied position 8")
	s.ask(l, app+"/tokens?as_of=2024-01-02T12:07:00Z", bearer)
	s.ask(l, app+"/tokens?as_of=2024-01-02T12:07:00Z&replica=r_second", bearer)
	s.ask(l, app+"/tokens?as_of=2024-01-02T12:07:00Z&replica=r_unknown", bearer)
	l.section("Moments that are none")
	for _, asOf := range []string{"", "0", "-1", "1000000", "9999-01-01T00:00:00Z", "yesterday", "2024-01-02", "1&as_of=2"} {
		s.ask(l, app+"?as_of="+asOf, bearer)
	}
	s.ask(l, app+"?replica=r_second", bearer)
	s.ask(l, app+"?as_of=4", func(*http.Request) {})
	stop()
	l.check()
}

// A cursor is good for the moment that it was given for.
func TestCursorsOfThePast(t *testing.T) {
	s := recordScenario(t)
	defer s.serve()()
	bearer := s.bearer()
	const path = "/oauth/applications/" + theApp + "/tokens?limit=3&as_of="
	page := func(asOf, cursor string) (status, tokens int, next string) {
		var list listPage
		status, _, body := s.request(http.MethodGet, path+asOf+cursor, nil, bearer)
		if err := json.Unmarshal([]byte(body), &list); err != nil {
			t.Fatal(err)
		}
		return status, len(list.Tokens), list.NextCursor
	}
	_, first, next := page("10", "")
	if _, rest, end := page("10", "&cursor="+next); first != 3 || rest != 1 || end != "" {
		t.Errorf("pages of %d and %d, then %q", first, rest, end)
	}
	if status, _, _ := page("9", "&cursor="+next); status != http.StatusBadRequest {
		t.Errorf("%d for the cursor of another moment", status)
	}
}
