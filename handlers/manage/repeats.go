package manage

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"sync"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/emit"
)

// Repeats recognizes requests that make something and come again with the same
// Idempotency-Key. What it knows is in the log: it recognizes a request that
// another replica answered, too. It is safe for concurrent use.
type Repeats struct {
	key   []byte
	emit  *emit.Emitter
	mu    sync.Mutex
	turns map[events.RequestDigest]*turn
}

// NewRepeats returns one; key is derived for credential.RootPurpose.
func NewRepeats(key []byte, e *emit.Emitter) *Repeats {
	return &Repeats{key: key, emit: e, turns: map[events.RequestDigest]*turn{}}
}

// turn is held by the request with a key that is being answered here.
type turn struct {
	free    chan struct{} // holds a value while nobody has it
	waiting int
}

// take waits until no other request of this replica has the key.
func (r *Repeats) take(ctx context.Context, key events.RequestDigest) (release func(), err error) {
	r.mu.Lock()
	t := r.turns[key]
	if t == nil {
		t = &turn{free: make(chan struct{}, 1)}
		t.free <- struct{}{}
		r.turns[key] = t
	}
	t.waiting++
	r.mu.Unlock()
	leave := func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if t.waiting--; t.waiting == 0 {
			delete(r.turns, key)
		}
	}
	select {
	case <-t.free:
		return func() { t.free <- struct{}{}; leave() }, nil
	case <-ctx.Done():
		leave()
		return nil, context.Cause(ctx)
	}
}

// requestOf describes a request by what recognizes it. The second digest is
// made with the Idempotency-Key as well: a body may hold a password or what
// tells who somebody is, which the log must not let anybody find by trying.
func (r *Repeats) requestOf(req *http.Request, caller authn.Caller, key string, in any) (*events.RequestKeyed, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	t := caller.Token
	return &events.RequestKeyed{
		Key:     r.digest("key", t.Organization, t.Application, t.User, key),
		Request: r.digest("request", key, req.Method, req.URL.Path, req.URL.Query().Get("organization"), string(body)),
		Nonce:   events.NewRequestNonce(),
	}, nil
}

func (r *Repeats) digest(what string, parts ...string) (d events.RequestDigest) {
	mac := hmac.New(sha256.New, r.key)
	mac.Write([]byte(what))
	for _, part := range parts {
		mac.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		mac.Write([]byte(part))
	}
	copy(d[:], mac.Sum(nil))
	return d
}
