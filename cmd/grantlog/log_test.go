package main

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
)

// writeLog makes a data directory whose log has an organization, a token and
// its revocation.
func writeLog(t *testing.T) (dir string) {
	t.Helper()
	set := &serveSettings{Log: logSettings{Data: filepath.Join(t.TempDir(), "data")}}
	s, err := openToServe(set, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	j, err := s.openJournal(t.Context(), "r_test", 1, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	token := events.NewTokenID()
	for i, data := range []events.Data{
		&events.OrganizationCreated{ID: "acme", Name: "Acme"},
		&events.TokenIssued{ID: token, Application: "a_1", Grant: "client_credentials", Key: "k_1", IssuedAt: now.Unix(), ExpiresAt: now.Unix() + 3600},
		&events.TokenRevoked{ID: token, Application: "a_1"},
	} {
		subject, err := events.SubjectFor("acme", data)
		if err != nil {
			t.Fatal(err)
		}
		e := &events.Event{
			ID: events.NewID("e_"), Type: data.EventType(), Version: 1, Time: now.Add(time.Duration(i) * time.Second),
			Organization: "acme", Data: data,
		}
		if _, err := j.Append(t.Context(), subject, e); err != nil {
			t.Fatal(err)
		}
	}
	if err := closeJournal(j); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return set.Log.Data
}

func TestVerify(t *testing.T) {
	dir := writeLog(t)
	verify := func() (int, string, string) {
		p, stdout, stderr := world(nil)
		code := run(t.Context(), []string{"verify", "--data", dir, "--log-level", "error"}, p)
		return code, stdout.String(), stderr.String()
	}
	code, first, stderr := verify()
	if code != exitOK || stderr != "" || !strings.HasPrefix(first, "position  3\nevents    3\n") || !strings.HasSuffix(first, "the log is whole\n") {
		t.Errorf("exit code %d\n%s%s", code, first, stderr)
	}
	if _, second, _ := verify(); second != first {
		t.Errorf("a second run says\n%s", second)
	}

	t.Run("in use", func(t *testing.T) {
		d, err := openDataDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer d.close()
		if code, _, stderr := verify(); code != exitAbsent || !strings.Contains(stderr, "is in use by process") {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	})
	t.Run("wrong key", func(t *testing.T) {
		p, _, stderr := world(map[string]string{"GRANTLOG_MASTER_KEY": testKey})
		if code := run(t.Context(), []string{"verify", "--data", dir, "--log-level", "error"}, p); code != exitFailed || !strings.Contains(stderr.String(), "good up to position 0") {
			t.Errorf("exit code %d: %s", code, stderr)
		}
		for _, command := range []string{"verify", "replay", "tail"} {
			stderr.Reset()
			if code := run(t.Context(), []string{command, "--data", dir}, p); code != exitFailed || !strings.Contains(stderr.String(), "the master key is not the one") {
				t.Errorf("%s: exit code %d: %s", command, code, stderr)
			}
		}
	})
	t.Run("altered", func(t *testing.T) {
		alter(t, dir, `"name":"Acme"`, `"name":"Acne"`)
		if code, stdout, stderr := verify(); code != exitFailed || stdout != "" || !strings.Contains(stderr, "grantlog: the log is not whole") {
			t.Errorf("exit code %d\n%s%s", code, stdout, stderr)
		}
	})
}

// alter replaces bytes in the store, as somebody with access to the disk could.
func alter(t *testing.T, dir, from, to string) {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(storeDir(dir), "*", "streams", "*", "msgs", "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range blocks {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(b, []byte(from)) {
			continue
		}
		if err := os.WriteFile(name, bytes.ReplaceAll(b, []byte(from), []byte(to)), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Fatal("the text is not in the store")
}

func types(t *testing.T, lines string) (types []string) {
	t.Helper()
	for line := range strings.Lines(lines) {
		var e struct {
			Position int
			ID, Type string
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil || e.Position == 0 || e.ID == "" {
			t.Errorf("%s: %v", line, err)
		}
		types = append(types, e.Type)
	}
	return types
}

func TestTail(t *testing.T) {
	dir := writeLog(t)
	for name, tc := range map[string]struct {
		args []string
		want []string
	}{
		"all":         {nil, []string{"organization.created", "token.issued", "token.revoked"}},
		"after":       {[]string{"--after", "1"}, []string{"token.issued", "token.revoked"}},
		"after all":   {[]string{"--after", "3"}, nil},
		"revocations": {[]string{"--revocations"}, []string{"token.revoked"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, stdout, stderr := world(nil)
			args := append([]string{"tail", "--no-follow", "--data", dir, "--log-level", "error"}, tc.args...)
			if code := run(t.Context(), args, p); code != exitOK || stderr.Len() > 0 {
				t.Errorf("exit code %d: %s", code, stderr)
			}
			if diff := cmp.Diff(tc.want, types(t, stdout.String())); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// stopAfter ends a context when a number of lines were written.
type stopAfter struct {
	logBuffer
	lines int
	stop  context.CancelFunc
}

func (w *stopAfter) Write(b []byte) (int, error) {
	n, err := w.logBuffer.Write(b)
	if strings.Count(w.String(), "\n") >= w.lines {
		w.stop()
	}
	return n, err
}

func TestTailFollowsUntilItIsStopped(t *testing.T) {
	dir := writeLog(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	p, _, stderr := world(nil)
	out := &stopAfter{lines: 3, stop: cancel}
	p.Stdout = out
	if code := run(ctx, []string{"tail", "--data", dir, "--log-level", "error"}, p); code != exitOK {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if got := types(t, out.String()); len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

// Reading from the wrong place must not make a log there.
func TestReadingMakesNoLog(t *testing.T) {
	dir := t.TempDir()
	e, err := startEmbedded(dir, "", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	e.stop()
	p, _, stderr := world(map[string]string{"GRANTLOG_MASTER_KEY": testKey})
	if code := run(t.Context(), []string{"verify", "--data", dir}, p); code != exitUsage || !strings.Contains(stderr.String(), "there is no log there") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if blocks, _ := filepath.Glob(filepath.Join(storeDir(dir), "*", "streams", "*")); len(blocks) > 0 {
		t.Errorf("made %v", blocks)
	}
}
