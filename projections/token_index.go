package projections

import (
	"encoding/binary"

	"github.com/grantlog/grantlog/events"
)

// index finds slots by jti: a hash table with linear probing whose cells hold
// 32 bits of the jti beside the slot. A jti is random, so its bits are their
// own hash, and the table grows without looking at the tokens.
type index struct {
	cells []uint64 // tag<<32 | slot; 0: empty. A power of two, at most 3/4 full.
	used  int
}

const firstCells = 8

// tagOf takes bits that the choice of the index did not use.
func tagOf(id events.TokenID) uint32 { return binary.LittleEndian.Uint32(id[4:]) }

// first returns the cell where the search for a tag begins.
func (x *index) first(tag uint32) uint32 { return tag & uint32(len(x.cells)-1) }

func (x *index) next(cell uint32) uint32 { return (cell + 1) & uint32(len(x.cells)-1) }

// look returns the slot in a cell, 0 where the search ends, and whether it
// may be that of a jti with the tag.
func (x *index) look(cell, tag uint32) (slot uint32, match bool) {
	if len(x.cells) == 0 {
		return 0, false
	}
	c := x.cells[cell]
	return uint32(c), uint32(c>>32) == tag
}

func (x *index) insert(tag, slot uint32) {
	if 4*(x.used+1) > 3*len(x.cells) {
		x.grow()
	}
	x.put(uint64(tag)<<32 | uint64(slot))
	x.used++
}

func (x *index) put(content uint64) {
	cell := x.first(uint32(content >> 32))
	for x.cells[cell] != 0 {
		cell = x.next(cell)
	}
	x.cells[cell] = content
}

func (x *index) grow() {
	old := x.cells
	x.cells = make([]uint64, max(firstCells, 2*len(old)))
	for _, content := range old {
		if content != 0 {
			x.put(content)
		}
	}
}

// remove takes out a slot that insert put there under the tag.
func (x *index) remove(tag, slot uint32) {
	hole := x.first(tag)
	for uint32(x.cells[hole]) != slot {
		hole = x.next(hole)
	}
	// Close the gap, so that no search ends early: whatever follows moves
	// back into the hole unless its own search begins behind it.
	for cell := x.next(hole); x.cells[cell] != 0; cell = x.next(cell) {
		home := x.first(uint32(x.cells[cell] >> 32))
		mask := uint32(len(x.cells) - 1)
		if (cell-home)&mask >= (cell-hole)&mask {
			x.cells[hole] = x.cells[cell]
			hole = cell
		}
	}
	x.cells[hole] = 0
	x.used--
}

// Expect is told which tokens are about to be issued. It changes nothing: it
// has the processor fetch where they will be looked for, for all at once rather
// than for one after the other. The result is of no use to the caller.
//
//go:noinline
func (s *State) Expect(tokens []events.TokenIssued) (fetched uint64) {
	for i := range tokens {
		id := &tokens[i].ID
		if x := &s.Tokens.byID[id[0]]; len(x.cells) > 0 {
			fetched ^= x.cells[x.first(tagOf(*id))]
		}
	}
	return fetched
}
