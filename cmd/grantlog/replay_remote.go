package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/handlers/oauth"
	"github.com/grantlog/grantlog/replay"
)

// asked answers by asking a running server: it reads what the server shows of
// the past, and works out from events what the server has no answer for.
type asked struct{ *remote }

func (c *replayCmd) openServer() (reader, error) {
	r, err := openRemote(c.URL, c.AdminFile)
	return &asked{r}, err
}

func (s *asked) answer(ctx context.Context, q question) (answer, error) {
	if err := s.login(ctx); err != nil {
		return nil, err
	}
	switch q.topic {
	case aboutState:
		return s.summary(ctx, q)
	case aboutHash:
		a, err := s.summary(ctx, q)
		return hashAnswer{AsOf: a.AsOf, StateHash: a.StateHash}, err
	case aboutDiff:
		return s.diff(ctx, q)
	}
	at, err := s.place(ctx, q)
	if err != nil {
		return nil, err
	}
	switch q.topic {
	case aboutApplication:
		return s.application(ctx, q, at)
	case aboutOrganization:
		return s.organization(ctx, q, at)
	}
	if err := s.hasEverything(ctx); err != nil {
		return nil, err
	}
	switch q.topic {
	case aboutWhatIf:
		return s.whatIf(ctx, q, at)
	case aboutImpact:
		h, err := s.suspicious(ctx, q.suspect, at.Position)
		if err != nil {
			return nil, err
		}
		m, err := replay.FindImpact(ctx, h, q.suspect, at.Time)
		if err == nil {
			m.AsOf = at
			err = s.confirm(ctx, q, m.Tokens...)
		}
		return impactAnswerOf(q, m, err)
	}
	h, err := s.ancestry(ctx, q.token, at.Position)
	if err != nil {
		return nil, err
	}
	l, ok, err := replay.FindLineage(ctx, h, q.token, at.Time)
	l.AsOf = at
	if ok && err == nil {
		err = s.confirm(ctx, q, &l.Token)
	}
	return lineageAnswerOf(q, l, ok, err)
}

// place asks which position a moment is, and by which time it is judged.
func (s *asked) place(ctx context.Context, q question) (at replay.Bound, err error) {
	if q.at == (replay.Moment{}) {
		var ready struct {
			Position events.Position `json:"position"`
		}
		_, err = s.get(ctx, "/readyz", nil, &ready)
		return replay.Bound{Position: ready.Position, Time: q.now}, err
	}
	header, err := s.get(ctx, "/oauth/organizations", q.query("limit", "1"), nil)
	if err != nil {
		return at, err
	}
	position, err := strconv.ParseUint(header.Get("As-Of-Position"), 10, 64)
	at.Position = events.Position(position)
	if err == nil {
		at.Time, err = time.Parse(time.RFC3339Nano, header.Get("As-Of-Time"))
	}
	if err != nil {
		err = errors.New("the server does not answer for the past: it is older than this program")
	}
	return at, err
}

// hasEverything makes sure that accounts of all events can be made of those that
// the server lists.
func (s *asked) hasEverything(ctx context.Context) error {
	first, err := s.firstListed(ctx)
	if err == nil && first > 1 {
		err = &usageError{fmt.Errorf("the server's log before position %d was archived, and this asks for all of it: ask the log itself, with --data or --nats, and give the archive with --archive", first)}
	}
	return err
}

// firstListed is the first record that the server has.
func (s *asked) firstListed(ctx context.Context) (events.Position, error) {
	header, err := s.get(ctx, "/oauth/events", url.Values{"limit": {"1"}}, nil)
	first := header.Get(oauth.FirstHeader)
	if err != nil || first == "" {
		return 1, err
	}
	n, err := strconv.ParseUint(first, 10, 63)
	return events.Position(n), err
}

// query makes a query of name and value pairs, for the moment of a question.
func (q *question) query(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	if q.at != (replay.Moment{}) {
		values.Set("as_of", momentText(q.at))
	}
	return values
}

// momentText is a moment as a parameter of a request.
func momentText(m replay.Moment) string {
	if m.Position != 0 {
		return fmt.Sprint(m.Position)
	}
	return m.Time.Format(time.RFC3339Nano)
}

// errNotThere is an object that the server does not show.
var errNotThere = errors.New("the server does not show it")

// get reads an answer into body, unless that is nil.
func (s *asked) get(ctx context.Context, path string, query url.Values, body any) (http.Header, error) {
	resp, err := s.ask(ctx, http.MethodGet, path+"?"+query.Encode())
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	err = refusal(resp)
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, errNotThere
	case resp.StatusCode == http.StatusBadRequest:
		return nil, &usageError{err}
	case err != nil || body == nil:
		return resp.Header, err
	}
	return resp.Header, json.NewDecoder(resp.Body).Decode(body)
}

// listPage is a page of any list: each fills the member of its name.
type listPage struct {
	Applications  []applicationBody  `json:"applications"`
	Organizations []organizationBody `json:"organizations"`
	Tokens        []tokenBody        `json:"tokens"`
	Events        []auditEntry       `json:"events"`
	NextCursor    string             `json:"nextCursor"`
}

// pages gives each the pages of a list, to its end.
func (s *asked) pages(ctx context.Context, path string, query url.Values, each func(*listPage)) error {
	query.Set("limit", "200")
	for {
		var page listPage
		if _, err := s.get(ctx, path, query, &page); err != nil {
			return err
		}
		each(&page)
		if page.NextCursor == "" {
			return nil
		}
		query.Set("cursor", page.NextCursor)
	}
}
