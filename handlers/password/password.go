// Package password owns how passwords are hashed and checked: argon2id
// (RFC 9106), one computation per core at a time. What does not find a free
// core waits in a queue that is bounded, so that a flood of logins costs a
// known amount of memory and is refused instead of slowing everything down.
//
// A computation holds a core for tens of milliseconds and 19 MiB, which in a
// Go process everybody else feels: goroutines wait for their turn, and the
// garbage collector runs after every other password. So a server has it done
// by worker processes of a low priority (worker.go). Where these cannot be
// started it is done here.
//
// A hash is kept in the PHC string form, which names its parameters:
//
//	$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"

	"golang.org/x/crypto/argon2"

	"github.com/grantlog/grantlog/handlers/oauth"
)

// The parameters that OWASP recommends for argon2id.
const (
	memory    = 19 << 10 // KiB
	passes    = 2
	lanes     = 1
	saltBytes = 16
	hashBytes = 32
)

// queuePerSlot is how many computations may wait for each slot: what a core
// does in a second or two.
const queuePerSlot = 32

// ErrBusy is returned when the queue is full.
var ErrBusy error = &oauth.Error{
	Status: http.StatusServiceUnavailable, Code: oauth.CodeUnavailable,
	Message: "Too many logins are under way; retry", RetryAfter: 1,
}

// errForm says that a kept hash is none of this package.
var errForm = errors.New("password: not a hash of this package")

// Config says how a Hasher works.
type Config struct {
	// Worker is a command that runs Work on its standard input and output.
	// Empty: passwords are hashed in this process.
	Worker []string
	Log    *slog.Logger // required; never told of passwords
}

// Hasher hashes and checks passwords. It is safe for concurrent use.
type Hasher struct {
	slots   chan struct{}
	waiting atomic.Int64
	limit   int64
	workers workers
	decoy   parsed // what a password is compared with when there is none
}

// New returns a Hasher with a slot for every core that Go uses.
func New(c Config) *Hasher { return newHasher(c, runtime.GOMAXPROCS(0)) }

func newHasher(c Config, slots int) *Hasher {
	h := &Hasher{
		slots: make(chan struct{}, slots), limit: int64(slots * queuePerSlot),
		workers: workers{command: c.Worker, log: c.Log},
		decoy:   parsed{salt: make([]byte, saltBytes), hash: make([]byte, hashBytes)},
	}
	rand.Read(h.decoy.salt)
	rand.Read(h.decoy.hash)
	return h
}

// Close ends the workers. What is hashed afterwards is hashed in this process.
func (h *Hasher) Close() { h.workers.close() }

// Hash returns the form of a password that is kept. Errors are ErrBusy and that
// of ctx.
func (h *Hasher) Hash(ctx context.Context, password string) (string, error) {
	p := parsed{salt: make([]byte, saltBytes)}
	rand.Read(p.salt)
	var err error
	if p.hash, err = h.compute(ctx, password, p.salt); err != nil {
		return "", err
	}
	return p.String(), nil
}

// Check reports whether a password is the one of a kept hash. With an empty
// hash it takes as long and is not. Errors are ErrBusy, that of ctx, and one
// for what is no hash.
func (h *Hasher) Check(ctx context.Context, kept, password string) (bool, error) {
	p, known := h.decoy, kept != ""
	if known {
		var err error
		if p, err = parse(kept); err != nil {
			return false, err
		}
	}
	got, err := h.compute(ctx, password, p.salt)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, p.hash) == 1 && known, nil
}

// compute waits for a slot.
func (h *Hasher) compute(ctx context.Context, password string, salt []byte) ([]byte, error) {
	if h.waiting.Add(1) > h.limit+int64(cap(h.slots)) {
		h.waiting.Add(-1)
		return nil, ErrBusy
	}
	defer h.waiting.Add(-1)
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	return h.workers.compute(password, salt), nil
}

func argon2id(password, salt []byte) []byte {
	return argon2.IDKey(password, salt, passes, memory, lanes, hashBytes)
}

// parsed is a kept hash.
type parsed struct{ salt, hash []byte }

// head names the algorithm and its parameters. All hashes have these: others
// come with another case in parse.
var head = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$", argon2.Version, memory, passes, lanes)

func (p parsed) String() string {
	enc := base64.RawStdEncoding
	return head + enc.EncodeToString(p.salt) + "$" + enc.EncodeToString(p.hash)
}

func parse(kept string) (p parsed, err error) {
	rest, ok := strings.CutPrefix(kept, head)
	salt, hash, found := strings.Cut(rest, "$")
	if !ok || !found {
		return p, errForm
	}
	enc := base64.RawStdEncoding.Strict()
	p.salt, err = enc.DecodeString(salt)
	if err == nil {
		p.hash, err = enc.DecodeString(hash)
	}
	// The decoder skips line breaks; a hash has exactly one spelling.
	if err != nil || len(p.salt) != saltBytes || len(p.hash) != hashBytes || p.String() != kept {
		return parsed{}, errForm
	}
	return p, nil
}
