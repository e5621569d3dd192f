package password

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/crypto/argon2"
)

// TestMain lets the test binary be the command of a worker.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "work" {
		if err := Work(os.Stdin, os.Stdout); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	goleak.VerifyTestMain(patient{m})
}

// patient waits for what tests let go: goleak looks for less than half a second,
// and the end of a worker takes as long as that of a process does.
type patient struct{ *testing.M }

func (p patient) Run() int {
	code := p.M.Run()
	for end := time.Now().Add(2 * workerTimeout); goleak.Find() != nil && time.Now().Before(end); {
	}
	return code
}

func withWorkers(t *testing.T, slots int, command ...string) (*Hasher, *bytes.Buffer) {
	t.Helper()
	if command == nil {
		command = []string{os.Args[0], "work"}
	}
	said := &bytes.Buffer{}
	h := newHasher(Config{Worker: command, Log: slog.New(slog.NewTextHandler(said, nil))}, slots)
	t.Cleanup(h.Close)
	return h, said
}

func TestWorkersHash(t *testing.T) {
	h, said := withWorkers(t, 2)
	var wg sync.WaitGroup
	for _, plain := range []string{"", "a", "correct horse", strings.Repeat("x", 1024), "\x00\xff", strings.Repeat("y", maxForWorker+1)} {
		wg.Go(func() {
			kept, err := h.Hash(t.Context(), plain)
			if err != nil {
				t.Error(err)
				return
			}
			// The same by the library, in this process.
			p, err := parse(kept)
			if want := argon2.IDKey([]byte(plain), p.salt, 2, 19*1024, 1, 32); err != nil || !bytes.Equal(p.hash, want) {
				t.Errorf("%.20q: another hash than the library's, %v", plain, err)
			}
		})
	}
	wg.Wait()
	if n := len(h.workers.idle); n < 1 || n > 2 {
		t.Errorf("%d workers for 2 slots", n)
	}
	if said.Len() > 0 {
		t.Errorf("logged %s", said)
	}
}

// A worker that dies costs nobody a login, and another one takes its place.
func TestDeadWorkerIsReplaced(t *testing.T) {
	h, said := withWorkers(t, 1)
	kept, err := h.Hash(t.Context(), "x")
	if err != nil {
		t.Fatal(err)
	}
	dead := h.workers.idle[0]
	if err := dead.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if ok, err := h.Check(t.Context(), kept, "x"); !ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
	}
	if n := len(h.workers.idle); n != 1 || h.workers.idle[0] == dead {
		t.Errorf("%d workers are left", n)
	}
	if strings.Count(said.String(), "level=WARN") != 1 {
		t.Errorf("logged %s", said)
	}
}

func TestWithoutWorkers(t *testing.T) {
	h, said := withWorkers(t, 1, "/nowhere/at/all")
	for range 3 {
		kept, err := h.Hash(t.Context(), "x")
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := h.Check(t.Context(), kept, "x"); !ok || err != nil {
			t.Errorf("%v, %v", ok, err)
		}
	}
	if strings.Count(said.String(), "level=WARN") != 1 {
		t.Errorf("logged %s", said)
	}
}

func TestCloseEndsWorkers(t *testing.T) {
	h, _ := withWorkers(t, 1)
	if _, err := h.Hash(t.Context(), "x"); err != nil {
		t.Fatal(err)
	}
	process := h.workers.idle[0].cmd.Process
	h.Close()
	for process.Signal(syscall.Signal(0)) == nil { // until it was waited for
	}
	if _, err := h.Hash(t.Context(), "x"); err != nil {
		t.Errorf("after Close: %v", err)
	}
}

func TestWorkEndsWithItsInput(t *testing.T) {
	for input, want := range map[string]error{
		"":                                   nil,
		"\x00":                               io.ErrUnexpectedEOF,
		"\x00\x01" + strings.Repeat("s", 16): io.EOF,
		"\x00\x02" + strings.Repeat("s", 16) + "p": io.ErrUnexpectedEOF,
	} {
		var out bytes.Buffer
		done := make(chan error)
		go func() { done <- Work(strings.NewReader(input), &out) }() // it lowers its thread's priority
		if err := <-done; !errors.Is(err, want) || out.Len() > 0 {
			t.Errorf("%q: %v, want %v; wrote %d bytes", input, err, want, out.Len())
		}
	}
}
