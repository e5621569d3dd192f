package bench

import (
	"strings"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events/journal/journaltest"
)

func TestReplayLog(t *testing.T) {
	r := newRun(t)
	r.StartNATS = func(dir string) (*nats.Conn, func(), error) {
		env := journaltest.New(t, journaltest.StoreDir(dir))
		return env.Conn, env.Stop, nil
	}
	got, err := replayLog(t.Context(), r)
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
