package main_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Section 1: SIGTERM turns readiness off and lets a request in flight finish,
// then exits 0, and what was handed out at the last moment is durable.
func TestStopFinishesRequestsInFlight(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	body := "grant_type=client_credentials&client_id=" + app.ClientID + "&client_secret=" + app.ClientSecret

	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	answers := bufio.NewReader(c)
	fmt.Fprintf(c, "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", formType, len(body))
	// The server asks for the body once its handler reads it: from here on the
	// request is in flight.
	if line, err := answers.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := answers.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(c, body[:10])
	s.signal(syscall.SIGTERM)
	s.eventually("it is not ready", func() bool {
		status, err := s.probe("/readyz")
		if err != nil {
			t.Fatal(err) // while a request is in flight, it tells so itself
		}
		return status == http.StatusServiceUnavailable
	})
	s.get("/healthz").ok()
	last := s.token(app) // of a balancer that has not asked since
	fmt.Fprint(c, body[10:])

	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	got := as[tokenResponse](answer{t: t, status: resp.StatusCode, body: text}.ok())
	if code := s.wait(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	s.start()
	s.live(app, got.AccessToken)
	s.live(app, last)
}

// Section 1: a second start on the same log does not run beside the first one.
func TestTwoServersDoNotShareALog(t *testing.T) {
	t.Parallel()
	s := start(t)
	r := run(t, nil, "serve", "--data", s.data, "--listen", freeAddress(t))
	if r.code == 0 {
		t.Fatal("the second server ran")
	}
	oneClearLine(t, r)
	s.live(s.administrator(), s.admin())
}
