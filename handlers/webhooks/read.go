package webhooks

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/manage"
	"github.com/grantlog/grantlog/projections"
)

// States of a webhook.
const (
	statusActive  = "active"
	statusFailing = "failing"
	statusDead    = "dead"
)

// webhook is the resource; what authorizes at the receiver is never shown.
type webhook struct {
	ID               string `json:"id"`
	URL              string `json:"url"`
	Audience         string `json:"audience"`
	Private          bool   `json:"private"`
	HasAuthorization bool   `json:"hasAuthorization"`
	Organization     string `json:"organizationId"`
	Status           string `json:"status"`
	// Position: every ending at or before it is acknowledged. Lag is how many
	// records the newest ending is ahead of that.
	Position       events.Position `json:"position"`
	Lag            events.Position `json:"lag"`
	Acknowledged   int             `json:"acknowledged"`
	AcknowledgedAt time.Time       `json:"acknowledgedAt,omitzero"`
	Attempts       int             `json:"attempts,omitempty"`
	FailingSince   time.Time       `json:"failingSince,omitzero"`
	RetryAt        time.Time       `json:"retryAt,omitzero"`
	LastError      string          `json:"lastError,omitempty"`
	LastErrorAt    time.Time       `json:"lastErrorAt,omitzero"`
	DeadSince      time.Time       `json:"deadSince,omitzero"`
	CreatedAt      time.Time       `json:"createdAt"`
}

type webhooksPage struct {
	Webhooks   []webhook `json:"webhooks"`
	NextCursor string    `json:"nextCursor,omitempty"`
}

func answerOf(s *projections.State, w *projections.Webhook) webhook {
	return webhook{
		ID: w.ID, URL: w.URL, Audience: audienceOf(w), Private: w.Private, HasAuthorization: len(w.Authorization) > 0,
		Organization: w.Organization, Status: statusOf(w), Position: w.Reached(), Lag: s.Webhooks.Lag(w),
		Acknowledged: w.Acknowledged, AcknowledgedAt: w.AcknowledgedAt, Attempts: w.Attempts, FailingSince: w.FailingSince,
		RetryAt: w.RetryAt, LastError: w.Error, LastErrorAt: w.FailedAt, DeadSince: w.DiedAt, CreatedAt: w.CreatedAt,
	}
}

func statusOf(w *projections.Webhook) string {
	switch {
	case w.Dead():
		return statusDead
	case w.Failing():
		return statusFailing
	}
	return statusActive
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
	return show(c, http.StatusOK, at.View, organization, c.Param("id"))
}

// show answers with a webhook as a state has it.
func show(c echo.Context, status int, view func(func(*projections.State)), organization, id string) error {
	var answer webhook
	var err error
	view(func(s *projections.State) {
		var w *projections.Webhook
		if w, err = find(s, organization, id); err == nil {
			answer = answerOf(s, w)
		}
	})
	if err != nil {
		return err
	}
	return manage.JSON(c, status, answer)
}

// find returns a webhook within an organization or authn.Everywhere.
func find(s *projections.State, organization, id string) (*projections.Webhook, error) {
	if organization != authn.Everywhere {
		return command.FindWebhook(s, organization, id)
	}
	if w, ok := s.Webhooks.Get(id); ok {
		return w, nil
	}
	return nil, command.ErrNotFound
}

var everyWebhook = manage.List[*projections.Webhook]{
	Name: "webhooks",
	Of:   func(s *projections.State) manage.Entries[*projections.Webhook] { return s.Webhooks },
}

func (e *Endpoint) list(c echo.Context) error {
	answer := webhooksPage{Webhooks: []webhook{}}
	next, err := everyWebhook.Page(c, manage.Reading{Authn: e.Authn, AsOf: e.AsOf, Cursors: e.Cursors}, func(s *projections.State, _ asof.Moment, w *projections.Webhook) {
		answer.Webhooks = append(answer.Webhooks, answerOf(s, w))
	})
	if err != nil {
		return err
	}
	answer.NextCursor = next
	return manage.JSON(c, http.StatusOK, answer)
}

// Group is how many webhooks are in a state, and how far the last of them is
// behind.
type Group struct {
	Status string
	Count  int
	Lag    events.Position
}

// Groups says how the webhooks of all organizations do.
func (e *Endpoint) Groups() []Group {
	groups := []Group{{Status: statusActive}, {Status: statusFailing}, {Status: statusDead}}
	e.Emit.View(func(s *projections.State) {
		for w := range s.Webhooks.All {
			status := statusOf(w)
			for i := range groups {
				if g := &groups[i]; g.Status == status {
					g.Count, g.Lag = g.Count+1, max(g.Lag, s.Webhooks.Lag(w))
				}
			}
		}
	})
	return groups
}
