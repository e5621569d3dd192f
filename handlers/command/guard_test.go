package command_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

func routes() happened {
	return in("acme", &events.ScopesSet{ID: "acme", Scopes: []events.Scope{
		{Name: "read:customers", Routes: []string{"GET /api/v1/customers/*"}},
		{Name: "audit", Routes: []string{"GET /api/v1/customers/*"}},
		{Name: "write:customers", Routes: []string{"POST /api/v1/customers/*"}},
		{Name: "write:metering", Routes: []string{"POST /api/v1/metering"}},
	}})
}

func TestGuard(t *testing.T) {
	s := given(t, acme(), routes(),
		in("acme", &events.UpstreamsSet{ID: "acme", Upstreams: []events.Upstream{{Name: "api", URL: "http://h", Paths: []string{"/api/v1/customers/*"}}}}),
		application("a1"), in("beta", &events.OrganizationCreated{ID: "beta", Name: "Beta"}),
	)
	token := projections.Token{Organization: "acme", Application: "a1", Scope: "openid audit read:customers"}
	for _, c := range []struct {
		name   string
		change func(*command.Call)
		want   error
		scope  string
	}{
		{"the first scope that the token has", func(*command.Call) {}, nil, "read:customers"},
		{"another scope", func(c *command.Call) { c.Token.Scope = "x audit" }, nil, "audit"},
		{"an upstream", func(c *command.Call) { c.Proxy = true }, nil, "read:customers"},
		{"unknown", func(c *command.Call) { c.State = projections.Unknown }, command.ErrTokenInvalid, ""},
		{"expired", func(c *command.Call) { c.State = projections.Expired }, command.ErrTokenExpired, ""},
		{"revoked", func(c *command.Call) { c.State, c.Path = projections.Revoked, "/nowhere" }, command.ErrTokenRevoked, ""},
		{"no scope", func(c *command.Call) { c.Token.Scope = "" }, command.ErrInsufficientScope, ""},
		{"part of a scope", func(c *command.Call) { c.Token.Scope = "read:customersx xread:customers read" }, command.ErrInsufficientScope, ""},
		{"another method's scope", func(c *command.Call) { c.Method = "POST" }, command.ErrInsufficientScope, ""},
		{"no scope has the method", func(c *command.Call) { c.Method = "DELETE" }, command.ErrInsufficientScope, ""},
		{"no route", func(c *command.Call) { c.Path = "/api/v1/orders" }, command.ErrNotFound, ""},
		{"no upstream", func(c *command.Call) { c.Proxy, c.Method, c.Path = true, "POST", "/api/v1/metering" }, command.ErrNotFound, ""},
		{"another organization's catalogue", func(c *command.Call) { c.Token.Organization = "beta" }, command.ErrNotFound, ""},
		{"a service's credential", func(c *command.Call) { c.Token.Application = "svc_1" }, command.ErrInsufficientScope, ""},
	} {
		call := command.Call{Token: token, State: projections.Live, Method: "GET", Path: "/api/v1/customers/7"}
		c.change(&call)
		p, err := command.Guard(s, call)
		if !errors.Is(err, c.want) || p.Scope != c.scope {
			t.Errorf("%s: %v with scope %q, want %v with %q", c.name, err, p.Scope, c.want, c.scope)
		}
	}
}

func accounted(replica string, second time.Duration, calls int) happened {
	return in("", &events.UsageRecorded{Report: 1, Usage: []events.Usage{{
		Organization: "acme", Application: "a1", Second: start.Add(second).Unix(), Admitted: calls,
	}}})
}

