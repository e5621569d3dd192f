package resource

import (
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
