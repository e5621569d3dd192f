package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/cmd/grantlog/bench"
	"github.com/grantlog/grantlog/events/seal"
)

// benchCmd is "grantlog bench".
type benchCmd struct {
	Only            []string      `argv:"" placeholder:"WORKLOAD" help:"Measure only these: ${workloads}."`
	Connections     int           `argv:"" default:"64" placeholder:"N" help:"Connections of the client. (default 64)"`
	Requests        int           `argv:"" default:"20000" placeholder:"N" help:"Most requests to one server in a round. (default 20000)"`
	Duration        time.Duration `argv:"" default:"5s" placeholder:"TIME" help:"Longest time of one server in a round. (default 5s)"`
	Rounds          int           `argv:"" default:"5" placeholder:"N" help:"Rounds that count, after one that warms up. (default 5)"`
	Tokens          int           `argv:"" default:"10000" placeholder:"N" help:"Different tokens to introspect. (default 10000)"`
	Issuances       int           `argv:"" default:"1000000" placeholder:"N" help:"Issuances of the workloads replay, verify, asof and heap, and records of proof. (default 1000000)"`
	Authentications int           `argv:"" default:"10000" placeholder:"N" help:"Third-party tokens of the workload refresh. (default 10000)"`
	Dir             string        `argv:"" type:"path" placeholder:"DIR" help:"Where the temporary data goes: a disk, or syncing costs nothing. (default the system's temporary directory)"`
	JSON            bool          `argv:"" name:"json" help:"Print JSON."`
}

func (c *benchCmd) Run(ctx context.Context, p process) error {
	config := bench.Config{
		Only: c.Only, Connections: c.Connections, Requests: c.Requests, Duration: c.Duration, Rounds: c.Rounds,
		Tokens: c.Tokens, Issuances: c.Issuances, Authentications: c.Authentications, Dir: c.Dir, JSON: c.JSON,
		StartNATS: startBenchNATS, RecordKey: func(m seal.Master) []byte { return m.Derive(purposeMAC) }, Stdout: p.Stdout, Stderr: p.Stderr,
	}
	if err := config.Check(); err != nil {
		return &usageError{err}
	}
	return bench.Run(ctx, config)
}

// workloadNames are for the help.
func workloadNames() string { return strings.Join(bench.Names(), ", ") }

func startBenchNATS(dir string) (*nats.Conn, func(), error) {
	e, err := startEmbedded(dir, "", slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	conn, err := e.connect()
	if err != nil {
		e.stop()
		return nil, nil, err
	}
	return conn, e.stop, nil
}

// benchBareCmd is the handler that bench compares a server with. bench starts
// it.
type benchBareCmd struct {
	Listen address `argv:"" required:"" placeholder:"HOST:PORT" help:"HTTP address."`
}

func (c *benchBareCmd) Run(ctx context.Context) error { return bench.Bare(ctx, string(c.Listen)) }

// benchProxyCmd is the reverse proxy that bench compares the gateway with.
type benchProxyCmd struct {
	Listen   address `argv:"" required:"" placeholder:"HOST:PORT" help:"HTTP address."`
	Upstream string  `argv:"" required:"" placeholder:"URL" help:"Where everything goes."`
}

func (c *benchProxyCmd) Run(ctx context.Context) error {
	return bench.Proxy(ctx, string(c.Listen), c.Upstream)
}
