package bench

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

// revokedID finds the ids of tokens in what listeners of revocations get.
var revokedID = regexp.MustCompile(`"jti":"([0-9a-f]{32})"`)

// An ear notes when it heard of which token.
type ear struct {
	mu    sync.Mutex
	heard map[string]time.Time
	more  chan struct{} // holds a value after news
}

func newEar() *ear { return &ear{heard: map[string]time.Time{}, more: make(chan struct{}, 1)} }

func (e *ear) hears(text []byte) {
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, id := range revokedID.FindAllSubmatch(text, -1) {
		if _, known := e.heard[string(id[1])]; !known {
			e.heard[string(id[1])] = now
		}
	}
	select {
	case e.more <- struct{}{}:
	default:
	}
}

// after waits until all tokens were heard of, and says how long after the given
// moments. What was heard earlier took no time.
func (e *ear) after(ctx context.Context, tokens []string, moments []time.Time) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errors.New("not every revocation was heard"))
	defer cancel()
	delays := make([]time.Duration, len(tokens))
	for i, token := range tokens {
		id, err := tokenID(token)
		if err != nil {
			return nil, err
		}
		for {
			e.mu.Lock()
			at, known := e.heard[id]
			e.mu.Unlock()
			if known {
				delays[i] = max(0, at.Sub(moments[i]))
				break
			}
			select {
			case <-e.more:
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			}
		}
	}
	return delays, nil
}

// tokenID reads the jti of a token.
func tokenID(token string) (string, error) {
	_, rest, _ := strings.Cut(token, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	var claims struct {
		ID string `json:"jti"`
	}
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	return claims.ID, err
}

// ears listen to a member in two ways.
type ears struct {
	sse, nats *ear
	conn      *nats.Conn
	body      io.Closer
	done      chan struct{} // closed when the stream is no longer read
}

// listen opens listeners at the last member, which hear everything from now on.
func listen(ctx context.Context, m *members, natsAddress string) (_ *ears, err error) {
	e := &ears{sse: newEar(), nats: newEar(), done: make(chan struct{})}
	if e.conn, err = nats.Connect("nats://" + natsAddress); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			e.conn.Close()
		}
	}()
	_, err = e.conn.Subscribe("grantlog.revocations."+organization, func(msg *nats.Msg) { e.nats.hears(msg.Data) })
	if err == nil {
		err = e.conn.FlushTimeout(startTimeout)
	}
	if err != nil {
		return nil, err
	}
	last := m.all[memberCount-1]
	token, err := last.token(ctx, m.admin)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+last.address+"/oauth/revocations/stream", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	resp, err := single.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("the stream of revocations: status %d", resp.StatusCode)
	}
	e.body = resp.Body
	lines := bufio.NewScanner(resp.Body)
	lines.Scan() // the place where it starts: the stream is open
	go func() {
		defer close(e.done)
		for lines.Scan() {
			e.sse.hears(lines.Bytes())
		}
	}()
	return e, nil
}

func (e *ears) close() {
	e.conn.Close()
	e.body.Close()
	<-e.done
}
