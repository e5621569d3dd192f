package password

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"golang.org/x/crypto/argon2"
)

func TestHashAndCheck(t *testing.T) {
	h, ctx := New(Config{}), t.Context()
	kept, err := h.Hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(kept, "$argon2id$v=19$m=19456,t=2,p=1$") || strings.Contains(kept, "horse") {
		t.Errorf("kept as %s", kept)
	}
	again, err := h.Hash(ctx, "correct horse")
	if err != nil || again == kept {
		t.Errorf("the same hash twice: %v", err)
	}
	for _, c := range []struct {
		kept, password string
		want           bool
	}{
		{kept, "correct horse", true},
		{again, "correct horse", true},
		{kept, "Correct horse", false},
		{kept, "correct horse\x00", false},
		{kept, "", false},
		{"", "correct horse", false},
		{"", "", false},
	} {
		if got, err := h.Check(ctx, c.kept, c.password); err != nil || got != c.want {
			t.Errorf("%q of %q: %v, %v", c.password, c.kept, got, err)
		}
	}
}

// What is kept today must be read for as long as there are logs.
func TestKeptForm(t *testing.T) {
	const kept = "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$"
	salt := []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	p := parsed{salt, argon2.IDKey([]byte("pw"), salt, 2, 19*1024, 1, 32)}
	if !strings.HasPrefix(p.String(), kept) {
		t.Errorf("%s", p)
	}
	if ok, err := New(Config{}).Check(t.Context(), p.String(), "pw"); !ok || err != nil {
		t.Errorf("%v, %v", ok, err)
	}
	for _, bad := range []string{
		kept, "pw", p.String() + "A", p.String()[1:], strings.Replace(p.String(), "m=19456", "m=8", 1),
		strings.Replace(p.String(), "$", "", 5), strings.Replace(p.String(), "argon2id", "argon2i", 1), p.String() + "\n",
	} {
		if ok, err := New(Config{}).Check(t.Context(), bad, "pw"); ok || !errors.Is(err, errForm) {
			t.Errorf("%q: %v, %v", bad, ok, err)
		}
	}
}

// One computes, as many as the queue holds wait, the next one is refused; who
// leaves makes room.
func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHasher(Config{}, 1)
		h.slots <- struct{}{} // the slot is taken
		h.waiting.Add(1)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range queuePerSlot {
			wg.Go(func() {
				if _, err := h.Hash(ctx, "x"); !errors.Is(err, context.Canceled) {
					t.Errorf("waiting: %v", err)
				}
			})
		}
		synctest.Wait()
		if _, err := h.Hash(ctx, "x"); !errors.Is(err, ErrBusy) {
			t.Errorf("one too many: %v", err)
		}
		if _, err := h.Check(ctx, "", "x"); !errors.Is(err, ErrBusy) {
			t.Errorf("one too many: %v", err)
		}
		cancel()
		wg.Wait()
		<-h.slots
		h.waiting.Add(-1)
		if _, err := h.Hash(t.Context(), "x"); err != nil {
			t.Errorf("afterwards: %v", err)
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	h := New(Config{})
	kept, err := h.Hash(b.Context(), "correct horse")
	if err != nil {
		b.Fatal(err)
	}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if ok, err := h.Check(b.Context(), kept, "correct horse"); !ok || err != nil {
				b.Error(ok, err)
			}
		}
	})
}
