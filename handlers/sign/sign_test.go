package sign

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/lestrrat-go/jwx/v2/jws"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/seal"
)

func TestSign(t *testing.T) {
	f := newFixture(t, allAlgorithms...)
	for _, alg := range allAlgorithms {
		t.Run(alg, func(t *testing.T) {
			token, kid := f.mustSign(alg)
			if want := f.active(alg).ID; kid != want {
				t.Errorf("signed with %s, want the active key %s", kid, want)
			}
			parts := strings.Split(token, ".")
			header, err := base64.RawURLEncoding.DecodeString(parts[0])
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf(`{"alg":%q,"typ":"at+jwt","kid":%q}`, alg, kid); string(header) != want {
				t.Errorf("header %s, want %s", header, want)
			}
			claims, err := jws.Verify([]byte(token), jws.WithKeySet(f.published()))
			if err != nil || string(claims) != sampleClaims {
				t.Errorf("jwx: %v, claims %s", err, claims)
			}
			checkDirectly(t, alg, f.private(alg).Public(), parts[0]+"."+parts[1], parts[2])
			if claims, err := f.Verify(token); err != nil || string(claims) != sampleClaims {
				t.Errorf("Verify: %v, claims %s", err, claims)
			}
		})
	}
}

// checkDirectly verifies without any JOSE code.
func checkDirectly(t *testing.T, alg string, public crypto.PublicKey, input, encoded string) {
	t.Helper()
	signature, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte(input))
	ok := false
	switch alg {
	case "ES256":
		r, s := new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])
		ok = len(signature) == 64 && ecdsa.Verify(public.(*ecdsa.PublicKey), digest[:], r, s)
	case "RS256":
		ok = rsa.VerifyPKCS1v15(public.(*rsa.PublicKey), crypto.SHA256, digest[:], signature) == nil
	case "PS256":
		opts := &rsa.PSSOptions{SaltLength: sha256.Size} // RFC 7518 section 3.5
		ok = rsa.VerifyPSS(public.(*rsa.PublicKey), crypto.SHA256, digest[:], signature, opts) == nil
	case "EdDSA":
		ok = ed25519.Verify(public.(ed25519.PublicKey), []byte(input), signature)
	}
	if !ok {
		t.Errorf("%s: the signature does not verify", alg)
	}
}

