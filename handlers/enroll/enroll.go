// Package enroll owns how people become users, change and go: what of it is
// hashed, sealed and kept outside of the log before the log is asked, and what
// is destroyed there after the log said so.
//
// That an address has one user is decided by the log. An address is looked up
// at one revision of its organization's users, and whatever gives a user an
// address is appended only if they are still at that revision. On one replica
// these decisions are made one after another; across replicas the loser looks
// the address up again.
package enroll

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/password"
	"github.com/grantlog/grantlog/handlers/personal"
	"github.com/grantlog/grantlog/projections"
)

// rounds bounds how often an address is looked up anew because the users of
// its organization changed meanwhile.
const rounds = 16

// Config is what users are enrolled with. All fields are required.
type Config struct {
	Emit      *emit.Emitter
	People    *personal.Directory
	Passwords *password.Hasher
	Log       *slog.Logger // told of ids, never of addresses
}

// Office enrolls users. It is safe for concurrent use.
type Office struct {
	Config
	turn chan struct{} // held while an address is looked up and given
}

// New returns an Office. Run destroys what is left over.
func New(c Config) *Office { return &Office{Config: c, turn: make(chan struct{}, 1)} }

// Person is a user to be.
type Person struct {
	ID           string // empty: a new one
	Organization string
	Email        string
	Password     string // empty: no login by password
	Known        bool   // the password is not chosen now: it may be short
	Role         string
	SiteID       int64
}

// Create makes a user and returns its id. Errors are *command.Error,
// password.ErrBusy, command.ErrRepeated, and those of the log and the bucket.
func (o *Office) Create(ctx context.Context, meta emit.Meta, p Person) (id string, at events.Position, err error) {
	in := command.NewUser{
		Organization: p.Organization, ID: cmp.Or(p.ID, events.NewUUID()),
		Profile: events.UserProfile{Handle: personal.NewHandle(), Role: p.Role, SiteID: p.SiteID},
	}
	if err := check(p, in.Profile); err != nil {
		return "", 0, err
	}
	hash := ""
	if p.Password != "" {
		if hash, err = o.Passwords.Hash(ctx, p.Password); err != nil {
			return "", 0, err
		}
	}
	at, err = o.give(ctx, meta, p.Organization, p.Email, func(s *projections.State, l command.Lookup) (command.Decision, error) {
		in.Lookup = l
		return command.CreateUser(s, in)
	}, func() error {
		person, err := o.People.Register(ctx, in.ID)
		if err != nil {
			return err
		}
		in.Profile.Email = person.Seal(personal.Email, p.Email)
		if hash != "" {
			in.Password = person.Seal(personal.Password, hash)
		}
		return o.People.Name(ctx, p.Organization, p.Email, in.Profile.Handle)
	})
	if certain(err) {
		o.undo(ctx, in.ID, func(ctx context.Context) error {
			return errors.Join(
				o.People.Forget(ctx, p.Organization, p.Email, in.Profile.Handle),
				o.People.Discard(ctx, in.ID))
		})
	}
	return in.ID, at, err
}

func check(p Person, profile events.UserProfile) error {
	if err := command.CheckEmail(p.Email); err != nil {
		return err
	}
	accept := command.CheckPassword
	if p.Known {
		accept = command.CheckKnownPassword
	}
	if p.Password != "" {
		if err := accept(p.Password); err != nil {
			return err
		}
	}
	return command.CheckProfile(profile)
}

// Find returns the user who has an address; nil if nobody has it.
func (o *Office) Find(ctx context.Context, organization, email string) (u *projections.User, err error) {
	handles, err := o.People.Handles(ctx, organization, email)
	if err != nil {
		return nil, err
	}
	o.Emit.View(func(s *projections.State) { u = command.UserOf(s, organization, handles) })
	return u, nil
}

// give appends a decision that gives a user an address. prepare writes what
// must be outside of the log before; it runs once, if the address is free.
func (o *Office) give(ctx context.Context, meta emit.Meta, organization, email string,
	decide func(*projections.State, command.Lookup) (command.Decision, error), prepare func() error,
) (events.Position, error) {
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	prepared := false
	for range rounds {
		lookup, err := o.lookup(ctx, organization, email)
		if err != nil {
			return 0, err
		}
		if !prepared {
			// What is refused already leaves no trace.
			o.Emit.View(func(s *projections.State) {
				_, err = command.Once(s, o.Emit.Now(), meta.Request, func() (command.Decision, error) { return decide(s, lookup) })
			})
			if errors.Is(err, command.ErrMoved) {
				continue
			}
			if err == nil {
				err = prepare()
			}
			if err != nil {
				return 0, err
			}
			prepared = true
		}
		at, err := o.Emit.Do(ctx, meta, func(s *projections.State, _ time.Time) (command.Decision, error) {
			return decide(s, lookup)
		})
		if !errors.Is(err, command.ErrMoved) {
			return at, err
		}
	}
	return 0, emit.ErrContended
}

// lookup reads what an address leads to, after the revision that it is good for.
func (o *Office) lookup(ctx context.Context, organization, email string) (l command.Lookup, err error) {
	o.Emit.View(func(s *projections.State) { l.Revision = s.Users.Revision(organization) })
	l.Handles, err = o.People.Handles(ctx, organization, email)
	return l, err
}

// certain reports whether an error says that nothing was appended: a refusal, a
// repetition, or a failure of what comes before.
func certain(err error) bool {
	var refusal *command.Error
	return errors.As(err, &refusal) || errors.Is(err, command.ErrRepeated) || errors.Is(err, erasable.ErrUnavailable)
}

// undoTimeout bounds what is done for a request that is over.
const undoTimeout = 5 * time.Second

// undo destroys what was written for a decision that came to nothing. What it
// leaves behind leads to nobody.
func (o *Office) undo(ctx context.Context, user string, destroy func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTimeout)
	defer cancel()
	if err := destroy(ctx); err != nil {
		o.Log.Warn("what was kept for an address that no user has was not destroyed", "user", user, "error", err)
	}
}
