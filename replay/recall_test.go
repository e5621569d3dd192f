package replay

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// A trail that begins amid a history tells of the tokens that were alive then,
// and of all later ones, what one tells that has seen everything.
func TestTrailFromAmidAHistory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := draw(t)
		now := p.now.Add(someStep.Draw(t, "later"))
		cut := rapid.IntRange(0, len(p.records)).Draw(t, "cut")
		everything := func(*events.TokenIssued) bool { return true }
		whole, state := newTrail(projections.New(), everything), projections.New()
		for _, r := range p.records[:cut] {
			if err := r.fold(state); err != nil {
				t.Fatal(err)
			}
		}
		known := map[string]bool{}
		for _, client := range Clients(state) {
			known[client.ID] = true
		}
		began := state.Time.Unix()
		amid := newTrail(state, everything)
		amid.recall()
		for n, r := range p.records {
			for i := range r.Events {
				if err := whole.apply(r, i); err != nil {
					t.Fatal(err)
				}
				if n < cut {
					continue
				}
				if err := amid.apply(r, i); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, want := range whole.found {
			want.judge(now)
			got := amid.byID[want.ID]
			if got == nil {
				if want.Issued.Position > events.Position(cut) || want.ExpiresAt.Unix() > began && known[want.Application] {
					t.Errorf("token of %d is not known", want.Issued.Position)
				}
				continue
			}
			got.judge(now)
			switch {
			case got.Status != want.Status:
				t.Errorf("token of %d is %s, want %s", want.Issued.Position, got.Status, want.Status)
			case want.End == nil && got.End == nil:
			case want.End == nil || got.End == nil:
				t.Errorf("token of %d ends %v, want %v", want.Issued.Position, got.End, want.End)
			case got.End.Reason != ReasonEarlier && !got.End.At.Equal(want.End.At):
				t.Errorf("token of %d ends at %v, want %v", want.Issued.Position, got.End.At, want.End.At)
			}
		}
	})
}
