package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/grantlog/grantlog/projections"
)

// questions is how many moments are asked for, each another one.
const questions = 200

// introspectPast: introspection as of moments of a log that is a day long, and
// of one that is as long as its tokens live, so that all of them are live at its
// end.
func introspectPast(ctx context.Context, r *run) (result, error) {
	var figures []figure
	for _, span := range []time.Duration{24 * time.Hour, projections.DefaultTokenLifetime} {
		p := &pastLog{run: r, span: span}
		more, err := p.measure(ctx)
		if err != nil {
			return result{}, err
		}
		figures = append(figures, more...)
	}
	return result{Figures: figures}, nil
}

// measure asks a server on a log of its own.
func (l *pastLog) measure(ctx context.Context) (figures []figure, err error) {
	if l.dir, err = l.dataDir(); err != nil {
		return nil, err
	}
	defer os.RemoveAll(l.dir)
	if err := l.build(ctx); err != nil {
		return nil, err
	}
	p, err := l.start(ctx, "serve", "--data", l.dir)
	if err != nil {
		return nil, err
	}
	defer p.stop()
	say := func(name string, value float64, unit string) {
		figures = append(figures, figure{fmt.Sprintf("%s, %d issuances in %v", name, l.Issuances, l.span), value, unit})
	}
	first, err := l.ask(ctx, p, l.moments(1))
	if err != nil {
		return nil, err
	}
	moments := l.moments(questions)
	near, err := l.ask(ctx, p, moments)
	if err != nil {
		return nil, err
	}
	again, err := l.ask(ctx, p, moments[len(moments)-4:])
	if err != nil {
		return nil, err
	}
	now, err := l.ask(ctx, p, make([]moment, questions))
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(l.dir, "state", "history", "*"))
	if err != nil {
		return nil, err
	}
	say("first question, nothing kept", milliseconds(first.percentile(50)), "ms")
	say("as of any moment, p50", milliseconds(near.percentile(50)), "ms")
	say("as of any moment, p95", milliseconds(near.percentile(95)), "ms")
	say("as of a moment asked before, p50", milliseconds(again.percentile(50)), "ms")
	say("of now, p50", milliseconds(now.percentile(50)), "ms")
	say("states kept", float64(len(files)), "")
	return figures, nil
}

// moment is a time and a token that was live then. A zero one is now, of which
// no more is asked than an answer.
type moment struct {
	asOf  time.Time
	token string
}

// moments draws times; a single one is the middle of the log.
func (l *pastLog) moments(n int) []moment {
	random := rand.New(rand.NewPCG(uint64(l.Issuances), uint64(n)))
	drawn := make([]moment, n)
	for i := range drawn {
		page := random.IntN(len(l.marks))
		if n == 1 {
			page = len(l.marks) / 2
		}
		drawn[i] = moment{l.marks[page].asOf.Add(time.Duration(random.IntN(1e6))), l.marks[page].token}
	}
	return drawn
}

// ask introspects one token after the other.
func (l *pastLog) ask(ctx context.Context, p *process, moments []moment) (done phase, err error) {
	client := &http.Client{Transport: &http.Transport{}, Timeout: startTimeout} // the first one may fold most of the log
	defer client.CloseIdleConnections()
	for _, m := range moments {
		form := url.Values{"token": {m.token}}
		if !m.asOf.IsZero() {
			form.Set("as_of", m.asOf.Format(time.RFC3339Nano))
		} else {
			form.Set("token", l.marks[0].token)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+p.address+"/oauth/introspect", strings.NewReader(form.Encode()))
		if err != nil {
			return done, err
		}
		req.Header = l.client.form()
		began := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			return done, err
		}
		body := make([]byte, 1024)
		n, _ := resp.Body.Read(body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK || !m.asOf.IsZero() && !strings.HasPrefix(string(body[:n]), `{"active":true,`) {
			return done, errors.Join(errAnswer, fmt.Errorf("status %d: %s", resp.StatusCode, body[:n]))
		}
		done.latencies = append(done.latencies, time.Since(began))
	}
	slices.Sort(done.latencies)
	return done, nil
}
