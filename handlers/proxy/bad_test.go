package proxy_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/grantlog/grantlog/handlers/proxy"
)

// soon is a bound that a test meets, and that what is not held up does not.
const soon = 500 * time.Millisecond

const (
	failed = `{"code":502,"message":"The upstream failed"}`
	late   = `{"code":504,"message":"The upstream did not answer in time"}`
)

// hang reads the call, so that it learns of its end, and no more.
func hang(_ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
}

// An upstream that gives no answer: 502 or 504, in grantlog's own words.
func TestUpstreamsThatFail(t *testing.T) {
	gone := upstream(t, nil)
	gone.URL.Host = "127.0.0.1:1" // where nobody listens
	for _, c := range []struct {
		name string
		to   proxy.Target
		want string
	}{
		{"hangs", upstream(t, hang), late},
		{"resets", upstream(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), failed},
		{"is gone", gone, failed},
		{"no HTTP", upstream(t, raw("hello\r\n\r\n")), failed},
		{"huge header", upstream(t, raw("HTTP/1.1 200 OK\r\nX: "+strings.Repeat("a", 1<<20)+"\r\n\r\n")), failed},
		{"switches unasked", upstream(t, raw("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")), failed},
		{"bad encoding", upstream(t, raw("HTTP/1.1 200 OK\r\nTransfer-Encoding: nonsense\r\n\r\n")), failed},
	} {
		t.Run(c.name, func(t *testing.T) {
			bounds := proxy.Config{}
			if c.want == late {
				bounds.Answer = soon
			}
			answer, text, err := newFace(t, c.to, bounds).post("{}")
			if err != nil || text != c.want || answer.Header.Get("X-Ratelimit-Limit") != "50" {
				t.Errorf("%d %s %v", answer.StatusCode, text, err)
			}
		})
	}
}

// An upstream that falls silent, or breaks off, in the middle of an answer: the
// caller can tell that the answer is not whole.
func TestAnswersThatBreakOff(t *testing.T) {
	for name, rest := range map[string]http.HandlerFunc{
		"silent": hang,
		"reset":  func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFace(t, upstream(t, func(w http.ResponseWriter, r *http.Request) {
				io.WriteString(w, "begun")
				http.NewResponseController(w).Flush()
				rest(w, r)
			}), proxy.Config{Silence: soon})
			if answer, text, err := f.post("{}"); err == nil || answer.StatusCode != http.StatusOK || text != "begun" {
				t.Errorf("%d %q %v", answer.StatusCode, text, err)
			}
		})
	}
}

// An answer of 10 GB flows through: it is not collected anywhere. A caller that
// goes away in the middle of it ends it.
func TestHugeAnswers(t *testing.T) {
	left := make(chan struct{})
	block := make([]byte, 64<<10)
	f := newFace(t, upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(left)
		w.Header().Set("Content-Length", "10737418240")
		for range 10 << 30 / len(block) {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}), proxy.Config{})
	answer, err := f.client.Do(f.request(http.MethodGet, nil))
	if err != nil || answer.ContentLength != 10<<30 {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, io.LimitReader(answer.Body, 512<<20), make([]byte, len(block)))
	if err != nil || n != 512<<20 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.TotalAlloc - before.TotalAlloc); grown > 32<<20 {
		t.Errorf("%d bytes were allocated for 512 MiB", grown)
	}
	answer.Body.Close()
	<-left
}

