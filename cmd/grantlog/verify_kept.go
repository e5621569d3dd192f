package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/grantlog/grantlog/events/tree"
)

// maxCheckpoint bounds what is read of a checkpoint file, in bytes: room for
// many signatures.
const maxCheckpoint = 64 << 10

// keptCheckpoint is a checkpoint that an auditor kept.
type keptCheckpoint struct {
	tree.Checkpoint
	file string
	text []byte
}

// readCheckpoints reads the files, before anything is asked of the log.
func (c *verifyCmd) readCheckpoints() (kept []keptCheckpoint, err error) {
	files := c.Checkpoint
	if c.Save != "" && !slices.Contains(files, c.Save) {
		switch _, err := os.Stat(c.Save); {
		case err == nil:
			files = append(slices.Clone(files), c.Save)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, &usageError{err}
		}
	}
	for _, file := range files {
		k := keptCheckpoint{file: file}
		info, err := os.Stat(file)
		if err == nil && info.Size() > maxCheckpoint {
			err = fmt.Errorf("%s: %w", file, tree.ErrCheckpoint)
		}
		if err == nil {
			k.text, err = os.ReadFile(file)
		}
		if err == nil {
			if k.Checkpoint, err = tree.PeekCheckpoint(k.text); err != nil {
				err = fmt.Errorf("%s: %w", file, err)
			}
		}
		if err != nil {
			return nil, &usageError{err}
		}
		kept = append(kept, k)
	}
	return kept, nil
}

// openCheckpoints verifies who signed what was kept. One that the log's key
// did not sign is of another log, or the log is another one now.
func (c *verifyCmd) openCheckpoints(kept []keptCheckpoint, e *evidence) error {
	for _, k := range kept {
		key, err := c.keyOf(e, k.Origin)
		if err == nil {
			_, err = tree.OpenCheckpoint(k.text, key)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", k.file, err)
		}
	}
	return nil
}

// keyOf is what verifies checkpoints of an origin, which changes with the
// issuer; the key does not.
func (c *verifyCmd) keyOf(e *evidence, origin string) (string, error) {
	switch {
	case c.VerifierKey != "":
		return tree.VerifierKeyFor(origin, c.VerifierKey)
	case e.signer == nil:
		return tree.VerifierKeyFor(origin, e.key)
	}
	s, err := e.signer(origin)
	if err != nil {
		return "", err
	}
	return s.VerifierKey(), nil
}

var errNoOrigin = errors.New("--save needs the name of the log, and no server kept a tree here that tells it: give a --checkpoint, or ask a running server with --url")

// signerOf makes the checkpoints of a verified log: they are the server's own,
// or signed here in the name that the log has.
func (c *verifyCmd) signerOf(e *evidence, kept []keptCheckpoint) (func(tree.Head) ([]byte, error), error) {
	if e.signed != nil || c.Save == "" {
		return func(tree.Head) ([]byte, error) { return e.signed, nil }, nil
	}
	origin := e.origin(kept)
	if origin == "" {
		return nil, &usageError{errNoOrigin}
	}
	s, err := e.signer(origin)
	if err != nil {
		return nil, err
	}
	return s.Checkpoint, nil
}

// origin is the name of the log, as far as a server or an auditor kept it;
// empty: it is not known.
func (e *evidence) origin(kept []keptCheckpoint) string {
	switch {
	case e.tree != nil:
		return e.tree.Origin()
	case len(kept) > 0:
		return kept[0].Origin
	}
	return ""
}

// printKept says what holds, and with which key it was verified.
func (c *verifyCmd) printKept(w io.Writer, e *evidence, kept []keptCheckpoint) error {
	for _, k := range kept {
		if _, err := fmt.Fprintf(w, "it begins with the %d records of %s\n", k.Size, k.file); err != nil {
			return err
		}
	}
	key := e.key
	if origin := e.origin(kept); key == "" && origin != "" {
		var err error
		if key, err = c.keyOf(e, origin); err != nil {
			return err
		}
	}
	if key == "" {
		return nil
	}
	_, err := fmt.Fprintf(w, "its checkpoints are verified with %s\n", key)
	return err
}

// replaceFile writes a file durably and as a whole, over one that is there.
func replaceFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return syncDir(filepath.Dir(path))
}
