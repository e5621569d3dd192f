package webhooks

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/sse"
	"github.com/grantlog/grantlog/projections"
)

// deliver pushes until nothing came for a while.
func (s *session) deliver() error {
	quiet := s.e.Emit.Now() // since when nothing came
	for {
		if err := s.ready(); err != nil {
			return err
		}
		to := min(s.e.Position(), s.place.Position+scan)
		found, more, err := s.endings(to)
		switch {
		case s.ctx.Err() != nil:
			return errLost
		case err != nil:
			return err
		case len(found) > 0:
			if err := s.pushAll(found); err != nil {
				return err
			}
			quiet = s.e.Emit.Now()
		case more == nil: // the log was read up to there
			s.place = sse.Place{Position: max(to, s.place.Position), Ordinal: sse.Whole}
		default:
			left := s.e.pace.linger - s.e.Emit.Now().Sub(quiet)
			if left <= 0 {
				return nil
			}
			s.wait(s.ctx, left, more)
		}
	}
}

// pushAll pushes whole records of endings.
func (s *session) pushAll(endings []projections.Ending) error {
	for i, ending := range endings {
		if err := s.ready(); err != nil {
			return err
		}
		if err := s.push(ending); err != nil {
			return err
		}
		s.place = sse.Place{Position: ending.Position, Ordinal: ending.Ordinal}
		if i+1 == len(endings) || endings[i+1].Position != ending.Position {
			s.place.Ordinal = sse.Whole
		}
		s.acknowledged++
	}
	return nil
}

// push delivers one ending.
func (s *session) push(ending projections.Ending) error {
	token, err := s.e.token(s.webhook, ending, s.e.Emit.Now())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, s.e.pace.attempt)
	defer cancel()
	began := time.Now()
	err = s.e.client.push(ctx, s.webhook, s.authorization, token)
	if s.ctx.Err() != nil {
		return s.brokenOff()
	}
	outcome := "acknowledged"
	if failed, ok := err.(*failure); ok {
		if outcome = "failed"; failed.refused {
			outcome = "refused"
		}
	}
	s.e.Observe(outcome, time.Since(began))
	return err
}

// brokenOff says why the session's context ended.
func (s *session) brokenOff() error {
	if s.e.stopping(s.life) {
		return errStopping
	}
	return errLost
}

// fail tells that a push was not acknowledged, and gives the lease back.
func (s *session) fail(failed *failure) {
	progress, former := s.progress(), s.webhook
	attempts := former.Attempts
	if s.acknowledged > 0 {
		attempts = 0
	}
	f := command.WebhookFailure{Error: failed.text, Refused: failed.refused, Pause: s.pause(attempts), GiveUp: s.e.GiveUp}
	dead := false
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), s.e.pace.lease)
	defer cancel()
	err := s.do(ctx, func(state *projections.State, now time.Time) (command.Decision, error) {
		d, err := command.FailWebhook(state, now, former.ID, s.lease, progress, f)
		if err == nil {
			_, dead = d.Events[0].(*events.WebhookDied)
		}
		return d, err
	})
	switch log := s.e.Log.With("webhook", former.ID, "organization", former.Organization); {
	case err != nil:
		log.Info("a failed push was not recorded", "error", err)
	case dead:
		log.Warn("a webhook is dead: nothing is pushed until it is resumed", "reason", f.Error, "position", progress.Position)
	case attempts == 0:
		log.Warn("a push was not acknowledged; trying again", "reason", f.Error, "position", progress.Position)
	}
}

// pause is how long to wait after a number of failures: twice as long each
// time, less a random part, so that receivers that failed together are not
// tried again together.
func (s *session) pause(failures int) time.Duration {
	d := min(s.e.pace.longest, s.e.pace.first<<min(failures, 16))
	return d - rand.N(d/2)
}
