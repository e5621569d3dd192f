package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/projections/follow"
)

// hashAt is the state hash at a position.
func (s *scenario) hashAt(position string, more ...string) string {
	s.t.Helper()
	return s.answers(append([]string{"replay", "--as-of", position, "--state-hash"}, more...)...)
}

// What is archived, by position and by time and after that once more, leaves the
// state as it was, and the log knows the files.
func TestArchive(t *testing.T) {
	t.Parallel()
	s := recordScenario(t)
	s.serve()() // has a tree, and so a name
	last, early := s.hashAt("15"), s.hashAt("3")
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")

	told := s.answers("archive", "--before", "6", "--out", first)
	text, err := os.ReadFile(first)
	must(t, err)
	sum := sha256.Sum256(text)
	for _, want := range []string{
		"archived  1 to 5, until 2024-01-02T12:03:00Z\n", "sha256    " + hex.EncodeToString(sum[:]), fmt.Sprintf("bytes     %d\n", len(text)), "log       5 to ",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("there is no %q in %s", want, told)
		}
	}
	if got := s.answers("tail", "--no-follow"); !strings.Contains(got, hex.EncodeToString(sum[:])) {
		t.Errorf("the log knows %s", got)
	}
	if got := s.hashAt("15"); got != last {
		t.Errorf("the state is another one: %s", got)
	}
	s.answers("verify")
	s.answers("verify", "--archive", first)
	if got := s.hashAt("3", "--archive", first); got != early {
		t.Errorf("the state of the past is another one: %s", got)
	}

	// What is at T itself stays: the record of 12:06 is at 8.
	told = s.answers("archive", "--before", "2024-01-02T12:06:00Z", "--out", second)
	if !strings.Contains(told, "archived  5 to 7, until 2024-01-02T12:05:00Z\n") {
		t.Errorf("told %s", told)
	}
	if got := s.hashAt("15"); got != last {
		t.Errorf("the state is another one: %s", got)
	}
	s.answers("verify")
	s.answers("verify", "--archive", first, "--archive", second)
	if got := s.hashAt("3", "--archive", second, "--archive", first); got != early {
		t.Errorf("the state of the past is another one: %s", got)
	}
	s.serve()()
	s.answers("verify")
}

// Who asks for what cannot be done is told so in a line, and nothing changes.
func TestArchiveRefusals(t *testing.T) {
	t.Parallel()
	s := recordScenario(t)
	out := filepath.Join(t.TempDir(), "archive")
	taken := filepath.Join(t.TempDir(), "taken")
	must(t, os.WriteFile(taken, []byte("something else"), 0o600))
	want := s.answers("verify")
	for _, refused := range []struct {
		word string
		args []string
	}{
		{"--before says", nil},
		{"--before says", []string{"--out", out}},
		{"--out names", []string{"--before", "5"}},
		{"--out names", []string{"--before", "5", "--out", "-"}},
		{"without --before", []string{"--finish", "--before", "5"}},
		{"without --before", []string{"--renew", "--archive", taken, "--out", out}},
		{"without each other", []string{"--renew", "--finish"}},
		{"go together", []string{"--renew"}},
		{"go together", []string{"--before", "5", "--out", out, "--archive", taken}},
		{"nothing to make anew", []string{"--renew", "--archive", taken}},
		{"nothing was broken off", []string{"--finish"}},
		{"neither a position", []string{"--before", "yesterday", "--out", out}},
		{"in the future", []string{"--before", "2200-01-01T00:00:00Z", "--out", out}},
		{"nothing to archive before 1:", []string{"--before", "1", "--out", out}},
		{"nothing to archive before 2:", []string{"--before", "2", "--out", out}},
		{"nothing to archive", []string{"--before", "1999-01-01T00:00:00Z", "--out", out}},
		{"something must stay", []string{"--before", "99", "--out", out}},
		{"something must stay", []string{"--before", "2025-01-01T00:00:00Z", "--out", out}},
		{"exists already", []string{"--before", "5", "--out", taken}},
		{"no such file", []string{"--before", "5", "--out", filepath.Join(out, "in", "nowhere")}},
	} {
		s.refuses(exitUsage, refused.word, append([]string{"archive"}, refused.args...)...)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("an archive is left")
	}
	empty := &scenario{t: t, data: t.TempDir()}
	empty.refuses(exitUsage, "there is no log in", "archive", "--before", "5", "--out", out)
	member := &scenario{t: t, data: filepath.Join(t.TempDir(), "member")}
	must(t, os.CopyFS(member.data, os.DirFS(s.data)))
	must(t, os.WriteFile(memberFile(member.data), []byte(`{"cluster":"c","name":"n"}`), 0o600))
	member.refuses(exitUsage, "member of cluster", "archive", "--before", "5", "--out", out)

	stop := s.serve()
	s.refuses(exitFailed, "is in use by process", "archive", "--before", "5", "--out", out)
	stop()
	if got := s.answers("verify"); !strings.Contains(got, "the log is whole") || want == "" {
		t.Errorf("afterwards: %s", got)
	}
}

// A log that lost its beginning, or what it begins with, is none.
func TestArchivedLogWithoutItsBase(t *testing.T) {
	t.Parallel()
	s := recordScenario(t)
	want := s.hashAt("15")
	first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
	s.answers("archive", "--before", "6", "--out", first)
	s.answers("archive", "--before", "8", "--out", second)
	site, err := openToServe(&serveSettings{Log: logSettings{Data: s.data}}, slog.New(slog.DiscardHandler))
	must(t, err)
	js, err := jetstream.New(site.Conn)
	must(t, err)
	must(t, js.DeleteObjectStore(t.Context(), follow.BaseBucket))
	must(t, site.Close())
	const word = "the beginning of the log is missing"
	s.refuses(exitFailed, word, "replay")
	s.refuses(exitFailed, word, "verify")
	s.refuses(exitFailed, word, "backup", filepath.Join(t.TempDir(), "backup"))
	s.refuses(exitFailed, word, "archive", "--before", "12", "--out", filepath.Join(t.TempDir(), "archive"))
	s.refuses(exitFailed, word, "serve", "--listen", "127.0.0.1:0")

	// Its archives have it all.
	s.refuses(exitUsage, "not a backup", "archive", "--renew", "--archive", s.adminFile())
	s.refuses(exitUsage, "from position 6 to 7 are missing", "archive", "--renew", "--archive", first)
	s.refuses(exitUsage, "before position 5 are missing", "archive", "--renew", "--archive", second)
	s.answers("archive", "--renew", "--archive", second, "--archive", first)
	s.answers("verify")
	if got := s.hashAt("15"); got != want {
		t.Errorf("the state is another one: %s", got)
	}
}

// What fails where there is no disk of a log has nothing to do with its room.
func TestRoomIsThatOfALogAtRest(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none")
	for name, place := range map[string]placeSettings{
		"no log":  {logSettings: logSettings{Data: missing}},
		"NATS":    {logSettings: logSettings{Data: missing, NATS: natsURLs{"nats://127.0.0.1:1"}}},
		"cluster": {logSettings: logSettings{Data: missing}, Cluster: clusterPlace{"c", routeURLs{"nats://127.0.0.1:1"}}},
	} {
		failed := errors.New("failed")
		if got := (&archiveCmd{Log: place}).roomError(failed); got != failed {
			t.Errorf("%s: %v", name, got)
		}
	}
}
