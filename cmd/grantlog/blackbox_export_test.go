package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Issue 6 part 6: analysts get the same lines from a server, its directory and a
// backup, filtered, and no secret.
func TestExport(t *testing.T) {
	t.Parallel()
	s := startUsers(t)
	app := s.create(s.admin(), settings{"scopes": []string{"a"}})
	s.token(app)
	s.userToken(agentEmail)
	file := s.backup()
	export := func(args ...string) string {
		t.Helper()
		r := run(t, nil, append([]string{"export"}, args...)...)
		if r.code != 0 {
			t.Fatalf("export %v: %d\n%s", args, r.code, r.stderr)
		}
		return r.stdout
	}
	filters := []string{"--organization", "acme", "--type", "token.issued,user.created,application.created", "--since", "1", "--ndjson", "-"}
	served := export(append(filters, "--url", s.issuer(), "--admin-file", filepath.Join(s.data, "admin.json"))...)
	if !strings.Contains(served, "user.created") || !strings.Contains(served, "token.issued") || strings.Contains(served, app.ID) {
		t.Errorf("exported:\n%s", served)
	}
	for _, secret := range []string{agentEmail, strings.ToLower(agentEmail), usersSecret, `"sealed"`, `"digest"`, `"password":"`} {
		if strings.Contains(served, secret) {
			t.Errorf("the export holds %s", secret)
		}
	}
	s.stop()
	for name, from := range map[string][]string{"a directory": {"--data", s.data}, "a backup": {"--data", s.data, "--backup", file}} {
		if got := export(append(filters, from...)...); got != served {
			t.Errorf("from %s:\n%s\nfrom the server:\n%s", name, got, served)
		}
	}
	path := filepath.Join(t.TempDir(), "events.csv")
	export("--data", s.data, "--csv", path, "--until", "3")
	rows, err := os.ReadFile(path)
	if lines := strings.Count(string(rows), "\r\n"); err != nil || !strings.HasPrefix(string(rows), "position,time,type") || lines < 4 {
		t.Errorf("%d lines, %v:\n%s", lines, err, rows)
	}
	for _, args := range [][]string{
		{"--data", s.data},
		{"--data", s.data, "--csv", path},
		{"--data", s.data, "--csv", "-", "--ndjson", "-"},
		{"--data", s.data, "--csv", "-", "--since", "yesterday"},
		{"--data", s.data, "--csv", "-", "--until", "2999-01-01T00:00:00Z"},
		{"--data", s.data, "--csv", "-", "--type", "no.such"},
		{"--data", t.TempDir(), "--csv", "-"},
	} {
		r := run(t, nil, append([]string{"export"}, args...)...)
		if r.code != 2 {
			t.Errorf("export %v: exit code %d, want 2\n%s", args, r.code, r.stderr)
		}
		oneClearLine(t, r)
	}
}
