// Package usage owns GET /oauth/applications/:id/usage: what an application
// called, how much of it failed, and what its quota still holds. The numbers are
// those of all replicas, about a second late; what remains of the quota is as
// this replica would decide now.
package usage

import (
	"net/http"
	"net/url"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/projections"
)

// Endpoint serves the usage of applications. Both fields are required.
type Endpoint struct {
	Authn *authn.Authenticator
	Guard *guard.Guard
}

// Mount adds the endpoint to a router that answers from a fresh state only.
func (e *Endpoint) Mount(g *echo.Group) {
	g.GET("/oauth/applications/:id/usage", e.get, e.Authn.Require("applications:read", "applications:write"))
}

// maxBuckets bounds an answer.
const maxBuckets = 1000

// steps are the widths of buckets, and how far back each goes unasked.
var steps = map[string]struct {
	width projections.Step
	back  time.Duration
}{
	"minute": {projections.StepMinute, time.Hour},
	"hour":   {projections.StepHour, 24 * time.Hour},
	"day":    {projections.StepDay, 30 * 24 * time.Hour},
}

// span is what a request asks for: whole steps from from up to to.
type span struct {
	step     string
	width    time.Duration
	from, to time.Time
}

func parse(query url.Values, now time.Time) (s span, err error) {
	if s.step, err = page.One(query, "step"); err != nil {
		return s, err
	}
	if s.step == "" && !query.Has("step") {
		s.step = "hour"
	}
	step, ok := steps[s.step]
	if !ok {
		return s, oauth.Invalid("step must be minute, hour or day")
	}
	s.width = time.Duration(step.width)
	if s.to, err = instant(query, "to", now); err != nil {
		return s, err
	}
	if s.from, err = instant(query, "from", s.to.Add(-step.back)); err != nil {
		return s, err
	}
	s.from = s.from.Truncate(s.width)
	switch {
	case !s.from.Before(s.to):
		return s, oauth.Invalid("from must be before to")
	case s.to.Sub(s.from) > maxBuckets*s.width:
		return s, oauth.Invalid("from and to are more than 1000 steps apart")
	}
	return s, nil
}

func instant(query url.Values, name string, otherwise time.Time) (time.Time, error) {
	text, err := page.One(query, name)
	if err != nil || text == "" && !query.Has(name) {
		return otherwise.UTC(), err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.Year() < 1970 || t.Year() > 9999 {
		return t, oauth.Invalid(name + " must be a time of RFC 3339, such as 2026-11-22T11:00:00Z")
	}
	return t.UTC(), nil
}

func (e *Endpoint) get(c echo.Context) error {
	reach, err := e.Authn.Reach(c)
	if err != nil {
		return err
	}
	query, err := page.Query(c.Request())
	if err != nil {
		return err
	}
	now := e.Authn.Now()
	asked, err := parse(query, now)
	if err != nil {
		return err
	}
	var answer usage
	e.Authn.View(func(s *projections.State) {
		app, ok := s.Applications.Get(c.Param("id"))
		if !ok || reach != authn.Everywhere && app.Organization != reach {
			err = command.ErrNotFound
			return
		}
		o, ok := s.Organizations.Get(app.Organization)
		if !ok {
			err = command.ErrNotFound
			return
		}
		answer = answerOf(app, s.Usage.Application(app.ID), asked)
		answer.RateLimit = remaining(e.Guard.Remains(s, now, app, o))
	})
	if err != nil {
		return err
	}
	c.Response().Header().Set("Cache-Control", "no-store")
	return c.JSON(http.StatusOK, answer)
}
