package seal

import (
	"fmt"
	"io"
	"log/slog"
)

const redaction = "[redacted]"

// hidden keeps a value in a closure. fmt prints the unexported fields of a
// struct without asking their methods, and follows pointers for some verbs; of
// a function it never has more than the address.
type hidden[T any] func() T

func hide[T any](v T) hidden[T] { return func() T { return v } }

// redacted is embedded in what must never be shown.
type redacted struct{}

// String returns "[redacted]".
func (redacted) String() string { return redaction }

// Format prints "[redacted]" for every verb: a Stringer alone is not asked for
// %d or %#v.
func (redacted) Format(f fmt.State, _ rune) { io.WriteString(f, redaction) }

// LogValue is "[redacted]".
func (redacted) LogValue() slog.Value { return slog.StringValue(redaction) }

// MarshalText writes "[redacted]", to JSON, YAML and gob too.
func (redacted) MarshalText() ([]byte, error) { return []byte(redaction), nil }
