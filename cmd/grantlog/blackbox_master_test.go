package main_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func refusedStart(t *testing.T, s *server, env []string, words ...string) {
	t.Helper()
	s.stop()
	r := run(t, env, s.command()...)
	if r.code == 0 {
		t.Fatal("the server ran")
	}
	oneClearLine(t, r, words...)
}

// Section 1, SECURITY.md: a master key that is not the log's stops the start
// with a line that says so, and spoils nothing.
func TestWrongMasterKey(t *testing.T) {
	t.Parallel()
	s := start(t)
	token := s.admin()
	other := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32)))
	refusedStart(t, s, []string{"GRANTLOG_MASTER_KEY=" + other}, "master key")
	s.start()
	s.live(s.administrator(), token)
}

// The right key may come from the environment, or from a file elsewhere.
func TestMasterKeyFromElsewhere(t *testing.T) {
	t.Parallel()
	s := start(t)
	token := s.admin()
	s.stop()
	key, err := os.ReadFile(filepath.Join(s.data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	s.env = []string{"GRANTLOG_MASTER_KEY=" + strings.TrimSpace(string(key))}
	s.start()
	s.live(s.administrator(), token)
	s.stop()
	s.env, s.args = nil, []string{"--master-key-file", writeFile(t, "key", string(key))}
	s.start()
	s.live(s.administrator(), token)
}

// A log without its key must not be given a new one: its signing keys and the
// digests of all client secrets would be lost without a word.
func TestLostMasterKeyIsNotReplaced(t *testing.T) {
	t.Parallel()
	s := start(t)
	key := filepath.Join(s.data, "master.key")
	content, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	refusedStart(t, s, nil, "master")
	if err := os.WriteFile(key, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s.start()
	s.live(s.administrator(), s.admin())
}
