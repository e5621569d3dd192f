package applications_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// everywhere is every operation on an application and its tokens.
func everywhere(app object, jti string) [][2]string {
	return [][2]string{
		{http.MethodGet, path(app)}, {http.MethodPut, path(app)}, {http.MethodPost, path(app, "regenerate-secret")},
		{http.MethodGet, path(app, "tokens")}, {http.MethodPost, path(app, "revoke-tokens")},
		{http.MethodDelete, "/oauth/tokens/" + jti}, {http.MethodDelete, path(app)},
	}
}

func (r *replica) liveTokens(token string, app object) []string {
	r.t.Helper()
	return r.do(token, http.MethodGet, path(app, "tokens"), nil).is(http.StatusOK).object().each("tokens", "jti")
}

// body returns what an operation needs to be understood.
func bodyOf(method string) any {
	if method == http.MethodPut {
		return object{"name": "Changed"}
	}
	return nil
}

func TestAnotherTenantsApplicationIsNotFound(t *testing.T) {
	r := newSite(t)
	acme := r.tenant("acme", "applications:read", "applications:write", "tokens:revoke")
	other := r.tenant("other", "applications:read", "applications:write", "tokens:revoke")
	app := r.create(other, object{"name": "Theirs"})
	r.token(app.text("id"))
	jti := r.liveTokens(other, app)[0]

	before := r.Last()
	for _, operation := range everywhere(app, jti) {
		method, path := operation[0], operation[1]
		r.do(acme, method, path, bodyOf(method)).is(http.StatusNotFound)
		r.do(acme, method, path+"?organization=acme", bodyOf(method)).is(http.StatusNotFound)
		r.do(acme, method, path+"?organization=other", bodyOf(method)).is(http.StatusForbidden)
		r.do(other, method, path+"?organization=acme", bodyOf(method)).is(http.StatusForbidden)
	}
	r.do(acme, http.MethodPost, collection+"?organization=other", object{"name": "Mine"}).is(http.StatusForbidden)
	if r.Last() != before {
		t.Error("a refused request wrote something")
	}
	names := r.do(acme, http.MethodGet, collection, nil).is(http.StatusOK).object().each("applications", "name")
	if diff := cmp.Diff([]string{"Manager"}, names); diff != "" {
		t.Errorf("acme sees (-want +got):\n%s", diff)
	}
}

func TestTheAdministratorSeesAllAndMayNameOne(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	r.tenant("acme", "applications:read")
	r.tenant("other", "applications:read")

	for query, want := range map[string][]string{
		"":                      {"acme", "default", "other"},
		"?organization=acme":    {"acme"},
		"?organization=default": {"default"},
	} {
		got := r.do(admin, http.MethodGet, collection+query, nil).is(http.StatusOK).object().each("applications", "organizationId")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-want +got):\n%s", query, diff)
		}
	}
	r.do(admin, http.MethodGet, collection+"?organization=none", nil).is(http.StatusNotFound)
	r.do(admin, http.MethodGet, collection+"?organization=", nil).is(http.StatusBadRequest)
	r.do(admin, http.MethodGet, collection+"?organization=acme&organization=acme", nil).is(http.StatusBadRequest)

	made := r.do(admin, http.MethodPost, collection+"?organization=acme", object{"name": "Given"}).is(http.StatusCreated).object()
	if made.text("organizationId") != "acme" {
		t.Errorf("made in %q", made.text("organizationId"))
	}
	r.do(admin, http.MethodGet, path(made)+"?organization=other", nil).is(http.StatusNotFound)
	r.token(made.text("id"))
	jti := r.liveTokens(admin, made)[0]
	for _, operation := range everywhere(made, jti) {
		if status := r.do(admin, operation[0], operation[1], bodyOf(operation[0])).status; status >= 300 && operation[0] != http.MethodDelete {
			t.Errorf("%s %s: %d", operation[0], operation[1], status)
		}
	}
	if home := r.create(admin, object{"name": "Own"}).text("organizationId"); home != "default" {
		t.Errorf("without a name made in %q", home)
	}
}

func TestScopesOpenTheEndpoints(t *testing.T) {
	r := newSite(t)
	manager := r.tenant("acme", "applications:read", "applications:write", "tokens:revoke", "events:read")
	application := r.seeded("acme", "Manager")
	app := r.create(manager, object{"name": "Subject"})

	const none = "00000000000000000000000000000000"
	for scope, opens := range map[string]string{
		"applications:write": "GET PUT POST GET POST DELETE DELETE",
		"applications:read":  "GET GET",
		"tokens:revoke":      "DELETE",
		"events:read":        "",
		"":                   "",
	} {
		t.Run(scope, func(t *testing.T) {
			token := r.token(application, strings.Fields(scope)...)
			if scope == "" {
				token = r.token(application, "")
			}
			var opened []string
			subject := app
			if scope == "applications:write" {
				subject = r.create(manager, object{"name": "To be deleted"})
			}
			for _, operation := range everywhere(subject, none) {
				a := r.do(token, operation[0], operation[1], bodyOf(operation[0]))
				if a.status == http.StatusForbidden {
					if got := a.object().text("message"); got != "Insufficient scope for this endpoint" {
						t.Errorf("message %q", got)
					}
					continue
				}
				opened = append(opened, operation[0])
			}
			if got := strings.Join(opened, " "); got != opens {
				t.Errorf("opens %q, want %q", got, opens)
			}
		})
	}
	for _, operation := range everywhere(app, none) {
		a := r.do("", operation[0], operation[1], bodyOf(operation[0])).is(http.StatusUnauthorized)
		if a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: no challenge", a.what)
		}
	}
}

