package password

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// A worker reads requests (length of the password in two bytes, salt, password)
// and answers each with its hash. It ends with its input.

const (
	// niceness of a worker: others get their CPU time nine times as often.
	niceness = 10
	// workerTimeout is how long an answer may take; a worker that needs longer
	// is stopped or stuck.
	workerTimeout = 30 * time.Second
	headBytes     = 2 + saltBytes
	maxForWorker  = 1<<16 - 1
)

// Work is what a worker process does until its input ends. It lowers the
// priority of its thread and stays on it.
func Work(in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	// Without it the worker is a burden to the server, but it works.
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, niceness)
	head := make([]byte, headBytes)
	for {
		if _, err := io.ReadFull(in, head); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		password := make([]byte, binary.BigEndian.Uint16(head))
		if _, err := io.ReadFull(in, password); err != nil {
			return err
		}
		if _, err := out.Write(argon2id(password, head[2:])); err != nil {
			return err
		}
		clear(password)
	}
}

// workers are processes that are started when they are needed and kept.
type workers struct {
	command []string
	log     *slog.Logger

	mu     sync.Mutex
	idle   []*worker // the last used one last
	closed bool
	failed bool // the last start failed: said once
}

// compute hashes with a worker or, failing that, here.
func (ws *workers) compute(password string, salt []byte) []byte {
	w, err := ws.take(len(password))
	if err != nil {
		ws.report(err)
	}
	if w == nil {
		return argon2id([]byte(password), salt)
	}
	hash, err := w.compute(password, salt)
	if err != nil {
		w.end()
		ws.report(err)
		return argon2id([]byte(password), salt)
	}
	ws.giveBack(w)
	return hash
}

// take returns a worker; nil if there are none to be had.
func (ws *workers) take(length int) (*worker, error) {
	ws.mu.Lock()
	if ws.closed || len(ws.command) == 0 || length > maxForWorker {
		ws.mu.Unlock()
		return nil, nil
	}
	if last := len(ws.idle) - 1; last >= 0 {
		w := ws.idle[last]
		ws.idle = ws.idle[:last]
		ws.mu.Unlock()
		return w, nil
	}
	ws.mu.Unlock()
	return startWorker(ws.command)
}

func (ws *workers) giveBack(w *worker) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.failed = false
	if ws.closed {
		w.end()
		return
	}
	ws.idle = append(ws.idle, w)
}

func (ws *workers) report(err error) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if !ws.failed && !ws.closed {
		ws.failed = true
		ws.log.Warn("passwords are hashed in the server's own process, which slows it down", "error", err)
	}
}

func (ws *workers) close() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.closed = true
	for _, w := range ws.idle {
		w.end()
	}
	ws.idle = nil
}

// worker is one process. It is used by one goroutine at a time.
type worker struct {
	cmd *exec.Cmd
	in  *os.File
	out *os.File
}

func startWorker(command []string) (_ *worker, err error) {
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("password: worker: %w", err)
	}
	defer theirIn.Close()
	out, theirOut, err := os.Pipe()
	if err != nil {
		in.Close()
		return nil, fmt.Errorf("password: worker: %w", err)
	}
	defer theirOut.Close()
	w := &worker{exec.Command(command[0], command[1:]...), in, out}
	w.cmd.Stdin, w.cmd.Stdout = theirIn, theirOut
	w.cmd.Env = []string{"GOMAXPROCS=1"} // and no secret of the server's
	if err := w.cmd.Start(); err != nil {
		in.Close()
		out.Close()
		return nil, fmt.Errorf("password: worker: %w", err)
	}
	return w, nil
}

func (w *worker) compute(password string, salt []byte) ([]byte, error) {
	request := binary.BigEndian.AppendUint16(make([]byte, 0, headBytes+len(password)), uint16(len(password)))
	request = append(append(request, salt...), password...)
	defer clear(request)
	deadline := time.Now().Add(workerTimeout)
	hash := make([]byte, hashBytes)
	err := errors.Join(w.in.SetWriteDeadline(deadline), w.out.SetReadDeadline(deadline))
	if err == nil {
		_, err = w.in.Write(request)
	}
	if err == nil {
		_, err = io.ReadFull(w.out, hash)
	}
	if err != nil {
		return nil, fmt.Errorf("password: worker: %w", err)
	}
	return hash, nil
}

// end lets the process go, by force if it does not end with its input.
func (w *worker) end() {
	w.in.Close()
	w.out.Close()
	go func() {
		force := time.AfterFunc(workerTimeout, func() { w.cmd.Process.Kill() })
		defer force.Stop()
		w.cmd.Wait() // the outcome of a worker that is let go says nothing
	}()
}
