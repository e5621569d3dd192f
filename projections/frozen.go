package projections

import (
	"crypto/sha256"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/grantlog/grantlog/events"
)

// Frozen is a state as it was at one position. It never changes, whatever is
// applied to the State that it was taken from, and may be read concurrently
// with that.
type Frozen struct {
	Position events.Position
	Chain    events.Chain
	Time     time.Time

	organizations map[string]*Organization
	applications  map[string]*Application
	services      map[string]*Service
	keys          Keys
	tokens        Tokens // for reading slots only; it has no index
	usage         Usage
	users         Users
	logins        Logins
	connections   Connections
	webhooks      Webhooks
	refreshes     Refreshes
	requests      Requests
	epochs        []*Epoch
	archives      []*Archive
}

// Freeze takes a copy of the state without copying its tokens: later changes
// copy the chunks they touch. It counts as a change of the State, so it must
// not run beside Apply or another Freeze; beside readers it may.
func (s *State) Freeze() *Frozen {
	f := s.alias()
	f.organizations = maps.Clone(f.organizations)
	f.applications = maps.Clone(f.applications)
	f.services = maps.Clone(f.services)
	f.keys.byID = maps.Clone(f.keys.byID)
	f.keys.active = maps.Clone(f.keys.active)
	f.keys.sealing = maps.Clone(f.keys.sealing)
	f.usage.applications = maps.Clone(f.usage.applications)
	f.usage.organizations = maps.Clone(f.usage.organizations)
	f.usage.reports = maps.Clone(f.usage.reports)
	f.users = s.Users.frozen()
	f.logins.pairs = maps.Clone(f.logins.pairs)
	f.connections.providers = maps.Clone(f.connections.providers)
	f.connections.byID = maps.Clone(f.connections.byID)
	f.webhooks = s.Webhooks.frozen()
	f.refreshes.families = maps.Clone(f.refreshes.families)
	f.requests.oldest = maps.Clone(f.requests.oldest)
	s.Usage.epoch++ // counters are copied before they are written again

	t := &f.tokens
	t.chunks = slices.Clone(t.chunks)
	t.lists = slices.Clone(t.lists)
	t.applications.values = slices.Clone(t.applications.values)
	t.origins.values = slices.Clone(t.origins.values)
	t.holders.values = slices.Clone(t.holders.values)
	for i := range s.Tokens.shared {
		s.Tokens.shared[i] = true
	}
	return f
}

// alias returns the state's own data in the form of a Frozen.
func (s *State) alias() *Frozen {
	t := s.whole()
	return &Frozen{
		Position: s.Position, Chain: s.Chain, Time: s.Time,
		organizations: s.Organizations.byID,
		applications:  s.Applications.byID,
		services:      s.Services.byID,
		keys:          *s.Keys,
		usage:         *s.Usage,
		users:         *s.Users,
		logins:        *s.Logins,
		connections:   *s.Connections,
		webhooks:      *s.Webhooks,
		refreshes:     *s.Refreshes,
		requests:      *s.Requests,
		epochs:        s.Epochs.list,
		archives:      s.Archives.list,
		tokens: Tokens{
			chunks: t.chunks, count: t.count, lists: t.lists,
			applications: interned[string]{values: t.applications.values},
			origins:      interned[origin]{values: t.origins.values},
			holders:      interned[holder]{values: t.holders.values},
		},
	}
}

// Hash is the SHA-256 of what Encode writes: equal for equal histories, on
// every machine. It is made of one part while the next is encoded.
func (f *Frozen) Hash() (sum [32]byte) {
	h := sha256.New()
	encoded, w := io.Pipe()
	var hashing sync.WaitGroup
	hashing.Go(func() { io.CopyBuffer(h, encoded, make([]byte, sectionPart)) })
	err := f.Encode(w)
	w.Close()
	hashing.Wait()
	if err != nil {
		// A hash takes everything, and every value came out of JSON.
		panic("projections: a state that cannot be encoded: " + err.Error())
	}
	h.Sum(sum[:0])
	return sum
}

// Hash is the hash of the state as it is now.
func (s *State) Hash() [32]byte { return s.alias().Hash() }

// Encode writes the state in its canonical form: the same bytes for the same
// history, however the tables came to be laid out. The form is described in
// sections.go.
func (f *Frozen) Encode(w io.Writer) error {
	e := newSectionWriter(w)
	e.head(f)
	for _, id := range slices.Sorted(maps.Keys(f.organizations)) {
		e.json(sectionOrganization, f.organizations[id])
	}
	for _, id := range slices.Sorted(maps.Keys(f.applications)) {
		e.json(sectionApplication, f.applications[id])
	}
	for _, id := range slices.Sorted(maps.Keys(f.services)) {
		e.json(sectionService, f.services[id])
	}
	for _, k := range f.keys.Published() {
		e.json(sectionKey, k)
	}
	e.json(sectionKeyring, f.keys.ring())
	e.tokens(&f.tokens)
	e.usage(&f.usage)
	e.users(&f.users)
	e.logins(&f.logins)
	for _, key := range slices.Sorted(maps.Keys(f.connections.providers)) {
		e.json(sectionProvider, f.connections.providers[key])
	}
	for _, id := range slices.Sorted(maps.Keys(f.connections.byID)) {
		e.json(sectionAuthentication, f.connections.byID[id])
	}
	e.refreshes(&f.refreshes)
	e.requests(&f.requests)
	e.webhooks(&f.webhooks)
	for _, epoch := range f.epochs {
		e.json(sectionEpoch, epoch)
	}
	for _, archive := range f.archives {
		e.json(sectionArchive, archive)
	}
	return e.close()
}
