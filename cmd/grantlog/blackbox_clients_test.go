package main_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Section 2: clients that others wrote, and that hold servers to the RFCs, work
// with nothing but the issuer and their credentials.
func TestJavaScriptClients(t *testing.T) {
	t.Parallel()
	clients := filepath.Join("testdata", "clients")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("SKIP: node is not installed")
	}
	if _, err := os.Stat(filepath.Join(clients, "node_modules")); err != nil {
		t.Skipf("SKIP: the clients are not installed: run npm ci in cmd/grantlog/%s", filepath.ToSlash(clients))
	}
	s := start(t)
	admin := s.admin()
	for _, script := range []string{"oauth4webapi.mjs", "openid-client.mjs"} {
		t.Run(script, func(t *testing.T) {
			app := s.create(admin, settings{"audience": "https://api.example/interop"})
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, node, script)
			cmd.Dir = clients
			cmd.Env = append(cleanEnv(), "ISSUER="+s.issuer(), "CLIENT_ID="+app.ClientID, "CLIENT_SECRET="+app.ClientSecret)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
