package bootstrap_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/bootstrap"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit/emittest"
	"github.com/grantlog/grantlog/projections"
)

var hash = credential.NewHasher([]byte("a key of a test")).Digest

// replica is one that has caught up with the log.
type replica struct {
	*emittest.Replica
	t      *testing.T
	config bootstrap.Config
	log    *buffer // what it logged
}

// buffer is a bytes.Buffer for many writers.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newReplica(t *testing.T, env *journaltest.Env) *replica {
	t.Helper()
	base := emittest.New(t, env, emittest.Config{})
	log := new(buffer)
	return &replica{Replica: base, t: t, log: log, config: bootstrap.Config{
		Emit: base.Emitter, Hash: hash, Log: slog.New(slog.NewTextHandler(log, nil)),
	}}
}

func (r *replica) admin(file string) {
	r.t.Helper()
	if err := bootstrap.Admin(r.t.Context(), r.config, file); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replica) seed(organizations ...bootstrap.Organization) {
	r.t.Helper()
	if err := bootstrap.Seed(r.t.Context(), r.config, organizations); err != nil {
		r.t.Fatal(err)
	}
}

func (r *replica) application(clientID string) (app *projections.Application) {
	r.config.Emit.View(func(s *projections.State) { app, _ = s.Applications.ByClientID(clientID) })
	return app
}

// accepts reports whether a secret authenticates a client.
func (r *replica) accepts(clientID, secret string) bool {
	digest := hash(secret)
	var err error
	r.config.Emit.View(func(s *projections.State) {
		_, err = command.AuthenticateClient(s, time.Now(), clientID, &digest)
	})
	return err == nil
}

type adminFile struct {
	Organization string `json:"organizationId"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

func readAdmin(t *testing.T, file string) (content adminFile) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&content); err != nil {
		t.Fatal(err)
	}
	return content
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	list := []string{}
	for _, entry := range entries {
		list = append(list, entry.Name())
	}
	return list
}

func write(t *testing.T, text string, path ...string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(path...), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
