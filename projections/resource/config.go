package resource

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// config is what a Verifier works with: the defaults, and what options changed.
type config struct {
	issuer                 string
	clientID, clientSecret string
	audience               string
	brokers                []Feed // of NATS
	maxStaleness           time.Duration
	beyond                 Policy
	resource, name         string
	http                   *http.Client
	clock                  func() time.Time
	log                    *slog.Logger
}

func newConfig(issuer string, opts []Option) (config, error) {
	issuer = strings.TrimRight(issuer, "/")
	if !checkURL(issuer) {
		return config{}, fmt.Errorf("resource: the issuer must be an absolute http or https URL without query and fragment, not %q", issuer)
	}
	c := config{
		issuer: issuer, audience: issuer, maxStaleness: 30 * time.Second, clock: time.Now, log: slog.New(slog.DiscardHandler),
	}
	for _, set := range opts {
		if set == nil {
			return config{}, errors.New("resource: an option is nil")
		}
		if err := set(&c); err != nil {
			return config{}, err
		}
	}
	if c.clientID == "" {
		return config{}, errors.New("resource: WithClient is missing: an application of the issuer with scope revocations:read")
	}
	if c.http == nil {
		c.http = &http.Client{Transport: http.DefaultTransport.(*http.Transport).Clone()}
	}
	return c, nil
}
