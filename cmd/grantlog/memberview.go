package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/erasable"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/projections/follow"
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
	first, err := firstOf(data)
	if err != nil {
		return "", err
	}
	if err = makeEmptyLog(s, dir, first, log); err != nil {
		return "", err
	}
	if err = linkBlocks(blocksOf(data, journal.StreamName), blocksOf(dir, journal.StreamName)); err != nil {
		return "", err
	}
	if err = copyBlocks(blocksOf(data, erasable.StreamName), blocksOf(dir, erasable.StreamName)); err == nil && first > 1 {
		err = copyBlocks(blocksOf(data, follow.BaseStream), blocksOf(dir, follow.BaseStream))
	}
	return dir, err
}

// firstOf is where the log of a stopped member begins, if that is a whole one.
func firstOf(data string) (first events.Position, err error) {
	if _, err := os.Stat(blocksOf(data, journal.NextName)); !errors.Is(err, fs.ErrNotExist) {
		return 0, cmp.Or(err, journal.ErrArchiving)
	}
	dir := filepath.Dir(blocksOf(data, journal.StreamName))
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return 0, &usageError{fmt.Errorf("there is no log in %s", data)}
	}
	text, err := os.ReadFile(filepath.Join(dir, server.JetStreamMetaFile))
	if err != nil {
		return 0, err
	}
	var config jetstream.StreamConfig
	if err := json.Unmarshal(text, &config); err != nil {
		return 0, err
	}
	return max(1, events.Position(config.FirstSeq)), journal.Unfinished(config)
}

// makeEmptyLog makes the log of a single server that begins at first, and what
// is kept beside it.
func makeEmptyLog(s *site, dir string, first events.Position, log *slog.Logger) error {
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
	if first > 1 {
		if err := follow.PutBase(ctx, conn, 1, first, func(io.Writer) error { return nil }); err != nil {
			return err
		}
	}
	cfg := journal.Config{Conn: conn, MACKey: s.Master.Derive(purposeMAC), Replica: "r_view", Logger: log}
	return journal.Restore(ctx, cfg, first, func(*journal.Restoration) error { return nil })
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
