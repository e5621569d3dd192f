package main_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whatever is wrong with a backup, or in the way, is one clear line, and nothing
// is changed.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	s := start(t)
	file := s.backup()
	r := run(t, nil, "backup", "--data", s.data, filepath.Join(t.TempDir(), "other"))
	if r.code != 1 {
		t.Errorf("a running server's directory: exit code %d", r.code)
	}
	oneClearLine(t, r, "in use", "backup --url "+s.issuer())
	r = run(t, nil, "restore", "--data", s.data, file)
	if r.code != 1 {
		t.Errorf("onto a running server: exit code %d", r.code)
	}
	oneClearLine(t, r, "in use")
	s.stop()

	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 4
	for name, c := range map[string]struct {
		content string
		env     []string
		code    int
		words   []string
	}{
		"flipped":        {string(flipped), nil, 1, []string{"damaged"}},
		"cut":            {string(whole[:len(whole)-9]), nil, 1, []string{"cut short"}},
		"newer":          {strings.Replace(string(whole), "backup 1", "backup 7", 1), nil, 1, []string{"newer"}},
		"wrong key":      {string(whole), []string{"GRANTLOG_MASTER_KEY=" + strings.Repeat("A", 43) + "="}, 1, []string{"master key"}},
		"something else": {"a list of things to do\n", nil, 2, []string{"not a backup"}},
	} {
		data := s.vacant()
		r := run(t, c.env, "restore", "--data", data, writeFile(t, "backup", c.content))
		if r.code != c.code || r.stdout != "" {
			t.Errorf("%s: exit code %d, want %d\n%s", name, r.code, c.code, r.stdout)
		}
		oneClearLine(t, r, c.words...)
		left, err := os.ReadDir(data)
		if err != nil || len(left) != 2 {
			t.Errorf("%s: the directory holds %v, %v", name, left, err)
		}
		if name == "wrong key" {
			continue
		}
		if r := run(t, c.env, "verify", "--data", data, "--backup", writeFile(t, "backup", c.content)); r.code != c.code {
			t.Errorf("%s: verify says %d\n%s", name, r.code, r.stderr)
		}
	}
	older := blocks(t, s.data)
	for _, args := range [][]string{
		{"restore", "--data", s.data, file},
		{"backup", "--data", s.data, file},
		{"backup", "--data", filepath.Join(t.TempDir(), "none"), filepath.Join(t.TempDir(), "x")},
		{"backup", "--data", s.data, "--contents", "most", filepath.Join(t.TempDir(), "x")},
		{"restore", "--data", filepath.Join(t.TempDir(), "none"), file},
		{"restore", "--data", s.vacant(), filepath.Join(t.TempDir(), "no such backup")},
		{"restore", "--data", s.vacant(), "--log-replicas", "3", file},
	} {
		r := run(t, nil, args...)
		if r.code != 2 {
			t.Errorf("%v: exit code %d, want 2\n%s", args, r.code, r.stderr)
		}
		oneClearLine(t, r)
	}
	if !slices.Equal(blocks(t, s.data), older) {
		t.Error("a log was touched")
	}
	s.start()
}
