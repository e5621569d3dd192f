// Package login owns the question whether an email address and a password are a
// user's. Whatever the reason of a refusal, the answer is one, and so is the
// work before it: an unknown address costs a key look-up and a computation too.
//
// Failures are counted by the log for pairs of an account and a network
// address, so they hold on every replica and across restarts. Of one pair, no
// more attempts are under way on a replica than may still fail: however many
// come at once, N replicas together check at most MaxLoginFailures passwords
// each before the log shows the failures to all of them. Only failures are
// recorded, each after a computation: so their rate is bounded by that of
// argon2id on the cores.
package login

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/password"
	"github.com/grantlog/grantlog/handlers/personal"
	"github.com/grantlog/grantlog/projections"
)

// Purpose names the key of login pairs for the derivation from the master key.
const Purpose = "login pairs"

// Config is what logins are judged with. All fields are required.
type Config struct {
	Emit      *emit.Emitter
	People    *personal.Directory
	Passwords *password.Hasher
	Store     *erasable.Store
	Key       []byte // derived for Purpose
	Log       *slog.Logger
}

// Judge judges logins. It is safe for concurrent use.
type Judge struct {
	Config
	salts     salts
	turnstile turnstile
}

// New returns a Judge.
func New(c Config) *Judge {
	return &Judge{Config: c, salts: salts{store: c.Store, log: c.Log, known: map[int64][]byte{}}}
}

// Attempt is a login.
type Attempt struct {
	Organization string
	Email        string
	Password     string
	Address      string // where it comes from
	Meta         emit.Meta
}

// Check returns the user of an attempt as it was when its password was read:
// what is decided on it must name its Version. The error is
// command.ErrLoginFailed for every reason that the user might know, 429 for a
// pair that failed too often, 503 when too many are being checked, or the
// log's.
func (j *Judge) Check(ctx context.Context, a Attempt) (*projections.User, error) {
	pairs, err := j.pairs(ctx, a)
	if err != nil {
		return nil, err
	}
	leave, err := j.turnstile.enter(ctx, pairs[0], func() (left int, wait time.Duration) {
		j.Emit.View(func(s *projections.State) { left, wait = s.Logins.Failures(j.Emit.Now(), pairs...) })
		return left, wait
	})
	if err != nil {
		return nil, err
	}
	defer leave()
	user, kept, err := j.find(ctx, a)
	if err != nil {
		return nil, err
	}
	right, err := j.Passwords.Check(ctx, kept, a.Password)
	if err != nil {
		return nil, err
	}
	if right && !user.Disabled {
		return user, nil
	}
	return nil, j.failed(ctx, a, pairs[0], user)
}

// failed counts the attempt before its answer is given.
func (j *Judge) failed(ctx context.Context, a Attempt, pair events.LoginPair, user *projections.User) error {
	id := ""
	if user != nil {
		id = user.ID
	}
	_, err := j.Emit.Do(ctx, a.Meta, func(*projections.State, time.Time) (command.Decision, error) {
		return command.RecordLoginFailure(a.Organization, pair, id)
	})
	if err != nil {
		return err
	}
	return command.ErrLoginFailed
}

// nobody is looked up where there is no user, so that it takes as long.
const nobody = "nobody"

// find returns the user that an address leads to and its password's hash. Both
// are empty if there is none.
func (j *Judge) find(ctx context.Context, a Attempt) (user *projections.User, kept string, err error) {
	handles, err := j.People.Handles(ctx, a.Organization, a.Email)
	if err != nil {
		return nil, "", err
	}
	id := nobody
	j.Emit.View(func(s *projections.State) {
		if user = command.UserOf(s, a.Organization, handles); user != nil {
			id = user.ID
		}
	})
	person, err := j.People.Open(ctx, id)
	switch {
	case errors.Is(err, personal.ErrErased):
		return nil, "", nil
	case err != nil:
		return nil, "", err
	}
	// The bucket led here; the log has the last word.
	email, err := person.Unseal(personal.Email, user.Email)
	if err != nil || personal.Canonical(email) != personal.Canonical(a.Email) {
		return nil, "", err
	}
	if user.Password == nil {
		return user, "", nil
	}
	kept, err = person.Unseal(personal.Password, user.Password)
	return user, kept, err
}

// pairs returns what the log counts an attempt's failures by: the pair under
// the salt of the day and, as long as failures of the day before count, that
// under its salt.
func (j *Judge) pairs(ctx context.Context, a Attempt) ([]events.LoginPair, error) {
	now := j.Emit.Now().UTC()
	salt, err := j.salts.of(ctx, dayOf(now))
	if err != nil {
		return nil, err
	}
	pairs := []events.LoginPair{j.pair(salt, a)}
	if before := now.Add(-2 * projections.LoginWindow); dayOf(before) != dayOf(now) {
		if salt, err = j.salts.former(ctx, dayOf(before)); err != nil {
			return nil, err
		}
		if salt != nil {
			pairs = append(pairs, j.pair(salt, a))
		}
	}
	return pairs, nil
}

func (j *Judge) pair(salt []byte, a Attempt) (p events.LoginPair) {
	mac := hmac.New(sha256.New, j.Key)
	for _, part := range []string{string(salt), a.Organization, personal.Canonical(a.Email), network(a.Address)} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	copy(p[:], mac.Sum(nil))
	return p
}

// network is what counts of an address: of IPv6, what one customer has at
// least to himself.
func network(address string) string {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	prefix, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

func tooManyFailures(wait time.Duration) error {
	return &oauth.Error{
		Status: http.StatusTooManyRequests, Code: oauth.CodeUnavailable,
		Message:    "Too many failed attempts; wait before trying again",
		RetryAfter: max(1, int((wait+time.Second-1)/time.Second)),
	}
}