func TestManagementScopesAreNotForEveryoneToGive(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	manager := r.tenant("acme", "applications:read", "applications:write")

	before := r.Last()
	for _, scope := range []string{"grantlog:admin", "tokens:introspect", "events:read"} {
		r.do(manager, http.MethodPost, collection, object{"name": "More", "scopes": []string{scope}}).is(http.StatusForbidden)
	}
	if r.Last() != before {
		t.Error("a refused request wrote something")
	}
	held := r.create(manager, object{"name": "As much", "scopes": []string{"applications:read", "own:scope", "openid"}})

	stronger := r.do(admin, http.MethodPost, collection+"?organization=acme", object{"name": "Stronger", "scopes": []string{"tokens:introspect"}}).is(http.StatusCreated).object()
	// What it has may stay; a token of the manager's must not grow.
	r.do(manager, http.MethodPut, path(stronger), object{"description": "x", "scopes": []string{"tokens:introspect"}}).is(http.StatusOK)
	r.do(manager, http.MethodPut, path(stronger), object{"scopes": []string{"tokens:introspect", "events:read"}}).is(http.StatusForbidden)
	r.do(manager, http.MethodPut, path(held), object{"scopes": []string{"tokens:introspect"}}).is(http.StatusForbidden)
	// Its secret would give the manager what it does not hold.
	r.do(manager, http.MethodPost, path(stronger, "regenerate-secret"), nil).is(http.StatusForbidden)
	r.do(admin, http.MethodPost, path(stronger, "regenerate-secret"), nil).is(http.StatusOK)
}

func TestPagesShowEveryApplicationOnce(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	manager := r.tenant("acme", "applications:read", "applications:write")
	want := []string{"Administrator", "Manager"}
	for i := range 12 {
		token := []string{admin, manager}[i%2]
		name := fmt.Sprint("Application ", i)
		r.create(token, object{"name": name})
		want = append(want, name)
	}
	slices.Sort(want)
	for _, limit := range []int{1, 3, 14, 200} {
		var got []string
		next := ""
		for pages := 0; pages == 0 || next != ""; pages++ {
			list := r.do(admin, http.MethodGet, fmt.Sprint(collection, "?limit=", limit, next), nil).is(http.StatusOK).object()
			names := list.each("applications", "name")
			if len(names) > limit || len(names) == 0 {
				t.Fatalf("%d on a page of %d", len(names), limit)
			}
			got = append(got, names...)
			next = ""
			if cursor := list.text("nextCursor"); cursor != "" {
				next = "&cursor=" + cursor
			}
			if pages == 1 {
				r.do(admin, http.MethodDelete, path(r.create(manager, object{"name": "Passing"})), nil).is(http.StatusNoContent)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestCursorsAndLimitsThatAreRefused(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	manager := r.tenant("acme", "applications:read", "applications:write")
	app := r.create(manager, object{"name": "Second"})
	r.token(app.text("id"))
	r.token(app.text("id"))
	r.create(admin, object{"name": "Third"})

	cursor := r.do(manager, http.MethodGet, collection+"?limit=1", nil).is(http.StatusOK).object().text("nextCursor")
	r.do(manager, http.MethodGet, collection+"?cursor="+cursor, nil).is(http.StatusOK)
	tokens := r.do(manager, http.MethodGet, path(app, "tokens")+"?limit=1", nil).is(http.StatusOK).object().text("nextCursor")
	r.do(manager, http.MethodGet, path(app, "tokens")+"?cursor="+tokens, nil).is(http.StatusOK)
	organizations := r.do(admin, http.MethodGet, "/oauth/organizations?limit=1", nil).is(http.StatusOK).object().text("nextCursor")

	for name, c := range map[string]struct{ token, path, query string }{
		"another tenant's":     {admin, collection, "cursor=" + cursor},
		"another list's":       {manager, collection, "cursor=" + tokens},
		"tokens of another":    {manager, path(object{"id": r.seeded("acme", "Manager")}, "tokens"), "cursor=" + tokens},
		"of organizations":     {admin, collection, "cursor=" + organizations},
		"altered":              {manager, collection, "cursor=" + altered(cursor)},
		"empty":                {manager, collection, "cursor="},
		"not base64":           {manager, collection, "cursor=" + url.QueryEscape("../../etc")},
		"NUL":                  {manager, collection, "cursor=%00"},
		"10 kB":                {manager, collection, "cursor=" + strings.Repeat("A", 10_000)},
		"repeated":             {manager, collection, "cursor=" + cursor + "&cursor=" + cursor},
		"limit 0":              {manager, collection, "limit=0"},
		"limit 201":            {manager, collection, "limit=201"},
		"limit -1":             {manager, collection, "limit=-1"},
		"limit 1.5":            {manager, collection, "limit=1.5"},
		"limit x":              {manager, path(app, "tokens"), "limit=x"},
		"limit 2^63":           {admin, "/oauth/organizations", "limit=9223372036854775808"},
		"empty limit":          {manager, collection, "limit="},
		"repeated limit":       {manager, collection, "limit=1&limit=1"},
		"escape that is none":  {manager, collection, "limit=%zz"},
		"semicolon":            {manager, collection, "limit=1;limit=2"},
		"organization altered": {admin, collection + "?organization=acme", "cursor=x"},
	} {
		t.Run(name, func(t *testing.T) {
			separator := "?"
			if strings.Contains(c.path, "?") {
				separator = "&"
			}
			r.do(c.token, http.MethodGet, c.path+separator+c.query, nil).is(http.StatusBadRequest)
		})
	}
}

// altered is a cursor with another character in its middle.
func altered(cursor string) string {
	middle, other := len(cursor)/2, "A"
	if cursor[middle:middle+1] == other {
		other = "B"
	}
	return cursor[:middle] + other + cursor[middle+1:]
}
