package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
)

// A webhook whose place was archived goes on if it had everything by then.
// Otherwise it ends and says so, until somebody says where to go on: nothing is
// left out silently.
func TestWebhooksOfAnArchivedLog(t *testing.T) {
	t.Parallel()
	pushed := make(chan string, 16)
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		pushed <- strings.TrimPrefix(r.URL.Path, "/")
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(receiver.Close)
	s := recordScenario(t)
	s.start("r_third")
	for id, after := range map[string]events.Position{"w_idle": 15, "w_behind": 9} {
		s.at("12:31:00", &events.WebhookCreated{ID: id, WebhookSettings: events.WebhookSettings{URL: receiver.URL + "/" + id, Private: true}, After: after})
	}
	s.at("12:32:00", &events.OrganizationUpdated{ID: "default", Name: "Default"})
	s.at("12:33:00", &events.OrganizationUpdated{ID: "default", Name: "Default again"})
	s.stop()
	later, _ := s.archive(18)
	defer later.serve()()
	admin := later.bearer()

	later.revokeOne()
	awaitPush(t, pushed, "w_idle")
	behind := func() (status, text string) {
		_, _, body := later.asked(admin, "/oauth/webhooks/w_behind")
		var w struct{ Status, LastError string }
		must(t, json.Unmarshal([]byte(body), &w))
		return w.Status, w.LastError
	}
	late, look := time.After(patience), time.NewTicker(20*time.Millisecond)
	defer look.Stop()
	status, text := behind()
	for status != "dead" {
		select {
		case <-look.C:
			status, text = behind()
		case <-late:
			t.Fatalf("the one that is behind is %s: %s", status, text)
		}
	}
	if !strings.Contains(text, "was archived") {
		t.Fatalf("the one that is behind died of: %s", text)
	}
	resume := func(body string) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, later.url()+"/oauth/webhooks/w_behind/resume", strings.NewReader(body))
		must(t, err)
		admin(r)
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		must(t, err)
		resp.Body.Close()
		return resp.StatusCode
	}
	for body, want := range map[string]int{"": http.StatusGone, `{"after":9}`: http.StatusGone} {
		if got := resume(body); got != want {
			t.Errorf("resumed with %q: %d, want %d", body, got, want)
		}
	}
	if got := resume(`{"after":18}`); got != http.StatusOK {
		t.Errorf("resumed behind the beginning: %d", got)
	}
	awaitPush(t, pushed, "w_behind")
}

// awaitPush waits for a push to a webhook. Others may come again.
func awaitPush(t *testing.T, pushed <-chan string, id string) {
	t.Helper()
	for deadline := time.After(patience); ; {
		select {
		case got := <-pushed:
			if got == id {
				return
			}
		case <-deadline:
			t.Fatalf("nothing is pushed to %s", id)
		}
	}
}

// revokeOne issues a token and revokes it.
func (s *scenario) revokeOne() {
	s.t.Helper()
	_, _, body := s.request(http.MethodPost, "/oauth/token", url.Values{"grant_type": {"client_credentials"}}, asAdmin)
	var answer struct {
		Token string `json:"access_token"`
	}
	must(s.t, json.Unmarshal([]byte(body), &answer))
	if status, _, body := s.request(http.MethodPost, "/oauth/revoke", url.Values{"token": {answer.Token}}, asAdmin); status != http.StatusOK {
		s.t.Fatalf("%d %s", status, body)
	}
}
