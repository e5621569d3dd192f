package main

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/grantlog/grantlog/cmd/grantlog/strictyaml"
)

// argvOnly is the tag of a flag that is no setting: it has neither an
// environment variable nor a key of the settings file.
const argvOnly = "argv"

// unlessGiven is the tag of a setting that is read from the command line alone
// where one of the named flags stands there.
const unlessGiven = "unless"

// sources gives settings that are not on the command line: from the
// environment, else from the settings file.
type sources struct {
	lookupEnv func(string) (string, bool)
	path      string
	file      map[string]strictyaml.Setting // by flag
}

// settingError is a bad value and where it stands.
type settingError struct {
	origin string
	err    error
}

func (e *settingError) Error() string { return e.origin + ": " + e.err.Error() }
func (e *settingError) Unwrap() error { return e.err }

// envName returns the environment variable of a flag.
func envName(flag string) string {
	return "GRANTLOG_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// env returns an environment variable. An empty one counts as not set, as
// compose files and unit templates leave them behind.
func (s *sources) env(name string) (string, bool) {
	v, ok := s.lookupEnv(name)
	return v, ok && v != ""
}

// load reads the settings file. Its keys are the flags of all commands, so that
// one file serves them all.
func (s *sources) load(path string, app *kong.Application) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("settings file: %w", err)
	}
	doc, err := strictyaml.Parse(path, data)
	if err != nil {
		return err
	}
	settings, err := doc.Settings()
	if err != nil {
		return err
	}
	known := settingNames(app)
	s.path, s.file = path, make(map[string]strictyaml.Setting, len(settings))
	for _, set := range settings {
		if !known[set.Key] {
			return &strictyaml.Error{File: path, Line: set.Line, Msg: fmt.Sprintf("unknown key %.60q", set.Key)}
		}
		s.file[set.Key] = set
	}
	return nil
}

// settingNames returns what may stand in a settings file.
func settingNames(app *kong.Application) map[string]bool {
	names := map[string]bool{}
	for _, command := range app.Leaves(false) {
		for _, flag := range command.Flags {
			if !flag.Tag.Has(argvOnly) && flag.Name != "config" {
				names[flag.Name] = true
			}
		}
	}
	return names
}

// Resolve implements kong.Resolver. It decodes the value once itself, so that
// an error names the variable or the line it comes from.
func (s *sources) Resolve(kctx *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	if flag.Tag.Has(argvOnly) || given(kctx, flag.Tag.Get(unlessGiven)) {
		return nil, nil
	}
	text, origin := "", ""
	if v, ok := s.env(envName(flag.Name)); ok {
		text, origin = v, envName(flag.Name)
	} else if set, ok := s.file[flag.Name]; ok {
		text, origin = set.Text, fmt.Sprintf("%s:%d: %s", s.path, set.Line, flag.Name)
	} else {
		return nil, nil
	}
	var value any = text
	target := reflect.New(flag.Target.Type())
	if _, ok := target.Interface().(kong.MapperValue); ok {
		value = offArgv(text)
	}
	scan := kong.Scan().PushTyped(value, kong.FlagValueToken)
	if err := flag.Mapper.Decode(&kong.DecodeContext{Value: flag.Value, Scan: scan}, target.Elem()); err != nil {
		return nil, &settingError{origin, err}
	}
	return value, nil
}

// given reports whether one of several flags stands on the command line.
func given(kctx *kong.Context, flags string) bool {
	return slices.ContainsFunc(kctx.Path, func(step *kong.Path) bool {
		return step.Flag != nil && !step.Resolved && slices.Contains(strings.Split(flags, ","), step.Flag.Name)
	})
}

// Validate implements kong.Resolver.
func (s *sources) Validate(*kong.Application) error { return nil }

// plain returns what the parser found without its wrapping: an error that names
// its origin itself, or a flag whose value is missing.
func plain(err error) error {
	var setting *settingError
	if errors.As(err, &setting) {
		return setting
	}
	if flag, rest, ok := strings.Cut(err.Error(), ": expected "); ok && strings.HasSuffix(rest, `but got "EOL" (<EOL>)`) {
		return errors.New(flag + ": want a value")
	}
	return err
}
