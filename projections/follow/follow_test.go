package follow_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/events/journal/journaltest"
	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/projections/follow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits that a healthy machine ends in milliseconds.
const patience = 30 * time.Second

// replica is a journal with what a follower needs beside it.
type replica struct {
	*journal.Journal
	t      testing.TB
	config follow.Config
	log    *logBuffer
}

func newReplica(t testing.TB, env *journaltest.Env, change ...func(*journal.Config)) *replica {
	r := &replica{t: t, Journal: env.Open(change...), log: &logBuffer{}}
	r.config = follow.Config{
		Journal: r.Journal, Single: true, Dir: t.TempDir(), Key: key('a'),
		Logger: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	return r
}

// key is one that a master key could give.
func key(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// begin starts a follower, which the test ends.
func (r *replica) begin() *follow.Follower {
	r.t.Helper()
	f, err := follow.Start(r.t.Context(), r.config)
	if err != nil {
		r.t.Fatalf("start: %v", err)
	}
	r.t.Cleanup(func() { end(r.t, f) })
	return f
}

// start is begin and ready.
func (r *replica) start() *follow.Follower {
	r.t.Helper()
	f := r.begin()
	ready(r.t, f)
	return f
}

func ready(t testing.TB, f *follow.Follower) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.WaitReady(ctx); err != nil {
		t.Fatalf("ready: %v", err)
	}
}

func end(t testing.TB, f *follow.Follower) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := f.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

// write appends organizations with the given ids, one record each, and returns
// the last position.
func (r *replica) write(ids ...string) (last events.Position) {
	r.t.Helper()
	for _, id := range ids {
		d := &events.OrganizationCreated{ID: id, Name: id}
		pos, err := r.Append(r.t.Context(), events.OrganizationSubject(id), event(id, d))
		if err != nil {
			r.t.Fatalf("append: %v", err)
		}
		last = pos
	}
	return last
}

// connected waits until the server answers after a restart.
func (r *replica) connected() {
	r.t.Helper()
	eventually(r.t, "the server is back", func() bool {
		_, err := r.Last(r.t.Context())
		return err == nil
	})
}

func event(organization string, d events.Data) *events.Event {
	return &events.Event{
		ID: events.NewID("e_"), Time: time.Now().UTC().Truncate(time.Microsecond), Organization: organization, Data: d,
	}
}

func await(t testing.TB, f *follow.Follower, pos events.Position) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := f.WaitFor(ctx, pos); err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what nothing announces.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	look := time.NewTicker(2 * time.Millisecond)
	defer look.Stop()
	late := time.After(patience)
	for !is() {
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("not in time: %s", what)
		}
	}
}

func hashOf(f *follow.Follower) (hash [32]byte) {
	f.View(func(s *projections.State) { hash = s.Hash() })
	return hash
}

func knows(f *follow.Follower, organization string) (known bool) {
	f.View(func(s *projections.State) { _, known = s.Organizations.Get(organization) })
	return known
}

// clock is set by the test.
type clock struct{ offset atomic.Int64 }

func (c *clock) now() time.Time           { return time.Unix(1_800_000_000, c.offset.Load()) }
func (c *clock) advance(by time.Duration) { c.offset.Add(int64(by)) }

type logBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logBuffer) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Count(l.b.Bytes(), []byte(text))
}

func TestFollowsTheLog(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	r.write("before")
	var seen []events.Position
	var f *follow.Follower
	visible := true
	r.config.OnApply = append(r.config.OnApply, func(rec *journal.Record) {
		seen = append(seen, rec.Position)
		if rec.Position > 1 {
			visible = visible && f.Position() == rec.Position && knows(f, fmt.Sprint("o", rec.Position))
		}
	})
	f = r.start()
	if !knows(f, "before") || f.Fresh() != nil {
		t.Fatalf("not what the log says: %v", f.Fresh())
	}
	await(t, f, r.write("o2", "o3", "o4"))
	if s := f.Status(); s.Position != 4 || s.Last != 4 || s.Lag != 0 || s.Err != nil {
		t.Errorf("status is %+v", s)
	}
	end(t, f)
	if fmt.Sprint(seen) != "[1 2 3 4]" || !visible {
		t.Errorf("hooks saw %v, each record visible: %v", seen, visible)
	}
	if err := f.WaitFor(t.Context(), 5); !errors.Is(err, follow.ErrClosed) {
		t.Errorf("after Close a wait ends with %v", err)
	}
}

