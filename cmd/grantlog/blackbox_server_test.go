package main_test

import (
	"context"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// patience bounds every wait of the tests. It is no claim about speed: a wait
// ends as soon as its condition holds.
const patience = time.Minute

// server is a `grantlog serve` with a data directory of its own, which outlives
// its processes.
type server struct {
	t       testing.TB
	data    string
	addr    string
	args    []string // after --data and --listen
	env     []string // added to the environment
	program string   // of another version; empty: what is tested
	out     *transcript
	base    http.RoundTripper

	run *process // nil while none runs
}

// process is one run of the server.
type process struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed when it ended
}

// start runs a new server and waits until it is ready.
func start(t testing.TB, args ...string) *server {
	t.Helper()
	s := prepare(t, args...)
	s.start()
	return s
}

// prepare makes a server that does not run yet.
func prepare(t testing.TB, args ...string) *server {
	t.Helper()
	s := &server{
		t: t, data: filepath.Join(t.TempDir(), "data"), addr: freeAddress(t), args: args,
		out: &transcript{}, base: &http.Transport{},
	}
	t.Cleanup(s.finish)
	return s
}

// in returns the server for use in a subtest.
func (s *server) in(t testing.TB) *server {
	sub := *s
	sub.t = t
	return &sub
}

func (s *server) issuer() string { return "http://" + s.addr }

func (s *server) command() []string {
	return append([]string{"serve", "--data", s.data, "--listen", s.addr, "--log-level", "debug"}, s.args...)
}

// launch runs the server without waiting for it.
func (s *server) launch() {
	s.t.Helper()
	program := s.program
	if program == "" {
		program = grantlog(s.t)
	}
	cmd := exec.Command(program, s.command()...)
	cmd.Env = append(cleanEnv(), s.env...)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	p := &process{cmd: cmd, exited: make(chan struct{})}
	go func() {
		cmd.Wait() // the outcome is in cmd.ProcessState
		close(p.exited)
	}()
	s.run = p
}

func (s *server) start() {
	s.t.Helper()
	s.launch()
	s.ready()
}

// ready waits until the server that was launched is ready.
func (s *server) ready() {
	s.t.Helper()
	s.readyWithin(patience)
}

func (s *server) readyWithin(atMost time.Duration) {
	s.t.Helper()
	s.within(atMost, "the server is ready", func() bool {
		select {
		case <-s.run.exited:
			s.t.Fatalf("the server ended: %v\n%s", s.run.cmd.ProcessState, s.out.tail())
		default:
		}
		ready, err := s.probe("/readyz")
		return err == nil && ready == http.StatusOK
	})
}

// probe asks without a check against the description.
func (s *server) probe(path string) (status int, err error) {
	r, err := (&http.Client{Transport: s.base, Timeout: patience}).Get(s.issuer() + path)
	if err != nil {
		return 0, err
	}
	return r.StatusCode, r.Body.Close()
}

// wait waits for the process to end and returns its exit code.
func (s *server) wait() int {
	s.t.Helper()
	select {
	case <-s.run.exited:
	case <-time.After(patience):
		s.t.Fatalf("the server does not end\n%s", s.out.tail())
	}
	code := s.run.cmd.ProcessState.ExitCode()
	s.run = nil
	s.base.(*http.Transport).CloseIdleConnections()
	return code
}

func (s *server) signal(sig os.Signal) {
	s.t.Helper()
	if err := s.run.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// stop ends the server as an operator does.
func (s *server) stop() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	if code := s.wait(); code != 0 {
		s.t.Errorf("exit code %d after SIGTERM\n%s", code, s.out.tail())
	}
}

// kill ends the server as a power cut ends its process.
func (s *server) kill() {
	s.t.Helper()
	s.signal(syscall.SIGKILL)
	s.wait()
}

func (s *server) restart() {
	s.t.Helper()
	s.stop()
	s.start()
}

// finish leaves nothing behind and looks for what no run may have printed.
func (s *server) finish() {
	if s.run != nil {
		select {
		case <-s.run.exited:
			s.t.Errorf("the server ended by itself: %v", s.run.cmd.ProcessState)
		default:
			s.stop()
		}
	}
	printed := s.out.String()
	for _, bad := range []string{"panic:", "DATA RACE", "goroutine 1 ["} {
		if strings.Contains(printed, bad) {
			s.t.Errorf("the server printed %q", bad)
		}
	}
	if s.t.Failed() {
		s.t.Logf("the server printed:\n%s", s.out.tail())
	}
}

// eventually waits until a condition holds.
func (s *server) eventually(what string, holds func() bool) {
	s.t.Helper()
	s.within(patience, what, holds)
}

// says waits until the server has printed something, which arrives here a
// moment after it was printed.
func (s *server) says(text string) {
	s.t.Helper()
	s.eventually("the server says "+text, func() bool { return strings.Contains(s.out.String(), text) })
}

// within is eventually for what takes its time by design.
func (s *server) within(atMost time.Duration, what string, holds func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("waited in vain until %s\n%s", what, s.out.tail())
		}
	}
}

func freeAddress(t testing.TB) string {
	t.Helper()
	return journaltest.Address(t)
}

// cleanEnv is the environment without settings of whoever runs the tests.
func cleanEnv() []string {
	var env []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "GRANTLOG_") {
			env = append(env, e)
		}
	}
	return env
}

// transcript collects what the processes of a server print.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (w *transcript) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(b)
}

func (w *transcript) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// tail returns the last lines, without what the embedded NATS tells at debug
// level.
func (w *transcript) tail() string {
	const most = 6000
	var kept strings.Builder
	for line := range strings.Lines(w.String()) {
		if !strings.Contains(line, "level=DEBUG") || !strings.Contains(line, "nats: ") {
			kept.WriteString(line)
		}
	}
	s := kept.String()
	if len(s) > most {
		s = "…" + s[len(s)-most:]
	}
	return s
}
