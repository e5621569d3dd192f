package tree

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// maxEdge bounds what a damaged length can make Unpack allocate: an edge has at
// most 255 hashes of each level.
const maxEdge = 1 << 20

// Pack writes the tree as the last Save left it, for Unpack: the length of the
// edge's file and that file, then the full tiles of each level.
func Pack(w io.Writer, dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, edgeName))
	if err != nil {
		return fmt.Errorf("tree: %w", err)
	}
	t, err := Load(dir)
	if err != nil {
		return err
	}
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(text)))
	_, err = w.Write(slices.Concat(length[:], text))
	for level, file := range t.files {
		if err == nil {
			_, err = io.Copy(w, io.NewSectionReader(file, 0, t.edge.first(level)*tileBytes))
		}
	}
	return errors.Join(err, t.Close())
}

// Unpack reads what Pack wrote, and nothing behind it, and makes it a tree in a
// directory, which must have none. It is one when Unpack returns, and none
// before.
func Unpack(dir string, r io.Reader) error {
	text, saved, err := unpackEdge(r)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("tree: %w", err)
	}
	t := &Tree{dir: dir}
	for level := 0; saved.edge.first(level) > 0; level++ {
		if err := unpackLevel(t.levelName(level), r, saved.edge.first(level)*tileBytes); err != nil {
			return err
		}
	}
	return replaceEdge(dir, text)
}

// SkipPacked reads over what Pack wrote.
func SkipPacked(r io.Reader) error {
	_, saved, err := unpackEdge(r)
	for level := 0; err == nil && saved.edge.first(level) > 0; level++ {
		_, err = io.CopyN(io.Discard, r, saved.edge.first(level)*tileBytes)
	}
	return err
}

func unpackEdge(r io.Reader) (text []byte, s savedEdge, err error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, s, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxEdge {
		return nil, s, fmt.Errorf("%w: %s is too long", ErrDamaged, edgeName)
	}
	text = make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, s, err
	}
	s, err = parseEdge(text)
	return text, s, err
}

func unpackLevel(name string, r io.Reader, size int64) error {
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("tree: %w", err)
	}
	buffered := bufio.NewWriterSize(file, 256<<10)
	_, err = io.CopyN(buffered, r, size)
	return errors.Join(err, buffered.Flush(), file.Sync(), file.Close())
}

// Adopt makes the tree the one that Unpack made in another directory of the
// same file system, whose files it takes.
func (t *Tree) Adopt(dir string) error {
	if err := t.Reset(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	names, err := filepath.Glob(filepath.Join(dir, "level-*"))
	if err != nil {
		return fmt.Errorf("tree: %w", err)
	}
	for _, name := range append(names, filepath.Join(dir, edgeName)) { // without the edge it is none
		if err := os.Rename(name, filepath.Join(t.dir, filepath.Base(name))); err != nil {
			return fmt.Errorf("tree: %w", err)
		}
	}
	_, err = t.load(os.O_RDWR)
	return err
}
