package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	startTimeout = 2 * time.Minute  // for a server to become ready, which may have a long log to read
	stopTimeout  = 10 * time.Second // for it to end after SIGTERM
	pollInterval = time.Millisecond
)

// process is a server that this run started.
type process struct {
	address string // host:port
	pid     int
	log     string // file with what it wrote

	end    context.CancelFunc
	exited chan struct{} // closed when it is gone
	err    error         // after exited: how it ended, nil when it was asked to and did
}

// spawn starts the executable with a command whose --listen is a free loopback
// port. It does not wait until the server answers.
func (r *run) spawn(ctx context.Context, command string, args ...string) (*process, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	log, err := os.CreateTemp(r.dir, command+"-*.log")
	if err != nil {
		return nil, err
	}
	defer log.Close()
	ctx, end := context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, r.executable, append([]string{command, "--listen", address}, args...)...)
	cmd.Env = cleanEnvironment(os.Environ())
	cmd.Dir = r.dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = stopTimeout // then Wait kills it
	if err := cmd.Start(); err != nil {
		end()
		return nil, err
	}
	p := &process{address: address, pid: cmd.Process.Pid, log: log.Name(), end: end, exited: make(chan struct{})}
	go func() {
		defer close(p.exited)
		if err := cmd.Wait(); !errors.Is(err, context.Canceled) {
			p.err = err
		}
	}()
	return p, nil
}

// start is spawn and waiting until the server says that it is ready.
func (r *run) start(ctx context.Context, command string, args ...string) (*process, error) {
	p, err := r.spawn(ctx, command, args...)
	if err != nil {
		return nil, err
	}
	if err := p.ready(ctx); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

// ready waits until the server says that it is.
func (p *process) ready(ctx context.Context) error {
	return p.poll(ctx, func(ctx context.Context) error {
		_, err := request{method: http.MethodGet, path: "/readyz"}.send(ctx, p)
		return err
	})
}

// poll calls attempt until it succeeds. It gives up when the server ends or
// has had its time.
func (p *process) poll(ctx context.Context, attempt func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		err := attempt(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-p.exited:
			return fmt.Errorf("the server ended (%v): %s", p.err, p.lastWords())
		case <-ctx.Done():
			return fmt.Errorf("the server is not ready: %w: %s", errors.Join(ctx.Err(), err), p.lastWords())
		}
	}
}

// stop ends the server, by force if it does not end by itself, and returns
// when it is gone.
func (p *process) stop() {
	p.end()
	<-p.exited
}

// lastWords is the end of what the server wrote.
func (p *process) lastWords() string {
	b, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	lines := bytes.Split(bytes.TrimSpace(b), []byte("\n"))
	return string(bytes.Join(lines[max(0, len(lines)-3):], []byte("; ")))
}

// ports counts the addresses that were given out. They are below the range that
// systems take clients' ports from: one of that range may be a connection's by
// the time that a server starts.
var ports atomic.Uint32

// freeAddress finds a loopback port that nobody listens on, another one with
// each call.
func freeAddress() (string, error) {
	var err error
	for range 1000 {
		addr := fmt.Sprintf("127.0.0.1:%d", 12_000+(uint32(os.Getpid())*61+ports.Add(1))%8000)
		var l net.Listener
		if l, err = net.Listen("tcp", addr); err == nil {
			return addr, l.Close()
		}
	}
	return "", err
}

// cleanEnvironment leaves out the settings of a server that runs here: one of
// them could lead the load to a log that is in use.
func cleanEnvironment(env []string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, "GRANTLOG_") })
}

// dataDir makes an empty data directory.
func (r *run) dataDir() (string, error) {
	dir, err := os.MkdirTemp(r.dir, "data-")
	if err != nil {
		return "", err
	}
	return filepath.Abs(dir)
}
