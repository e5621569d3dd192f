package main_test

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
)

// deployed reads a file of the deployment.
func deployed(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// composition is docker-compose.cluster.yml without containers: its replicas are
// processes with the environment that stands there, and every address of its
// network is one of loopback.
type composition struct {
	*cluster
	metrics  []string          // where each member serves them
	loopback *strings.Replacer // from the file's addresses to the test's
	balancer *server           // what clients reach
}

func compose(t testing.TB) *composition {
	t.Helper()
	var file struct {
		Services map[string]struct{ Environment map[string]string }
	}
	if err := yaml.Unmarshal([]byte(deployed(t, "docs/deploy/docker-compose.cluster.yml")), &file); err != nil {
		t.Fatal(err)
	}
	c := &composition{cluster: prepareCluster(t), balancer: prepare(t)}
	names := []string{"grantlog-1", "grantlog-2", "grantlog-3"}
	pairs := []string{
		"http://localhost:8080", c.balancer.issuer(), "172.31.251.0/24", "127.0.0.1",
		"/run/secrets/master-key", strings.TrimPrefix(c.key, "--master-key-file="), "bind :8080", "bind " + c.balancer.addr,
	}
	routes := make([]string, len(names))
	for i, name := range names {
		routes[i] = freeAddress(t)
		metrics := freeAddress(t)
		c.metrics = append(c.metrics, metrics)
		pairs = append(pairs, name+":8080", c.members[i].addr, name+":6222", routes[i], name+":9090", metrics)
	}
	c.loopback = strings.NewReplacer(pairs...)
	for i, name := range names {
		own := strings.NewReplacer("0.0.0.0:6222", routes[i], "0.0.0.0:9090", c.metrics[i])
		s := c.members[i]
		s.args = nil
		for variable, value := range file.Services[name].Environment {
			s.env = append(s.env, variable+"="+own.Replace(c.loopback.Replace(value)))
		}
		if len(s.env) == 0 {
			t.Fatalf("no service %s", name)
		}
	}
	return c
}

// balance runs HAProxy as docs/deploy/haproxy.cfg says.
func (c *composition) balance(haproxy string) {
	c.t.Helper()
	config := c.loopback.Replace(deployed(c.t, "docs/deploy/haproxy.cfg"))
	cmd := exec.Command(haproxy, "-db", "-f", writeFile(c.t, "haproxy.cfg", config))
	cmd.Stdout, cmd.Stderr = c.balancer.out, c.balancer.out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait() // how it ends is no matter
	})
	c.balancer.eventually("the balancer answers", func() bool {
		status, err := c.balancer.probe("/readyz")
		return err == nil && status == http.StatusOK
	})
}

// The composition works: clients reach any replica through the balancer, which
// lets them notice nothing of one that restarts, and Prometheus finds all of
// them.
func TestComposition(t *testing.T) {
	t.Parallel()
	haproxy, err := exec.LookPath("haproxy")
	if err != nil {
		t.Skip("SKIP: haproxy is not installed: the composition is not tried")
	}
	c := compose(t)
	for _, s := range c.members {
		s.launch()
	}
	c.ready()
	c.balance(haproxy)
	b := c.balancer
	admin := c.administrator()
	c.settled()
	issued := b.requestToken(admin).ok()
	token := as[tokenResponse](issued).AccessToken
	for range 6 {
		if !b.activeAfter(issued, admin, token) {
			t.Error("a token is not live behind the balancer")
		}
	}
	if got := b.advertisedIssuer(); got != b.issuer() {
		t.Errorf("the issuer is %s", got)
	}

	var restarted atomic.Bool
	var asking sync.WaitGroup
	asked, failed := 0, []string{}
	asking.Go(func() {
		for ; !restarted.Load(); asked++ {
			if status, err := b.probe("/oauth/jwks"); err != nil || status != http.StatusOK {
				failed = append(failed, fmt.Sprint(status, err))
			}
		}
	})
	c.members[0].restart()
	restarted.Store(true)
	asking.Wait()
	if t.Logf("%d requests during a restart", asked); len(failed) > 0 {
		t.Errorf("clients noticed a restart: %v", failed)
	}

	for _, target := range []string{"grantlog-1:9090", "grantlog-2:9090", "grantlog-3:9090"} {
		if !strings.Contains(deployed(t, "docs/deploy/prometheus.yml"), `"`+target+`"`) {
			t.Errorf("Prometheus does not know %s", target)
		}
		if status, text := fetch(t, "http://"+c.loopback.Replace(target)+"/metrics"); status != http.StatusOK || !strings.Contains(text, "grantlog_log_fresh 1") {
			t.Errorf("%s: %d", target, status)
		}
	}
}
