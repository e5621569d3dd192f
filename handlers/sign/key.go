package sign

import (
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/grantlog/grantlog/projections"
)

var (
	errReplaced = errors.New("the key was replaced")
	errMismatch = errors.New("the key does not fit its algorithm or its public half")
)

// record is what a private key is sealed for.
func record(kid string) string { return "key/" + kid }

// key is one published key.
type key struct {
	id     string
	alg    *algorithm
	public crypto.PublicKey
	jwk    json.RawMessage
	sealed []byte // nil once a later key took over

	opening sync.Mutex               // held while the private key is opened
	opened  atomic.Pointer[signFunc] // the private key lives in this closure alone
	headers atomic.Pointer[map[string]string]
}

// newKey reads the public half. The private one stays sealed until it signs.
func newKey(p *projections.Key) (*key, error) {
	alg, ok := algorithms[p.Algorithm]
	if !ok {
		return nil, fmt.Errorf("sign: unknown algorithm %q", p.Algorithm)
	}
	parsed, err := jwk.ParseKey(p.Public)
	if err != nil {
		return nil, fmt.Errorf("sign: public key: %w", err)
	}
	var raw any
	if err := parsed.Raw(&raw); err != nil {
		return nil, fmt.Errorf("sign: public key: %w", err)
	}
	if !alg.fits(raw) {
		return nil, errMismatch // also a private key, which must not be published
	}
	published, err := publicJWK(p.ID, alg, raw)
	if err != nil {
		return nil, err
	}
	k := &key{id: p.ID, alg: alg, public: raw, jwk: published}
	if p.ReplacedAt.IsZero() {
		k.sealed = p.Sealed
	}
	return k, nil
}

// publicJWK writes a public key as it stands in the JWKS.
func publicJWK(kid string, alg *algorithm, public crypto.PublicKey) (json.RawMessage, error) {
	k, err := jwk.FromRaw(public)
	if err != nil {
		return nil, fmt.Errorf("sign: public key: %w", err)
	}
	for name, value := range map[string]any{
		jwk.KeyIDKey: kid, jwk.AlgorithmKey: alg.name, jwk.KeyUsageKey: jwk.ForSignature,
	} {
		if err := k.Set(name, value); err != nil {
			return nil, fmt.Errorf("sign: public key: %w", err)
		}
	}
	return json.Marshal(k)
}

// open returns what signs with the private key, which is unsealed once. A
// failure is not remembered.
func (k *key) open(u Unsealer) (signFunc, error) {
	if f := k.opened.Load(); f != nil {
		return *f, nil
	}
	k.opening.Lock()
	defer k.opening.Unlock()
	if f := k.opened.Load(); f != nil {
		return *f, nil
	}
	if k.sealed == nil {
		return nil, errReplaced
	}
	der, err := u.Unseal(record(k.id), k.sealed)
	if err != nil {
		return nil, err
	}
	defer clear(der)
	f, err := k.parse(der)
	if err != nil {
		return nil, err
	}
	k.opened.Store(&f)
	return f, nil
}

func (k *key) parse(der []byte) (signFunc, error) {
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, errors.New("the private key is malformed") // the cause may quote it
	}
	private, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, errMismatch
	}
	public, ok := k.public.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(private.Public()) {
		return nil, errMismatch
	}
	return k.alg.signer(private), nil
}

// header returns the encoded protected header for typ, with the dot after it.
// Types are few and chosen by callers in the code, so the cache never shrinks.
func (k *key) header(typ string) string {
	cached := k.headers.Load()
	if cached != nil {
		if h, ok := (*cached)[typ]; ok {
			return h
		}
	}
	plain, _ := json.Marshal(struct { // three strings always marshal
		Alg string `json:"alg"`
		Typ string `json:"typ"`
		Kid string `json:"kid"`
	}{k.alg.name, typ, k.id})
	h := base64.RawURLEncoding.EncodeToString(plain) + "."
	next := map[string]string{typ: h}
	if cached != nil {
		for t, v := range *cached {
			next[t] = v
		}
	}
	k.headers.Store(&next)
	return h
}
