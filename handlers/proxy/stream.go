package proxy

import (
	"bufio"
	"io"
	"maps"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labstack/echo/v4"
)

// sent is the body of a call. It notes whether the caller, and not the
// upstream, broke off.
type sent struct {
	io.ReadCloser
	control *http.ResponseController
	broken  atomic.Pointer[error]
}

func (s *sent) Read(p []byte) (int, error) {
	n, err := s.ReadCloser.Read(p)
	switch {
	case err == io.EOF:
		// What follows is the wait for the answer, which has bounds of its own.
		if e := s.control.SetReadDeadline(time.Time{}); e != nil {
			return n, e
		}
	case err != nil:
		s.broken.Store(&err)
	}
	return n, err
}

// received is the body of an answer. Its clock runs while the upstream is
// silent.
type received struct {
	io.ReadCloser
	clock   *time.Timer
	silence time.Duration
}

func (r *received) Read(p []byte) (int, error) {
	r.clock.Reset(r.silence)
	n, err := r.ReadCloser.Read(p)
	r.clock.Stop() // the caller's time is not the upstream's
	return n, err
}

// writer writes an answer to the caller, who must go on taking it. It keeps the
// upstream's headers apart until they are final, and interim answers (1xx) to
// itself.
type writer struct {
	to      *echo.Response
	control *http.ResponseController
	header  http.Header // of the answer, while it is not begun
	begun   bool
	stall   time.Duration
}

// begin bounds the time that the caller has for its body. (The server clears
// all bounds before the connection's next request.)
func (w *writer) begin(upload time.Duration, noBody bool) error {
	if noBody {
		return w.control.SetReadDeadline(time.Time{})
	}
	return w.control.SetReadDeadline(time.Now().Add(upload))
}

// Header implements http.ResponseWriter.
func (w *writer) Header() http.Header {
	if w.begun {
		return w.to.Header() // for trailers
	}
	return w.header
}

// WriteHeader implements http.ResponseWriter.
func (w *writer) WriteHeader(status int) {
	if status < http.StatusOK || w.begun {
		return
	}
	w.begun = true
	maps.Copy(w.to.Header(), w.header)
	w.to.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (w *writer) Write(b []byte) (int, error) {
	if err := w.control.SetWriteDeadline(time.Now().Add(w.stall)); err != nil {
		return 0, err
	}
	return w.to.Write(b)
}

// Hijack gives the connection away, with which all deadlines go.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := w.control.Hijack()
	if err == nil {
		w.to.Committed, w.to.Status = true, http.StatusSwitchingProtocols
	}
	return conn, buffered, err
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.to }

// buffers are what bodies are copied through.
var buffers = &pool{sync.Pool{New: func() any { return new([32 << 10]byte) }}}

type pool struct{ pool sync.Pool }

func (p *pool) Get() []byte  { return p.pool.Get().(*[32 << 10]byte)[:] }
func (p *pool) Put(b []byte) { p.pool.Put((*[32 << 10]byte)(b)) }
