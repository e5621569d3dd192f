package command

import (
	"net/netip"
	"net/url"
	"strings"
)

const maxRedirectURI = 2048 // bytes

// ValidRedirectURI reports whether a redirection endpoint may be registered
// (RFC 6749 section 3.1.2): absolute, https or, on a loopback host only, http
// (RFC 8252 section 7.3); no fragment, user information, backslash or anything
// that two parsers could read in two ways.
func ValidRedirectURI(uri string) bool {
	if uri == "" || len(uri) > maxRedirectURI {
		return false
	}
	for i := range len(uri) {
		if c := uri[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\\#@\"<>^`{|}", c) >= 0 {
			return false
		}
	}
	u, err := url.Parse(uri)
	if err != nil || u.Opaque != "" || u.User != nil || u.Hostname() == "" || strings.HasSuffix(u.Host, ":") {
		return false
	}
	switch u.Scheme {
	case "https":
		return true
	case "http":
		return loopback(u.Hostname())
	}
	return false
}

func loopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.Zone() == "" && address.IsLoopback()
}
