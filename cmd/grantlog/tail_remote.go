package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// follow prints a stream's events, one JSON object per line, from after a
// position until ctx ends. It resumes a stream that breaks off where it was.
func (r *remote) follow(ctx context.Context, path string, after uint64, w io.Writer) error {
	place := strconv.FormatUint(after, 10)
	for pause := time.Second; ; pause = min(2*pause, 10*time.Second) {
		err := r.login(ctx)
		if err == nil {
			var moved bool
			if moved, err = r.listen(ctx, path, &place, w); moved {
				pause = time.Second
			}
		}
		var refused *refusedError
		var gone *goneError
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.As(err, &gone) && gone.first > 1 && place == "0": // everything that there is
			place = strconv.FormatUint(uint64(gone.first)-1, 10)
			continue
		case errors.As(err, &gone):
			return &usageError{err}
		case errors.As(err, &refused):
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// listen reads one connection's events and keeps place up to date.
func (r *remote) listen(ctx context.Context, path string, place *string, w io.Writer) (moved bool, err error) {
	resp, err := r.ask(ctx, http.MethodGet, path, "Last-Event-ID", *place)
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	if err := refusal(resp); err != nil {
		return false, err
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	id := ""
	for lines.Scan() {
		switch name, value, _ := strings.Cut(lines.Text(), ": "); name {
		case "id":
			id = value
		case "data":
			if _, err := fmt.Fprintln(w, value); err != nil {
				return moved, &refusedError{err.Error()}
			}
			*place, moved = id, true
		}
	}
	return moved, lines.Err()
}
