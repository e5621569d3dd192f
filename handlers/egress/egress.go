// Package egress owns how the server itself connects to others: upstreams of
// the gateway, services, providers of third-party tokens.
//
// A connection is opened only to a public address, unless whoever configured
// the destination was allowed to choose any (command.PublicAddress). The
// address is looked at after the name was resolved, for every attempt, and is
// the one that is dialed: a name cannot come to mean another one in between.
// No redirect is followed, no proxy of the environment asked, and no name
// resolved twice. Everything is bounded in time and, with ReadAll, in size.
package egress

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"

	"github.com/grantlog/grantlog/handlers/command"
)

// Bounds of a connection.
const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 10 * time.Second
	headerTimeout    = 30 * time.Second // from the end of a request to the header of the answer
	idleTimeout      = 90 * time.Second
	exchangeTimeout  = 15 * time.Second // of a Client's whole exchange
	maxConns         = 512              // per host; further requests wait
	maxIdleConns     = 128              // per host
	maxHeader        = 64 << 10         // bytes
)

var (
	// ErrAddress is a destination that is not public and was not allowed.
	ErrAddress = errors.New("the address is not public")
	// ErrTooLong is an answer that is longer than its reader accepts.
	ErrTooLong = errors.New("the answer is too long")
)

// Transport returns a transport of its own, to public addresses or, private,
// to all. It speaks HTTP/1.1 and HTTP/2 and leaves encodings as they are.
func Transport(private bool) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	if !private {
		dialer.Control = public
	}
	return &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
		TLSHandshakeTimeout: handshakeTimeout, ResponseHeaderTimeout: headerTimeout, IdleConnTimeout: idleTimeout,
		MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxIdleConns, MaxResponseHeaderBytes: maxHeader,
	}
}

// public is a net.Dialer's Control: it sees the address that is about to be
// connected to.
func public(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !command.PublicAddress(to.Addr()) {
		return fmt.Errorf("%w: %s", ErrAddress, address)
	}
	return nil
}

// Client returns a client for short exchanges: it has 15 seconds for each,
// body included, and returns redirects as they are.
func Client(private bool) *http.Client {
	return &http.Client{
		Transport: Transport(private), Timeout: exchangeTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// ReadAll reads an answer of at most limit bytes; a longer one is ErrTooLong.
func ReadAll(body io.Reader, limit int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, ErrTooLong
	}
	return b, nil
}
