package applications_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/handlers/consistency"
)

const organizations = "/oauth/organizations"

func TestOrganizations(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()

	made := r.do(admin, http.MethodPost, organizations, object{
		"id": "acme", "name": "Acme", "partnerId": "10000", "limits": object{"perHour": 9},
		"scopes": []object{{"name": "read:customers", "description": "Customers", "routes": []string{"GET /api/v1/customers/*"}}},
	}).is(http.StatusCreated)
	if made.header.Get(consistency.Header) == "" {
		t.Error("no Consistency-Token")
	}
	acme := made.object()
	want := object{
		"id": "acme", "name": "Acme", "partnerId": "10000", "limits": map[string]any{"perHour": 9.0}, "createdAt": acme["createdAt"],
		"scopes": []any{map[string]any{"name": "read:customers", "description": "Customers", "routes": []any{"GET /api/v1/customers/*"}}},
	}
	if diff := cmp.Diff(want, acme); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	plain := r.do(admin, http.MethodPost, organizations, object{"id": "plain", "name": "Plain"}).is(http.StatusCreated).object()
	if diff := cmp.Diff([]any{}, plain["scopes"]); diff != "" {
		t.Error(diff)
	}

	var got []string
	for next := "?limit=1"; next != ""; {
		list := r.do(admin, http.MethodGet, organizations+next, nil).is(http.StatusOK).object()
		got, next = append(got, list.each("organizations", "id")...), list.text("nextCursor")
		if next != "" {
			next = "?limit=1&cursor=" + next
		}
	}
	if diff := cmp.Diff([]string{"acme", "default", "plain"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	in := collection + "?organization=acme"
	r.do(admin, http.MethodPost, in, object{"name": "x", "scopes": []string{"read:customers", "openid", "applications:read"}}).is(http.StatusCreated)
	r.do(admin, http.MethodPost, in, object{"name": "x", "scopes": []string{"write:customers"}}).is(http.StatusBadRequest)
	r.do(admin, http.MethodPost, collection+"?organization=plain", object{"name": "x", "scopes": []string{"anything"}}).is(http.StatusCreated)
}

func TestOrganizationsAreTheAdministrators(t *testing.T) {
	r := newSite(t)
	manager := r.tenant("acme", "applications:read", "applications:write")
	r.do(manager, http.MethodGet, organizations, nil).is(http.StatusForbidden)
	r.do(manager, http.MethodPost, organizations, object{"id": "mine", "name": "Mine"}).is(http.StatusForbidden)
	r.do("", http.MethodGet, organizations, nil).is(http.StatusUnauthorized)
}

func TestOrganizationsThatAreRefused(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	r.do(admin, http.MethodPost, organizations, object{"id": "acme", "name": "Acme", "partnerId": "1"}).is(http.StatusCreated)
	before := r.Last()
	for body, status := range map[string]int{
		`{}`:                                  http.StatusBadRequest,
		`{"id":"x"}`:                          http.StatusBadRequest,
		`{"name":"x"}`:                        http.StatusBadRequest,
		`{"id":"A","name":"x"}`:               http.StatusBadRequest,
		`{"id":"a.b","name":"x"}`:             http.StatusBadRequest,
		`{"id":"*","name":"x"}`:               http.StatusBadRequest,
		`{"id":"x","name":"x","scopes":[{}]}`: http.StatusBadRequest,
		`{"id":"x","name":"x","scopes":[{"name":"grantlog:admin"}]}`: http.StatusBadRequest,
		`{"id":"x","name":"x","limits":{"perHour":-1}}`:              http.StatusBadRequest,
		`{"id":"x","name":"x","createdAt":"now"}`:                    http.StatusBadRequest,
		`{"id":"acme","name":"Again"}`:                               http.StatusConflict,
		`{"id":"x","name":"x","partnerId":"1"}`:                      http.StatusConflict,
	} {
		r.do(admin, http.MethodPost, organizations, body).is(status)
	}
	if r.Last() != before {
		t.Error("a refused request wrote something")
	}
}
