package main

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections/follow"
)

// A log that lost its beginning is not taken for an archived one: without a base,
// or with one that is not its own, nothing is answered from it.
func TestLogWithoutItsBase(t *testing.T) {
	t.Parallel()
	s := recordScenario(t)
	later, _ := s.archive(8)
	records := readAll(t, s.data)
	records[2].payload = bytes.Replace(records[2].payload, []byte(`"name":"Integration"`), []byte(`"name":"Integratiom"`), 1)
	forged := &scenario{t: t, data: forge(t, s.data, records)}
	for name, c := range map[string]struct {
		of    *scenario
		first events.Position
		word  string
	}{
		"another log's":      {forged, 8, "position 8 does not continue the one that there is"},
		"another position's": {s, 9, "there is no base for the rest"},
		"none":               {nil, 0, "there is no base for the rest"},
	} {
		var base []byte
		if c.of != nil {
			p, _, _ := world(nil)
			r, err := openReading(t.Context(), &placeSettings{logSettings: logSettings{Data: c.of.data}}, &general{LogLevel: logLevel(slog.LevelError)}, p)
			must(t, err)
			base = newBase(t, r, c.first)
			must(t, r.Close())
		}
		later.replaceBase(base)
		for _, command := range [][]string{{"replay"}, {"replay", "--as-of", "12"}, {"export", "--ndjson", "-"}, {"backup", filepath.Join(t.TempDir(), "backup")}} {
			later.refuses(exitFailed, c.word, command...)
		}
		for _, command := range [][]string{{"verify"}, {"tail", "--no-follow"}} {
			if code, stdout, stderr := later.cmd(command...); code != exitFailed || stdout != "" || !strings.Contains(stderr, c.word) {
				t.Errorf("%s: %v: %d\n%s%s", name, command, code, stdout, stderr)
			}
		}
	}
}

// replaceBase puts other bytes in place of what a log begins with; nil: nothing.
func (s *scenario) replaceBase(base []byte) {
	s.t.Helper()
	site, err := openToServe(&serveSettings{Log: logSettings{Data: s.data}}, slog.New(slog.DiscardHandler))
	must(s.t, err)
	must(s.t, removeBase(s.t.Context(), site.Conn))
	if base != nil {
		must(s.t, follow.PutBase(s.t.Context(), site.Conn, 1, 8, func(w io.Writer) error {
			_, err := w.Write(base)
			return err
		}))
	}
	must(s.t, site.Close())
}

// A backup of a log whose beginning was archived brings back all that it holds,
// and what it begins with: it goes on with its archives as before.
func TestBackupOfAnArchivedLogIsRestored(t *testing.T) {
	t.Parallel()
	s := recordScenario(t)
	later, first := s.archive(6)
	file := filepath.Join(t.TempDir(), "backup")
	if text := later.answers("backup", file); !strings.Contains(text, "first     6\n") {
		t.Errorf("%s", text)
	}
	later.answers("verify", "--backup", file)
	restored := &scenario{t: t, data: filepath.Join(t.TempDir(), "data")}
	must(t, os.Mkdir(restored.data, 0o700))
	key, err := os.ReadFile(filepath.Join(s.data, "master.key"))
	must(t, err)
	must(t, os.WriteFile(filepath.Join(restored.data, "master.key"), key, 0o600))
	restored.answers("restore", file)
	end := []string{"replay", "--as-of", "14", "--state-hash"}
	if got, want := restored.answers(end...), s.answers(end...); got != want {
		t.Errorf("restored, it is %s, want %s", got, want)
	}
	early := []string{"replay", "--as-of", "3", "--state-hash"}
	restored.refuses(exitUsage, "the log before position 6 was archived", early...)
	if got, want := restored.answers(append(early, "--archive", first)...), s.answers(early...); got != want {
		t.Errorf("with its archive it was %s, want %s", got, want)
	}
	if text := restored.answers("verify", "--archive", first); !strings.Contains(text, "the log is whole") {
		t.Error(text)
	}
	again := filepath.Join(t.TempDir(), "again")
	restored.answers("backup", again)
	restored.answers("verify", "--backup", again)

	elsewhere := journaltest.New(t, journaltest.Listen())
	onNATS := []string{"--nats", elsewhere.URL(), "--master-key-file", filepath.Join(s.data, "master.key")}
	beside := &scenario{t: t, data: t.TempDir()}
	beside.answers(append([]string{"restore", file}, onNATS...)...)
	if got, want := beside.answers(append(end, onNATS...)...), s.answers(end...); got != want {
		t.Errorf("restored on NATS, it is %s, want %s", got, want)
	}
	if text := beside.answers(append([]string{"verify", "--archive", first}, onNATS...)...); !strings.Contains(text, "the log is whole") {
		t.Error(text)
	}
	beside.refuses(exitUsage, "is there already", append([]string{"restore", file}, onNATS...)...)
}
