package projections_test

import (
	"bytes"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// layer is what is kept of a state beside those before it.
type layer struct {
	outline  []byte
	state    *projections.State // where it stands
	sections [][]byte
	ended    []events.TokenID
}

func layerOf(t require, s *projections.State, since events.Position) layer {
	t.Helper()
	f := s.Freeze()
	var outline bytes.Buffer
	if err := f.EncodeOutline(&outline); err != nil {
		t.Fatalf("outline: %v", err)
	}
	l := layer{outline: outline.Bytes(), state: restored(t, outline.Bytes()), ended: f.Ended(since)}
	err := f.Layer(since, func(section []byte, ids []events.TokenID) error {
		l.sections = append(l.sections, bytes.Clone(section))
		for _, id := range ids {
			if found, ok, err := projections.FindToken(section, id); err != nil || !ok || found.ID != id {
				t.Fatalf("token %v is not in its section: %v", id, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("layer: %v", err)
	}
	return l
}

// whole puts the state of the uppermost layer together.
func whole(t require, layers []layer) *projections.State {
	t.Helper()
	all := projections.NewLayers()
	for _, l := range layers {
		all.Begin(l.state.Position, l.state.Time)
		for _, section := range l.sections {
			if err := all.Section(section); err != nil {
				t.Fatalf("section: %v", err)
			}
		}
		for _, id := range l.ended {
			if err := all.End(id); err != nil {
				t.Fatalf("end: %v", err)
			}
		}
	}
	s := restored(t, layers[len(layers)-1].outline)
	if err := all.Into(s); err != nil {
		t.Fatalf("into: %v", err)
	}
	return s
}

// find looks for a token in layers, the uppermost first.
func find(t require, layers []layer, id events.TokenID) *projections.Token {
	t.Helper()
	top := layers[len(layers)-1].state
	ended := false
	for i := len(layers) - 1; i >= 0; i-- {
		for _, section := range layers[i].sections {
			found, ok, err := projections.FindToken(section, id)
			if err != nil {
				t.Fatalf("find: %v", err)
			}
			if !ok {
				continue
			}
			if !found.Outlives(layers[i].state.Time, top.Time) {
				return nil
			}
			found.Ended = found.Ended || ended
			return &found
		}
		for _, e := range layers[i].ended {
			ended = ended || e == id
		}
	}
	return nil
}

// However a history is cut into layers, together they are the state, and go on
// as it does; and an outline that goes on without them tells of every token what
// the state does.
func TestLayersAreTheState(t *testing.T) { checkLayers(t, histories(60)) }

func TestRefreshTokensSurviveLayers(t *testing.T) { checkLayers(t, refreshHistories(30)) }

func TestRepeatedTokensSurviveLayers(t *testing.T) { checkLayers(t, repeats(40)) }

func checkLayers(t *testing.T, histories *rapid.Generator[[]page]) {
	rapid.Check(t, func(t *rapid.T) {
		pages := histories.Draw(t, "history")
		s := projections.New()
		var layers []layer
		outline := projections.New()
		outline.Outline()
		ids := map[events.TokenID]bool{}
		for _, p := range pages {
			apply(t, s, p)
			apply(t, outline, p)
			for _, d := range p.data {
				if d, ok := d.(*events.TokenIssued); ok {
					ids[d.ID] = true
				}
			}
			compareOutline(t, s, outline, layers, ids)
			if rapid.IntRange(0, 5).Draw(t, "layer") > 0 {
				continue
			}
			since := events.Position(0)
			if len(layers) > 0 {
				since = layers[len(layers)-1].state.Position
			}
			if rapid.IntRange(0, 5).Draw(t, "whole") == 0 {
				layers, since = nil, 0
			}
			layers = append(layers, layerOf(t, s, since))
			together := whole(t, layers)
			if together.Hash() != s.Hash() {
				t.Fatalf("%d layers are not the state at %d", len(layers), s.Position)
			}
			if rapid.Bool().Draw(t, "go on with it") {
				s = together
			}
			outline = restored(t, layers[len(layers)-1].outline)
			outline.Outline()
		}
	})
}

func compareOutline(t *rapid.T, s, outline *projections.State, layers []layer, ids map[events.TokenID]bool) {
	for id := range ids {
		var old *projections.Token
		if len(layers) > 0 {
			old = find(t, layers, id)
		}
		want, ok := s.Token(id)
		got, found, sure := outline.Recall(id, old)
		switch {
		case !sure:
			continue
		case got != want || found != ok:
			t.Fatalf("token %v at %d is %+v, want %+v", id, s.Position, got, want)
		case outline.Liveness(got, s.Time) != s.Liveness(want, s.Time):
			t.Fatalf("token %v at %d is %v, want %v", id, s.Position, outline.Liveness(got, s.Time), s.Liveness(want, s.Time))
		}
	}
}

var durations = []time.Duration{0, time.Second, 30 * time.Second, time.Minute, 61 * time.Second, 3 * time.Minute, 10 * time.Minute}

// repeats draws histories in which the ids of tokens come again, soon or when
// the former token is long gone.
func repeats(maxPages int) *rapid.Generator[[]page] {
	return rapid.Custom(func(t *rapid.T) []page {
		g := &generator{t: t}
		pages := []page{on("acme", 0, created("a2", false))}
		for range rapid.IntRange(1, maxPages).Draw(t, "pages") {
			g.now += durations[rapid.IntRange(0, len(durations)-1).Draw(t, "step")]
			n := rapid.IntRange(0, 4).Draw(t, "token")
			if rapid.IntRange(0, 3).Draw(t, "revoke") == 0 {
				pages = append(pages, on("acme", g.now, &events.TokenRevoked{ID: tokenID(n), Application: "a2"}))
				continue
			}
			life := durations[rapid.IntRange(1, len(durations)-1).Draw(t, "life")]
			pages = append(pages, on("acme", g.now, issued(n, "a2", 1, g.now, life)))
		}
		return pages
	})
}

// An issuance of an id that may or may not have been swept by then is the only
// thing that an outline leaves open.
func TestOutlineIsSureOfTokensIssuedOnce(t *testing.T) {
	s := replayed(t, longHistory(300))
	layers := []layer{layerOf(t, s, 0)}
	outline := restored(t, layers[0].outline)
	outline.Outline()
	for _, p := range longHistory(600)[s.Position:] {
		apply(t, s, p)
		apply(t, outline, p)
	}
	for n := range 700 {
		id := tokenID(n)
		want, ok := s.Token(id)
		if got, found, sure := outline.Recall(id, find(t, layers, id)); !sure || got != want || found != ok {
			t.Errorf("token %d is %+v (sure: %v), want %+v", n, got, sure, want)
		}
	}
}

// What needs all tokens is never answered from some.
func TestOutlinesHaveNoTokens(t *testing.T) {
	s := projections.New()
	s.Outline()
	for what, ask := range map[string]func(){
		"token":  func() { s.Token(tokenID(1)) },
		"tokens": func() { s.TokensOf("a1", nil)(func(projections.Token) bool { return false }) },
		"hash":   func() { s.Hash() },
		"freeze": func() { s.Freeze() },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: it was answered", what)
				}
			}()
			ask()
		}()
	}
}
