package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// roomWanted is how many bytes must be writable before a server that ran
	// out of space is started again: some pages of the log and its index.
	roomWanted = 4 << 20

	// roomRetry is the pause between two looks for room.
	roomRetry = time.Second
)

// watch looks at the server whenever it logs an error, and replaces it when it
// stopped writing for want of space. Other write errors stay as they are: after
// a failed sync the files may hold less than the system believes, and only an
// operator can tell.
func (e *embeddedNATS) watch() {
	for {
		select {
		case <-e.done:
			return
		case <-e.alarm:
		}
		if !e.outOfSpace() {
			continue
		}
		e.log.Error("the disk is full: nothing is stored here until there is room", "data", e.dir)
		for !e.relaunch() {
			select {
			case <-e.done:
				return
			case <-time.After(roomRetry):
			}
		}
		e.log.Info("the disk has room again", "data", e.dir)
	}
}

// outOfSpace reports whether the server has stopped writing because the disk
// was full. A single server says so when it is asked for its health; a member
// of a cluster does without its store from then on, and only its log says why.
func (e *embeddedNATS) outOfSpace() bool {
	e.mu.Lock()
	s := e.server
	e.mu.Unlock()
	if s == nil {
		return false
	}
	return speaksOfSpace(s.Healthz(nil).Error) || e.member != nil && e.saidFull()
}

// saidFull reports whether an error of the server spoke of a full disk.
func (e *embeddedNATS) saidFull() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.server != nil && e.said.full.Load()
}

func speaksOfSpace(text string) bool {
	return strings.Contains(text, syscall.ENOSPC.Error()) || strings.Contains(text, syscall.EDQUOT.Error())
}

// relaunch replaces the server if there is room.
func (e *embeddedNATS) relaunch() bool {
	if !hasRoom(e.dir) {
		return false
	}
	if e.member != nil && e.server != nil {
		handOver(e.server)
	}
	e.land()
	if err := forgetIndexes(storeDir(e.dir)); err != nil {
		e.log.Error("the embedded NATS does not start again", "error", err)
		return false
	}
	if err := e.launch(); err != nil {
		e.log.Error("the embedded NATS does not start again", "error", err)
		return false
	}
	return true
}

// forgetIndexes makes the next server read all of its files. An index tells what
// the last one believed that it had written, the half record at which the disk
// was full among it; what was acknowledged is found without.
func forgetIndexes(store string) error {
	return filepath.WalkDir(store, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "index.db" {
			err = os.Remove(path)
		}
		return err
	})
}

// hasRoom tries what the server needs: to write and sync.
func hasRoom(dir string) bool {
	probe := filepath.Join(dir, "room")
	defer os.Remove(probe)
	f, err := os.OpenFile(probe, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return false
	}
	_, err = f.Write(make([]byte, roomWanted))
	if err == nil {
		err = f.Sync()
	}
	return f.Close() == nil && err == nil
}
