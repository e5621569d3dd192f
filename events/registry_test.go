package events

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every payload struct of the package is in the registry, under its own name.
func TestRegistryIsComplete(t *testing.T) {
	var want []Type
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Name.Name != "EventType" || f.Recv == nil {
				continue
			}
			literal := f.Body.List[0].(*ast.ReturnStmt).Results[0].(*ast.BasicLit)
			name, err := strconv.Unquote(literal.Value)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, Type(name))
		}
	}
	slices.Sort(want)
	if got := Types(); !slices.Equal(got, want) {
		t.Errorf("registered %v\ndeclared   %v", got, want)
	}
}

func TestRegistryFits(t *testing.T) {
	if v := catalogue[tokenIssuedName].version(); v != tokenIssuedVersion {
		t.Errorf("token.issued is at version %d, its hand-written codec at %d", v, tokenIssuedVersion)
	}
	for name, e := range catalogue {
		if n := len(e.shape.members); n == 0 || n > 64 {
			t.Errorf("%s has %d members, the strict check is made for 1 to 64", name, n)
		}
		if f, ok := FamilyOf(name); !ok || f != e.family || f == 0 {
			t.Errorf("%s: family %d, %t", name, f, ok)
		}
	}
	if f, ok := FamilyOf("no.such"); ok || f != 0 {
		t.Errorf("an unknown type has family %d", f)
	}
}

func TestSubjectFor(t *testing.T) {
	for _, c := range []struct {
		data   Data
		want   string
		family Family
	}{
		{&TokenIssued{}, "grantlog.tokens", FamilyTokens},
		{&TokenRevoked{}, "grantlog.revocations.acme", FamilyRevocations},
		{&RefreshIssued{}, "grantlog.tokens", FamilyTokens},
		{&RefreshPresented{}, "grantlog.tokens", FamilyTokens},
		{&RefreshFamilyEnded{}, "grantlog.revocations.acme", FamilyRevocations},
		{&SecretRotated{ID: "a_1"}, "grantlog.revocations.acme", FamilyRevocations},
		{&ApplicationTokensRevoked{ID: "a_1"}, "grantlog.revocations.acme", FamilyRevocations},
		{&ApplicationDisabled{ID: "a_1"}, "grantlog.revocations.acme", FamilyRevocations},
		{&ApplicationEnabled{ID: "a_1"}, "grantlog.applications.acme.a_1", FamilyAggregate},
		{&OrganizationDisabled{ID: "acme"}, "grantlog.revocations.acme", FamilyRevocations},
		{&OrganizationEnabled{ID: "o_1"}, "grantlog.organizations.o_1", FamilyAggregate},
		{&ApplicationDeleted{ID: "a_1"}, "grantlog.revocations.acme", FamilyRevocations},
		{&BeaconSent{}, "grantlog.beacons", FamilyBeacons},
		{&ApplicationCreated{ID: "a_1"}, "grantlog.applications.acme.a_1", FamilyAggregate},
		{&ApplicationUpdated{ID: "a_1"}, "grantlog.applications.acme.a_1", FamilyAggregate},
		{&OrganizationCreated{ID: "o_1"}, "grantlog.organizations.o_1", FamilyAggregate},
		{&OrganizationUpdated{ID: "o_1"}, "grantlog.organizations.o_1", FamilyAggregate},
		{&ScopesSet{ID: "o_1"}, "grantlog.organizations.o_1", FamilyAggregate},
		{&ServiceCreated{ID: "5-1"}, "grantlog.services.acme.5-1", FamilyAggregate},
		{&ServiceUpdated{ID: "5-1"}, "grantlog.services.acme.5-1", FamilyAggregate},
		{&ServiceAuthEnabled{ID: "5-1"}, "grantlog.services.acme.5-1", FamilyAggregate},
		{&ServiceCredentialAdded{ID: "5-1"}, "grantlog.services.acme.5-1", FamilyAggregate},
		{&ServiceAuthDisabled{ID: "5-1"}, "grantlog.revocations.acme", FamilyRevocations},
		{&ServiceCredentialRemoved{ID: "5-1"}, "grantlog.revocations.acme", FamilyRevocations},
		{&ServiceDeleted{ID: "5-1"}, "grantlog.revocations.acme", FamilyRevocations},
		{&UserCreated{ID: "5-1"}, "grantlog.users.acme", FamilyAggregate},
		{&UserUpdated{ID: "5-1"}, "grantlog.users.acme", FamilyAggregate},
		{&UserEnabled{ID: "5-1"}, "grantlog.users.acme", FamilyAggregate},
		{&UserErased{ID: "5-1"}, "grantlog.users.acme", FamilyAggregate},
		{&UserPasswordChanged{ID: "5-1"}, "grantlog.revocations.acme", FamilyRevocations},
		{&UserDisabled{ID: "5-1"}, "grantlog.revocations.acme", FamilyRevocations},
		{&UserDeleted{ID: "5-1"}, "grantlog.revocations.acme", FamilyRevocations},
		{&LoginFailed{}, "grantlog.logins", FamilyLogins},
		{&KeyCreated{ID: "k_1"}, "grantlog.keys", FamilyAggregate},
		{&KeyActivated{ID: "k_1"}, "grantlog.keys", FamilyAggregate},
		{&KeyRetired{ID: "k_1"}, "grantlog.keys", FamilyAggregate},
		{&SealingKeyCreated{ID: "d_1"}, "grantlog.sealing", FamilyAggregate},
	} {
		got, err := SubjectFor("acme", c.data)
		family, _ := FamilyOf(c.data.EventType())
		if err != nil || got != c.want || family != c.family {
			t.Errorf("%s: %q in family %d, error %v", c.data.EventType(), got, family, err)
		}
	}
}

func TestSubjectForRefuses(t *testing.T) {
	unsafe := []string{"", ".", "*", ">", "a b", "a.b", "$JS", "../x", "a\r\n", "é", "a\x00", strings.Repeat("a", 65)}
	for _, id := range unsafe {
		for _, c := range []struct {
			organization string
			data         Data
		}{
			{id, &TokenRevoked{}},
			{id, &ApplicationUpdated{ID: "a_1"}},
			{"acme", &ApplicationUpdated{ID: id}},
			{"acme", &ApplicationCreated{ID: id}},
			{"acme", &ServiceCreated{ID: id}},
			{id, &ServiceCreated{ID: "5-1"}},
			{id, &UserCreated{ID: "5-1"}},
			{"acme", &OrganizationCreated{ID: id}},
			{"acme", &ScopesSet{ID: id}},
		} {
			if got, err := SubjectFor(c.organization, c.data); err == nil || got != "" {
				t.Errorf("%s of %q in %q: subject %q", c.data.EventType(), id, c.organization, got)
			}
		}
	}
	if _, err := SubjectFor("acme", nil); err == nil {
		t.Error("a subject for no event")
	}
	var unknown *UnknownTypeError
	if _, err := SubjectFor("acme", new(noteTaken)); !errors.As(err, &unknown) {
		t.Errorf("a subject for a type of nobody: %v", err)
	}
}
