package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/grantlog/grantlog/projections/follow"
	"github.com/grantlog/grantlog/replay"
)

// verifyCmd is "grantlog verify".
type verifyCmd struct {
	General general     `embed:""`
	Log     logSettings `embed:""`
}

func (c *verifyCmd) Run(ctx context.Context, p process) (err error) {
	j, done, err := openLog(ctx, &c.Log, &c.General, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	// What a server had applied is kept outside of the log: a log that ends
	// before it was shortened.
	known, err := follow.Watermark(c.Log.stateDir())
	if err != nil {
		return err
	}
	report, err := replay.Verify(ctx, j, replay.Options{Kept: replay.Kept{Place: known}})
	if err != nil {
		return fmt.Errorf("the log is not whole; it is good up to position %d: %w", report.Position, err)
	}
	return printReport(p.Stdout, report)
}

func printReport(w io.Writer, r replay.Report) error {
	_, err := fmt.Fprintf(w, "position  %d\nevents    %d\nbytes     %d\n", r.Position, r.Events, r.Bytes)
	if err == nil && r.Events > 0 {
		_, err = fmt.Fprintf(w, "from      %s\nuntil     %s\n", r.From.Format(time.RFC3339Nano), r.Until.Format(time.RFC3339Nano))
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "chain     %x\nstate     %x\nthe log is whole\n", r.Chain, r.StateHash)
	}
	return err
}
