// The files blackbox_*_test.go check the built program from outside: they
// start processes of it on loopback and speak HTTP with them. Each test names
// the section of the contract that it holds the program to, and every answer
// that any of them receives is checked against the OpenAPI description.
package main_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
)

// TestMain runs twice as many tests at once as there are processors, unless it
// is told how many: what they do most is wait, for leases, elections and disks.
func TestMain(m *testing.M) {
	flag.Parse()
	if parallel := flag.Lookup("test.parallel"); parallel.Value.String() == parallel.DefValue {
		if err := parallel.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0))); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	code := m.Run()
	if err := os.RemoveAll(buildDir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// buildDir holds the program for as long as the tests run; empty before any
// test needed it.
var buildDir string

// program returns the path of the program, built once for all tests. Under the
// race detector the program has it too.
var program = sync.OnceValues(func() (string, error) {
	var err error
	if buildDir, err = os.MkdirTemp("", "grantlog-test-"); err != nil {
		return "", err
	}
	path := filepath.Join(buildDir, "grantlog")
	args := []string{"build", "-o", path}
	if raceDetector {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func grantlog(t testing.TB) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// result is what a finished command left.
type result struct {
	code   int
	stdout string
	stderr string
}