func TestAdmit(t *testing.T) {
	now := start.Add(100 * time.Second)
	until := func(seconds int) int64 { return now.Unix() + int64(seconds) }
	// start is at a full hour, so hours are counted in the minutes of its clock.
	for _, c := range []struct {
		name         string
		application  events.Limits
		organization events.Limits
		calls        int // shown, made 10 s ago
		own          command.Unshown
		want         command.Quota
		retry        int
	}{
		{
			name:  "defaults",
			calls: 3, own: command.Unshown{Application: 1, Organization: 2},
			want: command.Quota{
				Minute: command.Window{Limit: 50, Remaining: 45, Reset: until(51)}, Hour: command.Window{Limit: 1000, Remaining: 995, Reset: until(3620)},
				OrganizationMinute: command.Window{Limit: 500, Remaining: 494, Reset: until(51)}, OrganizationHour: command.Window{Limit: 10000, Remaining: 9994, Reset: until(3620)},
			},
		},
		{
			name: "first call", application: events.Limits{PerMinute: 1, PerHour: 1},
			want: command.Quota{
				Minute: command.Window{Limit: 1, Remaining: 0, Reset: until(61)}, Hour: command.Window{Limit: 1, Remaining: 0, Reset: until(3620)},
				OrganizationMinute: command.Window{Limit: 500, Remaining: 499, Reset: until(61)}, OrganizationHour: command.Window{Limit: 10000, Remaining: 9999, Reset: until(3620)},
			},
		},
		{
			name: "minute full", application: events.Limits{PerMinute: 3}, calls: 3, retry: 51,
			want: command.Quota{
				Minute: command.Window{Limit: 3, Remaining: 0, Reset: until(51)}, Hour: command.Window{Limit: 1000, Remaining: 997, Reset: until(3620)},
				OrganizationMinute: command.Window{Limit: 500, Remaining: 497, Reset: until(51)}, OrganizationHour: command.Window{Limit: 10000, Remaining: 9997, Reset: until(3620)},
			},
		},
		{
			name: "minute full of unshown calls", application: events.Limits{PerMinute: 3}, own: command.Unshown{Application: 3, Organization: 3}, retry: 61,
			want: command.Quota{
				Minute: command.Window{Limit: 3, Remaining: 0, Reset: until(61)}, Hour: command.Window{Limit: 1000, Remaining: 997, Reset: until(3620)},
				OrganizationMinute: command.Window{Limit: 500, Remaining: 497, Reset: until(61)}, OrganizationHour: command.Window{Limit: 10000, Remaining: 9997, Reset: until(3620)},
			},
		},
		{
			name: "hour full", application: events.Limits{PerHour: 3}, calls: 3, retry: 3620,
			want: command.Quota{
				Minute: command.Window{Limit: 50, Remaining: 47, Reset: until(51)}, Hour: command.Window{Limit: 3, Remaining: 0, Reset: until(3620)},
				OrganizationMinute: command.Window{Limit: 500, Remaining: 497, Reset: until(51)}, OrganizationHour: command.Window{Limit: 10000, Remaining: 9997, Reset: until(3620)},
			},
		},
		{
			name: "organization full, limit lowered", organization: events.Limits{PerMinute: 1}, calls: 3, retry: 51,
			want: command.Quota{
				Minute: command.Window{Limit: 50, Remaining: 47, Reset: until(51)}, Hour: command.Window{Limit: 1000, Remaining: 997, Reset: until(3620)},
				OrganizationMinute: command.Window{Limit: 1, Remaining: 0, Reset: until(51)}, OrganizationHour: command.Window{Limit: 10000, Remaining: 9997, Reset: until(3620)},
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			app := application("a1")
			app.data.(*events.ApplicationCreated).Limits = c.application
			history := []happened{in("acme", &events.OrganizationCreated{ID: "acme", Name: "Acme", Limits: c.organization}), app}
			for len(history) < 91 { // each is a second after the one before
				history = append(history, in("", &events.BeaconSent{Nonce: "n"}))
			}
			if c.calls > 0 {
				history = append(history[:90], accounted("r_1", 90*time.Second, c.calls))
			}
			s := given(t, history...)
			a, _ := s.Applications.Get("a1")
			o, _ := s.Organizations.Get("acme")
			got, err := command.Admit(s, now, a, o, c.own)
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("quota (-want +got):\n%s", diff)
			}
			var limit *command.LimitError
			if errors.As(err, &limit) != (c.retry > 0) || limit != nil && limit.RetryAfter != c.retry {
				t.Errorf("refused with %+v, want a retry after %d", err, c.retry)
			}
		})
	}
}

// A service's calls count for its organization alone.
func TestAdmitWithoutApplication(t *testing.T) {
	s := given(t, in("acme", &events.OrganizationCreated{ID: "acme", Name: "Acme", Limits: events.Limits{PerMinute: 2}}))
	o, _ := s.Organizations.Get("acme")
	q, err := command.Admit(s, start, nil, o, command.Unshown{Application: 1000, Organization: 1})
	if err != nil || q.OrganizationMinute.Remaining != 0 || q.Minute != (command.Window{}) {
		t.Errorf("%v with %+v", err, q)
	}
	if _, err = command.Admit(s, start, nil, o, command.Unshown{Organization: 2}); err == nil {
		t.Error("the organization's limit does not hold")
	}
}

