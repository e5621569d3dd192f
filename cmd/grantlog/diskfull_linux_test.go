package main

import (
	"context"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
)

// smallDisk names, for a child of the test, where to mount its disk.
const smallDisk = "GRANTLOG_TEST_SMALL_DISK"

// onSmallDisk runs the calling test again in a process with a mount namespace
// of its own, and returns the mount point of a disk of 32 MiB there. In the
// parent it returns false after the child has ended.
func onSmallDisk(t *testing.T) (dir string, child bool) {
	t.Helper()
	if dir := os.Getenv(smallDisk); dir != "" {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=32m"); err != nil {
			t.Skipf("no disk can be mounted here: %v", err)
		}
		return dir, true
	}
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
	cmd.Env = append(os.Environ(), smallDisk+"="+t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS, Unshareflags: syscall.CLONE_NEWNS}
	if os.Getuid() != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
		}
	}
	out, err := cmd.CombinedOutput()
	if cmd.Process == nil {
		t.Skipf("no mount namespace can be made here: %v", err)
	}
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
	if strings.Contains(string(out), "--- SKIP") {
		t.Skip("the child could not mount a disk, see above")
	}
	return "", false
}

// A full disk stops writes and loses nothing; when there is room again, writes
// go on by themselves.
func TestFullDisk(t *testing.T) {
	disk, child := onSmallDisk(t)
	if !child {
		return
	}
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 12<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var log logBuffer
	e := startNATS(t, filepath.Join(disk, "data"), "", newLogger(&log, logLevel(slog.LevelInfo), "text"))
	nc := connect(t, e)
	js, stream := makeStream(t, nc)

	acked := fill(t, js, e)
	t.Logf("%d messages were acknowledged before the disk was full", acked)
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	if _, err := publishAtLast(t, js); err != nil {
		t.Fatalf("writes do not go on: %v\n%s", err, log.String())
	}
	for seq := range acked {
		if msg, err := stream.GetMsg(t.Context(), seq+1); err != nil || len(msg.Data) != pageSize {
			t.Fatalf("message %d was acknowledged and is lost: %v", seq+1, err)
		}
	}
}

const pageSize = 200 << 10

// fill publishes until the full disk is noticed, and counts what was
// acknowledged.
func fill(t *testing.T, js jetstream.JetStream, e *embeddedNATS) (acked uint64) {
	t.Helper()
	page := make([]byte, pageSize)
	waitFor(t, "the full disk is noticed", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if _, err := js.Publish(ctx, events.BeaconsSubject(), page); err == nil {
			acked++
		}
		return e.outOfSpace()
	})
	return acked
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
