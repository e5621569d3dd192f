package bench

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// phaseOf answers n requests in the given time, each in 1 ms but the last.
func phaseOf(n int, elapsed, last, cpu time.Duration) phase {
	p := phase{elapsed: elapsed, cpu: cpu, cpuKnown: cpu > 0}
	for range n - 1 {
		p.latencies = append(p.latencies, time.Millisecond)
	}
	p.latencies = append(p.latencies, last)
	return p
}

func TestLoadSum(t *testing.T) {
	l := &comparison{}
	l.add(phaseOf(10, time.Second, time.Millisecond, time.Second), phase{failed: 1, errors: []string{"x"}}, false)
	l.add(phaseOf(100, time.Second, time.Millisecond, time.Second), phaseOf(50, time.Second, 9*time.Millisecond, time.Second), true)
	l.add(phaseOf(200, time.Second, time.Millisecond, time.Second), phaseOf(150, time.Second, 3*time.Millisecond, time.Second), true)
	l.add(phaseOf(300, time.Second, time.Millisecond, time.Second), phaseOf(100, time.Second, 5*time.Millisecond, time.Second), true)
	l.sum()
	want := &comparison{
		Requests: 300, Failed: 1, Errors: []string{"x"}, Rate: 100, P50: 1, P99: 1, BareRate: 200, Ratio: 0.5,
		CPU: 10_000, BareCPU: 5000, CPURatio: 0.5,
	}
	if diff := cmp.Diff(want, l, cmpopts.IgnoreUnexported(comparison{})); diff != "" {
		t.Error(diff)
	}
}

func TestPercentile(t *testing.T) {
	p := phase{}
	if p.percentile(50) != 0 {
		t.Error("percentile of nothing")
	}
	for i := range 200 {
		p.latencies = append(p.latencies, time.Duration(i+1))
	}
	if p.percentile(50) != 100 || p.percentile(99) != 198 || p.percentile(100) != 200 {
		t.Error(p.percentile(50), p.percentile(99), p.percentile(100))
	}
}

var results = []result{
	{Workload: "token", Load: &comparison{Requests: 300, Rate: 9876.5, P50: 5.123, P99: 12.34, BareRate: 20000, Ratio: 0.494, CPU: 81.2, BareCPU: 20.4, CPURatio: 0.251}},
	{Workload: "revoke", Load: &comparison{Requests: 300, Failed: 2, Errors: []string{"status 500"}, Rate: 100, P50: 1, P99: 2, BareRate: 200, Ratio: 0.5}},
	{Workload: "start", Figures: []figure{{"to the first token", 96.04, "ms"}, {"to the first answer", 1234.5, "ms"}, {"a ratio", 0.456, ""}, {"tokens", 3, ""}}},
}

const table = `
workload       req/s       p50       p99   CPU/req    bare/s    bare CPU     ratio CPU ratio  failed
token           9876   5.12 ms  12.34 ms     81 µs     20000       20 µs      0.49      0.25       0
revoke           100   1.00 ms   2.00 ms         -       200           -      0.50         -       2
revoke     failed: status 500
start           96.0 ms  to the first token
start           1234 ms  to the first answer
start           0.46     a ratio
start              3     tokens
`

func TestTable(t *testing.T) {
	var out bytes.Buffer
	r := &run{Config: Config{Stdout: &out, Connections: 64, Rounds: 5, Requests: 20000, Duration: time.Second}, dir: t.TempDir()}
	p := newReport(r)
	for _, r := range results {
		p.add(r)
	}
	if err := p.finish(); err != nil {
		t.Fatal(err)
	}
	head, rows, _ := strings.Cut(out.String(), "\n")
	if !strings.HasSuffix(head, "64 connections, 5 rounds of at most 20000 requests and 1s") {
		t.Error(head)
	}
	if diff := cmp.Diff(table, "\n"+rows); diff != "" {
		t.Error(diff)
	}
}

func TestJSON(t *testing.T) {
	var out bytes.Buffer
	p := newReport(&run{Config: Config{Stdout: &out, JSON: true}, dir: t.TempDir()})
	for _, r := range results {
		p.add(r)
	}
	if err := p.finish(); err != nil {
		t.Fatal(err)
	}
	var got struct {
		CPUs    int
		Results []result
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil || got.CPUs == 0 {
		t.Fatal(err, out.String())
	}
	if diff := cmp.Diff(results, got.Results, cmpopts.IgnoreUnexported(comparison{})); diff != "" {
		t.Error(diff)
	}
}
