package command

import (
	"errors"
	"net/mail"
	"slices"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Bounds of a user.
const (
	maxEmail    = 254  // bytes
	minPassword = 8    // bytes
	maxPassword = 1024 // bytes
	maxRole     = 64   // characters
	maxSiteID   = 1<<53 - 1
)

var (
	// ErrEmailTaken is the answer to a second user with one address.
	ErrEmailTaken = &Error{KindConflict, "That email is in use"}

	// ErrMoved says that an organization's users changed since an address was
	// looked up: look it up again, then decide again.
	ErrMoved = errors.New("command: the users changed since the address was looked up")
)

// CheckEmail accepts a plain address (RFC 5322 addr-spec) of at most 254 bytes.
func CheckEmail(email string) error {
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email || len(email) > maxEmail {
		return Invalid("email must be an address of at most %d bytes", maxEmail)
	}
	return checkText("email", email, maxEmail)
}

// CheckPassword accepts 8 to 1024 bytes, whatever they are.
func CheckPassword(password string) error {
	if len(password) < minPassword || len(password) > maxPassword {
		return Invalid("password must have %d to %d bytes", minPassword, maxPassword)
	}
	return nil
}

// CheckKnownPassword accepts what somebody logs in with already: it may be
// shorter than one that is chosen now.
func CheckKnownPassword(password string) error {
	if len(password) == 0 || len(password) > maxPassword {
		return Invalid("password must have 1 to %d bytes", maxPassword)
	}
	return nil
}

// CheckProfile accepts what of a profile is not sealed.
func CheckProfile(p events.UserProfile) error {
	if checkText("", p.Role, maxRole) != nil {
		return Invalid("role must be text of at most %d characters", maxRole)
	}
	if p.SiteID < 0 || p.SiteID > maxSiteID {
		return Invalid("siteId must be from 0 to %d", maxSiteID)
	}
	return nil
}

// FindUser returns an organization's user.
func FindUser(s *projections.State, organization, id string) (*projections.User, error) {
	u, ok := s.Users.Get(id)
	if !ok || u.Organization != organization {
		return nil, ErrNotFound
	}
	return u, nil
}

// UserOf returns an organization's user who has an address, by the handles that
// the address leads to; nil if nobody has it.
func UserOf(s *projections.State, organization string, handles []string) *projections.User {
	for _, h := range handles {
		if u, ok := s.Users.ByHandle(h); ok && u.Organization == organization {
			return u
		}
	}
	return nil
}

// Lookup is what was found of an address outside of the log. No state shows
// that two addresses are one; so the decision holds only as long as the
// organization's users are those at which the address was looked up, and is
// appended on that condition.
type Lookup struct {
	Revision events.Position // of the organization's users, taken first
	Handles  []string        // of the address, read after that
}

// check reports ErrMoved, or ErrEmailTaken if another user has the address.
func (l Lookup) check(s *projections.State, organization, user string) error {
	if s.Users.Revision(organization) != l.Revision {
		return ErrMoved
	}
	if u := UserOf(s, organization, l.Handles); u != nil && u.ID != user {
		return ErrEmailTaken
	}
	return nil
}

// NewUser is a user to be. What of it is sealed was checked before.
type NewUser struct {
	Organization string
	ID           string
	Profile      events.UserProfile
	Password     []byte // sealed; nil: no login by password
	Lookup       Lookup
}

// CreateUser adds a user, unless another one has its address.
func CreateUser(s *projections.State, in NewUser) (Decision, error) {
	if _, ok := s.Organizations.Get(in.Organization); !ok {
		return Decision{}, ErrNotFound
	}
	if err := CheckProfile(in.Profile); err != nil {
		return Decision{}, err
	}
	if err := in.Lookup.check(s, in.Organization, in.ID); err != nil {
		return Decision{}, err
	}
	return edit(in.Organization, in.Lookup.Revision, &events.UserCreated{
		ID: in.ID, UserProfile: in.Profile, Password: in.Password,
	})
}

// UserSettings are chosen values of a user. Nil leaves a value as it is.
type UserSettings struct {
	Role   *string
	SiteID *int64
	Email  *NewEmail
}

// NewEmail is another address for a user, or another spelling of its own,
// which keeps its handle. It was checked and looked up before.
type NewEmail struct {
	Sealed []byte
	Handle string
	Former string // the handle that the user had then
	Lookup Lookup
}

// UpdateUser changes chosen settings. Unless nil, expected lists the revisions
// that the caller is ready to change; any other is KindPrecondition. A change
// of nothing is ErrUnchanged.
func UpdateUser(s *projections.State, target Target, expected []events.Position, chosen UserSettings) (Decision, error) {
	u, err := FindUser(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	if expected != nil && !slices.Contains(expected, u.Revision) {
		return Decision{}, &Error{KindPrecondition, "The user has changed; read it again"}
	}
	profile, revision := u.UserProfile, s.Users.Revision(u.Organization)
	set(&profile.Role, chosen.Role)
	set(&profile.SiteID, chosen.SiteID)
	if err := CheckProfile(profile); err != nil {
		return Decision{}, err
	}
	if e := chosen.Email; e != nil {
		if u.Handle != e.Former {
			return Decision{}, &Error{KindConflict, "The email was changed by others; read the user again"}
		}
		if err := e.Lookup.check(s, u.Organization, u.ID); err != nil {
			return Decision{}, err
		}
		profile.Email, profile.Handle = e.Sealed, e.Handle
	} else if profile.Role == u.Role && profile.SiteID == u.SiteID {
		return Decision{}, ErrUnchanged
	}
	return edit(u.Organization, revision, &events.UserUpdated{ID: u.ID, UserProfile: profile})
}

// SetPassword gives a user another password and ends its tokens. It is a fact,
// as all endings are: nothing that happens meanwhile undoes it.
func SetPassword(s *projections.State, target Target, sealed []byte) (Decision, error) {
	u, err := FindUser(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	return fact(u.Organization, &events.UserPasswordChanged{ID: u.ID, Password: sealed})
}

// SetDisabled shuts a user out, which ends its tokens, or lets it in again.
func SetDisabled(s *projections.State, target Target, disabled bool) (Decision, error) {
	u, err := FindUser(s, target.Organization, target.ID)
	switch {
	case err != nil:
		return Decision{}, err
	case u.Disabled == disabled:
		return Decision{}, ErrUnchanged
	case disabled:
		return fact(u.Organization, &events.UserDisabled{ID: u.ID})
	}
	return edit(u.Organization, s.Users.Revision(u.Organization), &events.UserEnabled{ID: u.ID})
}

// DeleteUser ends a user and its tokens, for good.
func DeleteUser(s *projections.State, target Target) (Decision, error) {
	u, err := FindUser(s, target.Organization, target.ID)
	if err != nil {
		return Decision{}, err
	}
	return fact(u.Organization, &events.UserDeleted{ID: u.ID})
}

// ConfirmErasure records that nothing is left to be destroyed of a handle.
// ErrUnchanged: another replica was first.
func ConfirmErasure(s *projections.State, handle string) (Decision, error) {
	e, ok := s.Users.Erasure(handle)
	if !ok {
		return Decision{}, ErrUnchanged
	}
	return edit(e.Organization, s.Users.Revision(e.Organization), &events.UserErased{ID: e.User, Handle: e.Handle})
}
