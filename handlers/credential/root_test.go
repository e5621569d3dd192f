package credential

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/grantlog/grantlog/events"
)

func values(r Root) []string {
	return []string{r.Secret(), r.ClientID(), r.ServiceClientID(), r.ID("a_"), r.UUID()}
}

// What a retry makes must be what the first request made, also after an
// upgrade: these values must not change.
func TestRootIsStable(t *testing.T) {
	r := RootOf(bytes.Repeat([]byte{7}, 32), events.RequestDigest{1}, events.RequestNonce{2})
	want := []string{
		"secret_SwuOBYhAauqilKTwT2IGDTIoCuvYcH5CDmoqgwN3ZWV0i9TRo", "app_gBfCXJiE57iqmITK", "svc_E2qX2YnOke5KcRID",
		"a_TWXNVTO5YNR7DQ6C2YZNOAPEIQ", "f16176f5-8930-4446-a97d-8d7d78a52f11",
	}
	if got := values(r); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%q", got)
	}
}

func TestRootsDiffer(t *testing.T) {
	key, forms := bytes.Repeat([]byte{7}, 32), []*regexp.Regexp{
		regexp.MustCompile(`^secret_[0-9A-Za-z]{49}$`), regexp.MustCompile(`^app_[0-9A-Za-z]{16}$`),
		regexp.MustCompile(`^svc_[0-9A-Za-z]{16}$`), regexp.MustCompile(`^a_[A-Z2-7]{26}$`),
		regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`),
	}
	seen := map[string]string{}
	for what, r := range map[string]Root{
		"one": RootOf(key, events.RequestDigest{1}, events.RequestNonce{1}), "another request": RootOf(key, events.RequestDigest{2}, events.RequestNonce{1}),
		"another nonce": RootOf(key, events.RequestDigest{1}, events.RequestNonce{2}), "a random one": NewRoot(), "another random one": NewRoot(),
		"another server": RootOf([]byte("b"), events.RequestDigest{1}, events.RequestNonce{1}),
	} {
		for i, value := range values(r) {
			if !forms[i].MatchString(value) || seen[value] != "" || value != values(r)[i] {
				t.Errorf("%s: %q is that of %s", what, value, seen[value])
			}
			seen[value] = what
		}
		if !LooksLikeSecret(r.Secret()) {
			t.Errorf("%s: a secret without a checksum", what)
		}
		if printed := fmt.Sprintf("%v %+v %#v %s", r, r, r, r); strings.Count(printed, redacted) != 4 || len(printed) != 4*len(redacted)+3 {
			t.Error(printed)
		}
	}
}
