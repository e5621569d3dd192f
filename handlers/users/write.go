package users

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/enroll"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// newUser is the body of create. Without a password nobody logs in as the user
// until it is given one.
type newUser struct {
	Email    string  `json:"email"`
	Password *string `json:"password"`
	Role     string  `json:"role"`
	SiteID   int64   `json:"siteId"`
}

// changes is the body of update: what is absent stays as it is.
type changes struct {
	Email    *string `json:"email"`
	Password *string `json:"password"`
	Role     *string `json:"role"`
	SiteID   *int64  `json:"siteId"`
	Disabled *bool   `json:"disabled"`
}

func (e *Endpoint) create(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	var in newUser
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	if in.Email == "" {
		return oauth.Invalid("email is required")
	}
	p := enroll.Person{Organization: authn.Home(c, organization), Email: in.Email, Role: in.Role, SiteID: in.SiteID}
	if in.Password != nil {
		if err := command.CheckPassword(*in.Password); err != nil {
			return err
		}
		p.Password = *in.Password
	}
	made, err := e.Repeats.Begin(c, in)
	if err != nil {
		return err
	}
	defer made.End()
	var at events.Position
	if !made.Repeated {
		p.ID = made.UUID()
		_, at, err = e.Office.Create(c.Request().Context(), made.Meta(c), p)
	}
	if err := made.Settle(c, at, err); err != nil {
		return err
	}
	return e.made(c, made, p.Organization, made.UUID())
}

// made answers with a user that was created: for a repeated request, as the
// first answer did. Of a deleted one nothing is left to answer with.
func (e *Endpoint) made(c echo.Context, m *manage.Creation, organization, id string) error {
	view := e.Emit.View
	if m.Repeated {
		u, err := find(view, organization, id)
		if err != nil {
			return m.Gone(c)
		}
		if u.Revision > m.At {
			moment, err := e.AsOf.At(c.Request().Context(), m.At)
			if err != nil {
				return err
			}
			view = moment.View
		}
	}
	c.Response().Header().Set(echo.HeaderLocation, "/oauth/users/"+id)
	return e.show(c, http.StatusCreated, view, organization, id)
}

// update changes the profile first and ends tokens last: what is refused, or
// finds another state than If-Match names, ends none.
func (e *Endpoint) update(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	var in changes
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	if in.Password != nil {
		if err := command.CheckPassword(*in.Password); err != nil {
			return err
		}
	}
	u, err := find(e.Emit.View, organization, c.Param("id"))
	if err != nil {
		return err
	}
	at, err := e.Office.Update(c.Request().Context(), metaOf(c), u, enroll.Change{
		Email: in.Email, Role: in.Role, SiteID: in.SiteID, Expected: consistency.IfMatch(c),
	})
	if err := e.note(c, at, err); err != nil {
		return err
	}
	if in.Password != nil {
		at, err := e.Office.SetPassword(c.Request().Context(), metaOf(c), u, *in.Password)
		if err := e.note(c, at, err); err != nil {
			return err
		}
	}
	if in.Disabled != nil {
		target := command.Target{Organization: u.Organization, ID: u.ID}
		err := manage.Record(c, e.Emit, func(s *projections.State, _ time.Time) (command.Decision, error) {
			return command.SetDisabled(s, target, *in.Disabled)
		})
		if err != nil {
			return err
		}
	}
	return e.show(c, http.StatusOK, e.Emit.View, u.Organization, u.ID)
}

func (e *Endpoint) delete(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	u, err := find(e.Emit.View, organization, c.Param("id"))
	if err != nil {
		return err
	}
	at, err := e.Office.Delete(c.Request().Context(), metaOf(c), u)
	if err := e.note(c, at, err); err != nil {
		return err
	}
	return manage.NoContent(c)
}
