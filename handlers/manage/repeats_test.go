package manage

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/grantlog/grantlog/events"
)

// Requests with one key take turns; others do not wait; who gives up lets the
// next one go on, and nothing is left behind.
func TestTurns(t *testing.T) {
	r := NewRepeats(nil, nil)
	one, other := events.RequestDigest{1}, events.RequestDigest{2}
	release, err := r.take(t.Context(), one)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancelCause(t.Context())
	enough := errors.New("enough")
	cancel(enough)
	if _, err := r.take(gone, one); !errors.Is(err, enough) {
		t.Errorf("a turn that is taken: %v", err)
	}
	free, err := r.take(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	free()
	var work sync.WaitGroup
	inside, most := 0, 0 // by whoever has the turn
	for range 20 {
		work.Go(func() {
			release, err := r.take(t.Context(), one)
			if err != nil {
				t.Error(err)
				return
			}
			inside++
			most = max(most, inside)
			inside--
			release()
		})
	}
	release()
	work.Wait()
	if most != 1 || len(r.turns) != 0 {
		t.Errorf("%d at once, %d turns left", most, len(r.turns))
	}
}

// What is joined must not be read as other parts.
func TestDigestsOfRequests(t *testing.T) {
	r, other := NewRepeats([]byte("a"), nil), NewRepeats([]byte("b"), nil)
	seen := map[events.RequestDigest]bool{}
	for _, d := range []events.RequestDigest{
		r.digest("key", "a", "b"), r.digest("key", "ab", ""), r.digest("key", "", "ab"), r.digest("key", "ab"), r.digest("request", "a", "b"), other.digest("key", "a", "b"),
	} {
		if seen[d] {
			t.Errorf("%x twice", d)
		}
		seen[d] = true
	}
}
