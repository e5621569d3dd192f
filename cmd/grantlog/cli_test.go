package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestHelpAndVersion(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want []string
	}{
		{[]string{"help"}, []string{"Usage: grantlog <command>", "serve ", "verify ", "tail ", "bench "}},
		{[]string{"--help"}, []string{"Usage: grantlog <command>"}},
		{[]string{"-h"}, []string{"Usage: grantlog <command>"}},
		{[]string{"help", "serve"}, []string{"Usage: grantlog serve", "--max-staleness=TIME", "[$GRANTLOG_MAX_STALENESS]"}},
		{[]string{"serve", "--help"}, []string{"Usage: grantlog serve"}},
		{[]string{"tail", "-h"}, []string{"Usage: grantlog tail"}},
		{[]string{"version"}, []string{"grantlog ", " go1."}},
	} {
		p, stdout, stderr := world(nil)
		if code := run(t.Context(), tc.args, p); code != exitOK || stderr.Len() > 0 {
			t.Errorf("%v: exit code %d, stderr %s", tc.args, code, stderr)
		}
		for _, want := range tc.want {
			if !strings.Contains(stdout.String(), want) {
				t.Errorf("%v: no %q in\n%s", tc.args, want, stdout)
			}
		}
	}
}

// Help speaks of settings as they are: a flag that is no setting has no
// environment variable.
func TestHelpNamesNoVariableThatIsNotRead(t *testing.T) {
	p, stdout, _ := world(nil)
	run(t.Context(), []string{"help", "tail"}, p)
	if strings.Contains(stdout.String(), "GRANTLOG_HELP") || strings.Contains(stdout.String(), "GRANTLOG_AFTER") {
		t.Error(stdout)
	}
}

func TestUsageErrorsAreOneLine(t *testing.T) {
	dir := t.TempDir()
	seed := settingsFile(t, "organizations:\n  - id: acme\n    colour: red\n")
	for _, tc := range []struct {
		args []string
		env  map[string]string
		want string
	}{
		{nil, nil, `grantlog: want a command; "grantlog help" lists them`},
		{[]string{"sevre"}, nil, `grantlog: unexpected argument sevre`},
		{[]string{"help", "sevre"}, nil, `grantlog: unexpected argument sevre`},
		{[]string{"serve", "--lisen"}, nil, `grantlog: unknown flag --lisen, did you mean "--listen"?`},
		{[]string{"serve", "extra"}, nil, `grantlog: unexpected argument extra`},
		{[]string{"serve", "--listen"}, nil, `grantlog: --listen: want a value`},
		{[]string{"serve", "--listen", "a\nb"}, nil, `grantlog: --listen: "a\nb" is not host:port`},
		{[]string{"serve", "a\nb"}, nil, `grantlog: unexpected argument a b`},
		{[]string{"serve", "--config", filepath.Join(dir, "absent")}, nil, `grantlog: settings file: open `},
		{[]string{"serve", "--seed", filepath.Join(dir, "absent")}, nil, `grantlog: seed file: open `},
		{[]string{"serve", "--seed", seed}, nil, `grantlog: ` + seed + `:3: unknown key "colour"`},
		{[]string{"serve", "--max-staleness", "0s"}, nil, `grantlog: --max-staleness must be at least 1s`},
		{[]string{"serve"}, map[string]string{"GRANTLOG_LISTEN": "x"}, `grantlog: GRANTLOG_LISTEN: "x" is not host:port`},
		{[]string{"serve", "--nats", "nats://127.0.0.1:1", "--data", dir}, nil, "grantlog: --nats needs the master key that all replicas share"},
		{[]string{"verify", "--data", dir}, nil, "grantlog: there is no log in " + dir},
		{[]string{"tail", "--data", dir}, nil, "grantlog: there is no log in " + dir},
		{[]string{"serve", "--await-log", "--data", dir}, nil, "grantlog: --await-log is for replicas"},
		{[]string{"verify", "--listen", "127.0.0.1:1"}, nil, "grantlog: unknown flag --listen"},
	} {
		p, stdout, stderr := world(tc.env)
		code := run(t.Context(), tc.args, p)
		line, rest, _ := strings.Cut(stderr.String(), "\n")
		if code != exitUsage || rest != "" || !strings.HasPrefix(line, tc.want) || stdout.Len() > 0 {
			t.Errorf("%q: exit code %d\ngot  %q\nwant %q", tc.args, code, stderr, tc.want)
		}
	}
}

// One settings file serves all commands: what is for serve does not trouble
// verify.
func TestOneSettingsFileForAllCommands(t *testing.T) {
	dir := t.TempDir()
	file := settingsFile(t, "listen: 127.0.0.1:1\ndata: "+dir+"\n")
	p, _, stderr := world(nil)
	if code := run(t.Context(), []string{"verify", "--config", file}, p); code != exitUsage || !strings.Contains(stderr.String(), "there is no log in "+dir) {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
