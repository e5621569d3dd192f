package main_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// SECURITY.md G11: what the server knows to be secret is in clear nowhere below
// the data directory, but for admin.json, nor in its own words at debug level.
func TestSecretsAppearNowhere(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin := s.admin()
	app := s.create(admin)
	wrong := app
	wrong.ClientSecret = "secret_wrong0123456789012345678901234567890123456789012"
	token := s.token(app)
	s.live(app, token)
	s.requestToken(wrong).want(http.StatusUnauthorized)
	s.form("/oauth/token", []string{"grant_type", "client_credentials", "client_id", app.ClientID, "client_secret", app.ClientSecret, "scope", app.ClientSecret}).want(http.StatusBadRequest)
	s.form("/oauth/introspect?token="+token, []string{"token", token}, basic(app)).want(http.StatusBadRequest)
	s.form("/oauth/token?client_secret="+app.ClientSecret, []string{"grant_type", "client_credentials"}).want(http.StatusBadRequest)
	s.get("/oauth/applications/"+app.ClientSecret, bearer(admin)).want(http.StatusNotFound)
	s.do(http.MethodPost, "/oauth/applications", "application/json", `{"name":"`+app.ClientSecret, bearer(admin)).want(http.StatusBadRequest)
	s.get("/nowhere/"+token, undescribed).want(http.StatusNotFound)
	renewed := as[application](s.json(http.MethodPost, app.path("regenerate-secret"), settings{}, bearer(admin)).ok())
	s.form("/oauth/revoke", []string{"token", token}, basic(renewed)).ok()
	s.restart()
	s.kill()

	secrets := map[string]string{
		"the administrator's secret": s.administrator().ClientSecret, "a client secret": app.ClientSecret,
		"a regenerated secret": renewed.ClientSecret, "a wrong secret": wrong.ClientSecret,
		"an access token": token, "the administrator's token": admin,
	}
	for name, secret := range secrets {
		for form, text := range map[string]string{
			"": secret, " in base64": base64.StdEncoding.EncodeToString([]byte(secret)), " in hexadecimal": hex.EncodeToString([]byte(secret)),
			// The signature is the half of a token that makes it one.
			", its end": secret[len(secret)-40:],
		} {
			if bytes.Contains([]byte(s.out.String()), []byte(text)) {
				t.Errorf("%s%s is in the server's output", name, form)
			}
			lookFor(t, s.data, name+form, []byte(text))
		}
	}
	lookFor(t, s.data, "the master key", masterKey(t, s))
}

// lookFor reports every file below a directory that holds the text, but the
// two that are there to hold secrets.
func lookFor(t *testing.T, dir, name string, text []byte) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || d.Name() == "admin.json" || d.Name() == "master.key" {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, text) {
			t.Errorf("%s is in %s", name, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func masterKey(t *testing.T, s *server) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.data, "master.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) != 32 {
		t.Fatalf("master.key holds %d bytes, %v", len(key), err)
	}
	return key
}
