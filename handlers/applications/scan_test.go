package applications

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Tokens that ended stand in the list until they expire: one request must not
// walk through all of them.
func TestOneRequestLooksAtABoundedNumberOfTokens(t *testing.T) {
	now := time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	s, position := projections.New(), events.Position(0)
	apply := func(data events.Data) {
		position++
		err := s.Apply(projections.Record{Position: position}, 0, &events.Event{Type: data.EventType(), Organization: "acme", Time: now, Data: data})
		if err != nil {
			t.Fatal(err)
		}
	}
	issue := func(n int) {
		for range n {
			issued := &events.TokenIssued{Application: "a1", Secret: 1, IssuedAt: now.Unix(), ExpiresAt: now.Unix() + 3600}
			binary.BigEndian.PutUint64(issued.ID[:], uint64(position))
			apply(issued)
		}
	}
	apply(&events.OrganizationCreated{ID: "acme"})
	apply(&events.ApplicationCreated{ID: "a1", ClientID: "app_1", Secret: &events.SecretDigest{1}})
	issue(maxScan + 5)
	apply(&events.ApplicationTokensRevoked{ID: "a1"})
	issue(2)

	found, next := liveTokens(s, now, "a1", nil, 50)
	if len(found) != 2 || next == nil {
		t.Fatalf("%d tokens, next %v", len(found), next)
	}
	found, next = liveTokens(s, now, "a1", next, 50)
	if len(found) != 0 || next != nil {
		t.Fatalf("behind them %d tokens, next %v", len(found), next)
	}
}
