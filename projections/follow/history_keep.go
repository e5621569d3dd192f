package follow

import (
	"context"
	"errors"
	"slices"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections"
)

// due reports whether a state is worth keeping, given how much of the log was
// read since the one before.
func (h *History) due(position events.Position, read int64) bool {
	if read < h.spacing {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	i, _ := h.place(position)
	return i == 0 || read >= historyShare*h.kept[i-1].outline
}

// place is where a position stands, or would.
func (h *History) place(position events.Position) (i int, found bool) {
	return slices.BinarySearchFunc(h.kept, kept{position: position}, byPosition)
}

// taken is a state that is to be kept.
type taken struct {
	state    *projections.Frozen
	previous events.Chain // before its last record
	// read is how much of the log was read since the one before, or since there
	// was none.
	read int64
	seen seen
}

// keep writes a state. log is the one that it is of; ctx ends the writing.
func (h *History) keep(ctx context.Context, log Log, t taken) error {
	h.one.Lock()
	defer h.one.Unlock()
	k := kept{position: t.state.Position, time: t.state.Time, read: t.read}
	base, found := h.baseFor(k)
	if found {
		return nil
	}
	c := contents{Schema: projections.Schema, Position: k.position, Chain: t.state.Chain, Previous: t.previous, seen: t.seen}
	if base != nil {
		chain, err := h.proven(ctx, log, *base)
		switch {
		case err == nil:
			k.base, c.Base, c.BaseChain = base.position, base.position, chain
		case errors.Is(err, journal.ErrUnavailable) || ctx.Err() != nil:
			return err
		default:
			h.refuse(*base, err)
		}
	}
	if err := h.write(ctx, &k, &c, t.state); err != nil {
		return err
	}
	h.log.Debug("a state of the past is kept", "position", k.position, "base", k.base, "bytes", k.size)
	h.mu.Lock()
	defer h.mu.Unlock()
	i, _ := h.place(k.position)
	h.kept = slices.Insert(h.kept, i, k)
	if i+1 < len(h.kept) {
		h.stretch(i+1, -t.read)
	}
	h.thin()
	return nil
}

// baseFor chooses the state whose tokens a new one comes on top of: the one
// before, or none, if the last one with all tokens is far enough behind. found:
// it is kept already.
func (h *History) baseFor(k kept) (base *candidate, found bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, found := h.place(k.position)
	read := k.read
	for j := i - 1; j >= 0; j-- {
		if h.kept[j].base != 0 {
			read += h.kept[j].read
			continue
		}
		if read < historyShare*h.kept[j].size {
			base = &candidate{position: h.kept[i-1].position, time: h.kept[i-1].time}
		}
		break
	}
	return base, found
}

// thin removes what is too much. The last one stays, if it can: it is the first
// that the next question may be near.
func (h *History) thin() {
	for len(h.kept) > 1 && !h.fits(0) {
		least := h.least()
		if least < 0 {
			return
		}
		h.remove(least)
	}
}

// least is the state without which the shortest piece of the log is to be
// folded, of those that are nobody's base; -1: there is none.
func (h *History) least() int {
	bases := map[events.Position]bool{}
	for _, k := range h.kept {
		bases[k.base] = true
	}
	least, last := -1, len(h.kept)-1
	for i, k := range h.kept[:last] {
		if !bases[k.position] && (least < 0 || h.without(i) < h.without(least)) {
			least = i
		}
	}
	if least < 0 && h.kept[last].base != 0 {
		return last
	}
	return least
}

// forget removes what stands before the beginning of the log, and is nobody's
// base: nothing is folded from there any more.
func (h *History) forget(first events.Position) {
	h.mu.Lock()
	defer h.mu.Unlock()
	needed := map[events.Position]bool{}
	for i := len(h.kept) - 1; i >= 0; i-- {
		if k := h.kept[i]; k.position >= first || needed[k.position] {
			needed[k.base] = true
			continue
		}
		h.remove(i)
	}
}

// without is the piece of the log to fold if one were not there.
func (h *History) without(i int) int64 { return h.kept[i].read + h.kept[i+1].read }

// fits reports whether there is room for so many more.
func (h *History) fits(more int) bool {
	total := int64(0)
	for _, k := range h.kept {
		total += k.size
	}
	return len(h.kept)+more <= h.maxFiles && total <= h.maxBytes
}

// Room reports whether a folding would leave anything behind.
func (h *History) Room() bool {
	if h == nil || h.readOnly {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fits(1)
}

// Keeping returns the log such that states which a folding passes on its way to
// a moment are kept, as long as there is room. state is the one that the
// records are folded into, before Read's function returns.
func (h *History) Keeping(log Log, state *projections.State) Log {
	if h == nil || h.readOnly {
		return log
	}
	return &keeping{Log: log, history: h, state: state}
}

type keeping struct {
	Log
	history *History
	state   *projections.State
}

func (k *keeping) Read(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error {
	passed := taken{previous: from.Chain}
	return k.Log.Read(ctx, from, to, func(r *journal.Record) error {
		now := passed
		passed.previous, passed.read = r.Chain, passed.read+int64(r.Bytes)
		passed.seen.note(r)
		if err := fn(r); err != nil || !k.history.due(r.Position, passed.read) || !k.history.Room() {
			return err
		}
		now.state, now.read, now.seen = k.state.Freeze(), passed.read, passed.seen
		if err := k.history.keep(ctx, k.Log, now); err != nil && ctx.Err() == nil {
			k.history.log.Warn("a state of the past is not kept", "err", err)
		}
		passed.read, passed.seen = 0, seen{}
		return nil
	})
}
