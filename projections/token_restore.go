package projections

import (
	"encoding/binary"
	"strings"

	"github.com/grantlog/grantlog/events"
)

// tokenReader restores sections of tokens into a table.
type tokenReader struct {
	below       TokenPlace      // every token is issued after it
	limit       events.Position // of the state: no token is issued after it
	application string
	last        TokenPlace // the application's newest so far
	origins     []Token    // the section's origins; their other fields are empty
	holders     []holder
}

func (r *tokenReader) section(t *Tokens, body []byte) error {
	in := fields{rest: body}
	application := in.string()
	switch c := strings.Compare(application, r.application); {
	case in.bad || len(in.rest) == 0 || c < 0:
		return malformed("tokens of %q after those of %q", application, r.application)
	case c > 0:
		r.last = r.below
	}
	r.application, r.origins, r.holders = application, r.origins[:0], r.holders[:0]
	var before Token
	for len(in.rest) > 0 {
		n := r.token(&in, &before)
		if in.bad || !r.follows(&n) || t.find(n.ID) != 0 {
			return malformed("a token of application %q", application)
		}
		t.insert(&n)
		r.last, before = n.Place(), n
	}
	return nil
}

func (r *tokenReader) token(in *fields, before *Token) Token {
	var n Token
	id, digest := in.bytes(len(n.ID)), in.bytes(len(n.Digest))
	position := before.Position + events.Position(in.uvarint())
	ordinal := in.uvarint()
	issuedAt := before.IssuedAt + in.varint()
	expiresAt := issuedAt + in.varint()

	n = r.origin(in)
	copy(n.ID[:], id)
	copy(n.Digest[:], digest)
	n.Application, n.Position = r.application, position
	n.Ordinal, in.bad = int(ordinal), in.bad || ordinal > maxOrdinal
	n.IssuedAt, n.ExpiresAt = issuedAt, expiresAt
	h := r.holder(in)
	n.User, n.Family = h.user, h.family
	n.Ended = in.uvarint() == 1
	return n
}

func (r *tokenReader) origin(in *fields) Token {
	number := in.uvarint()
	if number == 0 {
		r.origins = append(r.origins, Token{
			Organization: in.string(), Secret: int(in.varint()),
			Scope: in.string(), Grant: in.string(), Key: in.string(), Service: in.string(),
		})
		number = uint64(len(r.origins))
	}
	if number > uint64(len(r.origins)) {
		in.bad = true
		return Token{}
	}
	return r.origins[number-1]
}

func (r *tokenReader) holder(in *fields) holder {
	number := in.uvarint()
	if number == 0 {
		r.holders = append(r.holders, holder{user: in.string(), family: in.string()})
		number = uint64(len(r.holders))
	}
	if number > uint64(len(r.holders)) {
		in.bad = true
		return holder{}
	}
	return r.holders[number-1]
}

// follows reports whether a token stands where it may: after the application's
// last one and not after the state's position.
func (r *tokenReader) follows(n *Token) bool {
	if n.Position > r.limit {
		return false
	}
	return n.Position > r.last.Position || n.Position == r.last.Position && n.Ordinal > r.last.Ordinal
}

// fields reads the parts of a binary section. At the first one that is not
// there it turns bad, and then returns zeros.
type fields struct {
	rest []byte
	bad  bool
}

func (f *fields) bytes(n int) []byte {
	if f.bad || n > len(f.rest) {
		f.bad, f.rest = true, nil
		return nil
	}
	b := f.rest[:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) string() string {
	n := f.uvarint()
	if n > uint64(len(f.rest)) {
		f.bad = true
		return ""
	}
	return string(f.bytes(int(n)))
}

func (f *fields) uvarint() uint64 {
	v, n := binary.Uvarint(f.rest)
	if n <= 0 {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return v
}

func (f *fields) varint() int64 {
	v, n := binary.Varint(f.rest)
	if n <= 0 {
		f.bad, f.rest = true, nil
		return 0
	}
	f.rest = f.rest[n:]
	return v
}
