package main_test

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// docs/examples/resource, built and run as it stands: it lets through who has a
// token, refuses it once it is revoked without being asked again, and tells
// clients where tokens come from (RFC 9728).
func TestExampleOfAResourceServer(t *testing.T) {
	t.Parallel()
	example := filepath.Join(t.TempDir(), "example")
	if out, err := exec.Command("go", "build", "-o", example, "../../docs/examples/resource").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	s := start(t)
	admin := s.admin()
	hears := s.create(admin, settings{"scopes": []string{"revocations:read"}})
	app := s.create(admin)
	address := freeAddress(t)
	output := &transcript{}
	run := exec.Command(example)
	run.Env = append(cleanEnv(), "ISSUER="+s.issuer(), "CLIENT_ID="+hears.ClientID, "CLIENT_SECRET="+hears.ClientSecret, "LISTEN="+address)
	run.Stdout, run.Stderr = output, output
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = run.Process.Kill()
		_ = run.Wait()
		if t.Failed() {
			t.Log(output.tail())
		}
	})
	ask := func(path, token string) (status int, body, challenge string) {
		r, err := http.NewRequest(http.MethodGet, "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		resp, err := (&http.Client{Transport: s.base, Timeout: patience}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, strings.TrimSpace(string(text)), resp.Header.Get("WWW-Authenticate")
	}
	s.eventually("the example serves", func() bool { return reachable(address) })
	metadata := "http://" + address + "/.well-known/oauth-protected-resource"
	status, body, challenge := ask("/customers", "")
	if status != http.StatusUnauthorized || challenge != fmt.Sprintf(`Bearer resource_metadata=%q`, metadata) {
		t.Errorf("without a token: %d %s %s", status, body, challenge)
	}
	if status, body, _ = ask("/.well-known/oauth-protected-resource", ""); status != http.StatusOK || !strings.Contains(body, fmt.Sprintf(`"authorization_servers":[%q]`, s.issuer())) {
		t.Errorf("metadata: %d %s", status, body)
	}
	token := s.token(app)
	s.eventually("a token is let through", func() bool { status, body, _ = ask("/customers", token); return status == http.StatusOK })
	if body != "the customers, for "+app.ClientID {
		t.Errorf("%s", body)
	}
	if status, body, challenge = ask("/customers", s.token(hears)); status != http.StatusForbidden || !strings.Contains(challenge, `scope="read:customers"`) {
		t.Errorf("without the scope: %d %s %s", status, body, challenge)
	}
	s.form("/oauth/revoke", []string{"token", token}, basic(app)).ok()
	s.eventually("the revoked token is refused", func() bool {
		status, body, challenge = ask("/customers", token)
		return status == http.StatusUnauthorized
	})
	if !strings.Contains(challenge, `error="invalid_token"`) || !strings.Contains(body, "Token revoked") {
		t.Errorf("revoked: %s %s", body, challenge)
	}
}
