package strictyaml

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Setting is one key of a flat file and its text as written.
type Setting struct {
	Key  string
	Text string // a list is joined by commas
	Line int
}

// Settings reads the document as a flat list of keys with scalar values or
// lists of scalars.
func (d *Document) Settings() ([]Setting, error) {
	if d.root == nil {
		return nil, nil
	}
	m, ok := d.root.(ast.MapNode)
	if !ok {
		return nil, d.at(d.root, "want keys and values")
	}
	var settings []Setting
	for it := m.MapRange(); it.Next(); {
		key := keyText(it.Key())
		text, ok := scalars(it.Value())
		if !ok {
			return nil, d.at(it.KeyValue(), "the value of "+key+" is not text, a number or a list of them")
		}
		settings = append(settings, Setting{Key: key, Text: text, Line: it.Key().GetToken().Position.Line})
	}
	return settings, nil
}

func scalars(node ast.Node) (string, bool) {
	if list, ok := node.(*ast.SequenceNode); ok {
		texts := make([]string, len(list.Values))
		for i, item := range list.Values {
			text, ok := scalar(item)
			if !ok {
				return "", false
			}
			texts[i] = text
		}
		return strings.Join(texts, ","), true
	}
	return scalar(node)
}

// scalar returns the text of a scalar, for a number exactly as it was written.
func scalar(node ast.Node) (string, bool) {
	switch node.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return node.GetToken().Value, true
	}
	return text(node)
}