// A caller that takes no more of its answer is let go, and its upstream too.
func TestCallersThatStall(t *testing.T) {
	left := make(chan struct{})
	block := make([]byte, 1<<20)
	f := newFace(t, upstream(t, func(w http.ResponseWriter, _ *http.Request) {
		defer close(left)
		for {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}), proxy.Config{Stall: soon})
	answer, err := f.client.Do(f.request(http.MethodGet, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	<-left
}

// The bounds of one call do not hold for what follows on its connection.
func TestBoundsEndWithTheirCall(t *testing.T) {
	const stall = time.Second
	f := newFace(t, upstream(t, func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }), proxy.Config{Stall: stall, Upload: stall})
	if answer, text, err := f.post("hello"); err != nil || text != "hello" {
		t.Fatalf("%d %q %v", answer.StatusCode, text, err)
	}
	for began := time.Now(); time.Since(began) < 2*stall; {
		answer, err := f.client.Post(f.server.URL+"/other", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
	}
}

// A caller that goes away takes its call with it.
func TestCallersThatLeave(t *testing.T) {
	called, left := make(chan struct{}), make(chan struct{})
	f := newFace(t, upstream(t, func(_ http.ResponseWriter, r *http.Request) {
		close(called)
		<-r.Context().Done()
		close(left)
	}), proxy.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-called
		cancel()
	}()
	if _, err := f.client.Do(f.request(http.MethodGet, nil).WithContext(ctx)); err == nil {
		t.Error("an answer")
	}
	<-left
}

// Bodies that break off, never end or are too long are the caller's fault.
func TestBadBodies(t *testing.T) {
	f := newFace(t, upstream(t, func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }),
		proxy.Config{MaxRequest: 1 << 20, Upload: time.Second})
	long := strings.Repeat("a", 1<<20+1)
	for name, c := range map[string]struct {
		text string
		want int
	}{
		"whole":             {"Content-Length: 5\r\n\r\nhello", http.StatusOK},
		"the longest":       {"Content-Length: 1048576\r\n\r\n" + long[1:], http.StatusOK},
		"malformed":         {"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n", http.StatusBadRequest},
		"never ends":        {"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", http.StatusRequestTimeout},
		"too long":          {"Content-Length: 1048577\r\n\r\n" + long, http.StatusRequestEntityTooLarge},
		"too long, chunked": {"Transfer-Encoding: chunked\r\n\r\n100001\r\n" + long + "\r\n0\r\n\r\n", http.StatusRequestEntityTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			conn, err := net.Dial("tcp", f.server.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go io.WriteString(conn, "POST /call HTTP/1.1\r\nHost: x\r\n"+c.text)
			answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if answer.StatusCode != c.want {
				t.Errorf("%d", answer.StatusCode)
			}
		})
	}
}

// A WebSocket goes through, both ways, until either side ends it.
func TestWebSocket(t *testing.T) {
	left := make(chan error, 1)
	to := upstream(t, func(w http.ResponseWriter, r *http.Request) {
		c, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			left <- err
			return
		}
		defer c.Close()
		io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+r.Header.Get("Upgrade")+"\r\nSec-Websocket-Accept: x\r\n\r\n")
		_, err = io.Copy(c, buffered)
		left <- err
	})
	to.Upgrade = true
	f := newFace(t, to, proxy.Config{Answer: 10 * time.Second})
	answer, err := f.client.Do(f.request(http.MethodGet, nil, "Connection", "Upgrade", "Upgrade", "WebSocket", "Sec-Websocket-Key", "x"))
	if err != nil {
		t.Fatal(err)
	}
	tunnel, ok := answer.Body.(io.ReadWriteCloser)
	if !ok || answer.StatusCode != http.StatusSwitchingProtocols || answer.Header.Get("X-Ratelimit-Limit") != "50" || answer.Header.Get("Sec-Websocket-Accept") != "x" {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	echoed := make([]byte, 5)
	for range 3 {
		if _, err := io.WriteString(tunnel, "hello"); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(tunnel, echoed); err != nil || string(echoed) != "hello" {
			t.Fatalf("%q %v", echoed, err)
		}
	}
	tunnel.Close()
	<-left
	if status := <-f.seen; status != http.StatusSwitchingProtocols {
		t.Errorf("status %d", status)
	}
}

// Nothing but a WebSocket, asked for by GET, is tunnelled: in what else a
// connection may be switched to, calls would follow that nobody judges.
func TestOtherUpgrades(t *testing.T) {
	for _, c := range []struct {
		method, protocol string
		upgrade          bool
	}{{"GET", "h2c", true}, {"GET", "websocket, h2c", true}, {"POST", "websocket", true}, {"GET", "websocket", false}} {
		told := ""
		to := upstream(t, func(_ http.ResponseWriter, r *http.Request) {
			told = r.Header.Get("Upgrade") + r.Header.Get("Connection")
		})
		to.Upgrade = c.upgrade
		f := newFace(t, to, proxy.Config{})
		answer, err := f.client.Do(f.request(c.method, nil, "Connection", "Upgrade, HTTP2-Settings", "Upgrade", c.protocol, "Http2-Settings", "AAMAAABk"))
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if told != "" || answer.StatusCode != http.StatusOK {
			t.Errorf("%s %s: %q, %d", c.method, c.protocol, told, answer.StatusCode)
		}
	}
}
