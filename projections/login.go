package projections

import (
	"bytes"
	"maps"
	"slices"
	"time"

	"github.com/grantlog/grantlog/events"
)

// MaxLoginFailures is how often logins of a pair may fail within
// LoginWindow before further ones are refused unheard.
const (
	MaxLoginFailures = 10
	LoginWindow      = time.Minute
)

// Logins counts failed logins: on every replica the same, and across restarts.
// How many pairs it holds is bounded by how many passwords can be checked in
// two windows.
type Logins struct {
	pairs map[events.LoginPair]loginFailures
	swept int64 // window of log time
}

// loginFailures are the latest failures in log order, as Unix microseconds;
// zeros first.
type loginFailures [MaxLoginFailures]int64

func newLogins() *Logins { return &Logins{pairs: map[events.LoginPair]loginFailures{}} }

// Failures tells how many logins may still fail at a time for someone whom all
// the given pairs stand for and, if none may, how long that lasts.
func (l *Logins) Failures(now time.Time, pairs ...events.LoginPair) (left int, wait time.Duration) {
	var recent []int64
	for _, p := range pairs {
		f := l.pairs[p]
		for _, at := range f {
			if at != 0 && now.Sub(time.UnixMicro(at)) < LoginWindow {
				recent = append(recent, at)
			}
		}
	}
	if left = MaxLoginFailures - len(recent); left > 0 {
		return left, 0
	}
	slices.Sort(recent)
	return 0, time.UnixMicro(recent[-left]).Add(LoginWindow).Sub(now)
}

func (l *Logins) fail(at at, d *events.LoginFailed) {
	f := l.pairs[d.Pair]
	copy(f[:], f[1:])
	f[len(f)-1] = max(1, at.time.UnixMicro())
	l.pairs[d.Pair] = f
}

// sweep drops the pairs that count no more, once per window of log time.
func (l *Logins) sweep(now time.Time) {
	window := now.Unix() / int64(LoginWindow/time.Second)
	if window <= l.swept {
		return
	}
	l.swept = window
	maps.DeleteFunc(l.pairs, func(_ events.LoginPair, f loginFailures) bool {
		return now.Sub(time.UnixMicro(slices.Max(f[:]))) >= 2*LoginWindow
	})
}

// loginPair is a pair in a snapshot.
type loginPair struct {
	Pair events.LoginPair `json:"pair"`
	At   []int64          `json:"at"`
}

func (e *sectionWriter) logins(l *Logins) {
	pairs := slices.SortedFunc(maps.Keys(l.pairs), func(a, b events.LoginPair) int { return bytes.Compare(a[:], b[:]) })
	for _, p := range pairs {
		f := l.pairs[p]
		first := slices.IndexFunc(f[:], func(at int64) bool { return at != 0 })
		e.json(sectionLogin, loginPair{p, f[first:]})
	}
}

func (l *Logins) restore(p *loginPair) bool {
	_, taken := l.pairs[p.Pair]
	if taken || len(p.At) == 0 || len(p.At) > MaxLoginFailures || slices.Contains(p.At, 0) {
		return false
	}
	var f loginFailures
	copy(f[len(f)-len(p.At):], p.At)
	l.pairs[p.Pair] = f
	return true
}
