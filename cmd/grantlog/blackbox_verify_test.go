package main_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// used returns a stopped server with some history.
func used(t *testing.T) (s *server, app application, tokens []string) {
	t.Helper()
	s = start(t)
	admin := s.admin()
	app = s.create(admin)
	for range 5 {
		tokens = append(tokens, s.token(app))
	}
	s.position()
	s.stop()
	return s, app, tokens
}

// Section 1: verify proves a log whole, says the same twice, and does not run
// beside a server.
func TestVerifyHealthy(t *testing.T) {
	t.Parallel()
	s, app, tokens := used(t)
	first := run(t, nil, "verify", "--data", s.data)
	if first.code != 0 || !strings.Contains(first.stdout, "position") || !strings.Contains(first.stdout, "the log is whole") {
		t.Fatalf("%d\n%s%s", first.code, first.stdout, first.stderr)
	}
	if again := run(t, nil, "verify", "--data", s.data); again.stdout != first.stdout {
		t.Errorf("verified twice:\n%s\n%s", first.stdout, again.stdout)
	}
	s.start()
	s.live(app, tokens...)
	r := run(t, nil, "verify", "--data", s.data)
	if r.code == 0 {
		t.Error("verify ran beside a server")
	}
	oneClearLine(t, r, "in use")
	if r := run(t, nil, "verify", "--data", filepath.Join(t.TempDir(), "none")); r.code != 2 {
		t.Errorf("without a log: exit code %d\n%s", r.code, r.stderr)
	}
}

// SECURITY.md G9: one changed bit anywhere in the records is found.
func TestVerifyFindsBitFlips(t *testing.T) {
	t.Parallel()
	s, _, _ := used(t)
	for name, place := range map[string]func(block []byte) int{
		"an event's type":     at("application.created", 3),
		"a scope":             at("write:customers", 8),
		"a token's jti":       at(`"jti":"`, 9),
		"a secret's digest":   at(`"digest":"`, 20),
		"a record's MAC":      at("Grantlog-Mac", 20),
		"the first event":     at("organization.created", 3),
		"a key's private key": at(`"sealed":"`, 30),
	} {
		t.Run(name, func(t *testing.T) {
			data := damaged(t, s, place)
			r := run(t, nil, "verify", "--data", data)
			if r.code != 1 {
				t.Errorf("verify: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
			}
			oneClearLine(t, r)
		})
	}
}

// SECURITY.md G10: a server on a damaged log refuses to run or answers 503; it
// does not answer from what is left.
func TestServerOnADamagedLog(t *testing.T) {
	t.Parallel()
	s, _, tokens := used(t)
	for name, place := range map[string]func(block []byte) int{
		"in the middle":   at("application.created", 3),
		"in the last one": at("Grantlog-Mac", 20),
	} {
		t.Run(name, func(t *testing.T) {
			data := damaged(t, s, place)
			// Without its snapshot the server has to read the log.
			if err := os.RemoveAll(filepath.Join(data, "state")); err != nil {
				t.Fatal(err)
			}
			refusesOrAnswers503(t, data, tokens[0])
		})
	}
}

// damaged returns a copy of a stopped server's data with one bit changed.
func damaged(t *testing.T, s *server, place func([]byte) int) string {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	copyTree(t, data, s.data, nil)
	flip(t, data, place)
	return data
}

func at(text string, offset int) func([]byte) int {
	return func(block []byte) int {
		i := bytes.LastIndex(block, []byte(text))
		if i < 0 {
			return -1
		}
		return i + offset
	}
}

// blocks returns the files that hold the log's records.
func blocks(t testing.TB, data string) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".blk") {
			found = append(found, path)
		}
		return err
	})
	if err != nil || len(found) == 0 {
		t.Fatalf("blocks %v, %v", found, err)
	}
	return found
}

