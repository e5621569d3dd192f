// Package strictyaml reads the YAML files an operator writes. Nothing in them
// is skipped or guessed: an unknown key, a duplicate key or a value of the
// wrong kind is an error of one line that names the file and the line, and
// never quotes the value, which may be a secret.
package strictyaml

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// Error is a fault of a file, at a line from 1.
type Error struct {
	File string
	Line int
	Msg  string
}

func (e *Error) Error() string { return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Msg) }

// Document is the one YAML document of a file.
type Document struct {
	name string
	root ast.Node // nil when the file is empty
}

// Parse reads data, which came from the file called name.
func Parse(name string, data []byte) (*Document, error) {
	d := &Document{name: name}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, d.wrap(err)
	}
	for _, doc := range file.Docs {
		switch {
		case doc.Body == nil || doc.Body.Type() == ast.NullType:
		case d.root != nil:
			return nil, d.at(doc.Body, "a second document in one file")
		default:
			d.root = doc.Body
		}
	}
	return d, nil
}

// Errorf makes an error at the line of path, whose elements are keys (string)
// and indexes (int). Where the path is absent, the line is that of its nearest
// ancestor.
func (d *Document) Errorf(path []any, format string, args ...any) *Error {
	node, _ := d.find(path)
	return d.at(node, fmt.Sprintf(format, args...))
}

// Has reports whether path stands in the document.
func (d *Document) Has(path []any) bool {
	_, ok := d.find(path)
	return ok
}

// find returns the node of path: for a key, the node of its key and value. It
// returns the nearest ancestor and false where there is none.
func (d *Document) find(path []any) (ast.Node, bool) {
	node := d.root
	for _, step := range path {
		next := child(value(node), step)
		if next == nil {
			return node, false
		}
		node = next
	}
	return node, node != nil
}

func child(node ast.Node, step any) ast.Node {
	switch step := step.(type) {
	case string:
		if m, ok := node.(ast.MapNode); ok {
			for it := m.MapRange(); it.Next(); {
				if keyText(it.Key()) == step {
					return it.KeyValue()
				}
			}
		}
	case int:
		if s, ok := node.(*ast.SequenceNode); ok && step < len(s.Values) {
			return s.Values[step]
		}
	}
	return nil
}

// value descends from a key to its value.
func value(node ast.Node) ast.Node {
	if kv, ok := node.(*ast.MappingValueNode); ok {
		return kv.Value
	}
	return node
}

func keyText(key ast.MapKeyNode) string {
	if s, ok := key.(ast.ScalarNode); ok {
		return fmt.Sprint(s.GetValue())
	}
	return key.String()
}

// at makes an error at the line of node, or at line 1 of an empty file.
func (d *Document) at(node ast.Node, msg string) *Error {
	e := &Error{File: d.name, Line: 1, Msg: msg}
	if kv, ok := node.(*ast.MappingValueNode); ok {
		node = kv.Key
	}
	if node != nil {
		e.Line = node.GetToken().Position.Line
	}
	return e
}

// wrap turns an error of the YAML library into one line without an excerpt of
// the source.
func (d *Document) wrap(err error) error {
	e := &Error{File: d.name, Line: 1, Msg: "not valid YAML"}
	if located := yaml.Error(nil); errors.As(err, &located) {
		e.Msg, _, _ = strings.Cut(located.GetMessage(), "\n")
		if t := located.GetToken(); t != nil {
			e.Line = t.Position.Line
		}
	}
	return e
}
