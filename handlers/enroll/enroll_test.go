package enroll_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/handlers/enroll"
	"github.com/grantlog/grantlog/handlers/personal"
	"github.com/grantlog/grantlog/projections"
)

func ptr[T any](v T) *T { return &v }

// addresses counts the entries of addresses, whatever their hashes.
func (s *site) addresses() int {
	s.t.Helper()
	js, err := jetstream.New(s.Conn)
	if err != nil {
		s.t.Fatal(err)
	}
	stream, err := js.Stream(s.t.Context(), "KV_"+erasable.Bucket)
	if err != nil {
		s.t.Fatal(err)
	}
	info, err := stream.Info(s.t.Context(), jetstream.WithSubjectFilter("$KV."+erasable.Bucket+".mail.>"))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(info.State.Subjects)
}

func TestLifeOfAUser(t *testing.T) {
	s := newSite(t)
	r, other, ctx := s.replica(), s.replica(), t.Context()
	p := person("Agent@Example.com")
	p.Password = "correct horse"
	id, at, err := r.Create(ctx, emit.Meta{}, p)
	if err != nil || at == 0 {
		t.Fatalf("create: %d, %v", at, err)
	}
	u := other.user(id)
	if email, err := other.People.Email(ctx, u); err != nil || email != "Agent@Example.com" {
		t.Errorf("another replica reads %q, %v", email, err)
	}
	opened, err := other.People.Open(ctx, id)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := opened.Unseal(personal.Password, u.Password)
	if ok, _ := r.Passwords.Check(ctx, kept, "correct horse"); !ok {
		t.Errorf("the kept hash %q (%v) is not of the password", kept, err)
	}
	if found, err := other.Find(ctx, "acme", "aGENT@eXAMPLE.COM"); err != nil || found == nil || found.ID != id {
		t.Errorf("found %v, %v", found, err)
	}
	for _, nobody := range [][2]string{{"globex", "agent@example.com"}, {"acme", "agent@example.org"}} {
		if found, err := other.Find(ctx, nobody[0], nobody[1]); found != nil || err != nil {
			t.Errorf("%v: found %v, %v", nobody, found, err)
		}
	}

	if _, err := other.Update(ctx, emit.Meta{}, u, enroll.Change{Role: ptr("ADMIN"), Email: ptr("boss@example.com")}); err != nil {
		t.Fatal(err)
	}
	u = r.user(id)
	if email, _ := r.People.Email(ctx, u); email != "boss@example.com" || u.Role != "ADMIN" || u.SiteID != 10115 {
		t.Errorf("after the change: %q, %+v", email, u)
	}
	if found, _ := r.Find(ctx, "acme", "agent@example.com"); found != nil {
		t.Error("found by the former address")
	}
	if _, err := r.SetPassword(ctx, emit.Meta{}, u, "battery staple"); err != nil {
		t.Fatal(err)
	}
	if u = other.user(id); u.Version != 2 {
		t.Errorf("version %d after a new password", u.Version)
	}

	if _, err := other.Delete(ctx, emit.Meta{}, u); err != nil {
		t.Fatal(err)
	}
	if r.user(id) != nil || r.erasures() != 0 {
		t.Error("not deleted, or not erased")
	}
	if people, addresses := s.keys(r); people != 0 || addresses != 0 {
		t.Errorf("%d keys and %d addresses are left", people, addresses)
	}
	for name, err := range map[string]error{
		"update":   second(r.Update(ctx, emit.Meta{}, u, enroll.Change{Role: ptr("X")})),
		"email":    second(r.Update(ctx, emit.Meta{}, u, enroll.Change{Email: ptr("x@example.com")})),
		"password": second(r.SetPassword(ctx, emit.Meta{}, u, "battery staple")),
		"delete":   second(r.Delete(ctx, emit.Meta{}, u)),
	} {
		if !errors.Is(err, command.ErrNotFound) {
			t.Errorf("%s of a deleted user: %v", name, err)
		}
	}
	if said := r.log.String() + other.log.String(); said != "" {
		t.Errorf("logged %s", said)
	}
}

func second(_ events.Position, err error) error { return err }

