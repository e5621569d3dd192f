package bench

import (
	"context"
	"net/http"
	"os"
	"slices"
	"time"
)

// startEmpty: from the start of the process on an empty directory to the first
// token in a client's hands.
func startEmpty(ctx context.Context, r *run) (result, error) {
	var first, bare []time.Duration
	for range r.Rounds {
		took, err := r.firstToken(ctx)
		if err != nil {
			return result{}, err
		}
		first = append(first, took)
		if took, err = r.firstBareAnswer(ctx); err != nil {
			return result{}, err
		}
		bare = append(bare, took)
	}
	of := func(d *time.Duration) float64 { return milliseconds(*d) }
	return result{Figures: []figure{
		{"empty directory to the first token", median(first, of), "ms"},
		{"at best", milliseconds(slices.Min(first)), "ms"},
		{"at worst", milliseconds(slices.Max(first)), "ms"},
		{"bare handler to its first answer", median(bare, of), "ms"},
	}}, nil
}

func (r *run) firstToken(ctx context.Context) (time.Duration, error) {
	dir, err := r.dataDir()
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	began := time.Now()
	p, err := r.spawn(ctx, "serve", "--data", dir)
	if err != nil {
		return 0, err
	}
	defer p.stop()
	err = p.poll(ctx, func(ctx context.Context) error {
		admin, err := readAdmin(dir)
		if err == nil {
			_, err = p.token(ctx, admin)
		}
		return err
	})
	return time.Since(began), err
}

func (r *run) firstBareAnswer(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	p, err := r.spawn(ctx, "bench-bare")
	if err != nil {
		return 0, err
	}
	defer p.stop()
	form := request{method: http.MethodPost, path: "/oauth/token", header: http.Header{"Content-Type": {formType}}, body: tokenForm}
	err = p.poll(ctx, func(ctx context.Context) error {
		_, err := form.send(ctx, p)
		return err
	})
	return time.Since(began), err
}
