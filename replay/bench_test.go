package replay

import (
	"crypto/rand"
	"fmt"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// issuances is how many the log of a benchmark holds, in full pages.
const (
	issuances = 200_000
	perPage   = 1000
)

func benchmarkLog(b *testing.B) Log {
	w := &writer{Journal: journaltest.New(b).Open(), t: b}
	w.at(0, &events.OrganizationCreated{ID: "acme", Name: "Acme"})
	w.at(0, &events.ApplicationCreated{ID: "a1", ClientID: "app_1", Secret: &events.SecretDigest{1}})
	for i := range issuances / perPage {
		after, page := make([]time.Duration, perPage), make([]events.Data, perPage)
		for n := range page {
			d := token(0, 24*time.Hour)
			rand.Read(d.ID[:])
			after[n], page[n] = time.Duration(i)*time.Second, d
		}
		w.page(after, page...)
	}
	return w
}

// A log of issuances into a state, by position and up to a time, and the
// account of one token and of all of them.
func BenchmarkReadings(b *testing.B) {
	log := benchmarkLog(b)
	for name, reading := range map[string]func() error{
		"state at the end": func() error { _, err := At(b.Context(), log, projections.New(), Moment{}, nil); return err },
		"state up to a time": func() error {
			_, err := At(b.Context(), log, projections.New(), Moment{Time: epoch.Add(time.Hour)}, nil)
			return err
		},
		"lineage": func() error {
			_, _, err := FindLineage(b.Context(), HistoryOf(log, Moment{}, nil), events.TokenID{}, epoch)
			return err
		},
		"impact": func() error {
			m, err := FindImpact(b.Context(), HistoryOf(log, Moment{}, nil), Suspect{Application: "a1"}, epoch)
			if err == nil && m.Issued != issuances {
				err = fmt.Errorf("%d tokens", m.Issued)
			}
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := reading(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)*issuances/b.Elapsed().Seconds(), "issuances/s")
		})
	}
}

// What a replica had applied that never wrote: by all records, and by what is
// kept.
func BenchmarkAppliedBy(b *testing.B) {
	log := benchmarkLog(b)
	dir := b.TempDir()
	f, err := follow.Start(b.Context(), follow.Config{Journal: journaltest.New(b).Open(), Single: true, Dir: dir, Key: journaltest.MACKey()})
	if err != nil {
		b.Fatal(err)
	}
	if err := f.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	state := projections.New()
	if _, err := At(b.Context(), f.History().Keeping(log, state), state, Moment{}, nil); err != nil {
		b.Fatal(err)
	}
	for name, h := range map[string]*follow.History{"log": nil, "kept": f.History()} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := AppliedBy(b.Context(), log, h, Moment{}, "r_none"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What grantlog verify does, and what of it a reading with all checks of every
// reader takes.
func BenchmarkVerify(b *testing.B) {
	log := benchmarkLog(b)
	var bytes int64
	for name, reading := range map[string]func() error{
		"records alone": func() error {
			bytes = 0
			last, err := log.Last(b.Context())
			if err != nil {
				return err
			}
			return log.Read(b.Context(), journal.Cursor{}, last, func(r *journal.Record) error {
				bytes += int64(r.Bytes)
				return nil
			})
		},
		"whole": func() error {
			report, err := Verify(b.Context(), log, Options{})
			bytes = report.Bytes
			return err
		},
		"records and tree": func() error {
			report, err := Verify(b.Context(), log, Options{Records: true})
			bytes = report.Bytes
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := reading(); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(bytes)
		})
	}
}
