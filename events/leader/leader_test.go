package leader_test

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/leader"
)

const stream = "KEPT"

// A member whose copy is lost is told what the others have, from its start on:
// also of a stream that allows to be read from any copy.
func TestAMemberWithAnEmptyCopyIsToldTheTruth(t *testing.T) {
	nodes := journaltest.NewCluster(t)
	js, err := jetstream.New(nodes[0].Conn)
	if err != nil {
		t.Fatal(err)
	}
	within(t, "the stream is made", func(ctx context.Context) bool {
		_, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
			Name: stream, Subjects: []string{"kept.>"}, Replicas: journaltest.Nodes, Storage: jetstream.FileStorage, AllowDirect: true,
		})
		if err == nil {
			_, err = js.Publish(ctx, "kept.one", []byte("1"))
		}
		return err == nil
	})
	for _, n := range nodes {
		n.Stop()
		if err := os.RemoveAll(n.Dir()); err != nil {
			t.Fatal(err)
		}
		n.Start()
		within(t, "it has an answer", func(ctx context.Context) bool {
			info, err := leader.Info(ctx, n.Conn, stream, "kept.>")
			if err != nil {
				return false
			}
			if info.State.Subjects["kept.one"] == 0 {
				t.Fatalf("%s: the stream has %v", n.Name(), info.State.Subjects)
			}
			m, err := leader.Last(ctx, n.Conn, stream, "kept.one")
			if err != nil {
				return false
			}
			if m == nil || string(m.Data) != "1" || m.Time.IsZero() {
				t.Fatalf("%s: the message is %v", n.Name(), m)
			}
			none, err := leader.Last(ctx, n.Conn, stream, "kept.two")
			if err == nil && none != nil {
				t.Fatalf("%s: a message that is none is %v", n.Name(), none)
			}
			return err == nil && n.Holds(stream)
		})
	}
}

// within tries until it is done; an attempt fails while nobody leads.
func within(t *testing.T, what string, done func(ctx context.Context) bool) {
	t.Helper()
	for late := time.After(time.Minute); ; {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		is := done(ctx)
		cancel()
		if is {
			return
		}
		select {
		case <-late:
			t.Fatalf("not in time: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
