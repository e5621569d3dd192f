package projections

import (
	"encoding/binary"
	"maps"
	"slices"
)

// A section of counters is the id of what they count for, the time of the last
// call, the series (number of cells; each one's unit as a difference and its
// counts), and the secrets (number; version as a difference, last use).

// usage writes the sections of what is kept of calls, in the order of ids.
func (e *sectionWriter) usage(u *Usage) {
	e.counters(sectionUsage, u.applications)
	e.counters(sectionOrganizationUsage, u.organizations)
	for _, replica := range slices.Sorted(maps.Keys(u.reports)) {
		e.json(sectionReport, u.reports[replica])
	}
}

func (e *sectionWriter) counters(kind byte, of map[string]*Counters) {
	for _, id := range slices.Sorted(maps.Keys(of)) {
		c := of[id]
		b := appendString(e.buf[:0], id)
		b = binary.AppendVarint(b, c.last)
		for _, s := range []series{c.seconds, c.minutes, c.hours, c.days} {
			b = s.encode(b)
		}
		b = binary.AppendUvarint(b, uint64(len(c.secrets)))
		before := 0
		for _, use := range c.secrets {
			b = binary.AppendUvarint(b, uint64(use.Version-before))
			b = binary.AppendVarint(b, use.Last)
			before = use.Version
		}
		e.section(kind, b)
		e.buf = b
	}
}

func restoreCounters(body []byte, of map[string]*Counters) error {
	in := fields{rest: body}
	id := in.string()
	c := &Counters{last: in.varint()}
	c.seconds, c.minutes = in.series(keepSeconds), in.series(keepMinutes)
	c.hours, c.days = in.series(keepHours), in.series(keepDays)
	n := in.uvarint()
	version := uint32(0)
	for i := uint64(0); i < n && !in.bad; i++ {
		step := in.uint32()
		version += step
		c.secrets = append(c.secrets, SecretUse{int(version), in.varint()})
		in.bad = in.bad || step == 0 || version < step
	}
	if _, taken := of[id]; taken || in.bad || n > keepSecrets || len(in.rest) > 0 {
		return malformed("counters of %q", id)
	}
	of[id] = c
	return nil
}

func (u *Usage) restoreReport(r *Report) bool {
	_, taken := u.reports[r.Replica]
	u.reports[r.Replica] = r
	return !taken
}
