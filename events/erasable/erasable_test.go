package erasable_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events/drift"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal/journaltest"
)

func open(t *testing.T, env *journaltest.Env) *erasable.Store {
	t.Helper()
	s, err := erasable.Open(t.Context(), erasable.Config{Conn: env.Connect()})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEntries(t *testing.T) {
	env := journaltest.New(t)
	s, other, ctx := open(t, env), open(t, env), t.Context()
	if _, err := s.Get(ctx, "key.u1"); !errors.Is(err, erasable.ErrNotFound) {
		t.Errorf("before Put: %v", err)
	}
	if err := s.Put(ctx, "key.u1", []byte("one")); err != nil {
		t.Fatal(err)
	}
	for _, s := range []*erasable.Store{s, other} {
		if err := s.Put(ctx, "key.u1", []byte("two")); !errors.Is(err, erasable.ErrExists) {
			t.Errorf("second Put: %v", err)
		}
		if got, err := s.Get(ctx, "key.u1"); string(got) != "one" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	env.Restart()
	for range 2 {
		if err := retried(ctx, func() error { return other.Erase(ctx, "key.u1") }); err != nil {
			t.Errorf("Erase: %v", err)
		}
	}
	if err := retried(ctx, func() error { _, err := s.Get(ctx, "key.u1"); return err }); !errors.Is(err, erasable.ErrNotFound) {
		t.Errorf("after Erase: %v", err)
	}
}

// retried goes on while a connection comes back.
func retried(ctx context.Context, do func() error) error {
	for {
		if err := do(); !errors.Is(err, erasable.ErrUnavailable) || ctx.Err() != nil {
			return err
		}
	}
}

func TestList(t *testing.T) {
	s, ctx := open(t, journaltest.New(t)), t.Context()
	for _, key := range []string{"mail.a.h2", "mail.a.h1", "mail.b.h3", "mail.a.h1.deeper", "mail.a"} {
		if err := s.Put(ctx, key, nil); err != nil {
			t.Fatal(err)
		}
	}
	for key, want := range map[string][]string{"mail.a": {"h1", "h2"}, "mail.b": {"h3"}, "mail.c": nil} {
		got, err := s.List(ctx, key)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%s: %v (-want +got):\n%s", key, err, d)
		}
	}
}

func TestKeysAreSafeInSubjects(t *testing.T) {
	s, ctx := open(t, journaltest.New(t)), t.Context()
	for _, key := range []string{"", ".", "a.", ".a", "a..b", "a.*", ">", "a b", "a\x00", "ü", strings.Repeat("x", 65)} {
		_, get := s.Get(ctx, key)
		_, list := s.List(ctx, key)
		for _, err := range []error{s.Put(ctx, key, nil), s.Erase(ctx, key), get, list} {
			if err == nil || errors.Is(err, erasable.ErrNotFound) || errors.Is(err, erasable.ErrUnavailable) {
				t.Errorf("%q: %v", key, err)
			}
		}
	}
}

// Of many that write one entry, on several connections, exactly one does.
func TestOnePutWins(t *testing.T) {
	env := journaltest.New(t)
	stores := []*erasable.Store{open(t, env), open(t, env), open(t, env)}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[string][]string{}
	for i := range 90 {
		wg.Go(func() {
			key, value := fmt.Sprintf("salt.%d", i%10), fmt.Sprint(i)
			err := stores[i%3].Put(t.Context(), key, []byte(value))
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				won[key] = append(won[key], value)
			} else if !errors.Is(err, erasable.ErrExists) {
				t.Errorf("put %s: %v", key, err)
			}
		})
	}
	wg.Wait()
	for i := range 10 {
		key := fmt.Sprintf("salt.%d", i)
		got, err := stores[1].Get(t.Context(), key)
		if err != nil || len(won[key]) != 1 || string(got) != won[key][0] {
			t.Errorf("%s is %q (%v), written by %v", key, got, err, won[key])
		}
	}
}

// What is erased is nowhere below the server's directory: neither the key nor
// the value, while their neighbours stay.
func TestEraseLeavesNothingOnDisk(t *testing.T) {
	env := journaltest.New(t)
	s, ctx := open(t, env), t.Context()
	for i := range 200 {
		if err := s.Put(ctx, fmt.Sprintf("key.person%03d", i), []byte(fmt.Sprintf("secret-of-%03d", i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"person100", "secret-of-100"} {
		if !stored(t, env.Dir(), text) {
			t.Errorf("%s is not to be found, erased or not", text)
		}
	}
	for _, gone := range []string{"000", "100", "199"} {
		if err := s.Erase(ctx, "key.person"+gone); err != nil {
			t.Fatal(err)
		}
	}
	look := func(when string) {
		t.Helper()
		for _, gone := range []string{"000", "100", "199"} {
			for _, text := range []string{"person" + gone, "secret-of-" + gone} {
				if stored(t, env.Dir(), text) {
					t.Errorf("%s: %s is still on disk", when, text)
				}
			}
		}
		if !stored(t, env.Dir(), "secret-of-101") {
			t.Errorf("%s: a neighbour is gone too", when)
		}
	}
	look("at once")
	env.Restart()
	look("after a restart")
	var got []byte
	err := retried(ctx, func() (err error) { got, err = s.Get(ctx, "key.person101"); return err })
	if string(got) != "secret-of-101" {
		t.Errorf("the neighbour is %q, %v", got, err)
	}
}

func stored(t *testing.T, dir, text string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		var content []byte
		if err == nil && d.Type().IsRegular() {
			content, err = os.ReadFile(path)
		}
		found = found || bytes.Contains(content, []byte(text))
		if errors.Is(err, fs.ErrNotExist) {
			return nil // files come and go
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestDrift(t *testing.T) {
	env := journaltest.New(t)
	js, err := jetstream.New(env.Conn)
	if err != nil {
		t.Fatal(err)
	}
	// A bucket as any NATS client makes one.
	if _, err := js.CreateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: erasable.Bucket}); err != nil {
		t.Fatal(err)
	}
	_, err = erasable.Open(t.Context(), erasable.Config{Conn: env.Conn})
	var found *drift.Error
	if !errors.As(err, &found) || found.Field != "discard_new_per_subject" {
		t.Errorf("got %v", err)
	}
}

// It is a bucket to the tools that NATS has for one.
func TestItIsABucket(t *testing.T) {
	env := journaltest.New(t)
	if err := open(t, env).Put(t.Context(), "key.u1", []byte("one")); err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(env.Conn)
	if err != nil {
		t.Fatal(err)
	}
	kv, err := js.KeyValue(t.Context(), erasable.Bucket)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := kv.Get(t.Context(), "key.u1"); err != nil || string(e.Value()) != "one" {
		t.Errorf("%v, %v", e, err)
	}
}

func TestUnavailable(t *testing.T) {
	env := journaltest.New(t)
	s := open(t, env)
	env.Stop()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, get := s.Get(ctx, "key.u1")
	_, list := s.List(ctx, "key")
	for _, err := range []error{s.Put(ctx, "key.u1", nil), s.Erase(ctx, "key.u1"), get, list} {
		if !errors.Is(err, erasable.ErrUnavailable) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := erasable.Open(ctx, erasable.Config{Conn: env.Conn}); !errors.Is(err, erasable.ErrUnavailable) {
		t.Errorf("Open: %v", err)
	}
}
