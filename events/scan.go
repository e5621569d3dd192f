package events

import (
	"encoding/binary"
	"math/bits"
	"unsafe"
)

// cursor reads the canonical form of a page or an event: no white space, fixed
// member order, strings without escapes. A method that answers false leaves
// the cursor anywhere; the caller then starts again with encoding/json.
type cursor struct {
	b []byte
	i int
}

// literal skips s.
func (c *cursor) literal(s string) bool {
	end := c.i + len(s)
	if end > len(c.b) || string(c.b[c.i:end]) != s {
		return false
	}
	c.i = end
	return true
}

// text reads the rest of a string whose opening quote was skipped, and its
// closing quote. The result aliases the buffer.
func (c *cursor) text() (string, bool) {
	i := skipPlainText(c.b, c.i)
	if i == len(c.b) || c.b[i] != '"' {
		return "", false
	}
	s := unsafe.String(unsafe.SliceData(c.b[c.i:]), i-c.i)
	c.i = i + 1
	return s, true
}

// skipPlainText returns the index of the first byte of b[i:] that is not plain.
// It looks at eight at a time: of a word, the lowest byte that is marked is the
// lowest that is not plain, and a carry marks only higher ones.
func skipPlainText(b []byte, i int) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, backslash := w^each*'"', w^each*'\\'
		marks := (quote-each)&^quote | (backslash-each)&^backslash |
			(w-each*' ')&^w | (w + each) | w
		if marks &= high; marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
	}
	for i < len(b) && plain[b[i]] {
		i++
	}
	return i
}

// number reads an integer of 0 to 18 digits' worth, so it cannot overflow.
func (c *cursor) number() (int64, bool) {
	start, n := c.i, int64(0)
	for ; c.i < len(c.b) && c.b[c.i]-'0' <= 9; c.i++ {
		if c.i-start == 18 {
			return 0, false
		}
		n = n*10 + int64(c.b[c.i]-'0')
	}
	digits := c.i - start
	return n, digits == 1 || digits > 1 && c.b[start] != '0'
}

// hex fills dst from lower-case hex and skips the closing quote.
func (c *cursor) hex(dst []byte) bool {
	end := c.i + 2*len(dst)
	if end >= len(c.b) || c.b[end] != '"' {
		return false
	}
	for j := range dst {
		hi, lo := nibbles[c.b[c.i+2*j]], nibbles[c.b[c.i+2*j+1]]
		if hi|lo > 15 {
			return false
		}
		dst[j] = hi<<4 | lo
	}
	c.i = end + 1
	return true
}

// plain holds the bytes that encoding/json writes and reads as they are.
var plain = func() (t [256]bool) {
	for b := byte(' '); b <= '~'; b++ {
		t[b] = b != '"' && b != '\\'
	}
	return t
}()

var nibbles = func() (t [256]byte) {
	for b := range t {
		t[b] = nibble(byte(b))
	}
	return t
}()

// skipSpace returns the index of the first byte of b[i:] that is not JSON
// white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\n' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the index after the string that starts at b[i].
func skipString(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skipValue returns the index after the JSON value that starts at b[i]. It
// finds the end of a valid value; what it makes of an invalid one is for
// encoding/json to refuse.
func skipValue(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
		case '{', '[':
			depth++
			i++
		case '}', ']':
			depth--
			i++
		default:
			i = skipPlain(b, i)
		}
		if depth <= 0 {
			return i
		}
	}
	return len(b)
}

// skipPlain returns the index of the next byte of structure: it steps over a
// number, a literal or, inside of a container, separators. It always moves.
func skipPlain(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '"', '{', '[', '}', ']', ',', ':', ' ', '\t', '\n', '\r':
			return i
		}
	}
	return len(b)
}
