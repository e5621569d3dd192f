package events

import (
	"strings"
	"testing"
)

// FuzzSubject: whatever the ids, a subject that is made has exactly the tokens
// that it should have, and no wildcard: no id reaches another's subject.
func FuzzSubject(f *testing.F) {
	for _, seed := range [][2]string{{"acme", "a1"}, {"a.b", "c"}, {"*", ">"}, {"", "x"}, {"$JS", "API"}, {"a b", "\x00"}, {"é", "../x"}} {
		f.Add(seed[0], seed[1])
	}
	f.Fuzz(func(t *testing.T, organization, id string) {
		for _, d := range []Data{&ApplicationCreated{ID: id}, &TokenRevoked{}, &OrganizationCreated{ID: id}} {
			subject, err := SubjectFor(organization, d)
			if err != nil {
				continue
			}
			tokens := strings.Split(subject, ".")
			if tokens[0] != "grantlog" || len(tokens) > 4 || strings.ContainsAny(subject, "*> \t\r\n\x00$") {
				t.Errorf("%s of %q, %q is written to %q", d.EventType(), organization, id, subject)
			}
			for _, token := range tokens[1:] {
				if CheckSubjectToken(token) != nil {
					t.Errorf("%q is a part of %q", token, subject)
				}
			}
		}
	})
}
