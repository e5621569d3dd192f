package journaltest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
)

// ports are below the range that systems take client ports from, so that a
// server finds its port free when it is started, and started again.
var ports atomic.Uint32

// Address returns an address of the loopback interface on which nobody listens,
// another one with each call. It is tried while no process is forked, which would
// have the port, too, until it runs its program.
func Address(t testing.TB) string {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	for range 5000 {
		port := 20000 + (uint32(os.Getpid())*61+ports.Add(1))%12000
		addr := fmt.Sprintf("127.0.0.1:%d", port)
		if l, err := net.Listen("tcp", addr); err == nil {
			l.Close()
			return addr
		}
	}
	t.Fatal("journaltest: no port is free")
	return ""
}

// portOf is the port of an address.
func portOf(addr string) int {
	parsed, err := netip.ParseAddrPort(addr)
	if err != nil {
		panic(err)
	}
	return int(parsed.Port())
}
