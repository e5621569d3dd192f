package authn

import (
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/grantlog/grantlog/handlers/oauth"
)

// A pair of client and address may fail this often within the window; its next
// attempts are refused until the oldest of these failures has left the window.
const (
	maxFailures = 10
	window      = time.Minute
	// maxPairs bounds the memory of one generation to about 16 MiB.
	maxPairs = 1 << 17
)

type pair [16]byte

func pairOf(client, address string) (p pair) {
	sum := sha256.Sum256([]byte(client + "\x00" + address))
	copy(p[:], sum[:])
	return p
}

// failures is a ring of the latest failure times, as Unix milliseconds.
type failures struct {
	at   [maxFailures]int64
	next uint8
}

// throttle counts failed authentications. It keeps two generations of pairs:
// when the current one is a window old, or full, it becomes the former one and
// what was in the former is forgotten. A pair that is looked at moves along.
type throttle struct {
	mu      sync.Mutex
	current map[pair]failures
	former  map[pair]failures
	since   time.Time
}

func newThrottle() *throttle {
	return &throttle{current: map[pair]failures{}, former: map[pair]failures{}}
}

// blocked returns how long the pair must wait; zero: not at all.
func (t *throttle) blocked(p pair, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	f, ok := t.current[p]
	if !ok {
		f, ok = t.former[p]
	}
	if !ok {
		return 0
	}
	oldest := f.at[f.next] // the ring's next place holds its oldest entry
	if oldest == 0 {
		return 0
	}
	return max(0, time.UnixMilli(oldest).Add(window).Sub(now))
}

func (t *throttle) failed(p pair, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now.Sub(t.since) >= window || len(t.current) >= maxPairs {
		t.former, t.current, t.since = t.current, map[pair]failures{}, now
	}
	f, ok := t.current[p]
	if !ok {
		f = t.former[p]
	}
	f.at[f.next] = now.UnixMilli()
	f.next = (f.next + 1) % maxFailures
	t.current[p] = f
}

func tooManyFailures(wait time.Duration) error {
	return &oauth.Error{
		Status: http.StatusTooManyRequests, Code: oauth.CodeUnavailable,
		Message:    "Too many failed attempts; wait before trying again",
		RetryAfter: int((wait + time.Second - 1) / time.Second),
	}
}
