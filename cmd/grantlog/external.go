package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// connectTimeout bounds one attempt to reach a NATS server.
const connectTimeout = 5 * time.Second

// connectExternal connects to the NATS that the settings name. It fails if no
// server answers; once connected, it reconnects for ever.
func connectExternal(c *logSettings, log *slog.Logger) (*nats.Conn, error) {
	if err := readable("--nats-creds", c.NATSCreds); err != nil {
		return nil, err
	}
	if err := readable("--nats-ca", c.NATSCA); err != nil {
		return nil, err
	}
	opts := connOptions(log)
	if c.NATSCreds != "" {
		opts = append(opts, nats.UserCredentials(c.NATSCreds))
	}
	if c.NATSCA != "" {
		opts = append(opts, nats.RootCAs(c.NATSCA))
	}
	nc, err := nats.Connect(strings.Join(c.NATS, ","), opts...)
	if err != nil {
		return nil, fmt.Errorf("cannot connect to NATS: %w", err)
	}
	return nc, nil
}

// readable checks a file that a flag names, so that its absence is not reported
// as a failure to connect.
func readable(flag, path string) error {
	if path == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return &usageError{fmt.Errorf("%s: %w", flag, err)}
	}
	return f.Close()
}

// connOptions are the same for every connection. Nothing is buffered while
// disconnected: an append must not be sent long after its caller was told that
// it failed. A silent peer is noticed in seconds, because a replica that hears
// nothing must not go on answering.
func connOptions(log *slog.Logger) []nats.Option {
	return []nats.Option{
		nats.Name("grantlog"),
		nats.Timeout(connectTimeout),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(100*time.Millisecond, 500*time.Millisecond),
		nats.ReconnectBufSize(-1),
		nats.PingInterval(2 * time.Second),
		nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if err != nil {
				log.Warn("disconnected from NATS", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) {
			log.Info("connected to NATS again", "server", nc.ConnectedUrlRedacted())
		}),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) {
			if sub != nil && errors.Is(err, nats.ErrSlowConsumer) {
				log.Warn("slow consumer of NATS", "subject", sub.Subject)
				return
			}
			log.Warn("NATS", "error", err)
		}),
	}
}

// logReplicas returns how many copies of the log to ask for: what was set, else
// three on a cluster and one elsewhere.
func logReplicas(set int, nc *nats.Conn) int {
	switch {
	case set > 0:
		return set
	case nc.ConnectedClusterName() != "":
		return 3
	default:
		return 1
	}
}
