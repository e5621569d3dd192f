package events

import "encoding/hex"

// Personal data stands in these events sealed under a key of the user's own,
// which is kept outside of the log and destroyed with the user: the log keeps
// its every byte and nobody can read these any more. What is not sealed (ids,
// handles, roles, sites) says nothing of who the user is.

// UserProfile is what an administrator may change of a user, but for the
// password, and whether the user is enabled: these have events of their own,
// so that a change of a role never takes back what another one ended.
type UserProfile struct {
	// Handle is a random name of the email address: what is known of the
	// address in clear. A new address has a new one.
	Handle string `json:"handle"`
	Email  []byte `json:"email"` // sealed
	Role   string `json:"role,omitempty"`
	SiteID int64  `json:"siteId,omitempty"`
}

// UserCreated adds a person to an organization. Its id is never used again.
type UserCreated struct {
	ID string `json:"id"` // UUID
	UserProfile
	Password []byte `json:"password,omitempty"` // argon2id in PHC form, sealed; none: no login by password
}

// UserUpdated replaces a user's profile.
type UserUpdated struct {
	ID string `json:"id"`
	UserProfile
}

// UserPasswordChanged replaces a user's password and ends every token that was
// issued to the user before.
type UserPasswordChanged struct {
	ID       string `json:"id"`
	Password []byte `json:"password"` // as in UserCreated
}

// UserDisabled shuts a user out and ends every token issued to it before.
type UserDisabled struct {
	ID string `json:"id"`
}

// UserEnabled lets a user in again. Tokens that ended stay so.
type UserEnabled struct {
	ID string `json:"id"`
}

// UserDeleted ends a user and its tokens.
type UserDeleted struct {
	ID string `json:"id"`
}

// UserErased says that what is kept outside of the log for an email address is
// destroyed: the way from the address to its handle and, if the user is
// deleted, the key that the user's data are sealed under.
type UserErased struct {
	ID     string `json:"id"`
	Handle string `json:"handle"`
}

// LoginPair stands for an account and an address that logins come from, as a
// keyed hash under a salt that is thrown away after a day.
type LoginPair [16]byte

// LoginFailed counts one failed login against its pair.
type LoginFailed struct {
	Pair LoginPair `json:"pair"`
	User string    `json:"user,omitempty"` // whose password it was not; empty: nobody's
}

func (p LoginPair) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, p[:]), nil }

func (p *LoginPair) UnmarshalText(b []byte) error { return decodeHex(p[:], string(b)) }

// The stable names.
func (*UserCreated) EventType() Type         { return "user.created" }
func (*UserUpdated) EventType() Type         { return "user.updated" }
func (*UserPasswordChanged) EventType() Type { return "user.password_changed" }
func (*UserDisabled) EventType() Type        { return "user.disabled" }
func (*UserEnabled) EventType() Type         { return "user.enabled" }
func (*UserDeleted) EventType() Type         { return "user.deleted" }
func (*UserErased) EventType() Type          { return "user.erased" }
func (*LoginFailed) EventType() Type         { return "login.failed" }
