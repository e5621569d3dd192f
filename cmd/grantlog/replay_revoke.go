package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/grantlog/grantlog/projections"
	"github.com/grantlog/grantlog/replay"
)

// revokers is how many tokens are ended at once: requests that come together
// share a write of the log.
const revokers = 16

// revoke ends the live tokens that were found, and tells how many it ended. The
// answer is what was found before that.
func (c *replayCmd) revoke(ctx context.Context, p process, server *asked, a impactAnswer) (answer, error) {
	var live []*replay.Token
	families := map[string]bool{}
	for _, t := range a.Tokens {
		if t.Status == projections.Live.String() {
			live = append(live, t)
			families[t.Family] = true
		}
	}
	delete(families, "")
	ended := 0
	a.Ended = &ended
	if len(live) == 0 {
		return a, nil
	}
	if err := c.consent(p, len(live)); err != nil {
		return nil, err
	}
	var err error
	if ended, err = server.end(ctx, live); err != nil {
		return nil, fmt.Errorf("%d of %d tokens were ended: %w", ended, len(live), err)
	}
	if n := len(families); n > 0 {
		fmt.Fprintf(p.Stderr, "grantlog: refresh tokens of %d logins may still give new tokens: a new secret, a new password or the user's deletion ends them\n", n)
	}
	return a, nil
}

// consent asks whoever sits at the terminal.
func (c *replayCmd) consent(p process, n int) error {
	switch {
	case c.Yes:
		return nil
	case !isTerminal(p.Stdin) || !isTerminal(p.Stderr):
		return &usageError{fmt.Errorf("%d live tokens would be ended: say so with --yes", n)}
	}
	fmt.Fprintf(p.Stderr, "End %d live tokens? [y/N] ", n)
	line, err := bufio.NewReader(p.Stdin).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); err == nil && (answer == "y" || answer == "yes") {
		return nil
	}
	return &usageError{errors.New("nothing was ended")}
}

// end ends tokens, and counts those that it ended. One that ended meanwhile does
// not count, and is no error. The token that all of this is asked with comes
// last.
func (s *asked) end(ctx context.Context, tokens []*replay.Token) (ended int, err error) {
	i := slices.IndexFunc(tokens, func(t *replay.Token) bool { return t.ID.String() == s.ownID() })
	if i < 0 {
		return s.endAll(ctx, tokens)
	}
	own := tokens[i]
	if ended, err = s.endAll(ctx, slices.Delete(slices.Clone(tokens), i, i+1)); err != nil {
		return ended, err
	}
	done, err := s.endOne(ctx, own)
	if done {
		ended++
	}
	return ended, err
}

// ownID is the jti of the token that the server is asked with.
func (s *asked) ownID() string {
	var claims struct {
		ID string `json:"jti"`
	}
	parts := strings.Split(s.token, ".")
	if len(parts) != 3 {
		return ""
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return ""
	}
	return claims.ID
}

func (s *asked) endAll(ctx context.Context, tokens []*replay.Token) (ended int, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan *replay.Token)
	var mu sync.Mutex
	var work sync.WaitGroup
	for range min(revokers, len(tokens)) {
		work.Go(func() {
			for t := range queue {
				done, failure := s.endOne(ctx, t)
				mu.Lock()
				if done {
					ended++
				}
				if failure != nil && err == nil {
					err = failure
					cancel() // the rest fails in the same way
				}
				mu.Unlock()
			}
		})
	}
	for _, t := range tokens {
		queue <- t
	}
	close(queue)
	work.Wait()
	return ended, err
}

func (s *asked) endOne(ctx context.Context, t *replay.Token) (done bool, err error) {
	resp, err := s.ask(ctx, http.MethodDelete, "/oauth/tokens/"+t.ID.String())
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusNoContent:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	}
	return false, refusal(resp)
}
