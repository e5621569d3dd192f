package main_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/google/go-cmp/cmp"
)

// webhook is the resource of /oauth/webhooks.
type webhook struct {
	ID               string    `json:"id"`
	URL              string    `json:"url"`
	Audience         string    `json:"audience"`
	HasAuthorization bool      `json:"hasAuthorization"`
	Organization     string    `json:"organizationId"`
	Status           string    `json:"status"`
	Position         uint64    `json:"position"`
	Lag              uint64    `json:"lag"`
	Acknowledged     int       `json:"acknowledged"`
	Attempts         int       `json:"attempts"`
	LastError        string    `json:"lastError"`
	RetryAt          time.Time `json:"retryAt"`
	DeadSince        time.Time `json:"deadSince"`
}

type webhookList struct {
	Webhooks   []webhook `json:"webhooks"`
	NextCursor string    `json:"nextCursor"`
}

const (
	webhooksPath   = "/oauth/webhooks"
	webhookSecret  = "Bearer canary-webhook-secret"
	revocationType = "https://github.com/grantlog/grantlog/secevent/revocation"
)

// receiver is what an organization has revocations pushed to. It takes only what
// go-oidc verifies, which knows nothing of grantlog but its issuer and where
// its keys are.
type receiver struct {
	*httptest.Server
	t        testing.TB
	audience string
	verifier *oidc.IDTokenVerifier

	mu     sync.Mutex
	pushed []push
	mode   string // what is done instead of an acknowledgment
	ends   chan struct{}
	block  func(n int) // called with the number of each push
}

// push is one that was verified.
type push struct {
	id     string
	ending map[string]any
}

func newReceiver(t testing.TB, from *server, issuer, audience string) *receiver {
	rx := &receiver{t: t, audience: audience, ends: make(chan struct{})}
	keys := oidc.NewRemoteKeySet(context.Background(), from.issuer()+"/oauth/jwks")
	rx.verifier = oidc.NewVerifier(issuer, keys, &oidc.Config{
		ClientID: audience, SkipExpiryCheck: true, SupportedSigningAlgs: []string{"ES256"},
	})
	rx.Server = httptest.NewServer(rx)
	t.Cleanup(func() { close(rx.ends); rx.Close() })
	return rx
}

func (rx *receiver) set(mode string) {
	rx.mu.Lock()
	defer rx.mu.Unlock()
	rx.mode = mode
}

func (rx *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	got, err := rx.verify(r, string(body))
	if err != nil {
		rx.t.Errorf("pushed %s: %v", body, err)
	}
	rx.mu.Lock()
	rx.pushed = append(rx.pushed, got)
	n, mode, block := len(rx.pushed), rx.mode, rx.block
	rx.mu.Unlock()
	if block != nil {
		block(n)
	}
	rx.answer(w, r, mode)
}

func (rx *receiver) answer(w http.ResponseWriter, r *http.Request, mode string) {
	switch mode {
	case "":
		w.WriteHeader(http.StatusAccepted)
	case "down":
		w.WriteHeader(http.StatusInternalServerError)
	case "400":
		w.WriteHeader(http.StatusBadRequest)
	case "redirect":
		http.Redirect(w, r, rx.URL+"/elsewhere", http.StatusTemporaryRedirect)
	case "hang":
		select {
		case <-rx.ends:
		case <-r.Context().Done():
		}
	case "endless":
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1<<16)); err != nil {
				return
			}
		}
	default: // a code of RFC 8935
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"err":%q,"description":"canary-description"}`, mode)
	}
}

// verify holds a push to RFC 8935 and its token to RFC 8417.
func (rx *receiver) verify(r *http.Request, token string) (p push, err error) {
	if r.Method != http.MethodPost || r.URL.Path == "/elsewhere" || r.Header.Get("Content-Type") != "application/secevent+jwt" ||
		r.Header.Get("Accept") != "application/json" || r.Header.Get("Authorization") != webhookSecret {
		return p, fmt.Errorf("%s %s with %v", r.Method, r.URL.Path, r.Header)
	}
	verified, err := rx.verifier.Verify(r.Context(), token)
	if err != nil {
		return p, err
	}
	var claims struct {
		ID       string                    `json:"jti"`
		Subject  *string                   `json:"sub"`
		Expires  *int64                    `json:"exp"`
		Happened int64                     `json:"toe"`
		Events   map[string]map[string]any `json:"events"`
	}
	if err := verified.Claims(&claims); err != nil {
		return p, err
	}
	header, _ := decode(rx.t, token)
	ending := claims.Events[revocationType]
	if header["typ"] != "secevent+jwt" || claims.Subject != nil || claims.Expires != nil || len(claims.Events) != 1 || ending == nil || claims.Happened == 0 {
		return p, fmt.Errorf("header %v, claims %+v", header, claims)
	}
	return push{claims.ID, ending}, nil
}

// seen lists what was pushed so far.
func (rx *receiver) seen() []push {
	rx.mu.Lock()
	defer rx.mu.Unlock()
	return slices.Clone(rx.pushed)
}

// told lists the endings without those that were repeated.
func (rx *receiver) told() (list []map[string]any) {
	known := map[string]bool{}
	for _, p := range rx.seen() {
		if !known[p.id] {
			known[p.id] = true
			list = append(list, p.ending)
		}
	}
	return list
}

func (s *server) webhook(token, id string) webhook {
	s.t.Helper()
	return as[webhook](s.get(webhooksPath+"/"+id, bearer(token)).ok())
}

// ended lists the endings of the caller's organization as a poll has them.
func (s *server) ended(token string) []map[string]any {
	s.t.Helper()
	return as[struct {
		Revocations []map[string]any `json:"revocations"`
	}](s.get("/oauth/revocations?limit=200&after=0", bearer(token)).ok()).Revocations
}

// same compares what a receiver was told with the poll: the same, in the same
// order, nothing left out.
func same(t testing.TB, rx *receiver, want []map[string]any) {
	t.Helper()
	got := rx.told()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pushed (-want +got):\n%s", diff)
	}
}

// subscribe registers a receiver for the caller's organization.
func (s *server) subscribe(token string, rx *receiver) webhook {
	s.t.Helper()
	body := settings{"url": rx.URL, "audience": rx.audience, "authorization": webhookSecret, "private": true}
	return as[webhook](s.json(http.MethodPost, webhooksPath, body, bearer(token)).want(http.StatusCreated))
}
