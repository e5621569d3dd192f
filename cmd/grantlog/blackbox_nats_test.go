package main_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Section 1, --nats: the log on a nats-server that is a process of its own,
// built from the module, and is killed.
func TestExternalServerProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	binary := filepath.Join(dir, "nats-server")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	addr := freeAddress(t)
	config := writeFile(t, "nats.conf", fmt.Sprintf("listen: %q\njetstream { store_dir: %q, sync_interval: always }\n", addr, filepath.Join(dir, "store")))
	var running *exec.Cmd
	launch := func() {
		running = exec.Command(binary, "-c", config)
		if err := running.Start(); err != nil {
			t.Fatal(err)
		}
	}
	end := func() {
		_ = running.Process.Kill()
		_ = running.Wait()
	}
	launch()
	t.Cleanup(func() { end() })

	s := prepare(t, "--nats", "nats://"+addr)
	s.eventually("the nats-server listens", func() bool { return reachable(addr) })
	s.env = append(s.env, "GRANTLOG_MASTER_KEY="+strings.Repeat("A", 43)+"=")
	s.start()
	app := s.create(s.admin(), settings{"scopes": []string{"a"}})
	token := s.token(app)

	end()
	launch()
	s.eventually("the log is back", func() bool { return s.requestToken(app).status == http.StatusOK })
	s.live(app, token)
	if _, err := os.Stat(filepath.Join(s.data, "jetstream")); err == nil {
		t.Error("an embedded store was made beside the external log")
	}
}

func reachable(addr string) bool {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}
