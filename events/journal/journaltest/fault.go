package journaltest

import (
	"bytes"
	"net"
	"sync/atomic"

	"github.com/grantlog/grantlog/events"
)

// A Fault breaks the connection at a publish to the log.
type Fault struct {
	// Delivered says that the server gets the publish and only its answer is
	// lost; otherwise the publish is lost too.
	Delivered bool
	// Then, if set, runs after the publish was or was not delivered and before
	// the client learns that its connection is broken. It must not use that
	// connection.
	Then func()
	// Times is how many publishes in a row are hit; 0: 1.
	Times int
}

// Break arms a fault for the publishes that the connections of this process
// make next.
func (e *Env) Break(f Fault) {
	f.Times = max(f.Times, 1)
	e.fault.Store(&f)
}

// strike returns the fault that hits the written bytes, if any.
func (e *Env) strike(b []byte) *Fault {
	f := e.fault.Load()
	if f == nil || !bytes.Contains(b, publishLine) {
		return nil
	}
	var rest *Fault
	if f.Times > 1 {
		again := *f
		again.Times--
		rest = &again
	}
	if !e.fault.CompareAndSwap(f, rest) {
		return nil
	}
	return f
}

// publishLine starts a publish with headers to a subject of the log.
var publishLine = []byte("HPUB " + events.SubjectAll[:len(events.SubjectAll)-1])

// faultConn is the client's end of a connection.
type faultConn struct {
	net.Conn
	env    *Env
	broken atomic.Bool // reads give nothing any more
}

func (c *faultConn) Write(b []byte) (int, error) {
	f := c.env.strike(b)
	if f == nil {
		return c.Conn.Write(b)
	}
	c.broken.Store(true)
	n := len(b)
	if f.Delivered {
		n, _ = c.Conn.Write(b)
	}
	if f.Then != nil {
		f.Then()
	}
	c.Close()
	return n, nil
}

func (c *faultConn) Read(b []byte) (int, error) {
	for {
		n, err := c.Conn.Read(b)
		if err != nil || !c.broken.Load() {
			return n, err
		}
	}
}
