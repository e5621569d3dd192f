package asof_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/labstack/echo/v4"
	"go.uber.org/goleak"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits that a healthy machine ends in milliseconds.
const patience = 30 * time.Second

var epoch = time.Date(2024, 1, 2, 12, 0, 0, 0, time.UTC)

// site is a log with one organization more at every minute from epoch on.
type site struct {
	t        *testing.T
	journal  *journal.Journal
	follower *follow.Follower
	config   asof.Config
}

func newSite(t *testing.T, organizations ...string) *site {
	t.Helper()
	s := &site{t: t, journal: journaltest.New(t).Open(func(c *journal.Config) { c.Replica = "r_one" })}
	dir := t.TempDir()
	for i, id := range organizations {
		s.write(s.journal, id, epoch.Add(time.Duration(i)*time.Minute))
		s.follow(dir) // keeps a snapshot with every start
	}
	s.config = asof.Config{
		Log: s.journal, History: s.follower.History(), View: s.follower.View,
		Now: func() time.Time { return epoch.Add(time.Hour) },
	}
	return s
}

// follow starts a follower in the place of the former one.
func (s *site) follow(dir string) {
	s.t.Helper()
	f, err := follow.Start(s.t.Context(), follow.Config{Journal: s.journal, Single: true, Dir: dir, Key: journaltest.MACKey()})
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f.WaitReady(ctx); err != nil {
		s.t.Error(err)
	}
	if err := f.Close(ctx); err != nil {
		s.t.Error(err)
	}
	s.follower = f
}

func (s *site) write(j *journal.Journal, organization string, at time.Time) events.Position {
	s.t.Helper()
	e := &events.Event{ID: events.NewID("e_"), Time: at, Organization: organization, Data: &events.OrganizationCreated{ID: organization, Name: organization}}
	position, err := j.Append(s.t.Context(), events.OrganizationSubject(organization), e)
	if err != nil {
		s.t.Fatal(err)
	}
	return position
}

// request is one with the given query.
func request(ctx context.Context, query url.Values) (echo.Context, *httptest.ResponseRecorder) {
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/?"+query.Encode(), nil)
	return echo.New().NewContext(r, w), w
}

// stateOf returns the state that a moment shows.
func stateOf(m asof.Moment) (state *projections.State) {
	m.View(func(s *projections.State) { state = s })
	return state
}
