// Package drift compares a stream of NATS with what it must be: under another
// setting, records could be lost, altered, kept, reordered, acknowledged early
// or read from a stale copy.
package drift

import (
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// An Error says that a stream exists with a setting that it must not have.
// Field is the JetStream name of the setting.
type Error struct {
	Stream    string
	Field     string
	Want, Got string
}

func (e *Error) Error() string {
	return fmt.Sprintf("stream %s has %s %s, want %s", e.Stream, e.Field, e.Got, e.Want)
}

// Check returns an *Error for the first setting of a stream that differs from
// what is wanted. Its name, description and placement may be any.
func Check(want, got jetstream.StreamConfig) error {
	slices.Sort(got.Subjects)
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
		{"max_msg_size", want.MaxMsgSize, got.MaxMsgSize},
		{"max_consumers", want.MaxConsumers, got.MaxConsumers},
		{"duplicate_window", want.Duplicates, got.Duplicates},
		{"deny_delete", want.DenyDelete, got.DenyDelete},
		{"deny_purge", want.DenyPurge, got.DenyPurge},
		{"sealed", want.Sealed, got.Sealed},
		{"allow_rollup_hdrs", want.AllowRollup, got.AllowRollup},
		{"allow_direct", want.AllowDirect, got.AllowDirect},
		{"allow_msg_ttl", want.AllowMsgTTL, got.AllowMsgTTL},
		{"subject_delete_marker_ttl", want.SubjectDeleteMarkerTTL, got.SubjectDeleteMarkerTTL},
		{"allow_msg_counter", want.AllowMsgCounter, got.AllowMsgCounter},
		{"allow_msg_schedules", want.AllowMsgSchedules, got.AllowMsgSchedules},
		{"compression", want.Compression, got.Compression},
		{"mirror", want.Mirror != nil, got.Mirror != nil},
		{"sources", len(want.Sources) > 0, len(got.Sources) > 0},
		{"subject_transform", want.SubjectTransform != nil, got.SubjectTransform != nil},
		{"republish", want.RePublish != nil, got.RePublish != nil},
	} {
		if w, g := fmt.Sprint(s.want), fmt.Sprint(s.got); w != g {
			return &Error{Stream: want.Name, Field: s.field, Want: w, Got: g}
		}
	}
	return nil
}
