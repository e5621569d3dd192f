package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/grantlog/grantlog/events/tree"
)

// proveGrowth asks a server to prove that its log begins with what was kept.
func (c *verifyCmd) proveGrowth(ctx context.Context, p process, e *evidence, kept []keptCheckpoint) error {
	s := e.log.(*servedLog)
	for _, k := range kept {
		if err := s.proveFrom(ctx, k.Head); err != nil {
			return unproved(fmt.Errorf("%s: %w", k.file, err))
		}
	}
	if c.Save != "" {
		if err := replaceFile(c.Save, e.signed); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(p.Stdout, "position  %d\nroot      %s\n", e.head.Size, e.head.Root)
	if err != nil {
		return err
	}
	return c.printKept(p.Stdout, e, kept)
}

// proveFrom asks for the proof from a kept head to the server's and checks it.
func (s *servedLog) proveFrom(ctx context.Context, kept tree.Head) error {
	switch {
	case kept.Size == 0:
		return nil // every log begins with nothing
	case kept.Size > s.head.Size:
		return fmt.Errorf("the log is not the one it was; the first bad position is %d: the log ends at %d", s.head.Size+1, s.head.Size)
	}
	body, err := s.open(ctx, "/proof", url.Values{"from": {fmt.Sprint(kept.Size)}, "to": {fmt.Sprint(s.head.Size)}})
	if err != nil {
		return err
	}
	defer body.Close()
	var answer struct {
		Path []tree.Hash `json:"path"`
	}
	if err := json.NewDecoder(body).Decode(&answer); err != nil {
		return errors.Join(errServer, err)
	}
	if err := (tree.Consistency{From: kept, To: s.head, Path: answer.Path}).Check(); err != nil {
		return fmt.Errorf("the log is not the one it was; the first bad position is one from 1 to %d: no proof leads from the checkpoint to the server's: %w", kept.Size, err)
	}
	return nil
}
