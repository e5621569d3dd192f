package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// restoreCmd is "grantlog restore".
type restoreCmd struct {
	General general       `embed:""`
	Log     placeSettings `embed:""`

	LogReplicas int    `group:"log" placeholder:"N" help:"JetStream replicas of the log where servers run. (default 1, or 3 in a cluster)"`
	Keys        string `argv:"" placeholder:"FILE" help:"Backup to take the keys of personal data from, in place of those in the other one."`
	Anew        bool   `argv:"" help:"Remove first what a restoration to servers has left that was broken off."`
	KeepTokens  bool   `argv:"" help:"Let tokens go on that the backup shows live, also those that were revoked after it."`
	File        string `arg:"" help:"Backup to restore."`
}

// Help is shown below the usage line.
func (*restoreCmd) Help() string {
	return `The log is made in --data, for a single server, on --nats, from which all servers must be gone, or in a cluster (--cluster-name) whose members hold no log and wait for one (serve --await-log). Everything is verified first; where there is a log nothing is touched. The master key is the one that the backup was made under: put it in place as master.key, or name it.

Positions, and with them the proofs, stay what they were. The log goes on with an event that says so (log.restored) and, unless --keep-tokens is given, with one that ends all tokens and refresh tokens of each organization.

Exit codes: 0 restored; 1 the backup is damaged, or was made under another master key or by a newer grantlog; 2 a bad command line, no backup, a log that is there already.`
}

// restoration is what is about to be restored, verified.
type restoration struct {
	*opened
	state *projections.State
	kept  bool   // tokens
	epoch string // that begins
	last  events.Position
	count int // of entries
}

func (c *restoreCmd) Run(ctx context.Context, p process) (err error) {
	if err := c.check(); err != nil {
		return &usageError{err}
	}
	r, err := c.verified(ctx, p)
	if err != nil {
		return backupError(err)
	}
	defer func() { err = errors.Join(err, r.close()) }()
	if c.Log.live() {
		err = c.toServers(ctx, p, r)
	} else {
		err = c.toData(ctx, p, r)
	}
	if err == nil {
		err = r.print(p.Stdout)
	}
	return backupError(err)
}

func (c *restoreCmd) check() error {
	switch {
	case c.LogReplicas < 0 || c.LogReplicas > 5:
		return errors.New("--log-replicas must be from 1 to 5")
	case c.Anew && !c.Log.live():
		return errors.New("--anew goes with --nats or --cluster-name: a data directory is as it was when that is broken off")
	case c.LogReplicas > 1 && !c.Log.live():
		return errors.New("--log-replicas above 1 needs --nats or --cluster-name")
	}
	return c.Log.check()
}

// verified opens the backup and reads all of it.
func (c *restoreCmd) verified(ctx context.Context, p process) (*restoration, error) {
	o, err := openBackup(ctx, &c.Log.logSettings, c.File, c.Keys)
	if err != nil {
		return nil, err
	}
	r := &restoration{opened: o, kept: c.KeepTokens, epoch: newEpoch()}
	if o.log.Manifest().Position == 0 {
		err = &usageError{fmt.Errorf("%s holds no records of a log", c.File)}
	} else {
		r.state, err = o.read(ctx, p)
	}
	if err != nil {
		return nil, errors.Join(err, o.close())
	}
	return r, nil
}

func (r *restoration) print(w io.Writer) error {
	tokens := "ended"
	if r.kept {
		tokens = "kept"
	}
	m := r.log.Manifest()
	_, err := fmt.Fprintf(w, "restored  %d, as of %s\nposition  %d\nepoch     %s\ntokens    %s\nentries   %d\n",
		m.Position, m.Created.Format(time.RFC3339), r.last, r.epoch, tokens, r.count)
	return err
}
