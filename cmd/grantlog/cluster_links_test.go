package main_test

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// links are what the members of a cluster reach each other by: a proxy from
// each one to each other one, on loopback, that hands on what is said, late or
// not at all. Members have no other way: the addresses by which they tell each
// other of third ones lead nowhere.
type links struct {
	t testing.TB

	mu    sync.Mutex
	rules [3][3]rule // from, to
	pipes map[*pipe]bool
	over  bool
}

// rule is what happens to what one member says to another.
type rule struct {
	cut  bool // connections are ended and refused: to be set for both directions
	lose bool // it is taken and not handed on
	wait time.Duration
}

// pipe is a connection from one member to another through a proxy.
type pipe struct {
	dialer, target int
	ends           [2]net.Conn // of the dialer and of the target
	lost           bool        // something was: there is no going on after that
}

func newLinks(t testing.TB) *links {
	l := &links{t: t, pipes: map[*pipe]bool{}}
	t.Cleanup(l.close)
	return l
}

// connect puts the proxies between members that do not run yet.
func (l *links) connect(c *cluster) {
	l.t.Helper()
	c.links = l
	for i, s := range c.members {
		var routes []string
		for j := range c.members {
			if i != j {
				routes = append(routes, "nats://"+l.listen(i, j, c.listens[j]))
			}
		}
		s.args[slices.Index(s.args, "--cluster-routes")+1] = strings.Join(routes, ",")
		s.args = append(s.args, "--cluster-advertise", freeAddress(l.t))
	}
}

// listen starts the proxy from a member to another one and returns its address.
func (l *links) listen(dialer, target int, address string) string {
	l.t.Helper()
	listener, err := net.Listen("tcp", freeAddress(l.t))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go l.serve(&pipe{dialer: dialer, target: target, ends: [2]net.Conn{conn}}, address)
		}
	}()
	return listener.Addr().String()
}

func (l *links) serve(p *pipe, address string) {
	defer p.ends[0].Close()
	if l.rule(p.dialer, p.target).cut {
		return
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return
	}
	defer conn.Close()
	if p.ends[1] = conn; !l.add(p) {
		return
	}
	defer l.remove(p)
	back := make(chan struct{})
	go func() {
		defer close(back)
		l.carry(p, p.target, p.dialer, p.ends[1], p.ends[0])
	}()
	l.carry(p, p.dialer, p.target, p.ends[0], p.ends[1])
	<-back
}

// carry hands on what one end of a pipe says, until either end has gone.
func (l *links) carry(p *pipe, from, to int, said io.Reader, heard io.Writer) {
	defer p.close()
	words := make([]byte, 32<<10)
	for {
		n, err := said.Read(words)
		if err != nil {
			return
		}
		r := l.rule(from, to)
		if r.lose {
			l.mu.Lock()
			p.lost = true
			l.mu.Unlock()
			continue
		}
		if r.wait > 0 {
			time.Sleep(r.wait)
		}
		if _, err := heard.Write(words[:n]); err != nil {
			return
		}
	}
}

func (p *pipe) close() {
	p.ends[0].Close()
	p.ends[1].Close()
}

func (l *links) rule(from, to int) rule {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.rules[from][to]
}

func (l *links) add(p *pipe) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over || l.rules[p.dialer][p.target].cut {
		return false
	}
	l.pipes[p] = true
	return true
}

func (l *links) remove(p *pipe) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pipes, p)
}

// set makes a rule for what each of some members says to each of some others.
func (l *links) set(r rule, from, to []int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, i := range from {
		for _, j := range to {
			l.rules[i][j] = r
		}
	}
	l.drop(func(p *pipe) bool { return l.rules[p.dialer][p.target].cut })
}

// heal makes every link as it should be. Where something was lost, the members
// connect anew.
func (l *links) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rules = [3][3]rule{}
	l.drop(func(p *pipe) bool { return p.lost })
}

// drop ends pipes. The caller holds the lock.
func (l *links) drop(which func(*pipe) bool) {
	for p := range l.pipes {
		if which(p) {
			p.close()
		}
	}
}

func (l *links) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	l.drop(func(*pipe) bool { return true })
}
