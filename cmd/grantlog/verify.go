package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/replay"
)

// verifyCmd is "grantlog verify".
type verifyCmd struct {
	General general       `embed:""`
	Log     placeSettings `embed:""`

	URL       string `name:"url" placeholder:"URL" help:"Verify the log of a running server instead, by its own HTTP interface."`
	AdminFile string `placeholder:"FILE" help:"Credentials to ask the running server with: its admin.json."`

	Archives archiveSettings `embed:""`

	Checkpoint  []string `argv:"" sep:"none" placeholder:"FILE" help:"A checkpoint that was kept: the log must begin with the records it had then. May be repeated."`
	Save        string   `argv:"" placeholder:"FILE" help:"Keep the checkpoint of the verified log in this file. One that is there already is a --checkpoint, and replaced only if it still holds."`
	VerifierKey string   `argv:"" placeholder:"KEY" help:"What checkpoints are verified with, as it was kept. (default: the log's own)"`
	NoState     bool     `argv:"" help:"Leave out the events and the state, which are most of the work: records, chain and tree only."`
	Backup      string   `argv:"" placeholder:"FILE" help:"Verify a backup instead, with the master key that it was made under."`
	Proof       string   `argv:"" placeholder:"FILE" help:"Verify a saved answer of /oauth/log/proof?position= instead: that its record, and the event it names, are among those of a --checkpoint, or of one that --verifier-key verifies. Asks nobody."`
	ProofOnly   bool     `argv:"" help:"With --url: read no records; ask for a proof that the log only grew since the checkpoints. Needs events:read only."`
}

// Help is shown below the usage line.
func (*verifyCmd) Help() string {
	return `It reads and changes nothing but the file of --save.

Exit codes: 0 the log is whole, and what was kept still holds; 1 it is not, and the first bad position is named; 2 a bad command line, no log there, a file that is no checkpoint; 3 nothing was proved: the log is in use, out of reach, or archived or restored just now.`
}

// evidence is a log with all that it can be verified against.
type evidence struct {
	log      replay.Log
	archives []archivedFile // that are parts of log
	place    journal.Cursor // that a server had applied; zero: not known
	tree     *tree.Tree     // that a server kept; nil: none
	head     tree.Head      // of that tree, or of the server's own checkpoint; zero: none
	// signer returns the key of checkpoints of an origin; nil: there is none,
	// and key verifies them.
	signer func(origin string) (*tree.Signer, error)
	key    string
	signed []byte // the server's checkpoint, of head

	stateHash func(ctx context.Context, at events.Position) (string, error) // nil: nobody else knows it
	close     func() error
}

func (c *verifyCmd) Run(ctx context.Context, p process) (err error) {
	if err := c.check(); err != nil {
		return &usageError{err}
	}
	if c.Backup != "" {
		return c.verifyBackup(ctx, p)
	}
	kept, err := c.readCheckpoints()
	if err != nil {
		return err
	}
	if c.Proof != "" {
		return c.verifyInclusion(p, kept)
	}
	open := c.openEvidence
	if c.URL != "" {
		open = c.openServed
	}
	e, err := open(ctx, p)
	if err != nil {
		return unproved(err)
	}
	defer func() { err = errors.Join(err, e.close()) }()
	if err := c.openCheckpoints(kept, e); err != nil {
		return err
	}
	if c.ProofOnly {
		return c.proveGrowth(ctx, p, e, kept)
	}
	sign, err := c.signerOf(e, kept)
	if err != nil {
		return err
	}
	report, err := c.verify(ctx, p, e, kept)
	if err != nil {
		return err
	}
	archived, err := recognized(e.archives, report.Archives)
	if err != nil {
		return err
	}
	if c.Save != "" {
		text, err := sign(report.Head)
		if err == nil {
			err = replaceFile(c.Save, text)
		}
		if err != nil {
			return err
		}
	}
	if err := printReport(p.Stdout, report); err != nil {
		return err
	}
	if _, err := fmt.Fprint(p.Stdout, archived); err != nil {
		return err
	}
	return c.printKept(p.Stdout, e, kept)
}

