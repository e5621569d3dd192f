package tree

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grantlog/grantlog/events"
)

// edgeName is the file of the edge: a line of JSON and its SHA-256.
const edgeName = "edge"

// savedEdge is what the file of the edge holds.
type savedEdge struct {
	edge   Edge
	chain  events.Chain
	origin string
}

type edgeBody struct {
	Origin string       `json:"origin"`
	Size   int64        `json:"size"`
	Chain  events.Chain `json:"chain"`
	Root   Hash         `json:"root"`
	Tiles  [][]byte     `json:"tiles"` // by level
}

func writeEdge(dir string, s savedEdge) error {
	head, err := s.edge.Head()
	if err != nil {
		return err
	}
	line, err := json.Marshal(edgeBody{Origin: s.origin, Size: head.Size, Chain: s.chain, Root: head.Root, Tiles: s.edge.tiles})
	if err != nil {
		return err
	}
	line = append(line, '\n')
	sum := sha256.Sum256(line)
	return replaceEdge(dir, append(hex.AppendEncode(line, sum[:]), '\n'))
}

// replaceEdge makes the file of the edge another one, as a whole.
func replaceEdge(dir string, text []byte) error {
	// An older file that a power failure brings back is good as well.
	file, err := os.CreateTemp(dir, edgeName+".*.tmp")
	if err != nil {
		return fmt.Errorf("tree: %w", err)
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil {
		err = os.Rename(file.Name(), filepath.Join(dir, edgeName))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("tree: %w", err), os.Remove(file.Name()))
	}
	return nil
}

// removeLeftovers removes what a crash left unfinished.
func removeLeftovers(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, edgeName+".*.tmp"))
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// readEdge reads what writeEdge wrote.
func readEdge(dir string) (s savedEdge, err error) {
	text, err := os.ReadFile(filepath.Join(dir, edgeName))
	if err != nil {
		return s, fmt.Errorf("tree: %w", err)
	}
	return parseEdge(text)
}

func parseEdge(text []byte) (s savedEdge, err error) {
	line, trailer, _ := bytes.Cut(text, []byte("\n"))
	sum := sha256.Sum256(append(line[:len(line):len(line)], '\n'))
	var body edgeBody
	if string(trailer) != hex.EncodeToString(sum[:])+"\n" || json.Unmarshal(line, &body) != nil {
		return s, fmt.Errorf("%w: %s does not verify", ErrDamaged, edgeName)
	}
	s = savedEdge{Edge{size: body.Size, tiles: body.Tiles}, body.Chain, body.Origin}
	if !s.edge.whole() {
		return s, fmt.Errorf("%w: %s is not whole", ErrDamaged, edgeName)
	}
	for level, tile := range s.edge.tiles {
		s.edge.tiles[level] = append(make([]byte, 0, tileBytes), tile...)
	}
	head, err := s.edge.Head()
	if err != nil || head.Root != body.Root {
		return s, errors.Join(fmt.Errorf("%w: %s has another root", ErrDamaged, edgeName), err)
	}
	return s, nil
}
