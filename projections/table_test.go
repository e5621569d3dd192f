package projections

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/grantlog/grantlog/events"
)

func TestIndexEqualsMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x index
		tags := map[uint32]uint32{} // slot → tag
		slot := uint32(0)
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			if len(tags) > 0 && rapid.IntRange(0, 2).Draw(t, "remove") == 0 {
				victim := rapid.SampledFrom(slices.Sorted(maps.Keys(tags))).Draw(t, "slot")
				x.remove(tags[victim], victim)
				delete(tags, victim)
				continue
			}
			slot++
			// Few tags, at the wrap of the table too, so that searches collide.
			tag := rapid.SampledFrom([]uint32{0, 1, 2, 6, 7, 1 << 20, ^uint32(0)}).Draw(t, "tag")
			x.insert(tag, slot)
			tags[slot] = tag
		}
		for slot, tag := range tags {
			if !reaches(&x, tag, slot) {
				t.Fatalf("slot %d under tag %d is lost", slot, tag)
			}
		}
		if x.used != len(tags) {
			t.Fatalf("%d used cells, want %d", x.used, len(tags))
		}
	})
}

func reaches(x *index, tag, want uint32) bool {
	for cell := x.first(tag); ; cell = x.next(cell) {
		slot, match := x.look(cell, tag)
		if slot == 0 || slot == want {
			return slot == want && match
		}
	}
}

// Whatever is guessed, equal values have one number for as long as one is used.
func TestInternedEqualsCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := newInterned[string]()
		numbers, uses := map[string]uint32{"": 0}, map[string]int{}
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			v := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "value")
			if uses[v] > 0 && rapid.Bool().Draw(t, "release") {
				p.release(numbers[v])
				uses[v]--
				continue
			}
			guess := rapid.IntRange(0, len(p.values)-1).Draw(t, "guess")
			n := p.acquire(v, uint32(guess), strings.Clone)
			if known := v == "" || uses[v] > 0; known && n != numbers[v] {
				t.Fatalf("%q is %d and was %d", v, n, numbers[v])
			}
			if numbers[v] = n; v != "" {
				uses[v]++
			}
		}
		for v, n := range uses {
			if got, ok := p.find(v); ok != (n > 0) || ok && (got != numbers[v] || p.value(got) != v || p.values[got].uses != n) {
				t.Errorf("%q: %d, %v; want %d, used %d times", v, got, ok, numbers[v], n)
			}
		}
	})
}

func TestSweptTokensLeaveNothing(t *testing.T) {
	tokens := newTokens()
	start := time.Unix(1_800_000_000, 0)
	tokens.expire(start)
	const n = 5000
	for round := range 3 {
		for i := range n {
			var id events.TokenID
			binary.BigEndian.PutUint64(id[:], uint64(i)*0x9e3779b97f4a7c15)
			tokens.insert(&Token{
				ID: id, Position: events.Position(round*n + i + 1),
				Application: fmt.Sprint("a", i%10), Scope: fmt.Sprint("s", i%7), User: fmt.Sprint("u", i),
				ExpiresAt: start.Add(time.Duration(i%300) * time.Second).Unix(),
			})
		}
		start = start.Add(10 * time.Minute)
		tokens.expire(start)
		if tokens.Len() != 0 || len(tokens.expiry.due) != 0 {
			t.Fatalf("%d tokens in %d buckets remain", tokens.Len(), len(tokens.expiry.due))
		}
		for _, left := range []int{len(tokens.applications.numbers), len(tokens.origins.numbers), len(tokens.holders.numbers)} {
			if left != 0 {
				t.Fatalf("%d interned values remain", left)
			}
		}
		for app, l := range tokens.lists {
			if l != (tokenList{}) {
				t.Fatalf("list %d is not empty", app)
			}
		}
		if got := len(tokens.chunks); got > n/chunkLen+1 {
			t.Fatalf("%d chunks after round %d: slots are not reused", got, round)
		}
		if got := len(tokens.holders.values); got > n+1 {
			t.Fatalf("%d holders after round %d: numbers are not reused", got, round)
		}
	}
}

func TestLateTokenStaysUntilTheNextMinute(t *testing.T) {
	tokens := newTokens()
	now := time.Unix(1_800_000_000, 0).Truncate(time.Minute)
	tokens.expire(now)
	tokens.insert(&Token{Position: 1, Application: "a", ExpiresAt: now.Add(-time.Hour).Unix()})
	tokens.expire(now.Add(59 * time.Second))
	if tokens.Len() != 1 {
		t.Fatal("swept before its issuer could see it")
	}
	tokens.expire(now.Add(time.Minute))
	if tokens.Len() != 0 {
		t.Fatal("not swept")
	}
}
