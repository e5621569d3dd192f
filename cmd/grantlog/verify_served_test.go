package main

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// between stands between a server and who asks it, and changes what it says.
func (s *scenario) between(change func(path string, body []byte) []byte) string {
	s.t.Helper()
	server, err := url.Parse(s.url())
	if err != nil {
		s.t.Fatal(err)
	}
	proxy := httputil.NewSingleHostReverseProxy(server)
	proxy.ModifyResponse = func(r *http.Response) error {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		if r.StatusCode == http.StatusOK {
			body = change(r.Request.URL.Path, body)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.ContentLength = int64(len(body))
		r.Header.Del("Content-Length")
		return nil
	}
	front := httptest.NewServer(proxy)
	s.t.Cleanup(front.Close)
	return front.URL
}

// on changes the answers of one path only.
func on(path string, change func(body []byte) []byte) func(string, []byte) []byte {
	return func(asked string, body []byte) []byte {
		if asked != path {
			return body
		}
		return change(body)
	}
}

// What a server says of its log is verified, not believed: records, the
// checkpoint, the proof, and the state.
func TestVerifyDoesNotBelieveAServer(t *testing.T) {
	s := recordScenario(t)
	file := s.kept()
	defer s.serve()()
	const records, checkpoint, summary = "/oauth/log/records", "/oauth/log/checkpoint", "/oauth/replay/summary"
	lines := func(change func(lines [][]byte) [][]byte) func([]byte) []byte {
		return func(body []byte) []byte { return bytes.Join(change(bytes.SplitAfter(body, []byte("\n"))), nil) }
	}
	hash := regexp.MustCompile(`[0-9a-f]{64}`)
	for name, c := range map[string]struct {
		change func(string, []byte) []byte
		args   string
		code   int
		word   string
	}{
		"nothing":            {func(_ string, b []byte) []byte { return b }, "", exitOK, ""},
		"nothing, no state":  {func(_ string, b []byte) []byte { return b }, "--no-state", exitOK, ""},
		"nothing, one proof": {func(_ string, b []byte) []byte { return b }, "--proof-only", exitOK, ""},
		"a payload": {on(records, func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"grant":"client`), []byte(`"grant":"clyent`), 1)
		}),
			"", exitFailed, "the first bad position is "},
		"a subject": {on(records, func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"grantlog.tokens"`), []byte(`"grantlog.tokenz"`), 1)
		}),
			"", exitFailed, "the first bad position is "},
		"a MAC": {on(records, func(b []byte) []byte { return bytes.Replace(b, []byte(`"mac":"`), []byte(`"mac":"AAAA`), 1) }),
			"", exitFailed, "the first bad position is 1: "},
		"a record dropped": {on(records, lines(func(l [][]byte) [][]byte { return append(l[:4:4], l[5:]...) })), "", exitFailed, "the first bad position is 5: "},
		"two exchanged":    {on(records, lines(func(l [][]byte) [][]byte { l[4], l[5] = l[5], l[4]; return l })), "", exitFailed, "the first bad position is 5: "},
		"no records":       {on(records, func([]byte) []byte { return nil }), "", exitFailed, "the first bad position is 1: "},
		"few at a time":    {on(records, lines(func(l [][]byte) [][]byte { return l[:min(3, len(l))] })), "", exitOK, ""},
		"no JSON":          {on(records, func([]byte) []byte { return []byte("hello\n") }), "", exitAbsent, "nothing was proved"},
		"the size": {on(checkpoint, func(b []byte) []byte { return regexp.MustCompile(`\n\d+\n`).ReplaceAll(b, []byte("\n3\n")) }),
			"", exitFailed, "the server's checkpoint: not a checkpoint of this log"},
		"the key": {on("/oauth/log/key", func([]byte) []byte {
			return []byte("log.example+d85f6874+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop\n")
		}), "", exitFailed, "the server's checkpoint: not a checkpoint of this log"},
		"the state": {on(summary, func(b []byte) []byte { return hash.ReplaceAll(b, []byte(strings.Repeat("0", 64))) }),
			"", exitFailed, "the server's state at position "},
		"the proof": {on("/oauth/log/proof", func([]byte) []byte { return []byte(`{"path":["AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="]}`) }),
			"--proof-only", exitFailed, "no proof leads from the checkpoint to the server's"},
	} {
		t.Run(name, func(t *testing.T) {
			args := []string{"--url", s.between(c.change), "--admin-file", s.adminFile(), "--checkpoint", file}
			code, stdout, stderr := verify(t, append(args, strings.Fields(c.args)...)...)
			if code != c.code || !strings.Contains(stderr, c.word) || (code == exitOK) != strings.Contains(stdout, "it begins with the ") {
				t.Errorf("%d\n%s%s", code, stdout, stderr)
			}
		})
	}
}

