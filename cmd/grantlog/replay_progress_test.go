package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
)

func TestProgressBar(t *testing.T) {
	var out bytes.Buffer
	now := epochOfBar
	b := &progressBar{w: &out, now: func() time.Time { return now }}
	for position := events.Position(1); position <= 10_000; position++ {
		b.at(position, 10_000)
		now = now.Add(time.Millisecond)
	}
	b.clear()
	drawn := strings.Split(out.String(), "\r")[1:]
	if len(drawn) < 10 || len(drawn) > 101 {
		t.Errorf("drawn %d times in ten seconds", len(drawn))
	}
	half := "\x1b[K"
	for _, line := range drawn {
		if strings.Contains(line, " 51%") {
			half = line
		}
	}
	if want := "[===============               ]  51%  5120 of 10000 records  1000/s  5s left\x1b[K"; half != want {
		t.Errorf("half way:\n%q, want\n%q", half, want)
	}
	if last := drawn[len(drawn)-1]; last != "\x1b[K" {
		t.Errorf("left behind: %q", last)
	}
}

var epochOfBar = time.Date(2024, 1, 2, 12, 0, 0, 0, time.UTC)

// Nobody looks at a buffer, a pipe, a file or nothing: there, no bar is drawn
// and JSON is what suits.
func TestNoTerminal(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	void, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer void.Close()
	if isTerminal(&bytes.Buffer{}) || isTerminal(write) || isTerminal(void) {
		t.Error("taken for a terminal")
	}
	b := newProgressBar(write)
	b.at(1, 1)
	b.clear()
	if b.w != nil {
		t.Error("a bar in a pipe")
	}
}

// What the log holds does not command the terminal.
func TestTablesArePrintable(t *testing.T) {
	for in, want := range map[string]string{
		"":                  "-",
		"plain, räksmörgås": "plain, räksmörgås",
		"a\x1b[2Jb":         `"a\x1b[2Jb"`,
		"two\nlines\t":      `"two\nlines\t"`,
		"left\u202eright":   `"left\u202eright"`,
		"bad\xff":           `"bad\xff"`,
	} {
		if got := printable(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
