package introspect

import (
	"testing"

	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/projections"
)

func TestScopeIsAString(t *testing.T) {
	for _, c := range []struct{ claims, scope, want string }{
		{`{"iat":1,"scope":["a","b:]c"],"amr":["pwd"]}`, "a b:]c", `{"iat":1,"scope":"a b:]c","amr":["pwd"]}`},
		{`{"scope":[]}`, "", `{"scope":""}`},
		{`{"role":"\"scope\":[","scope":["a"]}`, "a", `{"role":"\"scope\":[","scope":"a"}`},
		{`{"scope":"a b","iat":1}`, "a b", `{"scope":"a b","iat":1}`},
		{`{"iat":1}`, "", `{"iat":1}`},
	} {
		got, err := withScopeString(authn.Checked{Token: projections.Token{Scope: c.scope}, Claims: []byte(c.claims)})
		if err != nil || string(got) != c.want {
			t.Errorf("%s:\n got %s (%v)\nwant %s", c.claims, got, err, c.want)
		}
	}
}
