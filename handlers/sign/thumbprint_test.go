package sign

import (
	"crypto/sha1"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"testing"
)

// The claims are told the key that signs, also when another one took over.
func TestSignWith(t *testing.T) {
	f := newFixture(t, "RS256")
	for range 2 {
		der, err := x509.MarshalPKIXPublicKey(f.private("RS256").Public())
		if err != nil {
			t.Fatal(err)
		}
		want := fmt.Sprintf("%X", sha1.Sum(der))
		token, kid, err := f.SignWith("RS256", "at+jwt", func(thumbprint string) ([]byte, error) {
			return []byte(`{"thumbprint":"` + thumbprint + `"}`), nil
		})
		if err != nil || kid != f.active("RS256").ID {
			t.Fatalf("signed by %q: %v", kid, err)
		}
		claims, err := f.Verify(token)
		if err != nil || !strings.Contains(string(claims), want) {
			t.Errorf("claims %s (%v) without %s", claims, err, want)
		}
		f.activate(f.publish("RS256"))
	}
}

func TestSignWithFails(t *testing.T) {
	f := newFixture(t, "RS256")
	failure := errors.New("no claims")
	if _, _, err := f.SignWith("RS256", "at+jwt", func(string) ([]byte, error) { return nil, failure }); !errors.Is(err, failure) {
		t.Errorf("got %v", err)
	}
	if _, _, err := f.SignWith("ES256", "at+jwt", func(string) ([]byte, error) { t.Error("asked for claims"); return nil, nil }); !errors.Is(err, ErrNoKey) {
		t.Errorf("got %v", err)
	}
}

func TestSealersOfTheVault(t *testing.T) {
	f := newFixture(t)
	wrapped, s, err := f.vault.NewSealer("user/u1")
	if err != nil {
		t.Fatal(err)
	}
	again, err := f.vault.OpenSealer("user/u1", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Unseal("email", s.Seal("email", []byte("x"))); string(plain) != "x" {
		t.Errorf("%q, %v", plain, err)
	}
	if _, err := f.vault.OpenSealer("user/u2", wrapped); err == nil {
		t.Error("opened for another user")
	}
	locked := NewVault(f.vault.master)
	if _, _, err := locked.NewSealer("user/u1"); !errors.Is(err, ErrLocked) {
		t.Errorf("without a data key: %v", err)
	}
	if _, err := locked.OpenSealer("user/u1", wrapped); !errors.Is(err, ErrLocked) {
		t.Errorf("without a data key: %v", err)
	}
}
