package main_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type auditList struct {
	Events []auditEvent `json:"events"`
	Next   string       `json:"nextCursor"`
}

type auditEvent struct {
	Position     int            `json:"position"`
	Time         string         `json:"time"`
	Type         string         `json:"type"`
	ID           string         `json:"id"`
	Organization string         `json:"organizationId"`
	Correlation  string         `json:"correlation"`
	Causation    string         `json:"causation"`
	Data         map[string]any `json:"data"`
}

// audited reads a list to its end.
func (s *server) audited(token string, query url.Values) (all []auditEvent) {
	s.t.Helper()
	for {
		page := as[auditList](s.get("/oauth/events?"+query.Encode(), bearer(token)).ok())
		all = append(all, page.Events...)
		if page.Next == "" {
			return all
		}
		query.Set("cursor", page.Next)
	}
}

// auditable makes a log with something of everything, in two organizations.
func auditable(t *testing.T) (s *server, admin string, apps []application) {
	s = start(t)
	admin = s.admin()
	s.json(http.MethodPost, "/oauth/organizations", map[string]any{"id": "other", "name": "Other"}, bearer(admin)).want(http.StatusCreated)
	for range 2 {
		app := s.create(admin, settings{"name": "=HYPERLINK(\"http://evil.example\")", "scopes": []string{"a", "events:read"}})
		for range 3 {
			s.token(app)
		}
		s.json(http.MethodPost, app.path("regenerate-secret"), settings{"overlapSeconds": 60}, bearer(admin)).ok()
		apps = append(apps, app)
	}
	foreign := as[application](s.json(http.MethodPost, "/oauth/applications?organization=other",
		settings{"name": "Foreign", "scopes": []string{"a", "events:read"}}, bearer(admin)).want(http.StatusCreated))
	s.token(foreign)
	return s, admin, append(apps, foreign)
}

// Contract section 8: the list goes both ways, in pages of any size, and a
// cursor goes on in its own direction only.
func TestAuditListGoesBothWays(t *testing.T) {
	t.Parallel()
	s, admin, apps := auditable(t)
	end := as[struct{ Position json.Number }](s.get("/readyz").ok()).Position.String()
	for _, filter := range []url.Values{
		{"before": {end}},
		{"before": {end}, "type": {"token.issued"}},
		{"before": {end}, "application": {apps[0].ID}},
		{"before": {end}, "organization": {"other"}},
		{"before": {end}, "after": {"4"}},
		{"before": {"3"}},
		{"before": {"1"}},
		{"before": {end}, "since": {"2999-01-01T00:00:00Z"}},
		{"before": {end}, "actor": {apps[1].ID}},
	} {
		want := s.audited(admin, clone(filter, "limit", "200"))
		slices.Reverse(want)
		for _, limit := range []string{"1", "2", "3", "200"} {
			got := s.audited(admin, clone(filter, "limit", limit, "order", "desc"))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%v backward, by %s:\n%s", filter, limit, diff)
			}
		}
	}
	forward := as[auditList](s.get("/oauth/events?limit=1", bearer(admin)).ok()).Next
	backward := as[auditList](s.get("/oauth/events?limit=1&order=desc", bearer(admin)).ok()).Next
	for _, bad := range []string{
		"limit=1&cursor=" + backward, "order=desc&limit=1&cursor=" + forward, "order=desc&limit=1&type=token.issued&cursor=" + backward,
		"order=", "order=DESC", "order=up", "order=asc&order=desc", "order=desc&cursor=" + backward[:len(backward)-1], "order=desc&cursor=" + backward + "A",
	} {
		s.get("/oauth/events?"+bad, bearer(admin)).want(http.StatusBadRequest)
	}
	s.get("/oauth/events/stream?order=desc", bearer(admin)).want(http.StatusBadRequest)
	latest := as[auditList](s.get("/oauth/events?limit=1&order=desc&type=application.created", bearer(admin)).ok())
	if len(latest.Events) != 1 || latest.Events[0].Organization != "other" {
		t.Errorf("the latest application is %+v", latest.Events)
	}
}

func clone(v url.Values, pairs ...string) url.Values {
	out := url.Values{}
	for name, values := range v {
		out[name] = values
	}
	for i := 0; i < len(pairs); i += 2 {
		out.Set(pairs[i], pairs[i+1])
	}
	return out
}

