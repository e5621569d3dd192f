package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// freshFile is a private file in the making, which appears under its name when
// it is whole and never in place of another; or the standard output.
type freshFile struct {
	io.Writer
	stdout bool
	path   string
	temp   *os.File
	buffer *bufio.Writer
}

// createFresh begins a file; "-" is the standard output, which must not be a
// terminal if the file is binary.
func createFresh(path string, p process, binary bool) (*freshFile, error) {
	if path == "-" {
		if binary && isTerminal(p.Stdout) {
			return nil, &usageError{errors.New("that is not for a terminal: name a file, or send - elsewhere")}
		}
		return &freshFile{Writer: p.Stdout, stdout: true}, nil
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s exists already", path)
		}
		return nil, &usageError{err}
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return nil, &usageError{err}
	}
	buffer := bufio.NewWriterSize(temp, 256<<10)
	return &freshFile{Writer: buffer, path: path, temp: temp, buffer: buffer}, nil
}

// keep makes the file appear, durably.
func (f *freshFile) keep() error {
	if f.stdout {
		return nil
	}
	if err := errors.Join(f.buffer.Flush(), f.temp.Sync()); err != nil {
		return err
	}
	// Unlike a rename, a link never replaces a file.
	if err := os.Link(f.temp.Name(), f.path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(f.path))
}

// discard gives back what is held. A file that was kept stays.
func (f *freshFile) discard() {
	if f.temp != nil {
		f.temp.Close()
		os.Remove(f.temp.Name())
	}
}
