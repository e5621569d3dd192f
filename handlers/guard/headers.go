package guard

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/grantlog/grantlog/handlers/command"
)

// The headers that tell an API who calls. They count only if they come from
// the guard: whoever passes a call on removes the caller's own (WriteIdentity).
const (
	headerClient       = "X-Auth-Client-Id"
	headerApplication  = "X-Auth-Application-Id"
	headerOrganization = "X-Auth-Organization-Id"
	headerScope        = "X-Auth-Scope"
	headerSubject      = "X-Auth-Subject"
	headerToken        = "X-Auth-Token-Id"
)

// identity has them in the form in which names are compared.
var identity = map[string]bool{
	"x-auth-client-id": true, "x-auth-application-id": true, "x-auth-organization-id": true,
	"x-auth-scope": true, "x-auth-subject": true, "x-auth-token-id": true,
}

// WriteIdentity sets the X-Auth headers, after it removed what stood in their
// place under any spelling that an API may take for them.
func (p Pass) WriteIdentity(h http.Header) {
	StripIdentity(h)
	client := p.Token.Application
	if p.Application != nil {
		client = p.Application.ClientID
		h.Set(headerApplication, p.Application.ID)
	}
	subject := client
	if p.Token.User != "" {
		subject = p.Token.User
	}
	h.Set(headerClient, client)
	h.Set(headerOrganization, p.Organization.ID)
	h.Set(headerScope, p.Token.Scope)
	h.Set(headerSubject, subject)
	h.Set(headerToken, p.Token.ID.String())
}

// StripIdentity removes the X-Auth headers under any spelling: servers behind
// CGI-like interfaces take X_Auth_Scope for X-Auth-Scope.
func StripIdentity(h http.Header) {
	for name := range h {
		if identity[strings.ToLower(strings.ReplaceAll(name, "_", "-"))] {
			delete(h, name)
		}
	}
}

// WriteQuota sets the headers that tell a caller its quota: X-RateLimit-* for
// the hour, and RateLimit-Policy and RateLimit of
// draft-ietf-httpapi-ratelimit-headers-10 for all windows. It sets none while
// the caller is not known.
func (p Pass) WriteQuota(h http.Header) {
	q := p.Quota
	if q.OrganizationHour.Limit == 0 {
		return
	}
	binding := q.Hour
	if p.Application == nil {
		binding = q.OrganizationHour
	} else if q.Minute.Remaining == 0 && q.Hour.Remaining > 0 {
		// The hour has room and the caller has none: what it must wait for.
		binding.Reset = q.Minute.Reset
	}
	h.Set("X-RateLimit-Limit", strconv.Itoa(binding.Limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(binding.Remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(binding.Reset, 10))
	h.Set("X-RateLimit-Organization-Limit", strconv.Itoa(q.OrganizationHour.Limit))
	h.Set("X-RateLimit-Organization-Remaining", strconv.Itoa(q.OrganizationHour.Remaining))

	var policy, state []string
	for _, w := range []struct {
		name    string
		seconds int
		window  command.Window
	}{
		{"minute", 60, q.Minute}, {"hour", 3600, q.Hour},
		{"organization-minute", 60, q.OrganizationMinute}, {"organization-hour", 3600, q.OrganizationHour},
	} {
		if w.window.Limit == 0 {
			continue // no application
		}
		policy = append(policy, fmt.Sprintf(`"%s";q=%d;w=%d`, w.name, w.window.Limit, w.seconds))
		state = append(state, fmt.Sprintf(`"%s";r=%d;t=%d`, w.name, w.window.Remaining, max(0, w.window.Reset-p.second)))
	}
	h.Set("RateLimit-Policy", strings.Join(policy, ", "))
	h.Set("RateLimit", strings.Join(state, ", "))
}
