package webhooks

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

func redirect(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "http://127.0.0.1:1/", http.StatusTemporaryRedirect)
}

// says answers 400 with a body.
func says(media, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprint(w, body)
	}
}

// endless answers with a body that does not end.
func endless(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		for r.Context().Err() == nil {
			if _, err := w.Write([]byte(strings.Repeat(" ", 1<<16))); err != nil {
				return
			}
		}
	}
}

// Whatever a receiver does wrong, the same is pushed again until it is
// acknowledged, and what comes after it waits.
func TestFailuresLoseNothing(t *testing.T) {
	for name, c := range map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		want   string
	}{
		"500":                     {status(500), errBroken.text},
		"503":                     {status(503), errBroken.text},
		"404":                     {status(404), errUnexpected.text},
		"401":                     {status(401), errUnexpected.text},
		"200 is not 202":          {status(200), errUnexpected.text},
		"204":                     {status(204), errUnexpected.text},
		"redirect":                {redirect, errRedirect.text},
		"400 without a word":      {status(400), errUnexplained.text},
		"400 in another form":     {says("text/plain", `{"err":"invalid_request"}`), errUnexplained.text},
		"400 that is no JSON":     {says("application/json", `err`), errUnexplained.text},
		"400 with another code":   {says("application/json", `{"err":"<script>"}`), errUnexplained.text},
		"400 without end":         {endless(400), errUnexplained.text},
		"keys not known yet":      {says("application/json; charset=utf-8", `{"err":"invalid_key","description":"x"}`), "The receiver refused: invalid_key"},
		"not to be authenticated": {says("application/json", `{"err":"authentication_failed"}`), "The receiver refused: authentication_failed"},
		"not allowed":             {says("application/json", `{"err":"access_denied"}`), "The receiver refused: access_denied"},
		"hangs up":                {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, errUnreachable.text},
		"hangs":                   {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, errSlow.text},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			rx := s.receiver()
			rx.answers(c.answer)
			p := calm
			if c.want == errSlow.text {
				p.attempt = 50 * time.Millisecond
			}
			id := s.hook(rx, 0)
			s.replica(p).run()
			s.revoke("acme", 3)
			s.eventually("it failed a few times", func() bool { w, _ := s.now(id); return w.Attempts >= 3 })
			if w, lag := s.now(id); w.Error != c.want || w.Dead() || lag == 0 || w.FailingSince.IsZero() {
				t.Errorf("after failures: %+v", w)
			}
			if n := len(distinct(rx.seen())); n != 1 {
				t.Errorf("%d endings were pushed; the first was never acknowledged", n)
			}
			rx.answers(nil)
			s.wantAll(rx, id)
			if w, _ := s.now(id); w.Attempts != 0 || w.Error != c.want || w.Acknowledged != 3 {
				t.Errorf("overcome: %+v", w)
			}
		})
	}
}

// An acknowledgment counts whatever comes after it.
func TestAcknowledgmentWithoutEnd(t *testing.T) {
	s := newSite(t)
	rx := s.receiver()
	rx.answers(endless(http.StatusAccepted))
	id := s.hook(rx, 0)
	s.replica(calm).run()
	s.revoke("acme", 3)
	if pushed := s.wantAll(rx, id); len(pushed) != 3 {
		t.Errorf("pushed %v", pushed)
	}
}

// RFC 8935 section 2: what is refused for good is not pushed again. Nothing is
// left out either: the webhook waits until somebody resumes it.
func TestRefusalForGood(t *testing.T) {
	for _, code := range final {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			rx := s.receiver()
			id := s.hook(rx, 0)
			s.replica(calm).run()
			s.revoke("acme", 2)
			s.caughtUp(id)
			rx.answers(says("application/json", `{"err":"`+code+`"}`))
			s.revoke("acme", 3)
			s.eventually("it is dead", func() bool { w, _ := s.now(id); return w.Dead() })
			w, lag := s.now(id)
			if w.Error != "The receiver refused: "+code || lag == 0 || w.Lease != "" {
				t.Errorf("dead: %+v", w)
			}
			rx.answers(nil)
			s.resume(id, nil)
			pushed := s.wantAll(rx, id)
			if len(pushed) != 6 || pushed[2] != pushed[3] {
				t.Errorf("pushed %v", pushed)
			}
		})
	}
}

func (s *site) resume(id string, after *events.Position) {
	s.t.Helper()
	s.first.base.Run(func(state *projections.State) (command.Decision, error) {
		return command.ResumeWebhook(state, "acme", id, after)
	})
}

// A receiver that fails for too long is left alone, and gets everything when
// its webhook is resumed: from where it stopped, or from any position.
func TestDeadAndResumed(t *testing.T) {
	s := newSite(t)
	rx := s.receiver()
	rx.answers(status(http.StatusServiceUnavailable))
	id := s.hook(rx, 0)
	r := s.replica(calm)
	r.GiveUp = 100 * time.Millisecond
	r.run()
	s.revoke("acme", 3)
	s.eventually("it is dead", func() bool { w, _ := s.now(id); return w.Dead() })
	n := len(rx.seen())
	s.revoke("acme", 3)
	other := s.receiver()
	s.wantAll(other, s.hook(other, 0)) // the replica had time to push
	if more := len(rx.seen()); more != n || n < 2 {
		t.Errorf("%d pushes, %d when it was called dead", more, n)
	}
	rx.answers(nil)
	s.resume(id, nil)
	s.wantAll(rx, id)
	before := rx.seen()
	all := s.endings()
	s.resume(id, new(events.Position))
	s.eventually("all is pushed again", func() bool { return len(rx.seen()) == len(before)+len(all) })
	s.caughtUp(id)
	if again := positions(id, rx.seen()[len(before):]); !slices.Equal(again, all) {
		t.Errorf("pushed again %v, want %v", again, all)
	}
}

// A public name may lead anywhere: the address is looked at when it is dialed.
func TestAddressIsLookedAtWhenDialed(t *testing.T) {
	var once sync.Once
	reached := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { once.Do(func() { t.Error("reached") }) }))
	defer reached.Close()
	c := newClient()
	defer c.close()
	w := &projections.Webhook{WebhookSettings: events.WebhookSettings{URL: reached.URL}}
	if err := c.push(t.Context(), w, "", "x"); err != errAddress {
		t.Errorf("%v", err)
	}
	reached.Close()
	w.Private = true
	if err := c.push(t.Context(), w, "", "x"); err != errUnreachable {
		t.Errorf("%v", err)
	}
}

func TestPauseGrows(t *testing.T) {
	s := &session{e: &Endpoint{pace: usual}}
	for failures, longest := range []time.Duration{
		time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 32 * time.Second, 64 * time.Second, 128 * time.Second,
		256 * time.Second, 5 * time.Minute, 5 * time.Minute,
	} {
		for range 100 {
			if p := s.pause(failures); p > longest || p < longest/2 {
				t.Fatalf("after %d failures %v, want %v to %v", failures, p, longest/2, longest)
			}
		}
	}
	if p := s.pause(1 << 40); p > 5*time.Minute {
		t.Errorf("%v", p)
	}
}
