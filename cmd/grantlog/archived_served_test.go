package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// asked is what a server answers its administrator, once its tree is not on its
// way any more.
func (s *scenario) asked(authorize func(*http.Request), path string) (status int, header http.Header, body string) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); ; {
		status, header, body = s.request(http.MethodGet, path, nil, authorize)
		if status != http.StatusServiceUnavailable || !strings.Contains(path, "/oauth/log/") || time.Now().After(deadline) {
			return status, header, body
		}
	}
}

// A server of a log whose beginning was archived answers for every moment from
// there on as one of the whole log does, and says of all others that they are
// gone: it never answers less than it was asked for.
func TestServerOfAnArchivedLog(t *testing.T) {
	t.Parallel()
	whole := recordScenario(t)
	s, _ := whole.archive(8)
	defer whole.serve()()
	defer s.serve()()
	admin, wholeAdmin := s.bearer(), whole.bearer()

	for _, path := range []string{
		"/oauth/applications?as_of=8", "/oauth/applications/" + theApp + "?as_of=2024-01-02T12:06:30Z", "/oauth/applications/" + theApp + "/tokens?as_of=9",
		"/oauth/organizations?as_of=14", "/oauth/replay/summary?as_of=10", "/oauth/replay/diff?from=8&to=14",
		"/oauth/events?after=7&before=15", "/oauth/events?after=8&before=15&order=desc", "/oauth/events?since=2024-01-02T12:06:00Z&until=2024-01-02T12:30:00Z",
		"/oauth/events?after=9&before=15&format=csv", "/oauth/log/records?after=7&limit=7",
	} {
		status, header, got := s.asked(admin, path)
		wantStatus, wantHeader, want := whole.asked(wholeAdmin, path)
		if status != http.StatusOK || status != wantStatus || got != want || header.Get("As-Of-Position") != wantHeader.Get("As-Of-Position") {
			t.Errorf("%s: %d %s\nwant %s", path, status, got, want)
		}
	}
	for _, path := range []string{
		"/oauth/applications?as_of=7", "/oauth/applications/" + theApp + "?as_of=2024-01-02T12:01:30Z", "/oauth/applications/" + theApp + "/tokens?as_of=1",
		"/oauth/organizations?as_of=3", "/oauth/services?as_of=3", "/oauth/users?as_of=3", "/oauth/webhooks?as_of=3",
		"/oauth/replay/summary?as_of=7", "/oauth/replay/diff?from=3&to=9",
		"/oauth/events?after=0", "/oauth/events?after=6", "/oauth/events?before=8", "/oauth/events?since=2024-01-02T12:00:00Z", "/oauth/events?until=2024-01-02T12:00:00Z",
		"/oauth/events?after=3&format=ndjson", "/oauth/events?after=3&order=desc", "/oauth/events/stream?after=3",
		"/oauth/revocations?after=3", "/oauth/revocations/stream?after=3",
		"/oauth/log/records?after=0", "/oauth/log/records?after=6", "/oauth/log/tile/entries/000.p/9",
		"/oauth/log/proof?position=3&size=14&event=e_03",
	} {
		status, header, body := s.asked(admin, path)
		if status != http.StatusGone || header.Get("Log-First-Position") != "8" || !strings.HasPrefix(body, `{"code":410,"message":"The log before position 8 was archived`) {
			t.Errorf("%s: %d %s %s", path, status, header.Get("Log-First-Position"), body)
		}
	}
	status, _, body := s.request(http.MethodPost, "/oauth/introspect", url.Values{"token": {"x"}, "as_of": {"3"}}, asAdmin)
	if status != http.StatusGone || !strings.HasPrefix(body, `{"error":"gone","error_description":"The log before position 8 was archived`) {
		t.Errorf("introspection: %d %s", status, body)
	}
	status, header, _ := s.request(http.MethodGet, "/oauth/events/stream", nil, func(r *http.Request) { admin(r); r.Header.Set("Last-Event-ID", "5") })
	if status != http.StatusGone || header.Get("Log-First-Position") != "8" {
		t.Errorf("resuming before the beginning: %d", status)
	}

	// Without bounds, what is there is listed, and where it begins.
	for _, order := range []string{"asc", "desc"} {
		status, header, body := s.asked(admin, "/oauth/events?before=15&order="+order)
		var listed struct {
			Events []struct{ Position int }
		}
		if err := json.Unmarshal([]byte(body), &listed); err != nil || status != http.StatusOK || header.Get("Log-First-Position") != "8" || len(listed.Events) != 7 {
			t.Errorf("%s: %d, %d events, %v: %s", order, status, len(listed.Events), err, body)
		}
	}
	if status, _, body := s.asked(admin, "/oauth/revocations"); status != http.StatusOK || !strings.Contains(body, `"position":8,`) || strings.Contains(body, `"position":7,`) {
		t.Errorf("%d %s", status, body)
	}
	s.proofsOfArchivedRecords(admin, whole, wholeAdmin)
	s.hooksOfArchivedRecords(admin)
}

