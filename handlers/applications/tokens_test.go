package applications_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/handlers/consistency"
)

func TestLiveTokensAreListedNewestFirst(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	app := r.create(admin, object{"name": "Subject", "scopes": []string{"a", "b"}})
	if got := string(r.do(admin, http.MethodGet, path(app, "tokens"), nil).is(http.StatusOK).body); strings.TrimSpace(got) != `{"tokens":[]}` {
		t.Errorf("without tokens: %s", got)
	}
	for range 5 {
		r.token(app.text("id"), "a")
	}
	r.token(app.text("id"))

	all := r.do(admin, http.MethodGet, path(app, "tokens"), nil).is(http.StatusOK).object()
	if diff := cmp.Diff([]string{"a b", "a", "a", "a", "a", "a"}, all.each("tokens", "scope")); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	for i, issued := range all.each("tokens", "issuedAt") {
		from, err := time.Parse(time.RFC3339, issued)
		until, err2 := time.Parse(time.RFC3339, all.each("tokens", "expiresAt")[i])
		if err != nil || err2 != nil || until.Sub(from) != time.Hour || until.Location() != time.UTC {
			t.Errorf("issued %v, expires %v", from, until)
		}
	}
	want := all.each("tokens", "jti")
	for _, limit := range []int{1, 2, 3, 6} {
		var got []string
		for next := "start"; next != ""; {
			query := fmt.Sprint("?limit=", limit)
			if next != "start" {
				query += "&cursor=" + next
			}
			list := r.do(admin, http.MethodGet, path(app, "tokens")+query, nil).is(http.StatusOK).object()
			got, next = append(got, list.each("tokens", "jti")...), list.text("nextCursor")
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("pages of %d (-want +got):\n%s", limit, diff)
		}
	}
}

func TestEndedTokensAreNotListed(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	app := r.create(admin, object{"name": "Subject"})
	for range 4 {
		r.token(app.text("id"))
	}
	jtis := r.liveTokens(admin, app)

	gone := r.do(admin, http.MethodDelete, "/oauth/tokens/"+jtis[1], nil).is(http.StatusNoContent)
	if gone.header.Get(consistency.Header) == "" || len(gone.body) != 0 {
		t.Errorf("headers %v, body %q", gone.header, gone.body)
	}
	if diff := cmp.Diff(slices.Delete(slices.Clone(jtis), 1, 2), r.liveTokens(admin, app)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	revoked := r.do(admin, http.MethodPost, path(app, "revoke-tokens"), nil).is(http.StatusOK)
	if revoked.header.Get(consistency.Header) == "" || revoked.object().text("id") != app.text("id") {
		t.Errorf("headers %v, body %s", revoked.header, revoked.body)
	}
	if left := r.liveTokens(admin, app); len(left) != 0 {
		t.Errorf("left %v", left)
	}
	r.token(app.text("id"))
	if left := r.liveTokens(admin, app); len(left) != 1 {
		t.Errorf("a token issued later does not live: %v", left)
	}
	r.do(admin, http.MethodPost, path(app, "revoke-tokens"), object{"reason": "x"}).is(http.StatusBadRequest)
}

func TestRevokeTokenByID(t *testing.T) {
	r := newSite(t)
	admin := r.administrator()
	manager := r.tenant("acme", "applications:read", "tokens:revoke")
	app := r.create(admin, object{"name": "Subject"})
	token := r.token(app.text("id"))
	jti := r.liveTokens(admin, app)[0]

	before := r.Last()
	for _, id := range []string{
		strings.Repeat("0", 32), strings.ToUpper(jti), jti[:31], jti + "0", token, "none", "*", ">", "%00", "..%2F", "%2e%2e", "a%20b", "$JS",
		strings.Repeat("a", 10_000),
	} {
		if id == jti {
			continue // one without letters has no capitals
		}
		if status := r.do(admin, http.MethodDelete, "/oauth/tokens/"+id, nil).status; status != http.StatusNotFound {
			t.Errorf("%.40q: %d", id, status)
		}
	}
	r.do(manager, http.MethodDelete, "/oauth/tokens/"+jti, nil).is(http.StatusNotFound)
	r.do(admin, http.MethodDelete, "/oauth/tokens/"+jti+"?organization=acme", nil).is(http.StatusNotFound)
	if r.Last() != before {
		t.Error("a refused revocation wrote something")
	}
	r.do(admin, http.MethodDelete, "/oauth/tokens/"+jti+"?organization=default", nil).is(http.StatusNoContent)
	r.do(admin, http.MethodDelete, "/oauth/tokens/"+jti, nil).is(http.StatusNotFound)
}
