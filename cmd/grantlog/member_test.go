package main

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
)

func TestMemberName(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for listen, want := range map[address]string{
		"10.0.0.1:6222": "10.0.0.1:6222", "a.example:6222": "a.example:6222", "[::1]:6222": "[::1]:6222",
		"0.0.0.0:6222": host + ":6222", "[::]:6222": host + ":6222", ":6222": host + ":6222",
	} {
		data := t.TempDir()
		c := &clusterSettings{Name: "c", Listen: listen}
		if got, err := memberName(c, data); err != nil || got != want {
			t.Errorf("%s: %q %v", listen, got, err)
		}
		// The name stays with the directory.
		c.Listen = "10.9.9.9:1"
		if got, err := memberName(c, data); err != nil || got != want {
			t.Errorf("%s: a second start has %q %v", listen, got, err)
		}
	}
}

func TestMemberRefusals(t *testing.T) {
	c := &clusterSettings{Name: "c", Listen: "10.0.0.1:6222"}
	member, single, broken := t.TempDir(), t.TempDir(), t.TempDir()
	if _, err := memberName(c, member); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(storeDir(single), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(memberFile(broken), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := &clusterSettings{Name: "other", Listen: c.Listen}
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"another cluster":      {second(memberName(other, member)), `cluster "c", not "other"`},
		"a single server's":    {second(memberName(c, single)), "single server"},
		"an unreadable member": {second(memberName(c, broken)), "does not say which member"},
		"opened as single":     {checkSingle(member), "--cluster-name"},
		"no master key":        {checkShared(&logSettings{Data: member}), "GRANTLOG_MASTER_KEY"},
	} {
		if tc.err == nil || !strings.Contains(tc.err.Error(), tc.want) {
			t.Errorf("%s: %v", name, tc.err)
		}
	}
	if err := errors.Join(checkSingle(single), checkShared(&logSettings{MasterKeyFile: "x"})); err != nil {
		t.Error(err)
	}
}

func second[T any](_ T, err error) error { return err }

// Only who has the master key is a member.
func TestRoutesNeedTheMasterKey(t *testing.T) {
	key := seal.NewMaster()
	config := func(m seal.Master) *tls.Config {
		t.Helper()
		c, err := routeTLS(m.Derive(purposeCluster))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	shake := func(server, client *tls.Config) error {
		l, err := tls.Listen("tcp", "127.0.0.1:0", server)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		accepted := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				_, err = c.Write([]byte("x")) // after the handshake
				c.Close()
			}
			accepted <- err
		}()
		c, err := tls.Dial("tcp", l.Addr().String(), client)
		if err == nil {
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		return errors.Join(err, <-accepted)
	}
	if err := shake(config(key), config(key)); err != nil {
		t.Errorf("two members: %v", err)
	}
	stranger := config(seal.NewMaster())
	if err := shake(config(key), stranger); err == nil {
		t.Error("a stranger is let in")
	}
	stranger.InsecureSkipVerify = true
	if err := shake(config(key), stranger); err == nil {
		t.Error("a stranger who trusts anybody is let in")
	}
	nobody := stranger.Clone()
	nobody.Certificates = nil
	if err := shake(config(key), nobody); err == nil {
		t.Error("somebody without a certificate is let in")
	}
	if err := shake(stranger, config(key)); err == nil {
		t.Error("a member talks to a stranger")
	}
}

// startMemberNATS starts the NATS of a member of a cluster of three.
func startMemberNATS(t *testing.T, listen address, log *slog.Logger) (*embeddedNATS, error) {
	t.Helper()
	data := t.TempDir()
	c := &clusterSettings{Name: "c", Listen: listen, Routes: routeURLs{"nats://127.0.0.1:1", "nats://127.0.0.1:2"}}
	m, err := newMembership(c, data, seal.NewMaster())
	if err != nil {
		t.Fatal(err)
	}
	return startMember(data, "", m, log)
}

// A member opens its one port and no other, and one that cannot says why.
func TestMemberOpensOnePort(t *testing.T) {
	// A server without a client listener leaves this behind; see route.
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), goleak.IgnoreAnyFunction("github.com/nats-io/nats-server/v2/server.(*Server).StartRouting"))
	taken, err := net.Listen("tcp", journaltest.Address(t))
	if err != nil {
		t.Fatal(err)
	}
	listen := address(taken.Addr().String())
	quiet := slog.New(slog.DiscardHandler)
	if _, err := startMemberNATS(t, listen, quiet); err == nil || !strings.HasPrefix(err.Error(), "embedded NATS: ") {
		t.Errorf("port taken: %v", err)
	}
	taken.Close()
	e, err := startMemberNATS(t, listen, quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer e.stop()
	if e.server.ClusterAddr().AddrPort() != netip.MustParseAddrPort(string(listen)) {
		t.Errorf("the others reach it at %v", e.server.ClusterAddr())
	}
	if e.server.Addr() != nil || e.server.MonitorAddr() != nil || e.server.ProfilerAddr() != nil {
		t.Error("the server listens elsewhere")
	}
	if e.single() || !e.server.JetStreamConfig().SyncAlways || e.server.Name() != string(listen) {
		t.Errorf("%v %+v", e.server.Name(), e.server.JetStreamConfig())
	}
	nc, err := e.connect() // in spite of the others' absence
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
}

// The view of a member's log is gone with who looked at it.
func TestLinkBlocks(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "msgs")
	for name, content := range map[string]string{"9.blk": "nine", "10.blk": "ten", "index.db": "index"} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := linkBlocks(from, to); err != nil {
		t.Fatal(err)
	}
	for name, linked := range map[string]bool{"9.blk": true, "10.blk": false} {
		a, errA := os.Stat(filepath.Join(from, name))
		b, errB := os.Stat(filepath.Join(to, name))
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if os.SameFile(a, b) != linked {
			t.Errorf("%s is one file: %v", name, !linked)
		}
	}
	if _, err := os.Stat(filepath.Join(to, "index.db")); err == nil {
		t.Error("the index is taken over")
	}
}
