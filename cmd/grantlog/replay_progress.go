package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// progressBar shows on a terminal how far a reading of the log is. Elsewhere it
// writes nothing.
type progressBar struct {
	w     io.Writer // nil: nobody looks
	now   func() time.Time
	began time.Time
	drawn time.Time
	shown bool
	first events.Position
}

// drawEvery is how often the bar is drawn anew; lookEvery is after how many
// records the clock is looked at.
const (
	drawEvery = 100 * time.Millisecond
	lookEvery = 256
	barWidth  = 30
)

func newProgressBar(w io.Writer) *progressBar {
	b := &progressBar{now: time.Now}
	if isTerminal(w) {
		b.w = w
	}
	return b
}

// at is a replay.Progress.
func (b *progressBar) at(position, last events.Position) {
	if b.w == nil {
		return
	}
	if b.began.IsZero() || position < b.first {
		b.began, b.first = b.now(), position
		b.drawn = b.began // what is quick needs no bar
	}
	if position%lookEvery != 0 && position != last {
		return
	}
	now := b.now()
	if now.Sub(b.drawn) < drawEvery {
		return
	}
	b.drawn, b.shown = now, true
	fmt.Fprintf(b.w, "\r%s\x1b[K", b.line(position, last, now.Sub(b.began)))
}

// line is the bar at a position, given the time since the first one.
func (b *progressBar) line(position, last events.Position, took time.Duration) string {
	done := int(barWidth * position / max(last, 1))
	bar := strings.Repeat("=", done) + strings.Repeat(" ", barWidth-done)
	line := fmt.Sprintf("[%s] %3d%%  %d of %d records", bar, 100*position/max(last, 1), position, last)
	if read := float64(position - b.first); took > 0 && read > 0 {
		rate := read / took.Seconds()
		left := time.Duration(float64(last-position) / rate * float64(time.Second))
		line += fmt.Sprintf("  %.0f/s  %v left", rate, left.Round(time.Second))
	}
	return line
}

// clear takes the bar away.
func (b *progressBar) clear() {
	if b.shown {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
