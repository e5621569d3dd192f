package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/replay"
)

// topic is what a question is about.
type topic int

const (
	aboutState topic = iota
	aboutHash
	aboutApplication
	aboutToken
	aboutOrganization
	aboutLineage
	aboutImpact
	aboutDiff
	aboutWhatIf
	aboutEvents
)

// question is what "grantlog replay" is asked.
type question struct {
	topic   topic
	at      replay.Moment // zero: the end of the log
	until   replay.Moment // the other end of a diff
	now     time.Time     // the clock of whoever asks
	id      string        // of an application or organization
	token   events.TokenID
	suspect replay.Suspect
	assumed replay.Assumption
	speed   float64
	what    string // the question's object in words
}

// judged is the time by which what expires is judged, given what the log's own
// clock says at the moment asked for.
func (q *question) judged(log time.Time) time.Time {
	now := q.at.Time
	if q.at == (replay.Moment{}) {
		now = q.now
	}
	if now.After(log) {
		return now
	}
	return log
}

// question reads the flags.
func (c *replayCmd) question(now time.Time) (q question, err error) {
	q.now = now
	asked := 0
	for _, given := range []struct {
		flag  string
		value *string // empty is given too: a script's variable that was not set
		parse func(value string) error
	}{
		{"--application", c.Application, q.about(aboutApplication, "application")},
		{"--organization", c.Organization, q.about(aboutOrganization, "organization")},
		{"--token", c.Token, q.aboutToken(aboutToken)},
		{"--lineage", c.Lineage, q.aboutToken(aboutLineage)},
		{"--impact", c.Impact, q.parseImpact},
		{"--diff", c.diff(), q.parseDiff},
		{"--speed", c.Speed, q.parsePlay},
	} {
		if given.value == nil {
			continue
		}
		if err := given.parse(*given.value); err != nil {
			return q, fmt.Errorf("%s: %w", given.flag, err)
		}
		asked++
	}
	if c.StateHash {
		q.topic = aboutHash
		asked++
	}
	if len(c.WhatIf) > 0 {
		if err := q.parseWhatIf(c.WhatIf); err != nil {
			return q, fmt.Errorf("--what-if: %w", err)
		}
		asked++
	}
	switch {
	case c.Until != "" && c.Diff == nil:
		return q, fmt.Errorf("unexpected argument %.80q: a second moment goes with --diff", c.Until)
	case c.Revoke && (q.topic != aboutImpact || c.URL == "" || c.AsOf != nil):
		return q, errors.New("--revoke goes with --impact of now and with --url: the server ends the tokens")
	case q.topic == aboutEvents && c.Out == outJSON:
		return q, errPlayForm
	case c.Yes && !c.Revoke:
		return q, errors.New("--yes goes with --revoke")
	case asked > 1:
		return q, errors.New("one question at a time: --application, --token, --organization, --state-hash, --diff, --lineage, --impact, --what-if or --speed")
	case c.AsOf == nil:
		return q, nil
	case q.topic == aboutDiff:
		return q, errors.New("--as-of does not go with --diff, which names two moments itself")
	}
	if q.at, err = parseMoment(*c.AsOf, now); err != nil {
		return q, fmt.Errorf("--as-of: %w", err)
	}
	return q, nil
}

// diff is the value of --diff, with the second moment that may follow it as an
// argument of its own.
func (c *replayCmd) diff() *string {
	if c.Diff == nil || c.Until == "" {
		return c.Diff
	}
	both := *c.Diff + ".." + c.Until
	return &both
}

func (q *question) about(t topic, kind string) func(string) error {
	return func(id string) error {
		if id == "" {
			return errors.New("want an id")
		}
		q.topic, q.id, q.what = t, id, fmt.Sprintf("%s %.80q", kind, id)
		return nil
	}
}

func (q *question) aboutToken(t topic) func(string) error {
	return func(jti string) (err error) {
		q.topic, q.what = t, "token "+jti
		if q.token, err = events.ParseTokenID(jti); err != nil {
			return fmt.Errorf("%.80q is not a jti: 32 hex digits", jti)
		}
		return nil
	}
}

func (q *question) parseImpact(text string) error {
	kind, id, ok := strings.Cut(text, ":")
	if !ok || id == "" {
		return fmt.Errorf("%.80q is not one of secret:APPLICATION[@VERSION], application:ID, user:ID, key:KID", text)
	}
	q.topic, q.what = aboutImpact, fmt.Sprintf("%.20s %.80q", kind, id)
	switch kind {
	case "application":
		q.suspect = replay.Suspect{Application: id}
	case "user":
		q.suspect = replay.Suspect{User: id}
	case "key":
		q.suspect = replay.Suspect{Key: id}
	case "secret":
		q.suspect = replay.Suspect{Application: id, OfSecret: true}
		application, version, given := strings.Cut(id, "@")
		if !given {
			return nil
		}
		n, err := strconv.ParseUint(version, 10, 31)
		if err != nil || n == 0 {
			return fmt.Errorf("%.40q is not the number of a secret's version, which count from 1", version)
		}
		q.suspect.Application, q.suspect.Version = application, int(n)
	default:
		return fmt.Errorf("%.40q is not one of secret, application, user, key", kind)
	}
	return nil
}

func (q *question) parsePlay(text string) (err error) {
	q.topic = aboutEvents
	q.speed, err = parseSpeed(text)
	return err
}

func (q *question) parseDiff(text string) (err error) {
	from, to, ok := strings.Cut(text, "..")
	if !ok {
		return fmt.Errorf("%.80q is not T1..T2", text)
	}
	q.topic = aboutDiff
	if q.at, err = parseMoment(from, q.now); err != nil || to == "" {
		return err
	}
	q.until, err = parseMoment(to, q.now)
	return err
}

// parseMoment reads a position or a time that has passed.
func parseMoment(text string, now time.Time) (replay.Moment, error) {
	if n, err := strconv.ParseUint(text, 10, 63); err == nil && n > 0 {
		return replay.Moment{Position: events.Position(n)}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil || t.IsZero():
		return replay.Moment{}, fmt.Errorf("%.80q is neither a position of the log, from 1, nor a time such as 2026-01-02T15:04:05Z", text)
	case t.After(now):
		return replay.Moment{}, fmt.Errorf("%s is in the future", t.Format(time.RFC3339Nano))
	}
	return replay.Moment{Time: t.UTC()}, nil
}
