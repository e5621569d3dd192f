package bench

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/events/journal"
	"github.com/grantlog/grantlog/handlers/authn"
	"github.com/grantlog/grantlog/handlers/emit"
	"github.com/grantlog/grantlog/handlers/guard"
	"github.com/grantlog/grantlog/projections/follow"
)

const (
	// decisionsPerRequest makes a round of decisions, which take microseconds,
	// about as long as one of requests.
	decisionsPerRequest = 25
	// decisionsPerLook is how many pass between two looks at the clock.
	decisionsPerLook = 100

	benchIssuer  = "https://issuer.example"
	benchReplica = "r_bench"
)

// boundless is what no benchmark uses up.
var boundless = events.Limits{PerMinute: 1_000_000_000, PerHour: 1_000_000_000}

// decideCalls: the guard's whole decision in this process for a token that was
// seen before, counting included, by one caller.
func decideCalls(ctx context.Context, r *run) (result, error) {
	var rounds []decisions
	err := r.guarded(ctx, func(g *guard.Guard, token string) error {
		c := guard.Call{Token: token, Method: http.MethodGet, Path: guardedPath + "/7"}
		for round := range r.Rounds + 1 {
			d, err := r.decide(ctx, g, c)
			if err != nil {
				return err
			}
			if round > 0 {
				rounds = append(rounds, d)
				r.progress("guard: round %d of %d: %.2f µs", round, r.Rounds, d.microseconds())
			}
		}
		return nil
	})
	if err != nil {
		return result{}, err
	}
	best := slices.MinFunc(rounds, func(a, b decisions) int { return int(a.took - b.took) })
	return result{Figures: []figure{
		{"a decision about a token seen before", median(rounds, (*decisions).microseconds), "µs"},
		{"at best", best.microseconds(), "µs"},
		{"allocations of a decision", median(rounds, func(d *decisions) float64 { return d.allocations }), ""},
	}}, nil
}

// decisions is what one costs, of many.
type decisions struct {
	took        time.Duration // of a thousand
	allocations float64
}

func (d *decisions) microseconds() float64 { return float64(d.took) / 1000 / float64(time.Microsecond) }

// decide judges one call again and again.
func (r *run) decide(ctx context.Context, g *guard.Guard, c guard.Call) (decisions, error) {
	wanted, done := r.Requests*decisionsPerRequest, 0
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	for done < wanted && time.Since(began) < r.Duration && ctx.Err() == nil {
		for range decisionsPerLook {
			if _, err := g.Check(ctx, c); err != nil {
				return decisions{}, err
			}
		}
		done += decisionsPerLook
	}
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	if done == 0 {
		return decisions{}, context.Cause(ctx)
	}
	return decisions{
		took:        took * 1000 / time.Duration(done),
		allocations: float64((after.Mallocs - before.Mallocs) / uint64(done)),
	}, nil
}

// guarded lets use call a guard that stands on a log of its own, and gives it
// a token that the log shows.
func (r *run) guarded(ctx context.Context, use func(*guard.Guard, string) error) (err error) {
	dir, err := r.dataDir()
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	conn, stop, err := r.StartNATS(dir)
	if err != nil {
		return err
	}
	defer stop()
	defer conn.Close()
	j, f, err := followed(ctx, conn)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close(ctx), j.Close(ctx)) }()
	e := emit.New(j, f, time.Now)
	callers := authn.New(authn.Config{
		View: f.View, CatchUp: e.Prove, Now: time.Now,
		Hash:   func(string) events.SecretDigest { return events.SecretDigest{} },
		Verify: func(string) ([]byte, error) { return nil, errors.New("every token stands in the log") },
	})
	g := guard.New(guard.Config{
		Authn: callers, Emit: e, Fresh: f.Fresh, Issuer: benchIssuer, Replica: benchReplica, Log: slog.New(slog.DiscardHandler),
	})
	token, err := openRoute(ctx, j, f)
	if err != nil {
		return err
	}
	life, cancel := context.WithCancel(ctx)
	var accounts sync.WaitGroup
	accounts.Go(func() { g.Run(life) })
	defer accounts.Wait()
	defer cancel()
	return use(g, token)
}

// followed opens an empty log and follows it.
func followed(ctx context.Context, conn *nats.Conn) (*journal.Journal, *follow.Follower, error) {
	j, err := journal.Open(ctx, journal.Config{Conn: conn, MACKey: make([]byte, 32), Replica: benchReplica})
	if err != nil {
		return nil, nil, err
	}
	f, err := follow.Start(ctx, follow.Config{Journal: j, Single: true})
	if err == nil {
		err = f.WaitReady(ctx)
	}
	if err != nil {
		return nil, nil, errors.Join(err, j.Close(ctx))
	}
	return j, f, nil
}

// openRoute writes an organization with a catalogue, an application and a
// token for one of its routes. Nobody checks the signature of a token that the
// log shows, so it has none.
func openRoute(ctx context.Context, j *journal.Journal, f *follow.Follower) (string, error) {
	now := time.Now()
	app, issued := application(), issuance(now)
	app.Limits = boundless
	claims := fmt.Sprintf(`{"iss":%q,"aud":%q,"client_id":%q,"sub":%q,"jti":%q,"iat":%d,"exp":%d,"scope":%q}`,
		benchIssuer, benchIssuer, app.ClientID, app.ClientID, issued.ID, issued.IssuedAt, issued.ExpiresAt, scope)
	token := strings.Join([]string{
		base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"ES256","typ":"at+jwt"}`)),
		base64.RawURLEncoding.EncodeToString([]byte(claims)), base64.RawURLEncoding.EncodeToString(make([]byte, 64)),
	}, ".")
	issued.Digest = authn.Digest(token)
	for _, data := range []events.Data{
		&events.OrganizationCreated{ID: organization, Name: "Benchmark", Limits: boundless},
		&events.ScopesSet{ID: organization, Scopes: []events.Scope{{Name: scope, Routes: []string{"GET " + guardedPath + "/*"}}}},
		app, issued,
	} {
		subject, err := events.SubjectFor(organization, data)
		if err != nil {
			return "", err
		}
		position, err := j.Append(ctx, subject, envelope(now, data))
		if err == nil {
			err = f.WaitFor(ctx, position)
		}
		if err != nil {
			return "", err
		}
	}
	return token, nil
}
