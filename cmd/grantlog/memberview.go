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
	return dir, linkBlocks(blocksOf(data), blocksOf(dir))
}

// makeEmptyLog makes the log of a single server.
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
	j, err := openJournal(ctx, &site{Master: s.Master, Conn: conn}, "r_view", 1, log)
	if err != nil {
		return err
	}
	return closeJournal(j)
}

// blocksOf is where a server keeps the records of the log.
func blocksOf(data string) string {
	return filepath.Join(storeDir(data), server.DEFAULT_GLOBAL_ACCOUNT, "streams", journal.StreamName, "msgs")
}

// linkBlocks puts the block files of one log in place of another's. The newest
// is copied, because a server repairs its end; the others are never written
// again.
func linkBlocks(from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	blocks, err := filepath.Glob(filepath.Join(from, "*.blk"))
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
