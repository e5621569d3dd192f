package command

import (
	"net/netip"
	"net/url"
	"strings"
)

// special are ranges that package netip takes for public and that may lead
// elsewhere: this network, shared address space (and the metadata of a cloud in
// it), protocol assignments, documentation, benchmarks, reserved; what carries
// an IPv4 address in it; and the one public address that is a cloud's
// metadata.
var special = prefixes(
	"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "5f00::/16", "fec0::/10",
)

func prefixes(texts ...string) (out []netip.Prefix) {
	for _, text := range texts {
		out = append(out, netip.MustParsePrefix(text))
	}
	return out
}

// PublicAddress reports whether a server may be asked to connect to an address
// by somebody who does not operate it: not loopback, private, link-local,
// multicast or otherwise special.
func PublicAddress(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// namesPrivate reports whether a URL names an address that is not public as it
// stands. What another name leads to is looked at when it is dialed.
func namesPrivate(u *url.URL) bool {
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && !PublicAddress(a)
}
