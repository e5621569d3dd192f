package asof_test

import (
	"context"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/handlers/asof"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

// busy is a site whose log has a record a minute: tokens that live ten minutes,
// some of which are revoked, and all of which one application's end ends.
func busy(t *testing.T) (s *site, last events.Position) {
	t.Helper()
	s = newSite(t, "acme")
	f, err := follow.Start(t.Context(), follow.Config{
		Journal: s.journal, Single: true, Dir: t.TempDir(), Key: journaltest.MACKey(), HistoryBytes: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f.Close(ctx); err != nil { // what it keeps is what questions leave there
		t.Fatal(err)
	}
	s.config.History = f.History()
	write := func(minute int, data ...events.Data) {
		at := epoch.Add(time.Duration(minute) * time.Minute)
		subject, err := events.SubjectFor("acme", data[0])
		if err != nil {
			t.Fatal(err)
		}
		evs := make([]*events.Event, len(data))
		for i, d := range data {
			evs[i] = &events.Event{ID: events.NewID("e_"), Time: at, Organization: "acme", Data: d}
		}
		if last, err = s.journal.Append(t.Context(), subject, evs...); err != nil {
			t.Fatal(err)
		}
	}
	write(0, &events.ApplicationCreated{ID: "a1", ClientID: "app_1", Secret: &events.SecretDigest{1}})
	write(0, &events.ApplicationCreated{ID: "a2", ClientID: "app_2", Secret: &events.SecretDigest{1}})
	for minute := 1; minute < 40; minute++ {
		at := epoch.Add(time.Duration(minute) * time.Minute)
		data := []events.Data{}
		for i, app := range []string{"a1", "a2"} {
			data = append(data, &events.TokenIssued{
				ID: tokenID(minute, i), Digest: events.TokenDigest{byte(minute), byte(i)}, Application: app, Secret: 1,
				Grant: "client_credentials", Key: "k1", IssuedAt: at.Unix(), ExpiresAt: at.Add(10 * time.Minute).Unix(),
			})
		}
		write(minute, data...)
		switch {
		case minute%7 == 0:
			write(minute, &events.TokenRevoked{ID: tokenID(minute-5, 0), Application: "a1"})
		case minute == 25:
			write(minute, &events.ApplicationDisabled{ID: "a2"})
		case minute == 30:
			write(minute, &events.ApplicationEnabled{ID: "a2"})
		}
	}
	return s, last
}

// tokenID has bits that differ where the table looks.
func tokenID(minute, i int) events.TokenID {
	return events.TokenID{byte(7 * minute), byte(i), byte(minute), 0, byte(minute), byte(i)}
}

// Of every token, at every moment, one question tells what the whole state of
// that moment does, whether it is the first or what it needs is kept.
func TestTokensOfThePast(t *testing.T) {
	s, last := busy(t)
	r := asof.New(s.config)
	s.config.History = nil
	log := asof.New(s.config)
	for position := events.Position(1); position <= last; position += 3 {
		query := url.Values{"as_of": {strconv.Itoa(int(position))}}
		c, _ := request(t.Context(), query)
		m, err := r.Query(c)
		if err != nil {
			t.Fatal(err)
		}
		c, _ = request(t.Context(), query)
		all, err := log.Whole(c)
		if err != nil {
			t.Fatal(err)
		}
		compareLookups(t, position, m, all)
	}
}

func compareLookups(t *testing.T, position events.Position, m, all asof.Moment) {
	t.Helper()
	for minute := range 41 {
		for i := range 2 {
			id, digest := tokenID(minute, i), events.TokenDigest{byte(minute), byte(i)}
			var want projections.Token
			var live projections.Liveness
			all.View(func(s *projections.State) { want, live = s.Lookup(id, digest, all.Now) })
			got, l, err := m.Lookup(t.Context())(id, digest)
			if err != nil || got != want || l != live {
				t.Errorf("%d: token %d of minute %d is %v %+v, want %v %+v: %v", position, i, minute, l, got, live, want, err)
			}
			if _, l, err := m.Lookup(t.Context())(id, events.TokenDigest{1, 2, 3}); err != nil || l != projections.Unknown {
				t.Errorf("%d: another string with the jti is %v: %v", position, l, err)
			}
		}
	}
}

// Who lists tokens gets all of them, whatever was asked of that moment before.
func TestListsOfThePastHaveAllTokens(t *testing.T) {
	s, last := busy(t)
	r := asof.New(s.config)
	query := url.Values{"as_of": {strconv.Itoa(int(last))}}
	for range 2 {
		for range 2 {
			c, _ := request(t.Context(), query)
			if _, err := r.Query(c); err != nil {
				t.Fatal(err)
			}
		}
		c, _ := request(t.Context(), query)
		m, err := r.Whole(c)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		m.View(func(s *projections.State) {
			for range s.TokensOf("a1", nil) {
				n++
			}
		})
		if n != 10 {
			t.Errorf("%d tokens", n)
		}
	}
}

// What an outline cannot tell, for the id of a token was used once more, the
// whole state does.
func TestTokensThatCameAgain(t *testing.T) {
	s, last := busy(t)
	r := asof.New(s.config)
	again := func(minute int, life time.Duration) {
		at := epoch.Add(time.Duration(minute) * time.Minute)
		e := &events.Event{ID: events.NewID("e_"), Time: at, Organization: "acme", Data: &events.TokenIssued{
			ID: tokenID(39, 0), Digest: events.TokenDigest{39}, Application: "a1", Secret: 1, Scope: "again",
			Grant: "client_credentials", Key: "k1", IssuedAt: at.Unix(), ExpiresAt: at.Add(life).Unix(),
		}}
		var err error
		if last, err = s.journal.Append(t.Context(), events.TokensSubject(), e); err != nil {
			t.Fatal(err)
		}
	}
	if err := ask(t.Context(), r, int(last)); err != nil { // and leave states behind
		t.Fatal(err)
	}
	again(40, time.Hour) // it does not count: the first one is there
	again(50, time.Hour) // it does
	s.config.History = nil
	for position := last - 2; position <= last; position++ {
		query := url.Values{"as_of": {strconv.Itoa(int(position))}}
		c, _ := request(t.Context(), query)
		m, err := r.Query(c)
		if err != nil {
			t.Fatal(err)
		}
		c, _ = request(t.Context(), query)
		all, err := asof.New(s.config).Whole(c)
		if err != nil {
			t.Fatal(err)
		}
		compareLookups(t, position, m, all)
	}
}
