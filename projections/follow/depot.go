package follow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
)

// DepotBucket is the object store bucket of a Depot.
const DepotBucket = "grantlog_snapshots"

const (
	// depotKept is how many snapshots stay: one may be read by a replica that
	// joins while the next one is put.
	depotKept = 2
	// depotLife ends what nobody renews, such as the pieces of a snapshot whose
	// writer died. What expires is put again: the log has it all.
	depotLife = 7 * 24 * time.Hour
)

// Depot is where the replicas of a log leave snapshots for those that join
// later: an object store bucket of the NATS that keeps the log. It is a copy
// and never authoritative: a snapshot is taken from it only if it verifies, and
// only the log says whether it is the log's. A Depot is safe for concurrent use.
type Depot struct{ bucket bucket }

// NewDepot returns the depot of a NATS. The bucket is made, with so many
// replicas, when the first snapshot is put.
func NewDepot(conn *nats.Conn, replicas int) (*Depot, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("follow: depot: %w", err)
	}
	return &Depot{bucket{js, jetstream.ObjectStoreConfig{
		Bucket: DepotBucket, Description: "Snapshots for replicas of grantlog that join", TTL: depotLife, Replicas: replicas,
	}}}, nil
}

// list returns the snapshots in the bucket, newest first.
func (d *Depot) list(ctx context.Context) ([]*jetstream.ObjectInfo, error) {
	return d.bucket.list(ctx, nameFormat)
}

// fetch makes a snapshot of the bucket a file. Whether it is what it says is
// for readSnapshot to see.
func (d *Depot) fetch(ctx context.Context, info *jetstream.ObjectInfo, file string) error {
	snapshot, err := d.bucket.open(ctx, info)
	if err != nil {
		return err
	}
	defer snapshot.Close()
	_, err = replaceFile(filepath.Dir(file), filepath.Base(file), func(w io.Writer) error {
		_, err := io.Copy(w, snapshot)
		return err
	})
	return err
}

// put copies a snapshot file into the bucket, and removes old ones. The log is
// known to have reached last.
func (d *Depot) put(ctx context.Context, name string, last events.Position) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := d.bucket.put(ctx, filepath.Base(name), file); err != nil {
		return err
	}
	return d.drop(ctx, last)
}

// drop removes all snapshots but the newest. What claims to be newer than the
// log was made by nobody who follows it.
func (d *Depot) drop(ctx context.Context, last events.Position) error {
	all, err := d.list(ctx)
	kept := 0
	for _, info := range all {
		if kept < depotKept && positionOf(info.Name) <= last {
			kept++
			continue
		}
		err = errors.Join(err, d.bucket.remove(ctx, info.Name))
	}
	return err
}
