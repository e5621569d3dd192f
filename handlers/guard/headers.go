package guard

import (
	"net/http"
	"slices"
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

// WriteIdentity sets the X-Auth headers, after it removed what stood in their
// place under any spelling that an API may take for them.
func (p Pass) WriteIdentity(h http.Header) {
	StripIdentity(h)
	if caller(p) == "" {
		return // a service that everybody may call
	}
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
		if slices.Contains(command.IdentityHeaders, strings.ToLower(strings.ReplaceAll(name, "_", "-"))) {
			delete(h, name)
		}
	}
}

// WriteQuota sets the headers that tell a caller its quota: X-RateLimit-* for
// the hour, and RateLimit-Policy and RateLimit of
// draft-ietf-httpapi-ratelimit-headers-10 for all windows. It sets none while
// the caller is not known. (Names are spelled as package http canonicalizes
// them: that saves it the work on every call.)
func (p Pass) WriteQuota(h http.Header) {
	q := p.Quota
	if q.OrganizationHour.Limit == 0 {
		return
	}
	organization := left(q.OrganizationHour, q.OrganizationMinute)
	own := organization
	if p.Application != nil {
		own = left(q.Hour, q.Minute)
	}
	h.Set("X-Ratelimit-Limit", strconv.Itoa(own.Limit))
	h.Set("X-Ratelimit-Remaining", strconv.Itoa(own.Remaining))
	h.Set("X-Ratelimit-Reset", strconv.FormatInt(own.Reset, 10))
	h.Set("X-Ratelimit-Organization-Limit", strconv.Itoa(organization.Limit))
	h.Set("X-Ratelimit-Organization-Remaining", strconv.Itoa(organization.Remaining))

	var policy, state [160]byte
	policies, states := policy[:0], state[:0]
	for i, w := range []*command.Window{&q.Minute, &q.Hour, &q.OrganizationMinute, &q.OrganizationHour} {
		if w.Limit == 0 {
			continue // no application
		}
		policies = appendItem(policies, windows[i].name, ";q=", int64(w.Limit), ";w=", windows[i].seconds)
		states = appendItem(states, windows[i].name, ";r=", int64(w.Remaining), ";t=", max(0, w.Reset-p.second))
	}
	h.Set("Ratelimit-Policy", string(policies))
	h.Set("Ratelimit", string(states))
}

// left is the hour, with what the caller has left of it now: nothing while the
// minute is full, until that has room again.
func left(hour, minute command.Window) command.Window {
	if minute.Remaining == 0 && hour.Remaining > 0 {
		hour.Remaining, hour.Reset = 0, minute.Reset
	}
	return hour
}

// windows are the policies in the order of the fields of command.Quota.
var windows = [...]struct {
	name    string
	seconds int64
}{{"minute", 60}, {"hour", 3600}, {"organization-minute", 60}, {"organization-hour", 3600}}

// appendItem appends an item of a list with two parameters (RFC 9651).
func appendItem(b []byte, name, first string, n int64, second string, m int64) []byte {
	if len(b) > 0 {
		b = append(b, ", "...)
	}
	b = append(append(append(b, '"'), name...), '"')
	b = strconv.AppendInt(append(b, first...), n, 10)
	return strconv.AppendInt(append(b, second...), m, 10)
}
