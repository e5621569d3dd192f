package login

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/enroll"
	"github.com/grantlog/grantlog/handlers/password"
	"github.com/grantlog/grantlog/handlers/personal"
	"github.com/grantlog/grantlog/handlers/sign"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// patience bounds waits that a healthy server ends in milliseconds.
const patience = 30 * time.Second

// site is a log with the organization acme, and the clock of its replicas.
type site struct {
	*journaltest.Env
	t      *testing.T
	master seal.Master
	ahead  atomic.Int64 // of the real clock, in nanoseconds
}

func (s *site) now() time.Time { return time.Now().Add(time.Duration(s.ahead.Load())) }

func (s *site) pass(d time.Duration) { s.ahead.Add(int64(d)) }

type replica struct {
	*Judge
	t      *testing.T
	office *enroll.Office
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Env: journaltest.New(t), t: t, master: seal.NewMaster()}
	r := s.replica()
	_, err := r.Emit.Do(t.Context(), emit.Meta{}, func(st *projections.State, _ time.Time) (command.Decision, error) {
		return command.CreateOrganization(st, command.NewOrganization{ID: "acme", Name: "Acme"})
	})
	if err != nil {
		t.Fatal(err)
	}
	// Not near midnight, but where a test moves there.
	noon := time.Now().UTC().Truncate(24 * time.Hour).Add(36 * time.Hour)
	s.pass(time.Until(noon))
	return s
}

func (s *site) replica() *replica {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	conn := s.Connect()
	j := s.Open(func(c *journal.Config) { c.Conn, c.Replica = conn, events.NewID("r_") })
	f, err := follow.Start(ctx, follow.Config{Journal: j, Single: true})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { f.Close(context.Background()) })
	if err := f.WaitReady(ctx); err != nil {
		s.t.Fatal(err)
	}
	store, err := erasable.Open(ctx, erasable.Config{Conn: conn})
	if err != nil {
		s.t.Fatal(err)
	}
	e := emit.New(j, f, s.now)
	log := slog.New(slog.DiscardHandler)
	people := personal.New(store, s.vault(e), s.master.Derive(personal.Purpose))
	passwords := password.New(password.Config{Log: log})
	return &replica{
		t: s.t,
		Judge: New(Config{
			Emit: e, People: people, Passwords: passwords, Store: store, Key: s.master.Derive(Purpose), Log: log,
		}),
		office: enroll.New(enroll.Config{Emit: e, People: people, Passwords: passwords, Log: log}),
	}
}

func (s *site) vault(e *emit.Emitter) *sign.Vault {
	s.t.Helper()
	v := sign.NewVault(s.master)
	made, err := v.NewDataKey()
	if err != nil {
		s.t.Fatal(err)
	}
	_, err = e.Do(s.t.Context(), emit.Meta{}, func(st *projections.State, _ time.Time) (command.Decision, error) {
		return command.FirstDataKey(st, made)
	})
	if err != nil && !errors.Is(err, command.ErrUnchanged) {
		s.t.Fatal(err)
	}
	var sealing map[string][]byte
	e.View(func(st *projections.State) { sealing = st.Keys.Sealing() })
	if err := v.Open(sealing); err != nil {
		s.t.Fatal(err)
	}
	return v
}

const right = "correct horse battery"

// create makes a user whose password is right.
func (r *replica) create(email string) *projections.User {
	r.t.Helper()
	id, _, err := r.office.Create(r.t.Context(), emit.Meta{}, enroll.Person{Organization: "acme", Email: email, Password: right})
	if err != nil {
		r.t.Fatal(err)
	}
	return r.user(id)
}

func (r *replica) user(id string) (u *projections.User) {
	r.t.Helper()
	r.catchUp()
	r.Emit.View(func(s *projections.State) { u, _ = s.Users.Get(id) })
	return u
}

func (r *replica) catchUp() {
	r.t.Helper()
	if err := r.Emit.CatchUp(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// try logs in from an address.
func (r *replica) try(email, password, address string) (*projections.User, error) {
	r.t.Helper()
	return r.Check(r.t.Context(), Attempt{Organization: "acme", Email: email, Password: password, Address: address})
}

// failures reads the recorded ones off the log.
func (s *site) failures() (all []*events.LoginFailed, log []byte) {
	s.t.Helper()
	j := s.Open()
	last, err := j.Last(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	err = j.Read(s.t.Context(), journal.Cursor{}, last, func(rec *journal.Record) error {
		log = append(log, rec.Payload...)
		for e, err := range rec.Events() {
			if err != nil {
				return err
			}
			if d, ok := e.Data.(*events.LoginFailed); ok {
				all = append(all, d)
			}
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return all, bytes.ToLower(log)
}
