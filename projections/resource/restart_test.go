package resource

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/grantlog/grantlog/events"
	"github.com/grantlog/grantlog/projections"
)

// Where the issuer's log was restored, nothing that was known by positions
// counts any more: not what was vouched for, not what came before.
func TestRestart(t *testing.T) {
	c := &clock{}
	v := listening(c)
	token := claimsAt(c, "t")
	v.end(projections.Ending{Position: 95, Time: c.now(), ClientID: "app_1"})
	v.vouch(token, 99, c.now())
	v.want(t, c, token, good, "vouched for")
	v.restart()
	if v.age(c.now()) < time.Hour || v.mark() != (events.Mark{}) {
		t.Error("the feed counts as heard")
	}
	v.begin(events.Mark{Position: 12, Epoch: "n35nozch"})
	if v.mark() != (events.Mark{Position: 12, Epoch: "n35nozch"}) {
		t.Errorf("stands at %v", v.mark())
	}
	v.want(t, c, token, doubtful, "vouched for by the log that was lost")
	v.vouch(token, 97, c.now())
	v.want(t, c, token, doubtful, "at a position that does not compare with the ending's")
	c.move(2 * skew)
	v.want(t, c, claimsAt(c, "new"), good, "issued since")
}

// A listener whose place the issuer does not have any more (its log was restored
// from a backup, or that part of it archived) starts anew.
func TestPlaceThatIsGone(t *testing.T) {
	for _, status := range []int{http.StatusBadRequest, http.StatusGone} {
		var asked []string
		issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/oauth/token" {
				fmt.Fprint(w, `{"access_token":"t"}`)
				return
			}
			id := r.Header.Get("Last-Event-ID")
			asked = append(asked, id)
			if id != "" {
				w.WriteHeader(status)
				return
			}
			fmt.Fprintf(w, "id: %d\n\n", 10*len(asked))
		}))
		cfg, err := newConfig(issuer.URL, []Option{WithClient("app_1", "secret")})
		if err != nil {
			t.Fatal(err)
		}
		l := &listener{cfg: cfg, view: newView(time.Now)}
		for range 3 {
			if err := l.listen(t.Context()); err != nil && l.id != "" {
				t.Errorf("%d: %v", status, err)
			}
		}
		issuer.Close()
		if got := fmt.Sprint(asked); got != "[ 10 ]" || l.view.mark().Position != 30 {
			t.Errorf("%d: asked after %s, and stands at %v", status, got, l.view.mark())
		}
	}
}
