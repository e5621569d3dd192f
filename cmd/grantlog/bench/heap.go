package bench

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// holdTokens: the heap that live tokens take in a state.
func holdTokens(ctx context.Context, r *run) (result, error) {
	state, before := projections.New(), heapInUse()
	record := projections.Record{Position: 1}
	now := time.Now()
	if err := state.Apply(record, 0, envelope(now, application())); err != nil {
		return result{}, err
	}
	began := time.Now()
	for i := range r.Issuances {
		if i%1000 == 0 {
			record.Position++
			if ctx.Err() != nil {
				return result{}, ctx.Err()
			}
		}
		if err := state.Apply(record, i%1000, envelope(now, issuance(now))); err != nil {
			return result{}, err
		}
	}
	applied := time.Since(began)
	held := heapInUse() - before
	if n := state.Tokens.Len(); n != r.Issuances {
		return result{}, fmt.Errorf("the state holds %d tokens of %d", n, r.Issuances)
	}
	return result{Figures: []figure{
		{fmt.Sprintf("a live token, of %d in one state", r.Issuances), float64(held) / float64(r.Issuances), "B"},
		{"to make and apply an issuance", float64(applied.Nanoseconds()) / float64(r.Issuances), "ns"},
	}}, nil
}

// heapInUse is what a full collection leaves.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // the first one may leave what finalizers held
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The organization and application of tokens that no server issued.
const (
	organization  = "default"
	applicationID = "A4CJ2V7Q5N3XKZ6T"
)

func application() *events.ApplicationCreated {
	return &events.ApplicationCreated{
		ID: applicationID, ClientID: "app_" + applicationID, Secret: &events.SecretDigest{1},
		ApplicationSettings: events.ApplicationSettings{Name: "Benchmark", Scopes: []string{scope}},
	}
}

// issuance is what a client_credentials request writes.
func issuance(now time.Time) *events.TokenIssued {
	id := events.NewTokenID()
	return &events.TokenIssued{
		ID: id, Digest: events.TokenDigest(events.NewTokenID()), Application: applicationID, Secret: 1,
		Grant: "client_credentials", Scope: scope, Key: "k_" + applicationID,
		IssuedAt: now.Unix(), ExpiresAt: now.Add(projections.DefaultTokenLifetime).Unix(),
	}
}

func envelope(now time.Time, data events.Data) *events.Event {
	return &events.Event{
		ID: events.NewID("e_"), Type: data.EventType(),
		Time: now.UTC().Truncate(time.Microsecond), Organization: organization,
		Actor: events.Actor{Application: applicationID}, Correlation: events.NewID("r_"), Data: data,
	}
}
