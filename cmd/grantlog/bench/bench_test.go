package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

// TestMain lets the test binary be the executable that a run starts.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[2] == "--listen" {
		os.Exit(child(os.Args[1], os.Args[3]))
	}
	goleak.VerifyTestMain(m)
}

func child(command, listen string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	err := fmt.Errorf("no command %q", command)
	if command == "bench-bare" {
		err = Bare(ctx, listen)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func newRun(t *testing.T) *run {
	t.Helper()
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &run{
		Config: Config{
			Connections: 4, Requests: 200, Duration: time.Minute, Rounds: 2, Tokens: 10, Issuances: 5000, Authentications: 5,
			Stdout: t.Output(), Stderr: t.Output(),
		},
		executable: executable, dir: t.TempDir(),
	}
}

func startBare(t *testing.T, r *run) *process {
	t.Helper()
	p, err := r.start(t.Context(), "bench-bare")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	return p
}

func form(body string) call {
	return call{
		path: "/oauth/token", header: http.Header{"Content-Type": {formType}},
		body: func(int) string { return body },
	}
}

func TestPhaseSendsEveryRequestOnce(t *testing.T) {
	r := newRun(t)
	p := startBare(t, r)
	l := r.newLoad()
	defer l.close()
	sent := make([]int, 150)
	c := form(tokenForm)
	c.count = len(sent)
	c.accept = func(i int, answer []byte) error {
		sent[i]++
		return contains("access_token")(i, answer)
	}
	got, err := l.drive(t.Context(), p, c)
	if err != nil || got.failed != 0 || len(got.latencies) != len(sent) {
		t.Fatalf("%d answers, %d failed, %v, %v", len(got.latencies), got.failed, got.errors, err)
	}
	for i, n := range sent {
		if n != 1 {
			t.Errorf("request %d was sent %d times", i, n)
		}
	}
	if got.percentile(50) > got.percentile(99) || got.percentile(50) <= 0 {
		t.Errorf("p50 %v, p99 %v", got.percentile(50), got.percentile(99))
	}
}

func TestFailedRequestsAreCounted(t *testing.T) {
	r := newRun(t)
	p := startBare(t, r)
	l := r.newLoad()
	defer l.close()
	for name, tt := range map[string]struct {
		call call
		want string
	}{
		"status":  {form(""), "status 400"},
		"content": {func() call { c := form(tokenForm); c.accept = contains("active"); return c }(), errAnswer.Error()},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := l.drive(t.Context(), p, tt.call)
			if err != nil || got.failed != r.Requests || len(got.latencies) != 0 {
				t.Fatalf("%d answers, %d failed, %v", len(got.latencies), got.failed, err)
			}
			if len(got.errors) != 1 || !strings.Contains(got.errors[0], tt.want) {
				t.Errorf("errors %q, want one with %q", got.errors, tt.want)
			}
		})
	}
}

func TestServerThatIsGone(t *testing.T) {
	r := newRun(t)
	p := startBare(t, r)
	p.stop()
	if p.err != nil {
		t.Errorf("after SIGTERM: %v", p.err)
	}
	l := r.newLoad()
	defer l.close()
	got, err := l.drive(t.Context(), p, form(tokenForm))
	if err != nil || got.failed != r.Requests {
		t.Errorf("%d failed, %v", got.failed, err)
	}
}

func TestPhaseEndsWithTime(t *testing.T) {
	r := newRun(t)
	p := startBare(t, r)
	l := r.newLoad()
	defer l.close()
	l.requests, l.duration = 1<<40, time.Second
	got, err := l.drive(t.Context(), p, form(tokenForm))
	if err != nil || got.failed > 0 || len(got.latencies) == 0 {
		t.Errorf("%d answers, %d failed, %v", len(got.latencies), got.failed, err)
	}
}

func TestPhaseEndsWithContext(t *testing.T) {
	r := newRun(t)
	p := startBare(t, r)
	l := r.newLoad()
	defer l.close()
	l.requests = 1 << 40
	ctx, cancel := context.WithCancel(t.Context())
	c := form(tokenForm)
	c.accept = func(i int, _ []byte) error {
		if i == 50 {
			cancel()
		}
		return nil
	}
	if _, err := l.drive(ctx, p, c); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestStartTellsWhyNot(t *testing.T) {
	r := newRun(t)
	_, err := r.start(t.Context(), "no-such-command")
	if err == nil || !strings.Contains(err.Error(), "the server ended (exit status 1): no command") {
		t.Errorf("error %v", err)
	}
}

func TestCompareWithItself(t *testing.T) {
	r := newRun(t)
	p := startBare(t, r)
	got, err := r.compare(t.Context(), "itself", p, func(context.Context, *load) (call, error) { return form(tokenForm), nil })
	if err != nil {
		t.Fatal(err)
	}
	if got.Requests != r.Rounds*r.Requests || got.Failed != 0 || got.Ratio <= 0 {
		t.Errorf("%+v", got)
	}
}

func TestHoldTokens(t *testing.T) {
	got, err := holdTokens(t.Context(), newRun(t))
	if err != nil || len(got.Figures) == 0 || got.Figures[0].Value <= 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestConfigIsChecked(t *testing.T) {
	good := newRun(t).Config
	for name, change := range map[string]func(*Config){
		"only":            func(c *Config) { c.Only = []string{"token", "tokens"} },
		"connections":     func(c *Config) { c.Connections = 0 },
		"requests":        func(c *Config) { c.Requests = -1 },
		"duration":        func(c *Config) { c.Duration = 0 },
		"rounds":          func(c *Config) { c.Rounds = 0 },
		"tokens":          func(c *Config) { c.Tokens = 0 },
		"issuances":       func(c *Config) { c.Issuances = 1 << 40 },
		"authentications": func(c *Config) { c.Authentications = 0 },
	} {
		c := good
		change(&c)
		if err := c.Check(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
}

func TestCleanEnvironment(t *testing.T) {
	got := cleanEnvironment([]string{"PATH=/bin", "GRANTLOG_NATS=nats://prod", "GRANTLOG_CONFIG=x", "HOME=/"})
	if diff := cmp.Diff([]string{"PATH=/bin", "HOME=/"}, got); diff != "" {
		t.Error(diff)
	}
}
