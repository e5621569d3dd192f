package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/seal"
	"github.com/grantlog/grantlog/handlers/tracing"
)

// site is what a command holds open to work on a log: the master key, a
// connection to the NATS that has the stream and, where the log is at rest or
// served, the data directory.
type site struct {
	Master seal.Master
	Conn   *nats.Conn

	dir      *dataDir      // nil: none is held
	embedded *embeddedNATS // nil: NATS is external, or a cluster that runs
	guest    *guest        // of such a cluster; nil: of none
	view     string        // directory to remove at the end; empty: none

	observe func(journal.Commit) // told of every write; nil: nobody is
	damaged func(journal.Damage) // told of every copy that failed a check
	traces  *tracing.Tracing     // of requests; nil: nobody asked for them

	awaits   bool          // the log: it is not made
	patience time.Duration // with a log that does not answer; 0: a server's
}

// readingPatience is longer than the election of a leader takes. A server asks
// again by itself; a command that reads the log ends without an answer.
const readingPatience = 15 * time.Second

// openToServe opens a site for a server. It makes what a first start needs.
func openToServe(c *serveSettings, log *slog.Logger) (*site, error) {
	dir, err := openDataDir(c.Log.Data)
	if err != nil {
		return nil, err
	}
	s := &site{dir: dir, awaits: c.AwaitLog}
	if err := firstStart(c); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s.open(&c.Log, &c.Cluster, c.NATSListen, log)
}

// firstStart checks that the data directory is what the settings say, and
// makes the master key of a new single server.
func firstStart(c *serveSettings) error {
	if c.Cluster.Name != "" {
		return checkShared(&c.Log)
	}
	if len(c.Log.NATS) == 0 {
		if err := cmp.Or(checkSingle(c.Log.Data), checkArchiving(c.Log.Data)); err != nil {
			return err
		}
	}
	return makeMaster(&c.Log)
}

// openToRead opens a site of a log that is there already.
func openToRead(ctx context.Context, place *placeSettings, log *slog.Logger) (*site, error) {
	if place.live() {
		return openLive(ctx, place, log)
	}
	s, c := &site{patience: readingPatience}, &place.logSettings
	if _, err := os.Stat(storeDir(c.Data)); errors.Is(err, fs.ErrNotExist) {
		return nil, &usageError{fmt.Errorf("there is no log in %s", c.Data)}
	}
	dir, err := openDataDir(c.Data)
	if err != nil {
		return nil, err
	}
	s.dir = dir
	if err := checkArchiving(c.Data); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if m, err := readMember(c.Data); m != nil || err != nil {
		return s.openView(c, err, log)
	}
	return s.open(c, nil, "", log)
}

// openLive opens a site where servers run: on an external NATS, or in a cluster
// of grantlog's own servers.
func openLive(ctx context.Context, place *placeSettings, log *slog.Logger) (*site, error) {
	s := &site{patience: readingPatience}
	if place.Cluster.Name == "" {
		return s.open(&place.logSettings, nil, "", log)
	}
	var err error
	if s.Master, err = loadMaster(&place.logSettings); err == nil {
		s.guest, s.Conn, err = joinCluster(ctx, &place.Cluster, s.Master, log)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// openView opens the log of a member of a cluster without its cluster.
func (s *site) openView(c *logSettings, err error, log *slog.Logger) (*site, error) {
	if err == nil {
		s.Master, err = loadMaster(c)
	}
	if err == nil {
		s.view, err = viewMember(s, c.Data, log)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	view := *c
	view.Data, view.MasterKeyFile, view.MasterKey = s.view, "", masterKey{key: s.Master, given: true}
	return s.open(&view, nil, "", log)
}

// open adds the master key and the connection.
func (s *site) open(c *logSettings, cluster *clusterSettings, listen address, log *slog.Logger) (_ *site, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	if s.Master, err = loadMaster(c); err != nil {
		return nil, err
	}
	if len(c.NATS) > 0 {
		s.Conn, err = connectExternal(c, log)
		return s, err
	}
	var m *membership
	if cluster != nil && cluster.Name != "" {
		if m, err = newMembership(cluster, c.Data, s.Master); err != nil {
			return nil, err
		}
	}
	if s.embedded, err = startMember(c.Data, listen, m, log); err != nil {
		return nil, err
	}
	s.Conn, err = s.embedded.connect()
	return s, err
}

// Announce lets processes that find the data directory taken say where the
// server is.
func (s *site) Announce(url string) error { return s.dir.announce(url) }

// Close gives everything back, the data directory last. What was appended is
// durable already.
func (s *site) Close() error {
	if s.Conn != nil {
		s.Conn.Close()
	}
	if s.embedded != nil {
		s.embedded.stop()
	}
	if s.guest != nil {
		s.guest.leave()
	}
	var errs []error
	if s.view != "" {
		errs = append(errs, os.RemoveAll(s.view))
	}
	if s.dir != nil {
		errs = append(errs, s.dir.close())
	}
	return errors.Join(errs...)
}
