package service

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Bounds of a connection to an upstream.
const (
	maxDial      = 5 * time.Second
	maxHandshake = 10 * time.Second
	maxSilence   = 30 * time.Second // from the end of the request to the header of the answer
	maxIdle      = 90 * time.Second
	maxConns     = 256 // per upstream
	maxIdleConns = 64  // per upstream
	maxHeader    = 64 << 10
	bufferSize   = 32 << 10
)

// errPrivate is an address that the server's operator did not open.
var errPrivate = errors.New("the address is not public")

// newTransport returns a transport that follows no redirect, asks no proxy and,
// unless private, connects to public addresses only: the address is looked at
// after it was resolved, so a name cannot come to mean another one.
func newTransport(private bool) *http.Transport {
	dialer := &net.Dialer{Timeout: maxDial}
	if !private {
		dialer.Control = public
	}
	return &http.Transport{
		DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
		TLSHandshakeTimeout: maxHandshake, ResponseHeaderTimeout: maxSilence, IdleConnTimeout: maxIdle,
		MaxConnsPerHost: maxConns, MaxIdleConnsPerHost: maxIdleConns, MaxResponseHeaderBytes: maxHeader,
	}
}

// public is a net.Dialer's Control.
func public(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || !isPublic(to.Addr()) {
		return fmt.Errorf("%w: %s", errPrivate, address)
	}
	return nil
}

// special are ranges that package netip takes for public and that may lead
// elsewhere: this network, shared address space, protocol assignments,
// benchmarks, reserved; and what carries an IPv4 address in it.
var special = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("fec0::/10"),
}

func isPublic(a netip.Addr) bool {
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

// sent is the caller's body. It notes whether the caller, and not the upstream,
// broke off.
type sent struct {
	io.ReadCloser
	broken atomic.Bool
}

func (s *sent) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		s.broken.Store(true)
	}
	return n, err
}

// errLong is an answer that exceeds maxAnswer.
var errLong = errors.New("the answer is too long")

// bounded is a body that fails after a number of bytes.
type bounded struct {
	io.ReadCloser
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, errLong
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	if b.left -= int64(n); b.left < 0 {
		return n - 1, errLong
	}
	return n, err
}

// buffers are what bodies are copied through.
var buffers = &pool{sync.Pool{New: func() any { return new([bufferSize]byte) }}}

type pool struct{ pool sync.Pool }

func (p *pool) Get() []byte  { return p.pool.Get().(*[bufferSize]byte)[:] }
func (p *pool) Put(b []byte) { p.pool.Put((*[bufferSize]byte)(b)) }
