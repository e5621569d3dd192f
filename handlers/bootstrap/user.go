package bootstrap

import (
	"context"
	"errors"

	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/enroll"
)

// User is somebody who logs in, as a seed file gives it. It is known by its
// Email; empty values of one that exists stay as they are.
type User struct {
	Email    string // must not be printed
	Password string // must not be printed
	Role     string
	SiteID   int64
}

// user makes the log show a user as the seed has it. The password is set at
// creation only: one that was changed since must not come back with a file that
// was written before. Of a deleted user nothing is left that could tell: it is
// made anew, as long as it stands in the file.
func (r *seeding) user(ctx context.Context, organization string, u User) error {
	found, err := r.Office.Find(ctx, organization, u.Email)
	if found == nil && err == nil {
		_, _, err = r.Office.Create(ctx, r.meta, enroll.Person{
			Organization: organization, Email: u.Email, Password: u.Password, Known: true, Role: u.Role, SiteID: u.SiteID,
		})
		if err == nil {
			r.changes++
		}
		if !errors.Is(err, command.ErrEmailTaken) {
			return err
		}
		found, err = r.Office.Find(ctx, organization, u.Email) // another replica was first
	}
	if found == nil || err != nil {
		return err
	}
	_, err = r.Office.Update(ctx, r.meta, found, enroll.Change{Role: given(u.Role), SiteID: given(u.SiteID)})
	if err == nil {
		r.changes++
	}
	if errors.Is(err, command.ErrUnchanged) {
		return nil
	}
	return err
}
