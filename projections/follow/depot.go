package follow

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

	// A snapshot is put piece by piece, each acknowledged before the next one
	// is sent, so that the pages of the log never queue behind it.
	depotPiece   = 128 << 10
	depotAhead   = 64              // pieces that a reader asks for at once
	depotTimeout = 5 * time.Second // of one request, and of one piece

	depotPieces = "$O." + DepotBucket + ".C."
	depotInfos  = "$O." + DepotBucket + ".M."
	depotStream = "OBJ_" + DepotBucket
)

// Depot is where the replicas of a log leave snapshots for those that join
// later: an object store bucket of the NATS that keeps the log. It is a copy
// and never authoritative: a snapshot is taken from it only if it verifies, and
// only the log says whether it is the log's. A Depot is safe for concurrent use.
type Depot struct {
	js       jetstream.JetStream
	replicas int
}

// NewDepot returns the depot of a NATS. The bucket is made, with so many
// replicas, when the first snapshot is put.
func NewDepot(conn *nats.Conn, replicas int) (*Depot, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("follow: depot: %w", err)
	}
	return &Depot{js: js, replicas: replicas}, nil
}

// list returns the snapshots in the bucket, newest first. Whatever else is
// there is left out.
func (d *Depot) list(ctx context.Context) ([]*jetstream.ObjectInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, depotTimeout)
	defer cancel()
	bucket, err := d.js.ObjectStore(ctx, DepotBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := bucket.List(ctx)
	if errors.Is(err, jetstream.ErrNoObjectsFound) {
		return nil, nil
	}
	all = slices.DeleteFunc(all, func(info *jetstream.ObjectInfo) bool {
		return info.Name != fmt.Sprintf(nameFormat, positionOf(info.Name)) || events.CheckSubjectToken(info.NUID) != nil
	})
	slices.SortFunc(all, func(a, b *jetstream.ObjectInfo) int { return strings.Compare(b.Name, a.Name) })
	return all, err
}

// fetch makes a snapshot of the bucket a file. Whether it is what it says is
// for readSnapshot to see.
func (d *Depot) fetch(ctx context.Context, info *jetstream.ObjectInfo, file string) error {
	consumer, err := d.js.OrderedConsumer(ctx, depotStream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{depotPieces + info.NUID}})
	if err != nil {
		return err
	}
	pieces, err := consumer.Messages(jetstream.PullMaxMessages(depotAhead))
	if err != nil {
		return err
	}
	defer pieces.Stop()
	_, err = replaceFile(filepath.Dir(file), filepath.Base(file), func(w io.Writer) error {
		for range info.Chunks {
			if err := copyPiece(ctx, w, pieces); err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

func copyPiece(ctx context.Context, w io.Writer, pieces jetstream.MessagesContext) error {
	ctx, cancel := context.WithTimeout(ctx, depotTimeout)
	defer cancel()
	piece, err := pieces.Next(jetstream.NextContext(ctx))
	if err != nil {
		return err
	}
	_, err = w.Write(piece.Data())
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
	bucket, err := d.bucket(ctx)
	if err != nil {
		return err
	}
	info := &jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: filepath.Base(name), Opts: &jetstream.ObjectMetaOptions{ChunkSize: depotPiece}},
		Bucket:     DepotBucket, NUID: events.NewID("s_"),
	}
	if err := d.putPieces(ctx, info, file); err != nil {
		return err
	}
	text, err := json.Marshal(info)
	if err != nil {
		return err
	}
	msg := nats.NewMsg(depotInfos + base64.URLEncoding.EncodeToString([]byte(info.Name)))
	msg.Data = text
	msg.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	if err := d.publish(ctx, msg); err != nil {
		return err
	}
	return d.drop(ctx, bucket, last)
}

// putPieces completes info with what it wrote.
func (d *Depot) putPieces(ctx context.Context, info *jetstream.ObjectInfo, r io.Reader) error {
	sum, piece := sha256.New(), make([]byte, depotPiece)
	for {
		n, err := io.ReadFull(r, piece)
		if n > 0 {
			if err := d.publish(ctx, &nats.Msg{Subject: depotPieces + info.NUID, Data: piece[:n]}); err != nil {
				return err
			}
			sum.Write(piece[:n])
			info.Size += uint64(n)
			info.Chunks++
		}
		switch err {
		case nil:
		case io.EOF, io.ErrUnexpectedEOF:
			info.Digest = jetstream.GetObjectDigestValue(sum)
			return nil
		default:
			return err
		}
	}
}

func (d *Depot) publish(ctx context.Context, msg *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, depotTimeout)
	defer cancel()
	_, err := d.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
	return err
}

// bucket returns the bucket, and makes it if it is missing. Replicas may race.
func (d *Depot) bucket(ctx context.Context) (jetstream.ObjectStore, error) {
	ctx, cancel := context.WithTimeout(ctx, depotTimeout)
	defer cancel()
	bucket, err := d.js.ObjectStore(ctx, DepotBucket)
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return bucket, err
	}
	bucket, err = d.js.CreateObjectStore(ctx, jetstream.ObjectStoreConfig{
		Bucket: DepotBucket, Description: "Snapshots for replicas of grantlog that join", TTL: depotLife, Replicas: d.replicas,
	})
	if errors.Is(err, jetstream.ErrBucketExists) {
		return d.js.ObjectStore(ctx, DepotBucket)
	}
	return bucket, err
}

// drop removes all snapshots but the newest. What claims to be newer than the
// log was made by nobody who follows it.
func (d *Depot) drop(ctx context.Context, bucket jetstream.ObjectStore, last events.Position) error {
	all, err := d.list(ctx)
	kept := 0
	for _, info := range all {
		if kept < depotKept && positionOf(info.Name) <= last {
			kept++
			continue
		}
		err = errors.Join(err, d.remove(ctx, bucket, info.Name))
	}
	return err
}

func (d *Depot) remove(ctx context.Context, bucket jetstream.ObjectStore, name string) error {
	ctx, cancel := context.WithTimeout(ctx, depotTimeout)
	defer cancel()
	return bucket.Delete(ctx, name)
}
