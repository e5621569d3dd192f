package sign

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwk"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/projections"
)

const sampleClaims = `{"iss":"http://127.0.0.1:8080","aud":"http://127.0.0.1:8080","client_id":"app_1","sub":"app_1",` +
	`"jti":"00112233445566778899aabbccddeeff","iat":1795345200,"exp":1795348800,"scope":"read:customers write:customers"}`

var allAlgorithms = []string{"ES256", "RS256", "PS256", "EdDSA"}

// fixture is a Signer over a state that the test grows event by event.
type fixture struct {
	*Signer
	tb    testing.TB
	vault *Vault
	log   *bytes.Buffer

	mu    sync.RWMutex
	state *projections.State
}

// newFixture has a data key and an active key for each algorithm.
func newFixture(tb testing.TB, algs ...string) *fixture {
	tb.Helper()
	f := &fixture{tb: tb, vault: NewVault(seal.NewMaster()), state: projections.New(), log: &bytes.Buffer{}}
	f.Signer = New(Config{View: f.view, Unsealer: f.vault, Logger: slog.New(slog.NewTextHandler(f.log, nil))})
	data, err := f.vault.NewDataKey()
	if err != nil {
		tb.Fatal(err)
	}
	f.apply(data)
	if err := f.vault.Open(f.state.Keys.Sealing()); err != nil {
		tb.Fatal(err)
	}
	for _, alg := range algs {
		f.activate(f.publish(alg))
	}
	return f
}

func (f *fixture) view(read func(*projections.State)) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	read(f.state)
}

func (f *fixture) apply(data ...events.Data) {
	f.tb.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.state.Position++
	for i, d := range data {
		e := &events.Event{Type: d.EventType(), Version: 1, Time: time.Unix(1795345200, 0).UTC(), Data: d}
		if err := f.state.Apply(projections.Record{Position: f.state.Position}, i, e); err != nil {
			f.tb.Fatal(err)
		}
	}
}

func (f *fixture) publish(alg string) (kid string) {
	f.tb.Helper()
	made, err := f.vault.NewKey(alg)
	if err != nil {
		f.tb.Fatal(err)
	}
	f.apply(made)
	return made.ID
}

func (f *fixture) activate(kid string) { f.apply(&events.KeyActivated{ID: kid}) }
func (f *fixture) retire(kid string)   { f.apply(&events.KeyRetired{ID: kid}) }

// mustSign signs the sample claims.
func (f *fixture) mustSign(alg string) (token, kid string) {
	f.tb.Helper()
	token, kid, err := f.Sign(alg, "at+jwt", []byte(sampleClaims))
	if err != nil {
		f.tb.Fatalf("sign %s: %v", alg, err)
	}
	return token, kid
}

// active returns the key that signs for alg.
func (f *fixture) active(alg string) *projections.Key {
	f.tb.Helper()
	k, ok := f.state.Keys.Active(alg)
	if !ok {
		f.tb.Fatalf("no active %s key", alg)
	}
	return k
}

// private opens a key as an attacker never can.
func (f *fixture) private(alg string) crypto.Signer {
	f.tb.Helper()
	k := f.active(alg)
	der, err := f.vault.Unseal(record(k.ID), k.Sealed)
	if err != nil {
		f.tb.Fatal(err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		f.tb.Fatal(err)
	}
	return parsed.(crypto.Signer)
}

// forge assembles a token with any header, signed as alg would be.
func (f *fixture) forge(alg string, private crypto.Signer, header map[string]any) string {
	f.tb.Helper()
	plain, err := json.Marshal(header)
	if err != nil {
		f.tb.Fatal(err)
	}
	return f.forgeRaw(alg, private, string(plain))
}

func (f *fixture) forgeRaw(alg string, private crypto.Signer, header string) string {
	f.tb.Helper()
	input := b64(header) + "." + b64(sampleClaims)
	signature, err := algorithms[alg].signer(private)([]byte(input))
	if err != nil {
		f.tb.Fatal(err)
	}
	return input + "." + b64(string(signature))
}

func (f *fixture) published() jwk.Set {
	f.tb.Helper()
	set, err := jwk.Parse(f.JWKS())
	if err != nil {
		f.tb.Fatalf("JWKS: %v", err)
	}
	return set
}

func b64(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