func TestEnsureUpstreams(t *testing.T) {
	good := events.Upstream{Name: "api", URL: "http://127.0.0.1:9001", Paths: []string{"/api/v1/*"}}
	s := given(t, acme())
	d, err := command.EnsureUpstreams(s, "acme", []events.Upstream{good})
	then(t, d, err, 1, &events.UpstreamsSet{ID: "acme", Upstreams: []events.Upstream{good}})
	d, err = command.EnsureUpstreams(s, "none", nil)
	refused(t, d, err, command.KindNotFound)
	if _, err := command.EnsureUpstreams(s, "acme", nil); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("nothing to take away: %v", err)
	}
	s = given(t, acme(), in("acme", &events.UpstreamsSet{ID: "acme", Upstreams: []events.Upstream{good}}))
	if _, err := command.EnsureUpstreams(s, "acme", []events.Upstream{good}); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("the same again: %v", err)
	}
	d, err = command.EnsureUpstreams(s, "acme", nil)
	then(t, d, err, 2, &events.UpstreamsSet{ID: "acme", Upstreams: []events.Upstream{}})

	for name, change := range map[string]func(*events.Upstream){
		"name":                    func(u *events.Upstream) { u.Name = "a b" },
		"scheme":                  func(u *events.Upstream) { u.URL = "ftp://h" },
		"no host":                 func(u *events.Upstream) { u.URL = "http:///x" },
		"user":                    func(u *events.Upstream) { u.URL = "http://u:p@h" },
		"fragment":                func(u *events.Upstream) { u.URL = "http://h/#x" },
		"control":                 func(u *events.Upstream) { u.URL = "http://h/\n" },
		"placeholder in the host": func(u *events.Upstream) { u.URL = "http://${f4w_access_token}.example" },
		"unknown placeholder":     func(u *events.Upstream) { u.URL = "http://h/${oops}" },
		"no paths":                func(u *events.Upstream) { u.Paths = nil },
		"relative path":           func(u *events.Upstream) { u.Paths = []string{"api"} },
		"dots":                    func(u *events.Upstream) { u.Paths = []string{"/api/../x"} },
		"escape":                  func(u *events.Upstream) { u.Paths = []string{"/api/%2e"} },
		"star inside":             func(u *events.Upstream) { u.Paths = []string{"/a*/b"} },
		"identity header":         func(u *events.Upstream) { u.Headers = []events.UpstreamHeader{{Name: "x_auth-Scope", Value: "x"}} },
		"connection header":       func(u *events.Upstream) { u.Headers = []events.UpstreamHeader{{Name: "Host", Value: "x"}} },
		"header name":             func(u *events.Upstream) { u.Headers = []events.UpstreamHeader{{Name: "a b", Value: "x"}} },
		"header value":            func(u *events.Upstream) { u.Headers = []events.UpstreamHeader{{Name: "A", Value: "x\r\nB: y"}} },
		"body":                    func(u *events.Upstream) { u.Body = "${oops}" },
	} {
		bad := good
		change(&bad)
		d, err := command.EnsureUpstreams(given(t, acme()), "acme", []events.Upstream{bad})
		if !errors.Is(err, &command.Error{Kind: command.KindInvalid}) || len(d.Events) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	d, err = command.EnsureUpstreams(given(t, acme()), "acme", []events.Upstream{good, good})
	refused(t, d, err, command.KindInvalid)
}

func TestUpdateOrganization(t *testing.T) {
	s := given(t, in("acme", &events.OrganizationCreated{ID: "acme", Name: "Acme", PartnerID: "1", Limits: events.Limits{PerHour: 5}}),
		in("beta", &events.OrganizationCreated{ID: "beta", Name: "Beta", PartnerID: "2"}))
	d, err := command.UpdateOrganization(s, "acme", nil, command.OrganizationSettings{Limits: &events.Limits{PerMinute: 7}})
	then(t, d, err, 1, &events.OrganizationUpdated{ID: "acme", Name: "Acme", PartnerID: "1", Limits: events.Limits{PerMinute: 7}})
	d, err = command.UpdateOrganization(s, "acme", []events.Position{1}, command.OrganizationSettings{Name: ptr("New"), PartnerID: ptr("")})
	then(t, d, err, 1, &events.OrganizationUpdated{ID: "acme", Name: "New", Limits: events.Limits{PerHour: 5}})

	d, err = command.UpdateOrganization(s, "acme", []events.Position{7}, command.OrganizationSettings{})
	refused(t, d, err, command.KindPrecondition)
	d, err = command.UpdateOrganization(s, "none", nil, command.OrganizationSettings{})
	refused(t, d, err, command.KindNotFound)
	d, err = command.UpdateOrganization(s, "acme", nil, command.OrganizationSettings{PartnerID: ptr("2")})
	refused(t, d, err, command.KindConflict)
	for _, chosen := range []command.OrganizationSettings{
		{Name: ptr("")}, {PartnerID: ptr("a b")}, {Limits: &events.Limits{PerMinute: -1}},
	} {
		d, err = command.UpdateOrganization(s, "acme", nil, chosen)
		refused(t, d, err, command.KindInvalid)
	}
}
