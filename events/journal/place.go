package journal

import (
	"context"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
)

// placements is how often a consumer is made before it may stand anywhere, for
// every server to avoid. Of three servers each is as likely as the others, so all
// but 1 in 100 end up where they should.
const placements = 12

// A place says where a consumer is to stand. There is no asking for one, but
// trying costs little.
//
// The server puts a consumer on any member of the stream, and its end with that
// member is noticed only by its silence. A near one stands on the server that
// the connection goes to, where it has one: so the loss of another member does
// not interrupt it, and that of its own breaks the connection, which is noticed
// at once.
type place struct {
	near bool
	// avoid are servers whose copies failed a check: any other one will do. It
	// counts more than near.
	avoid []string
}

// consumer makes a consumer of the records from first on.
func (j *Journal) consumer(ctx context.Context, first events.Position, at place) (jetstream.Consumer, error) {
	for tries := placements * max(1, len(at.avoid)); ; tries-- {
		consumer, err := j.stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
			DeliverPolicy:     jetstream.DeliverByStartSequencePolicy,
			OptStartSeq:       uint64(first),
			AckPolicy:         jetstream.AckNonePolicy,
			MemoryStorage:     true,
			Replicas:          1,
			InactiveThreshold: abandonedAfter,
		})
		if err != nil || tries <= 1 || j.suits(consumer, at) {
			return consumer, err
		}
		if err := j.stream.DeleteConsumer(ctx, consumer.CachedInfo().Name); err != nil {
			j.log.Debug("consumer is left to expire", "err", err)
		}
	}
}

func (j *Journal) suits(consumer jetstream.Consumer, at place) bool {
	switch {
	case len(at.avoid) > 0:
		return !slices.Contains(at.avoid, serverOf(consumer))
	case at.near:
		return j.isNear(consumer)
	}
	return true
}

// serverOf names the server that a consumer stands on; empty: it is the only
// one.
func serverOf(consumer jetstream.Consumer) string {
	if at := consumer.CachedInfo().Cluster; at != nil {
		return at.Leader
	}
	return ""
}

// isNear reports whether a consumer is as near as it can be: on the server that
// the connection goes to, unless that is known to have no copy of the stream.
func (j *Journal) isNear(consumer jetstream.Consumer) bool {
	here, at := j.cfg.Conn.ConnectedServerName(), serverOf(consumer)
	if at == "" || at == here {
		return true
	}
	stream := j.info.Load()
	if stream.Cluster == nil || 1+len(stream.Cluster.Replicas) < stream.Config.Replicas {
		return false // it was just made, and not all of its members are known
	}
	for _, member := range stream.Cluster.Replicas {
		if member.Name == here {
			return false
		}
	}
	return stream.Cluster.Leader != here
}
