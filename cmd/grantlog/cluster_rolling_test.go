package main_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// balancer sends requests to the members of a cluster in turn, except to those
// that were told to stop: what a load balancer with health checks does.
type balancer struct {
	c    *cluster
	next atomic.Uint64
	down [3]atomic.Bool

	mu      sync.Mutex
	asked   int
	cut     int      // connections that ended without an answer
	refused []string // any other failure
	slowest time.Duration
}

// post sends a form to a member other than the one to avoid, and returns the
// answer and who gave it; nil: none did.
func (b *balancer) post(avoid int, path string, form url.Values, consistency string) (body []byte, header http.Header, member int) {
	for {
		member = int(b.next.Add(1) % 3)
		if member != avoid && !b.down[member].Load() {
			break
		}
	}
	s := b.c.members[member]
	r, err := http.NewRequest(http.MethodPost, s.issuer()+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.c.t.Error(err)
		return nil, nil, member
	}
	r.Header.Set("Content-Type", formType)
	if consistency != "" {
		r.Header.Set("Consistency-Token", consistency)
	}
	began := time.Now()
	resp, err := (&http.Client{Transport: s.base, Timeout: patience}).Do(r)
	if err == nil {
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked++
	b.slowest = max(b.slowest, time.Since(began))
	switch {
	case err != nil:
		b.cut++
	case resp.StatusCode != http.StatusOK:
		b.refused = append(b.refused, path+": "+resp.Status+" "+string(body))
	default:
		return body, resp.Header, member
	}
	return nil, nil, member
}

// work issues tokens on one member, reads them on another one and revokes some,
// until enough was done. Each read reflects the write before.
func (b *balancer) work(app application, done *atomic.Bool) {
	form := func(pairs ...string) url.Values {
		v := url.Values{"client_id": {app.ClientID}, "client_secret": {app.ClientSecret}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return v
	}
	for i := 0; !done.Load(); i++ {
		body, header, writer := b.post(-1, "/oauth/token", form("grant_type", "client_credentials"), "")
		var issued tokenResponse
		if body == nil || json.Unmarshal(body, &issued) != nil {
			continue
		}
		written := header.Get("Consistency-Token")
		want := `{"active":true`
		if i%4 == 3 {
			if body, header, writer = b.post(-1, "/oauth/revoke", form("token", issued.AccessToken), written); body == nil {
				continue
			}
			written, want = header.Get("Consistency-Token"), `{"active":false`
		}
		if body, _, _ = b.post(writer, "/oauth/introspect", form("token", issued.AccessToken), written); body != nil && !strings.HasPrefix(string(body), want) {
			b.c.t.Errorf("a read on another member is %s, want %s", body, want)
		}
	}
}

// Sections 1 and 7: members are restarted one after the other, as for an
// upgrade, and whoever asks through a balancer notices nothing: what they lead
// is led by others before they go.
func TestRollingRestart(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	app := c.members[0].create(c.members[0].token(c.administrator()))
	c.settled()

	b := &balancer{c: c}
	var done atomic.Bool
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() { b.work(app, &done) })
	}
	for i, s := range c.members {
		b.down[i].Store(true)
		s.restart()
		b.down[i].Store(false)
		began := b.count()
		s.eventually("there was more load", func() bool { return b.count() > began+20 })
	}
	done.Store(true)
	workers.Wait()
	t.Logf("%d requests, %d cut off, slowest %v", b.asked, b.cut, b.slowest)
	// A connection that is idle when its server goes may take a request along.
	if b.cut > 4*len(c.members) {
		t.Errorf("%d of %d requests were cut off", b.cut, b.asked)
	}
	for _, r := range b.refused {
		t.Errorf("refused: %s", r)
	}
}

func (b *balancer) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.asked
}
