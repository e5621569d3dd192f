// Package bootstrap owns what a server does to its log before it answers: the
// first administrator of an empty log, and the objects of a seed file.
//
// Any number of replicas may do both at once. Every change is a
// compare-and-swap, so the log shows it once; whoever loses finds nothing left
// to do.
package bootstrap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/enroll"
	"github.com/grantlog/grantlog/projections"
)

// DefaultOrganization is the tenant of the first administrator.
const DefaultOrganization = "default"

// Config is what both tasks work with. All fields are required; Office, where
// the seed has users.
type Config struct {
	Emit   *emit.Emitter // of a replica that has caught up with the log
	Hash   func(secret string) events.SecretDigest
	Office *enroll.Office
	Log    *slog.Logger // told of paths and ids, never of secrets
}

// credentials are the content of the administrator's file.
type credentials struct {
	Organization string `json:"organizationId"`
	ClientID     string `json:"clientId"`
	ClientSecret string `json:"clientSecret"`
}

// Admin gives an empty log its first organization and administrator, and puts
// the administrator's credentials into file, mode 0600.
//
// The credentials are on disk, as <file>.<clientId>.tmp, before the log is
// asked, and become file only once the log shows them: a crash in between
// loses neither the only secret nor leaves one that does not count. What an
// earlier start left behind is settled the same way.
func Admin(ctx context.Context, c Config, file string) error {
	if c.empty() {
		if err := c.create(ctx, file); err != nil {
			return fmt.Errorf("first administrator: %w", err)
		}
	}
	if err := c.settle(file); err != nil {
		return fmt.Errorf("administrator's file: %w", err)
	}
	return nil
}

func (c Config) empty() (empty bool) {
	c.Emit.View(func(s *projections.State) { empty = len(s.Organizations.IDs()) == 0 })
	return empty
}

// create tries to be the one that opens the log. To find that another replica
// was first is no error.
func (c Config) create(ctx context.Context, file string) error {
	secret := credential.NewSecret()
	admin := command.Administrator{
		Organization: DefaultOrganization, ID: events.NewID("a_"),
		ClientID: credential.NewClientID(), Secret: c.Hash(secret),
	}
	content := credentials{admin.Organization, admin.ClientID, secret}
	if err := writePending(pendingName(file, admin.ClientID), content); err != nil {
		return err
	}
	meta := emit.Meta{Correlation: events.NewID("bootstrap_")}
	_, err := c.Emit.Do(ctx, meta, func(s *projections.State, _ time.Time) (command.Decision, error) {
		return command.Bootstrap(s, admin)
	})
	if errors.Is(err, &command.Error{Kind: command.KindConflict}) {
		return nil
	}
	return err
}

// settle judges the pending files by the log: an administrator's becomes file,
// all others go. It runs when the log has its administrator, so none of them
// can still come to count.
func (c Config) settle(file string) error {
	pending, err := pendingFiles(file)
	if err != nil {
		return err
	}
	for _, name := range pending {
		if !c.inForce(name) {
			err = os.Remove(name)
		} else if err = os.Rename(name, file); err == nil {
			c.Log.Info("the administrator's credentials were written", "file", file)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) { // another replica shares the directory
			return err
		}
	}
	if len(pending) == 0 {
		return nil
	}
	return syncDirectory(file)
}

// inForce reports whether a pending file names an administrator of the log.
func (c Config) inForce(name string) (ok bool) {
	text, err := os.ReadFile(name)
	var content credentials
	if err != nil || json.Unmarshal(text, &content) != nil {
		return false
	}
	c.Emit.View(func(s *projections.State) {
		app, found := s.Applications.ByClientID(content.ClientID)
		ok = found && slices.Contains(app.Scopes, command.ScopeAdmin)
	})
	return ok
}

const pendingSuffix = ".tmp"

func pendingName(file, clientID string) string { return file + "." + clientID + pendingSuffix }

func pendingFiles(file string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Dir(file))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if name := entry.Name(); strings.HasPrefix(name, filepath.Base(file)+".app_") && strings.HasSuffix(name, pendingSuffix) {
			names = append(names, filepath.Join(filepath.Dir(file), name))
		}
	}
	return names, nil
}

// writePending makes a file and its name durable.
func writePending(name string, content credentials) error {
	text, err := json.MarshalIndent(content, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return err
	}
	return syncDirectory(name)
}

func syncDirectory(file string) error {
	d, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
