package main

import (
	"fmt"
	"io"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/replay"
)

// chainLine tells a chain that is known.
func chainLine(chain events.Chain) string {
	if chain == (events.Chain{}) {
		return ""
	}
	return fmt.Sprintf("chain     %x\n", chain)
}

func printReport(w io.Writer, r replay.Report) error {
	var err error
	if r.First > 1 {
		_, err = fmt.Fprintf(w, "first     %d; what was before is archived\n", r.First)
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "position  %d\n", r.Position)
	}
	if err == nil && r.Events > 0 {
		_, err = fmt.Fprintf(w, "events    %d\n", r.Events)
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "bytes     %d\n", r.Bytes)
	}
	if err == nil && r.Events > 0 {
		_, err = fmt.Fprintf(w, "from      %s\nuntil     %s\n", r.From.Format(time.RFC3339Nano), r.Until.Format(time.RFC3339Nano))
	}
	if err == nil {
		_, err = fmt.Fprint(w, chainLine(r.Chain), fmt.Sprintf("root      %s\n", r.Head.Root))
	}
	if err == nil && r.StateHash != [32]byte{} {
		_, err = fmt.Fprintf(w, "state     %x\n", r.StateHash)
	}
	if err == nil {
		_, err = fmt.Fprintln(w, "the log is whole")
	}
	return err
}
