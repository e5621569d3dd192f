package journal

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/drift"
)

// streamConfig is the stream as the log needs it: nothing is ever removed,
// altered, or acknowledged before it is stored.
func streamConfig(replicas int) jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name:              StreamName,
		Description:       "The log of grantlog",
		Subjects:          []string{events.SubjectAll},
		Retention:         jetstream.LimitsPolicy,
		MaxConsumers:      -1,
		MaxMsgs:           -1,
		MaxBytes:          -1,
		MaxMsgsPerSubject: -1,
		MaxMsgSize:        -1,
		Discard:           jetstream.DiscardNew,
		Storage:           jetstream.FileStorage,
		Replicas:          replicas,
		Duplicates:        duplicateWindow,
		DenyDelete:        true,
		DenyPurge:         true,
		Compression:       jetstream.NoCompression,
	}
}

// ensureStream creates or asserts the stream, and waits for a server that is
// not ready. Replicas may race: the server lets one of them create.
func ensureStream(ctx context.Context, js jetstream.JetStream, cfg Config) (jetstream.Stream, error) {
	want := streamConfig(cfg.Replicas)
	for pause := newPause(); ; {
		stream, err := lookup(ctx, js, cfg, want)
		if err == nil {
			if err := drift.Check(want, stream.CachedInfo().Config); err != nil {
				return nil, fmt.Errorf("journal: %w", err)
			}
			return stream, nil
		}
		if errors.Is(err, ErrAbsent) || errors.Is(err, ErrRestoring) || errors.Is(err, ErrArchiving) {
			return nil, err
		}
		if hopeless(err) {
			return nil, fmt.Errorf("journal: stream %s: %w", StreamName, err)
		}
		if pause.first() {
			cfg.Logger.Info("waiting for the stream", "stream", StreamName, "err", err)
		}
		if !pause.wait(ctx) {
			return nil, fmt.Errorf("%w: stream %s: %w", ErrUnavailable, StreamName, err)
		}
	}
}

// A cluster without a leader does not answer: whoever asks is let go soon and
// asks again. To make the stream takes longer.
const (
	findTimeout   = 500 * time.Millisecond
	createTimeout = 2 * time.Second
)

func lookup(ctx context.Context, js jetstream.JetStream, cfg Config, want jetstream.StreamConfig) (jetstream.Stream, error) {
	stream, err := find(ctx, js)
	if !errors.Is(err, jetstream.ErrStreamNotFound) {
		return stream, err
	}
	if cfg.Existing {
		return nil, ErrAbsent
	}
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	stream, err = js.CreateStream(ctx, want)
	if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
		return js.Stream(ctx, StreamName)
	}
	return stream, err
}

func find(ctx context.Context, js jetstream.JetStream) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	stream, err := js.Stream(ctx, StreamName)
	switch {
	case errors.Is(err, jetstream.ErrStreamNotFound):
		// Between two steps of a roll-over, the log stands elsewhere.
		if _, elsewhere := js.Stream(ctx, NextName); !errors.Is(elsewhere, jetstream.ErrStreamNotFound) {
			return nil, cmp.Or(elsewhere, ErrArchiving)
		}
	case err == nil:
		err = Unfinished(stream.CachedInfo().Config)
	}
	if err != nil {
		return nil, err
	}
	return stream, nil
}

// Unfinished says whether a stream with this configuration is a log that anybody
// may use: the error is ErrRestoring, ErrArchiving, or nil.
func Unfinished(c jetstream.StreamConfig) error {
	switch {
	case c.Metadata[restoringKey] != "":
		return ErrRestoring
	case c.Metadata[archivingKey] != "":
		return ErrArchiving
	}
	return nil
}

// hopeless reports an answer that waiting does not change.
func hopeless(err error) bool {
	for _, code := range []jetstream.ErrorCode{
		jetstream.JSErrCodeJetStreamNotEnabledForAccount,
		jetstream.JSErrCodeJetStreamNotEnabled,
		codeSubjectOverlap,
		codeStorageExceeded,
		codeInvalidConfig,
		codeNotClustered,
	} {
		if apiCode(err) == code {
			return true
		}
	}
	return false
}
