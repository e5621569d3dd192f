package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// errSecretInArgv refuses a secret that every user of the machine could read
// from the process list.
var errSecretInArgv = errors.New("a secret must not stand on the command line")

// offArgv is a value that came from the environment or the settings file: the
// resolver hands it to the types that may hold secrets.
type offArgv string

// popOffArgv takes the value of a flag and says whether it stood in argv.
func popOffArgv(ctx *kong.DecodeContext) (text string, argv bool, err error) {
	token, err := ctx.Scan.PopValue("value")
	if err != nil {
		return "", false, errors.New("want a value")
	}
	if v, ok := token.Value.(offArgv); ok {
		return string(v), false, nil
	}
	return token.String(), true, nil
}

// address is a host:port. Empty means none.
type address string

func (a *address) UnmarshalText(b []byte) error {
	if s := string(b); s != "" {
		host, port, err := net.SplitHostPort(s)
		if err != nil || strings.ContainsAny(host, "/@ ") {
			return fmt.Errorf("%.80q is not host:port", s)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil {
			return fmt.Errorf("%.80q has no port from 0 to 65535", s)
		} else {
			s = net.JoinHostPort(host, strconv.FormatUint(n, 10))
		}
		*a = address(s)
		return nil
	}
	*a = ""
	return nil
}

// issuerURL is an issuer identifier (RFC 8414 section 2, which asks for https;
// http is for loopback and for what a proxy terminates). Empty means derived
// from the HTTP address.
type issuerURL string

func (i *issuerURL) UnmarshalText(b []byte) error {
	*i = issuerURL(b)
	if len(b) == 0 {
		return nil
	}
	s := string(b)
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "":
		return errors.New("want an absolute https or http URL")
	case u.User != nil:
		return errors.New("an issuer has no user or password")
	case strings.ContainsAny(s, "?#"):
		return errors.New("an issuer has no query and no fragment")
	case strings.HasSuffix(s, "/"):
		return errors.New("an issuer does not end with /")
	case u.String() != s, u.Path != "" && path.Clean(u.Path) != u.Path, strings.HasSuffix(u.Host, ":"):
		return errors.New("want the URL in its plain form")
	}
	return nil
}

// natsURLs are the servers of an external NATS. A URL with a password is a
// secret.
type natsURLs []string

func (n *natsURLs) Decode(ctx *kong.DecodeContext) error {
	text, argv, err := popOffArgv(ctx)
	if err != nil {
		return err
	}
	*n = nil
	if text == "" {
		return nil
	}
	for s := range strings.SplitSeq(text, ",") {
		s = strings.TrimSpace(s)
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" {
			return errors.New("want URLs such as nats://10.0.0.1:4222, separated by commas")
		}
		switch u.Scheme {
		case "nats", "tls", "ws", "wss":
		default:
			return fmt.Errorf("scheme %.20q is not one of nats, tls, ws, wss", u.Scheme)
		}
		if argv && u.User != nil {
			return fmt.Errorf("%w: use --nats-creds, GRANTLOG_NATS or the settings file", errSecretInArgv)
		}
		*n = append(*n, s)
	}
	return nil
}

// clusterName is the name of a cluster. Empty means none.
type clusterName string

func (n *clusterName) UnmarshalText(b []byte) error {
	for _, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return fmt.Errorf("%.40q has characters other than A-Z a-z 0-9 - _", b)
		}
	}
	if len(b) > 40 {
		return errors.New("want 40 characters at most")
	}
	*n = clusterName(b)
	return nil
}

// routeURLs are where the members of a cluster reach each other. They hold no
// credentials: the members prove themselves by the master key.
type routeURLs []string

func (r *routeURLs) UnmarshalText(b []byte) error {
	*r = nil
	if len(b) == 0 {
		return nil
	}
	for s := range strings.SplitSeq(string(b), ",") {
		s = strings.TrimSpace(s)
		u, err := url.Parse(s)
		if err != nil || u.Scheme != "nats" || u.Hostname() == "" || u.Port() == "" || u.Path != "" || u.RawQuery != "" {
			return errors.New("want URLs such as nats://10.0.0.1:6222, separated by commas")
		}
		if u.User != nil {
			return errors.New("a route has no user or password")
		}
		*r = append(*r, s)
	}
	return nil
}

// first is the host and port of the first one.
func (r routeURLs) first() address { return address(hostOf(r[0])) }

// hostOf is the host and port of a route that was found good.
func hostOf(route string) string { return strings.TrimPrefix(route, "nats://") }

// networks are the addresses of trusted proxies.
type networks []netip.Prefix

func (n *networks) UnmarshalText(b []byte) error {
	*n = nil
	if len(b) == 0 {
		return nil
	}
	for s := range strings.SplitSeq(string(b), ",") {
		s = strings.TrimSpace(s)
		if a, err := netip.ParseAddr(s); err == nil && a.Zone() == "" {
			*n = append(*n, netip.PrefixFrom(a, a.BitLen()))
			continue
		}
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return fmt.Errorf("%.60q is not an address or a network such as 10.0.0.0/8", s)
		}
		*n = append(*n, p.Masked())
	}
	return nil
}
