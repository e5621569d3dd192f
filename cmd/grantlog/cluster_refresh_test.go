package main_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/anishathalye/porcupine"
)

// families is clients that refresh: each login gives a family of refresh
// tokens, and each token is presented on several members at once, as by a
// client that lost the answer or by a thief. What they are told must be
// linearizable, each family by itself. SECURITY.md G6.
type families struct {
	load  *load
	count int // of families
	ended int // of those that a reuse ended
	open  int // presentations of the last family that nobody knows the outcome of
	ops   []porcupine.Operation
}

// presentation is an attempt to refresh.
type presentation struct {
	family int
	token  string // empty: the login, which gives the first one
	key    string // Idempotency-Key; empty: none
	ended  bool   // not a presentation, but the knowledge that the family has ended
}

// verdict is what was answered.
type verdict struct {
	known     bool   // there was an answer that says something
	successor string // empty: refused
}

// familyState is what the log knows of a family.
type familyState struct {
	current string // the token that counts; empty: one that nobody was told of yet
	before  string // the token that it was given for
	key     string // with which that was presented
	ended   bool
}

var familyModel = porcupine.Model{
	Partition: func(ops []porcupine.Operation) (parts [][]porcupine.Operation) {
		at := map[int]int{}
		for _, op := range ops {
			family := op.Input.(presentation).family
			if _, ok := at[family]; !ok {
				at[family], parts = len(parts), append(parts, nil)
			}
			parts[at[family]] = append(parts[at[family]], op)
		}
		return parts
	},
	Init: func() any { return familyState{} },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(familyState), input.(presentation), output.(verdict)
		switch {
		case in.ended:
			return s.ended, s
		case in.token == "":
			return true, familyState{current: out.successor}
		case s.ended:
			return out.successor == "", s
		case in.token == s.current:
			return true, familyState{current: out.successor, before: in.token, key: in.key}
		case in.token == s.before && in.key != "" && in.key == s.key:
			if out.known && s.current == "" {
				s.current = out.successor
			}
			return !out.known || out.successor != "" && out.successor == s.current, s
		}
		s.ended = true
		return out.successor == "", s
	},
}

// roundsEach is how often a family is refreshed, at most.
const roundsEach = 12

// openEach is how many presentations of a family may go without an answer that
// says something. Each may count at any time from then on, or never, so that
// with each the search for an order that explains the others doubles.
const openEach = 8

// run lives through one family.
func (f *families) run(done *atomic.Bool) {
	status, body, _ := f.load.request(f.load.member(), partnerQuery,
		[]string{"client_id", "app_mobile", "grant_type", "password", "email", agentEmail, "password", agentPassword})
	var got session
	if status != http.StatusOK || json.Unmarshal(body, &got) != nil {
		return
	}
	f.count, f.open = f.count+1, 0
	now := f.load.history.now()
	f.add(presentation{family: f.count}, verdict{true, got.RefreshToken}, now, now)
	current, used := got.RefreshToken, ""
	for round := 0; round < roundsEach && f.open < openEach && !done.Load(); round++ {
		key := fmt.Sprint("k", round)
		told := f.present(current, []string{key}, []string{key, key}, []string{""}, []string{key, "", key + "x"})
		if told.successor == "" && !told.known {
			told = f.present(current, []string{key}) // once more, as a client does
		}
		if told.successor != "" {
			current, used = told.successor, current
		}
		if told.known && told.successor == "" {
			break
		}
		if used != "" && rand.N(roundsEach) == 0 {
			f.present(used, []string{""})
		}
	}
	if told := f.present(current, []string{"last"}); told.known && told.successor == "" {
		f.ended++
	}
}

// present presents a token once for each key of one of the ways, all at the
// same time and anywhere. It returns an answer that says something, if there is one.
func (f *families) present(token string, ways ...[]string) (told verdict) {
	var all sync.WaitGroup
	var mu sync.Mutex
	for _, key := range ways[rand.N(len(ways))] {
		all.Go(func() {
			op, call := presentation{family: f.count, token: token, key: key}, f.load.history.now()
			out := f.ask(token, key)
			ret := f.load.history.now()
			mu.Lock()
			defer mu.Unlock()
			if !out.known {
				f.open++
				ret = never
			}
			f.add(op, out, call, ret)
			if out.known && told.successor == "" {
				told = out
			}
		})
	}
	all.Wait()
	return told
}

func (f *families) ask(token, key string) verdict {
	var opts []option
	if key != "" {
		opts = append(opts, header("Idempotency-Key", key))
	}
	status, body, _ := f.load.request(f.load.member(), "/oauth/token",
		[]string{"client_id", "app_mobile", "grant_type", "refresh_token", "refresh_token", token}, opts...)
	var got session
	switch {
	case status == http.StatusOK && json.Unmarshal(body, &got) == nil:
		return verdict{true, got.RefreshToken}
	case status == http.StatusBadRequest:
		return verdict{known: true}
	}
	return verdict{}
}

// add records what was asked and answered. A refusal says that the family had
// ended by then, but not whether this presentation was the first or a later
// one: the first is refused, too, if a later one is there before its answer is.
func (f *families) add(op presentation, out verdict, call, ret int64) {
	if out.known && out.successor == "" {
		f.ops = append(f.ops, porcupine.Operation{Input: presentation{family: op.family, ended: true}, Output: out, Call: call, Return: ret})
		out.known = false
	}
	f.ops = append(f.ops, porcupine.Operation{Input: op, Output: out, Call: call, Return: ret})
}

// check judges what was recorded.
func (f *families) check(t testing.TB) (bad int) {
	t.Helper()
	for _, part := range familyModel.Partition(f.ops) {
		if !porcupine.CheckOperations(familyModel, part) {
			if bad++; bad <= 3 {
				t.Errorf("a family is not linearizable: %+v", part)
			}
		}
	}
	return bad
}
