package emit_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/projections"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// replica is an emitter on a log, with a state of its own.
func replica(t *testing.T, env *journaltest.Env) *emit.Emitter {
	t.Helper()
	return emittest.New(t, env, emittest.Config{}).Emitter
}

// create decides to create an organization, guarded by what the state shows.
func create(id string) emit.Decide {
	return func(s *projections.State, _ time.Time) (command.Decision, error) {
		if _, ok := s.Organizations.Get(id); ok {
			return command.Decision{}, &command.Error{Kind: command.KindConflict, Message: "It exists"}
		}
		guard := events.Position(0)
		return command.Decision{
			Organization: id, Subject: events.OrganizationSubject(id), Guard: &guard,
			Events: []events.Data{&events.OrganizationCreated{ID: id, Name: id}},
		}, nil
	}
}

// A position that Do returns is visible in the state that it returned to.
func TestDoWaitsUntilVisible(t *testing.T) {
	e := replica(t, journaltest.New(t))
	meta := emit.Meta{Actor: events.Actor{Application: "a1"}, Correlation: "r1"}
	for i := range 20 {
		id := fmt.Sprintf("o%d", i)
		position, err := e.Do(t.Context(), meta, create(id))
		if err != nil {
			t.Fatal(err)
		}
		e.View(func(s *projections.State) {
			if _, ok := s.Organizations.Get(id); !ok || s.Position < position {
				t.Errorf("%s is not visible at %d", id, s.Position)
			}
		})
	}
}

// Of many replicas that make one decision the log lets one win; the others
// decide again on what it shows, and find the conflict in domain terms.
func TestOneDecisionWins(t *testing.T) {
	env := journaltest.New(t)
	emitters := []*emit.Emitter{replica(t, env), replica(t, env), replica(t, env)}
	for round := range 10 {
		id := fmt.Sprintf("o%d", round)
		var mu sync.Mutex
		won := 0
		var work sync.WaitGroup
		for _, e := range emitters {
			for range 3 {
				work.Go(func() {
					_, err := e.Do(t.Context(), emit.Meta{}, create(id))
					mu.Lock()
					defer mu.Unlock()
					if err == nil {
						won++
					} else if !errors.Is(err, &command.Error{Kind: command.KindConflict}) {
						t.Errorf("%s: %v", id, err)
					}
				})
			}
		}
		work.Wait()
		if won != 1 {
			t.Errorf("%s was created %d times", id, won)
		}
	}
}

// A decision whose guard never holds is given up after a few attempts.
func TestDoGivesUp(t *testing.T) {
	e := replica(t, journaltest.New(t))
	if _, err := e.Do(t.Context(), emit.Meta{}, create("o1")); err != nil {
		t.Fatal(err)
	}
	decided := 0
	_, err := e.Do(t.Context(), emit.Meta{}, func(*projections.State, time.Time) (command.Decision, error) {
		decided++
		guard := events.Position(0) // never looks at the state
		return command.Decision{
			Organization: "o1", Subject: events.OrganizationSubject("o1"), Guard: &guard,
			Events: []events.Data{&events.OrganizationUpdated{ID: "o1", Name: "x"}},
		}, nil
	})
	if !errors.Is(err, emit.ErrContended) || decided < 2 {
		t.Errorf("after %d decisions: %v", decided, err)
	}
}

// What follows from an event names it.
func TestEffectsNameTheirCause(t *testing.T) {
	env := journaltest.New(t)
	e := replica(t, env)
	cause, effect := emit.Meta{Correlation: "r1"}.Causing()
	for id, meta := range map[string]emit.Meta{"o1": cause, "o2": effect} {
		if _, err := e.Do(t.Context(), meta, create(id)); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]events.Event{}
	err := env.Open().Read(t.Context(), journal.Cursor{}, 2, func(r *journal.Record) error {
		for event, err := range r.Events() {
			if err != nil {
				return err
			}
			kept := *event // it is the decoder's
			kept.ID, kept.Causation, kept.Correlation = strings.Clone(event.ID), strings.Clone(event.Causation), strings.Clone(event.Correlation)
			found[strings.Clone(event.Organization)] = kept
		}
		return nil
	})
	if err != nil || len(found) != 2 {
		t.Fatal(found, err)
	}
	if first, second := found["o1"], found["o2"]; first.Causation != "" || second.Causation != first.ID || first.ID == "" || second.ID == first.ID || second.Correlation != "r1" {
		t.Errorf("%+v, then %+v", first, second)
	}
}

// A refusal of the decision appends nothing.
func TestRefusalAppendsNothing(t *testing.T) {
	env := journaltest.New(t)
	e := replica(t, env)
	refusal := command.Invalid("no")
	if _, err := e.Do(t.Context(), emit.Meta{}, func(*projections.State, time.Time) (command.Decision, error) {
		return command.Decision{}, refusal
	}); !errors.Is(err, refusal) {
		t.Errorf("refusal came back as %v", err)
	}
	if last, err := env.Open().Last(t.Context()); err != nil || last != 0 {
		t.Errorf("the log ends at %d, %v", last, err)
	}
}
