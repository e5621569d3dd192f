package erasable

import (
	"context"
	"errors"
	"fmt"

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

func assert(want, got jetstream.StreamConfig) error {
	for _, s := range []struct {
		field     string
		want, got any
	}{
		{"subjects", want.Subjects, got.Subjects},
		{"retention", want.Retention, got.Retention},
		{"storage", want.Storage, got.Storage},
		{"num_replicas", want.Replicas, got.Replicas},
		{"persist_mode", want.PersistMode, got.PersistMode},
		{"no_ack", want.NoAck, got.NoAck},
		{"discard", want.Discard, got.Discard},
		{"max_msgs", want.MaxMsgs, got.MaxMsgs},
		{"max_bytes", want.MaxBytes, got.MaxBytes},
		{"max_age", want.MaxAge, got.MaxAge},
		{"max_msgs_per_subject", want.MaxMsgsPerSubject, got.MaxMsgsPerSubject},
		{"discard_new_per_subject", want.DiscardNewPerSubject, got.DiscardNewPerSubject},
		{"deny_delete", want.DenyDelete, got.DenyDelete},
		{"sealed", want.Sealed, got.Sealed},
		{"allow_rollup_hdrs", want.AllowRollup, got.AllowRollup},
		{"allow_direct", want.AllowDirect, got.AllowDirect},
		{"allow_msg_ttl", want.AllowMsgTTL, got.AllowMsgTTL},
		{"mirror", false, got.Mirror != nil},
		{"sources", false, len(got.Sources) > 0},
		{"subject_transform", false, got.SubjectTransform != nil},
		{"republish", false, got.RePublish != nil},
	} {
		if w, g := fmt.Sprint(s.want), fmt.Sprint(s.got); w != g {
			return &DriftError{Field: s.field, Want: w, Got: g}
		}
	}
	return nil
}
