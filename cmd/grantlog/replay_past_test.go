package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a replay starts from changes nothing of its answer, and it leaves the
// snapshots as they are.
func TestReplayStartsAnywhere(t *testing.T) {
	s := recordScenario(t)
	state := filepath.Join(s.data, "state")
	if kept, _ := filepath.Glob(filepath.Join(state, "state-*")); len(kept) == 0 {
		t.Fatal("there is no snapshot to start from")
	}
	at := clock(t, "12:26:30").Format("2006-01-02T15:04:05Z")
	questions := [][]string{
		{}, {"--as-of", "15"}, {"--as-of", at}, {"--as-of", "9", "--application", theApp}, {"--state-hash"}, {"--diff", "9..15"}, {"--diff", at + ".."},
	}
	before := contents(t, state)
	for _, args := range questions {
		from, full := answered(t, s.data, args...), answered(t, s.data, append(args, "--from-start")...)
		// Of now, they were asked at different times.
		if len(args) > 0 && args[0] == "--as-of" && from != full {
			t.Errorf("%v:\n%s", args, cmp.Diff(full, from))
		}
		if hashes.FindString(from) != hashes.FindString(full) {
			t.Errorf("%v: states %s, and from the start %s", args, hashes.FindString(from), hashes.FindString(full))
		}
	}
	if diff := cmp.Diff(before, contents(t, state)); diff != "" {
		t.Errorf("changed: %s", diff)
	}
	if err := os.RemoveAll(state); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := s.replay("--data", "--as-of", "9"); code != exitOK {
		t.Errorf("without snapshots: %d %s", code, stderr)
	}
}

// answered is what a replay prints of a directory, as it is.
func answered(t *testing.T, data string, args ...string) string {
	t.Helper()
	p, stdout, stderr := world(nil)
	if code := run(t.Context(), append([]string{"replay", "--log-level", "error", "--data", data}, args...), p); code != exitOK {
		t.Errorf("%v: exit code %d: %s", args, code, stderr)
	}
	return stdout.String()
}
