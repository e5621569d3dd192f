package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/replay"
)

// errServer says that a server did not answer as it should: nothing is proved.
var errServer = errors.New("the server does not answer")

// servedLog is the log of a running server, as far as its checkpoint reaches.
// It is a replay.Log.
type servedLog struct {
	*asked
	head  tree.Head
	first events.Position // that the server has
	shown string          // Consistency-Token of the checkpoint; empty: none was given yet
}

// openServed asks a server for its key and its checkpoint.
func (c *verifyCmd) openServed(ctx context.Context, _ process) (*evidence, error) {
	r, err := openRemote(c.URL, c.AdminFile)
	if err != nil {
		return nil, err
	}
	if err := r.login(ctx); err != nil {
		return nil, fmt.Errorf("%w: %w", errServer, err)
	}
	s := &servedLog{asked: &asked{r}}
	e := &evidence{log: s, key: c.VerifierKey, close: func() error { return nil }, stateHash: s.stateHash}
	if e.key == "" {
		text, err := s.text(ctx, "/key")
		if err != nil {
			return nil, err
		}
		e.key = strings.TrimSpace(string(text))
	}
	if e.signed, err = s.text(ctx, "/checkpoint"); err != nil {
		return nil, err
	}
	signed, err := tree.OpenCheckpoint(e.signed, e.key)
	if err != nil {
		return nil, fmt.Errorf("the server's checkpoint: %w", err)
	}
	s.head, e.head = signed.Head, signed.Head
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	if len(c.Archives.Archive) == 0 {
		return e, nil
	}
	master, err := loadMaster(&c.Log.logSettings)
	if err != nil {
		return nil, &usageError{fmt.Errorf("--archive: an archive is opened with the master key of the log: %w", err)}
	}
	return e, c.addArchives(ctx, e, master, s)
}

// Last returns the last record under the checkpoint.
func (s *servedLog) Last(context.Context) (events.Position, error) {
	return events.Position(s.head.Size), nil
}

// Read implements replay.Log. Who wrote a record only the master key can tell,
// and it stays where it is; everything else is verified.
func (s *servedLog) Read(ctx context.Context, from journal.Cursor, to events.Position, fn func(*journal.Record) error) error {
	v := journal.NewVerifier(nil, from)
	for at := from.Position; at < to; {
		body, err := s.open(ctx, "/records", url.Values{"after": {fmt.Sprint(at)}, "limit": {fmt.Sprint(min(to-at, 10_000))}})
		if err != nil {
			return err
		}
		before := at
		err = readRecords(body, v, func(r *journal.Record) error {
			at = r.Position
			return fn(r)
		})
		if err = errors.Join(err, body.Close()); err != nil {
			return err
		}
		if at == before {
			return &journal.GapError{Want: at + 1}
		}
	}
	return nil
}

// readRecords reads an answer with records. One that breaks off ends early.
func readRecords(body io.Reader, v *journal.Verifier, fn func(*journal.Record) error) error {
	lines := bufio.NewReaderSize(body, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				return nil
			}
			return fmt.Errorf("%w: %w", errServer, err)
		}
		var m struct {
			Position events.Position `json:"position"`
			Subject  string          `json:"subject"`
			MAC      string          `json:"mac"`
			Payload  json.RawMessage `json:"payload"`
		}
		if err := json.Unmarshal(line, &m); err != nil {
			return fmt.Errorf("%w with records: %w", errServer, err)
		}
		record, err := v.Next(journal.Message{Position: m.Position, Subject: m.Subject, MAC: m.MAC, Payload: m.Payload})
		if err != nil {
			return err
		}
		if err := fn(record); err != nil {
			return err
		}
	}
}

// stateHash asks for the hash of the server's state at a position.
func (s *servedLog) stateHash(ctx context.Context, at events.Position) (string, error) {
	a, err := s.summary(ctx, question{at: replay.Moment{Position: at}})
	if err != nil {
		return "", fmt.Errorf("%w: %w", errServer, err)
	}
	return a.StateHash, nil
}

// text asks for a short text below the log's prefix.
func (s *servedLog) text(ctx context.Context, path string) ([]byte, error) {
	body, err := s.open(ctx, path, nil)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxCheckpoint))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errServer, err)
	}
	return text, nil
}

// A server whose tree is still on its way to the log's end answers 503: it is
// asked again for so long.
const (
	busyPatience = 15 * time.Second
	busyRetry    = 250 * time.Millisecond
)

// open asks for something below the log's prefix, from a replica that has the
// checkpoint, with a new token if the old one has ended.
func (s *servedLog) open(ctx context.Context, path string, query url.Values) (io.ReadCloser, error) {
	began, renewed := time.Now(), false
	for {
		var header []string
		if s.shown != "" {
			header = []string{"Consistency-Token", s.shown}
		}
		resp, err := s.ask(ctx, http.MethodGet, tree.Prefix+path+"?"+query.Encode(), header...)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errServer, err)
		}
		if err = refusal(resp); err == nil {
			s.shown = cmp.Or(resp.Header.Get("Consistency-Token"), s.shown)
			return resp.Body, nil
		}
		resp.Body.Close()
		switch {
		case resp.StatusCode == http.StatusUnauthorized && !renewed:
			renewed = true
			err = s.login(ctx)
		case resp.StatusCode == http.StatusServiceUnavailable && time.Since(began) < busyPatience && ctx.Err() == nil:
			time.Sleep(busyRetry)
			err = nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errServer, err)
		}
	}
}
