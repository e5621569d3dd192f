package enroll_test

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/handlers/enroll"
	"github.com/grantlog/grantlog/handlers/password"
	"github.com/grantlog/grantlog/handlers/personal"
	"github.com/grantlog/grantlog/projections"
)

// site is a log with one organization, acme, and the master key of its
// replicas.
type site struct {
	*journaltest.Env
	t      *testing.T
	master seal.Master
}

// replica is what enrolls users on one server.
type replica struct {
	*enroll.Office
	t     *testing.T
	base  *emittest.Replica
	store *erasable.Store
	log   *output
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{Env: journaltest.New(t), t: t, master: seal.NewMaster()}
	s.replica().base.Record("acme", &events.OrganizationCreated{ID: "acme", Name: "Acme"})
	return s
}

func (s *site) replica() *replica {
	s.t.Helper()
	base := emittest.New(s.t, s.Env, emittest.Config{})
	r := &replica{t: s.t, base: base, store: base.Store(), log: &output{}}
	log := slog.New(slog.NewTextHandler(r.log, nil))
	r.Office = enroll.New(enroll.Config{
		Emit: base.Emitter, Log: log, Passwords: password.New(password.Config{Log: log}),
		People: personal.New(r.store, base.Vault(s.master), s.master.Derive(personal.Purpose)),
	})
	return r
}

func person(email string) enroll.Person {
	return enroll.Person{Organization: "acme", Email: email, Role: "AGENT", SiteID: 10115}
}

func (r *replica) create(email string) string {
	r.t.Helper()
	id, _, err := r.Create(r.t.Context(), emit.Meta{}, person(email))
	if err != nil {
		r.t.Fatalf("create: %v", err)
	}
	return id
}

// user reads a user as the log has it by now.
func (r *replica) user(id string) *projections.User {
	r.t.Helper()
	r.base.Sync()
	var u *projections.User
	r.Emit.View(func(s *projections.State) { u, _ = s.Users.Get(id) })
	return u
}

func (r *replica) erasures() (n int) {
	r.base.Sync()
	r.Emit.View(func(s *projections.State) { n = len(s.Users.Erasures()) })
	return n
}

// keys counts the entries of the bucket: keys of people, and addresses.
func (s *site) keys(r *replica) (people, addresses int) {
	s.t.Helper()
	users, err := r.store.List(s.t.Context(), "key")
	if err != nil {
		s.t.Fatal(err)
	}
	return len(users), s.addresses()
}

// onDisk counts the files below the server's directory that hold a text.
func (s *site) onDisk(text string) (n int) {
	s.t.Helper()
	err := filepath.WalkDir(s.Dir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			n++
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // files come and go
		s.t.Fatal(err)
	}
	return n
}

// output collects what is logged.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// copyTree copies a directory without those of a name.
func copyTree(t *testing.T, to, from, without string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == without:
			return fs.SkipDir
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), content, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}
