package bootstrap_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/bootstrap"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/projections"
)

func TestAnEmptyLogGetsAnAdministrator(t *testing.T) {
	env := journaltest.New(t)
	r, dir := newReplica(t, env), t.TempDir()
	file := filepath.Join(dir, "admin.json")

	r.admin(file)

	admin := readAdmin(t, file)
	app := r.application(admin.ClientID)
	if app == nil || admin.Organization != "default" || !r.accepts(admin.ClientID, admin.ClientSecret) {
		t.Fatal("the file's credentials do not count")
	}
	if diff := cmp.Diff(command.ManagementScopes, app.Scopes); diff != "" {
		t.Errorf("scopes (-want +got):\n%s", diff)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if diff := cmp.Diff([]string{"admin.json"}, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if log := r.log.String(); !strings.Contains(log, file) || strings.Contains(log, admin.ClientSecret) {
		t.Errorf("logged %s", log)
	}
	if r.Last() != 1 {
		t.Errorf("%d records, want one", r.Last())
	}

	again := newReplica(t, env)
	again.admin(file)
	if again.Last() != 1 || readAdmin(t, file) != admin {
		t.Error("a second start changed something")
	}
}

func TestOfManyReplicasOneMakesTheAdministrator(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared directory %v", shared), func(t *testing.T) {
			env, dir := journaltest.New(t), t.TempDir()
			replicas := make([]*replica, 4)
			files := make([]string, len(replicas))
			for i := range replicas {
				replicas[i] = newReplica(t, env)
				files[i] = filepath.Join(dir, "admin.json")
				if !shared {
					files[i] = filepath.Join(t.TempDir(), "admin.json")
				}
			}
			var starts sync.WaitGroup
			for i, r := range replicas {
				starts.Go(func() {
					if err := bootstrap.Admin(t.Context(), r.config, files[i]); err != nil {
						t.Error(err)
					}
				})
			}
			starts.Wait()

			if last := replicas[0].Last(); last != 1 {
				t.Fatalf("%d records, want one", last)
			}
			written := map[adminFile]bool{}
			for _, file := range files {
				if _, err := os.Stat(file); err == nil {
					written[readAdmin(t, file)] = true
				}
				if left := names(t, filepath.Dir(file)); len(left) > 1 {
					t.Errorf("left %v", left)
				}
			}
			if len(written) != 1 {
				t.Fatalf("%d replicas wrote credentials, want one", len(written))
			}
			for admin := range written {
				for _, r := range replicas {
					if r.Sync(); !r.accepts(admin.ClientID, admin.ClientSecret) {
						t.Error("the file's credentials do not count")
					}
				}
			}
		})
	}
}

// A crash may come after the credentials were kept and before, or after, the
// log had them.
func TestWhatACrashLeftIsSettledByTheLog(t *testing.T) {
	env := journaltest.New(t)
	r, dir := newReplica(t, env), t.TempDir()
	file := filepath.Join(dir, "admin.json")
	write(t, `{"organizationId":"default","clientId":"app_never","clientSecret":"x"}`, dir, "admin.json.app_never.tmp")
	write(t, `{"organi`, dir, "admin.json.app_torn.tmp")
	write(t, "not ours", dir, "admin.json.tmp")
	write(t, "not ours", dir, "other.json.app_x.tmp")

	r.admin(file)
	want := []string{"admin.json", "admin.json.tmp", "other.json.app_x.tmp"}
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}

	admin := readAdmin(t, file)
	pending := "admin.json." + admin.ClientID + ".tmp"
	if err := os.Rename(file, filepath.Join(dir, pending)); err != nil {
		t.Fatal(err)
	}
	newReplica(t, env).admin(file)
	if diff := cmp.Diff(want, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if readAdmin(t, file) != admin {
		t.Error("the credentials changed")
	}

	// The credentials of an administrator that is gone are not brought back.
	r.Run(func(s *projections.State) (command.Decision, error) {
		app, _ := s.Applications.ByClientID(admin.ClientID)
		return command.DeleteApplication(s, command.Target{Organization: "default", ID: app.ID})
	})
	if err := os.Rename(file, filepath.Join(dir, pending)); err != nil {
		t.Fatal(err)
	}
	newReplica(t, env).admin(file)
	if diff := cmp.Diff(want[1:], names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestWithoutTheLogCredentialsWaitForTheNextStart(t *testing.T) {
	env := journaltest.New(t)
	r, dir := newReplica(t, env), t.TempDir()
	file := filepath.Join(dir, "admin.json")
	env.Stop()
	if err := bootstrap.Admin(t.Context(), r.config, file); err == nil {
		t.Fatal("no error without a log")
	}
	if left := names(t, dir); len(left) != 1 || left[0] == "admin.json" {
		t.Errorf("left %v", left)
	}
	env.Start()
	next := newReplica(t, env)
	next.admin(file)
	admin := readAdmin(t, file)
	if !next.accepts(admin.ClientID, admin.ClientSecret) {
		t.Error("the file's credentials do not count")
	}
	if diff := cmp.Diff([]string{"admin.json"}, names(t, dir)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func TestCredentialsThatCannotBeKeptAreNotMade(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	if err := bootstrap.Admin(t.Context(), r.config, filepath.Join(t.TempDir(), "none", "admin.json")); err == nil {
		t.Error("no error without a directory")
	}
	if r.Last() != 0 {
		t.Error("an administrator whose secret nobody has")
	}
}
