package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/replay"
)

// begin finds out where the server's log begins.
func (s *servedLog) begin(ctx context.Context) error {
	first, err := s.firstListed(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errServer, err)
	}
	s.first = first
	return nil
}

// Origin is what replay asks for.
func (s *servedLog) Origin() replay.Origin {
	if s.first <= 1 {
		return nil
	}
	return &servedOrigin{s}
}

// servedOrigin is what a server's log begins with, as far as it can be proved:
// hashes. They lead to the root of the server's checkpoint, or are not believed.
type servedOrigin struct{ s *servedLog }

// errServedState is what only a base tells.
var errServedState = errors.New("what the server's log begins with is not known here")

func (o *servedOrigin) Cursor() journal.Cursor                            { return journal.Cursor{Position: o.s.first} }
func (o *servedOrigin) Previous() events.Chain                            { return events.Chain{} }
func (o *servedOrigin) State(context.Context) (*projections.State, error) { return nil, errServedState }
func (o *servedOrigin) Time(context.Context) (time.Time, error)           { return time.Time{}, errServedState }

// Edge asks for the tiles that it consists of.
func (o *servedOrigin) Edge(ctx context.Context) (tree.Edge, error) {
	size := int64(o.s.first)
	var tiles [][]byte
	for _, path := range tree.EdgePaths(size) {
		var tile []byte
		if path != "" {
			body, err := o.s.open(ctx, "/tile/"+path, nil)
			if err != nil {
				return tree.Edge{}, err
			}
			tile, err = io.ReadAll(io.LimitReader(body, maxTile))
			if err = errors.Join(err, body.Close()); err != nil {
				return tree.Edge{}, fmt.Errorf("%w: %w", errServer, err)
			}
		}
		tiles = append(tiles, tile)
	}
	edge, err := tree.EdgeOf(size, tiles)
	if err != nil {
		return edge, fmt.Errorf("%w: %w", errServer, err)
	}
	return edge, nil
}

// maxTile bounds what is read of a tile, in bytes.
const maxTile = 1 << 20

// Head asks for the proof from a former root to that of the edge.
func (o *servedOrigin) Head(ctx context.Context, size int64) (head tree.Head, err error) {
	if size == 0 {
		return head, nil // every log begins with nothing
	}
	edge, err := o.Edge(ctx)
	if err != nil {
		return head, err
	}
	p := tree.Consistency{From: tree.Head{Size: size}}
	if p.To, err = edge.Head(); err != nil {
		return head, err
	}
	body, err := o.s.open(ctx, "/proof", url.Values{"from": {fmt.Sprint(size)}, "to": {fmt.Sprint(p.To.Size)}})
	if err != nil {
		return head, err
	}
	defer body.Close()
	var answer struct {
		Root tree.Hash   `json:"fromRoot"`
		Path []tree.Hash `json:"path"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return head, errors.Join(errServer, err)
	}
	p.From.Root, p.Path = answer.Root, answer.Path
	if err := p.Check(); err != nil {
		return head, &replay.MismatchError{Position: events.Position(size), Reason: "no proof leads from there to where the log begins"}
	}
	return p.From, nil
}
