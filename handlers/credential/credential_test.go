package credential

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestNewSecretHasTheDocumentedForm(t *testing.T) {
	form := regexp.MustCompile(`^secret_[0-9A-Za-z]{49}$`)
	seen := make(map[string]bool)
	for range 200 {
		secret := NewSecret()
		if !form.MatchString(secret) || !LooksLikeSecret(secret) {
			t.Fatalf("secret of an undocumented form: %d characters", len(secret))
		}
		if seen[secret] {
			t.Fatal("the same secret twice")
		}
		seen[secret] = true
	}
}

func TestNewClientIDHasTheDocumentedForm(t *testing.T) {
	form := regexp.MustCompile(`^app_[0-9A-Za-z]{16}$`)
	seen := make(map[string]bool)
	for range 200 {
		id := NewClientID()
		if !form.MatchString(id) || seen[id] {
			t.Fatalf("client id %q", id)
		}
		seen[id] = true
	}
}

// The expected characters were computed apart, so that a scanner's author can
// check an implementation against them.
func TestSecretChecksumIsFixed(t *testing.T) {
	for body, want := range map[string]string{
		strings.Repeat("0", 43):                       "2CZclj",
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefg": "37cCQ0",
	} {
		if got := SecretChecksum(body); got != want {
			t.Errorf("SecretChecksum(%q) = %q, want %q", body, got, want)
		}
	}
}

func TestLooksLikeSecretRefusesEveryChange(t *testing.T) {
	secret := NewSecret()
	for i := range secret {
		for _, c := range []byte{'0', 'z', '_', 0} {
			changed := secret[:i] + string(c) + secret[i+1:]
			if changed != secret && LooksLikeSecret(changed) {
				t.Errorf("byte %d changed to %q still looks like a secret", i, c)
			}
		}
		if LooksLikeSecret(secret[:i]) {
			t.Errorf("the first %d bytes look like a secret", i)
		}
	}
	if LooksLikeSecret(secret + "0") {
		t.Error("a longer string looks like a secret")
	}
}

func TestDigestTellsKeysAndSecretsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		one, other := NewHasher([]byte("one")), NewHasher([]byte("other"))
		if one.Digest(a) == other.Digest(a) {
			t.Fatal("two keys give one digest")
		}
		if (one.Digest(a) == one.Digest(b)) != (a == b) {
			t.Fatal("digests are equal exactly when secrets are")
		}
	})
}

func TestHasherHidesItsKey(t *testing.T) {
	h := NewHasher([]byte("a key that must not show"))
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "hasher", h)
	text := fmt.Sprintf("%v %+v %#v %s", h, h, h, struct{ H Hasher }{h}) + log.String()
	if strings.Contains(text, "must not show") || strings.Contains(text, "109 117") {
		t.Fatalf("the key shows: %s", text)
	}
}
