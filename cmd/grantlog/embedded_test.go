package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// patience bounds waits that end as soon as their condition holds.
const patience = time.Minute

// startNATS starts an embedded server that ends with the test.
func startNATS(t *testing.T, dir string, listen address, log *slog.Logger) *embeddedNATS {
	t.Helper()
	e, err := startEmbedded(dir, listen, log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.stop)
	return e
}

func connect(t *testing.T, e *embeddedNATS) *nats.Conn {
	t.Helper()
	nc, err := e.connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

func makeStream(t *testing.T, nc *nats.Conn) (jetstream.JetStream, jetstream.Stream) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: "TEST", Subjects: []string{events.SubjectAll}})
	if err != nil {
		t.Fatal(err)
	}
	return js, stream
}

func TestEmbeddedKeepsWhatItAcknowledged(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	dir := t.TempDir()
	for start := range uint64(3) {
		e, err := startEmbedded(dir, "", slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if !e.server.JetStreamConfig().SyncAlways || e.server.JetStreamConfig().StoreDir != storeDir(dir) {
			t.Errorf("%+v", e.server.JetStreamConfig())
		}
		nc, err := e.connect()
		if err != nil {
			t.Fatal(err)
		}
		js, stream := makeStream(t, nc)
		if got := stream.CachedInfo().State.LastSeq; got != start {
			t.Errorf("start %d finds %d messages", start, got)
		}
		if _, err := js.Publish(t.Context(), events.BeaconsSubject(), []byte("x")); err != nil {
			t.Fatal(err)
		}
		nc.Close()
		e.stop()
		if _, err := e.connect(); err == nil {
			t.Error("a stopped server takes connections")
		}
	}
}

func TestEmbeddedOpensNoPort(t *testing.T) {
	e := startNATS(t, t.TempDir(), "", slog.New(slog.DiscardHandler))
	if e.server.Addr() != nil || e.server.MonitorAddr() != nil || e.server.ClusterAddr() != nil || e.server.ProfilerAddr() != nil {
		t.Error("the server listens")
	}
}

func TestEmbeddedThatCannotStart(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, start := range map[string]func() (*embeddedNATS, error){
		"port taken": func() (*embeddedNATS, error) {
			return startEmbedded(t.TempDir(), address(taken.Addr().String()), slog.New(slog.DiscardHandler))
		},
		"no directory": func() (*embeddedNATS, error) {
			return startEmbedded(filepath.Join(settingsFile(t, ""), "below"), "", slog.New(slog.DiscardHandler))
		},
	} {
		if _, err := start(); err == nil || !strings.HasPrefix(err.Error(), "embedded NATS: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Clients of --nats-listen may subscribe to revocations. They may not publish,
// ask JetStream for anything or listen to anything else.
func TestListenerIsForRevocationsOnly(t *testing.T) {
	e := startNATS(t, t.TempDir(), "127.0.0.1:0", slog.New(slog.DiscardHandler))
	inside := connect(t, e)
	_, stream := makeStream(t, inside)

	violations := make(chan error, 10)
	outside, err := nats.Connect("nats://"+string(e.listen), nats.Timeout(patience), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { violations <- err }))
	if err != nil {
		t.Fatal(err)
	}
	defer outside.Close()
	got := make(chan *nats.Msg, 10)
	if _, err := outside.ChanSubscribe(events.RevocationsSubject("acme"), got); err != nil {
		t.Fatal(err)
	}

	for name, forbidden := range map[string]func() error{
		"publishing":     func() error { return outside.Publish(events.TokensSubject(), []byte("x")) },
		"revoking":       func() error { return outside.Publish(events.RevocationsSubject("acme"), []byte("x")) },
		"deleting":       func() error { return outside.Publish("$JS.API.STREAM.DELETE.TEST", nil) },
		"reading tokens": func() error { _, err := outside.SubscribeSync(events.TokensSubject()); return err },
		"reading all":    func() error { _, err := outside.SubscribeSync(">"); return err },
		"reading around": func() error { _, err := outside.SubscribeSync("grantlog.*.acme"); return err },
	} {
		if err := forbidden(); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-violations:
			if !errors.Is(err, nats.ErrPermissionViolation) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(patience):
			t.Fatalf("%s is not refused", name)
		}
	}
	if _, err := stream.Info(t.Context()); err != nil {
		t.Errorf("the stream is gone: %v", err)
	}

	if err := inside.Publish(events.TokensSubject(), []byte("secret")); err != nil {
		t.Fatal(err)
	}
	if err := inside.Publish(events.RevocationsSubject("acme"), []byte("ended")); err != nil {
		t.Fatal(err)
	}
	select {
	case msg := <-got:
		if string(msg.Data) != "ended" {
			t.Errorf("got %s", msg.Data)
		}
	case <-time.After(patience):
		t.Error("the revocation does not arrive")
	}
}

func TestListenerRefusesOtherCredentials(t *testing.T) {
	e := startNATS(t, t.TempDir(), "127.0.0.1:0", slog.New(slog.DiscardHandler))
	for name, opt := range map[string]nats.Option{
		"wrong password": nats.UserInfo(e.user, "x"),
		"no password":    nats.UserInfo(e.user, ""),
		"other user":     nats.UserInfo("consumer", e.password),
		"token":          nats.Token(e.password),
	} {
		nc, err := nats.Connect("nats://"+string(e.listen), nats.Timeout(patience), opt)
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("%s: got %v", name, err)
		}
		if err == nil {
			nc.Close()
		}
	}
}

// A connection survives its server being replaced on the same files.
func TestConnectionFollowsARelaunch(t *testing.T) {
	e := startNATS(t, t.TempDir(), address(journaltest.Address(t)), slog.New(slog.DiscardHandler))
	nc := connect(t, e)
	js, _ := makeStream(t, nc)
	if _, err := js.Publish(t.Context(), events.BeaconsSubject(), []byte("before")); err != nil {
		t.Fatal(err)
	}
	listen := e.listen
	if !e.relaunch() {
		t.Fatal("no relaunch")
	}
	if e.listen != listen {
		t.Errorf("the listener moved from %s to %s", listen, e.listen)
	}
	ack, err := publishAtLast(t, js)
	if err != nil || ack.Sequence != 2 {
		t.Errorf("%+v %v", ack, err)
	}
}

// publishAtLast publishes until it is acknowledged.
func publishAtLast(t *testing.T, js jetstream.JetStream) (ack *jetstream.PubAck, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for ctx.Err() == nil {
		try, done := context.WithTimeout(ctx, time.Second)
		ack, err = js.Publish(try, events.BeaconsSubject(), []byte("x"), jetstream.WithMsgID("publish-at-last"))
		done()
		if err == nil {
			return ack, nil
		}
	}
	return nil, err
}

// logBuffer is a log that may be read while it is written.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// A quiet start: whoever runs the server is told of nothing that is as it
// should be.
func TestStartWarnsOfNothing(t *testing.T) {
	for _, listen := range []address{"", "127.0.0.1:0"} {
		var out logBuffer
		e := startNATS(t, t.TempDir(), listen, newLogger(&out, logLevel(slog.LevelInfo), "text"))
		connect(t, e)
		if got := out.String(); got != "" {
			t.Errorf("listening on %q:\n%s", listen, got)
		}
	}
}

func TestServerLogIsPassedOn(t *testing.T) {
	for level, want := range map[string]bool{"debug": true, "info": false} {
		var out logBuffer
		var l logLevel
		if err := l.UnmarshalText([]byte(level)); err != nil {
			t.Fatal(err)
		}
		e := startNATS(t, t.TempDir(), "", newLogger(&out, l, "json"))
		connect(t, e)
		if got := strings.Contains(out.String(), "nats: Server is ready"); got != want {
			t.Errorf("at %s:\n%s", level, out.String())
		}
		if strings.Contains(out.String(), e.password) {
			t.Error("the log shows the password")
		}
	}
}
