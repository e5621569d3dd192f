package projections_test

import (
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// The log tells which archives there are; a snapshot knows the same.
func TestArchives(t *testing.T) {
	s := replayed(t, []page{
		on("acme", 0, &events.OrganizationCreated{ID: "acme"}),
		on("", time.Minute, &events.LogArchived{From: 1, Through: 1, SHA256: "a1", Bytes: 7}),
		on("", time.Minute, &events.LogArchived{From: 1, Through: 2, SHA256: "b2", Bytes: 8}),
		on("", time.Minute, &events.LogArchived{From: 1, Through: 2, SHA256: "c3", Bytes: 9}), // made again
	})
	for _, s := range []*projections.State{s, restored(t, encoded(t, s.Freeze()))} {
		a, ok := s.Archives.Through(2)
		if !ok || a.SHA256 != "c3" || a.Position != 4 || !a.ArchivedAt.Equal(epoch.Add(time.Minute)) || len(s.Archives.All()) != 3 {
			t.Errorf("%+v, %v of %d", a, ok, len(s.Archives.All()))
		}
		if _, ok := s.Archives.Through(3); ok {
			t.Error("an archive that there is not")
		}
	}
}
