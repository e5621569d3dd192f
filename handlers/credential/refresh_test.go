package credential

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func TestRefreshTokens(t *testing.T) {
	first, second := NewRefreshToken(), NewRefreshToken()
	if first == second || !LooksLikeRefreshToken(first) || !LooksLikeRefreshToken(second) {
		t.Errorf("%q, %q", first, second)
	}
	for _, bad := range []string{
		"", "refresh_", first[:len(first)-1], first + "A", strings.TrimPrefix(first, "refresh_"), "Refresh_" + first[8:],
		first[:len(first)-1] + "!", first[:20] + "\n" + first[21:], NewSecret(),
	} {
		if LooksLikeRefreshToken(bad) {
			t.Errorf("%q looks like one", bad)
		}
	}
}

// The successors of tokens that are out there must not change.
func TestSuccessorIsStable(t *testing.T) {
	r := NewRotator(bytes.Repeat([]byte{7}, 32))
	const token = "refresh_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	const want = "refresh_xZk-b5H4NN4wFXVe59CyPO73xGoDzKYy3yQfprIp5-M"
	if got := r.Successor(token, "key"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestSuccessorsDiffer(t *testing.T) {
	r, token := NewRotator([]byte("a")), NewRefreshToken()
	if first, again := r.Successor(token, "k"), r.Successor(token, "k"); first != again {
		t.Error("two successors for one key")
	}
	seen := map[string]string{token: "the token"}
	for what, successor := range map[string]string{
		"no key": r.Successor(token, ""), "a key": r.Successor(token, "k"), "another": r.Successor(token, "k2"),
		"the key as part of the token": r.Successor(token+"k", ""), "another token": r.Successor(NewRefreshToken(), "k"),
		"another server": NewRotator([]byte("b")).Successor(token, "k"), "the next": r.Successor(r.Successor(token, "k"), "k"),
	} {
		if !LooksLikeRefreshToken(successor) || seen[successor] != "" {
			t.Errorf("%s: %s is that of %s", what, successor, seen[successor])
		}
		seen[successor] = what
	}
	if printed := fmt.Sprintf("%v %+v %#v %s", r, r, r, r); strings.Contains(printed, "97") || strings.Count(printed, redacted) != 4 {
		t.Error(printed)
	}
}
