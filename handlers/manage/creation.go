package manage

import (
	"encoding/hex"
	"errors"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/consistency"
	"github.com/grantlog/grantlog/handlers/credential"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/projections"
)

// Creation is a request that makes something, from Begin to End. Whatever it
// makes has its ids and secrets from the Root: of a request that came again,
// that is the Root of the first one, and nothing had to be kept for it.
//
// An endpoint begins it with the decoded body, records a decision that takes
// ids and secrets from it, and takes them from it once more for the answer.
type Creation struct {
	credential.Root
	// Repeated says that the log shows the first request, and At and Time where
	// and when. Then what it made is answered once more, as it was; if it is
	// not there any more, Gone.
	Repeated bool
	At       events.Position
	Time     time.Time

	repeats *Repeats
	request *events.RequestKeyed // nil: without an Idempotency-Key
	release func()
}

// Begin recognizes a request by its caller, its Idempotency-Key and what it
// asks; in is its decoded body. While another one with the key is being
// answered here, it waits. Whoever calls must End it.
func (r *Repeats) Begin(c echo.Context, in any) (*Creation, error) {
	key, err := oauth.IdempotencyKey(c.Request())
	if err != nil {
		return nil, err
	}
	m := &Creation{Root: credential.NewRoot(), repeats: r, release: func() {}}
	if key == "" {
		return m, nil
	}
	if m.request, err = r.requestOf(c.Request(), authn.From(c), key, in); err != nil {
		return nil, err
	}
	ctx := c.Request().Context()
	if m.release, err = r.take(ctx, m.request.Key); err != nil {
		return nil, err
	}
	m.Root = credential.RootOf(r.key, m.request.Key, m.request.Nonce)
	// Another replica may have answered it a moment ago.
	if err = r.emit.CatchUp(ctx); err == nil {
		err = m.look()
	}
	if err != nil {
		m.release()
		return nil, err
	}
	return m, nil
}

// End lets the next request with the key go on.
func (m *Creation) End() { m.release() }

// Key is what the request is known by elsewhere, such as to a provider: the
// same for every repetition. It is empty without an Idempotency-Key.
func (m *Creation) Key() string {
	if m.request == nil {
		return ""
	}
	return hex.EncodeToString(m.request.Key[:])
}

// Meta is that of a decision that is to count once.
func (m *Creation) Meta(c echo.Context) emit.Meta {
	return emit.Meta{Actor: authn.From(c).Actor(), Correlation: oauth.RequestID(c), Request: m.request}
}

// Record runs a command, unless the log shows the request already, and names
// the record in the answer.
func (m *Creation) Record(c echo.Context, decide emit.Decide) error {
	if m.Repeated {
		return m.Settle(c, m.At, nil)
	}
	position, err := m.repeats.emit.Do(c.Request().Context(), m.Meta(c), decide)
	return m.Settle(c, position, err)
}

// Settle takes the outcome of a decision that was appended with Meta, finds
// out which request of the key counts, and names its record in the answer.
func (m *Creation) Settle(c echo.Context, position events.Position, err error) error {
	if err != nil && !errors.Is(err, command.ErrRepeated) {
		return err
	}
	if err := m.look(); err != nil {
		return err
	}
	if m.Repeated {
		position = m.At
	}
	consistency.Set(c, position)
	return nil
}

// Gone is the answer to a repeated request if what it made has ended since.
func (m *Creation) Gone(c echo.Context) error {
	c.Response().Header().Del(consistency.Header) // it writes nothing
	return command.ErrMadeIsGone
}

// look asks the state for the first request with the key.
func (m *Creation) look() (err error) {
	if m.request == nil {
		return nil
	}
	var first *projections.Request
	m.repeats.emit.View(func(s *projections.State) {
		first, err = command.FindRequest(s, m.repeats.emit.Now(), m.request)
	})
	if first == nil || first.Nonce == m.request.Nonce {
		return err
	}
	m.Root = credential.RootOf(m.repeats.key, first.Key, first.Nonce)
	m.Repeated, m.At, m.Time = true, first.Position, first.At
	return nil
}
