package journal_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// A page whose ack was lost is recognized by the stream when it is sent again.
func TestAppendSurvivesLostAnswers(t *testing.T) {
	for _, delivered := range []bool{true, false} {
		t.Run(fmt.Sprintf("delivered=%v", delivered), func(t *testing.T) {
			env := journaltest.New(t)
			var commit journal.Commit
			j := env.Open(func(c *journal.Config) { c.Observe = func(c journal.Commit) { commit = c } })
			env.Break(journaltest.Fault{Delivered: delivered})
			pos := mustAppend(t, j, events.BeaconsSubject(), beacon("once"))
			if commit.Attempts < 2 || commit.Events != 1 || commit.Err != nil {
				t.Errorf("observed %+v", commit)
			}
			pages := readAll(t, j)
			if len(pages) != 1 || pages[0].Position != pos {
				t.Errorf("told position %d, log has %+v", pos, pages)
			}
		})
	}
}

// When no answer comes through at all, the log is read.
func TestAppendIsSettledByReading(t *testing.T) {
	env := journaltest.New(t)
	j := env.Open(func(c *journal.Config) { c.SettleTimeout = 50 * time.Millisecond })
	conn := env.Connect()
	other := env.Open(func(c *journal.Config) { c.Conn = conn })
	mustAppend(t, other, events.BeaconsSubject(), beacon("before"))

	env.Break(journaltest.Fault{Delivered: true, Times: 1000, Then: func() {
		waitUntil(t, func() bool { return lastOf(t, other) >= 2 })
	}})
	pos := mustAppend(t, j, events.BeaconsSubject(), beacon("ours"))
	env.Break(journaltest.Fault{Times: 1000})
	_, err := j.Append(t.Context(), events.BeaconsSubject(), beacon("lost"))
	if !errors.Is(err, journal.ErrUncertain) {
		t.Errorf("nothing written, nothing answered: %v", err)
	}
	if pages := readAll(t, other); len(pages) != 2 || pages[1].Nonces[0] != "ours" || pos != 2 {
		t.Errorf("told position %d, log has %+v", pos, pages)
	}
}

func TestAppendWhileTheServerIsDown(t *testing.T) {
	env := journaltest.New(t)
	j := env.Open(func(c *journal.Config) { c.AckTimeout, c.SettleTimeout = 100*time.Millisecond, 200*time.Millisecond })
	patient := env.Open()
	back := func() {
		env.Start()
		lastOf(t, patient) // is not asked before there is a connection
	}

	// Nothing can be sent.
	env.Stop()
	waitUntil(t, func() bool { return !env.Conn.IsConnected() })
	if _, err := j.Append(t.Context(), events.BeaconsSubject(), beacon("unsent")); !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("server down: %v", err)
	}
	if _, err := j.AppendIf(t.Context(), events.KeysSubject(), 0, beacon("unsent")); !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("server down, guarded: %v", err)
	}
	back()
	mustAppend(t, patient, events.BeaconsSubject(), beacon("back"))

	// The server goes down with a publish on its way.
	for i, call := range []func() (events.Position, error){
		func() (events.Position, error) {
			return j.Append(t.Context(), events.BeaconsSubject(), beacon("unknown"))
		},
		func() (events.Position, error) {
			return j.AppendIf(t.Context(), events.KeysSubject(), 0, beacon("unknown"))
		},
	} {
		env.Break(journaltest.Fault{Then: func() { env.Stop() }})
		if _, err := call(); !errors.Is(err, journal.ErrUncertain) {
			t.Errorf("call %d: server gone with the publish: %v", i, err)
		}
		back()
	}
	if pages := readAll(t, patient); len(pages) != 1 || pages[0].Nonces[0] != "back" {
		t.Errorf("log has %+v", pages)
	}
}

// Whatever callers are told while the server restarts under them is true.
func TestAppendTellsTheTruthAcrossRestarts(t *testing.T) {
	const callers, restarts = 16, 4
	env := journaltest.New(t)
	j := env.Open(func(c *journal.Config) { c.AckTimeout, c.SettleTimeout = 200*time.Millisecond, 300*time.Millisecond })
	type result struct {
		pos events.Position
		err error
	}
	var mu sync.Mutex
	told := map[string]result{}
	var acked atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				nonce := fmt.Sprintf("%d/%d", c, n)
				pos, err := j.Append(t.Context(), events.BeaconsSubject(), beacon(nonce))
				if err == nil {
					acked.Add(1)
				}
				mu.Lock()
				told[nonce] = result{pos, err}
				mu.Unlock()
			}
		})
	}
	for range restarts {
		before := acked.Load()
		waitUntil(t, func() bool { return acked.Load() > before+callers*4 })
		env.Restart()
	}
	before := acked.Load()
	waitUntil(t, func() bool { return acked.Load() > before+callers })
	stop.Store(true)
	wg.Wait()

	at := map[string]events.Position{}
	for _, p := range readAll(t, j) {
		for _, nonce := range p.Nonces {
			if at[nonce] != 0 {
				t.Errorf("%s stands at %d and %d", nonce, at[nonce], p.Position)
			}
			at[nonce] = p.Position
		}
	}
	counts := map[string]int{}
	for nonce, r := range told {
		switch {
		case r.err == nil:
			counts["acknowledged"]++
			if at[nonce] != r.pos {
				t.Errorf("%s acknowledged at %d, stands at %d", nonce, r.pos, at[nonce])
			}
		case errors.Is(r.err, journal.ErrUnavailable):
			counts["unavailable"]++
			if at[nonce] != 0 {
				t.Errorf("%s said to be unwritten, stands at %d", nonce, at[nonce])
			}
		case errors.Is(r.err, journal.ErrUncertain):
			counts["uncertain"]++
		default:
			t.Errorf("%s: %v", nonce, r.err)
		}
	}
	t.Log(counts)
}

func TestAppendToAFullStore(t *testing.T) {
	j := journaltest.New(t, journaltest.MaxStore(64<<10)).Open()
	acked := 0
	for {
		_, err := j.Append(t.Context(), events.TokensSubject(), issued(), issued(), issued(), issued())
		if err == nil {
			acked++
			continue
		}
		if !errors.Is(err, journal.ErrUnavailable) {
			t.Errorf("full store: %v", err)
		}
		break
	}
	if pages := readAll(t, j); len(pages) != acked {
		t.Errorf("%d pages acknowledged, %d stored", acked, len(pages))
	}
}
