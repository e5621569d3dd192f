package follow

import (
	"context"
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
	return i == 0 || read >= historyShare*h.kept[i-1].size
}

// place is where a position stands, or would.
func (h *History) place(position events.Position) (i int, found bool) {
	return slices.BinarySearchFunc(h.kept, kept{position: position}, byPosition)
}

// keep writes a snapshot. read is how much of the log was read since the one
// before, or since there was none. ctx ends the writing.
func (h *History) keep(ctx context.Context, state *projections.Frozen, previous events.Chain, read int64) error {
	h.one.Lock()
	defer h.one.Unlock()
	k := kept{position: state.Position, time: state.Time, read: read}
	h.mu.Lock()
	_, found := h.place(k.position)
	h.mu.Unlock()
	if found {
		return nil
	}
	var err error
	if k.size, err = writeSnapshot(ctx, h.folder(), k.file(), k.sealed(), h.key, state, previous); err != nil {
		return err
	}
	h.log.Debug("a state of the past is kept", "position", k.position, "bytes", k.size)
	h.mu.Lock()
	defer h.mu.Unlock()
	i, _ := h.place(k.position)
	h.kept = slices.Insert(h.kept, i, k)
	if i+1 < len(h.kept) {
		h.stretch(i+1, -read)
	}
	h.thin()
	return nil
}

// thin removes what is too much. The last one stays: it is the first that the
// next question may be near.
func (h *History) thin() {
	for len(h.kept) > 1 && !h.fits(0) {
		least := 0
		for i := range len(h.kept) - 1 {
			if h.without(i) < h.without(least) {
				least = i
			}
		}
		h.remove(least)
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
	before, read := from.Chain, int64(0)
	return k.Log.Read(ctx, from, to, func(r *journal.Record) error {
		previous := before
		before, read = r.Chain, read+int64(r.Bytes)
		if err := fn(r); err != nil || !k.history.due(r.Position, read) || !k.history.room() {
			return err
		}
		if err := k.history.keep(ctx, k.state.Freeze(), previous, read); err != nil && ctx.Err() == nil {
			k.history.log.Warn("a state of the past is not kept", "err", err)
		}
		read = 0
		return nil
	})
}

func (h *History) room() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fits(1)
}
