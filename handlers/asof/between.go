package asof

import (
	"errors"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/replay"
)

// Still is Query for answers that take a while to make: for now, too, it gives a
// state that does not change meanwhile, and that nobody waits for.
func (r *Reader) Still(c echo.Context) (Moment, error) {
	m, err := r.Whole(c)
	if err != nil || m.AsOf != "" {
		return m, err
	}
	now := question{whole: true}
	r.View(func(s *projections.State) { now.at.Position = s.Position })
	past, err := r.past(c.Request().Context(), now)
	if err != nil {
		return Moment{}, err
	}
	m.view = past.view
	return m, nil
}

// Diff finds what happened between the moments that a request's URL names by
// from and to; without to, up to the end of the log.
func (r *Reader) Diff(c echo.Context) (*replay.Diff, error) {
	query, err := page.Query(c.Request())
	if err != nil {
		return nil, err
	}
	var bounds [2]replay.Moment
	for i, name := range []string{"from", "to"} {
		text, err := page.One(query, name)
		if err != nil {
			return nil, err
		}
		if text == "" && i == 1 && !query.Has(name) {
			continue
		}
		if bounds[i], err = parse(name, text, r.Now()); err != nil {
			return nil, err
		}
	}
	if !r.works.take() {
		return nil, errBusy
	}
	defer r.works.give()
	diff, err := replay.FindDiff(c.Request().Context(), r.Log, r.History, bounds[0], bounds[1], nil)
	switch {
	case errors.Is(err, replay.ErrOrder):
		return nil, oauth.Invalid("to must not be before from")
	case errors.Is(err, replay.ErrBeyond):
		return nil, oauth.Invalid("from or to is a position that the log has not reached")
	case err != nil:
		return nil, explain(err)
	}
	return diff, nil
}

// take and give count a folding that nobody shares.
func (w *works) take() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running == maxWorks {
		return false
	}
	w.running++
	return true
}

func (w *works) give() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
}
