package guard

import (
	"context"
	"time"

	"github.com/grantlog/grantlog/handlers/command"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/projections"
)

const (
	// reportEvery is how long other replicas may not know of calls that bring
	// nobody near a limit.
	reportEvery = time.Second
	// reportWithin is how long an account, and whoever waits for it, waits for
	// the log.
	reportWithin = 10 * time.Second
	// lastReport is how long a server that stops waits for it.
	lastReport = 5 * time.Second
)

// Run accounts for what is counted until ctx ends, and then for the rest. Calls
// must not be judged any more by then.
func (g *Guard) Run(ctx context.Context) {
	tick := time.NewTicker(reportEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-g.ledger.kick:
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastReport)
			defer cancel()
			g.report(last)
			return
		}
		g.report(ctx)
	}
}

// report writes what was counted. What could not be written is tried again with
// the next report, under its number: the fold counts it once.
func (g *Guard) report(ctx context.Context) {
	g.ledger.close()
	for {
		var a *account
		g.Emit.View(func(s *projections.State) { a = g.ledger.next(s) })
		if a == nil {
			return
		}
		if err := g.write(ctx, a); err != nil {
			g.Log.Warn("calls are not accounted for yet", "account", a.number, "error", err)
			g.ledger.fail(err)
			return
		}
	}
}

// write appends an account and lets the log judge the calls that wait for it.
func (g *Guard) write(ctx context.Context, a *account) error {
	ctx, cancel := context.WithTimeout(ctx, reportWithin)
	defer cancel()
	_, err := g.Emit.Do(ctx, emit.Meta{}, func(*projections.State, time.Time) (command.Decision, error) {
		return command.RecordUsage(a.number, a.usage())
	})
	if err != nil {
		return err
	}
	var verdict projections.Report
	g.Emit.View(func(s *projections.State) { verdict = s.Usage.Report(g.Replica) })
	g.ledger.judge(a, verdict)
	return nil
}
