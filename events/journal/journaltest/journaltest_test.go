package journaltest

import (
	"net"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

func TestServerOpensNoPort(t *testing.T) {
	env := New(t)
	for name, addr := range map[string]net.Addr{
		"clients":    env.srv.Addr(),
		"monitoring": addrOf(env.srv.MonitorAddr()),
		"cluster":    addrOf(env.srv.ClusterAddr()),
	} {
		if addr != nil {
			t.Errorf("%s: listens on %v", name, addr)
		}
	}
	if !env.srv.JetStreamConfig().SyncAlways {
		t.Error("the server does not sync every write")
	}
}

func TestListenLetsOutsideClientsIn(t *testing.T) {
	env := New(t, Listen())
	conn, err := nats.Connect(env.URL(), nats.Timeout(patience))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	j := env.Open(func(c *journal.Config) { c.Conn = conn })
	if _, err := j.Last(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestFindWalksABlock(t *testing.T) {
	record := func(pos byte, body string) []byte {
		r := make([]byte, recordHeader, recordHeader+len(body))
		r[0], r[3], r[4] = byte(recordHeader+len(body)), hasHeader>>24, pos
		return append(r, body...)
	}
	block := append(append(record(7, "one"), record(8, "other")...), 1, 2, 3)
	for pos, want := range map[events.Position]string{7: "one", 8: "other", 9: ""} {
		got := find(block, pos)
		if want == "" && got != nil || want != "" && string(got[recordHeader:]) != want {
			t.Errorf("position %d: %q", pos, got)
		}
	}
}

// addrOf turns a typed nil into nil.
func addrOf(a *net.TCPAddr) net.Addr {
	if a == nil {
		return nil
	}
	return a
}
