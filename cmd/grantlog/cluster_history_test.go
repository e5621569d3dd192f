package main_test

import (
	"math"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// history records what clients asked of a cluster and were told, to be checked
// against what a token may do: it is live until it is revoked, and never again.
//
// A read carries the Consistency-Token of the last write to its token that was
// acknowledged before it was asked. What one member then tells about one token
// must be linearizable: it shows all writes that were acknowledged, perhaps
// one that was not yet, and never goes back. Reads on different members are
// histories of their own, because they need not show the same unacknowledged
// write.
type history struct {
	began time.Time

	mu  sync.Mutex
	ops []porcupine.Operation
}

// tokenOp is a revocation, or a read on a member.
type tokenOp struct {
	token  int
	member int // of a read; -1: a revocation
}

const revocation = -1

// never is when an operation returned of which nobody knows whether it did.
const never = math.MaxInt64

func newHistory() *history { return &history{began: time.Now()} }

func (h *history) now() int64 { return int64(time.Since(h.began)) }

func (h *history) add(op tokenOp, call, ret int64, live bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ops = append(h.ops, porcupine.Operation{Input: op, Output: live, Call: call, Return: ret})
}

// tokenModel's state is whether the token was revoked.
var tokenModel = porcupine.Model{
	Partition: perTokenAndMember,
	Init:      func() any { return false },
	Step: func(state, input, output any) (bool, any) {
		if input.(tokenOp).member == revocation {
			return true, true
		}
		return output.(bool) == !state.(bool), state
	},
}

// perTokenAndMember gives each history of reads the writes of its token.
func perTokenAndMember(ops []porcupine.Operation) [][]porcupine.Operation {
	writes := map[int][]porcupine.Operation{}
	reads := map[tokenOp][]porcupine.Operation{}
	for _, op := range ops {
		if in := op.Input.(tokenOp); in.member == revocation {
			writes[in.token] = append(writes[in.token], op)
		} else {
			reads[in] = append(reads[in], op)
		}
	}
	var all [][]porcupine.Operation
	for in, part := range reads {
		all = append(all, append(part, writes[in.token]...))
	}
	return all
}

// check judges what was recorded.
func (h *history) check(t testing.TB) (bad int) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	parts := perTokenAndMember(h.ops)
	for _, part := range parts {
		if !porcupine.CheckOperations(tokenModel, part) {
			if bad++; bad <= 3 {
				t.Errorf("not linearizable: %+v", part)
			}
		}
	}
	t.Logf("%d operations in %d histories, %d not linearizable", len(h.ops), len(parts), bad)
	return bad
}
