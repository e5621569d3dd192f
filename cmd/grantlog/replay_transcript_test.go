package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write the transcripts of testdata/replay as they come out now")

// A transcript is what commands and requests answered, one after the other,
// beside what the test keeps of it in testdata/replay.
type commandLog struct {
	t    *testing.T
	name string
	text bytes.Buffer
}

// check compares with what is kept.
func (l *commandLog) check() {
	l.t.Helper()
	path := filepath.Join("testdata", "replay", l.name)
	want, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.t.Fatal(err)
	}
	if bytes.Equal(want, l.text.Bytes()) {
		return
	}
	if *rewrite {
		if err := os.WriteFile(path, l.text.Bytes(), 0o644); err != nil {
			l.t.Fatal(err)
		}
		return
	}
	l.t.Errorf("%s (go test -run %s -rewrite takes it over):\n%s", l.name, l.t.Name(), cmp.Diff(string(want), l.text.String()))
}

// section begins a part of the transcript.
func (l *commandLog) section(title string) { fmt.Fprintf(&l.text, "# %s\n\n", title) }

// What differs from run to run: hashes, as the log's records name random
// commits, and the time of the run.
var (
	hashes = regexp.MustCompile(`[0-9a-f]{64}`)
	today  = regexp.MustCompile(`20(2[5-9]|[3-9]\d)-\d\d-\d\dT[0-9:.]+Z`)
)

// command runs "grantlog replay" and notes what it said.
func (s *scenario) command(l *commandLog, args ...string) {
	s.t.Helper()
	code, stdout, stderr := s.replay("--data", args...)
	fmt.Fprintf(&l.text, "$ grantlog replay %s\n%s%s", strings.Join(args, " "), stdout, stderr)
	if code != exitOK {
		fmt.Fprintf(&l.text, "exit code %d\n", code)
	}
	l.text.WriteByte('\n')
}

// replay runs "grantlog replay" on the scenario: on its directory, or by its
// running server. Paths and what differs from run to run are left out.
func (s *scenario) replay(from string, args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	p, out, errs := world(nil)
	source := []string{"replay", "--log-level", "error", "--data", s.data}
	if from == "--url" {
		source = []string{"replay", "--log-level", "error", "--url", s.url(), "--admin-file", s.adminFile()}
	}
	code = run(s.t.Context(), append(source, args...), p)
	clean := func(b *bytes.Buffer) string {
		text := strings.ReplaceAll(b.String(), s.data, "DATA")
		return today.ReplaceAllString(hashes.ReplaceAllString(text, "<hash>"), "<now>")
	}
	return code, clean(out), clean(errs)
}

// What "grantlog replay" says of the scenario, word by word.
func TestReplayTranscript(t *testing.T) {
	s := recordScenario(t)
	l := &commandLog{t: t, name: "commands.txt"}
	table := func(args ...string) { s.command(l, append(args, "--out", "table")...) }

	l.section("The state at a moment, and at a position")
	table("--as-of", "2024-01-02T12:08:30Z")
	table("--as-of", "6")
	table("--as-of", "2024-01-02T12:04:30Z", "--application", theApp)
	table("--as-of", "2024-01-02T12:08:30Z", "--application", "app_integration")
	table("--as-of", "2024-01-02T12:20:00Z", "--organization", "default")
	table("--as-of", "2024-01-02T12:08:30Z", "--token", jti(4).String())
	table("--as-of", "2024-01-02T12:20:00Z", "--token", jti(4).String())
	table("--as-of", "7", "--state-hash")
	l.section("What happened in between")
	table("--diff", "2024-01-02T12:04:30Z..2024-01-02T12:20:00Z")
	table("--diff", "11..")
	table("--diff", "7", "9")
	l.section("Where tokens came from, and what ended them")
	for n := byte(1); n <= 6; n++ {
		table("--lineage", jti(n).String())
	}
	l.section("What a leaked secret touched")
	table("--impact", "secret:"+theApp+"@1", "--as-of", "2024-01-02T12:10:00Z")
	table("--impact", "secret:"+theApp)
	table("--impact", "key:k_1")
	l.section("Who would have been affected")
	table("--as-of", "2024-01-02T12:10:00Z", "--what-if", "tokenLifetime=20s")
	table("--as-of", "15", "--what-if", "limit.perMinute=5", "--what-if", "limit.perHour=2")

	l.section("As it happened, only faster")
	table("--speed", "1e9")

	l.section("For programs")
	s.command(l, "--as-of", "2024-01-02T12:08:30Z", "--application", theApp)
	s.command(l, "--lineage", jti(4).String())
	s.command(l, "--impact", "secret:"+theApp+"@2", "--out", "ndjson")
	s.command(l, "--diff", "6..9", "--out", "ndjson")
	s.command(l, "--speed", "1e9", "--as-of", "4", "--out", "ndjson")
	s.command(l, "--as-of", "15", "--what-if", "tokenLifetime=20s", "--what-if", "limit.perMinute=2")
	l.section("What it cannot answer")
	for _, args := range [][]string{
		{"--as-of", "2024-01-02T11:00:00Z", "--application", theApp},
		{"--as-of", "2024-01-02T12:30:00Z", "--application", theApp},
		{"--as-of", "4", "--token", jti(2).String()},
		{"--lineage", strings.Repeat("0", 32)},
		{"--impact", "secret:" + theApp + "@9"},
		{"--impact", "user:nobody"},
		{"--organization", "nowhere"},
		{"--as-of", "17"},
		{"--as-of", "9999-01-01T00:00:00Z"},
		{"--diff", "9..6"},
		{"--impact", "key:k_2"},
		{"7"},
		{"--diff", "6..9", "10"},
		{"--impact", "key:k_1", "--revoke"},
		{"--impact", "key:k_1", "--yes"},
	} {
		s.command(l, args...)
	}
	l.check()
}
