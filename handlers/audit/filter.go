package audit

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/handlers/page"
)

// filter says which events a list or a stream is about. Empty fields select
// everything.
type filter struct {
	organization  string // or authn.Everywhere
	types         []string
	application   string // that acted, or that the event is about
	user          string // likewise
	actor         string // application or user that acted
	token         *events.TokenID
	after, before events.Position
	since, until  time.Time
	backward      bool // the latest first

	floor events.Position // what is up to here was archived; it is in no cursor
}

// lowest is the position after which the list begins.
func (f filter) lowest() events.Position { return max(f.after, f.floor) }

// parseFilter reads the filters of a query.
func parseFilter(query url.Values, organization string) (f filter, err error) {
	f.organization = organization
	texts := map[string]*string{"application": &f.application, "user": &f.user, "actor": &f.actor}
	for name, into := range texts {
		if *into, err = page.One(query, name); err != nil {
			return f, err
		}
	}
	if f.token, err = parseToken(query); err != nil {
		return f, err
	}
	types, err := page.One(query, "type")
	if err != nil {
		return f, err
	}
	if types != "" {
		f.types = strings.Split(types, ",")
	}
	for _, name := range f.types {
		if !slices.Contains(events.Types(), events.Type(name)) {
			return f, oauth.Invalid("type names an event type that does not exist")
		}
	}
	for name, into := range map[string]*events.Position{"after": &f.after, "before": &f.before} {
		if *into, err = parsePosition(query, name); err != nil {
			return f, err
		}
	}
	for name, into := range map[string]*time.Time{"since": &f.since, "until": &f.until} {
		if *into, err = parseTime(query, name); err != nil {
			return f, err
		}
	}
	f.backward, err = parseOrder(query)
	return f, err
}

func parseOrder(query url.Values) (backward bool, err error) {
	switch order, err := page.One(query, "order"); {
	case err != nil:
		return false, err
	case order == "desc":
		return true, nil
	case order == "asc", !query.Has("order"):
		return false, nil
	}
	return false, oauth.Invalid("order must be asc or desc")
}

func parseToken(query url.Values) (*events.TokenID, error) {
	text, err := page.One(query, "token")
	if err != nil || text == "" {
		return nil, err
	}
	id, err := events.ParseTokenID(text)
	if err != nil {
		return nil, oauth.Invalid("token must be the jti of a token")
	}
	return &id, nil
}

func parsePosition(query url.Values, name string) (events.Position, error) {
	text, err := page.One(query, name)
	if err != nil || text == "" {
		return 0, err
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, oauth.Invalid(name + " must be a position of the log")
	}
	return events.Position(n), nil
}

func parseTime(query url.Values, name string) (time.Time, error) {
	text, err := page.One(query, name)
	if err != nil || text == "" {
		return time.Time{}, err
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, oauth.Invalid(name + " must be a time of RFC 3339, such as 2026-01-02T15:04:05Z")
	}
	return t, nil
}

// bound names the filter for the cursors of a list, which hold for it alone.
func (f filter) bound() []string {
	token := ""
	if f.token != nil {
		token = f.token.String()
	}
	list := "events"
	if f.backward {
		list = "events backward"
	}
	return []string{
		list, f.organization, strings.Join(f.types, ","), f.application, f.user, f.actor, token,
		strconv.FormatUint(uint64(f.after), 10), strconv.FormatUint(uint64(f.before), 10),
		f.since.UTC().Format(time.RFC3339Nano), f.until.UTC().Format(time.RFC3339Nano),
	}
}

// admits decides on what can be told without rendering; the cheap part.
func (f filter) admits(e *events.Event) bool {
	return (f.organization == authn.Everywhere || f.organization == e.Organization) &&
		(f.types == nil || slices.Contains(f.types, string(e.Type))) &&
		(f.actor == "" || f.actor == e.Actor.Application || f.actor == e.Actor.User) &&
		(f.since.IsZero() || !e.Time.Before(f.since)) &&
		(f.until.IsZero() || !e.Time.After(f.until)) &&
		f.admitsToken(e)
}

// admitsToken decides on what the event says of a token. Issuances are most of
// a log: those that a filter leaves out are not even rendered.
func (f filter) admitsToken(e *events.Event) bool {
	switch d := e.Data.(type) {
	case *events.TokenIssued:
		return (f.token == nil || *f.token == d.ID) &&
			(f.application == "" || f.application == d.Application || f.application == e.Actor.Application) &&
			(f.user == "" || f.user == d.User || f.user == e.Actor.User)
	case *events.TokenRevoked:
		return f.token == nil || *f.token == d.ID
	}
	return f.token == nil
}

// concerns decides on what the payload says.
func (f filter) concerns(e Entry) bool {
	return (f.application == "" || e.about("application", f.application) || e.Actor.Application == f.application) &&
		(f.user == "" || e.about("user", f.user) || e.Actor.User == f.user)
}

// about reports whether an event is about an application or a user: its type
// is the kind's and its id that one, or a member of the kind's name says so.
func (e Entry) about(kind, id string) bool {
	member := kind
	if strings.HasPrefix(string(e.Type), kind+".") {
		member = "id"
	}
	var text string
	return json.Unmarshal(e.Data[member], &text) == nil && text == id
}