func TestSignaturesOfOneKeyHaveOneLength(t *testing.T) {
	f := newFixture(t, "ES256")
	first, _ := f.mustSign("ES256")
	for range 300 { // one in 128 has an r or s with a leading zero byte
		token, _ := f.mustSign("ES256")
		if len(token) != len(first) {
			t.Fatalf("%d characters, then %d", len(first), len(token))
		}
		if _, err := f.Verify(token); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSignFollowsTheState(t *testing.T) {
	f := newFixture(t)
	if _, _, err := f.Sign("ES256", "at+jwt", []byte("{}")); !errors.Is(err, ErrNoKey) {
		t.Fatalf("without any key: %v", err)
	}
	first := f.publish("ES256")
	if _, _, err := f.Sign("ES256", "at+jwt", []byte("{}")); !errors.Is(err, ErrNoKey) {
		t.Fatalf("with a key that is only published: %v", err)
	}
	f.activate(first)
	old, kid := f.mustSign("ES256")
	if kid != first {
		t.Fatalf("signed with %s, want %s", kid, first)
	}

	second := f.publish("ES256")
	if _, kid := f.mustSign("ES256"); kid != first {
		t.Errorf("a published key signs before it is activated")
	}
	if _, ok := f.published().LookupKeyID(second); !ok {
		t.Errorf("a key not yet in use is missing from the JWKS")
	}

	f.activate(second)
	if _, kid := f.mustSign("ES256"); kid != second {
		t.Errorf("signed with %s, want the key just activated", kid)
	}
	if _, err := f.Verify(old); err != nil {
		t.Errorf("a token of the replaced key: %v", err)
	}
	if k := f.keys().byID[first]; k.opened.Load() != nil || k.sealed != nil {
		t.Errorf("the replaced key's private half is still held")
	}

	f.retire(first)
	if _, err := f.Verify(old); !errors.Is(err, ErrSignature) {
		t.Errorf("a token of the retired key: %v", err)
	}
	if _, ok := f.published().LookupKeyID(first); ok {
		t.Errorf("the retired key is still published")
	}
}

func TestKeysAreOpenedOnce(t *testing.T) {
	f := newFixture(t, "ES256")
	f.mustSign("ES256")
	opened := f.keys().active["ES256"].opened.Load()
	f.activate(f.publish("EdDSA")) // a new ring
	f.mustSign("ES256")
	if f.keys().active["ES256"].opened.Load() != opened {
		t.Error("a key that goes on signing was opened again")
	}
}

func TestUnusableKeys(t *testing.T) {
	f := newFixture(t, "ES256")
	f.mustSign("ES256")

	t.Run("sealed for another record", func(t *testing.T) {
		made, err := f.vault.NewKey("EdDSA")
		if err != nil {
			t.Fatal(err)
		}
		moved := *f.active("ES256")
		made.Sealed = moved.Sealed
		f.apply(made, &events.KeyActivated{ID: made.ID})
		if _, _, err := f.Sign("EdDSA", "at+jwt", []byte("{}")); !errors.Is(err, seal.ErrUnseal) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("private half of another key", func(t *testing.T) {
		a, errA := GenerateKey("PS256", plainSealer{})
		b, errB := GenerateKey("PS256", plainSealer{})
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		a.Sealed = b.Sealed
		g := newFixture(t)
		g.Signer.cfg.Unsealer = plainSealer{}
		g.apply(a, &events.KeyActivated{ID: a.ID})
		if _, _, err := g.Sign("PS256", "at+jwt", []byte("{}")); !errors.Is(err, errMismatch) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("private key published", func(t *testing.T) {
		made, err := f.vault.NewKey("RS256")
		if err != nil {
			t.Fatal(err)
		}
		made.Public = events.RawJSON(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",` +
			`"d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}`) // RFC 8037 appendix A.1
		made.Algorithm = "EdDSA"
		f.apply(made)
		if bytes.Contains(f.JWKS(), []byte(`"d"`)) || bytes.Contains(f.JWKS(), []byte(made.ID)) {
			t.Errorf("published: %s", f.JWKS())
		}
		if log := f.log.String(); !strings.Contains(log, made.ID) || strings.Contains(log, "nWGxne") {
			t.Errorf("log: %s", log)
		}
	})
	f.mustSign("ES256")
}

// plainSealer seals nothing.
type plainSealer struct{}

func (plainSealer) Seal(_ string, plain []byte) []byte             { return bytes.Clone(plain) }
func (plainSealer) Unseal(_ string, sealed []byte) ([]byte, error) { return bytes.Clone(sealed), nil }

func TestLockedVault(t *testing.T) {
	f := newFixture(t, "ES256")
	sealers := f.vault.sealers.Swap(nil)
	if _, _, err := f.Sign("ES256", "at+jwt", []byte("{}")); !errors.Is(err, ErrLocked) {
		t.Errorf("sign: %v", err)
	}
	if _, err := f.vault.NewKey("ES256"); !errors.Is(err, ErrLocked) {
		t.Errorf("new key: %v", err)
	}
	f.vault.sealers.Store(sealers)
	f.mustSign("ES256") // the failure was not remembered

	if err := NewVault(seal.NewMaster()).Open(f.state.Keys.Sealing()); !errors.Is(err, seal.ErrWrongMasterKey) {
		t.Errorf("another master key: %v", err)
	}
}

func TestJWKS(t *testing.T) {
	f := newFixture(t)
	if got := f.JWKS(); got != nil {
		t.Errorf("without keys: %s", got)
	}
	for _, alg := range allAlgorithms {
		f.publish(alg) // not yet in use
	}
	var set struct {
		Keys []map[string]string `json:"keys"`
	}
	if err := json.Unmarshal(f.JWKS(), &set); err != nil {
		t.Fatal(err)
	}
	members := map[string][]string{
		"ES256": {"alg", "crv", "kid", "kty", "use", "x", "y"},
		"RS256": {"alg", "e", "kid", "kty", "n", "use"},
		"PS256": {"alg", "e", "kid", "kty", "n", "use"},
		"EdDSA": {"alg", "crv", "kid", "kty", "use", "x"},
	}
	var order []string
	for i, k := range set.Keys {
		order = append(order, k["alg"])
		var names []string
		for _, name := range []string{"alg", "crv", "d", "dp", "e", "k", "kid", "kty", "n", "p", "q", "qi", "use", "x", "y"} {
			if _, ok := k[name]; ok {
				names = append(names, name)
			}
		}
		if diff := cmp.Diff(members[k["alg"]], names); diff != "" || len(k) != len(names) {
			t.Errorf("key %d (-want +got):\n%s", i, diff)
		}
		if k["use"] != "sig" {
			t.Errorf("use %q", k["use"])
		}
	}
	if diff := cmp.Diff(allAlgorithms, order); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
	if first, again := f.JWKS(), f.JWKS(); &first[0] != &again[0] {
		t.Error("rendered anew for the same key set")
	}
}

func TestGenerateKey(t *testing.T) {
	if _, err := GenerateKey("HS256", plainSealer{}); err == nil {
		t.Error("a symmetric key was made")
	}
	f := newFixture(t, "ES256")
	k := f.active("ES256")
	if want, err := thumbprint(f.private("ES256").Public()); err != nil || k.ID != want {
		t.Errorf("kid %s, want the thumbprint %s (%v)", k.ID, want, err)
	}
}

// Signing goes on while the key set turns under it.
func TestSignWhileKeysTurn(t *testing.T) {
	f := newFixture(t, "ES256")
	var signers sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		signers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				token, _, err := f.Sign("ES256", "at+jwt", []byte(sampleClaims))
				if err != nil {
					t.Errorf("sign: %v", err)
					return
				}
				if _, err := f.Verify(token); err != nil {
					t.Errorf("verify: %v", err)
					return
				}
			}
		})
	}
	for range 50 {
		kid := f.publish("ES256")
		f.activate(kid)
		if _, used := f.mustSign("ES256"); used != kid {
			t.Errorf("signed with %s after %s was activated", used, kid)
		}
	}
	close(done)
	signers.Wait()
}

func TestSignerPrintsNoKey(t *testing.T) {
	f := newFixture(t, "EdDSA")
	f.mustSign("EdDSA")
	seed := f.private("EdDSA").(ed25519.PrivateKey).Seed()
	k := f.keys().active["EdDSA"]
	for _, printed := range []string{fmt.Sprintf("%+v", f.Signer), fmt.Sprintf("%#v", f.Signer), fmt.Sprintf("%+v %#v", k, k)} {
		if strings.Contains(printed, strings.Trim(fmt.Sprint(seed), "[]")) {
			t.Errorf("the private key shows in %s", printed)
		}
	}
}
