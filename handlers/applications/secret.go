package applications

import (
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/handlers/body"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/projections"
)

type rotation struct {
	OverlapSeconds int64 `json:"overlapSeconds"`
}

// overlap is the asked time, or one that is as much out of bounds.
func (r rotation) overlap() time.Duration {
	const longest = int64(command.MaxOverlap / time.Second)
	return time.Duration(max(-1, min(r.OverlapSeconds, longest+1))) * time.Second
}

// regenerateSecret hands a new secret out only if the log shows it in force:
// one that a later rotation already ended is a conflict, not an answer.
func (e *Endpoint) regenerateSecret(c echo.Context) error {
	r, err := e.reachOf(c)
	if err != nil {
		return err
	}
	var in rotation
	if err := body.DecodeOptional(c.Request(), &in); err != nil {
		return err
	}
	made, err := e.Repeats.Begin(c, in)
	if err != nil {
		return err
	}
	defer made.End()
	id := c.Param("id")
	err = made.Record(c, r.decide(id, func(s *projections.State, target command.Target, now time.Time) (command.Decision, error) {
		return command.RotateSecret(s, now, target, e.Hash(made.Secret()), in.overlap())
	}))
	if err != nil {
		return err
	}
	digest := e.Hash(made.Secret())
	app, now, err := e.made(c, r, made, id, &digest)
	if err != nil {
		return err
	}
	if !hasSecret(app, digest) {
		return emit.ErrContended
	}
	return answer(c, http.StatusOK, app, made.Secret(), now)
}
