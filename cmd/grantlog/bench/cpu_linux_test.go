package bench

import (
	"os"
	"testing"
	"time"
)

func TestParseStat(t *testing.T) {
	for name, tt := range map[string]struct {
		stat string
		want time.Duration
		ok   bool
	}{
		"plain":       {"42 (grantlog) S 1 42 42 0 -1 4194560 1200 0 3 0 150 25 0 0 20 0 9 0 100 1 2", 1750 * time.Millisecond, true},
		"odd name":    {"42 (a) b) 7 (c) R 1 42 42 0 -1 4194560 1200 0 3 0 1 0 0 0 20 0 9 0 100 1 2", 10 * time.Millisecond, true},
		"cut short":   {"42 (grantlog) S 1 42 42 0", 0, false},
		"not numbers": {"42 (grantlog) S 1 42 42 0 -1 4194560 1200 0 3 0 x y 0 0 20 0 9 0 100 1 2", 0, false},
		"empty":       {"", 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got, ok := parseStat([]byte(tt.stat)); got != tt.want || ok != tt.ok {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
	if _, ok := cpuTime(os.Getpid()); !ok {
		t.Error("no CPU time of this process")
	}
}
