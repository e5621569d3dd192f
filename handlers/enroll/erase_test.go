package enroll_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/personal"
	"github.com/grantlog/grantlog/projections"
)

// A deleted user is erased where it can be: its key and the way to it are
// nowhere on disk, and with an old copy of the log, the bucket as it is now and
// the master key nobody reads the address. The log and the state are the same
// with and without the key.
func TestDeletionErases(t *testing.T) {
	s := newSite(t)
	r, ctx := s.replica(), t.Context()
	id := r.create("agent@example.com")
	u := r.user(id)
	handle := u.Handle
	copied := journaltest.New(t, journaltest.StoreDir(s.copy(r)))
	if n := s.onDisk("agent@example.com"); n != 0 {
		t.Errorf("%d files hold the address in clear", n)
	}
	key, err := r.store.Get(ctx, "key."+id)
	if err != nil {
		t.Fatal(err)
	}
	if s.onDisk(string(key)) == 0 || s.onDisk("."+handle) == 0 {
		t.Fatal("the entries are not to be found, erased or not")
	}
	if _, err := r.Delete(ctx, emit.Meta{}, u); err != nil {
		t.Fatal(err)
	}
	if n := s.onDisk(string(key)); n != 0 {
		t.Errorf("%d files hold the key", n)
	}

	// The old copy of the log shows the user; the bucket of now does not open it.
	old := (&site{Env: copied, t: t, master: s.master}).replica()
	known := old.user(id)
	if known == nil {
		t.Fatal("the copy does not show the user")
	}
	if email, err := r.People.Email(ctx, known); email != "" || err != nil {
		t.Errorf("read %q, %v", email, err)
	}
	if _, err := r.People.Open(ctx, id); !errors.Is(err, personal.ErrErased) {
		t.Errorf("the key: %v", err)
	}

	// The log is whole, and gives the state that it gave.
	hash := func(r *replica) (sum [32]byte) {
		r.base.Sync()
		r.Emit.View(func(s *projections.State) { sum = s.Hash() })
		return sum
	}
	if again := s.replica(); hash(again) != hash(r) {
		t.Error("replayed to another state")
	}

	// The server's index of names is written now and then, and when it stops.
	s.restart(r)
	for _, name := range []string{"key." + id, "." + handle} {
		if n := s.onDisk(name); n != 0 {
			t.Errorf("%d files hold the entry %s", n, name)
		}
	}
	if s.onDisk(id) == 0 {
		t.Error("the log lost its events")
	}

	// The address is free.
	if again := r.create("agent@example.com"); again == id {
		t.Error("the id was used again")
	}
}

// copy copies the server's directory without the bucket.
func (s *site) copy(r *replica) string {
	s.t.Helper()
	dir := s.t.TempDir()
	s.Stop()
	copyTree(s.t, dir, s.Dir(), "KV_"+erasable.Bucket)
	s.restart(r)
	return dir
}

// restart waits until a replica's connection is back.
func (s *site) restart(r *replica) {
	s.t.Helper()
	s.Restart()
	for ctx := s.t.Context(); ctx.Err() == nil; {
		if _, err := r.base.Journal.Last(ctx); err == nil {
			return
		}
	}
}

// What a replica left half done another one finishes, in the right order: the
// former address, which is found through the key, before the key.
func TestErasureIsFinishedByAnother(t *testing.T) {
	s := newSite(t)
	r, ctx := s.replica(), t.Context()
	id := r.create("first@example.com")
	u := r.user(id)
	// As if the replica had died after each of its appends.
	person, err := r.People.Open(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	next := u.UserProfile
	next.Handle, next.Email = personal.NewHandle(), person.Seal(personal.Email, "second@example.com")
	if err := r.People.Name(ctx, "acme", "second@example.com", next.Handle); err != nil {
		t.Fatal(err)
	}
	r.append(&events.UserUpdated{ID: id, UserProfile: next})
	r.append(&events.UserDeleted{ID: id})
	if n := r.erasures(); n != 2 {
		t.Fatalf("%d erasures are due", n)
	}
	if people, addresses := s.keys(r); people != 1 || addresses != 2 {
		t.Fatalf("%d keys and %d addresses", people, addresses)
	}
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	for range 3 {
		other := s.replica()
		wg.Go(func() { other.Run(running) })
	}
	for r.erasures() > 0 {
	}
	stop()
	wg.Wait()
	if people, addresses := s.keys(r); people != 0 || addresses != 0 {
		t.Errorf("%d keys and %d addresses are left", people, addresses)
	}
	confirmed := 0
	r.read(func(e *events.Event) {
		if _, ok := e.Data.(*events.UserErased); ok {
			confirmed++
		}
	})
	if confirmed != 2 {
		t.Errorf("confirmed %d times", confirmed)
	}
}

// append records an event as a replica that is not careful would.
func (r *replica) append(d events.Data) {
	r.t.Helper()
	r.base.Run(func(*projections.State) (command.Decision, error) {
		subject, err := events.SubjectFor("acme", d)
		return command.Decision{Organization: "acme", Subject: subject, Events: []events.Data{d}}, err
	})
}
