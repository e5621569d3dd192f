package projections_test

import (
	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
)

var (
	users   = []string{"u1", "u2"}
	handles = []string{"h1", "h2", "h3", "h4"}
)

func profile(handle, role string) events.UserProfile {
	return events.UserProfile{Handle: handle, Email: []byte("sealed " + handle), Role: role, SiteID: 7}
}

func userCreated(id, handle string) *events.UserCreated {
	return &events.UserCreated{ID: id, UserProfile: profile(handle, "AGENT"), Password: []byte("sealed hash")}
}

func failed(pair byte) *events.LoginFailed { return &events.LoginFailed{Pair: events.LoginPair{pair}} }

// user draws what may happen to a user: created by anybody, time and again,
// with the handles of others.
func (g *generator) user() page {
	id := rapid.SampledFrom(users).Draw(g.t, "user")
	handle := rapid.SampledFrom(handles).Draw(g.t, "handle")
	org := organizations[int(id[1])%2]
	if rapid.IntRange(0, 9).Draw(g.t, "foreign") == 0 {
		org = g.organization()
	}
	switch rapid.SampledFrom([]string{"create", "create", "create", "update", "password", "disable", "enable", "delete", "erased", "failed"}).Draw(g.t, "what") {
	case "update":
		return on(org, g.now, &events.UserUpdated{ID: id, UserProfile: profile(handle, "ADMIN")})
	case "password":
		return on(org, g.now, &events.UserPasswordChanged{ID: id, Password: []byte("another")})
	case "disable":
		return on(org, g.now, &events.UserDisabled{ID: id})
	case "enable":
		return on(org, g.now, &events.UserEnabled{ID: id})
	case "delete":
		return on(org, g.now, &events.UserDeleted{ID: id})
	case "erased":
		return on(org, g.now, &events.UserErased{ID: id, Handle: handle})
	case "failed":
		return on(org, g.now, failed(byte(rapid.IntRange(1, 3).Draw(g.t, "pair"))))
	}
	return on(org, g.now, userCreated(id, handle))
}

// modelUser is a user the naive way: whatever ends its tokens walks over all
// of them.
type modelUser struct {
	organization string
	handle       string
	version      int
	disabled     bool
}

func (m *model) user(p page, d events.Data) {
	switch d := d.(type) {
	case *events.UserCreated:
		if m.users[d.ID] == nil && m.handles[d.Handle] == "" {
			m.users[d.ID] = &modelUser{p.organization, d.Handle, 1, false}
			m.handles[d.Handle] = d.ID
		}
	case *events.UserUpdated:
		if u := m.ownedUser(p, d.ID); u != nil && m.handles[d.Handle] == "" {
			m.handles[u.handle], m.handles[d.Handle] = "ended "+d.ID, d.ID
			m.endings[u.handle] = p.organization
			u.handle = d.Handle
		}
	case *events.UserPasswordChanged:
		if u := m.ownedUser(p, d.ID); u != nil {
			m.endUser(d.ID, u)
		}
	case *events.UserDisabled:
		if u := m.ownedUser(p, d.ID); u != nil {
			m.endUser(d.ID, u)
			u.disabled = true
		}
	case *events.UserEnabled:
		if u := m.ownedUser(p, d.ID); u != nil {
			u.disabled = false
		}
	case *events.UserDeleted:
		if u := m.ownedUser(p, d.ID); u != nil {
			m.endUser(d.ID, u)
			m.handles[u.handle] = "ended " + d.ID
			m.endings[u.handle] = p.organization
			delete(m.users, d.ID)
		}
	case *events.UserErased:
		if m.handles[d.Handle] == "ended "+d.ID && m.endings[d.Handle] == p.organization {
			delete(m.handles, d.Handle)
		}
	}
}

func (m *model) ownedUser(p page, id string) *modelUser {
	if u := m.users[id]; u != nil && u.organization == p.organization {
		return u
	}
	return nil
}

func (m *model) endUser(id string, u *modelUser) {
	u.version++
	m.endFamilies("", id)
	for _, t := range m.tokens {
		if t.User == id {
			t.dead = true
		}
	}
}

// loggedIn reports whether a token of a user may be issued now.
func (m *model) loggedIn(p page, d *events.TokenIssued) bool {
	u := m.ownedUser(p, d.User)
	return u != nil && !u.disabled && u.version == d.UserVersion
}
