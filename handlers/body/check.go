package body

import (
	"encoding/json"
	"io"
	"reflect"
	"strings"

	"github.com/grantlog/grantlog/handlers/oauth"
)

// members are the names that an object may have, each with those of its value;
// nil for a value that is no object.
type members map[string]members

// membersOf reads the json tags of a struct, through pointers and slices.
func membersOf(v any) members { return typeMembers(reflect.TypeOf(v)) }

func typeMembers(t reflect.Type) members {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	m := make(members)
	for _, f := range reflect.VisibleFields(t) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.Anonymous && name != "" && name != "-" {
			m[name] = typeMembers(f.Type)
		}
	}
	return m
}

// container is an object or array that the reader stands in.
type container struct {
	members members
	seen    map[string]bool // names so far; nil in an array
	value   members         // of the value that comes next, in an object
	inValue bool            // an object's name was read, its value was not
}

// checker walks the tokens of a text. It keeps its own stack, so that depth
// costs no recursion.
type checker struct {
	tokens *json.Decoder
	stack  []container
}

// check holds a text to the rules of the package, to its last byte.
func check(text string, known members) error {
	c := checker{tokens: json.NewDecoder(strings.NewReader(text))}
	c.tokens.UseNumber()
	token, err := c.tokens.Token()
	if err != nil {
		return errSyntax
	}
	if token != json.Delim('{') {
		return errObject
	}
	c.push(token, known)
	for len(c.stack) > 0 {
		token, err := c.tokens.Token()
		if err != nil {
			return errSyntax
		}
		if err := c.step(token); err != nil {
			return err
		}
	}
	if _, err := c.tokens.Token(); err != io.EOF {
		return oauth.Invalid("The body has bytes after its JSON value")
	}
	return nil
}

func (c *checker) push(open json.Token, known members) {
	next := container{members: known}
	if open == json.Delim('{') {
		next.seen = make(map[string]bool)
	}
	c.stack = append(c.stack, next)
}

func (c *checker) step(token json.Token) error {
	top := &c.stack[len(c.stack)-1]
	if token == json.Delim('}') || token == json.Delim(']') {
		c.stack = c.stack[:len(c.stack)-1]
		return nil
	}
	if text, ok := token.(string); ok && strings.ContainsAny(text, "\x00\ufffd") {
		return oauth.Invalid("The body contains text that is not Unicode, or NUL")
	}
	if top.seen != nil && !top.inValue {
		return top.name(token.(string))
	}
	value := top.members
	if top.seen != nil {
		value, top.inValue = top.value, false
	}
	switch token {
	case nil:
		return oauth.Invalid("null is not accepted; leave the member out")
	case json.Delim('{'), json.Delim('['):
		if len(c.stack) == maxDepth {
			return oauth.Invalid("The body is nested too deeply")
		}
		c.push(token, value)
	}
	return nil
}

func (o *container) name(name string) error {
	value, known := o.members[name]
	switch {
	case !known && plainWord(name):
		return oauth.Invalid("Unknown field " + name)
	case !known:
		return oauth.Invalid("Unknown field")
	case o.seen[name]:
		return oauth.Invalid("The field " + name + " is repeated")
	}
	o.seen[name], o.value, o.inValue = true, value, true
	return nil
}

// plainWord reports whether a name that a client sent may stand in an answer.
func plainWord(s string) bool {
	if s == "" || len(s) > 40 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_':
		default:
			return false
		}
	}
	return true
}

// describe names the JSON type that a Go type is read from.
func describe(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Slice:
		return "an array"
	case reflect.Struct:
		return "an object"
	}
	return "of another type"
}
