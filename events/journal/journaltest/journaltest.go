// Package journaltest runs a real nats-server for tests: in this process, on a
// directory of the test, with an fsync after every write and no open port. It
// owns the server and the connections it hands out and ends them with the
// test.
package journaltest

import (
	"bytes"
	"context"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events/journal"
)

// patience bounds every wait of this package; a healthy server needs a
// fraction of it.
const patience = time.Minute

// MACKey returns the key of the journals that Open opens.
func MACKey() []byte { return bytes.Repeat([]byte{7}, 32) }

// Env is a running server. Its methods fail the test instead of returning
// errors.
type Env struct {
	// Conn is a connection that survives Restart.
	Conn *nats.Conn

	t    testing.TB
	opts server.Options

	fault atomic.Pointer[Fault]

	mu  sync.Mutex
	srv *server.Server // nil while stopped
}

// An Option changes how the server runs.
type Option func(*server.Options)

// Listen lets clients outside the process connect to a port of the loopback
// interface; see URL.
func Listen() Option {
	return func(o *server.Options) { o.DontListen, o.Host, o.Port = false, "127.0.0.1", server.RANDOM_PORT }
}

// MaxStore limits what the server stores, in bytes.
func MaxStore(n int64) Option {
	return func(o *server.Options) { o.JetStreamMaxStore = n }
}

// StoreDir keeps the log in a directory other than one of the test.
func StoreDir(dir string) Option {
	return func(o *server.Options) { o.StoreDir = dir }
}

// New starts a server and connects to it.
func New(t testing.TB, opts ...Option) *Env {
	t.Helper()
	e := &Env{t: t, opts: server.Options{
		ServerName:             "journaltest",
		DontListen:             true,
		JetStream:              true,
		SyncAlways:             true,
		NoSigs:                 true,
		NoLog:                  true,
		DisableJetStreamBanner: true,
	}}
	for _, o := range opts {
		o(&e.opts)
	}
	if e.opts.Port == server.RANDOM_PORT {
		e.opts.Port = portOf(Address(t)) // the same after a Restart
	}
	if e.opts.StoreDir == "" {
		e.opts.StoreDir = t.TempDir()
	}
	t.Cleanup(e.Stop)
	e.Start()
	e.Conn = e.Connect()
	return e
}

// Dir is the server's store directory.
func (e *Env) Dir() string { return e.opts.StoreDir }

// URL is where clients outside the process connect, if Listen was given.
func (e *Env) URL() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.srv.ClientURL()
}

// Connect makes a further connection, such as another replica has.
func (e *Env) Connect() *nats.Conn {
	e.t.Helper()
	nc, err := nats.Connect("",
		nats.InProcessServer(e),
		nats.Timeout(patience),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(5*time.Millisecond),
		nats.ReconnectJitter(0, 0),
		nats.ReconnectBufSize(-1),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}),
	)
	if err != nil {
		e.t.Fatalf("journaltest: connect: %v", err)
	}
	e.t.Cleanup(nc.Close)
	return nc
}

// Open opens a journal on the server. Before each change the configuration has
// Conn, MACKey and a replica id. The journal is closed with the test.
func (e *Env) Open(change ...func(*journal.Config)) *journal.Journal {
	e.t.Helper()
	cfg := journal.Config{Conn: e.Conn, MACKey: MACKey(), Replica: "r_test"}
	for _, c := range change {
		c(&cfg)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	j, err := journal.Open(ctx, cfg)
	if err != nil {
		e.t.Fatalf("journaltest: open: %v", err)
	}
	e.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := j.Close(ctx); err != nil {
			e.t.Errorf("journaltest: close: %v", err)
		}
	})
	return j
}

// Stop shuts the server down and waits until it is gone. It does nothing while
// the server is stopped.
func (e *Env) Stop() {
	e.mu.Lock()
	srv := e.srv
	e.srv = nil
	e.mu.Unlock()
	if srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// Start starts the server again on the same store. Connections come back by
// themselves.
func (e *Env) Start() {
	e.t.Helper()
	opts := e.opts
	srv, err := server.NewServer(&opts)
	if err != nil {
		e.t.Fatalf("journaltest: server: %v", err)
	}
	go srv.Start()
	if !srv.ReadyForConnections(patience) {
		e.t.Fatal("journaltest: the server did not start")
	}
	e.mu.Lock()
	e.srv = srv
	e.mu.Unlock()
}

// Restart stops and starts the server on the same store.
func (e *Env) Restart() {
	e.t.Helper()
	e.Stop()
	e.Start()
}

// Drop cuts all connections; the server goes on.
func (e *Env) Drop() {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	conns, err := e.srv.Connz(&server.ConnzOptions{})
	if err != nil {
		e.t.Fatalf("journaltest: connections: %v", err)
	}
	for _, c := range conns.Conns {
		if err := e.srv.DisconnectClientByID(c.Cid); err != nil {
			e.t.Logf("journaltest: disconnect: %v", err)
		}
	}
}

// InProcessConn implements nats.InProcessConnProvider for the server that runs
// now, so that connections survive Restart.
func (e *Env) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.srv == nil {
		return nil, net.ErrClosed
	}
	conn, err := e.srv.InProcessConn()
	if err != nil {
		return nil, err
	}
	return &faultConn{Conn: conn, env: e}, nil
}
