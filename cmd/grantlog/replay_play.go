package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/replay"
)

// frame is an event that is played back.
type frame struct {
	replay.Step
	calls, refused int // that it accounts for
}

// frames gives fn every event in log order.
type frames func(ctx context.Context, fn func(frame) error) error

// player shows events at the pace at which they happened, so many times as
// fast.
type player struct {
	out      io.Writer
	form     outForm // table or ndjson
	terminal bool    // somebody looks: what is routine is counted only
	speed    float64
	pause    func(ctx context.Context, d time.Duration) error
	now      func() time.Time

	before time.Time // of the event before
	seen   tally
	drawn  time.Time
	shown  bool
}

// tally counts what was played.
type tally struct {
	Position events.Position `json:"position"`
	Time     time.Time       `json:"time,omitzero"`
	Events   int             `json:"events"`
	Issued   int             `json:"tokensIssued"`
	Revoked  int             `json:"tokensRevoked"` // one by one
	Rotated  int             `json:"secretsRotated"`
	Admitted int             `json:"callsAdmitted"`
	Refused  int             `json:"callsRefused"`
}

// maxPause is how long a silence of the log takes at most.
const maxPause = 2 * time.Second

// maxSpeed keeps the pace a number that can be counted with.
const maxSpeed = 1e9

func parseSpeed(text string) (float64, error) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || !(n > 0 && n <= maxSpeed) {
		return 0, fmt.Errorf("%.40q is not a number above 0, such as 1 for as it was or 3600 for an hour a second", text)
	}
	return n, nil
}

func newPlayer(out io.Writer, form outForm, speed float64) *player {
	return &player{out: out, form: form, terminal: isTerminal(out) && form != outNDJSON, speed: speed, pause: pause, now: time.Now}
}

// pause waits, but not beyond the end of ctx.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// play shows everything, or as much as there is until ctx ends, and then the
// counts.
func (p *player) play(ctx context.Context, from frames) error {
	err := from(ctx, func(f frame) error { return p.show(ctx, f) })
	p.clear()
	if err != nil && ctx.Err() == nil {
		return err
	}
	if p.form == outNDJSON {
		return p.json("summary", p.seen)
	}
	_, err = fmt.Fprintln(p.out, p.status())
	return err
}

func (p *player) show(ctx context.Context, f frame) error {
	gap := f.Time.Sub(p.before)
	if !p.before.IsZero() && gap > 0 {
		if err := p.pause(ctx, min(maxPause, time.Duration(float64(gap)/p.speed))); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if f.Time.After(p.before) {
		p.before = f.Time
	}
	p.seen.add(f)
	if p.form == outNDJSON {
		return p.json("event", f.Step)
	}
	if p.terminal && countedOnly(f.Type) {
		p.draw()
		return nil
	}
	p.clear()
	_, err := fmt.Fprintln(p.out, line(f.Step))
	p.draw()
	return err
}

// countedOnly reports whether there is so much of a type that it is only counted.
func countedOnly(t events.Type) bool {
	return slices.ContainsFunc([]string{"token.issued", "usage.", "refresh.", "login.", "beacon."}, func(prefix string) bool {
		return strings.HasPrefix(string(t), prefix)
	})
}

func (t *tally) add(f frame) {
	t.Position, t.Time = f.Position, f.Time
	t.Events++
	t.Admitted += f.calls
	t.Refused += f.refused
	switch f.Type {
	case "token.issued":
		t.Issued++
	case "token.revoked":
		t.Revoked++
	case "application.secret_rotated":
		t.Rotated++
	}
}

// line is an event in words.
func line(s replay.Step) string {
	return fmt.Sprintf("%s  %-6d  %-28s  %s  %s  %s", cellText(s.Time), s.Position, s.Type, printable(s.Organization), printable(actorText(s)), printable(s.Correlation))
}

func (p *player) status() string {
	t := p.seen
	return fmt.Sprintf("%s  position %d: %d events, %d tokens issued, %d revoked, %d secrets rotated, %d calls admitted, %d refused",
		cellText(t.Time), t.Position, t.Events, t.Issued, t.Revoked, t.Rotated, t.Admitted, t.Refused)
}

// draw shows the counts below what scrolls.
func (p *player) draw() {
	if !p.terminal || p.now().Sub(p.drawn) < drawEvery {
		return
	}
	p.drawn, p.shown = p.now(), true
	fmt.Fprintf(p.out, "\r%s\x1b[K", p.status())
}

func (p *player) clear() {
	if p.shown {
		fmt.Fprint(p.out, "\r\x1b[K")
		p.shown, p.drawn = false, time.Time{}
	}
}

func (p *player) json(kind string, v any) error {
	encoder := json.NewEncoder(p.out)
	encoder.SetEscapeHTML(false)
	return encoder.Encode(map[string]any{kind: v})
}

var errPlayForm = errors.New("--speed writes lines: --out table or ndjson")
