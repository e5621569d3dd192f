package projections

import (
	"encoding/binary"
	"math"
	"slices"
)

// cell counts the calls of one unit of time.
type cell struct {
	at       uint32 // units since 1970
	admitted uint32
	errors   uint32
	refused  uint32
}

// series is the cells that hold something, oldest first, no two of one unit.
type series []cell

// at returns the cell of a unit, a new one if there is none. Of more than keep
// cells the oldest goes; nil if that would be the new one.
func (s *series) at(unit int64, keep int) *cell {
	if unit < 0 || unit > math.MaxUint32 {
		return nil
	}
	i := len(*s)
	for i > 0 && int64((*s)[i-1].at) >= unit {
		i--
	}
	if i < len(*s) && int64((*s)[i].at) == unit {
		return &(*s)[i]
	}
	if len(*s) >= keep {
		if i == 0 {
			return nil
		}
		*s = slices.Delete(*s, 0, len(*s)-keep+1)
		i = max(0, i-1)
	}
	*s = slices.Insert(*s, i, cell{at: uint32(unit)})
	return &(*s)[i]
}

// since returns the cells of a unit and later.
func (s series) since(unit int64) series {
	i := len(s)
	for i > 0 && int64(s[i-1].at) >= unit {
		i--
	}
	return s[i:]
}

// trimmed returns the series without what is older than a unit, in memory of
// its own if that saves some.
func (s series) trimmed(unit int64) series {
	kept := s.since(unit)
	switch {
	case len(kept) == len(s):
		return s
	case len(kept) == 0:
		return nil
	}
	return slices.Clone(kept)
}

// add counts, and stops at both ends of its range: an account is a fact and
// cannot be refused for its numbers.
func (c *cell) add(admitted, errors, refused int) {
	c.admitted = shifted(c.admitted, admitted)
	c.errors = shifted(c.errors, errors)
	c.refused = shifted(c.refused, refused)
}

func shifted(n uint32, by int) uint32 {
	by = max(-math.MaxUint32, min(by, math.MaxUint32))
	return uint32(max(0, min(int64(n)+int64(by), math.MaxUint32)))
}

// encode appends the cells as differences, and restore reads them.
func (s series) encode(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	var before uint32
	for _, c := range s {
		b = binary.AppendUvarint(b, uint64(c.at-before))
		b = binary.AppendUvarint(b, uint64(c.admitted))
		b = binary.AppendUvarint(b, uint64(c.errors))
		b = binary.AppendUvarint(b, uint64(c.refused))
		before = c.at
	}
	return b
}

func (f *fields) series(keep int) (s series) {
	n := f.uvarint()
	if n > uint64(keep) {
		f.bad = true
	}
	var before uint32
	for i := uint64(0); i < n && !f.bad; i++ {
		step := f.uint32()
		if i > 0 && step == 0 || step > math.MaxUint32-before {
			f.bad = true
			return nil
		}
		before += step
		s = append(s, cell{before, f.uint32(), f.uint32(), f.uint32()})
	}
	return s
}

func (f *fields) uint32() uint32 {
	v := f.uvarint()
	if v > math.MaxUint32 {
		f.bad = true
	}
	return uint32(v)
}
