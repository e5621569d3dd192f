package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/tree"
)

// maxProof bounds what is read of a saved proof, in bytes: a record has at most
// 8 MiB.
const maxProof = 32 << 20

// savedProof is an answer of /oauth/log/proof about a record. What it shows of
// the record is there only if an administrator asked, and named an event.
type savedProof struct {
	Position   events.Position `json:"position"`
	Size       int64           `json:"size"`
	Leaf       tree.Hash       `json:"leaf"`
	Root       tree.Hash       `json:"root"`
	Path       []tree.Hash     `json:"path"`
	Entry      string          `json:"entry"`
	Checkpoint string          `json:"checkpoint"`
	Payload    []byte          `json:"payload"`
	Event      *struct {
		ID    string `json:"id"`
		Index int    `json:"index"`
	} `json:"event"`
}

func readProof(file string) (*savedProof, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, &usageError{err}
	}
	defer f.Close()
	p := new(savedProof)
	if err := json.NewDecoder(io.LimitReader(f, maxProof)).Decode(p); err != nil || p.Position == 0 || p.Size == 0 {
		return nil, &usageError{fmt.Errorf("%s: not an answer of /oauth/log/proof?position=", file)}
	}
	return p, nil
}

// verifyInclusion proves that a record, and an event of it, are among those of a
// checkpoint. It asks nobody.
func (c *verifyCmd) verifyInclusion(p process, kept []keptCheckpoint) error {
	proof, err := readProof(c.Proof)
	if err != nil {
		return err
	}
	of, event, err := c.included(proof, kept)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Proof, err)
	}
	if _, err := fmt.Fprintf(p.Stdout, "position  %d\nroot      %s\n", proof.Position, proof.Root); err != nil {
		return err
	}
	if event != nil {
		if _, err := fmt.Fprintf(p.Stdout, "%s\nevent %s is in the record\n", event, proof.Event.ID); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(p.Stdout, "the record is one of the %d records of %s\n", proof.Size, of)
	return err
}

// included checks a proof, and returns what it is of and the event that it shows.
func (c *verifyCmd) included(proof *savedProof, kept []keptCheckpoint) (of string, event []byte, err error) {
	of = "the checkpoint that came with it"
	if len(kept) > 0 {
		of, err = proof.among(kept)
	}
	if err == nil && c.VerifierKey != "" {
		err = proof.signed(c.VerifierKey)
	}
	if err != nil {
		return "", nil, err
	}
	head := tree.Head{Size: proof.Size, Root: proof.Root}
	if err := (tree.Inclusion{Head: head, Leaf: proof.Leaf, Path: proof.Path}).Check(proof.Position); err != nil {
		return "", nil, fmt.Errorf("no proof leads from the record to the checkpoint: %w", err)
	}
	if proof.Event != nil {
		event, err = proof.event()
	}
	return of, event, err
}

// among finds the checkpoint whose tree the proof is of.
func (p *savedProof) among(kept []keptCheckpoint) (file string, err error) {
	for _, k := range kept {
		switch {
		case k.Size != p.Size:
		case k.Root != p.Root:
			return "", fmt.Errorf("it is of another log than %s: their roots differ", k.file)
		default:
			file = k.file
		}
	}
	if file == "" {
		err = &usageError{fmt.Errorf("it is of %d records, and no --checkpoint is: ask for one with size=%d", p.Size, kept[0].Size)}
	}
	return file, err
}

// signed verifies the checkpoint that came with the proof.
func (p *savedProof) signed(verifierKey string) error {
	peeked, err := tree.PeekCheckpoint([]byte(p.Checkpoint))
	if err != nil {
		return err
	}
	key, err := tree.VerifierKeyFor(peeked.Origin, verifierKey)
	if err != nil {
		return err
	}
	opened, err := tree.OpenCheckpoint([]byte(p.Checkpoint), key)
	if err == nil && opened.Head != (tree.Head{Size: p.Size, Root: p.Root}) {
		err = errors.New("the checkpoint that came with it is of another tree")
	}
	return err
}

// event returns the event as it is stored, out of the record that the leaf is of.
func (p *savedProof) event() ([]byte, error) {
	_, subject, _ := strings.Cut(strings.TrimSuffix(p.Entry, "\n"), "  ")
	if !bytes.Equal(tree.AppendEntry(nil, subject, p.Payload), []byte(p.Entry)) || tree.Leaf(subject, p.Payload) != p.Leaf {
		return nil, errors.New("the record that it shows is not the one that it proves")
	}
	var record struct {
		Events []json.RawMessage `json:"events"`
	}
	var found struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal(p.Payload, &record)
	i := p.Event.Index
	if err != nil || i < 0 || i >= len(record.Events) || json.Unmarshal(record.Events[i], &found) != nil || found.ID != p.Event.ID {
		return nil, fmt.Errorf("the record has no event %.80q in that place", p.Event.ID)
	}
	return record.Events[i], nil
}
