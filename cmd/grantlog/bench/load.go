package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// patience is how long the requests that are under way at the end of a
	// phase may take.
	patience  = 15 * time.Second
	maxAnswer = 1 << 20 // bytes
	maxErrors = 3       // different ones that a phase keeps
)

// A call is what a phase sends: the same form POST over and over, but for its
// body.
type call struct {
	path   string
	query  string // of the URL
	header http.Header
	count  int // of bodies; 0: as many as wanted
	body   func(i int) string
	// accept checks the answer to body(i). The answer is valid until it
	// returns. It is called by several goroutines.
	accept func(i int, answer []byte) error
}

// load drives servers. One load keeps its connections from phase to phase.
type load struct {
	connections int
	requests    int
	duration    time.Duration
	transport   *http.Transport
}

func (r *run) newLoad() *load {
	return &load{
		connections: r.Connections, requests: r.Requests, duration: r.Duration,
		transport: &http.Transport{
			MaxIdleConns:        (1 + memberCount) * r.Connections, // a server's and a cluster's
			MaxIdleConnsPerHost: r.Connections,
			MaxConnsPerHost:     r.Connections,
			DisableCompression:  true,
		},
	}
}

func (l *load) close() { l.transport.CloseIdleConnections() }

// phase is what one server did in its turn.
type phase struct {
	elapsed   time.Duration
	latencies []time.Duration // of all requests that were answered well, ascending
	failed    int
	errors    []string      // the first few
	cpu       time.Duration // of the server
	cpuKnown  bool
}

// drive sends the call to a server from all connections at once, each sending
// its next request when it has the answer to the last one, until the count or
// the time is used up. The error is that of ctx alone: what went wrong with
// requests is in the phase.
func (l *load) drive(ctx context.Context, p *process, c call) (phase, error) {
	return l.spread(ctx, []*process{p}, c)
}

// spread is drive with connections to several servers in turn.
func (l *load) spread(ctx context.Context, servers []*process, c call) (phase, error) {
	requests := l.requests
	if c.count > 0 {
		requests = min(requests, c.count)
	}
	bounded, cancel := context.WithTimeout(ctx, l.duration+patience)
	defer cancel()
	workers := make([]worker, l.connections)
	runtime.GC() // the garbage of what went before is not this phase's
	before, known := cpuOf(servers)
	began := time.Now()
	var next atomic.Int64
	var wg sync.WaitGroup
	for i := range workers {
		workers[i] = *newWorker(l, servers[i%len(servers)], c)
		w := &workers[i]
		wg.Go(func() {
			for time.Since(began) < l.duration && bounded.Err() == nil {
				n := int(next.Add(1)) - 1
				if n >= requests {
					return
				}
				w.send(bounded, n)
			}
		})
	}
	wg.Wait()
	done := phase{elapsed: time.Since(began)}
	after, stillKnown := cpuOf(servers)
	done.cpu, done.cpuKnown = after-before, known && stillKnown
	for i := range workers {
		done.take(&workers[i])
	}
	slices.Sort(done.latencies)
	return done, ctx.Err()
}

// cpuOf adds up what servers used of the processors.
func cpuOf(servers []*process) (sum time.Duration, known bool) {
	known = true
	for _, p := range servers {
		used, ok := cpuTime(p.pid)
		sum, known = sum+used, known && ok
	}
	return sum, known
}

// A worker is one connection.
type worker struct {
	transport *http.Transport
	call      call
	url       *url.URL
	answer    bytes.Buffer
	latencies []time.Duration
	failed    int
	errors    []string
}

func newWorker(l *load, p *process, c call) *worker {
	return &worker{
		transport: l.transport, call: c,
		url: &url.URL{Scheme: "http", Host: p.address, Path: c.path, RawQuery: c.query},
	}
}

func (w *worker) send(ctx context.Context, n int) {
	began := time.Now()
	err := w.roundTrip(ctx, n)
	if err != nil {
		w.failed++
		if len(w.errors) < maxErrors {
			w.errors = append(w.errors, err.Error())
		}
		return
	}
	w.latencies = append(w.latencies, time.Since(began))
}

func (w *worker) roundTrip(ctx context.Context, n int) error {
	body := w.call.body(n)
	req := (&http.Request{
		Method: http.MethodPost, URL: w.url, Host: w.url.Host, Header: w.call.header,
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}).WithContext(ctx)
	resp, err := w.transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	w.answer.Reset()
	if _, err := w.answer.ReadFrom(io.LimitReader(resp.Body, maxAnswer)); err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("status %d: %.200s", resp.StatusCode, w.answer.Bytes())
	}
	if w.call.accept == nil {
		return nil
	}
	return w.call.accept(n, w.answer.Bytes())
}

func (p *phase) take(w *worker) {
	p.latencies = append(p.latencies, w.latencies...)
	p.failed += w.failed
	for _, e := range w.errors {
		if len(p.errors) < maxErrors && !slices.Contains(p.errors, e) {
			p.errors = append(p.errors, e)
		}
	}
}

// rate is in requests per second.
func (p *phase) rate() float64 { return float64(len(p.latencies)) / p.elapsed.Seconds() }

// cpuPerRequest is in microseconds.
func (p *phase) cpuPerRequest() float64 {
	return float64(p.cpu.Microseconds()) / float64(max(1, len(p.latencies)+p.failed))
}

// percentile is the nearest rank; 0 when nothing was measured.
func (p *phase) percentile(percent int) time.Duration {
	if len(p.latencies) == 0 {
		return 0
	}
	return p.latencies[(len(p.latencies)*percent+99)/100-1]
}

// errAnswer reports an answer of status 200 that is not the expected one.
var errAnswer = errors.New("the answer is not the expected one")

// contains accepts answers that hold a text.
func contains(text string) func(int, []byte) error {
	want := []byte(text)
	return func(_ int, answer []byte) error {
		if !bytes.Contains(answer, want) {
			return errAnswer
		}
		return nil
	}
}
