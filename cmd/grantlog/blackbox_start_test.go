package main_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Section 1: what a first start leaves in an empty data directory.
func TestFirstStart(t *testing.T) {
	t.Parallel()
	s := start(t)

	for _, name := range []string{"admin.json", "master.key"} {
		info, err := os.Stat(filepath.Join(s.data, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", name, info.Mode().Perm())
		}
	}
	content, err := os.ReadFile(filepath.Join(s.data, "admin.json"))
	if err != nil {
		t.Fatal(err)
	}
	var admin map[string]string
	if err := json.Unmarshal(content, &admin); err != nil {
		t.Fatal(err)
	}
	if len(admin) != 3 || admin["organizationId"] != "default" {
		t.Errorf("admin.json has %d members, organization %q", len(admin), admin["organizationId"])
	}
	if !strings.HasPrefix(admin["clientId"], "app_") || !secretForm.MatchString(admin["clientSecret"]) {
		t.Errorf("admin.json: clientId %q, or a clientSecret of another form", admin["clientId"])
	}
	s.says(filepath.Join(s.data, "admin.json"))
	if strings.Contains(s.out.String(), admin["clientSecret"]) {
		t.Error("the administrator's secret is logged")
	}
}

var secretForm = regexp.MustCompile(`^secret_[0-9A-Za-z]{43,}$`)

// Section 1: the administrator application holds every management scope.
func TestAdministratorHoldsEveryManagementScope(t *testing.T) {
	t.Parallel()
	s := start(t)
	got := strings.Fields(as[tokenResponse](s.requestToken(s.administrator()).ok()).Scope)
	want := []string{"grantlog:admin", "tokens:introspect", "tokens:revoke", "events:read", "revocations:read"}
	for _, thing := range []string{"applications", "services", "users", "authentications"} {
		want = append(want, thing+":read", thing+":write")
	}
	sameSet(t, "scopes", got, want)
}

// Section 1: --admin-file names another place.
func TestAdminFileElsewhere(t *testing.T) {
	t.Parallel()
	elsewhere := filepath.Join(t.TempDir(), "credentials.json")
	s := start(t, "--admin-file", elsewhere)
	info, err := os.Stat(elsewhere)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode %o", info.Mode().Perm())
	}
	if _, err := os.Stat(filepath.Join(s.data, "admin.json")); err == nil {
		t.Error("admin.json was written too")
	}
}

// Sections 1, 2, 3: the story of the README, then a restart that finds
// everything as it was.
func TestFromZeroToARevokedTokenAndBack(t *testing.T) {
	t.Parallel()
	s := start(t)
	administrator := s.administrator()
	admin := s.admin()
	app := s.create(admin)
	if !strings.HasPrefix(app.ClientID, "app_") || !secretForm.MatchString(app.ClientSecret) || app.OrganizationID != "default" {
		t.Errorf("created %+v", app)
	}
	first := s.token(app)
	s.live(app, first)

	renewed := as[application](s.json(http.MethodPost, app.path("regenerate-secret"), settings{}, bearer(admin)).ok())
	if renewed.ClientSecret == app.ClientSecret || !secretForm.MatchString(renewed.ClientSecret) {
		t.Error("regenerate-secret gave no new secret")
	}
	s.requestToken(app).want(http.StatusUnauthorized)
	s.dead(renewed, first)
	second := s.token(renewed)

	position := s.position()
	keys := s.get("/oauth/jwks").ok()
	before := s.get(app.path(), bearer(admin)).ok()
	s.restart()
	s.get("/oauth/jwks").exactly(http.StatusOK, strings.TrimSpace(string(keys.body)))
	s.get(app.path(), bearer(admin)).exactly(http.StatusOK, strings.TrimSpace(string(before.body)))
	if now := s.position(); now < position {
		t.Errorf("position %d, was %d", now, position)
	}
	s.live(administrator, second, admin)
	s.dead(administrator, first)
	s.requestToken(app).want(http.StatusUnauthorized)
	s.live(renewed, s.token(renewed))
	if again := s.administrator(); again.ClientID != administrator.ClientID || again.ClientSecret != administrator.ClientSecret {
		t.Error("a restart made another administrator")
	}
}

// Section 1: the embedded server opens no port but the HTTP one.
func TestStartWritesNothingOutsideItsData(t *testing.T) {
	t.Parallel()
	s := prepare(t)
	s.start()
	entries, err := os.ReadDir(filepath.Dir(s.data))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 1 {
		t.Errorf("beside the data directory: %v", entries)
	}
}
