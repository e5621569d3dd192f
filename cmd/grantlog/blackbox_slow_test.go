package main_test

import (
	"fmt"
	"net"
	"testing"
)

// SECURITY.md "Bad input": clients that never finish what they send keep nobody
// else from being answered.
func TestSlowBodies(t *testing.T) {
	t.Parallel()
	s := start(t)
	app := s.create(s.admin())
	position := s.position()
	for i := range 200 {
		c, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		switch i % 3 {
		case 0:
			fmt.Fprintf(c, "POST /oauth/token HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\ngrant_type=client", formType)
		case 1:
			fmt.Fprintf(c, "POST /oauth/applications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"na")
		default:
			fmt.Fprint(c, "POST /oauth/token HTTP/1.1\r\nHost: x\r\nX-Never: end")
		}
	}
	if now := s.position(); now != position {
		t.Errorf("the log moved from %d to %d", position, now)
	}
	for range 20 {
		s.live(app, s.token(app))
	}
}