// What a page says of its writer's view is what the follower had applied.
func TestPagesStateWhatWasSeen(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	r.write("o1")
	var headers []events.PageHeader
	r.config.OnApply = append(r.config.OnApply, func(rec *journal.Record) { headers = append(headers, rec.Header) })
	f := r.start()
	await(t, f, r.write("o2"))
	await(t, f, r.write("o3"))
	end(t, f)
	if headers[1].Seen.Position != 1 || headers[2].Seen.Position != 2 || headers[2].Seen.Chain == (events.Chain{}) {
		t.Errorf("pages state %+v and %+v", headers[1].Seen, headers[2].Seen)
	}
}

func TestWaitForIsPatientWithManyAndWithTheImpatient(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	f := r.start()
	gone, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the client left")

	const perPosition, positions = 50, 20
	errs := make(chan error, perPosition*positions)
	left := make(chan error, perPosition)
	for i := range perPosition {
		for p := range positions {
			go func() {
				err := f.WaitFor(t.Context(), events.Position(p+1))
				if err == nil && f.Position() < events.Position(p+1) {
					err = fmt.Errorf("woken for %d at %d", p+1, f.Position())
				}
				errs <- err
			}()
		}
		go func() { left <- f.WaitFor(gone, events.Position(1000+i%2)) }()
	}
	eventually(t, "all wait", func() bool { return follow.Waiting(f) == perPosition*(positions+1) })
	for p := range positions {
		r.write(fmt.Sprint("o", p))
	}
	for range perPosition * positions {
		if err := <-errs; err != nil {
			t.Fatal(err)
		}
	}
	cancel(cause)
	for range perPosition {
		if err := <-left; !errors.Is(err, cause) {
			t.Fatalf("left with %v", err)
		}
	}
	if n := follow.Waiting(f); n != 0 {
		t.Errorf("%d waits were not forgotten", n)
	}
}

func TestReadersNeverSeeHalfARecord(t *testing.T) {
	r := newReplica(t, journaltest.New(t))
	f := r.start()
	stop := make(chan struct{})
	torn := make(chan string, 1)
	go func() {
		defer close(torn)
		for {
			select {
			case <-stop:
				return
			default:
			}
			f.View(func(s *projections.State) {
				if n := len(s.Organizations.IDs()); n%10 != 0 {
					select {
					case torn <- fmt.Sprintf("%d organizations", n):
					default:
					}
				}
			})
		}
	}()
	for page := range 50 {
		var evs []*events.Event
		for i := range 10 {
			id := fmt.Sprintf("o%d-%d", page, i)
			evs = append(evs, event(id, &events.OrganizationCreated{ID: id, Name: id}))
		}
		pos, err := r.Append(t.Context(), events.BootstrapSubject(), evs...)
		if err != nil {
			t.Fatal(err)
		}
		await(t, f, pos)
	}
	close(stop)
	if s, bad := <-torn; bad {
		t.Error(s)
	}
}

// A record is read as a whole before it is applied, so the events of a page
// must not share what a reader reuses; in either spelling of JSON.
func TestTokensOfOnePageKeepTheirOwn(t *testing.T) {
	env := journaltest.New(t)
	r := newReplica(t, env)
	f := r.start()
	var pages [2][]string
	var ids []events.TokenID
	for i := range 6 {
		d := &events.TokenIssued{
			ID: events.NewTokenID(), Application: fmt.Sprint("a", i), Grant: fmt.Sprint("g", i), Scope: fmt.Sprint("s", i),
			User: fmt.Sprint("u", i), Key: fmt.Sprint("k", i), ExpiresAt: time.Now().Unix() + 3600,
		}
		b, err := events.AppendEvent(nil, event(fmt.Sprint("o", i), d))
		if err != nil {
			t.Fatal(err)
		}
		pages[i/3] = append(pages[i/3], string(b))
		ids = append(ids, d.ID)
	}
	inject(t, env, events.TokensSubject(), pageHead+strings.Join(pages[0], ",")+"]}")
	spaced := strings.ReplaceAll(strings.Join(pages[1], " , "), `,"`, `, "`)
	inject(t, env, events.TokensSubject(), pageHead+spaced+"]}")
	await(t, f, 2)
	for i, id := range ids {
		f.View(func(s *projections.State) {
			tok, _ := s.Token(id)
			got := tok.Organization + tok.Application + tok.Grant + tok.Scope + tok.User + tok.Key
			if want := fmt.Sprintf("o%[1]da%[1]dg%[1]ds%[1]du%[1]dk%[1]d", i); got != want {
				t.Errorf("token %d is %+v", i, tok)
			}
		})
	}
}