// Contract section 8: an export holds what the list holds, in either form,
// filtered and for one's own organization only.
func TestAuditExport(t *testing.T) {
	t.Parallel()
	s, admin, apps := auditable(t)
	end := as[struct{ Position json.Number }](s.get("/readyz").ok()).Position.String()
	own := s.token(apps[2])
	for name, tc := range map[string]struct {
		token string
		query url.Values
	}{
		"everything":    {admin, url.Values{"before": {end}}},
		"filtered":      {admin, url.Values{"before": {end}, "type": {"token.issued,application.created"}, "application": {apps[0].ID}}},
		"own":           {own, url.Values{"before": {end}}},
		"nothing":       {admin, url.Values{"since": {"2999-01-01T00:00:00Z"}}},
		"from a record": {admin, url.Values{"before": {end}, "after": {"3"}}},
	} {
		want := s.audited(tc.token, clone(tc.query, "limit", "200"))
		path := "/oauth/events?" + tc.query.Encode() + "&format="
		if diff := cmp.Diff(want, lines(t, s.get(path+"ndjson", bearer(tc.token)).ok())); diff != "" {
			t.Errorf("%s, NDJSON:\n%s", name, diff)
		}
		if diff := cmp.Diff(want, rows(t, s.get(path+"csv", bearer(tc.token)).ok())); diff != "" {
			t.Errorf("%s, CSV:\n%s", name, diff)
		}
	}
	accept := func(media string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Accept", media) }
	}
	for media, want := range map[string]string{
		"text/csv": "text/csv; charset=utf-8; header=present", "application/x-ndjson;q=0.9, application/json": "application/x-ndjson",
		"application/json": "application/json", "*/*": "application/json", "text/html": "application/json", "": "application/json",
	} {
		s.get("/oauth/events", bearer(admin), accept(media)).ok().has("Content-Type", want)
	}
	s.get("/oauth/events?format=json", bearer(admin), accept("text/csv")).ok().has("Content-Type", "application/json")
	s.get("/oauth/events?before=5&format=csv", bearer(admin)).ok().has("As-Of-Position", "4").has("Content-Disposition", `attachment; filename="events.csv"`)
	for _, bad := range []string{"format=", "format=xml", "format=csv&format=csv", "format=csv&limit=1", "format=csv&cursor=x", "format=ndjson&order=desc", "format=csv&type=no.such"} {
		s.get("/oauth/events?"+bad, bearer(admin)).want(http.StatusBadRequest)
	}
	s.get("/oauth/events?format=csv&organization=default", bearer(own)).want(http.StatusForbidden)
	s.get("/oauth/events?format=csv").want(http.StatusUnauthorized)
	s.get("/oauth/events?format=csv", bearer(s.token(s.create(admin, settings{"scopes": []string{"a"}})))).want(http.StatusForbidden)
}

func lines(t *testing.T, a answer) (all []auditEvent) {
	t.Helper()
	for line := range strings.Lines(string(a.body)) {
		var e auditEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

func rows(t *testing.T, a answer) (all []auditEvent) {
	t.Helper()
	table, err := csv.NewReader(strings.NewReader(string(a.body))).ReadAll()
	if err != nil || len(table) == 0 {
		t.Fatalf("%v: %s", err, a.body)
	}
	if strings.Count(string(a.body), "\r\n") != len(table) {
		t.Error("lines end as RFC 4180 does not say")
	}
	for _, row := range table[1:] {
		e := auditEvent{Time: row[1], Type: row[2], ID: row[3], Organization: row[5], Correlation: row[9], Causation: row[10]}
		if err := json.Unmarshal([]byte(row[0]), &e.Position); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(row[11]), &e.Data); err != nil {
			t.Fatalf("%q: %v", row[11], err)
		}
		for _, field := range row {
			if strings.ContainsAny(field[:min(1, len(field))], "=+-@\t\r") {
				t.Errorf("a spreadsheet would compute %q", field)
			}
		}
		all = append(all, e)
	}
	return all
}

// SECURITY.md G11: neither secrets nor what is known of people is in what
// auditors read, in any form.
func TestAuditHoldsNoSecretsAndNoPeople(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	const email, secret = "canary@people.example", "a canary of a password, 27 long"
	app := s.create(admin, settings{"scopes": []string{"a"}})
	token := s.token(app)
	user := as[struct{ ID string }](s.json(http.MethodPost, "/oauth/users", settings{
		"email": email, "password": secret, "role": "AGENT", "siteId": 77123,
	}, bearer(admin)).want(http.StatusCreated))
	s.json(http.MethodPut, "/oauth/users/"+user.ID, settings{"password": secret + "!", "email": "new." + email}, bearer(admin)).ok()
	s.form("/oauth/token", []string{"grant_type", "client_credentials", "client_id", app.ClientID, "client_secret", "wrong" + secret}).want(http.StatusUnauthorized)
	renewed := as[application](s.json(http.MethodPost, app.path("regenerate-secret"), settings{}, bearer(admin)).ok())

	for _, query := range []string{"limit=200", "limit=200&order=desc", "format=csv", "format=ndjson"} {
		body := string(s.get("/oauth/events?"+query, bearer(admin)).ok().body)
		if !strings.Contains(body, user.ID) || !strings.Contains(body, "token.issued") {
			t.Errorf("%s: does not show what it should: %s", query, body)
		}
		for _, canary := range []string{
			email, secret, app.ClientSecret, renewed.ClientSecret, token, token[strings.LastIndex(token, ".")+1:], s.administrator().ClientSecret,
			"sealed", "digest", "wrapped", `"secret":"`, `""secret"":""`, `"email"`,
		} {
			if strings.Contains(body, canary) {
				t.Errorf("%s: holds %q", query, canary)
			}
		}
	}
}
