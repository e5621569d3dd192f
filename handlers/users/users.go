// Package users owns the management of the people who log in.
//
// Whoever calls sees the users of its own organization; what belongs to another
// is not found. A caller with grantlog:admin sees every organization, and one
// of them with ?organization=. Reads take ?as_of= and then show the past. A
// write is answered once its own event is applied here: the answer shows what
// the log made of it, and carries its Consistency-Token. Addresses are opened
// for an answer and kept nowhere; those of the deleted are not to be had, of
// their past neither. Passwords are never answered.
package users

import (
	"errors"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/enroll"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/handlers/personal"
	"github.com/grantlog/grantlog/projections"
)

// Endpoint is the management of users. All fields are required.
type Endpoint struct {
	Authn   *authn.Authenticator
	Emit    *emit.Emitter
	AsOf    *asof.Reader
	Cursors *page.Cursors
	People  *personal.Directory
	Office  *enroll.Office
	Repeats *manage.Repeats
}

// Scopes that open the endpoints.
const (
	scopeRead  = "users:read"
	scopeWrite = "users:write"
)

// Mount adds the endpoints to a router that answers from a fresh state only.
func (e *Endpoint) Mount(g *echo.Group) {
	read, write := e.Authn.Require(scopeRead, scopeWrite), e.Authn.Require(scopeWrite)

	g.GET("/oauth/users", e.list, read)
	g.POST("/oauth/users", e.create, write)
	g.GET("/oauth/users/:id", e.get, read)
	g.PUT("/oauth/users/:id", e.update, write)
	g.DELETE("/oauth/users/:id", e.delete, write)
}

// user is how clients see one.
type user struct {
	ID             string    `json:"id"`
	Email          string    `json:"email"`
	Role           string    `json:"role"`
	SiteID         int64     `json:"siteId"`
	Disabled       bool      `json:"disabled"`
	OrganizationID string    `json:"organizationId"`
	CreatedAt      time.Time `json:"createdAt"`
	UpdatedAt      time.Time `json:"updatedAt"`
}

type usersPage struct {
	Users      []user `json:"users"`
	NextCursor string `json:"nextCursor,omitempty"`
}

func answerOf(u *projections.User, email string) user {
	return user{
		ID: u.ID, Email: email, Role: u.Role, SiteID: u.SiteID, Disabled: u.Disabled,
		OrganizationID: u.Organization, CreatedAt: u.CreatedAt, UpdatedAt: u.UpdatedAt,
	}
}

// find returns a user within an organization or authn.Everywhere.
func find(view func(func(*projections.State)), organization, id string) (u *projections.User, err error) {
	view(func(s *projections.State) {
		if organization != authn.Everywhere {
			u, err = command.FindUser(s, organization, id)
			return
		}
		var ok bool
		if u, ok = s.Users.Get(id); !ok {
			err = command.ErrNotFound
		}
	})
	return u, err
}

// show answers with a user as a state has it.
func (e *Endpoint) show(c echo.Context, status int, view func(func(*projections.State)), organization, id string) error {
	u, err := find(view, organization, id)
	if err != nil {
		return err
	}
	email, err := e.People.Email(c.Request().Context(), u)
	if err != nil {
		return err
	}
	c.Response().Header().Set("ETag", consistency.ETag(c, u.Revision))
	return manage.JSON(c, status, answerOf(u, email))
}

func (e *Endpoint) get(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	at, err := e.AsOf.Query(c)
	if err != nil {
		return err
	}
	return e.show(c, http.StatusOK, at.View, organization, c.Param("id"))
}

var everyUser = manage.List[*projections.User]{
	Name: "users",
	Of:   func(s *projections.State) manage.Entries[*projections.User] { return s.Users },
}

func (e *Endpoint) list(c echo.Context) error {
	var found []*projections.User
	next, err := everyUser.Page(c, manage.Reading{Authn: e.Authn, AsOf: e.AsOf, Cursors: e.Cursors}, func(_ *projections.State, _ asof.Moment, u *projections.User) {
		found = append(found, u)
	})
	if err != nil {
		return err
	}
	emails, err := e.People.Emails(c.Request().Context(), found)
	if err != nil {
		return err
	}
	answer := usersPage{Users: []user{}, NextCursor: next}
	for i, u := range found {
		answer.Users = append(answer.Users, answerOf(u, emails[i]))
	}
	return manage.JSON(c, http.StatusOK, answer)
}

func metaOf(c echo.Context) emit.Meta {
	return emit.Meta{Actor: authn.From(c).Actor(), Correlation: oauth.RequestID(c)}
}

// note names the record of a write in the answer. With nothing to change it
// names what the state shows.
func (e *Endpoint) note(c echo.Context, at events.Position, err error) error {
	if errors.Is(err, command.ErrUnchanged) {
		e.Emit.View(func(s *projections.State) { at = s.Position })
		err = nil
	}
	if err == nil {
		consistency.Set(c, at)
	}
	return err
}
