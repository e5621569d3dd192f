package enroll

import (
	"context"
	"errors"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/projections"
)

// poll is how long what another replica, or a crash, left to be destroyed waits
// at most.
const poll = 15 * time.Second

// Delete ends a user and its tokens, and destroys what is kept of it outside of
// the log. The log remembers what is still to be destroyed: if that fails here,
// Run goes on with it.
func (o *Office) Delete(ctx context.Context, meta emit.Meta, u *projections.User) (events.Position, error) {
	at, err := o.Emit.Do(ctx, meta, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.DeleteUser(s, command.Target{Organization: u.Organization, ID: u.ID})
	})
	if err == nil {
		o.Erase(ctx, meta, u.ID)
	}
	return at, err
}

// Erase destroys what is left of a user, and logs what it cannot.
func (o *Office) Erase(ctx context.Context, meta emit.Meta, user string) {
	if err := o.erase(ctx, meta, func(e *projections.Erasure) bool { return e.User == user }); err != nil {
		o.Log.Warn("personal data were not destroyed yet; trying again", "user", user, "error", err)
	}
}

// Run destroys what is left over until ctx ends. Every replica does; the log
// keeps one confirmation.
func (o *Office) Run(ctx context.Context) {
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		err := o.erase(ctx, emit.Meta{}, func(*projections.Erasure) bool { return true })
		if err != nil && ctx.Err() == nil {
			o.Log.Warn("personal data were not destroyed yet; trying again", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// erase goes in the order of the state. It stops at the first failure: a user's
// key must not go before its addresses.
func (o *Office) erase(ctx context.Context, meta emit.Meta, wanted func(*projections.Erasure) bool) error {
	var all []*projections.Erasure
	o.Emit.View(func(s *projections.State) { all = s.Users.Erasures() })
	for _, e := range all {
		if !wanted(e) {
			continue
		}
		if err := o.People.Erase(ctx, e); err != nil {
			return err
		}
		_, err := o.Emit.Do(ctx, meta, func(s *projections.State, _ time.Time) (command.Decision, error) {
			return command.ConfirmErasure(s, e.Handle)
		})
		if err != nil && !errors.Is(err, command.ErrUnchanged) {
			return err
		}
	}
	return nil
}
