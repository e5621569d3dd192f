package resource

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwk"
	"github.com/lestrrat-go/jwx/v2/jws"
)

const (
	maxToken = 8 << 10 // bytes
	// refetch is how long after a fetch nothing causes another, whether it was
	// successful or not: a flood of made-up kids costs the issuer one request in
	// that time, and so does an issuer that does not answer.
	refetch = 10 * time.Second
	// keysAge is how long a key set is used before it is fetched again, and
	// keysLimit how long it is used if that fails: a key may have been retired.
	keysAge   = 5 * time.Minute
	keysLimit = time.Hour
)

// accepted are the algorithms of access tokens. The key decides which: the
// token's alg must be its key's.
var accepted = map[jwa.SignatureAlgorithm]bool{jwa.ES256: true, jwa.RS256: true, jwa.PS256: true, jwa.EdDSA: true}

// keySet is the issuer's published keys. Whoever needs a key that is not there
// waits for the fetch that is under way; nobody waits for a key that is, and not
// too old.
type keySet struct {
	cfg config

	mu       sync.Mutex // never held during a fetch
	set      jwk.Set
	fetched  time.Time // the set is of then
	tried    time.Time // the last fetch began then
	fetching chan struct{}
	failed   bool // the last fetch
}

func newKeySet(cfg config) *keySet { return &keySet{cfg: cfg, set: jwk.NewSet()} }

// verify checks a token's form, type and signature and returns its payload.
func (k *keySet) verify(ctx context.Context, token string) ([]byte, error) {
	if len(token) > maxToken || strings.Count(token, ".") != 2 {
		return nil, ErrInvalid
	}
	encoded, _, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.Strict().DecodeString(encoded)
	if err != nil {
		return nil, ErrInvalid
	}
	var header struct {
		Alg      string          `json:"alg"`
		Type     string          `json:"typ"`
		KeyID    string          `json:"kid"`
		Critical json.RawMessage `json:"crit"`
	}
	if json.Unmarshal(raw, &header) != nil || header.KeyID == "" || header.Critical != nil {
		return nil, ErrInvalid
	}
	if typ := strings.TrimPrefix(strings.ToLower(header.Type), "application/"); typ != "at+jwt" {
		return nil, ErrInvalid
	}
	key, err := k.find(ctx, header.KeyID)
	if err != nil {
		return nil, err
	}
	alg, ok := key.Algorithm().(jwa.SignatureAlgorithm)
	if !ok || !accepted[alg] || alg.String() != header.Alg {
		return nil, ErrInvalid
	}
	payload, err := jws.Verify([]byte(token), jws.WithKey(alg, key), jws.WithCompact())
	if err != nil {
		return nil, ErrInvalid
	}
	return payload, nil
}

// find returns a key, fetching the set when it is old or lacks the kid.
func (k *keySet) find(ctx context.Context, kid string) (jwk.Key, error) {
	k.mu.Lock()
	now := k.cfg.clock()
	_, known := k.lookup(kid, now)
	if (!known || now.Sub(k.fetched) >= keysAge) && k.fetching == nil && now.Sub(k.tried) >= refetch {
		k.tried, k.fetching = now, make(chan struct{})
		go k.renew(context.WithoutCancel(ctx), k.fetching)
	}
	fetching := k.fetching
	k.mu.Unlock()
	if !known && fetching != nil {
		select {
		case <-fetching:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.lookup(kid, now); ok {
		return key, nil
	}
	if k.failed {
		return nil, ErrUnavailable // the issuer may have published it
	}
	return nil, ErrInvalid
}

// lookup returns a key of a set that may still be used.
func (k *keySet) lookup(kid string, now time.Time) (jwk.Key, bool) {
	if now.Sub(k.fetched) >= keysLimit {
		return nil, false
	}
	return k.set.LookupKeyID(kid)
}

// renew fetches the set, once for all who wait.
func (k *keySet) renew(ctx context.Context, done chan struct{}) {
	set, err := k.fetch(ctx)
	if err != nil {
		k.cfg.log.Warn("the issuer's keys could not be fetched", "error", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.failed = err != nil; !k.failed {
		k.set, k.fetched = set, k.cfg.clock()
	}
	k.fetching = nil
	close(done)
}

func (k *keySet) fetch(ctx context.Context) (jwk.Set, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.cfg.issuer+"/oauth/jwks", nil)
	if err != nil {
		return nil, err
	}
	var raw json.RawMessage
	if err := k.cfg.fetch(req, &raw); err != nil {
		return nil, err
	}
	return jwk.Parse(raw)
}
