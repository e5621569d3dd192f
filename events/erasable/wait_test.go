package erasable

import (
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// What a server says that may change is waited for: a cluster whose members
// have not all met has no place for the bucket.
func TestWhatWaitingDoesNotChange(t *testing.T) {
	for _, c := range []struct {
		name string
		api  jetstream.APIError
		want bool
	}{
		{"no suitable peers for placement, peer offline", jetstream.APIError{Code: 400, ErrorCode: 10005}, false},
		{"JetStream system temporarily unavailable", jetstream.APIError{Code: 503, ErrorCode: 10008}, false},
		{"subjects overlap with an existing stream", jetstream.APIError{Code: 400, ErrorCode: 10065}, true},
		{"replicas > 1 not supported in non-clustered mode", jetstream.APIError{Code: 400, ErrorCode: 10074}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := hopeless(fmt.Errorf("create: %w", &c.api)); got != c.want {
				t.Errorf("hopeless: %v", got)
			}
		})
	}
	if hopeless(fmt.Errorf("no answer")) {
		t.Error("no answer at all is hopeless")
	}
}
