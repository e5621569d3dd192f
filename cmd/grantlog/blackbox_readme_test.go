package main_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The README's shell blocks are what a stranger types. Their info strings say
// how they run: "sh serve" is left running while the later ones run, "sh test"
// is the command that runs this test, "sh" runs to its end. A comment of JSON at
// the end of a line is what is printed there, with … for anything.
var (
	shellBlock = regexp.MustCompile("(?ms)^```sh( serve| test)?\n(.*?)^```$")
	printed    = regexp.MustCompile(`#\s+(\{.*\})\s*$`)

	// Addresses are taken for ports that are free where the test runs.
	anyAddress = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	listenFlag = regexp.MustCompile(`--listen (\S+)`)
)

// readmeAddress is where a server listens that is told nothing else.
const readmeAddress = "127.0.0.1:8080"

// compilation is time enough to build a copy of the program while other tests
// have the processors.
const compilation = 5 * time.Minute

// A clean copy of the repository does what the README says, as printed.
func TestREADME(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("SKIP: %s is not installed", tool)
		}
	}
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := shellBlock.FindAllStringSubmatch(string(text), -1)
	if !slices.ContainsFunc(blocks, func(b []string) bool { return b[1] == " serve" }) {
		t.Fatal("the README has no block that starts the server: ```sh serve")
	}
	clone := filepath.Join(t.TempDir(), "clone")
	copyTree(t, clone, root, notInAClone)

	s := prepare(t)
	addresses := map[string]string{readmeAddress: s.addr}
	for _, block := range blocks {
		script := anyAddress.ReplaceAllStringFunc(block[2], func(address string) string {
			if addresses[address] == "" {
				addresses[address] = freeAddress(t)
			}
			return addresses[address]
		})
		switch block[1] {
		case " serve":
			s.serveFrom(clone, script)
		case " test":
			if script != "go test ./...\n" {
				t.Errorf("the README tests with %q", script)
			}
		default:
			out := shell(t, clone, script)
			for _, want := range expectations(script) {
				at := want.FindStringIndex(out)
				if at == nil {
					t.Fatalf("the README promises %s; its block printed\n%s", want, out)
				}
				out = out[at[1]:]
			}
		}
	}
}

// notInAClone reports what Git does not keep.
func notInAClone(path string, d fs.DirEntry) bool {
	return slices.Contains([]string{".git", "data", "grantlog", "master.key"}, path) || strings.HasPrefix(path, "data-") || d.Name() == "node_modules"
}

// serveFrom runs a block that starts servers, where it says or else on the
// test's own address, and stops all of its processes when the test ends.
func (s *server) serveFrom(dir, script string) {
	s.t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(cleanEnv(), "GRANTLOG_LISTEN="+s.addr)
	cmd.Stdout, cmd.Stderr = s.out, s.out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		cmd.Wait() // how `go run` ends when it is told to is no matter
		close(exited)
	}()
	s.t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		<-exited
	})
	served := []string{s.addr}
	if listens := listenFlag.FindAllStringSubmatch(script, -1); listens != nil {
		served = nil
		for _, flag := range listens {
			served = append(served, flag[1])
		}
	}
	for _, address := range served {
		at := *s
		at.addr = address
		at.within(compilation, "the README's server is ready", func() bool {
			select {
			case <-exited:
				s.t.Fatalf("the README's server ended\n%s", s.out.tail())
			default:
			}
			status, err := at.probe("/readyz")
			return err == nil && status == 200
		})
	}
}

func shell(t *testing.T, dir, script string) string {
	t.Helper()
	cmd := exec.Command("bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, cleanEnv()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, script, out)
	}
	return string(out)
}

// expectations are the outputs that a block's comments promise, in order.
func expectations(script string) []*regexp.Regexp {
	var all []*regexp.Regexp
	for line := range strings.Lines(script) {
		if m := printed.FindStringSubmatch(line); m != nil {
			pattern := strings.ReplaceAll(regexp.QuoteMeta(m[1]), "…", ".*?")
			all = append(all, regexp.MustCompile(pattern))
		}
	}
	return all
}

// Every path of the repository that the README links to exists.
func TestREADMELinks(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`\]\(([^)#:]+)\)`).FindAllStringSubmatch(string(text), -1) {
		if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(m[1]))); err != nil {
			t.Error(fmt.Errorf("the README links to what is not there: %w", err))
		}
	}
}
