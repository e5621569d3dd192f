package resource

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

// publisher is an issuer as far as its keys go.
type publisher struct {
	*httptest.Server
	mu    sync.Mutex
	keys  jwk.Set
	down  bool
	hold  chan struct{} // if not nil, an answer waits for it
	asked atomic.Int32
}

func newPublisher(t *testing.T) *publisher {
	p := &publisher{keys: jwk.NewSet()}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		p.mu.Lock()
		keys, down, hold := p.keys, p.down, p.hold
		p.mu.Unlock()
		if hold != nil {
			<-hold
		}
		if down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if err := json.NewEncoder(w).Encode(keys); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(p.Close)
	return p
}

// publish makes a key, publishes it and returns what signs with it.
func (p *publisher) publish(t *testing.T, kid string) func(claims string) string {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := jwk.FromRaw(private.Public())
	for name, value := range map[string]any{jwk.KeyIDKey: kid, jwk.AlgorithmKey: jwa.ES256} {
		if err == nil {
			err = public.Set(name, value)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	more := jwk.NewSet()
	for i := range p.keys.Len() {
		key, _ := p.keys.Key(i)
		_ = more.AddKey(key)
	}
	_ = more.AddKey(public)
	p.keys = more
	return func(claims string) string {
		h := jws.NewHeaders()
		_ = h.Set(jws.TypeKey, "at+jwt")
		_ = h.Set(jws.KeyIDKey, kid)
		signed, err := jws.Sign([]byte(claims), jws.WithKey(jwa.ES256, private, jws.WithProtectedHeaders(h)))
		if err != nil {
			t.Fatal(err)
		}
		return string(signed)
	}
}

func (p *publisher) set(down bool, hold chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.hold = down, hold
}

// clock is one that stands until it is moved.
type clock struct{ ns atomic.Int64 }

func (c *clock) now() time.Time        { return time.Unix(1_800_000_000, c.ns.Load()) }
func (c *clock) move(by time.Duration) { c.ns.Add(int64(by)) }

func (p *publisher) reader(c *clock) *keySet {
	return newKeySet(config{issuer: p.URL, clock: c.now, http: p.Client(), log: slog.New(slog.NewTextHandler(io.Discard, nil))})
}

// Whoever needs a key at once waits for one fetch; a made-up kid causes none.
func TestKeysAreFetchedOnceForAll(t *testing.T) {
	p, c := newPublisher(t), &clock{}
	sign, k := p.publish(t, "k1"), p.reader(c)
	token, ctx := sign(`{}`), t.Context()
	hold := make(chan struct{})
	p.set(false, hold)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := k.verify(ctx, token); err != nil {
				t.Error(err)
			}
		})
	}
	close(hold)
	all.Wait()
	forged := newPublisher(t).publish(t, "made up")(`{}`)
	for range 100 {
		if _, err := k.verify(ctx, forged); !errors.Is(err, ErrInvalid) {
			t.Errorf("an unknown kid: %v", err)
		}
	}
	if n := p.asked.Load(); n != 1 {
		t.Fatalf("%d fetches", n)
	}
	// A key that is published later is found, once a fetch is due.
	later := p.publish(t, "k2")(`{}`)
	if _, err := k.verify(ctx, later); !errors.Is(err, ErrInvalid) || p.asked.Load() != 1 {
		t.Errorf("at once: %v, %d fetches", err, p.asked.Load())
	}
	c.move(refetch)
	if _, err := k.verify(ctx, later); err != nil || p.asked.Load() != 2 {
		t.Errorf("later: %v, %d fetches", err, p.asked.Load())
	}
}

// An issuer that fails, or hangs, keeps nobody from a key that is known, and is
// not asked by everybody.
func TestKeysOfAnIssuerThatFails(t *testing.T) {
	p, c := newPublisher(t), &clock{}
	known, ctx := p.publish(t, "k1")(`{}`), t.Context()
	p.set(true, nil)
	k := p.reader(c)
	for range 10 {
		if _, err := k.verify(ctx, known); !errors.Is(err, ErrUnavailable) {
			t.Errorf("without keys: %v", err)
		}
	}
	if n := p.asked.Load(); n != 1 {
		t.Errorf("%d fetches of an issuer that is down", n)
	}
	p.set(false, nil)
	c.move(refetch)
	if _, err := k.verify(ctx, known); err != nil {
		t.Error(err)
	}
	hold := make(chan struct{})
	p.set(false, hold)
	c.move(keysAge)
	if _, err := k.verify(ctx, known); err != nil { // while the fetch hangs
		t.Error(err)
	}
	close(hold)

	// Not for ever: what could have been retired long ago is not believed.
	k = p.reader(c)
	if _, err := k.verify(ctx, known); err != nil {
		t.Error(err)
	}
	p.set(true, nil)
	c.move(keysLimit)
	if _, err := k.verify(ctx, known); !errors.Is(err, ErrUnavailable) {
		t.Errorf("by keys of long ago: %v", err)
	}
	p.set(false, nil)
	c.move(refetch)
	if _, err := k.verify(ctx, known); err != nil {
		t.Error(err)
	}
}

// What a header may say, it says by its key.
func TestHeadersOfTokens(t *testing.T) {
	p, c := newPublisher(t), &clock{}
	token, k := p.publish(t, "k1")(`{}`), p.reader(c)
	for i := range token {
		for _, changed := range []string{token[:i], token[:i] + "~" + token[i+1:]} {
			if _, err := k.verify(t.Context(), changed); !errors.Is(err, ErrInvalid) {
				t.Fatalf("byte %d: %v", i, err)
			}
		}
	}
	if _, err := k.verify(t.Context(), token); err != nil {
		t.Error(err)
	}
}
