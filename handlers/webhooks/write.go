package webhooks

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/projections"
)

// newWebhook is the body of a creation.
type newWebhook struct {
	URL           string  `json:"url"`
	Audience      string  `json:"audience"`
	Authorization *string `json:"authorization"` // value of the header of that name
	Private       bool    `json:"private"`
	After         *int64  `json:"after"` // absent: now
}

func (e *Endpoint) create(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	var in newWebhook
	if err := body.Decode(c.Request(), &in); err != nil {
		return err
	}
	if in.URL == "" {
		return oauth.Invalid("url is required")
	}
	after, err := e.position(in.After)
	if err != nil {
		return err
	}
	made, err := e.Repeats.Begin(c, in)
	if err != nil {
		return err
	}
	defer made.End()
	target := func() command.Target {
		return command.Target{Organization: authn.Home(c, organization), ID: made.ID("w_"), Held: authn.From(c).Scopes}
	}
	w := command.NewWebhook{WebhookSettings: events.WebhookSettings{URL: in.URL, Audience: in.Audience, Private: in.Private}, After: after}
	if w.Authorization, err = e.seal(target(), in.Authorization); err != nil {
		return err
	}
	if err := made.Record(c, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.CreateWebhook(s, target(), w)
	}); err != nil {
		return err
	}
	return e.made(c, made, target())
}

// made answers with a webhook that was created: for a repeated request, as the
// first answer did.
func (e *Endpoint) made(c echo.Context, m *manage.Creation, t command.Target) error {
	view := e.Emit.View
	if m.Repeated {
		var w *projections.Webhook
		var err error
		view(func(s *projections.State) { w, err = command.FindWebhook(s, t.Organization, t.ID) })
		if err != nil {
			return m.Gone(c)
		}
		if w.Revision > m.At {
			moment, err := e.AsOf.At(c.Request().Context(), m.At)
			if err != nil {
				return err
			}
			view = moment.View
		}
	}
	c.Response().Header().Set(echo.HeaderLocation, path+"/"+t.ID)
	return show(c, http.StatusCreated, view, t.Organization, t.ID)
}

// seal closes what authorizes at the receiver.
func (e *Endpoint) seal(target command.Target, authorization *string) ([]byte, error) {
	if authorization == nil {
		return nil, nil
	}
	if err := command.CheckAuthorization(*authorization); err != nil {
		return nil, err
	}
	return e.Sealers.Seal(record(target.Organization, target.ID), []byte(*authorization))
}

// record is what an authorization is sealed for.
func record(organization, id string) string { return "webhook/" + organization + "/" + id }

// position reads an "after".
func (e *Endpoint) position(after *int64) (*events.Position, error) {
	if after == nil {
		return nil, nil
	}
	if *after < 0 {
		return nil, oauth.Invalid("after must be a position of the log")
	}
	p := events.Position(*after)
	if first := e.First(); p+1 < first {
		return nil, &journal.ArchivedError{First: first}
	}
	return &p, nil
}

func (e *Endpoint) resume(c echo.Context) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	var in struct {
		After *int64 `json:"after"` // absent: from where it stopped
	}
	if err := body.DecodeOptional(c.Request(), &in); err != nil {
		return err
	}
	after, err := e.position(in.After)
	if err != nil {
		return err
	}
	id := c.Param("id")
	if after == nil {
		if err := e.mayGoOn(c.Request().Context(), organization, id); err != nil {
			return err
		}
	}
	if err := manage.Record(c, e.Emit, func(s *projections.State, _ time.Time) (command.Decision, error) {
		w, err := find(s, organization, id)
		if err != nil {
			return command.Decision{}, err
		}
		return command.ResumeWebhook(s, w.Organization, id, after)
	}); err != nil {
		return err
	}
	return show(c, http.StatusOK, e.Emit.View, organization, id)
}

func (e *Endpoint) delete(c echo.Context) error { return e.remove(c, c.Param("id")) }

// deleteNamed takes the id from the query. Without one it deletes nothing.
func (e *Endpoint) deleteNamed(c echo.Context) error {
	query, err := page.Query(c.Request())
	if err != nil {
		return err
	}
	id, err := page.One(query, "id")
	if err == nil && id == "" {
		err = oauth.Invalid("id is required")
	}
	if err != nil {
		return err
	}
	return e.remove(c, id)
}

func (e *Endpoint) remove(c echo.Context, id string) error {
	organization, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	if err := manage.Record(c, e.Emit, func(s *projections.State, _ time.Time) (command.Decision, error) {
		w, err := find(s, organization, id)
		if err != nil {
			return command.Decision{}, err
		}
		return command.DeleteWebhook(s, w.Organization, id)
	}); err != nil {
		return err
	}
	return manage.NoContent(c)
}
