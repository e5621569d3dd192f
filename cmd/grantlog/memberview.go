package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
)

const viewPrefix = "view-"

// viewMember makes a directory in which a single server finds the log that a
// stopped member of a cluster keeps, and returns it. A member alone has no
// quorum to read its own store by, and a single server takes no log that has
// several copies. What is read from the directory is for looking only: whoever
// gets it removes it.
func viewMember(s *site, data string, log *slog.Logger) (dir string, err error) {
	left, err := filepath.Glob(filepath.Join(data, viewPrefix+"*")) // by a process that was killed
	if err != nil {
		return "", err
	}
	for _, dir := range left {
		if err := os.RemoveAll(dir); err != nil {
			return "", err
		}
	}
	if dir, err = os.MkdirTemp(data, viewPrefix); err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("a member's log: %w", err), os.RemoveAll(dir))
		}
	}()
	if err = makeEmptyLog(s, dir, log); err != nil {
		return "", err
	}
	if err = linkBlocks(blocksOf(data, journal.StreamName), blocksOf(dir, journal.StreamName)); err != nil {
		return "", err
	}
	return dir, copyBlocks(blocksOf(data, erasable.StreamName), blocksOf(dir, erasable.StreamName))
}

// makeEmptyLog makes the log of a single server, and what is kept beside it.
func makeEmptyLog(s *site, dir string, log *slog.Logger) error {
	e, err := startEmbedded(dir, "", log)
	if err != nil {
		return err
	}
	defer e.stop()
	conn, err := e.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	if _, err := erasable.Open(ctx, erasable.Config{Conn: conn, Logger: log}); err != nil {
		return err
	}
	j, err := openJournal(ctx, &site{Master: s.Master, Conn: conn}, "r_view", 1, log)
	if err != nil {
		return err
	}
	return closeJournal(j)
}

// blocksOf is where a server keeps the records of a stream.
func blocksOf(data, stream string) string {
	return filepath.Join(storeDir(data), server.DEFAULT_GLOBAL_ACCOUNT, "streams", stream, "msgs")
}

// linkBlocks puts the block files of one log in place of another's. The newest
// is copied, because a server repairs its end; the others are never written
// again.
func linkBlocks(from, to string) error {
	blocks, err := emptied(from, to)
	if err != nil {
		return err
	}
	newest := slices.MaxFunc(append(blocks, ""), byNumber)
	for _, block := range blocks {
		name := filepath.Join(to, filepath.Base(block))
		if block != newest {
			if err = os.Link(block, name); err == nil {
				continue
			}
		}
		if err = copyFile(block, name); err != nil {
			return err
		}
	}
	return nil
}

// copyBlocks is linkBlocks for a stream that a server erases from: it may write
// to any of them.
func copyBlocks(from, to string) error {
	blocks, err := emptied(from, to)
	for _, block := range blocks {
		err = errors.Join(err, copyFile(block, filepath.Join(to, filepath.Base(block))))
	}
	return err
}

// emptied makes to an empty directory and lists the block files of from.
func emptied(from, to string) ([]string, error) {
	if err := os.RemoveAll(to); err != nil {
		return nil, err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return nil, err
	}
	return filepath.Glob(filepath.Join(from, "*.blk"))
}

// byNumber orders block files, whose names are numbers without leading zeros.
func byNumber(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return slices.Compare([]byte(a), []byte(b))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(0o600))
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
