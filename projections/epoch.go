package projections

import (
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Epoch is the log from where it was restored from a backup. Values are
// immutable.
type Epoch struct {
	ID         string          `json:"id"`
	Position   events.Position `json:"position"` // of the record that started it
	From       events.Position `json:"from"`     // last record of the backup
	StartedAt  time.Time       `json:"startedAt"`
	TokensKept bool            `json:"tokensKept,omitempty"`
}

// Epochs is what the log says of its restorations.
type Epochs struct {
	list []*Epoch // in log order
}

func newEpochs() *Epochs { return &Epochs{} }

// At is the id of the epoch that a position belongs to; empty before the first.
// A position that the state does not show yet belongs to the last one.
func (p *Epochs) At(position events.Position) string {
	for i := len(p.list) - 1; i >= 0; i-- {
		if p.list[i].Position <= position {
			return p.list[i].ID
		}
	}
	return ""
}

// Get finds an epoch.
func (p *Epochs) Get(id string) (*Epoch, bool) {
	for _, e := range p.list {
		if e.ID == id {
			return e, true
		}
	}
	return nil, false
}

func (p *Epochs) start(at at, d *events.LogRestored) {
	if _, taken := p.Get(d.ID); taken {
		return
	}
	p.list = append(p.list, &Epoch{
		ID: strings.Clone(d.ID), Position: at.position, From: d.From, StartedAt: at.time, TokensKept: d.TokensKept,
	})
}

// restore takes an epoch out of a snapshot.
func (p *Epochs) restore(e *Epoch) bool {
	n := len(p.list)
	inOrder := n == 0 || p.list[n-1].Position < e.Position
	_, taken := p.Get(e.ID)
	p.list = append(p.list, e)
	return inOrder && !taken
}
