package asof_test

import (
	"crypto/rand"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/projections"
)

// The log of the benchmark: issuances in full pages.
const (
	pages   = 1000
	perPage = 1000
)

func issuances(b *testing.B) *journal.Journal {
	j := journaltest.New(b).Open()
	write := func(subject string, at time.Time, data ...events.Data) {
		evs := make([]*events.Event, len(data))
		for i, d := range data {
			evs[i] = &events.Event{ID: "e_1", Time: at, Organization: "acme", Data: d}
		}
		if _, err := j.Append(b.Context(), subject, evs...); err != nil {
			b.Fatal(err)
		}
	}
	write(events.OrganizationSubject("acme"), epoch, &events.OrganizationCreated{ID: "acme", Name: "Acme"})
	write(events.ApplicationSubject("acme", "a1"), epoch, &events.ApplicationCreated{ID: "a1", ClientID: "app_1", Secret: &events.SecretDigest{1}})
	for i := range pages {
		page := make([]events.Data, perPage)
		at := epoch.Add(time.Duration(i) * time.Second)
		for n := range page {
			d := &events.TokenIssued{
				Application: "a1", Secret: 1, Grant: "client_credentials", Scope: "read:customers", Key: "k1",
				IssuedAt: at.Unix(), ExpiresAt: at.Add(time.Hour).Unix(),
			}
			rand.Read(d.ID[:])
			page[n] = d
		}
		write(events.TokensSubject(), at, page...)
	}
	return j
}

// A moment of a log of a million issuances: one that was asked for before, and
// one that is folded from the first record.
func BenchmarkMoment(b *testing.B) {
	j := issuances(b)
	r := asof.New(asof.Config{
		Log: j, Now: time.Now, View: func(func(*projections.State)) {},
	})
	read := func(position int) {
		c, _ := request(b.Context(), url.Values{"as_of": {strconv.Itoa(position)}})
		if _, err := r.Query(c); err != nil {
			b.Fatal(err)
		}
	}
	read(pages)
	b.Run("kept", func(b *testing.B) {
		for b.Loop() {
			read(pages)
		}
	})
	b.Run("folded", func(b *testing.B) {
		position := pages / 2
		for b.Loop() {
			position++ // always another one
			read(position)
		}
	})
}
