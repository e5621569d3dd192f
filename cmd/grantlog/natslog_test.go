package main

import (
	"log/slog"
	"strings"
	"testing"
	"time"
)

// What every start tells, and what several connections tell at once, does not
// fill the log.
func TestNATSLogIsQuiet(t *testing.T) {
	var out logBuffer
	l := &natsLogger{log: newLogger(&out, logLevel(slog.LevelInfo), "text"), alarm: make(chan struct{}, 1)}
	l.Noticef("Server is ready")
	l.Warnf("%s", "Waiting for routing to be established...")
	l.Warnf("a disk is slow")
	l.Errorf("no route to %s", "10.0.0.2")
	l.Errorf("Error trying to connect to route (attempt %d): refused", 1)
	want := `level=WARN msg="nats: a disk is slow"` + "\n" + `level=ERROR msg="nats: no route to 10.0.0.2"` + "\n" +
		`level=WARN msg="nats: Error trying to connect to route (attempt 1): refused"` + "\n"
	var got strings.Builder
	for line := range strings.Lines(out.String()) {
		_, line, _ = strings.Cut(line, " ") // without its time
		got.WriteString(line)
	}
	if got.String() != want {
		t.Errorf("got\n%swant\n%s", &got, want)
	}

	now := time.Now()
	for i, c := range []struct {
		text  string
		after time.Duration
		again bool
	}{
		{"x", 0, false}, {"x", 1, true}, {"y", 2, false}, {"x", echoTime, true}, {"x", echoTime + 1, false}, {"y", echoTime + 2, false}, {"y", echoTime + 3, true},
	} {
		if again := (l.echo(c.text, now.Add(10*echoTime+c.after))); again != c.again {
			t.Errorf("%d: %s is said again: %v", i, c.text, again)
		}
	}
}
