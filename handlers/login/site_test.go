package login

import (
	"bytes"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/handlers/enroll"
	"github.com/grantlog/grantlog/handlers/password"
	"github.com/grantlog/grantlog/handlers/personal"
	"github.com/grantlog/grantlog/projections"
)

// site is a log with the organization acme, and the clock of its replicas,
// which stands still until a test moves it.
type site struct {
	*journaltest.Env
	t      *testing.T
	master seal.Master
	clock  atomic.Int64 // in Unix nanoseconds
}

func (s *site) now() time.Time { return time.Unix(0, s.clock.Load()) }

func (s *site) pass(d time.Duration) { s.clock.Add(int64(d)) }

type replica struct {
	*Judge
	t      *testing.T
	base   *emittest.Replica
	office *enroll.Office
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Env: journaltest.New(t), t: t, master: seal.NewMaster()}
	// Not near midnight, but where a test moves there.
	s.clock.Store(time.Now().UTC().Truncate(24 * time.Hour).Add(36 * time.Hour).UnixNano())
	s.replica().base.Record("acme", &events.OrganizationCreated{ID: "acme", Name: "Acme"})
	return s
}

func (s *site) replica() *replica {
	s.t.Helper()
	base := emittest.New(s.t, s.Env, emittest.Config{Now: s.now})
	log := slog.New(slog.DiscardHandler)
	store := base.Store()
	people := personal.New(store, base.Vault(s.master), s.master.Derive(personal.Purpose))
	passwords := password.New(password.Config{Log: log})
	return &replica{
		t: s.t, base: base,
		Judge: New(Config{
			Emit: base.Emitter, People: people, Passwords: passwords, Store: store, Key: s.master.Derive(Purpose), Log: log,
		}),
		office: enroll.New(enroll.Config{Emit: base.Emitter, People: people, Passwords: passwords, Log: log}),
	}
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
	r.base.Sync()
	r.Emit.View(func(s *projections.State) { u, _ = s.Users.Get(id) })
	return u
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
