// Package page owns how lists are cut into pages: the limit parameter and the
// cursor, which says after which entry to go on.
//
// A cursor is opaque to clients and authenticated (a forged or altered one is
// 400, and so is one made for another list, organization or filter), so that a
// handler may trust what it finds in it. It carries no secret and does not
// expire; it stays good across replicas and restarts, for its key is derived
// from the master key.
package page

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"strconv"

	"github.com/grantlog/grantlog/handlers/oauth"
)

// Purpose names the key of Cursors for the derivation from the master key.
const Purpose = "cursors"

// Sizes of a page, in entries.
const (
	DefaultLimit = 50
	MaxLimit     = 200
)

const (
	version   = 1
	macBytes  = 16
	maxAfter  = 256 // bytes of a place in a list
	maxCursor = 512 // characters
)

var errCursor = oauth.Invalid("The cursor is not one that this list gave")

// Cursors makes and reads cursors. It is safe for concurrent use.
type Cursors struct {
	key []byte
	// Epoch, if set, is that of the log: a cursor from before the log was
	// restored from a backup may lead to a place that is another's now.
	Epoch func() string
}

// New returns Cursors under a key derived for Purpose.
func New(key []byte) *Cursors { return &Cursors{key: key} }

// Request is what a client asks of a list.
type Request struct {
	Limit int
	After []byte // the place after which to go on, as given to Next; nil: from the start
}

// Parse reads limit and cursor. The list is named by its name, organization
// and filters; each is bound into the cursor.
func (c *Cursors) Parse(query url.Values, list ...string) (Request, error) {
	limit, err := parseLimit(query["limit"])
	if err != nil {
		return Request{}, err
	}
	cursor, given := query["cursor"]
	if !given {
		return Request{Limit: limit}, nil
	}
	if len(cursor) != 1 {
		return Request{}, oauth.Invalid("The cursor parameter is repeated")
	}
	after, err := c.open(cursor[0], list)
	return Request{Limit: limit, After: after}, err
}

// Next returns the cursor of the entries after a place.
func (c *Cursors) Next(after []byte, list ...string) string {
	raw := append([]byte{version}, after...)
	return base64.RawURLEncoding.EncodeToString(append(raw, c.mac(raw, list)...))
}

func (c *Cursors) open(cursor string, list []string) ([]byte, error) {
	if len(cursor) > maxCursor {
		return nil, errCursor
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(raw) <= macBytes || raw[0] != version || len(raw) > 1+maxAfter+macBytes {
		return nil, errCursor
	}
	body, mac := raw[:len(raw)-macBytes], raw[len(raw)-macBytes:]
	// DecodeString skips line breaks; a cursor has exactly one spelling.
	if !hmac.Equal(mac, c.mac(body, list)) || base64.RawURLEncoding.EncodeToString(raw) != cursor {
		return nil, errCursor
	}
	return body[1:], nil
}

// mac covers the list's names with their lengths, so that no two lists of
// names read the same.
func (c *Cursors) mac(body []byte, list []string) []byte {
	mac := hmac.New(sha256.New, c.key)
	var length [8]byte
	if c.Epoch != nil {
		if epoch := c.Epoch(); epoch != "" {
			list = append([]string{"epoch", epoch}, list...)
		}
	}
	for _, name := range list {
		binary.BigEndian.PutUint64(length[:], uint64(len(name)))
		mac.Write(length[:])
		mac.Write([]byte(name))
	}
	binary.BigEndian.PutUint64(length[:], ^uint64(0))
	mac.Write(length[:])
	mac.Write(body)
	return mac.Sum(nil)[:macBytes]
}

// Limit reads the limit parameter of a list that is not cut by cursors.
func Limit(query url.Values) (int, error) { return parseLimit(query["limit"]) }

func parseLimit(values []string) (int, error) {
	if values == nil {
		return DefaultLimit, nil
	}
	if len(values) != 1 {
		return 0, oauth.Invalid("The limit parameter is repeated")
	}
	limit, err := strconv.ParseUint(values[0], 10, 31)
	if err != nil || limit < 1 || limit > MaxLimit {
		return 0, oauth.Invalid("limit must be a number from 1 to " + strconv.Itoa(MaxLimit))
	}
	return int(limit), nil
}

// Query parses a request's query strictly: what net/url would drop silently is
// 400.
func Query(r *http.Request) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, oauth.Invalid("The query is malformed")
	}
	return query, nil
}

// One returns the one value of a parameter; empty if it is absent.
func One(query url.Values, name string) (string, error) {
	switch values := query[name]; len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", oauth.Invalid("The " + name + " parameter is repeated")
}
