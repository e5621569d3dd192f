package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
)

func upTo(last events.Position) func(context.Context) (events.Position, error) {
	return func(context.Context) (events.Position, error) { return last, nil }
}

// cmd runs a command on a log.
func (s *scenario) cmd(args ...string) (code int, stdout, stderr string) {
	s.t.Helper()
	p, out, errs := world(nil)
	args = append(args, "--data", s.data, "--log-level", "error")
	code = run(s.t.Context(), args, p)
	return code, out.String(), errs.String()
}

// answers runs a command that must succeed.
func (s *scenario) answers(args ...string) string {
	s.t.Helper()
	code, stdout, stderr := s.cmd(args...)
	if code != exitOK {
		s.t.Fatalf("%v: %d\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}

// refuses runs a command that must fail in one line.
func (s *scenario) refuses(want int, word string, args ...string) {
	s.t.Helper()
	code, stdout, stderr := s.cmd(args...)
	if code != want || stdout != "" || !strings.Contains(stderr, word) || strings.Count(stderr, "\n") != 1 {
		s.t.Errorf("%v: %d, want %d\n%s%s", args, code, want, stdout, stderr)
	}
}

const withArchive = "the log before position 8 was archived: give what was archived with --archive FILE"

// A log whose beginning was archived answers for what came later, and with its
// archives for everything, as the whole log does.
func TestQuestionsAboutAnArchivedLog(t *testing.T) {
	t.Parallel()
	s := recordScenario(t)
	middle, first := s.archive(5)
	later, second := middle.archive(8)
	both := []string{"--archive", second, "--archive", first} // in any order

	for _, moment := range []string{"8", "9", "2024-01-02T12:06:30Z", "2024-01-02T12:28:00Z"} {
		for _, question := range [][]string{nil, {"--state-hash"}, {"--application", theApp}, {"--organization", "default"}} {
			question = append([]string{"replay", "--as-of", moment}, question...)
			code, want, _ := s.cmd(question...)
			for _, archived := range [][]string{nil, both[:2], both} {
				if got, stdout, stderr := later.cmd(append(question, archived...)...); got != code || stdout != want {
					t.Errorf("%v %v: %d\n%s%s", question, archived, got, stdout, stderr)
				}
			}
		}
	}
	for _, question := range [][]string{
		{"--as-of", "2"}, {"--as-of", "7"}, {"--as-of", "2024-01-02T12:05:30Z"}, {"--diff", "3..9"}, {"--as-of", "4", "--lineage", jti(1).String()},
	} {
		question = append([]string{"replay"}, question...)
		want := s.answers(question...)
		later.refuses(exitUsage, withArchive, question...)
		if got := later.answers(append(question, both...)...); got != want {
			t.Errorf("%v: %s\nwant %s", question, got, want)
		}
	}
	for _, question := range [][]string{
		{"--lineage", jti(1).String()}, {"--lineage", jti(6).String()}, {"--impact", "secret:" + theApp}, {"--what-if", "tokenLifetime=20s"}, {"--speed", "1e9", "--out", "ndjson"},
	} {
		question = append([]string{"replay", "--as-of", "15"}, question...)
		if got, want := later.answers(append(question, both...)...), s.answers(question...); got != want {
			t.Errorf("%v: %s\nwant %s", question, got, want)
		}
		alone := later.answers(question...)
		if speed := slices.Contains(question, "--speed"); strings.Contains(alone, `"begins"`) == speed {
			t.Errorf("%v, without archives: %s", question, alone)
		}
	}
	later.refuses(exitAbsent, "what was before position 8 was archived, and is shown with --archive FILE", "replay", "--lineage", jti(9).String())
	for _, args := range [][]string{{"export", "--ndjson", "-"}, {"tail", "--no-follow"}} {
		want := s.answers(args...)
		if got := later.answers(append(args, both...)...); got != want {
			t.Errorf("%v: %s\nwant %s", args, got, want)
		}
		alone := later.answers(args...)
		if !strings.HasSuffix(want, alone) || !strings.HasPrefix(alone, `{"position":8,`) {
			t.Errorf("%v, without archives: %s", args, alone)
		}
	}
	later.refuses(exitUsage, withArchive, "export", "--csv", "-", "--since", "7")
	later.refuses(exitUsage, withArchive, "export", "--csv", "-", "--since", "2024-01-02T12:00:00Z")
	later.refuses(exitUsage, withArchive, "tail", "--no-follow", "--after", "3")
	later.answers("export", "--csv", "-", "--since", "8")
}

// A log alone is verified from its base on, and what was kept before through
// the base; with its archives it is verified from its first record on.
func TestVerifyAnArchivedLog(t *testing.T) {
	t.Parallel()
	s := recordScenario(t)
	early, whole := filepath.Join(t.TempDir(), "early"), filepath.Join(t.TempDir(), "whole")
	s.serve()() // has a tree, and so a name
	s.answers("verify", "--save", whole)
	middle, first := s.archive(5)
	later, second := middle.archive(8)
	must(t, os.WriteFile(early, []byte(checkpointAt(t, s, 4)), 0o600))
	both := []string{"--archive", first, "--archive", second}
	kept := []string{"--checkpoint", early, "--checkpoint", whole}

	want := strings.Split(s.answers("verify"), "\n")
	with := later.answers(append(append([]string{"verify"}, both...), kept...)...)
	alone := later.answers(append([]string{"verify"}, kept...)...)
	for _, line := range want {
		word, _, _ := strings.Cut(line, " ")
		if word == "its" { // the key, which only a kept tree or checkpoint has a name for
			continue
		}
		if !strings.Contains(with, line+"\n") {
			t.Errorf("with archives there is no %q in %s", line, with)
		}
		if counted := slices.Contains([]string{"events", "bytes", "from"}, word); !counted && !strings.Contains(alone, line+"\n") {
			t.Errorf("alone there is no %q in %s", line, alone)
		}
	}
	for what, text := range map[string]string{"with archives": with, "alone": alone} {
		if !strings.Contains(text, "it begins with the 4 records of "+early) || strings.Contains(text, "first     8; what was before is archived") == (what == "with archives") {
			t.Errorf("%s: %s", what, text)
		}
	}
	for _, file := range []string{first, second} {
		if text := later.answers("verify", "--backup", file); !strings.Contains(text, "the log is whole") {
			t.Errorf("%s: %s", file, text)
		}
	}
	other := recordScenario(t)
	other.serve()()
	must(t, os.WriteFile(early, []byte(checkpointAt(t, other, 4)), 0o600))
	later.refuses(exitFailed, "not a checkpoint of this log", "verify", "--checkpoint", early)
}

// An archive is also known by its bytes, which the log recorded.
func TestVerifyRecognizesArchives(t *testing.T) {
	t.Parallel()
	s := recordScenario(t)
	_, file := s.archive(5)
	sum, err := hashFile(file)
	must(t, err)
	s.start("r_third")
	subject, err := events.SubjectFor("", &events.LogArchived{})
	must(t, err)
	s.write("12:40:00", subject, "", &events.LogArchived{From: 1, Through: 5, SHA256: sum})
	s.stop()
	later, again := s.archive(5) // the same records, sealed anew
	want := file + " is the archive of records 1 to 5 that was recorded at position 16\n"
	if text := later.answers("verify", "--archive", file); !strings.Contains(text, want) {
		t.Errorf("%s", text)
	}
	if text := later.answers("verify", "--archive", file, "--no-state"); strings.Contains(text, "recorded") {
		t.Errorf("without the state: %s", text)
	}
	later.refuses(exitFailed, "is not the file that the log tells of", "verify", "--archive", again)
	later.answers("replay", "--as-of", "2", "--archive", again)
}

// checkpointAt is a checkpoint of the first records of a log.
func checkpointAt(t *testing.T, s *scenario, size int64) string {
	t.Helper()
	e, err := (&verifyCmd{Log: placeSettings{logSettings: logSettings{Data: s.data}}}).openEvidence(t.Context(), process{Stderr: &bytes.Buffer{}})
	must(t, err)
	defer e.close()
	var edge tree.Edge
	must(t, e.log.Read(t.Context(), journal.Cursor{}, events.Position(size), func(r *journal.Record) error {
		return edge.Append(tree.Leaf(r.Subject, r.Payload))
	}))
	head, err := edge.Head()
	must(t, err)
	signer, err := e.signer(e.tree.Origin())
	must(t, err)
	text, err := signer.Checkpoint(head)
	must(t, err)
	return string(text)
}

// What is no archive of the log, or not all of it, is refused.
func TestWhatIsNoArchiveOfTheLog(t *testing.T) {
	t.Parallel()
	s := recordScenario(t)
	middle, first := s.archive(5)
	later, second := middle.archive(8)
	other := recordScenario(t) // another log, under another key
	_, foreign := other.archive(5)
	records := readAll(t, s.data)
	records[2].payload = bytes.Replace(records[2].payload, []byte(`"name":"Integration"`), []byte(`"name":"Integratiom"`), 1)
	forged := &scenario{t: t, data: forge(t, s.data, records)} // another log, under the same key
	beside, alien := forged.archive(5)
	_, alienSecond := beside.archive(8)
	text, err := os.ReadFile(first)
	must(t, err)
	damaged, cut, none := filepath.Join(t.TempDir(), "damaged"), filepath.Join(t.TempDir(), "cut"), filepath.Join(t.TempDir(), "none")
	must(t, os.WriteFile(cut, text[:len(text)-40], 0o600))
	text[len(text)/2] ^= 1
	must(t, os.WriteFile(damaged, text, 0o600))
	must(t, os.WriteFile(none, []byte("no archive\n"), 0o600))

	for name, c := range map[string]struct {
		files []string
		code  int
		word  string
	}{
		"another key's":        {[]string{foreign, second}, exitFailed, "another master key"},
		"damaged":              {[]string{damaged, second}, exitFailed, "damaged"},
		"cut":                  {[]string{cut, second}, exitFailed, "damaged"},
		"no archive":           {[]string{none, second}, exitUsage, "not a backup"},
		"no file":              {[]string{none + ".none"}, exitUsage, "no such file"},
		"a gap":                {[]string{first}, exitUsage, "the one ends at position 5, and the other begins at 8; what is between is missing"},
		"one twice":            {[]string{first, second, first}, exitUsage, "both begin at position 1"},
		"another log's first":  {[]string{alien, second}, exitUsage, "not of one log: at position 5"},
		"another log's second": {[]string{first, alienSecond}, exitUsage, "not of one log"},
		"another log's both":   {[]string{alien, alienSecond}, exitUsage, "not of one log: at position 8"},
	} {
		var flags []string
		for _, file := range c.files {
			flags = append(flags, "--archive", file)
		}
		for _, command := range [][]string{{"replay", "--as-of", "2"}, {"verify"}, {"export", "--ndjson", "-"}, {"tail", "--no-follow"}} {
			t.Run(fmt.Sprint(name, " ", command[0]), func(t *testing.T) {
				on := *later
				on.t = t
				on.refuses(c.code, c.word, append(command, flags...)...)
			})
		}
	}
	url := []string{"--url", "http://127.0.0.1:1", "--admin-file", later.adminFile(), "--archive", first}
	later.refuses(exitUsage, "--archive goes with --data, --nats or --cluster-name", append([]string{"replay"}, url...)...)
	later.refuses(exitUsage, "--archive goes with --data, --nats or --cluster-name", append([]string{"export", "--csv", "-"}, url...)...)
	later.refuses(exitUsage, "--archive does not go with --backup", "verify", "--backup", first, "--archive", second)
}
