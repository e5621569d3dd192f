package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/alecthomas/kong"

	"github.com/grantlog/grantlog/events/seal"
)

// masterKey is the value of --master-key.
type masterKey struct {
	key   seal.Master
	given bool
}

func (m *masterKey) Decode(ctx *kong.DecodeContext) error {
	text, argv, err := popOffArgv(ctx)
	switch {
	case err != nil:
		return err
	case argv:
		return fmt.Errorf("%w: use --master-key-file, GRANTLOG_MASTER_KEY or the settings file", errSecretInArgv)
	}
	if m.key, err = seal.ParseMaster(text); err != nil {
		return errMasterForm
	}
	m.given = true
	return nil
}

var errMasterForm = errors.New("want 32 bytes in base64")

// maxKeyFile bounds what is read from a master key file, in bytes.
const maxKeyFile = 4096

// Permissions that a master key file may have.
const (
	ownerOnly fs.FileMode = 0o700
	anyMode   fs.FileMode = 0o777
)

// loadMaster returns the master key: the one given, the one of the file named,
// or the one of master.key in the data directory.
func loadMaster(c *logSettings) (seal.Master, error) {
	switch {
	case c.MasterKey.given:
		return c.MasterKey.key, nil
	case c.MasterKeyFile != "":
		// Who may read a file that was named is its owner's decision: mounted
		// secrets are often readable inside their container.
		return readMaster(c.MasterKeyFile, anyMode)
	default:
		return readMaster(c.ownKeyFile(), ownerOnly)
	}
}

// makeMaster makes the master key of a new embedded log, unless there is one or
// another one was named.
func makeMaster(c *logSettings) error {
	if c.MasterKey.given || c.MasterKeyFile != "" {
		return nil
	}
	own := c.ownKeyFile()
	if _, err := os.Lstat(own); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(c.NATS) > 0 {
		return &usageError{errors.New("--nats needs the master key that all replicas share: set GRANTLOG_MASTER_KEY or --master-key-file")}
	}
	if _, err := os.Stat(storeDir(c.Data)); err == nil {
		return fmt.Errorf("%s is missing, and the log in %s cannot be read without it: restore it from a backup", own, c.Data)
	}
	return writeNew(own, []byte(seal.NewMaster().Encode()+"\n"))
}

// readMaster reads a master key file whose permissions are within perm.
func readMaster(path string, perm fs.FileMode) (seal.Master, error) {
	info, err := os.Stat(path)
	if err != nil {
		return seal.Master{}, &usageError{fmt.Errorf("master key file: %w", err)}
	}
	if got := info.Mode().Perm(); got&^perm != 0 {
		return seal.Master{}, &usageError{fmt.Errorf("master key file %s may be read by others (mode %04o): chmod 600 it", path, got)}
	}
	if info.Size() > maxKeyFile {
		return seal.Master{}, &usageError{fmt.Errorf("master key file %s: %w", path, errMasterForm)}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return seal.Master{}, &usageError{fmt.Errorf("master key file: %w", err)}
	}
	master, err := seal.ParseMaster(string(text))
	if err != nil {
		return seal.Master{}, &usageError{fmt.Errorf("master key file %s: %w", path, errMasterForm)}
	}
	return master, nil
}

// writeNew writes a private file that is not there yet, durably and as a whole.
func writeNew(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// Unlike a rename, a link never replaces a file.
	if err := os.Link(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
