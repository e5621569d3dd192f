package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/replay"
)

// told are events of so many seconds after the beginning.
func told(seconds ...int) frames {
	return func(_ context.Context, fn func(frame) error) error {
		for i, s := range seconds {
			step := replay.Step{Position: events.Position(i + 1), Time: epochOfBar.Add(time.Duration(s) * time.Second), Type: "token.issued", Organization: "o"}
			if i%2 == 1 {
				step.Type = "application.updated"
			}
			if err := fn(frame{Step: step, calls: i}); err != nil {
				return err
			}
		}
		return nil
	}
}

// The pace is the log's, so many times as fast; nobody waits long, nor for an
// event that is earlier than the one before.
func TestPlayKeepsThePace(t *testing.T) {
	var waited []time.Duration
	var out bytes.Buffer
	p := newPlayer(&out, outTable, 10)
	p.pause = func(_ context.Context, d time.Duration) error {
		waited = append(waited, d)
		return nil
	}
	if err := p.play(t.Context(), told(0, 1, 0, 1, 6, 600, 600)); err != nil {
		t.Fatal(err)
	}
	want := []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, maxPause}
	if len(waited) != len(want) || waited[0] != want[0] || waited[1] != want[1] || waited[2] != want[2] {
		t.Errorf("waited %v, want %v", waited, want)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 8 || strings.Contains(out.String(), "\x1b") || !strings.HasSuffix(lines[7], "position 7: 7 events, 4 tokens issued, 0 revoked, 0 secrets rotated, 21 calls admitted, 0 refused") {
		t.Errorf("in a pipe:\n%s", out.String())
	}
}

// On a terminal what is routine is counted below the rest, and nothing is left
// behind.
func TestPlayOnATerminal(t *testing.T) {
	var out bytes.Buffer
	p := newPlayer(&out, outTable, 1)
	p.terminal, p.pause = true, func(context.Context, time.Duration) error { return nil }
	now := epochOfBar
	p.now = func() time.Time { now = now.Add(time.Second); return now }
	if err := p.play(t.Context(), told(0, 1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	last := out.String()[strings.LastIndex(out.String(), "\x1b[K")+len("\x1b[K"):]
	if strings.Count(out.String(), "application.updated") != 2 || strings.Contains(out.String(), "token.issued") || strings.Count(last, "\n") != 1 || !strings.Contains(last, "4 events") {
		t.Errorf("%q", out.String())
	}
}

// Whoever has seen enough ends it, and gets the counts so far.
func TestPlayIsEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	p := newPlayer(&out, outNDJSON, 1)
	p.pause = func(ctx context.Context, _ time.Duration) error {
		cancel()
		return pause(ctx, time.Hour)
	}
	if err := p.play(ctx, told(0, 1, 2, 3)); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 2 || !strings.HasPrefix(lines[1], `{"summary":{"position":1,`) {
		t.Errorf("%s", out.String())
	}
	broken := errors.New("broken")
	p = newPlayer(&out, outTable, 1)
	err := p.play(t.Context(), func(context.Context, func(frame) error) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}
