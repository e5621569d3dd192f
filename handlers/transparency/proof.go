package transparency

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/tree"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
)

// inclusion proves that a tree has a record: path leads from leaf to root.
type inclusion struct {
	Position   events.Position `json:"position"`
	Size       int64           `json:"size"`
	Leaf       tree.Hash       `json:"leaf"`
	Root       tree.Hash       `json:"root"`
	Path       []tree.Hash     `json:"path"`
	Entry      string          `json:"entry,omitempty"` // for administrators
	*disclosed                 // if an event is named
	Checkpoint string          `json:"checkpoint"` // of size and root
}

// consistency proves that the tree of size to begins with that of size from.
type consistency struct {
	From       int64       `json:"from"`
	To         int64       `json:"to"`
	FromRoot   tree.Hash   `json:"fromRoot"`
	ToRoot     tree.Hash   `json:"toRoot"`
	Path       []tree.Hash `json:"path"`
	Checkpoint string      `json:"checkpoint"` // of to and its root
}

var errQuestion = oauth.Invalid("Name a position, with or without size and event, or from and to")

// proof answers one of two questions.
func (e *Endpoint) proof(c echo.Context) error {
	query, err := page.Query(c.Request())
	if err != nil {
		return err
	}
	included, consistent := query.Has("position"), query.Has("from")
	switch {
	case included && !consistent && !query.Has("to"):
		return e.inclusion(c, query)
	case consistent && !included && !query.Has("size") && !query.Has("event"):
		return e.consistency(c, query)
	}
	return errQuestion
}

func (e *Endpoint) inclusion(c echo.Context, query url.Values) error {
	ctx := c.Request().Context()
	position, err := number(query, "position", 0)
	if err != nil {
		return err
	}
	size, err := number(query, "size", int64(e.Position()))
	if err != nil {
		return err
	}
	event, err := eventAsked(c, query)
	if err != nil {
		return err
	}
	p, err := e.Notary.Inclusion(ctx, events.Position(position), size)
	if err != nil {
		return refused(err)
	}
	answer := inclusion{Position: events.Position(position), Size: p.Head.Size, Leaf: p.Leaf, Root: p.Head.Root, Path: filled(p.Path)}
	if authn.From(c).Admin() {
		if err := e.disclose(ctx, &answer, event); err != nil {
			return err
		}
	}
	if answer.Checkpoint, err = e.signed(p.Head); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}

func (e *Endpoint) consistency(c echo.Context, query url.Values) error {
	from, err := number(query, "from", 0)
	if err != nil {
		return err
	}
	to, err := number(query, "to", int64(e.Position()))
	if err != nil {
		return err
	}
	p, err := e.Notary.Consistency(c.Request().Context(), from, to)
	if err != nil {
		return refused(err)
	}
	answer := consistency{From: p.From.Size, To: p.To.Size, FromRoot: p.From.Root, ToRoot: p.To.Root, Path: filled(p.Path)}
	if answer.Checkpoint, err = e.signed(p.To); err != nil {
		return err
	}
	return c.JSON(http.StatusOK, answer)
}

func (e *Endpoint) signed(head tree.Head) (string, error) {
	text, err := e.Notary.Sign(head)
	return string(text), err
}

// filled makes a path that is written as a list also when it is empty.
func filled(path []tree.Hash) []tree.Hash {
	if path == nil {
		return []tree.Hash{}
	}
	return path
}

// number reads a parameter that is a position or a size; 0, where one is not
// missing, is neither.
func number(query url.Values, name string, missing int64) (int64, error) {
	text, err := page.One(query, name)
	if err != nil || !query.Has(name) {
		return missing, err
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil || n == 0 {
		return 0, oauth.Invalid(name + " must be a number from 1")
	}
	return int64(n), nil
}

// refused says that a question is about more than there is.
func refused(err error) error {
	if errors.Is(err, tree.ErrBeyond) {
		return oauth.Invalid("The log has no such records, or not in that order")
	}
	return err
}
