package projections_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
)

// connection draws an event about a provider or an authentication.
func (g *generator) connection(org string) page {
	id := rapid.SampledFrom([]string{"c1", "c2", "c3"}).Draw(g.t, "authentication")
	name := rapid.SampledFrom([]string{"f4w", "other"}).Draw(g.t, "provider")
	at := epoch.Add(g.now).Unix()
	switch rapid.IntRange(0, 6).Draw(g.t, "connection") {
	case 0:
		return on(org, g.now, &events.ProviderSet{Name: name, ProviderSettings: events.ProviderSettings{TokenURL: "https://provider.example"}, Secret: []byte{1}})
	case 1:
		return on(org, g.now, &events.ProviderRemoved{Name: name})
	case 2:
		return on(org, g.now, &events.AuthenticationLeased{ID: id, Until: at + 30, Key: rapid.SampledFrom([]string{"", "k1", "k2"}).Draw(g.t, "key")})
	case 3:
		return on(org, g.now, &events.AuthenticationRefreshed{ID: id, Tokens: []byte{2}, ExpiresAt: at + 60})
	case 4:
		return on(org, g.now, &events.AuthenticationFailed{ID: id, Reason: "refused"})
	case 5:
		return on(org, g.now, &events.AuthenticationRemoved{ID: id})
	}
	return on(org, g.now, &events.AuthenticationAdded{ID: id, Provider: name, Tokens: []byte{3}, ExpiresAt: at + 60})
}

func TestAuthenticationLife(t *testing.T) {
	expires := epoch.Add(time.Hour).Unix()
	added := on("acme", 0, &events.AuthenticationAdded{ID: "c1", Provider: "f4w", Tokens: []byte("t1"), ExpiresAt: expires})
	leased := on("acme", time.Minute, &events.AuthenticationLeased{ID: "c1", Until: epoch.Add(2 * time.Minute).Unix()})
	tests := []struct {
		name  string
		pages []page
		now   time.Duration
		due   bool
		want  string // tokens/failure/attempts; empty: gone
	}{
		{"added", []page{added}, 0, true, "t1//0"},
		{"leased", []page{added, leased}, time.Minute, false, "t1//1"},
		{"its holder is gone", []page{added, leased}, 2 * time.Minute, true, "t1//1"},
		{"refreshed", []page{added, leased, on("acme", time.Minute, &events.AuthenticationRefreshed{ID: "c1", Tokens: []byte("t2"), ExpiresAt: expires + 1})}, time.Minute, false, "t2//0"},
		{"refused", []page{added, leased, on("acme", time.Minute, &events.AuthenticationFailed{ID: "c1", Reason: "no"})}, time.Minute, false, "t1/no/1"},
		{"removed", []page{added, on("acme", time.Minute, &events.AuthenticationRemoved{ID: "c1"})}, time.Minute, false, ""},
		{"another organization's event", []page{added, on("globex", time.Minute, &events.AuthenticationRemoved{ID: "c1"})}, time.Minute, true, "t1//0"},
		{"after the removal", []page{added, on("acme", 0, &events.AuthenticationRemoved{ID: "c1"}), leased}, time.Minute, false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := replayed(t, tt.pages)
			if due := len(s.Connections.Due(expires, epoch.Add(tt.now).Unix(), 10)) > 0; due != tt.due {
				t.Errorf("due: %v", due)
			}
			got := ""
			if a, ok := s.Connections.Get("c1"); ok {
				got = fmt.Sprintf("%s/%s/%d", a.Tokens, a.Failed, a.Attempts)
			}
			if got != tt.want || len(s.Connections.Of("acme")) > 1 {
				t.Errorf("state %q, want %q", got, tt.want)
			}
		})
	}
}

func TestProviderLife(t *testing.T) {
	set := on("acme", 0, &events.ProviderSet{Name: "f4w", ProviderSettings: events.ProviderSettings{TokenURL: "https://provider.example"}})
	s := replayed(t, []page{set, on("acme", 0, &events.ProviderRemoved{Name: "f4w"})})
	if _, ok := s.Connections.Provider("acme", "f4w"); ok || len(s.Connections.Providers("acme")) != 0 {
		t.Error("a removed provider is there")
	}
	if at := s.Connections.ProviderRevision("acme", "f4w"); at != 2 {
		t.Errorf("its guard is %d", at)
	}
	s = replayed(t, []page{set})
	if p, ok := s.Connections.Provider("acme", "f4w"); !ok || p.TokenURL != "https://provider.example" {
		t.Errorf("provider %+v", p)
	}
	if _, ok := s.Connections.Provider("globex", "f4w"); ok {
		t.Error("another organization sees it")
	}
}
