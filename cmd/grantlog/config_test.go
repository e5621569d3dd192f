package main

import (
	"bytes"
	"encoding/base64"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// world is a process with an environment and nothing to read.
func world(env map[string]string) (p process, stdout, stderr *bytes.Buffer) {
	stdout, stderr = &bytes.Buffer{}, &bytes.Buffer{}
	return process{
		Stdin: strings.NewReader(""), Stdout: stdout, Stderr: stderr,
		LookupEnv: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
	}, stdout, stderr
}

// settings parses the arguments of serve.
func settings(t *testing.T, env map[string]string, args ...string) (serveSettings, error) {
	t.Helper()
	var grammar cli
	p, _, _ := world(env)
	parser, err := newParser(&grammar, p)
	if err != nil {
		t.Fatal(err)
	}
	_, err = parser.Parse(append([]string{"serve"}, args...))
	if err != nil {
		err = plain(err)
	}
	return grammar.Serve.Settings, err
}

func settingsFile(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "grantlog.yaml")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

var testKey = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))

func TestDefaults(t *testing.T) {
	got, err := settings(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := got.check(); err != nil {
		t.Error(err)
	}
	want := serveSettings{
		General: general{LogFormat: "text"},
		Log:     logSettings{Data: "./data"},
		Listen:  "127.0.0.1:8080", MaxStaleness: 10 * time.Second, JWKSCache: 5 * time.Minute, KeyRotation: 90 * 24 * time.Hour,
		SnapshotInterval: 10 * time.Minute, WebhookGiveUp: 72 * time.Hour,
	}
	if diff := cmp.Diff(want, got, compare); diff != "" {
		t.Error(diff)
	}
	if got := got.adminFile(); got != filepath.Join("data", "admin.json") {
		t.Error(got)
	}
}

var compare = cmp.Options{
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmp.Comparer(func(a, b masterKey) bool { return a.given == b.given }),
}

// every is a value for every setting but the settings file and the master key.
var every = map[string]string{
	"log-level": "warn", "log-format": "json", "data": "/srv/grantlog", "nats": "nats://a:1,tls://b:2",
	"nats-creds": "c.creds", "nats-ca": "ca.pem", "master-key-file": "key", "nats-listen": "127.0.0.1:4222",
	"log-replicas": "3", "await-log": "true", "listen": "[::1]:80", "issuer": "https://id.example/t", "trusted-proxies": "10.1.2.3/8, ::1",
	"metrics-listen": "127.0.0.1:9100", "otlp-endpoint": "http://otel:4318", "seed": "seed.yaml", "admin-file": "admin.json", "max-staleness": "1m",
	"jwks-cache": "90s", "key-rotation": "24h", "snapshot-interval": "1h", "webhook-give-up": "1h",
	"cluster-name": "c_1", "cluster-listen": "10.0.0.1:6222", "cluster-routes": "nats://10.0.0.1:6222, nats://b:6222", "cluster-advertise": "c.example:6222",
}

func wantEvery() serveSettings {
	return serveSettings{
		General: general{LogLevel: 4, LogFormat: "json"},
		Log: logSettings{
			Data: "/srv/grantlog", NATS: natsURLs{"nats://a:1", "tls://b:2"}, NATSCreds: "c.creds", NATSCA: "ca.pem", MasterKeyFile: "key",
		},
		Cluster:    clusterSettings{Name: "c_1", Listen: "10.0.0.1:6222", Routes: routeURLs{"nats://10.0.0.1:6222", "nats://b:6222"}, Advertise: "c.example:6222"},
		NATSListen: "127.0.0.1:4222", LogReplicas: 3, AwaitLog: true, Listen: "[::1]:80", Issuer: "https://id.example/t",
		TrustedProxies: networks{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")},
		MetricsListen:  "127.0.0.1:9100", OTLPEndpoint: "http://otel:4318", Seed: "seed.yaml", AdminFile: "admin.json",
		MaxStaleness: time.Minute, JWKSCache: 90 * time.Second, KeyRotation: 24 * time.Hour, SnapshotInterval: time.Hour,
		WebhookGiveUp: time.Hour,
	}
}

// Every setting can come from each of the three places.
func TestEverySettingFromEverywhere(t *testing.T) {
	var args []string
	var file strings.Builder
	env := map[string]string{}
	for name, v := range every {
		args = append(args, "--"+name+"="+v)
		env[envName(name)] = v
		file.WriteString(name + ": " + strings.ReplaceAll(`"V"`, "V", v) + "\n")
	}
	path := settingsFile(t, file.String())
	for name, get := range map[string]func() (serveSettings, error){
		"flags":       func() (serveSettings, error) { return settings(t, nil, args...) },
		"environment": func() (serveSettings, error) { return settings(t, env) },
		"file":        func() (serveSettings, error) { return settings(t, nil, "--config", path) },
		"file named by the environment": func() (serveSettings, error) {
			return settings(t, map[string]string{"GRANTLOG_CONFIG": path})
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := get()
			if err != nil {
				t.Fatal(err)
			}
			got.General.Config = ""
			if diff := cmp.Diff(wantEvery(), got, compare); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPrecedence(t *testing.T) {
	for name, tc := range map[string]struct {
		flag, env, file string
		want            time.Duration
	}{
		"default":           {"", "", "", 10 * time.Second},
		"file":              {"", "", "2s", 2 * time.Second},
		"environment":       {"", "3s", "", 3 * time.Second},
		"environment, file": {"", "3s", "2s", 3 * time.Second},
		"flag":              {"4s", "", "", 4 * time.Second},
		"flag, file":        {"4s", "", "2s", 4 * time.Second},
		"flag, environment": {"4s", "3s", "", 4 * time.Second},
		"all":               {"4s", "3s", "2s", 4 * time.Second},
		"back to default":   {"10s", "3s", "2s", 10 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			var args []string
			if tc.flag != "" {
				args = append(args, "--max-staleness", tc.flag)
			}
			if tc.file != "" {
				args = append(args, "--config", settingsFile(t, "max-staleness: "+tc.file+"\n"))
			}
			// An empty variable counts as not set.
			got, err := settings(t, map[string]string{"GRANTLOG_MAX_STALENESS": tc.env}, args...)
			if err != nil {
				t.Fatal(err)
			}
			if got.MaxStaleness != tc.want {
				t.Errorf("got %s, want %s", got.MaxStaleness, tc.want)
			}
		})
	}
}

func TestListsInTheSettingsFile(t *testing.T) {
	got, err := settings(t, nil, "--config", settingsFile(t, "nats:\n  - nats://a:1\n  - nats://b:2\ntrusted-proxies: [10.0.0.0/8, 192.0.2.1]\nlog-replicas: 3\n"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(natsURLs{"nats://a:1", "nats://b:2"}, got.Log.NATS); diff != "" {
		t.Error(diff)
	}
	if len(got.TrustedProxies) != 2 || got.LogReplicas != 3 {
		t.Errorf("%v %d", got.TrustedProxies, got.LogReplicas)
	}
}

// A bad value is told in one line that names where it stands.
func TestBadValues(t *testing.T) {
	for name, bad := range map[string][]string{
		"listen":            {"8080", "127.0.0.1", "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1", "http://127.0.0.1:80", "a b:80"},
		"nats":              {"localhost", "http://a:1", "nats://", "nats://a:1,,", "nats://a:x"},
		"cluster-name":      {"a b", "a.b", "é", strings.Repeat("a", 41)},
		"cluster-listen":    {"6222", "10.0.0.1", "10.0.0.1:x"},
		"cluster-advertise": {"6222", "c.example"},
		"cluster-routes":    {"10.0.0.1:6222", "nats://a", "tls://a:1", "nats://a:1/x", "nats://a:1,,", "nats://u:p@a:1"},
		"issuer":            {"id.example", "/x", "ftp://x", "https://", "https://x/", "https://x?q", "https://x?", "https://x#f", "https://x#", "https://u@x", "https://x/a/../b", "https://x:", "https://x/a b"},
		"trusted-proxies":   {"x", "10.0.0.0/33", "10.0.0.0/8;::1", "fe80::1%eth0"},
		"max-staleness":     {"ten", "10", "1y"},
		"log-replicas":      {"x", "1.5"},
		"log-level":         {"INFO", "trace"},
		"log-format":        {"xml"},
	} {
		for _, v := range bad {
			path := settingsFile(t, "\n"+name+": '"+v+"'\n")
			for origin, get := range map[string]func() error{
				"--" + name:          func() error { _, err := settings(t, nil, "--"+name+"="+v); return err },
				envName(name):        func() error { _, err := settings(t, map[string]string{envName(name): v}); return err },
				path + ":2: " + name: func() error { _, err := settings(t, nil, "--config", path); return err },
			} {
				err := get()
				if err == nil || !strings.HasPrefix(err.Error(), origin+": ") || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s %q: got %v, want a line that starts with %s", name, v, err, origin)
				}
			}
		}
	}
}

func TestSettingsFileIsStrict(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"unknown key":     {"listen: 127.0.0.1:1\nmax_staleness: 10s\n", `:2: unknown key "max_staleness"`},
		"config in it":    {"config: x\n", `:1: unknown key "config"`},
		"help in it":      {"help: true\n", `:1: unknown key "help"`},
		"duplicate key":   {"listen: 127.0.0.1:1\nlisten: 127.0.0.1:2\n", `:2: mapping key "listen" already defined at [1:1]`},
		"nothing":         {"listen:\n", ":1: the value of listen is not text, a number or a list of them"},
		"mapping":         {"listen: {a: 1}\n", ":1: the value of listen is not text, a number or a list of them"},
		"not YAML":        {"a: b: c\n", ":1: "},
		"list":            {"- listen\n", ":1: want keys and values"},
		"second document": {"data: a\n---\ndata: b\n", ":3: a second document in one file"},
	} {
		t.Run(name, func(t *testing.T) {
			path := settingsFile(t, tc.content)
			_, err := settings(t, nil, "--config", path)
			if err == nil || !strings.HasPrefix(err.Error(), path+tc.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant %s%s", err, path, tc.want)
			}
		})
	}
	if _, err := settings(t, nil, "--config", filepath.Join(t.TempDir(), "absent")); err == nil {
		t.Error("a missing settings file is accepted")
	}
}

func TestSecretsAreRefusedOnTheCommandLine(t *testing.T) {
	for _, args := range [][]string{
		{"--master-key", testKey}, {"--master-key=" + testKey}, {"--master-key=s3cret"},
		{"--nats=nats://user:s3cret@a:1"}, {"--nats", "nats://a:1,nats://s3cret@b:1"},
	} {
		_, err := settings(t, nil, args...)
		if err == nil || !strings.Contains(err.Error(), errSecretInArgv.Error()) {
			t.Errorf("%s: got %v", args[0], err)
		}
		if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), testKey)) {
			t.Errorf("the error shows the secret: %v", err)
		}
	}
}

func TestSecretsAreAcceptedElsewhere(t *testing.T) {
	nats := "nats://user:s3cret@a:1"
	for name, get := range map[string]func() (serveSettings, error){
		"environment": func() (serveSettings, error) {
			return settings(t, map[string]string{"GRANTLOG_MASTER_KEY": testKey, "GRANTLOG_NATS": nats})
		},
		"file": func() (serveSettings, error) {
			return settings(t, nil, "--config", settingsFile(t, "master-key: "+testKey+"\nnats: "+nats+"\n"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := get()
			if err != nil {
				t.Fatal(err)
			}
			if !got.Log.MasterKey.given || got.Log.MasterKey.key.Encode() != testKey || got.Log.NATS[0] != nats {
				t.Error("not the values given")
			}
		})
	}
	for origin, env := range map[string]map[string]string{"GRANTLOG_MASTER_KEY": {"GRANTLOG_MASTER_KEY": "s3cret"}} {
		_, err := settings(t, env)
		if err == nil || !strings.HasPrefix(err.Error(), origin+": ") || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("got %v", err)
		}
	}
}

func TestContradictions(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want string
	}{
		"no listener":         {[]string{"--listen="}, "--listen must not be empty"},
		"no host":             {[]string{"--listen=:8080"}, "--issuer must be given"},
		"no data":             {[]string{"--data="}, "--data must not be empty"},
		"listener elsewhere":  {[]string{"--nats=nats://a:1", "--nats-listen=127.0.0.1:1"}, "--nats-listen is for the embedded NATS"},
		"credentials":         {[]string{"--nats-creds=x"}, "--nats-creds needs --nats"},
		"CA":                  {[]string{"--nats-ca=x"}, "--nats-ca needs --nats"},
		"embedded replicas":   {[]string{"--log-replicas=3"}, "--log-replicas above 1 needs a NATS cluster"},
		"cluster name alone":  {[]string{"--cluster-name=c"}, "belong together"},
		"cluster routes":      {[]string{"--cluster-name=c", "--cluster-listen=a:1"}, "belong together"},
		"cluster nameless":    {[]string{"--cluster-listen=a:1", "--cluster-routes=nats://a:1"}, "belong together"},
		"cluster advertise":   {[]string{"--cluster-advertise=a:1"}, "belong together"},
		"cluster port":        {[]string{"--cluster-name=c", "--cluster-listen=a:0", "--cluster-routes=nats://a:1"}, "must name the port"},
		"cluster elsewhere":   {[]string{"--cluster-name=c", "--cluster-listen=a:1", "--cluster-routes=nats://a:1", "--nats=nats://b:1"}, "do not go with --nats"},
		"replicas":            {[]string{"--nats=nats://a:1", "--log-replicas=6"}, "--log-replicas must be from 1 to 5"},
		"negative replicas":   {[]string{"--log-replicas=-1"}, "--log-replicas must be from 1 to 5"},
		"staleness":           {[]string{"--max-staleness=0s"}, "--max-staleness must be at least 1s"},
		"cache":               {[]string{"--jwks-cache=25h"}, "--jwks-cache must be from 1s to 24h"},
		"rotation":            {[]string{"--key-rotation=5m"}, "--key-rotation must be longer than --jwks-cache"},
		"snapshots":           {[]string{"--snapshot-interval=0s"}, "--snapshot-interval must be at least 1s"},
		"give up":             {[]string{"--webhook-give-up=0s"}, "--webhook-give-up must be at least 1s"},
		"two sources of keys": {[]string{"--master-key-file=x"}, "are both given"},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{}
			if name == "two sources of keys" {
				env["GRANTLOG_MASTER_KEY"] = testKey
			}
			got, err := settings(t, env, tc.args...)
			if err != nil {
				t.Fatal(err)
			}
			if err := got.check(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %s", err, tc.want)
			}
		})
	}
}

func TestIssuer(t *testing.T) {
	for _, tc := range []struct{ listen, issuer, addr, want string }{
		{"127.0.0.1:8080", "", "127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"127.0.0.1:0", "", "127.0.0.1:4711", "http://127.0.0.1:4711"},
		{"localhost:0", "", "127.0.0.1:4711", "http://localhost:4711"},
		{"[::1]:0", "", "[::1]:4711", "http://[::1]:4711"},
		{"127.0.0.1:0", "https://id.example", "127.0.0.1:4711", "https://id.example"},
	} {
		set, err := settings(t, nil, "--listen", tc.listen, "--issuer="+tc.issuer)
		if err != nil {
			t.Fatal(err)
		}
		addr, err := net.ResolveTCPAddr("tcp", tc.addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := set.issuer(addr); got != tc.want {
			t.Errorf("%s on %s: got %s, want %s", tc.listen, tc.addr, got, tc.want)
		}
	}
}
