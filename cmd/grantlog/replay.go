package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/replay"
)

// replayCmd is "grantlog replay".
type replayCmd struct {
	General general       `embed:""`
	Log     placeSettings `embed:""`

	URL       string `name:"url" placeholder:"URL" help:"Ask a running server instead, by its own HTTP interface."`
	AdminFile string `placeholder:"FILE" help:"Credentials to ask the running server with: its admin.json."`

	Archives archiveSettings `embed:""`

	AsOf *string `argv:"" name:"as-of" placeholder:"T" help:"The moment to answer for: a position of the log or a time such as 2026-01-02T15:04:05Z. (default: its end)"`

	Application  *string `argv:"" group:"question" placeholder:"ID" help:"An application and its live tokens."`
	Token        *string `argv:"" group:"question" placeholder:"JTI" help:"A token: live or not, and why."`
	Organization *string `argv:"" group:"question" placeholder:"ID" help:"An organization and its applications."`
	StateHash    bool    `argv:"" group:"question" help:"The hash of the whole state: equal for equal logs, on every machine."`
	Diff         *string `argv:"" group:"question" placeholder:"T1..T2" help:"What happened between two moments, also written T1 T2; without T2, up to the end of the log."`
	Lineage      *string `argv:"" group:"question" placeholder:"JTI" help:"Where a token came from: request, application, secret, key; and what ended it."`
	Impact       *string `argv:"" group:"question" placeholder:"WHAT" help:"Every token that came from secret:APPLICATION[@VERSION], application:ID, user:ID or key:KID, and whether it still counts."`

	WhatIf []string `argv:"" group:"question" sep:"none" placeholder:"SETTING=VALUE" help:"Who would have been affected by another setting: tokenLifetime=300s, limit.perMinute=20 or limit.perHour=500; several may be given."`

	Speed *string `argv:"" group:"question" placeholder:"N" help:"Play the log back, N times as fast as it happened, up to --as-of; a silence takes 2 s at most."`

	Until string `arg:"" optional:"" name:"T2" help:"The second moment of --diff."`

	Revoke bool `argv:"" help:"With --impact and --url: end the live tokens that were found."`
	Yes    bool `argv:"" help:"Do not ask before --revoke; required where there is no terminal."`

	FromStart bool    `argv:"" help:"Fold the log from its first record, and use no snapshot of the data directory; --state-hash, --lineage and --impact always do."`
	Out       outForm `argv:"" placeholder:"FORM" help:"Form of the answer: table, json, or ndjson. (default table on a terminal, else json)"`
}

// Help is shown below the usage line.
func (*replayCmd) Help() string {
	return `It reads and changes nothing, but for --revoke. Without a question, it sums up the state.

A time stands for the longest beginning of the log without a later event; what expires is judged by that time, for a position by the log's own clock, and at the end of the log by the clock of this machine.

Exit codes: 0 answered; 1 the log is damaged, in use or out of reach, or tokens could not be revoked; 2 a bad question, a time in the future, a position past the end, no log there, --revoke without consent; 3 the log does not show it at that moment.`
}

// notFoundError is a question about what the log does not show: exit code 3.
type notFoundError struct {
	what   string
	before events.Position // what stands before was archived; 0: nothing
}

func (e *notFoundError) Error() string {
	text := "the log shows no " + e.what + " at that moment"
	if e.before > 0 {
		text += fmt.Sprintf("; what was before position %d was archived, and is shown with --archive FILE", e.before)
	}
	return text
}

// reader answers questions: from a log, or by asking a server.
type reader interface {
	answer(ctx context.Context, q question) (answer, error)
	// frames are the events up to the moment of a question.
	frames(ctx context.Context, q question) (frames, error)
}

func (c *replayCmd) Run(ctx context.Context, p process) (err error) {
	q, err := c.question(time.Now().UTC().Truncate(time.Microsecond))
	if err != nil {
		return &usageError{err}
	}
	var from reader
	if c.URL != "" && len(c.Archives.Archive) > 0 {
		return &usageError{errors.New("--archive goes with --data, --nats or --cluster-name: a server is asked for what it has")}
	}
	if c.URL != "" {
		from, err = c.openServer()
	} else {
		var closer func() error
		from, closer, err = c.openHistory(ctx, p)
		defer func() {
			if closer != nil {
				err = errors.Join(err, closer())
			}
		}()
	}
	if err != nil {
		return readerError(err)
	}
	if q.topic == aboutEvents {
		return readerError(c.play(ctx, p, from, q))
	}
	a, err := from.answer(ctx, q)
	if err == nil && c.Revoke {
		a, err = c.revoke(ctx, p, from.(*asked), a.(impactAnswer))
	}
	if err != nil {
		return readerError(err)
	}
	return a.print(p.Stdout, c.Out)
}

// readerError says in plain words what is wrong, and tells mistakes of whoever
// asks from failures of the log.
func readerError(err error) error {
	var unknown *events.UnknownTypeError
	var gap *journal.GapError
	var damage *journal.DamageError
	var shortened *replay.MismatchError
	var apart *replay.PartsError
	var gone *goneError
	if first, ok := asArchived(err); ok {
		return archivedError(first)
	}
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("the log was written by a newer grantlog than this one: %w", err)
	case errors.As(err, &gap), errors.As(err, &damage), errors.As(err, &shortened):
		return fmt.Errorf("the log is damaged, and nothing is answered from it: %w", err)
	case errors.As(err, &gone):
		return &usageError{err}
	case errors.As(err, &apart):
		return fmt.Errorf("nothing is answered: %w", err)
	case errors.Is(err, replay.ErrBeyond):
		return &usageError{err}
	case errors.Is(err, replay.ErrOrder):
		return &usageError{fmt.Errorf("--diff: %w", err)}
	}
	return err
}
