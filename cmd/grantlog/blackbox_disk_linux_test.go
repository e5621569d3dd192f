package main_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Disk full: writes answer 503 and nothing is falsely acknowledged, reads go
// on, and the server recovers by itself when space returns.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	dir := mount(t)
	s := prepare(t)
	s.data = filepath.Join(dir, "data")
	s.start()
	admin := s.admin()
	app := s.create(admin)
	token := s.token(app)
	s.position()

	ballast := fill(t, dir)
	var acknowledged []string
	s.eventually("a write is refused", func() bool {
		a := s.requestToken(app)
		switch a.status {
		case http.StatusOK:
			acknowledged = append(acknowledged, as[tokenResponse](a).AccessToken)
			return false
		case http.StatusServiceUnavailable:
			return true
		}
		t.Fatalf("%d %s", a.status, a.body)
		return false
	})
	s.form("/oauth/revoke", []string{"token", token}, basic(app)).want(http.StatusServiceUnavailable)
	s.json(http.MethodPost, "/oauth/applications", settings{"name": "x", "scopes": []string{}}, bearer(admin)).want(http.StatusServiceUnavailable)
	s.live(app, token)
	s.get(app.path(), bearer(admin)).ok()
	s.get("/healthz").ok()

	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	var after string
	s.eventually("writes go on", func() bool {
		a := s.requestToken(app)
		if a.status == http.StatusOK {
			after = as[tokenResponse](a).AccessToken
		}
		return a.status == http.StatusOK
	})
	s.live(app, append(acknowledged, token, after)...)
	s.restart()
	s.live(app, append(acknowledged, token, after)...)
	s.live(app, s.token(app))
	s.stop()
	if r := run(t, nil, "verify", "--data", s.data); r.code != 0 {
		t.Errorf("verify: %d\n%s", r.code, r.stderr)
	}
}

// Archiving on a disk without room says so, and loses nothing at whichever step
// it was: the log is as it was, or is completed once there is room.
func TestArchiveOnAFullDisk(t *testing.T) {
	t.Parallel()
	dir := mount(t)
	s := prepare(t)
	s.data = filepath.Join(dir, "data")
	s.start()
	app := s.create(s.admin())
	var tokens []string
	for range 300 {
		tokens = append(tokens, s.token(app))
	}
	s.stop()
	for _, room := range []int64{0, 96 << 10, 160 << 10, 1 << 20} {
		ballast := fill(t, dir)
		info, err := os.Stat(ballast)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(ballast, max(0, info.Size()-room)); err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "archive")
		r := run(t, nil, "archive", "--data", s.data, "--before", "9", "--out", out)
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
		t.Logf("with %d bytes: %d %s", room, r.code, r.stderr)
		switch r.code {
		case 0:
		case 1:
			if !strings.Contains(r.stderr, "the disk of "+s.data+" is full") {
				t.Errorf("with %d bytes: %s", room, r.stderr)
			}
			if v := run(t, nil, "verify", "--data", s.data); v.code == 0 {
				continue
			}
			if r = run(t, nil, "archive", "--data", s.data, "--finish"); r.code != 0 {
				t.Fatalf("with %d bytes, not completed: %d %s", room, r.code, r.stderr)
			}
		default:
			t.Fatalf("with %d bytes: %d %s", room, r.code, r.stderr)
		}
		if v := run(t, nil, "verify", "--data", s.data, "--archive", out); v.code != 0 {
			t.Fatalf("with %d bytes: %d %s", room, v.code, v.stderr)
		}
		break
	}
	s.start()
	s.live(app, append(tokens, s.token(app))...)
}

// mount makes a disk of its own for a test.
func mount(t testing.TB) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=48m"); err != nil {
		t.Skipf("SKIP: a file system of its own cannot be mounted here (%v)", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill takes all the space there is and returns the file that holds it.
func fill(t testing.TB, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "ballast")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size > 0; size /= 2 {
		for err = nil; err == nil; {
			_, err = f.Write(make([]byte, size))
		}
		if !errors.Is(err, syscall.ENOSPC) && !errors.Is(err, io.ErrShortWrite) {
			t.Fatal(err)
		}
	}
	return path
}
