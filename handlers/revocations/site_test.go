package revocations_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/revocations"
	"github.com/grantlog/grantlog/projections"
)

// replica is a server with the feeds and nothing else, and an application that
// may listen.
type replica struct {
	*emittest.Replica
	t       testing.TB
	address string
	token   string
	applied atomic.Int64 // when the feed was told of the last record, in Unix nanoseconds
	open    atomic.Int64 // connections
}

func newReplica(t testing.TB, config revocations.Config) *replica {
	t.Helper()
	r := &replica{t: t}
	var feed atomic.Pointer[revocations.Endpoint]
	r.Replica = emittest.New(t, journaltest.New(t), emittest.Config{OnApply: []func(*journal.Record){func(record *journal.Record) {
		if e := feed.Load(); e != nil {
			r.applied.Store(time.Now().UnixNano())
			e.Hub().Applied(record)
		}
	}}})
	digest := events.SecretDigest{1}
	r.Record("acme", &events.OrganizationCreated{ID: "acme", Name: "Acme"}, &events.ApplicationCreated{
		ID: "a1", ClientID: "app_1", Secret: &digest,
		ApplicationSettings: events.ApplicationSettings{Name: "Listener", Scopes: []string{"revocations:read"}},
	})
	r.token = r.issue()
	config.Authn = authn.New(authn.Config{
		View: r.View, CatchUp: r.CatchUp, Hash: credential.NewHasher(nil).Digest, Now: time.Now,
		Verify: func(string) ([]byte, error) { return nil, errors.New("only tokens of the log count here") },
	})
	config.Position, config.Epoch = r.Follower.Position, r.Follower.Epoch
	config.Read, config.First, config.Fresh = r.Journal.Read, r.Journal.First, r.Follower.Fresh
	stopping := make(chan struct{})
	config.Stopping = stopping
	endpoint := revocations.New(config)
	feed.Store(endpoint)
	e := echo.New()
	e.HTTPErrorHandler = oauth.ErrorHandler(slog.New(slog.DiscardHandler))
	endpoint.Mount(e.Group(""))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: e, ConnState: func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			r.open.Add(1)
		case http.StateClosed:
			r.open.Add(-1)
		}
	}}
	go func() { _ = server.Serve(narrow{l}) }()
	t.Cleanup(func() { close(stopping); server.Close() })
	r.address = l.Addr().String()
	return r
}

// narrow gives connections small buffers, so that a listener who does not read
// is noticed.
type narrow struct{ net.Listener }

func (n narrow) Accept() (net.Conn, error) {
	c, err := n.Listener.Accept()
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetWriteBuffer(8 << 10)
	}
	return c, err
}

// issue records a token of the listener; nobody checks the signature of a token
// that the log shows.
func (r *replica) issue() string {
	r.t.Helper()
	id := events.NewTokenID()
	token := "e30." + base64.RawURLEncoding.EncodeToString([]byte(`{"jti":"`+id.String()+`"}`)) + ".c2lnbmF0dXJl"
	_, err := r.Do(r.t.Context(), emit.Meta{}, func(s *projections.State, now time.Time) (command.Decision, error) {
		app, _ := s.Applications.Get("a1")
		return command.RecordToken(command.Grant{
			Client: command.Client{Application: app, Secret: 1}, Scope: "revocations:read", IssuedAt: now, ExpiresAt: now.Add(time.Hour),
		}, "client_credentials", id, authn.Digest(token), "key")
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// revoke ends a token of nobody, in so many words, and returns where that
// stands.
func (r *replica) revoke(words int) events.Position {
	r.t.Helper()
	return r.Record("acme", &events.TokenRevoked{ID: events.NewTokenID(), Application: "a1", Reason: strings.Repeat("word ", words)})
}

// listener is a connection that listens.
type listener struct {
	net.Conn
	lines *bufio.Reader
	id    string // the last it got
}

// listen opens the stream after a place; empty: after now. Nothing is read.
func listen(address, token, after string) (*listener, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	_ = conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	if after != "" {
		after = "Last-Event-ID: " + after + "\r\n"
	}
	_, err = fmt.Fprintf(conn, "GET /oauth/revocations/stream HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\n%s\r\n", address, token, after)
	return &listener{Conn: conn, lines: bufio.NewReaderSize(conn, 512)}, err
}

// next reads up to the end of an event and returns its data, empty for an id
// alone or a heartbeat. The chunks of the answer end where events do.
func (l *listener) next() (data string, err error) {
	id := ""
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimRight(line, "\n")
		switch name, value, _ := strings.Cut(line, ": "); {
		case name == "id":
			id = value
		case name == "data":
			data = value
		case line == "" && (id != "" || data != ""):
			l.id = id
			return data, nil
		}
	}
}

// ending reads the next ending, and where it stands.
func (l *listener) ending() (events.Position, error) {
	for {
		data, err := l.next()
		if err != nil {
			return 0, err
		}
		if data == "" {
			continue
		}
		var e projections.Ending
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return 0, err
		}
		return e.Position, nil
	}
}
