package bench

import (
	"context"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events/journal/journaltest"
)

func TestReplayLog(t *testing.T) { wantFigures(t, replayLog) }

// wantFigures runs a workload of single figures, each of which is above zero.
func wantFigures(t *testing.T, workload func(context.Context, *run) (result, error)) {
	t.Helper()
	r := newRun(t)
	r.StartNATS = func(dir string) (*nats.Conn, func(), error) {
		env := journaltest.New(t, journaltest.StoreDir(dir))
		return env.Conn, env.Stop, nil
	}
	got, err := workload(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range got.Figures {
		t.Log(f)
		if f.Value <= 0 && !strings.HasPrefix(f.Name, "CPU") { // a short read is less than a tick
			t.Errorf("%s: %v", f.Name, f.Value)
		}
	}
}
