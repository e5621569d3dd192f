package follow

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/leader"
)

const (
	// An object is put piece by piece, each acknowledged before the next one
	// is sent, so that the pages of the log never queue behind it.
	pieceBytes   = 128 << 10
	piecesAhead  = 64              // that a reader asks for at once
	pieceTimeout = 5 * time.Second // of one request, and of a piece that is put
	pieceWait    = 2 * time.Second // for a piece that is read, before it is asked for again
	pieceTries   = 5
	listTimeout  = 10 * time.Second // an election takes some
)

// bucket is an object store bucket of the NATS that keeps the log. It is used
// as the library for object stores does, but gently.
type bucket struct {
	js     jetstream.JetStream
	config jetstream.ObjectStoreConfig // it is made with, when the first object is put
}

func (b *bucket) pieces(nuid string) string { return "$O." + b.config.Bucket + ".C." + nuid }

func (b *bucket) stream() string { return "OBJ_" + b.config.Bucket }

// info is where an object is described; of "": what these subjects begin with.
func (b *bucket) info(name string) string {
	return "$O." + b.config.Bucket + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}

// list returns the objects whose names are of a form that has a position in it,
// the last one first. Whatever else is there is left out. The leader is asked,
// as another member may not have them yet.
func (b *bucket) list(ctx context.Context, format string) ([]*jetstream.ObjectInfo, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	state, err := leader.Info(ctx, b.js.Conn(), b.stream(), b.info("")+">")
	var api *jetstream.APIError
	if errors.As(err, &api) && api.ErrorCode == jetstream.JSErrCodeStreamNotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []*jetstream.ObjectInfo
	for subject := range state.State.Subjects {
		text, err := leader.Last(ctx, b.js.Conn(), b.stream(), subject)
		if err != nil {
			return nil, err
		}
		if text == nil {
			continue // it was removed just now
		}
		info := &jetstream.ObjectInfo{}
		if json.Unmarshal(text.Data, info) == nil && !info.Deleted &&
			positionIn(info.Name, format) != 0 && events.CheckSubjectToken(info.NUID) == nil {
			info.ModTime = text.Time
			all = append(all, info)
		}
	}
	slices.SortFunc(all, func(a, b *jetstream.ObjectInfo) int { return strings.Compare(b.Name, a.Name) })
	return all, nil
}

// open returns a reader of an object. Whether it is what it says is for others
// to see.
func (b *bucket) open(ctx context.Context, info *jetstream.ObjectInfo) (io.ReadCloser, error) {
	o := &object{ctx: ctx, bucket: b, subject: b.pieces(info.NUID), left: info.Chunks}
	return o, o.begin()
}

// object reads the pieces of one.
type object struct {
	ctx      context.Context
	bucket   *bucket
	subject  string
	messages jetstream.MessagesContext
	last     uint64 // piece that was read, by its place in the bucket; 0: none was
	left     uint32 // pieces
	rest     []byte // of the last one
}

// begin asks for the pieces that were not read.
func (o *object) begin() error {
	consumer, err := o.bucket.js.OrderedConsumer(o.ctx, o.bucket.stream(), jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{o.subject}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: o.last + 1,
	})
	if err == nil {
		o.messages, err = consumer.Messages(jetstream.PullMaxMessages(piecesAhead))
	}
	return err
}

func (o *object) Read(p []byte) (int, error) {
	for len(o.rest) == 0 {
		if o.left == 0 {
			return 0, io.EOF
		}
		piece, err := o.next()
		if err != nil {
			return 0, fmt.Errorf("%w: %w", journal.ErrUnavailable, err)
		}
		o.rest = piece.Data()
		o.left--
	}
	n := copy(p, o.rest)
	o.rest = o.rest[n:]
	return n, nil
}

// next returns the next piece. In a cluster, what a new consumer was asked for
// can get lost: then another one is asked.
func (o *object) next() (piece jetstream.Msg, err error) {
	for range pieceTries {
		ctx, cancel := context.WithTimeout(o.ctx, pieceWait)
		piece, err = o.messages.Next(jetstream.NextContext(ctx))
		cancel()
		if err == nil {
			meta, err := piece.Metadata()
			if err == nil {
				o.last = meta.Sequence.Stream
			}
			return piece, err
		}
		o.messages.Stop()
		if err := o.begin(); err != nil {
			return nil, err
		}
	}
	return nil, err
}

func (o *object) Close() error {
	o.messages.Stop()
	return nil
}

// put makes an object of what r gives.
func (b *bucket) put(ctx context.Context, name string, r io.Reader) error {
	if _, err := b.make(ctx); err != nil {
		return err
	}
	info := &jetstream.ObjectInfo{
		ObjectMeta: jetstream.ObjectMeta{Name: name, Opts: &jetstream.ObjectMetaOptions{ChunkSize: pieceBytes}},
		Bucket:     b.config.Bucket, NUID: events.NewID("s_"),
	}
	if err := b.putPieces(ctx, info, r); err != nil {
		return err
	}
	text, err := json.Marshal(info)
	if err != nil {
		return err
	}
	msg := nats.NewMsg(b.info(name))
	msg.Data = text
	msg.Header.Set(jetstream.MsgRollup, jetstream.MsgRollupSubject)
	return b.publish(ctx, msg)
}

// putPieces completes info with what it wrote.
func (b *bucket) putPieces(ctx context.Context, info *jetstream.ObjectInfo, r io.Reader) error {
	sum, piece := sha256.New(), make([]byte, pieceBytes)
	for {
		n, err := io.ReadFull(r, piece)
		if n > 0 {
			if err := b.publish(ctx, &nats.Msg{Subject: b.pieces(info.NUID), Data: piece[:n]}); err != nil {
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

func (b *bucket) publish(ctx context.Context, msg *nats.Msg) error {
	ctx, cancel := context.WithTimeout(ctx, pieceTimeout)
	defer cancel()
	_, err := b.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
	return err
}

// make returns the bucket, and makes it if it is missing. Replicas may race.
func (b *bucket) make(ctx context.Context) (jetstream.ObjectStore, error) {
	ctx, cancel := context.WithTimeout(ctx, pieceTimeout)
	defer cancel()
	store, err := b.js.ObjectStore(ctx, b.config.Bucket)
	if !errors.Is(err, jetstream.ErrBucketNotFound) {
		return store, err
	}
	store, err = b.js.CreateObjectStore(ctx, b.config)
	if errors.Is(err, jetstream.ErrBucketExists) {
		return b.js.ObjectStore(ctx, b.config.Bucket)
	}
	return store, err
}

func (b *bucket) remove(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, pieceTimeout)
	defer cancel()
	store, err := b.js.ObjectStore(ctx, b.config.Bucket)
	if err != nil {
		return err
	}
	return store.Delete(ctx, name)
}
