package projections

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// User is a person who logs in. What tells who it is stays sealed here as it
// is in the log. Values are immutable: an event replaces the whole value, so a
// reader may keep the pointer.
type User struct {
	ID           string `json:"id"`
	Organization string `json:"organization"`
	events.UserProfile
	Password  []byte    `json:"password,omitempty"` // sealed; none: no login by password
	Disabled  bool      `json:"disabled,omitempty"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// Created orders listings; two users of one record differ in Ordinal.
	Created events.Position `json:"created"`
	Ordinal int             `json:"ordinal,omitempty"`
	// Revision is the last record that changed the user, on whatever subject.
	Revision events.Position `json:"revision"`
	// Version counts what tokens are decided on: it rises with every new
	// password and every disabling, from 1.
	Version int `json:"version"`
	// TokensEnded is the record at which it last rose: tokens issued at or
	// before it are dead, whatever comes after.
	TokensEnded events.Position `json:"tokensEnded,omitempty"`
}

// Erasure is what is still to be destroyed outside of the log: the way from
// an address that is no user's any more to its handle and, if Deleted, the key
// of its former user.
type Erasure struct {
	Organization string `json:"organization"`
	User         string `json:"user"`
	Handle       string `json:"handle"`
	Email        []byte `json:"email"` // sealed under the user's key
	Deleted      bool   `json:"deleted,omitempty"`
}

// Place is where a user stands among its organization's.
func (u *User) Place() Place { return Place{u.Organization, u.Created, u.Ordinal} }

// Users is what the log says of people. That no two of an organization have
// one email address is not to be seen here, where addresses are sealed: it is
// decided before the append, and Revision holds the decision to it.
type Users struct {
	byID     map[string]*User
	byHandle map[string]*User
	creations[*User]
	revisions map[string]events.Position
	erasures  map[string]*Erasure // handle →
}

// Get finds a user by its id.
func (p *Users) Get(id string) (*User, bool) {
	u, ok := p.byID[id]
	return u, ok
}

// ByHandle finds the user whose email address has a handle.
func (p *Users) ByHandle(handle string) (*User, bool) {
	u, ok := p.byHandle[handle]
	return u, ok
}

// Revision is the last record on the subject that guards an organization's
// users: the expectation of a compare-and-swap. Zero before the first one.
func (p *Users) Revision(organization string) events.Position { return p.revisions[organization] }

// Len counts the users of all organizations.
func (p *Users) Len() int { return len(p.byID) }

// Erasures lists what is still to be destroyed, in the order in which it must
// be: a user's key last, for without it no address is found.
func (p *Users) Erasures() []*Erasure {
	return slices.SortedFunc(maps.Values(p.erasures), func(a, b *Erasure) int {
		if a.Deleted != b.Deleted {
			if b.Deleted {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Handle, b.Handle)
	})
}

// Erasure finds what is to be destroyed of a handle.
func (p *Users) Erasure(handle string) (*Erasure, bool) {
	e, ok := p.erasures[handle]
	return e, ok
}

// backs reports whether a token that was issued to a user counts.
func (p *Users) backs(t *Token) bool {
	u, ok := p.byID[t.User]
	return ok && u.Organization == t.Organization && !u.Disabled && t.Position > max(u.Created, u.TokensEnded)
}

// decided reports whether a token that is issued now was decided on what still
// holds: a password that was changed, or a disabling that was taken back, in
// the moment before makes it dead on arrival.
func (p *Users) decided(user string, version int) bool {
	u, ok := p.byID[user]
	return ok && u.Version == version
}

func newUsers() *Users {
	return &Users{
		byID: map[string]*User{}, byHandle: map[string]*User{}, creations: creations[*User]{},
		revisions: map[string]events.Position{}, erasures: map[string]*Erasure{},
	}
}

// edited notes a record on the subject that guards an organization's users.
func (p *Users) edited(at at) {
	if at.position > p.revisions[at.organization] {
		p.revisions[strings.Clone(at.organization)] = at.position // it is the decoder's
	}
}

func (p *Users) create(at at, d *events.UserCreated) {
	p.edited(at)
	_, used := p.byID[d.ID]
	if used || p.named(d.Handle) {
		return
	}
	u := &User{
		ID: d.ID, Organization: strings.Clone(at.organization), UserProfile: d.UserProfile, Password: d.Password,
		CreatedAt: at.time, UpdatedAt: at.time,
		Created: at.position, Ordinal: at.ordinal, Revision: at.position, Version: 1,
	}
	p.byID[u.ID], p.byHandle[u.Handle] = u, u
	p.creations.add(u)
}

// named reports whether a handle stands for an address already.
func (p *Users) named(handle string) bool {
	_, held := p.byHandle[handle]
	_, ended := p.erasures[handle]
	return held || ended
}

// edit replaces a user's value by a changed copy. It does nothing for one that
// the log shows deleted, or that another organization owns.
func (p *Users) edit(at at, id string, change func(*User)) {
	old, ok := p.byID[id]
	if !ok || old.Organization != at.organization {
		return
	}
	u := *old
	change(&u)
	u.Revision, u.UpdatedAt = at.position, at.time
	p.byID[id], p.byHandle[u.Handle] = &u, &u
	p.creations.replace(&u)
}

func (p *Users) update(at at, d *events.UserUpdated) {
	p.edited(at)
	p.edit(at, d.ID, func(u *User) {
		if d.Handle != u.Handle {
			if p.named(d.Handle) {
				return
			}
			p.end(u, false)
		}
		u.UserProfile = d.UserProfile
	})
}

// end takes a user's address away from it. It is erased outside of the log
// from now on until the log says that this is done.
func (p *Users) end(u *User, deleted bool) {
	delete(p.byHandle, u.Handle)
	p.erasures[u.Handle] = &Erasure{
		Organization: u.Organization, User: u.ID, Handle: u.Handle, Email: u.Email, Deleted: deleted,
	}
}

func (p *Users) changePassword(at at, d *events.UserPasswordChanged) {
	p.edit(at, d.ID, func(u *User) {
		u.Password = d.Password
		u.endTokens(at)
	})
}

func (p *Users) disable(at at, d *events.UserDisabled) {
	p.edit(at, d.ID, func(u *User) {
		u.Disabled = true
		u.endTokens(at)
	})
}

func (u *User) endTokens(at at) {
	u.Version++
	u.TokensEnded = at.position
}

func (p *Users) enable(at at, d *events.UserEnabled) {
	p.edited(at)
	p.edit(at, d.ID, func(u *User) { u.Disabled = false })
}

func (p *Users) remove(at at, d *events.UserDeleted) {
	u, ok := p.byID[d.ID]
	if !ok || u.Organization != at.organization {
		return
	}
	delete(p.byID, u.ID)
	p.end(u, true)
	p.creations.remove(u)
}

func (p *Users) erased(at at, d *events.UserErased) {
	p.edited(at)
	if e := p.erasures[d.Handle]; e != nil && e.User == d.ID && e.Organization == at.organization {
		delete(p.erasures, d.Handle)
	}
}