func flip(t *testing.T, data string, place func([]byte) int) {
	t.Helper()
	for _, path := range blocks(t, data) {
		block, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if i := place(block); i >= 0 {
			block[i] ^= 1
			if err := os.WriteFile(path, block, 0o600); err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatal("the place is in no block")
}

// refusesOrAnswers503 runs a server on a log that is not whole, until it ends
// with an error or says itself that the log is why it is not ready. That it is
// not ready yet proves nothing: every server begins so. At no moment may it be
// ready or know a token.
func refusesOrAnswers503(t *testing.T, data, token string) {
	t.Helper()
	s := prepare(t)
	s.data = data
	asker := s.administrator()
	s.launch()
	s.eventually("the server refuses to run, or says that the log is not whole", func() bool {
		select {
		case <-s.run.exited:
			return true
		default:
		}
		if known, err := s.knows(asker, token); err == nil && known {
			t.Fatal("the server answers from a log that is not whole")
		}
		reason, err := s.unreadiness()
		return err == nil && (strings.Contains(reason, "damaged") || strings.Contains(reason, "shortened"))
	})
	select {
	case <-s.run.exited:
		if code := s.wait(); code == 0 {
			t.Error("exit code 0 on a log that is not whole")
		}
	default:
		if known, err := s.knows(asker, token); err != nil || known {
			t.Errorf("introspection: answered %v, %v; want 503", known, err)
		}
		s.kill()
	}
}

// knows asks for a token, without a check against the description, for the
// server may end meanwhile. Anything but 503 is an answer.
func (s *server) knows(asker application, token string) (bool, error) {
	form := url.Values{"token": {token}, "client_id": {asker.ClientID}, "client_secret": {asker.ClientSecret}}
	resp, err := (&http.Client{Transport: s.base, Timeout: patience}).PostForm(s.issuer()+"/oauth/introspect", form)
	if err != nil {
		return false, err
	}
	return resp.StatusCode != http.StatusServiceUnavailable, resp.Body.Close()
}

// unreadiness returns the reason that /readyz gives; none when it is ready.
func (s *server) unreadiness() (string, error) {
	resp, err := (&http.Client{Transport: s.base, Timeout: patience}).Get(s.issuer() + "/readyz")
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusOK {
		s.t.Fatal("ready on a log that is not whole")
	}
	var body struct {
		Reason string `json:"reason"`
	}
	return body.Reason, json.NewDecoder(resp.Body).Decode(&body)
}

// Section 8, SECURITY.md G9: a log shortened at its end, here by putting an
// older copy of the store in place, is found too.
func TestShortenedLog(t *testing.T) {
	t.Parallel()
	s, app, tokens := used(t)
	store := filepath.Join(s.data, storeOf(t, s.data))
	older := filepath.Join(t.TempDir(), "older")
	copyTree(t, older, store, nil)
	s.start()
	s.form("/oauth/revoke", []string{"token", tokens[0]}, basic(app)).ok()
	s.dead(app, tokens[0])
	s.stop()
	if err := os.RemoveAll(store); err != nil {
		t.Fatal(err)
	}
	copyTree(t, store, older, nil)
	if r := run(t, nil, "verify", "--data", s.data); r.code != 1 {
		t.Errorf("verify: exit code %d\n%s%s", r.code, r.stdout, r.stderr)
	}
	refusesOrAnswers503(t, s.data, tokens[1])
}

// storeOf returns the directory of the embedded NATS below the data directory.
func storeOf(t testing.TB, data string) string {
	t.Helper()
	rel, err := filepath.Rel(data, blocks(t, data)[0])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(rel, string(filepath.Separator))[0]
}

// Section 1: tail prints the log's events as JSON lines, in order.
func TestTail(t *testing.T) {
	t.Parallel()
	s, app, tokens := used(t)
	r := run(t, nil, "tail", "--data", s.data, "--no-follow")
	if r.code != 0 {
		t.Fatalf("%d\n%s", r.code, r.stderr)
	}
	for _, want := range []string{`"type":"organization.created"`, `"type":"application.created"`, `"type":"token.issued"`, `"type":"key.activated"`, app.ID} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %s", want)
		}
	}
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var positions []int
	for _, line := range lines {
		var position int
		if _, err := fmt.Sscanf(line, `{"position":%d,`, &position); err != nil {
			t.Fatalf("%.100s: %v", line, err)
		}
		positions = append(positions, position)
	}
	if !slices.IsSorted(positions) || positions[0] != 1 {
		t.Errorf("positions %v", positions)
	}
	for _, secret := range append(tokens, app.ClientSecret) {
		if strings.Contains(r.stdout, secret) {
			t.Error("a secret is in the log")
		}
	}
}
