package main_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// run runs a command of the program to its end.
func run(t testing.TB, env []string, args ...string) result {
	t.Helper()
	path := grantlog(t) // whose build takes as long as it takes
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(cleanEnv(), env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ctx.Err() != nil {
		t.Fatalf("grantlog %s does not end\n%s", strings.Join(args, " "), &stderr)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// oneClearLine checks how a refused start speaks: its last line, and no stack.
func oneClearLine(t testing.TB, r result, words ...string) {
	t.Helper()
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "grantlog: ") || strings.Contains(r.stderr, "goroutine") {
		t.Errorf("the refusal reads:\n%s", r.stderr)
	}
	for _, word := range words {
		if !strings.Contains(strings.ToLower(last), strings.ToLower(word)) {
			t.Errorf("%q does not speak of %q", last, word)
		}
	}
}

// sameSet compares without regard to order.
func sameSet(t testing.TB, what string, got, want []string) {
	t.Helper()
	got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

// Section 1: an unknown key, a bad value or a missing file stops the start with
// one clear line.
func TestConfigurationErrors(t *testing.T) {
	t.Parallel()
	unknown := writeFile(t, "config.yaml", "listen: 127.0.0.1:0\nlisten-on: 127.0.0.1:0\n")
	badValue := writeFile(t, "config.yaml", "\n\nmax-staleness: soon\n")
	badSeed := writeFile(t, "seed.yaml", "organizations:\n  - id: acme\n    colour: red\n")
	data := filepath.Join(t.TempDir(), "data")
	for name, c := range map[string]struct {
		env   []string
		args  []string
		words []string
	}{
		"unknown key":            {nil, []string{"serve", "--config", unknown}, []string{"listen-on", ":2"}},
		"bad value in the file":  {nil, []string{"serve", "--config", badValue}, []string{"max-staleness", ":3"}},
		"bad value in the env":   {[]string{"GRANTLOG_MAX_STALENESS=soon"}, []string{"serve"}, []string{"GRANTLOG_MAX_STALENESS"}},
		"bad value of a flag":    {nil, []string{"serve", "--log-level", "loud"}, []string{"log-level"}},
		"unknown flag":           {nil, []string{"serve", "--lisen", "x"}, []string{"lisen"}},
		"unknown command":        {nil, []string{"sevre"}, []string{"sevre"}},
		"missing file":           {nil, []string{"serve", "--config", filepath.Join(data, "none.yaml")}, []string{"none.yaml"}},
		"missing seed":           {nil, []string{"serve", "--seed", filepath.Join(data, "none.yaml"), "--data", data}, []string{"none.yaml"}},
		"unknown key in a seed":  {nil, []string{"serve", "--seed", badSeed, "--data", data}, []string{"colour", ":3"}},
		"master key in argv":     {nil, []string{"serve", "--master-key", strings.Repeat("A", 43) + "="}, []string{"master-key"}},
		"short master key":       {[]string{"GRANTLOG_MASTER_KEY=c2hvcnQ="}, []string{"serve"}, []string{"GRANTLOG_MASTER_KEY"}},
		"key as value and file":  {[]string{"GRANTLOG_MASTER_KEY=" + strings.Repeat("A", 43) + "="}, []string{"serve", "--master-key-file", unknown}, []string{"master-key"}},
		"creds without a server": {nil, []string{"serve", "--nats-creds", unknown}, []string{"nats"}},
		"issuer with a query":    {nil, []string{"serve", "--issuer", "https://example.com/?a=b"}, []string{"issuer"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := run(t, append(c.env, "GRANTLOG_LISTEN="+freeAddress(t)), c.args...)
			if r.code != 2 {
				t.Errorf("exit code %d, want 2\n%s", r.code, r.stderr)
			}
			oneClearLine(t, r, c.words...)
			if r.stdout != "" {
				t.Errorf("stdout: %s", r.stdout)
			}
		})
	}
	if _, err := os.Stat(data); err == nil {
		t.Error("a refused start made its data directory")
	}
}

// Section 1: flag beats environment beats file.
func TestSettingsPrecedence(t *testing.T) {
	t.Parallel()
	file := writeFile(t, "config.yaml", "issuer: https://file.example\nlog-format: json\n")
	s := prepare(t, "--config", file)
	s.start()
	if got := s.advertisedIssuer(); got != "https://file.example" {
		t.Errorf("file alone: %s", got)
	}
	s.says(`{"time":`) // the file's log-format
	s.stop()
	s.env = []string{"GRANTLOG_ISSUER=https://env.example"}
	s.start()
	if got := s.advertisedIssuer(); got != "https://env.example" {
		t.Errorf("environment and file: %s", got)
	}
	s.stop()
	s.args = append(s.args, "--issuer", "https://flag.example")
	s.start()
	if got := s.advertisedIssuer(); got != "https://flag.example" {
		t.Errorf("flag, environment and file: %s", got)
	}
}

// Section 1: version and help.
func TestVersionAndHelp(t *testing.T) {
	t.Parallel()
	if r := run(t, nil, "version"); r.code != 0 || !strings.HasPrefix(r.stdout, "grantlog ") {
		t.Errorf("version: %+v", r)
	}
	if r := run(t, nil, "help"); r.code != 0 || !strings.Contains(r.stdout, "serve") {
		t.Errorf("help: %+v", r)
	}
	r := run(t, nil, "serve", "--help")
	for _, flag := range []string{"listen", "issuer", "data", "nats", "seed", "master-key", "master-key-file", "max-staleness", "metrics-listen", "log-level", "log-format", "admin-file", "config"} {
		if !strings.Contains(r.stdout, "--"+flag) {
			t.Errorf("serve --help does not name --%s", flag)
		}
	}
}
