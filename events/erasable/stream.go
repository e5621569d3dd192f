package erasable

import (
	"context"
	"errors"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// config is the stream of a bucket as Store needs it. Buckets that NATS clients
// create refuse to delete messages, and let any node answer a read.
func config(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:                 StreamName,
		Description:          "What the log of grantlog must be able to forget",
		Subjects:             []string{prefix + ">"},
		Retention:            jetstream.LimitsPolicy,
		MaxConsumers:         -1,
		MaxMsgs:              -1,
		MaxBytes:             -1,
		MaxMsgsPerSubject:    1,
		DiscardNewPerSubject: true, // an entry is never replaced
		MaxMsgSize:           -1,
		Discard:              jetstream.DiscardNew,
		Storage:              jetstream.FileStorage,
		Replicas:             replicas,
		Duplicates:           2 * time.Minute, // as the server sets it for who asks for none
		DenyPurge:            true,
		Compression:          jetstream.NoCompression,
	}
}

func ensure(ctx context.Context, js jetstream.JetStream, want jetstream.StreamConfig, existing bool) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, StreamName)
	if existing || !errors.Is(err, jetstream.ErrStreamNotFound) {
		return stream, err
	}
	stream, err = js.CreateStream(ctx, want)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return js.Stream(ctx, StreamName)
	}
	return stream, err
}
