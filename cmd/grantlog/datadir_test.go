package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestDataDirIsPrivateAndHeldAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "b")
	d, err := openDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{path: 0o700, filepath.Dir(path): 0o700, filepath.Join(path, "lock"): 0o600} {
		if info, err := os.Stat(name); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v %v, want mode %04o", name, info.Mode(), err, mode)
		}
	}

	refused := func(want string) {
		t.Helper()
		_, err := openDataDir(path)
		var inUse *inUseError
		if !errors.As(err, &inUse) || inUse.PID != os.Getpid() || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("got %v, want …%s", err, want)
		}
	}
	me := "is in use by process " + strconv.Itoa(os.Getpid())
	refused(me + ": stop it first")
	if err := d.announce("http://127.0.0.1:8080"); err != nil {
		t.Fatal(err)
	}
	refused(me + ": ask that one at http://127.0.0.1:8080, or stop it first")

	// A process that was forked and runs no program yet holds what was open.
	forked, err := syscall.Dup(int(d.lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(forked)
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	again, err := openDataDir(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.close()
	refused(me + ": stop it first") // the former address is forgotten
}

// A name that cannot be made is refused, also where the system calls it
// missing although its parent is there (/proc).
func TestDataDirThatCannotBe(t *testing.T) {
	path := settingsFile(t, "")
	names := []string{path, filepath.Join(path, "below"), ""}
	if _, err := os.Stat("/proc/self"); err == nil {
		names = append(names, "/proc/grantlog", "/proc/grantlog/below")
	}
	for _, p := range names {
		if _, err := openDataDir(p); err == nil || !strings.HasPrefix(err.Error(), "data directory: ") {
			t.Errorf("%s: got %v", p, err)
		}
	}
}
