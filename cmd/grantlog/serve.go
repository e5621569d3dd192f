package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/grantlog/grantlog/cmd/grantlog/seedfile"
)

// serveCmd is "grantlog serve".
type serveCmd struct {
	Settings serveSettings `embed:""`
}

func (c *serveCmd) Run(ctx context.Context, p process) error {
	set := &c.Settings
	if err := set.check(); err != nil {
		return &usageError{err}
	}
	seed := &seedfile.Seed{}
	if set.Seed != "" {
		var err error
		if seed, err = seedfile.Load(set.Seed, p.LookupEnv); err != nil {
			return &usageError{err}
		}
	}
	giveGarbageRoom(p.LookupEnv)
	log := newLogger(p.Stderr, set.General.LogLevel, set.General.LogFormat)
	traces, err := startTracing(ctx, set, p.LookupEnv, log)
	if err != nil {
		return &usageError{err}
	}
	defer stopTracing(traces, log)
	site, err := openToServe(set, log)
	if err != nil {
		return err
	}
	site.traces = traces
	return errors.Join(serve(ctx, set, seed, site, log), site.Close())
}

// serve runs a replica on an open site until ctx ends. To be stopped, at any
// moment, is no error.
func serve(ctx context.Context, set *serveSettings, seed *seedfile.Seed, s *site, log *slog.Logger) error {
	r, err := startReplica(ctx, set, s, log)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	return errors.Join(r.run(ctx, seed), r.close())
}
