package main

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
)

// BenchmarkArchive archives half of a log of a million issuances, in pages of
// 40 as a busy server writes them. It prints what the store takes.
func BenchmarkArchive(b *testing.B) {
	const pages, perPage = 25_000, 40
	for b.Loop() {
		b.StopTimer()
		data := filepath.Join(b.TempDir(), "data")
		issuances(b, data, pages, perPage)
		p, stdout, stderr := world(nil)
		b.StartTimer()
		args := []string{"archive", "--data", data, "--before", fmt.Sprint(pages / 2), "--out", filepath.Join(b.TempDir(), "archive"), "--log-level", "error"}
		if code := run(b.Context(), args, p); code != exitOK {
			b.Fatalf("%d: %s", code, stderr)
		}
		for line := range strings.Lines(stdout.String()) {
			var after, before, size float64
			if n, _ := fmt.Sscanf(line, "stored    %f bytes, before %f", &after, &before); n == 2 {
				b.ReportMetric(before/1e6, "MB-before")
				b.ReportMetric(after/1e6, "MB-after")
			}
			if n, _ := fmt.Sscanf(line, "bytes     %f", &size); n == 1 {
				b.ReportMetric(size/1e6, "MB-archive")
			}
		}
	}
}

// issuances makes the data directory of a log of tokens.
func issuances(b *testing.B, data string, pages, perPage int) {
	b.Helper()
	log := slog.New(slog.DiscardHandler)
	site, err := openToServe(&serveSettings{Log: logSettings{Data: data}}, log)
	if err != nil {
		b.Fatal(err)
	}
	defer site.Close()
	site.Conn.Close()
	site.embedded.stop()
	site.embedded, site.Conn = nil, nil // what makes the log need not be durable
	e, err := (&embeddedNATS{dir: data, log: log, unsynced: true}).start()
	if err != nil {
		b.Fatal(err)
	}
	defer e.stop()
	conn, err := e.connect()
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	j, err := journal.Open(b.Context(), journal.Config{Conn: conn, MACKey: site.Master.Derive(purposeMAC), Replica: "r_bench"})
	if err != nil {
		b.Fatal(err)
	}
	defer closeJournal(j)
	at := time.Now().UTC().Truncate(time.Microsecond)
	for range pages {
		var page []*events.Event
		for range perPage {
			d := &events.TokenIssued{
				Application: theApp, Secret: 1, Grant: "client_credentials", Scope: "read:customers", Key: "k_1",
				IssuedAt: at.Unix(), ExpiresAt: at.Add(time.Hour).Unix(),
			}
			rand.Read(d.ID[:])
			rand.Read(d.Digest[:])
			page = append(page, &events.Event{ID: events.NewID("e_"), Time: at, Organization: "default", Data: d})
		}
		if _, err := j.Append(b.Context(), events.ApplicationSubject("default", theApp), page...); err != nil {
			b.Fatal(err)
		}
	}
}
