package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// maxStore is the server's own limit of its files, in bytes. The log is bounded
// by its disk and by nothing else: left alone, the server would take three
// quarters of what was free when it started.
const maxStore = 1 << 60

// embeddedNATS is a nats-server in this process, which syncs every write before
// it acknowledges it and opens no port unless it is asked to.
//
// A server whose disk was full refuses writes until it is started again. So a
// goroutine starts a new one on the same files once there is room; connections
// made by connect find it by themselves.
type embeddedNATS struct {
	dir      string
	log      *slog.Logger
	user     string // of connect, where there is a listener
	password string
	member   *membership // nil: a single server
	unsynced bool        // whoever started it syncs the files, once it has stopped

	alarm chan struct{} // the server logged an error
	done  chan struct{}
	guard sync.WaitGroup

	mu     sync.Mutex // guards what follows
	server *server.Server
	said   *natsLogger // by the server
	listen address     // with the port that the system chose
}

// startEmbedded starts a server that keeps its files in dir/jetstream, and
// returns when it takes connections. With a listen address, clients that reach
// it may subscribe to revocations and do nothing else.
func startEmbedded(dir string, listen address, log *slog.Logger) (*embeddedNATS, error) {
	return startMember(dir, listen, nil, log)
}

// startMember is startEmbedded for a member of a cluster, which opens one port
// more, to the other members. It does not wait for them.
func startMember(dir string, listen address, m *membership, log *slog.Logger) (*embeddedNATS, error) {
	return (&embeddedNATS{dir: dir, log: log, member: m, listen: listen}).start()
}

func (e *embeddedNATS) start() (*embeddedNATS, error) {
	e.user, e.password = "grantlog", rand.Text()
	e.alarm, e.done = make(chan struct{}, 1), make(chan struct{})
	if err := e.launch(); err != nil {
		return nil, err
	}
	e.guard.Go(e.watch)
	return e, nil
}

// launch starts a server on the files.
func (e *embeddedNATS) launch() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	opts, err := e.options()
	if err != nil {
		return err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("embedded NATS: %w", err)
	}
	natsLog := &natsLogger{log: e.log, alarm: e.alarm}
	s.SetLoggerV2(natsLog, e.log.Enabled(context.Background(), slog.LevelDebug), false, false)
	// Start returns when startup is complete and the listener is open, so
	// nothing has to be polled.
	s.Start()
	if e.member != nil {
		route(s, e.listen != "")
	}
	if reason := natsLog.fatal.Load(); reason != nil {
		s.Shutdown()
		return fmt.Errorf("embedded NATS: %s", *reason)
	}
	if e.listen != "" {
		e.listen = address(s.Addr().String())
	}
	e.server, e.said = s, natsLog
	return nil
}

func (e *embeddedNATS) options() (*server.Options, error) {
	opts := &server.Options{
		ServerName:             "grantlog",
		JetStream:              true,
		StoreDir:               e.dir,
		SyncAlways:             !e.unsynced,
		JetStreamMaxStore:      maxStore,
		DontListen:             e.listen == "",
		NoSigs:                 true,
		DisableJetStreamBanner: true,
	}
	if e.member != nil {
		if err := e.member.apply(opts); err != nil {
			return nil, err
		}
	}
	if e.listen == "" {
		return opts, nil
	}
	host, port, err := net.SplitHostPort(string(e.listen))
	if err != nil {
		return nil, fmt.Errorf("--nats-listen: %w", err)
	}
	opts.Host = host
	if opts.Port, err = strconv.Atoi(port); err != nil {
		return nil, fmt.Errorf("--nats-listen: %w", err)
	}
	if opts.Port == 0 {
		opts.Port = server.RANDOM_PORT
	}
	opts.CustomClientAuthentication = &doorkeeper{e.user, e.password}
	return opts, nil
}

// connect opens a connection inside the process.
func (e *embeddedNATS) connect() (*nats.Conn, error) {
	opts := append(connOptions(e.log), nats.InProcessServer(e), nats.UserInfo(e.user, e.password))
	nc, err := nats.Connect("", opts...)
	if err != nil {
		return nil, fmt.Errorf("embedded NATS: %w", err)
	}
	return nc, nil
}

var errStopped = errors.New("the embedded NATS is stopped")

// InProcessConn implements nats.InProcessConnProvider: a reconnect reaches the
// server of the day.
func (e *embeddedNATS) InProcessConn() (net.Conn, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return nil, errStopped
	}
	return e.server.InProcessConn()
}

// stop flushes the store and waits until the server is gone. A member of a
// cluster first leaves what it leads to another one.
func (e *embeddedNATS) stop() {
	close(e.done)
	e.guard.Wait()
	if e.member != nil && e.server != nil {
		handOver(e.server)
	}
	e.land()
}

// settle makes durable what was not synced when it was written, and has the
// server run again.
func (e *embeddedNATS) settle() error {
	e.land()
	return errors.Join(syncStore(storeDir(e.dir)), e.launch())
}

// id tells the server of the day from those before.
func (e *embeddedNATS) id() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return ""
	}
	return e.server.ID()
}

// syncStore makes everything in a store durable, but for what the server is
// still removing.
func syncStore(dir string) error {
	gone := func(err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() && !d.Type().IsRegular() {
			return gone(err)
		}
		return gone(syncDir(path)) // a file is synced as a directory is
	})
}

// single reports whether all of the log is in this process.
func (e *embeddedNATS) single() bool { return e != nil && e.member == nil }

// land ends the server, if one runs.
func (e *embeddedNATS) land() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.server == nil {
		return
	}
	e.server.Shutdown()
	e.server.WaitForShutdown()
	e.server = nil
}