// A server with another log under the same name and key does not get by: the
// log was rolled back to a backup, or exchanged.
func TestVerifyFindsAServerOnAnotherLog(t *testing.T) {
	s := recordScenario(t)
	file := s.kept()
	original := readAll(t, s.data)
	for name, forged := range map[string][]written{
		"rolled back": original[:5],
		"exchanged":   append(original[:5:5], original[3:]...),
	} {
		t.Run(name, func(t *testing.T) {
			other := &scenario{t: t, data: forge(t, s.data, forged)}
			defer other.serve()()
			for _, how := range []string{"--no-state", "--proof-only"} {
				before, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				code, stdout, stderr := verify(t, "--url", other.url(), "--admin-file", s.adminFile(), "--save", file, how)
				if code != exitFailed {
					t.Errorf("%s: %d\n%s%s", how, code, stdout, stderr)
				}
				if after, err := os.ReadFile(file); err != nil || !bytes.Equal(before, after) {
					t.Errorf("%s: the checkpoint that proves it was replaced (%v)", how, err)
				}
			}
		})
	}
}

// --save begins with what is there, goes on from it, and needs no server.
func TestVerifySavesCheckpoints(t *testing.T) {
	s := recordScenario(t)
	file := filepath.Join(t.TempDir(), "kept")
	if code, _, stderr := verify(t, "--data", s.data, "--save", file); code != exitUsage || !strings.Contains(stderr, "--save needs the name of the log") {
		t.Errorf("without a name: %d %s", code, stderr)
	}
	s.serve()()
	for range 2 {
		code, stdout, stderr := verify(t, "--data", s.data, "--save", file)
		if code != exitOK {
			t.Fatalf("%d\n%s%s", code, stdout, stderr)
		}
		s.serve()()
	}
	if err := os.RemoveAll(filepath.Join(s.data, "state")); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := verify(t, "--data", s.data, "--save", file) // the name is that of what was kept
	if code != exitOK || !strings.Contains(stdout, "it begins with the ") {
		t.Errorf("%d\n%s%s", code, stdout, stderr)
	}
	if code, _, stderr := verify(t, "--data", s.data, "--checkpoint", file, "--verifier-key", "log.example+d85f6874+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"); code == exitOK {
		t.Errorf("under another key: %s", stderr)
	}
}

// A mistake of the caller is 2, and a log that cannot be asked is 3: neither
// says anything of the log.
func TestVerifyTellsWhatItDoesNotKnow(t *testing.T) {
	s := recordScenario(t)
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no checkpoint\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	refused := func(name string, want int, word string, args ...string) {
		t.Helper()
		if code, stdout, stderr := verify(t, args...); code != want || stdout != "" || !strings.Contains(stderr, word) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%s: %d, want %d\n%s%s", name, code, want, stdout, stderr)
		}
	}
	refused("no file", exitUsage, "no such file", "--data", s.data, "--checkpoint", text+".none")
	refused("no checkpoint", exitUsage, "not a checkpoint", "--data", s.data, "--checkpoint", text)
	refused("nowhere to save", exitUsage, "not a checkpoint", "--data", s.data, "--save", text)
	refused("a proof of a directory", exitUsage, "--proof-only", "--data", s.data, "--proof-only")
	refused("a proof of nothing", exitUsage, "--proof-only", "--url", "http://127.0.0.1:1", "--admin-file", s.adminFile(), "--proof-only")
	refused("no key", exitUsage, "verifier key", "--data", s.data, "--verifier-key", "x")
	refused("no credentials", exitUsage, "--admin-file", "--url", "http://127.0.0.1:1")
	refused("no log", exitUsage, "there is no log", "--data", t.TempDir())
	refused("out of reach", exitAbsent, "nothing was proved", "--url", "http://127.0.0.1:1", "--admin-file", s.adminFile())
	refused("NATS out of reach", exitAbsent, "nothing was proved", "--nats", "nats://127.0.0.1:1", "--data", s.data)
	stop := s.serve()
	refused("in use", exitAbsent, "nothing was proved: data directory", "--data", s.data)
	stop()
}
