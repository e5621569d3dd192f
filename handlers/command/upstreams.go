package command

import (
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Bounds of an organization's upstreams.
const (
	maxUpstreams = 100
	maxURL       = 2000      // bytes
	maxHeader    = 2000      // bytes of a value
	maxHeaders   = 50        // per upstream
	maxTemplate  = 256 << 10 // bytes of a body
)

var (
	headerName = regexp.MustCompile("^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$")
	// placeholder is what the gateway fills in.
	placeholder = regexp.MustCompile(`\$\{[A-Za-z0-9_-]{1,64}_access_token\}`)
)

// EnsureUpstreams replaces what the gateway proxies to for an organization. It
// is ErrUnchanged if that is so already.
func EnsureUpstreams(s *projections.State, organization string, upstreams []events.Upstream) (Decision, error) {
	o, ok := s.Organizations.Get(organization)
	if !ok {
		return Decision{}, ErrNotFound
	}
	if err := checkUpstreams(upstreams); err != nil {
		return Decision{}, err
	}
	if len(upstreams) == 0 && len(o.Upstreams) == 0 || reflect.DeepEqual(upstreams, o.Upstreams) {
		return Decision{}, ErrUnchanged
	}
	return edit(organization, o.Revision, &events.UpstreamsSet{ID: organization, Upstreams: append([]events.Upstream{}, upstreams...)})
}

func checkUpstreams(upstreams []events.Upstream) error {
	if len(upstreams) > maxUpstreams {
		return Invalid("upstreams must have at most %d entries", maxUpstreams)
	}
	names := map[string]bool{}
	for i, u := range upstreams {
		switch {
		case !plainName.MatchString(u.Name) || names[u.Name]:
			return Invalid("upstreams[%d].name must be 1 to 64 of A-Z, a-z, 0-9, _ and -, and used once", i)
		case !validUpstreamURL(u.URL):
			return Invalid("upstreams[%d].url must be an absolute http or https URL without user and fragment", i)
		case len(u.Paths) == 0 || len(u.Paths) > maxRoutes:
			return Invalid("upstreams[%d].paths must have 1 to %d entries", i, maxRoutes)
		case slices.ContainsFunc(u.Paths, func(p string) bool { return !validPattern(p) }):
			return Invalid("upstreams[%d].paths must be plain paths, with /* at their end at most", i)
		case len(u.Headers) > maxHeaders || slices.ContainsFunc(u.Headers, func(h events.UpstreamHeader) bool { return !validUpstreamHeader(h) }):
			return Invalid("upstreams[%d].headers must be headers that an upstream may be told", i)
		case len(u.Body) > maxTemplate || !knownPlaceholders(u.Body):
			return Invalid("upstreams[%d].body must have at most %d bytes and no placeholder but ${NAME_access_token}", i, maxTemplate)
		}
		names[u.Name] = true
	}
	return nil
}

func knownPlaceholders(template string) bool {
	return !strings.Contains(placeholder.ReplaceAllString(template, ""), "${")
}

func validUpstreamURL(raw string) bool {
	if !visible(raw, maxURL) || strings.ContainsAny(raw, `#\`) || !knownPlaceholders(raw) {
		return false
	}
	u, err := url.Parse(placeholder.ReplaceAllString(raw, "x"))
	// The host must not depend on what a third party hands out.
	return err == nil && u.User == nil && u.Hostname() != "" && (u.Scheme == "http" || u.Scheme == "https") &&
		!placeholder.MatchString(authority(raw))
}

// authority is what stands between // and the path of a URL.
func authority(raw string) string {
	_, rest, _ := strings.Cut(raw, "//")
	if i := strings.IndexAny(rest, "/?"); i >= 0 {
		return rest[:i]
	}
	return rest
}

// connectionHeaders are those that the connection decides, not its user.
var connectionHeaders = []string{
	"connection", "content-length", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

// IdentityHeaders tell an upstream who calls, in lower case. They are the
// guard's to set: nobody else's count.
var IdentityHeaders = []string{
	"x-auth-client-id", "x-auth-application-id", "x-auth-organization-id", "x-auth-scope", "x-auth-subject", "x-auth-token-id",
}

// validUpstreamHeader keeps the identity that the guard vouches for, and the
// connection, out of configuration.
func validUpstreamHeader(h events.UpstreamHeader) bool {
	name := strings.ToLower(strings.ReplaceAll(h.Name, "_", "-"))
	return headerName.MatchString(h.Name) && !slices.Contains(IdentityHeaders, name) && !slices.Contains(connectionHeaders, name) &&
		len(h.Value) <= maxHeader && !strings.ContainsFunc(h.Value, func(r rune) bool { return r < ' ' || r == 0x7f }) &&
		knownPlaceholders(h.Value)
}

// validPattern accepts a path in plain form, with a star as its last segment
// only: what CleanPath would change could never match.
func validPattern(pattern string) bool {
	base, wild := strings.CutSuffix(pattern, "/*")
	if wild && base == "" {
		return true
	}
	path, ok := projections.CleanPath(base)
	return ok && path == base && visible(base, maxRoute) && !strings.Contains(base, "*")
}
