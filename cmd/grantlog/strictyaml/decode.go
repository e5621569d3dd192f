package strictyaml

import (
	"fmt"
	"reflect"
	"strconv"

	"github.com/goccy/go-yaml/ast"
)

// Decode fills v, a pointer to a struct whose fields have yaml tags and are
// strings, whole numbers, booleans, structs, slices of these, or
// map[string]string.
//
// The YAML library would decode too, but it converts: a password written 0123
// becomes "83" and a lifetime of 60.5 becomes 60. Here text must be text (in
// quotes where it looks like something else) and a number a plain decimal.
func (d *Document) Decode(v any) error {
	if d.root == nil {
		return nil
	}
	return d.decode(d.root, reflect.ValueOf(v).Elem())
}

func (d *Document) decode(node ast.Node, dst reflect.Value) error {
	switch dst.Kind() {
	case reflect.Struct:
		return d.decodeStruct(node, dst)
	case reflect.Map:
		return d.decodeMap(node, dst)
	case reflect.Slice:
		return d.decodeSlice(node, dst)
	case reflect.String:
		text, ok := text(node)
		if !ok {
			return d.at(node, "want text, in quotes if it looks like something else")
		}
		dst.SetString(text)
	case reflect.Int, reflect.Int64:
		n, ok := whole(node)
		if !ok || dst.OverflowInt(n) {
			return d.at(node, "want a whole number")
		}
		dst.SetInt(n)
	case reflect.Bool:
		b, ok := node.(*ast.BoolNode)
		if !ok {
			return d.at(node, "want true or false")
		}
		dst.SetBool(b.Value)
	default:
		panic("strictyaml: cannot decode into " + dst.Type().String())
	}
	return nil
}

func (d *Document) decodeStruct(node ast.Node, dst reflect.Value) error {
	m, ok := node.(ast.MapNode)
	if !ok {
		return d.at(node, "want keys and values")
	}
	for it := m.MapRange(); it.Next(); {
		field, ok := fieldOf(dst, keyText(it.Key()))
		if !ok {
			return d.at(it.KeyValue(), fmt.Sprintf("unknown key %.60q", keyText(it.Key())))
		}
		if err := d.decode(it.Value(), field); err != nil {
			return err
		}
	}
	return nil
}

func fieldOf(dst reflect.Value, key string) (reflect.Value, bool) {
	for i := range dst.NumField() {
		if dst.Type().Field(i).Tag.Get("yaml") == key {
			return dst.Field(i), true
		}
	}
	return reflect.Value{}, false
}

func (d *Document) decodeMap(node ast.Node, dst reflect.Value) error {
	m, ok := node.(ast.MapNode)
	if !ok {
		return d.at(node, "want keys and values")
	}
	dst.Set(reflect.MakeMap(dst.Type()))
	for it := m.MapRange(); it.Next(); {
		item := reflect.New(dst.Type().Elem()).Elem()
		if err := d.decode(it.Value(), item); err != nil {
			return err
		}
		dst.SetMapIndex(reflect.ValueOf(keyText(it.Key())), item)
	}
	return nil
}

func (d *Document) decodeSlice(node ast.Node, dst reflect.Value) error {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		return d.at(node, "want a list")
	}
	dst.Set(reflect.MakeSlice(dst.Type(), len(list.Values), len(list.Values)))
	for i, item := range list.Values {
		if err := d.decode(item, dst.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func text(node ast.Node) (string, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	}
	return "", false
}

// whole returns the value of a plain decimal. A leading zero, which YAML reads
// as octal, is refused.
func whole(node ast.Node) (int64, bool) {
	n, ok := node.(*ast.IntegerNode)
	if !ok {
		return 0, false
	}
	written := n.GetToken().Value
	v, err := strconv.ParseInt(written, 10, 64)
	return v, err == nil && strconv.FormatInt(v, 10) == written
}
