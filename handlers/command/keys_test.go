package command_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

var (
	keyStart  = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	keyPolicy = command.KeyPolicy{
		Algorithms: []string{"ES256", "RS256"},
		Cache:      5 * time.Minute, Lag: 10 * time.Second,
		Rotation: 30 * 24 * time.Hour, TokenLifetime: 24 * time.Hour,
	}
	publication = keyPolicy.Cache + keyPolicy.Lag
)

// keyLog is a log of key events, folded as it grows.
type keyLog struct {
	state *projections.State
	made  int
}

func newKeyLog() *keyLog { return &keyLog{state: projections.New()} }

// fataler is the part of testing.T that rapid.T has too.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// append writes one record.
func (l *keyLog) append(t fataler, now time.Time, data ...events.Data) {
	t.Helper()
	r := projections.Record{Position: l.state.Position + 1, Subject: events.KeysSubject()}
	for i, d := range data {
		e := &events.Event{Type: d.EventType(), Version: 1, Time: now, Data: d}
		if err := l.state.Apply(r, i, e); err != nil {
			t.Fatalf("apply %s: %v", e.Type, err)
		}
	}
	l.state.Position = r.Position
}

// fresh makes keys as package sign would: without a time.
func (l *keyLog) fresh(algs ...string) []*events.KeyCreated {
	var made []*events.KeyCreated
	for _, alg := range algs {
		l.made++
		made = append(made, &events.KeyCreated{
			ID: fmt.Sprintf("%s-%d", alg, l.made), Algorithm: alg, Public: []byte("{}"), Sealed: []byte("x"),
		})
	}
	return made
}

func created(kid, alg string, notBefore time.Time) *events.KeyCreated {
	return &events.KeyCreated{ID: kid, Algorithm: alg, Public: []byte("{}"), Sealed: []byte("x"), NotBefore: notBefore}
}

func keysDecision(guard events.Position, evs ...events.Data) command.Decision {
	return command.Decision{Subject: events.KeysSubject(), Events: evs, Guard: &guard}
}

func wantDecision(t *testing.T, got command.Decision, err error, want command.Decision) {
	t.Helper()
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("decision (-want +got):\n%s", diff)
	}
}

func TestFirstKeySignsAtOnce(t *testing.T) {
	l := newKeyLog()
	if diff := cmp.Diff([]string{"ES256", "RS256"}, keyPolicy.Due(l.state.Keys, keyStart).First); diff != "" {
		t.Errorf("first keys (-want +got):\n%s", diff)
	}
	got, err := keyPolicy.AddKeys(l.state, keyStart, l.fresh("ES256"))
	wantDecision(t, got, err, keysDecision(0,
		created("ES256-1", "ES256", keyStart), &events.KeyActivated{ID: "ES256-1"}))

	l.append(t, keyStart, got.Events...)
	if diff := cmp.Diff([]string{"RS256"}, keyPolicy.Due(l.state.Keys, keyStart).First); diff != "" {
		t.Errorf("first keys (-want +got):\n%s", diff)
	}
	if _, err := keyPolicy.AddKeys(l.state, keyStart, l.fresh("ES256")); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("a second first key: %v", err)
	}
}

func TestKeyLife(t *testing.T) {
	// given a key in use
	l := newKeyLog()
	l.append(t, keyStart, created("ES256-1", "ES256", keyStart), &events.KeyActivated{ID: "ES256-1"})
	l.made = 1
	policy := keyPolicy
	policy.Algorithms = []string{"ES256"}
	due := func(now time.Time, want command.KeyWork) {
		t.Helper()
		if diff := cmp.Diff(want, policy.Due(l.state.Keys, now)); diff != "" {
			t.Errorf("due at %s (-want +got):\n%s", now, diff)
		}
	}
	aged := keyStart.Add(policy.Rotation)
	due(aged.Add(-1), command.KeyWork{Next: aged})
	due(aged, command.KeyWork{Rotate: []string{"ES256"}})

	// when it is old, then a successor is published, and waits
	got, err := policy.AddKeys(l.state, aged, l.fresh("ES256"))
	takesOver := aged.Add(publication)
	wantDecision(t, got, err, keysDecision(1, created("ES256-2", "ES256", takesOver)))
	l.append(t, aged, got.Events...)
	due(aged, command.KeyWork{Next: takesOver})
	if _, err := policy.TurnKeys(l.state, takesOver.Add(-1)); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("turned early: %v", err)
	}

	// when every cache has it, then it takes over
	due(takesOver, command.KeyWork{Activate: []string{"ES256-2"}})
	got, err = policy.TurnKeys(l.state, takesOver)
	wantDecision(t, got, err, keysDecision(2, &events.KeyActivated{ID: "ES256-2"}))
	l.append(t, takesOver, got.Events...)

	// when the last token of the former has expired, then it is retired
	gone := takesOver.Add(policy.TokenLifetime + publication)
	due(takesOver, command.KeyWork{Next: gone})
	got, err = policy.TurnKeys(l.state, gone)
	wantDecision(t, got, err, keysDecision(3, &events.KeyRetired{ID: "ES256-1"}))
	l.append(t, gone, got.Events...)
	due(gone, command.KeyWork{Next: aged.Add(policy.Rotation)})
}