// Refusals leave nothing outside of the log.
func TestRefusedUsersLeaveNothing(t *testing.T) {
	s := newSite(t)
	r, ctx := s.replica(), t.Context()
	id := r.create("agent@example.com")
	other := r.create("other@example.com")
	long, unknown := person("a@example.com"), person("a@example.com")
	long.Role, unknown.Organization = strings.Repeat("x", 65), "globex"
	short := person("a@example.com")
	short.Password = "short"
	for name, c := range map[string]struct {
		person enroll.Person
		kind   command.Kind
	}{
		"a taken address":         {person("AGENT@example.com"), command.KindConflict},
		"no address":              {person("agent"), command.KindInvalid},
		"a long role":             {long, command.KindInvalid},
		"a short password":        {short, command.KindInvalid},
		"an unknown organization": {unknown, command.KindNotFound},
	} {
		if _, _, err := r.Create(ctx, emit.Meta{}, c.person); !errors.Is(err, &command.Error{Kind: c.kind}) {
			t.Errorf("%s: %v", name, err)
		}
	}
	u := r.user(id)
	if err := second(r.Update(ctx, emit.Meta{}, u, enroll.Change{Email: ptr("Other@Example.com")})); !errors.Is(err, command.ErrEmailTaken) {
		t.Errorf("another's address: %v", err)
	}
	if err := second(r.Update(ctx, emit.Meta{}, u, enroll.Change{Email: ptr("new@example.com"), Expected: []events.Position{1}})); !errors.Is(err, &command.Error{Kind: command.KindPrecondition}) {
		t.Errorf("another revision: %v", err)
	}
	if err := second(r.Update(ctx, emit.Meta{}, u, enroll.Change{Email: ptr("agent@example.com")})); !errors.Is(err, command.ErrUnchanged) {
		t.Errorf("the same address: %v", err)
	}
	if people, addresses := s.keys(r); people != 2 || addresses != 2 {
		t.Errorf("%d keys and %d addresses of two users", people, addresses)
	}
	// Another spelling of the own address is a change of nothing but that.
	if err := second(r.Update(ctx, emit.Meta{}, u, enroll.Change{Email: ptr("AGENT@example.com")})); err != nil {
		t.Errorf("another spelling: %v", err)
	}
	if email, _ := r.People.Email(ctx, r.user(id)); email != "AGENT@example.com" || r.user(id).Handle != u.Handle {
		t.Errorf("spelled %q", email)
	}
	if found, _ := r.Find(ctx, "acme", "agent@example.com"); found == nil || found.ID != id {
		t.Error("not found any more")
	}
	if found, _ := r.Find(ctx, "acme", "other@example.com"); found == nil || found.ID != other {
		t.Error("the other one is not found any more")
	}
}

// Of many creations and changes that want one address at once, on three
// replicas, one gets it; all others are told so or to try again.
func TestAnAddressIsGivenOnce(t *testing.T) {
	s := newSite(t)
	replicas := []*replica{s.replica(), s.replica(), s.replica()}
	movers := make([]*projections.User, 3)
	for i := range movers {
		movers[i] = replicas[i].user(replicas[i].create(fmt.Sprintf("mover%d@example.com", i)))
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[string]int{}
	attempt := func(email string, do func() error) {
		wg.Go(func() {
			err := do()
			if err != nil && !errors.Is(err, &command.Error{Kind: command.KindConflict}) {
				t.Errorf("%s: %v", email, err)
			}
			if err == nil {
				mu.Lock()
				defer mu.Unlock()
				won[email]++
			}
		})
	}
	for i := range 30 {
		email, r := fmt.Sprintf("Wanted%d@example.com", i%2), replicas[i%3]
		attempt(strings.ToLower(email), func() error {
			_, _, err := r.Create(t.Context(), emit.Meta{}, person(email))
			return err
		})
	}
	for i, u := range movers {
		attempt("wanted0@example.com", func() error {
			return second(replicas[i].Update(t.Context(), emit.Meta{}, u, enroll.Change{Email: ptr("wanted0@example.com")}))
		})
	}
	wg.Wait()
	r := s.replica()
	for _, email := range []string{"wanted0@example.com", "wanted1@example.com"} {
		holders := 0
		r.Emit.View(func(s *projections.State) {
			for _, u := range s.Users.After("acme", 0, 0) {
				if got, err := r.People.Email(t.Context(), u); err != nil {
					t.Error(err)
				} else if personal.Canonical(got) == personal.Canonical(email) {
					holders++
				}
			}
		})
		if holders != 1 || won[email] != 1 {
			t.Errorf("%s: %d users, %d were told so", email, holders, won[email])
		}
	}
	people, addresses := s.keys(r)
	users := 0
	r.Emit.View(func(s *projections.State) { users = s.Users.Len() })
	if people != users || addresses != users {
		t.Errorf("%d keys and %d addresses for %d users", people, addresses, users)
	}
}

// Nothing is given out or deleted while the bucket cannot be asked.
func TestWithoutTheBucket(t *testing.T) {
	s := newSite(t)
	r := s.replica()
	u := r.user(r.create("agent@example.com"))
	s.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), emittest.Patience)
	defer cancel()
	for name, err := range map[string]error{
		"create": func() error { _, _, err := r.Create(ctx, emit.Meta{}, person("b@example.com")); return err }(),
		"email":  second(r.Update(ctx, emit.Meta{}, u, enroll.Change{Email: ptr("x@example.com")})),
		"read":   func() error { _, err := r.People.Email(ctx, u); return err }(),
	} {
		if !errors.Is(err, erasable.ErrUnavailable) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// read reads the whole log.
func (r *replica) read(each func(*events.Event)) {
	r.t.Helper()
	err := r.base.Journal.Read(r.t.Context(), journal.Cursor{}, r.base.Follower.Position(), func(rec *journal.Record) error {
		for e, err := range rec.Events() {
			if err != nil {
				return err
			}
			each(e)
		}
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
}
