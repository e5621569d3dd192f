package enroll

import (
	"context"
	"errors"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/personal"
	"github.com/grantlog/grantlog/projections"
)

// Change are chosen values of a user. Nil leaves a value as it is.
type Change struct {
	Email  *string
	Role   *string
	SiteID *int64
	// Expected are the revisions to change; nil: any. See command.UpdateUser.
	Expected []events.Position
}

// Update changes a user's profile. Errors are command.ErrUnchanged and those
// of Create.
func (o *Office) Update(ctx context.Context, meta emit.Meta, u *projections.User, c Change) (events.Position, error) {
	target := command.Target{Organization: u.Organization, ID: u.ID}
	chosen := command.UserSettings{Role: c.Role, SiteID: c.SiteID}
	if c.Email != nil {
		if err := command.CheckEmail(*c.Email); err != nil {
			return 0, err
		}
		person, former, err := o.open(ctx, u)
		if err != nil {
			return 0, err
		}
		if former != *c.Email {
			chosen.Email = &command.NewEmail{Sealed: person.Seal(personal.Email, *c.Email), Former: u.Handle, Handle: u.Handle}
			if personal.Canonical(former) != personal.Canonical(*c.Email) {
				chosen.Email.Handle = personal.NewHandle()
			}
		}
	}
	if chosen.Email == nil {
		return o.Emit.Do(ctx, meta, func(s *projections.State, _ time.Time) (command.Decision, error) {
			return command.UpdateUser(s, target, c.Expected, chosen)
		})
	}
	return o.readdress(ctx, meta, u, *c.Email, chosen, func(s *projections.State) (command.Decision, error) {
		return command.UpdateUser(s, target, c.Expected, chosen)
	})
}

// readdress gives a user another address, or another spelling of its own.
func (o *Office) readdress(ctx context.Context, meta emit.Meta, u *projections.User, email string,
	chosen command.UserSettings, decide func(*projections.State) (command.Decision, error),
) (events.Position, error) {
	handle, renamed := chosen.Email.Handle, chosen.Email.Handle != u.Handle
	at, err := o.give(ctx, meta, u.Organization, email, func(s *projections.State, l command.Lookup) (command.Decision, error) {
		chosen.Email.Lookup = l
		return decide(s)
	}, func() error {
		if !renamed {
			return nil
		}
		return o.People.Name(ctx, u.Organization, email, handle)
	})
	switch {
	case renamed && err == nil && o.known(handle):
		o.Erase(ctx, meta, u.ID)
	case renamed && (err == nil || certain(err)):
		// Also when the user was deleted before the change landed.
		o.undo(ctx, u.ID, func(ctx context.Context) error { return o.People.Forget(ctx, u.Organization, email, handle) })
	}
	return at, err
}

// known reports whether the log has taken a handle into account.
func (o *Office) known(handle string) (held bool) {
	o.Emit.View(func(s *projections.State) {
		_, held = s.Users.ByHandle(handle)
		if !held {
			_, held = s.Users.Erasure(handle)
		}
	})
	return held
}

// open returns a user's key and its address. Without the key there is no user
// any more.
func (o *Office) open(ctx context.Context, u *projections.User) (person personal.Person, email string, err error) {
	person, err = o.People.Open(ctx, u.ID)
	if errors.Is(err, personal.ErrErased) {
		return person, "", command.ErrNotFound
	}
	if err != nil {
		return person, "", err
	}
	email, err = person.Unseal(personal.Email, u.Email)
	return person, email, err
}

// SetPassword gives a user another password, which ends its tokens.
func (o *Office) SetPassword(ctx context.Context, meta emit.Meta, u *projections.User, plain string) (events.Position, error) {
	if err := command.CheckPassword(plain); err != nil {
		return 0, err
	}
	hash, err := o.Passwords.Hash(ctx, plain)
	if err != nil {
		return 0, err
	}
	person, _, err := o.open(ctx, u)
	if err != nil {
		return 0, err
	}
	sealed := person.Seal(personal.Password, hash)
	return o.Emit.Do(ctx, meta, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.SetPassword(s, command.Target{Organization: u.Organization, ID: u.ID}, sealed)
	})
}
