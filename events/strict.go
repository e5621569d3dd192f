package events

import (
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// shape is what encoding/json does not check of a struct: that member names
// are spelled exactly, known and not repeated, and that the ones which are
// always written are there. A nil shape is any value.
type shape struct {
	members  map[string]member
	required uint64 // bits of the members that the encoder never omits
	list     *shape // of a slice's elements
	nullable bool   // a nil slice or pointer is written as null
}

type member struct {
	bit   uint64
	shape *shape
}

var (
	errMember    = errors.New("unknown member")
	errDuplicate = errors.New("duplicate member")
	errMissing   = errors.New("missing member")
	errNull      = errors.New("null")

	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

// shapeOf builds the shape of a Go type from its json tags. A field without
// one has no name in the log.
func shapeOf(t reflect.Type) *shape {
	switch {
	case t == rawType, t.Kind() == reflect.Map, t.Kind() == reflect.Interface:
		return nil
	case reflect.PointerTo(t).Implements(textType):
		return new(shape)
	case t.Kind() == reflect.Pointer:
		s := shapeOf(t.Elem())
		if s != nil {
			s.nullable = true
		}
		return s
	case t.Kind() == reflect.Slice:
		return &shape{list: shapeOf(t.Elem()), nullable: true}
	case t.Kind() == reflect.Struct:
		return shapeOfStruct(t)
	}
	return new(shape)
}

func shapeOfStruct(t reflect.Type) *shape {
	s := &shape{members: make(map[string]member)}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "" || name == "-" {
			continue
		}
		m := member{bit: 1 << len(s.members), shape: shapeOf(f.Type)}
		s.members[name] = m
		if !strings.Contains(options, "omit") {
			s.required |= m.bit
		}
	}
	return s
}

// checkShape holds one JSON value to a shape, to its last byte.
func checkShape(s *shape, b []byte) error {
	if !json.Valid(b) {
		return errors.New("not JSON")
	}
	_, err := s.check(b, skipSpace(b, 0))
	return err
}

// check holds the valid JSON value at b[i] to the shape and returns the index
// after it.
func (s *shape) check(b []byte, i int) (int, error) {
	switch {
	case b[i] == '{' && s != nil && s.members != nil:
		return s.checkMembers(b, i)
	case b[i] == '{':
		return checkAnyMembers(b, i)
	case b[i] == '[':
		return s.checkElements(b, i)
	case b[i] == 'n' && s != nil && !s.nullable:
		return i, errNull
	}
	return skipValue(b, i), nil
}

func (s *shape) checkMembers(b []byte, i int) (int, error) {
	var got uint64
	i, err := eachMember(b, i, func(name string, i int) (int, error) {
		m, ok := s.members[name]
		switch {
		case !ok:
			return i, fmt.Errorf("%w %q", errMember, name)
		case got&m.bit != 0:
			return i, fmt.Errorf("%w %q", errDuplicate, name)
		}
		got |= m.bit
		i, err := m.shape.check(b, i)
		if err != nil {
			return i, fmt.Errorf("%s: %w", name, err)
		}
		return i, nil
	})
	if err == nil && got&s.required != s.required {
		err = errMissing
	}
	return i, err
}

func checkAnyMembers(b []byte, i int) (int, error) {
	got := make(map[string]bool)
	return eachMember(b, i, func(name string, i int) (int, error) {
		if got[name] {
			return i, fmt.Errorf("%w %q", errDuplicate, name)
		}
		got[name] = true
		return (*shape)(nil).check(b, i)
	})
}

func (s *shape) checkElements(b []byte, i int) (int, error) {
	var of *shape
	if s != nil {
		of = s.list
	}
	for i = skipSpace(b, i+1); b[i] != ']'; i = skipSpace(b, i) {
		if b[i] == ',' {
			i = skipSpace(b, i+1)
		}
		var err error
		if i, err = of.check(b, i); err != nil {
			return i, err
		}
	}
	return i + 1, nil
}

// eachMember calls fn with every member's name and the index of its value; fn
// returns the index after the value.
func eachMember(b []byte, i int, fn func(name string, i int) (int, error)) (int, error) {
	for i = skipSpace(b, i+1); b[i] != '}'; i = skipSpace(b, i) {
		if b[i] == ',' {
			i = skipSpace(b, i+1)
		}
		end := skipString(b, i)
		name, err := memberName(b[i:end])
		if err != nil {
			return i, err
		}
		colon := skipSpace(b, end)
		if i, err = fn(name, skipSpace(b, colon+1)); err != nil {
			return i, err
		}
	}
	return i + 1, nil
}

// memberName reads a string, which the result may alias.
func memberName(quoted []byte) (name string, err error) {
	c := cursor{quoted, 1}
	if name, ok := c.text(); ok {
		return name, nil
	}
	return name, json.Unmarshal(quoted, &name)
}
