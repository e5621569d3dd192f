package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/grantlog/grantlog/events/journal"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // a bad command line, environment, settings file or seed file
	exitAbsent = 3 // replay: the log does not show what it was asked for; verify: nothing was proved
)

// process is what a command sees of the world it runs in.
type process struct {
	Stdin     io.Reader
	Stdout    io.Writer
	Stderr    io.Writer
	LookupEnv func(string) (string, bool)
}

// cli is the grammar of the command line.
type cli struct {
	Help helpFlag `short:"h" argv:"" help:"Show help for a command."`

	Serve   serveCmd   `cmd:"" help:"Run the authorization server."`
	Replay  replayCmd  `cmd:"" help:"Ask the log what was true at a moment, where a token came from, what a secret led to."`
	Backup  backupCmd  `cmd:"" help:"Write the log to a file, also while a server runs."`
	Restore restoreCmd `cmd:"" help:"Make a log anew from a backup, where there is none."`
	Archive archiveCmd `cmd:"" help:"Move the oldest records to a file, and go on without them."`
	Export  exportCmd  `cmd:"" help:"Write the events to a file for analysts: NDJSON or CSV."`
	Verify  verifyCmd  `cmd:"" help:"Prove a log or a backup whole: contiguity, integrity, state hash."`
	Tail    tailCmd    `cmd:"" help:"Print events as they stand in the log, and follow it."`
	Bench   benchCmd   `cmd:"" help:"Measure a server against a bare HTTP handler on this machine."`
	Version versionCmd `cmd:"" help:"Print the version."`
	HelpCmd helpCmd    `cmd:"" name:"help" help:"Show help for a command."`

	BenchBare     benchBareCmd     `cmd:"" hidden:""`
	BenchProxy    benchProxyCmd    `cmd:"" hidden:""`
	HashPasswords hashPasswordsCmd `cmd:"" hidden:""`
}

const description = `OAuth 2.0 authorization server on one ordered log.

"grantlog serve" needs nothing else: it starts with an embedded NATS, keeps its log in ./data and answers on 127.0.0.1:8080.`

// run parses args, runs the command that they name and returns the exit code.
// What goes wrong is told in one line on stderr.
func run(ctx context.Context, args []string, p process) int {
	err := dispatch(ctx, args, p)
	var usage *usageError
	var missing *notFoundError
	var unproved *unprovedError
	switch {
	case err == nil, errors.Is(err, errHelpShown):
		return exitOK
	case errors.As(err, &missing), errors.As(err, &unproved):
		fmt.Fprintln(p.Stderr, "grantlog:", oneLine(err))
		return exitAbsent
	case errors.As(err, &usage):
		fmt.Fprintln(p.Stderr, "grantlog:", oneLine(err))
		return exitUsage
	default:
		fmt.Fprintln(p.Stderr, "grantlog:", oneLine(err)+keyHint(err))
		return exitFailed
	}
}

func dispatch(ctx context.Context, args []string, p process) error {
	var grammar cli
	parser, err := newParser(&grammar, p)
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return &usageError{errors.New(`want a command; "grantlog help" lists them`)}
	}
	kctx, err := parser.Parse(args)
	if errors.Is(err, errHelpShown) {
		return err
	}
	if err != nil {
		return &usageError{plain(err)}
	}
	kctx.BindTo(ctx, (*context.Context)(nil))
	return kctx.Run()
}

func newParser(grammar *cli, p process) (*kong.Kong, error) {
	return kong.New(grammar,
		kong.Name("grantlog"),
		kong.Description(description),
		kong.NoDefaultHelp(),
		kong.Writers(p.Stdout, p.Stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ValueFormatter(flagHelp),
		kong.ExplicitGroups([]kong.Group{
			{Key: "http", Title: "HTTP:"},
			{Key: "log", Title: "Log and keys:"},
			{Key: "server", Title: "Server:"},
			{Key: "question", Title: "Questions, one at a time:"},
		}),
		kong.Vars{"workloads": workloadNames()},
		kong.Bind(p, &sources{lookupEnv: p.LookupEnv}),
	)
}

// flagHelp names the environment variable of every setting.
func flagHelp(v *kong.Value) string {
	if v.Flag == nil || v.Tag.Has(argvOnly) {
		return v.Help
	}
	return v.Help + " [$" + envName(v.Name) + "]"
}

// BeforeResolve reads the settings file before settings are resolved.
func (c *cli) BeforeResolve(kctx *kong.Context, src *sources) error {
	path, _ := src.env(envName("config"))
	for _, step := range kctx.Path {
		if step.Flag != nil && step.Flag.Name == "config" {
			path = kctx.FlagValue(step.Flag).(string)
		}
	}
	kctx.AddResolver(src)
	if path == "" || !takesSettings(kctx.Selected()) {
		return nil
	}
	return src.load(path, kctx.Model)
}

// takesSettings reports whether a command has --config.
func takesSettings(command *kong.Node) bool {
	if command == nil {
		return false
	}
	for _, flag := range command.Flags {
		if flag.Name == "config" {
			return true
		}
	}
	return false
}

// usageError is a mistake of the caller: exit code 2.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// keyHint says what else is wrong when a log's first record looks damaged: with
// another master key than the log's, none of them can be authenticated.
func keyHint(err error) string {
	var damage *journal.DamageError
	if errors.As(err, &damage) && damage.Position == 1 {
		return "; or the master key is not the one that this log was written with"
	}
	return ""
}

// oneLine keeps a message of several lines, or with control characters, from
// spilling over the line that it is printed on.
func oneLine(err error) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, err.Error())
}

// errHelpShown ends the parse after --help.
var errHelpShown = errors.New("help shown")

type helpFlag bool

// BeforeReset prints the help before anything is validated.
func (helpFlag) BeforeReset(kctx *kong.Context) error {
	if err := kctx.PrintUsage(false); err != nil {
		return err
	}
	return errHelpShown
}

// helpCmd is "grantlog help".
type helpCmd struct {
	Command []string `arg:"" optional:"" help:"Command to show."`
}

func (c *helpCmd) Run(parser *kong.Kong) error {
	_, err := parser.Parse(append(c.Command, "--help"))
	if err != nil && !errors.Is(err, errHelpShown) {
		return &usageError{plain(err)}
	}
	return err
}
