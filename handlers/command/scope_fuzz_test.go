package command

import (
	"slices"
	"strings"
	"testing"
)

// FuzzNarrow: what a token request is given are scopes that the application
// has, each once, in the syntax of RFC 6749 section 3.3; nothing more, however
// the request is spelled.
func FuzzNarrow(f *testing.F) {
	for _, seed := range []string{"", "read", "read write", "read read", " read", "read  write", "admin", "read\twrite", "read\x00", "ré", `"`} {
		f.Add(seed)
	}
	allowed := []string{"read", "write", "read:customers"}
	f.Fuzz(func(t *testing.T, requested string) {
		given, err := narrow(allowed, requested)
		if err != nil {
			return
		}
		if requested == "" {
			if given != strings.Join(allowed, " ") {
				t.Errorf("nothing asked for gives %q", given)
			}
			return
		}
		scopes := strings.Split(given, " ")
		for i, scope := range scopes {
			if !slices.Contains(allowed, scope) || slices.Contains(scopes[:i], scope) || !ValidScope(scope) {
				t.Errorf("%q gives %q", requested, given)
			}
		}
	})
}
