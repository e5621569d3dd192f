package journal_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/drift"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

func TestOpenRefusesDrift(t *testing.T) {
	for _, c := range []struct {
		field  string
		change func(*jetstream.StreamConfig)
	}{
		{"subjects", func(c *jetstream.StreamConfig) { c.Subjects = []string{"grantlog.tokens"} }},
		{"subjects", func(c *jetstream.StreamConfig) { c.Subjects = append(c.Subjects, "more.>") }},
		{"retention", func(c *jetstream.StreamConfig) { c.Retention = jetstream.InterestPolicy }},
		{"storage", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }},
		{"persist_mode", func(c *jetstream.StreamConfig) { c.PersistMode = jetstream.AsyncPersistMode }},
		{"no_ack", func(c *jetstream.StreamConfig) { c.NoAck = true }},
		{"discard", func(c *jetstream.StreamConfig) { c.Discard = jetstream.DiscardOld }},
		{"max_msgs", func(c *jetstream.StreamConfig) { c.MaxMsgs = 1000 }},
		{"max_bytes", func(c *jetstream.StreamConfig) { c.MaxBytes = 1 << 20 }},
		{"max_age", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		{"max_msgs_per_subject", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }},
		{"max_msg_size", func(c *jetstream.StreamConfig) { c.MaxMsgSize = 1000 }},
		{"max_consumers", func(c *jetstream.StreamConfig) { c.MaxConsumers = 3 }},
		{"duplicate_window", func(c *jetstream.StreamConfig) { c.Duplicates = time.Minute }},
		{"deny_delete", func(c *jetstream.StreamConfig) { c.DenyDelete = false }},
		{"deny_purge", func(c *jetstream.StreamConfig) { c.DenyPurge = false }},
		{"deny_purge", func(c *jetstream.StreamConfig) { c.AllowRollup, c.DenyPurge = true, false }},
		{"allow_direct", func(c *jetstream.StreamConfig) { c.AllowDirect = true }},
		{"allow_msg_ttl", func(c *jetstream.StreamConfig) { c.AllowMsgTTL = true }},
		{"discard", func(c *jetstream.StreamConfig) { c.AllowMsgSchedules, c.Discard = true, jetstream.DiscardOld }},
		{"compression", func(c *jetstream.StreamConfig) { c.Compression = jetstream.S2Compression }},
		{"subject_transform", func(c *jetstream.StreamConfig) {
			c.SubjectTransform = &jetstream.SubjectTransformConfig{Source: "grantlog.a", Destination: "grantlog.b"}
		}},
		{"republish", func(c *jetstream.StreamConfig) {
			c.RePublish = &jetstream.RePublish{Source: ">", Destination: "copy.>"}
		}},
	} {
		t.Run(c.field, func(t *testing.T) {
			env := journaltest.New(t)
			js, err := jetstream.New(env.Conn)
			if err != nil {
				t.Fatal(err)
			}
			cfg := journal.StreamConfig(1)
			c.change(&cfg)
			if _, err := js.CreateStream(t.Context(), cfg); err != nil {
				t.Fatal(err)
			}
			_, err = journal.Open(t.Context(), config(env))
			var found *drift.Error
			if !errors.As(err, &found) {
				t.Fatalf("opened with %v", err)
			}
			if found.Field != c.field {
				t.Errorf("refused %s, want %s", found.Field, c.field)
			}
			t.Log(found)
		})
	}
}

func TestOpenRefusesTheWrongReplicas(t *testing.T) {
	env := journaltest.New(t)
	env.Open()
	cfg := config(env)
	cfg.Replicas = 3
	_, err := journal.Open(t.Context(), cfg)
	var found *drift.Error
	if !errors.As(err, &found) || found.Field != "num_replicas" || found.Want != "3" || found.Got != "1" {
		t.Errorf("opened with %v", err)
	}
}

func TestOpenByManyReplicasAtOnce(t *testing.T) {
	env := journaltest.New(t)
	var wg sync.WaitGroup
	for range 16 {
		conn := env.Connect()
		wg.Go(func() {
			cfg := config(env)
			cfg.Conn = conn
			j, err := journal.Open(t.Context(), cfg)
			if err != nil {
				t.Error(err)
				return
			}
			mustAppend(t, j, events.BeaconsSubject(), beacon("hello"))
		})
	}
	wg.Wait()
	if n := len(readAll(t, env.Open())); n != 16 {
		t.Errorf("%d records, want 16", n)
	}
}

func TestOpenFindsTheLogOfBefore(t *testing.T) {
	env := journaltest.New(t)
	mustAppend(t, env.Open(), events.BeaconsSubject(), beacon("before"))
	env.Restart()
	j := env.Open()
	if pos := mustAppend(t, j, events.BeaconsSubject(), beacon("after")); pos != 2 {
		t.Errorf("position %d, want 2", pos)
	}
	readAll(t, j)
}

func TestOpenWaitsForTheServer(t *testing.T) {
	env := journaltest.New(t)
	env.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := journal.Open(ctx, config(env)); !errors.Is(err, journal.ErrUnavailable) {
		t.Errorf("no server: %v", err)
	}
	opened := make(chan error, 1)
	go func() {
		_, err := journal.Open(t.Context(), config(env))
		opened <- err
	}()
	env.Start()
	if err := <-opened; err != nil {
		t.Errorf("server came: %v", err)
	}
}

func TestOpenRefusesABadConfig(t *testing.T) {
	env := journaltest.New(t)
	for name, change := range map[string]func(*journal.Config){
		"no connection":         func(c *journal.Config) { c.Conn = nil },
		"no key":                func(c *journal.Config) { c.MACKey = nil },
		"short key":             func(c *journal.Config) { c.MACKey = c.MACKey[:16] },
		"no replica":            func(c *journal.Config) { c.Replica = "" },
		"settles too late":      func(c *journal.Config) { c.SettleTimeout = time.Hour },
		"impossible replicas":   func(c *journal.Config) { c.Replicas = 6 },
		"replicas of no server": func(c *journal.Config) { c.Replicas = 3 },
	} {
		cfg := config(env)
		change(&cfg)
		_, err := journal.Open(t.Context(), cfg)
		if err == nil || errors.Is(err, journal.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
		t.Logf("%s: %v", name, err)
	}
}

func config(env *journaltest.Env) journal.Config {
	return journal.Config{Conn: env.Conn, MACKey: journaltest.MACKey(), Replica: "r_test"}
}
