package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ownKeyFile is where a server keeps a master key that it made itself.
func (c *logSettings) ownKeyFile() string { return filepath.Join(c.Data, "master.key") }

// stateDir is where a server keeps snapshots and what it knows of the log.
func (c *logSettings) stateDir() string { return filepath.Join(c.Data, "state") }

// treeDir is where a server keeps the Merkle tree over the log.
func (c *logSettings) treeDir() string { return filepath.Join(c.stateDir(), "tree") }

// storeDir is where the embedded NATS keeps its files.
func storeDir(data string) string { return filepath.Join(data, "jetstream") }

// dataDir is a data directory that this process holds alone.
type dataDir struct {
	path string
	lock *os.File
}

// holder is what a lock file says of the process that holds it.
type holder struct {
	PID int    `json:"pid"`
	URL string `json:"url,omitempty"`
}

// inUseError says that another process holds a data directory.
type inUseError struct {
	Dir string
	holder
}

func (e *inUseError) Error() string {
	switch {
	case e.URL != "":
		return fmt.Sprintf("data directory %s is in use by process %d: ask that one at %s, or stop it first", e.Dir, e.PID, e.URL)
	case e.PID != 0:
		return fmt.Sprintf("data directory %s is in use by process %d: stop it first", e.Dir, e.PID)
	default:
		return fmt.Sprintf("data directory %s is in use by another process: stop it first", e.Dir)
	}
}

// openDataDir makes the directory if it is missing and takes its lock. The lock
// ends with the process, however that ends.
func openDataDir(path string) (*dataDir, error) {
	if err := makeDir(path); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(path, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		defer f.Close()
		inUse := &inUseError{Dir: path}
		// What it says is a courtesy: the lock alone decides.
		_ = json.NewDecoder(f).Decode(&inUse.holder)
		return nil, inUse
	}
	d := &dataDir{path: path, lock: f}
	if err == nil {
		err = d.announce("")
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("data directory: lock: %w", err)
	}
	return d, nil
}

// announce tells processes that find the lock taken where this one serves.
func (d *dataDir) announce(url string) error {
	text, err := json.Marshal(holder{PID: os.Getpid(), URL: url})
	if err != nil {
		return err
	}
	if err := d.lock.Truncate(0); err != nil {
		return err
	}
	_, err = d.lock.WriteAt(append(text, '\n'), 0)
	return err
}

// close gives the directory back. The lock is that of all copies of the file,
// and one that begins just now to be another program has a copy yet: it is
// given up in so many words.
func (d *dataDir) close() error {
	return errors.Join(syscall.Flock(int(d.lock.Fd()), syscall.LOCK_UN), d.lock.Close())
}

// makeDir makes a directory and its parents, for this user only, so that they
// outlive a power failure.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, os.ErrNotExist) && path != "" {
		if err := makeDir(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700) // once: in /proc it does not exist whatever the parents
	}
	switch {
	case errors.Is(err, os.ErrExist):
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			err = &os.PathError{Op: "mkdir", Path: path, Err: syscall.ENOTDIR}
		}
		return err
	case err != nil:
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