func TestRotationOnRequest(t *testing.T) {
	l := newKeyLog()
	l.append(t, keyStart, created("ES256-0", "ES256", keyStart), &events.KeyActivated{ID: "ES256-0"})
	now := keyStart.Add(time.Hour)
	for _, c := range []struct {
		name, alg string
		want      []string
	}{
		{"all that have a key", "", []string{"ES256"}},
		{"a named one", "ES256", []string{"ES256"}},
		{"one that has no key yet", "RS256", []string{"RS256"}},
	} {
		if got, err := keyPolicy.Rotatable(l.state.Keys, c.alg); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v", c.name, got, err)
		}
	}
	got, err := keyPolicy.RotateKeys(l.state, now, "RS256", l.fresh("ES256", "RS256"))
	wantDecision(t, got, err, keysDecision(1, created("RS256-2", "RS256", now), &events.KeyActivated{ID: "RS256-2"}))
	got, err = keyPolicy.RotateKeys(l.state, now, "", l.fresh("ES256", "ES256"))
	wantDecision(t, got, err, keysDecision(1, created("ES256-3", "ES256", now.Add(publication))))
	l.append(t, now, got.Events...)

	for _, c := range []struct {
		name, alg string
		want      *command.Error
	}{
		{"its successor waits", "ES256", &command.Error{
			Kind: command.KindConflict, Message: "A new ES256 key is already published and signs from 2026-11-22T11:05:10Z",
		}},
		{"an algorithm nobody has", "HS256", &command.Error{
			Kind: command.KindInvalid, Message: "The alg must be one of ES256, RS256",
		}},
	} {
		if _, err := keyPolicy.RotateKeys(l.state, now, c.alg, l.fresh("ES256", "HS256")); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	want := &command.Error{Kind: command.KindConflict}
	if algs, err := keyPolicy.Rotatable(l.state.Keys, ""); !errors.Is(err, want) {
		t.Errorf("every successor waits: %v, %v", algs, err)
	}
}

func TestFirstDataKeyWins(t *testing.T) {
	s := projections.New()
	made := &events.SealingKeyCreated{ID: "d_1", Wrapped: []byte("w")}
	guard := events.Position(0)
	got, err := command.FirstDataKey(s, made)
	wantDecision(t, got, err, command.Decision{Subject: events.SealingSubject(), Events: []events.Data{made}, Guard: &guard})

	e := &events.Event{Type: made.EventType(), Version: 1, Time: keyStart, Data: made}
	if err := s.Apply(projections.Record{Position: 1, Subject: events.SealingSubject()}, 0, e); err != nil {
		t.Fatal(err)
	}
	if _, err := command.FirstDataKey(s, made); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("a second data key: %v", err)
	}
}

// Whatever replicas decide at whatever times, in races that the guard settles,
// a key is published long enough before it signs and long enough after.
func TestKeysOverlapAlways(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newKeyLog()
		now := keyStart
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Hour)).Draw(t, "wait")))
			var decided []command.Decision // by replicas that saw the same state
			for range rapid.IntRange(1, 3).Draw(t, "replicas") {
				if d, ok := l.decide(t, now); ok {
					decided = append(decided, d)
				}
			}
			for _, d := range decided {
				if *d.Guard == l.state.Keys.Revision() { // else it lost
					l.check(t, now, d)
					l.append(t, now, d.Events...)
				}
			}
			l.checkOnePending(t)
		}
	})
}

func (l *keyLog) decide(t *rapid.T, now time.Time) (d command.Decision, ok bool) {
	algs := rapid.SliceOf(rapid.SampledFrom(keyPolicy.Algorithms)).Draw(t, "made")
	var err error
	switch rapid.IntRange(0, 2).Draw(t, "command") {
	case 0:
		d, err = keyPolicy.AddKeys(l.state, now, l.fresh(algs...))
	case 1:
		d, err = keyPolicy.RotateKeys(l.state, now, rapid.SampledFrom([]string{"", "RS256"}).Draw(t, "alg"), l.fresh(algs...))
	case 2:
		d, err = keyPolicy.TurnKeys(l.state, now)
	}
	if err != nil && !errors.Is(err, command.ErrUnchanged) && !errors.Is(err, &command.Error{Kind: command.KindConflict}) {
		t.Fatalf("decide: %v", err)
	}
	return d, err == nil
}

func (l *keyLog) check(t *rapid.T, now time.Time, d command.Decision) {
	for i, data := range d.Events {
		switch e := data.(type) {
		case *events.KeyActivated:
			if k, ok := l.state.Keys.Get(e.ID); ok {
				if now.Sub(k.CreatedAt) < publication {
					t.Fatalf("%s signs %s after it was published", e.ID, now.Sub(k.CreatedAt))
				}
				continue
			}
			first, ok := d.Events[i-1].(*events.KeyCreated)
			if !ok || first.ID != e.ID {
				t.Fatalf("%s signs, but nobody published it", e.ID)
			}
			if k, ok := l.state.Keys.Active(first.Algorithm); ok {
				t.Fatalf("%s signs at once, though %s is in use", e.ID, k.ID)
			}
		case *events.KeyRetired:
			k, ok := l.state.Keys.Get(e.ID)
			if !ok || k.ReplacedAt.IsZero() {
				t.Fatalf("%s is retired while in use", e.ID)
			}
			if now.Sub(k.ReplacedAt) < keyPolicy.TokenLifetime+publication {
				t.Fatalf("%s is retired %s after it was replaced", e.ID, now.Sub(k.ReplacedAt))
			}
		}
	}
}

func (l *keyLog) checkOnePending(t *rapid.T) {
	waiting := map[string]bool{}
	for _, k := range l.state.Keys.Published() {
		if !k.ActivatedAt.IsZero() {
			continue
		}
		if waiting[k.Algorithm] {
			t.Fatalf("two %s keys wait", k.Algorithm)
		}
		waiting[k.Algorithm] = true
	}
}
