package resource

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// Option is a setting of a Verifier. Of one that is given twice, the later
// counts.
type Option func(*config) error

// Policy says what to do while the issuer's feed is not heard.
type Policy int

const (
	// Introspect asks the issuer about every token.
	Introspect Policy = iota
	// Deny refuses to decide: ErrUnavailable.
	Deny
)

// Feed is where a Verifier hears what ended: SSE, or NATS beside it.
type Feed struct {
	kind         feedKind
	conn         *nats.Conn
	organization string
}

type feedKind int

const (
	noFeed feedKind = iota
	overHTTP
	overNATS
)

// SSE is the issuer's stream of server-sent events, which tells everything and
// resumes where it broke off. It is listened to whether it is named or not.
func SSE() Feed { return Feed{kind: overHTTP} }

// NATS is the subject of the revocations of one organization, where they come a
// little sooner than by SSE. The user of the connection needs to subscribe to
// grantlog.revocations.<organization> and nothing else. The connection stays the
// caller's: the Verifier does not close it.
func NATS(conn *nats.Conn, organization string) Feed { return Feed{overNATS, conn, organization} }

// WithClient names the application of the issuer that listens and introspects;
// it needs the scope revocations:read. There is no Verifier without it. Neither
// half may be empty.
func WithClient(id, secret string) Option {
	return func(c *config) error {
		if id == "" || secret == "" {
			return errors.New("resource: WithClient needs an id and a secret")
		}
		c.clientID, c.clientSecret = id, secret
		return nil
	}
}

// WithAudience sets what a token's aud must name (RFC 9068 section 4). It may
// not be empty. The default is the issuer, which is the audience of an
// application that names none.
func WithAudience(audience string) Option {
	return func(c *config) error {
		if audience == "" {
			return errors.New("resource: WithAudience needs an audience; leave it out for the issuer's")
		}
		c.audience = audience
		return nil
	}
}

// WithRevocations sets where revocations are heard. The default is SSE. Core
// NATS does not repeat what was missed, so with NATS, too, SSE stays the measure
// of freshness. A Feed of NATS needs a connection and the id of an organization,
// and New fails where it cannot subscribe.
func WithRevocations(feeds ...Feed) Option {
	return func(c *config) error {
		if len(feeds) == 0 {
			return errors.New("resource: WithRevocations needs a feed: SSE or NATS")
		}
		c.brokers = nil
		for _, f := range feeds {
			switch {
			case f.kind == noFeed:
				return errors.New("resource: a Feed is made by SSE or NATS")
			case f.kind == overHTTP:
				continue
			case f.conn == nil:
				return errors.New("resource: NATS needs a connection")
			case f.organization == "" || strings.ContainsAny(f.organization, ".*> \t\r\n"):
				return fmt.Errorf("resource: NATS needs the id of one organization, not %q", f.organization)
			}
			c.brokers = append(c.brokers, f)
		}
		return nil
	}
}

// WithMaxStaleness sets how old the last sign of the feed may be, and what to do
// beyond it. The age must be more than 0 and should be more than 15 s, which is
// how often the issuer gives a sign: a feed that is silent for so long is given
// up for a new one. The default is 30 s, Introspect.
func WithMaxStaleness(age time.Duration, beyond Policy) Option {
	return func(c *config) error {
		switch {
		case age <= 0:
			return fmt.Errorf("resource: WithMaxStaleness needs more than %v", age)
		case beyond != Introspect && beyond != Deny:
			return errors.New("resource: WithMaxStaleness needs Introspect or Deny")
		}
		c.maxStaleness, c.beyond = age, beyond
		return nil
	}
}

// WithResource names what is protected, for clients that find out by themselves
// where to get a token (RFC 9728): challenges then lead to its metadata, which
// Metadata serves. The URL must be absolute, http or https, without query and
// fragment; the name is what people call it and may be empty. The default is
// neither.
func WithResource(url, name string) Option {
	return func(c *config) error {
		if !checkURL(url) {
			return fmt.Errorf("resource: WithResource needs an absolute http or https URL without query and fragment, not %q", url)
		}
		c.resource, c.name = url, name
		return nil
	}
}

// WithHTTPClient sets how the issuer is reached. It may not be nil, and should
// have no Timeout, which would cut off the feed: requests have one of 10 s. The
// default has a transport of its own, with the settings of
// http.DefaultTransport.
func WithHTTPClient(client *http.Client) Option {
	return func(c *config) error {
		if client == nil {
			return errors.New("resource: WithHTTPClient needs a client")
		}
		c.http = client
		return nil
	}
}

// WithClock sets what tells the time. It may not be nil. The default is
// time.Now.
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		if now == nil {
			return errors.New("resource: WithClock needs a clock")
		}
		c.clock = now
		return nil
	}
}

// WithLogger sets who is told of an issuer that cannot be heard; neither tokens
// nor secrets are told. It may not be nil. By default nothing is logged.
func WithLogger(logger *slog.Logger) Option {
	return func(c *config) error {
		if logger == nil {
			return errors.New("resource: WithLogger needs a logger")
		}
		c.log = logger
		return nil
	}
}