// proofsOfArchivedRecords asks for some: the tree has them, and the entry is
// what the log had.
func (s *scenario) proofsOfArchivedRecords(admin func(*http.Request), whole *scenario, wholeAdmin func(*http.Request)) {
	s.t.Helper()
	for _, path := range []string{"/oauth/log/proof?position=3&size=14", "/oauth/log/proof?position=9&size=14", "/oauth/log/proof?from=5&to=14", "/oauth/log/tile/0/000.p/14"} {
		got, want := map[string]any{}, map[string]any{}
		ask := func(s *scenario, authorize func(*http.Request), into map[string]any) (status int, body string) {
			status, _, body = s.asked(authorize, path)
			if strings.HasPrefix(body, "{") {
				must(s.t, json.Unmarshal([]byte(body), &into))
			}
			delete(into, "checkpoint") // in the name of the server
			return status, body
		}
		status, body := ask(s, admin, got)
		_, wantBody := ask(whole, wholeAdmin, want)
		if strings.Contains(path, "position=3") {
			delete(want, "entry") // which only the archive has
		}
		if status != http.StatusOK || fmt.Sprint(got) != fmt.Sprint(want) || len(want) == 0 && body != wantBody {
			s.t.Errorf("%s: %d %v, want %v", path, status, got, want)
		}
	}
}

// hooksOfArchivedRecords begins webhooks where the log is not any more.
func (s *scenario) hooksOfArchivedRecords(admin func(*http.Request)) {
	s.t.Helper()
	for after, want := range map[int]int{0: http.StatusGone, 6: http.StatusGone, 7: http.StatusCreated} {
		body := fmt.Sprintf(`{"url":"https://receiver.example/%d","after":%d}`, after, after)
		r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.url()+"/oauth/webhooks", strings.NewReader(body))
		must(s.t, err)
		admin(r)
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		must(s.t, err)
		resp.Body.Close()
		if resp.StatusCode != want {
			s.t.Errorf("a webhook after %d: %d, want %d", after, resp.StatusCode, want)
		}
	}
}

