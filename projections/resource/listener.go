package resource

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

const (
	firstPause = 100 * time.Millisecond
	maxPause   = 5 * time.Second
)

// listener keeps the view up to date.
type listener struct {
	cfg  config
	view *view
	subs []*nats.Subscription
	id   string // Last-Event-ID: all of it was taken
	next string // of the event that is being read
}

// run listens until ctx ends, and resumes where a stream broke off.
func (l *listener) run(ctx context.Context) {
	for pause := firstPause; ctx.Err() == nil; {
		began := l.cfg.clock()
		err := l.listen(ctx)
		if ctx.Err() != nil {
			return
		}
		if l.cfg.clock().Sub(began) > maxPause {
			pause = firstPause
		}
		l.cfg.log.Info("the revocation feed broke off", "error", err, "again in", pause)
		select {
		case <-time.After(pause):
			pause = min(2*pause, maxPause)
		case <-ctx.Done():
		}
	}
}

// listen reads one connection.
func (l *listener) listen(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	token, err := l.cfg.login(ctx)
	if err != nil {
		return err
	}
	req, err := l.request(ctx, "/oauth/revocations/stream", token)
	if err != nil {
		return err
	}
	if l.id != "" {
		req.Header.Set("Last-Event-ID", l.id)
	}
	resp, err := l.cfg.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if lost := resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusGone; lost && l.id != "" {
		l.id = ""
		l.view.restart()
		return errors.New("the issuer does not know the place where the feed broke off, or has archived it")
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the feed answers %s", resp.Status)
	}
	// A connection that is silent for too long is given up for a new one.
	silent := time.AfterFunc(l.cfg.maxStaleness, cancel)
	defer silent.Stop()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		silent.Reset(l.cfg.maxStaleness)
		if err := l.line(lines.Text()); err != nil {
			return err
		}
	}
	return lines.Err()
}

// line takes one line of the stream. The first id is where the stream starts,
// and from where on the view is complete.
func (l *listener) line(line string) error {
	switch name, value, _ := strings.Cut(line, ": "); name {
	case "id":
		place, epoch, _ := strings.Cut(value, "~")
		position, _, _ := strings.Cut(place, ".")
		n, err := strconv.ParseUint(position, 10, 64)
		if err != nil {
			return fmt.Errorf("an id that is not a position: %w", err)
		}
		l.next = value
		l.view.begin(events.Mark{Position: events.Position(n), Epoch: epoch})
	case "data":
		var e projections.Ending
		if err := json.Unmarshal([]byte(value), &e); err != nil {
			return fmt.Errorf("an ending that cannot be read: %w", err)
		}
		l.view.end(e)
	case "": // the end of an event, or of a heartbeat
		l.id = l.next
		l.view.beat()
	}
	return nil
}

func (l *listener) request(ctx context.Context, path, token string) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.cfg.issuer+path, nil)
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	return req, err
}

// subscribe takes endings from NATS as well. A page that is lost on the way
// comes with the HTTP feed.
func (l *listener) subscribe(feed Feed) error {
	sub, err := feed.conn.Subscribe(events.RevocationsSubject(feed.organization), func(m *nats.Msg) {
		_, page, err := events.DecodePage(m.Data)
		if err != nil {
			l.cfg.log.Warn("a page on NATS cannot be read", "error", err)
			return
		}
		for e, err := range page {
			if err != nil {
				l.cfg.log.Warn("a page on NATS cannot be read", "error", err)
				return
			}
			// The message does not tell its position; the feed will.
			if ending, ok := projections.EndingOf(0, 0, e); ok {
				l.view.end(ending)
			}
		}
	})
	if err != nil {
		return err
	}
	l.subs = append(l.subs, sub)
	return nil
}

func (l *listener) unsubscribe() {
	for _, sub := range l.subs {
		_ = sub.Unsubscribe() // fails where the connection is gone, and the subscription with it
	}
}
