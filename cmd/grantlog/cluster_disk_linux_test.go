package main_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

func init() { memberFaults = append(memberFaults, fault{"full disk", fullDisk}) }

// smallDisk is how much fits the disk of a member.
const smallDisk = "size=256m"

// onDisk gives the last member, which does not run yet, a disk of its own.
// Where none can be mounted, its disk never gets full.
func (c *cluster) onDisk(t testing.TB) {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, smallDisk); err != nil {
		t.Logf("SKIP: no full disk, for a file system of its own cannot be mounted here (%v)", err)
		return
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	s := c.members[len(c.members)-1]
	s.data, c.disk = filepath.Join(dir, "data"), dir
}

// fullDisk takes all the room that a member has, and gives it back.
func fullDisk(f *faults, c *cluster, _ *load) {
	if c.disk == "" {
		<-f.between(0, time.Second)
		return
	}
	ballast := fill(f.t, c.disk)
	<-f.between(0, 15*time.Second)
	if err := os.Remove(ballast); err != nil {
		f.t.Fatal(err)
	}
	c.recovered()
	<-f.between(0, 3*time.Second)
}
