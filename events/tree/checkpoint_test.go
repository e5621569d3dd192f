package tree

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func signer(t *testing.T, origin string, seed byte) *Signer {
	t.Helper()
	s, err := NewSigner(origin, bytes.Repeat([]byte{seed}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The text of a checkpoint, by the letter of C2SP's tlog-checkpoint and
// signed-note.
func TestCheckpointText(t *testing.T) {
	s := signer(t, "auth.example.com/oauth/log", 1)
	text, err := s.Checkpoint(Head{3, naive([]Hash{leafOf(1), leafOf(2), leafOf(3)})})
	if err != nil {
		t.Fatal(err)
	}
	const want = `auth.example.com/oauth/log
3
pAoSIQWUG46Y/Qur5y4q/5vsg0WRPRu4wEzC2vUOpck=

— auth.example.com/oauth/log XoHPqzWDd/MhD1VGiWHu5+Z+s8R9fBb9rMTm7ufKsZb2b+EODYhVHr5o7U5EEtKr4r653IfsCXuEKJAcKWqMFScb9ws=
`
	if string(text) != want {
		t.Errorf("the checkpoint reads\n%s", text)
	}
	again, err := signer(t, "auth.example.com/oauth/log", 1).Checkpoint(Head{3, naive([]Hash{leafOf(1), leafOf(2), leafOf(3)})})
	if err != nil || !bytes.Equal(again, text) {
		t.Errorf("another replica signs\n%s%v", again, err)
	}
}

func TestOpenCheckpoint(t *testing.T) {
	s := signer(t, "auth.example.com/oauth/log", 1)
	head := Head{1234, leafOf(7)}
	text, err := s.Checkpoint(head)
	if err != nil {
		t.Fatal(err)
	}
	c, err := OpenCheckpoint(text, s.VerifierKey())
	if err != nil || c.Head != head || c.Origin != s.Name() {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := PeekCheckpoint(text); err != nil || c.Head != head || c.Origin != s.Name() {
		t.Errorf("unverified: %+v, %v", c, err)
	}
	for name, c := range map[string]struct{ text, key string }{
		"another size": {strings.Replace(string(text), "1234", "1235", 1), s.VerifierKey()},
		"another key":  {string(text), signer(t, "auth.example.com/oauth/log", 2).VerifierKey()},
		"another log":  {string(text), signer(t, "other.example.com/oauth/log", 1).VerifierKey()},
		"no signature": {strings.SplitAfter(string(text), "\n\n")[0], s.VerifierKey()},
		"cut":          {string(text[:len(text)/2]), s.VerifierKey()},
		"empty":        {"", s.VerifierKey()},
	} {
		if _, err := OpenCheckpoint([]byte(c.text), c.key); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := OpenCheckpoint(text, "no key"); err == nil || errors.Is(err, ErrCheckpoint) {
		t.Errorf("a malformed key: %v", err)
	}
	for _, body := range []string{"", "a\n", "a\n1\n", "a\n01\n" + head.Root.String() + "\n", "a\n-1\n" + head.Root.String() + "\n", "a\n1\nAAAA\n", "\n1\n" + head.Root.String() + "\n"} {
		if c, err := parseCheckpoint(body); !errors.Is(err, ErrCheckpoint) {
			t.Errorf("%q is taken for %+v", body, c)
		}
	}
}

func TestVerifierKeyFor(t *testing.T) {
	s := signer(t, "auth.example.com/oauth/log", 1)
	if got, err := VerifierKeyFor("other.example.com/oauth/log", s.VerifierKey()); err != nil || got != signer(t, "other.example.com/oauth/log", 1).VerifierKey() {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{"", "a", "a+b", "a+00000000+", "a+00000000+AQ==", strings.Replace(s.VerifierKey(), "auth", "auto", 1)} {
		if got, err := VerifierKeyFor("other.example.com", bad); err == nil {
			t.Errorf("%q gives %s", bad, got)
		}
	}
}

func TestOrigin(t *testing.T) {
	for issuer, want := range map[string]string{
		"https://auth.example.com":          "auth.example.com/oauth/log",
		"http://127.0.0.1:8080":             "127.0.0.1:8080/oauth/log",
		"https://example.com/a+b/":          "example.com/a%2Bb/oauth/log",
		"https://example.com/tenants/acme1": "example.com/tenants/acme1/oauth/log",
	} {
		if got := Origin(issuer); got != want {
			t.Errorf("%s: %s, want %s", issuer, got, want)
		}
		signer(t, Origin(issuer), 3)
	}
}