// check finds contradictions between flags.
func (c *verifyCmd) check() error {
	switch {
	case c.ProofOnly && c.URL == "":
		return errors.New("--proof-only is for --url: a log that is at hand is read")
	case c.ProofOnly && len(c.Checkpoint) == 0 && c.Save == "":
		return errors.New("--proof-only needs a --checkpoint to prove something of, or --save to begin with")
	case len(c.Archives.Archive) > 0 && (c.Backup != "" || c.ProofOnly):
		return errors.New("--archive does not go with --backup, which verifies an archive alone, too, or --proof-only")
	case c.Backup != "" && (c.Save != "" || c.URL != "" || c.ProofOnly):
		return errors.New("--backup goes with --checkpoint, but not with --save, --url or --proof-only")
	case c.Proof != "" && (c.Backup != "" || c.URL != "" || c.ProofOnly || c.Save != "" || len(c.Archives.Archive) > 0):
		return errors.New("--proof goes with --checkpoint and --verifier-key only: it asks no log")
	case c.Proof != "" && len(c.Checkpoint) == 0 && c.VerifierKey == "":
		return errors.New("--proof needs a --checkpoint that was kept, or the --verifier-key of the log")
	case c.VerifierKey != "":
		_, err := tree.VerifierKeyFor("any", c.VerifierKey)
		return err
	}
	return nil
}

// verify reads the log.
func (c *verifyCmd) verify(ctx context.Context, p process, e *evidence, kept []keptCheckpoint) (replay.Report, error) {
	bar := newProgressBar(p.Stderr)
	defer bar.clear()
	// What a server's log begins with, only the server knows.
	_, unknown := replay.OriginOf(e.log).(*servedOrigin)
	o := replay.Options{Kept: replay.Kept{Place: e.place}, Records: c.NoState || unknown, Progress: bar.at}
	for _, k := range kept {
		o.Kept.Heads = append(o.Kept.Heads, k.Head)
	}
	if e.head.Size > 0 {
		o.Kept.Heads = append(o.Kept.Heads, e.head)
	}
	report, err := replay.Verify(ctx, e.log, o)
	if err == nil && e.stateHash != nil && !o.Records {
		return report, compareState(ctx, e, report)
	}
	return report, c.firstBad(ctx, e, report, err)
}

// verifyBackup reads a backup as a log is read.
func (c *verifyCmd) verifyBackup(ctx context.Context, p process) (err error) {
	if err := c.Log.check(); err != nil {
		return &usageError{err}
	}
	kept, err := c.readCheckpoints()
	if err != nil {
		return err
	}
	o, err := openBackup(ctx, &c.Log.logSettings, c.Backup, "")
	if err != nil {
		return backupError(err)
	}
	defer func() { err = errors.Join(err, o.close()) }()
	e := &evidence{log: o.records, signer: func(origin string) (*tree.Signer, error) {
		return tree.NewSigner(origin, o.master.Derive(tree.Purpose))
	}}
	if err := c.openCheckpoints(kept, e); err != nil {
		return err
	}
	options := replay.Options{Kept: o.kept(), Records: c.NoState, Progress: newProgressBar(p.Stderr).at}
	for _, k := range kept {
		options.Kept.Heads = append(options.Kept.Heads, k.Head)
	}
	report, err := replay.Verify(ctx, o.records, options)
	if err == nil {
		err = o.checkEntries()
	}
	if err != nil {
		return backupError(err)
	}
	if err := printManifest(p.Stdout, o.log.Manifest()); err != nil || report.Position == 0 {
		return err
	}
	if err := printReport(p.Stdout, report); err != nil {
		return err
	}
	return c.printKept(p.Stdout, e, kept)
}