// The commands that ask a server know what it does not have.
func TestCommandsOfAnArchivedServer(t *testing.T) {
	t.Parallel()
	whole := recordScenario(t)
	s, archive := whole.archive(8)
	stop := s.serve()
	remote := func(command string, args ...string) (code int, stdout, stderr string) {
		p, out, errs := world(nil)
		code = run(t.Context(), append([]string{command, "--url", s.url(), "--admin-file", s.adminFile(), "--log-level", "error"}, args...), p)
		return code, out.String(), errs.String()
	}
	kept := filepath.Join(t.TempDir(), "kept")
	for _, how := range [][]string{{"--no-state"}, {}, {"--proof-only"}} {
		code, stdout, stderr := remote("verify", append(how, "--save", kept)...)
		if code != exitOK || len(how) == 0 && !strings.Contains(stdout, "first     8; what was before is archived") || strings.Contains(stdout, "state ") {
			t.Errorf("verify %v: %d\n%s%s", how, code, stdout, stderr)
		}
	}
	key := filepath.Join(s.data, "master.key")
	if code, stdout, stderr := remote("verify", "--archive", archive, "--master-key-file", key, "--checkpoint", kept); code != exitOK || !strings.Contains(stdout, "state ") || strings.Contains(stdout, "first ") {
		t.Errorf("verify with the archive: %d\n%s%s", code, stdout, stderr)
	}
	for _, args := range [][]string{{"--as-of", "3"}, {"--diff", "3..9"}} {
		if code, stdout, stderr := remote("replay", args...); code != exitUsage || stdout != "" || !strings.Contains(stderr, "The log before position 8 was archived") {
			t.Errorf("replay %v: %d\n%s%s", args, code, stdout, stderr)
		}
	}
	for _, args := range [][]string{{"--lineage", jti(4).String()}, {"--impact", "application:" + theApp}, {"--what-if", "tokenLifetime=300s"}} {
		if code, stdout, stderr := remote("replay", args...); code != exitUsage || stdout != "" || !strings.Contains(stderr, "ask the log itself, with --data or --nats") {
			t.Errorf("replay %v: %d\n%s%s", args, code, stdout, stderr)
		}
	}
	file := filepath.Join(t.TempDir(), "backup")
	if code, stdout, stderr := remote("backup", file); code != exitOK || !strings.Contains(stdout, "first     8\n") {
		t.Errorf("backup: %d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := remote("export", "--ndjson", "-", "--since", "3"); code != exitUsage || !strings.Contains(stderr, "position 8 was archived") {
		t.Errorf("export: %d\n%s", code, stderr)
	}
	if line := s.firstTailed(); !strings.HasPrefix(line, `{"position":8,`) {
		t.Errorf("tail: %s", line)
	}
	if code, _, stderr := remote("tail", "--after", "3"); code != exitUsage || !strings.Contains(stderr, "position 8 was archived") {
		t.Errorf("tail --after: %d\n%s", code, stderr)
	}
	stop()
	s.answers("verify", "--backup", file)
	s.answers("verify", "--archive", archive, "--checkpoint", kept)
}

// firstTailed is the first line that following the server gives.
func (s *scenario) firstTailed() string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	p, _, _ := world(nil)
	r, w := io.Pipe()
	p.Stdout = w
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		run(ctx, []string{"tail", "--url", s.url(), "--admin-file", s.adminFile(), "--log-level", "error"}, p)
		w.Close()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	must(s.t, err)
	cancel()
	r.Close()
	<-ended
	return line
}

// What a server says of the part that it does not have is no more believed than
// the rest: it must lead to what was kept.
func TestVerifyDoesNotBelieveAnArchivedServer(t *testing.T) {
	t.Parallel()
	whole := recordScenario(t)
	whole.serve()()
	kept := filepath.Join(t.TempDir(), "kept")
	must(t, os.WriteFile(kept, []byte(checkpointAt(t, whole, 4)), 0o600))
	s, _ := whole.archive(8)
	defer s.serve()()
	const tile, proof, records = "/oauth/log/tile/0/000.p/8", "/oauth/log/proof", "/oauth/log/records"
	for name, c := range map[string]struct {
		change func(string, []byte) []byte
		code   int
		word   string
	}{
		"nothing":          {func(_ string, b []byte) []byte { return b }, exitOK, ""},
		"a hash of a tile": {on(tile, func(b []byte) []byte { b[70] ^= 1; return b }), exitFailed, "the first bad position is"},
		"a short tile":     {on(tile, func(b []byte) []byte { return b[:32] }), exitAbsent, "nothing was proved"},
		"a former root": {on(proof, func(b []byte) []byte {
			first := bytes.Index(b, []byte(`"fromRoot":"`)) + len(`"fromRoot":"`)
			b[first] = map[bool]byte{true: 'B', false: 'A'}[b[first] == 'A'] // another digit of base64
			return b
		}), exitFailed, "the first bad position is"},
		"the first record": {on(records, func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"read:customers"`), []byte(`"read:customars"`), 1)
		}), exitFailed, "the first bad position is"},
	} {
		p, stdout, stderr := world(nil)
		args := []string{"verify", "--url", s.between(c.change), "--admin-file", s.adminFile(), "--checkpoint", kept, "--log-level", "error"}
		code := run(t.Context(), args, p)
		if code != c.code || !strings.Contains(stderr.String(), c.word) || (code == exitOK) != strings.Contains(stdout.String(), "it begins with the 4 records") {
			t.Errorf("%s: %d\n%s%s", name, code, stdout, stderr)
		}
	}
}
