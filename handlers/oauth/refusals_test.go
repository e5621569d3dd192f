package oauth

import (
	"testing"
	"time"
)

func TestRefusalsAreLoggedOnceASecond(t *testing.T) {
	var r refusals
	now := time.Unix(1_800_000_000, 0)
	for i := range 10 {
		if unlogged, logged := r.tell(now.Add(time.Duration(i) * time.Millisecond)); logged != (i == 0) || unlogged != 0 {
			t.Errorf("refusal %d: %v, %d unlogged", i, logged, unlogged)
		}
	}
	if unlogged, logged := r.tell(now.Add(refusalEvery)); !logged || unlogged != 9 {
		t.Errorf("a second later: %v, %d unlogged", logged, unlogged)
	}
}
