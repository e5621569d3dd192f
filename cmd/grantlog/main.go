// Command grantlog is an OAuth 2.0 authorization server whose only store is an
// ordered, tamper-evident log on NATS JetStream.
//
// This package turns arguments, environment and files into settings, opens what
// a subcommand needs (data directory, master key, NATS) and calls the packages
// that do the work. It decides nothing about tokens.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the default action is back: a second one ends the
	// process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], process{
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, LookupEnv: os.LookupEnv,
	}))
}
