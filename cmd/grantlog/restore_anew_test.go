package main

import (
	"log/slog"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

// What a restoration to NATS has left that was killed is in the way of
// everything, until one is begun anew.
func TestRestorationIsBegunAnew(t *testing.T) {
	t.Parallel()
	s := recordScenario(t)
	file := filepath.Join(t.TempDir(), "backup")
	s.answers("backup", file)
	elsewhere := journaltest.New(t, journaltest.Listen())
	killed := make(chan struct{})
	go func() {
		defer close(killed)
		cfg := journal.Config{Conn: elsewhere.Conn, MACKey: s.site.Master.Derive(purposeMAC), Replica: "r_killed"}
		journal.Restore(t.Context(), cfg, 1, func(*journal.Restoration) error {
			_, err := erasable.Open(t.Context(), erasable.Config{Conn: elsewhere.Conn, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Error(err)
			}
			runtime.Goexit()
			return nil
		})
	}()
	<-killed

	onNATS := []string{"--nats", elsewhere.URL(), "--master-key-file", filepath.Join(s.data, "master.key")}
	beside := &scenario{t: t, data: t.TempDir()}
	beside.refuses(exitUsage, "--anew", append([]string{"restore", file}, onNATS...)...)
	beside.refuses(exitAbsent, "--anew", append([]string{"verify"}, onNATS...)...)
	beside.refuses(exitFailed, "--anew", append([]string{"backup", filepath.Join(t.TempDir(), "x")}, onNATS...)...)
	beside.answers(append([]string{"restore", "--anew", file}, onNATS...)...)
	beside.answers(append([]string{"verify"}, onNATS...)...)
	beside.refuses(exitUsage, "is there already", append([]string{"restore", "--anew", file}, onNATS...)...)
	s.refuses(exitUsage, "--anew goes with", "restore", "--anew", file)
}
