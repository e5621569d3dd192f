// Package bench owns "grantlog bench": what a grantlog server costs, measured
// against a bare Echo handler that parses the same form and answers fixed JSON,
// and what three replicas cost, measured against one server.
//
// The server and the bare handler are processes of their own, made from the
// running executable. One closed-loop client drives them in turn, A B A B, over
// several rounds, so that a machine that grows slower or faster during the run
// does so for both; the ratio is the median of the rounds' own ratios. The
// client runs on the same machine and takes its share of it, so the ratio of
// rates flatters whoever is slower; the ratio of CPU times does not.
//
// Every loop is bounded in requests and in time, all traffic is on loopback,
// and what a run starts or stores is gone when it returns. A failed request is
// counted and makes the run fail; no figure does.
//
// A workload is a function in a file of its own and a row in workloads.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events/seal"
)

// Config says what to measure, how long, and where to.
type Config struct {
	Only        []string      // names of workloads; empty: all
	Connections int           // of the client, each with one request in flight
	Requests    int           // at most so many in a phase, one server's turn in a round
	Duration    time.Duration // and at most for so long
	Rounds      int           // counted ones; one more before them warms up
	Tokens      int           // different tokens that are introspected
	Issuances   int           // tokens of the workloads replay, verify, asof and heap; records of proof
	// Authentications are third-party tokens of the workload refresh.
	Authentications int
	JSON            bool   // one JSON document instead of a table
	Dir             string // where temporary data goes, and syncs to; empty: os.TempDir

	// StartNATS starts the embedded server on a directory as serve does. The
	// connection is closed before stop is called.
	StartNATS func(dir string) (conn *nats.Conn, stop func(), err error)
	// RecordKey derives the key of the log's records from a master key, as
	// serve does.
	RecordKey func(master seal.Master) []byte

	Stdout io.Writer // results
	Stderr io.Writer // progress
}

// workloads are all that can be measured, in the order they are run.
var workloads = []workload{
	{"token", issueTokens},
	{"introspect", introspectTokens},
	{"revoke", revokeTokens},
	{"gateway", passCalls},
	{"authorize", authorizeCalls},
	{"guard", decideCalls},
	{"login", logIn},
	{"replicas", acrossReplicas},
	{"refresh", keepFresh},
	{"start", startEmpty},
	{"replay", replayLog},
	{"verify", verifyLog},
	{"proof", proveRecords},
	{"asof", introspectPast},
	{"heap", holdTokens},
}

type workload struct {
	name string
	run  func(context.Context, *run) (result, error)
}

// Names lists the workloads.
func Names() []string {
	names := make([]string, len(workloads))
	for i, w := range workloads {
		names[i] = w.name
	}
	return names
}

// run is one run of the benchmark.
type run struct {
	Config
	executable string
	dir        string // removed at the end
}

// Run measures and prints. The error says what could not be measured, or that
// requests failed; ending ctx ends the run early.
func Run(ctx context.Context, c Config) (err error) {
	if err := c.Check(); err != nil {
		return err
	}
	r := &run{Config: c}
	if r.executable, err = os.Executable(); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	if r.dir, err = os.MkdirTemp(c.Dir, "grantlog-bench-"); err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(r.dir)) }()
	report := newReport(r)
	failed := 0
	for _, w := range workloads {
		if len(c.Only) > 0 && !slices.Contains(c.Only, w.name) {
			continue
		}
		measured, err := w.run(ctx, r)
		if err != nil {
			return fmt.Errorf("bench: %s: %w", w.name, err)
		}
		measured.Workload = w.name
		failed += measured.failed()
		report.add(measured)
	}
	if err := report.finish(); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("bench: %d requests failed", failed)
	}
	return nil
}

// Check reports a value that Run would refuse.
func (c *Config) Check() error {
	for _, name := range c.Only {
		if !slices.Contains(Names(), name) {
			return fmt.Errorf("bench: no workload %.40q; there are %s", name, strings.Join(Names(), ", "))
		}
	}
	switch {
	case c.Connections < 1 || c.Connections > 4096:
		return errors.New("bench: connections must be from 1 to 4096")
	case c.Requests < 1 || c.Requests > 10_000_000:
		return errors.New("bench: requests must be from 1 to 10000000")
	case c.Duration <= 0 || c.Duration > time.Hour:
		return errors.New("bench: duration must be over 0 and at most 1h")
	case c.Rounds < 1 || c.Rounds > 1000:
		return errors.New("bench: rounds must be from 1 to 1000")
	case c.Tokens < 1 || c.Tokens > 1_000_000:
		return errors.New("bench: tokens must be from 1 to 1000000")
	case c.Issuances < 1 || c.Issuances > 50_000_000:
		return errors.New("bench: issuances must be from 1 to 50000000")
	case c.Authentications < 1 || c.Authentications > 100_000:
		return errors.New("bench: authentications must be from 1 to 100000")
	}
	return nil
}

// progress tells a person what is going on.
func (r *run) progress(format string, args ...any) {
	fmt.Fprintf(r.Stderr, format+"\n", args...)
}
