package main_test

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// documented returns a code block of docs/forward-auth.md: what is tested is
// what is recommended.
func documented(t *testing.T, language string) string {
	t.Helper()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "forward-auth.md"))
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```" + language + "\n(.*?)```").FindSubmatch(page)
	if block == nil {
		t.Fatalf("no %s block", language)
	}
	return string(block[1])
}

// proxied is a proxy in front of an API, which answers with what it was told.
type proxied struct {
	*server
	url string
}

// proxy runs a program with a configuration until the test ends.
func (s *server) proxy(program string, args func(file string) []string, config func(listen, api string) string) proxied {
	s.t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		s.t.Skipf("%s is not installed: the documented configuration of it is not tried", program)
	}
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, values := range r.Header {
			w.Header()["Told-"+name] = values
		}
	}))
	s.t.Cleanup(api.Close)
	listen := freeAddress(s.t)
	cmd := exec.Command(path, args(writeFile(s.t, program+".conf", config(listen, api.Listener.Addr().String())))...)
	cmd.Dir, cmd.Env = s.t.TempDir(), append(cleanEnv(), "HOME="+s.t.TempDir(), "XDG_DATA_HOME="+s.t.TempDir(), "XDG_CONFIG_HOME="+s.t.TempDir())
	cmd.Stdout, cmd.Stderr = s.out, s.out
	cmd.WaitDelay = patience
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM) // so that it ends its own processes
		if err := cmd.Wait(); errors.Is(err, exec.ErrWaitDelay) {
			s.t.Errorf("%s does not end", program)
		}
	})
	s.eventually(program+" listens", func() bool {
		conn, err := net.Dial("tcp", listen)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	return proxied{s, "http://" + listen}
}

func (p proxied) call(method, path string, opts ...option) *http.Response {
	p.t.Helper()
	r, err := http.NewRequest(method, p.url+path, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	for _, o := range opts {
		o(r)
	}
	resp, err := (&http.Client{Timeout: patience}).Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	resp.Body.Close()
	return resp
}

func (p proxied) try() {
	p.t.Helper()
	token := bearer(p.token(p.demo()))
	forged := []option{
		token, header("X-Auth-Client-Id", "forged"), header("X-Auth-Scope", "forged"), header("X-Auth-Subject", "forged"),
		header("X-Auth-Application-Id", "forged"), header("X-Auth-Organization-Id", "forged"), header("X-Auth-Token-Id", "forged"),
	}
	passed := p.call("GET", "/api/v1/customers/7?page=2", forged...)
	if passed.StatusCode != http.StatusOK || passed.Header.Get("Told-X-Auth-Client-Id") != "app_demo" ||
		passed.Header.Get("Told-X-Auth-Scope") != "read:customers" || passed.Header.Get("Told-X-Auth-Subject") != "app_demo" {
		p.t.Errorf("%d, and the API was told %v", passed.StatusCode, passed.Header)
	}
	for name, values := range passed.Header {
		if strings.HasPrefix(name, "Told-X-Auth-") && strings.Contains(strings.Join(values, ""), "forged") {
			p.t.Errorf("the API was told %s %q", name, values)
		}
	}
	for name, c := range map[string]struct {
		method, path string
		opts         []option
		want         int
	}{
		"no token":     {"GET", "/api/v1/customers", nil, http.StatusUnauthorized},
		"wrong token":  {"GET", "/api/v1/customers", []option{bearer("x.y.z")}, http.StatusUnauthorized},
		"no scope":     {"POST", "/api/v1/customers", []option{token}, http.StatusForbidden},
		"no route":     {"GET", "/other", []option{token}, http.StatusForbidden},
		"route forged": {"GET", "/other", []option{token, header("X-Forwarded-Uri", "/api/v1/customers"), header("X-Original-URI", "/api/v1/customers"), header("X-Original-URL", "/api/v1/customers")}, http.StatusForbidden},
		"verb forged":  {"DELETE", "/api/v1/customers", []option{token, header("X-Forwarded-Method", "GET"), header("X-Original-Method", "GET")}, http.StatusForbidden},
	} {
		// Headers that contradict what the proxy says are refused as well, which
		// nginx calls 500.
		got := p.call(c.method, c.path, c.opts...)
		refused := got.StatusCode == c.want || strings.HasSuffix(name, "forged") && got.StatusCode >= 400
		if !refused || got.Header.Get("Told-User-Agent") != "" {
			p.t.Errorf("%s: %d, want %d", name, got.StatusCode, c.want)
		}
	}
}

func TestForwardAuthBehindNginx(t *testing.T) {
	t.Parallel()
	s := startGuarded(t)
	dir := t.TempDir()
	s.proxy("nginx",
		func(file string) []string {
			return []string{"-c", file, "-e", "stderr", "-g", "daemon off; master_process off; pid " + dir + "/pid;"}
		},
		func(listen, api string) string {
			temporary := ""
			for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				temporary += kind + "_temp_path " + filepath.Join(dir, kind) + ";\n"
			}
			block := strings.ReplaceAll(documented(t, "nginx"), "127.0.0.1:8080", s.addr)
			return "worker_processes 1;\nevents {}\nhttp {\naccess_log off;\n" + temporary +
				"upstream api { server " + api + "; }\nserver {\nlisten " + listen + ";\n" + block + "}\n}\n"
		}).try()
}

func TestForwardAuthBehindCaddy(t *testing.T) {
	t.Parallel()
	s := startGuarded(t)
	s.proxy("caddy",
		func(file string) []string { return []string{"run", "--adapter", "caddyfile", "--config", file} },
		func(listen, api string) string {
			block := strings.NewReplacer("127.0.0.1:8080", s.addr, "api:9001", api).Replace(documented(t, "caddyfile"))
			return "{\nadmin off\nauto_https off\n}\nhttp://" + listen + " {\n" + block + "}\n"
		}).try()
}
