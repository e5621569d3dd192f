package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"time"
)

// report prints results: a row as soon as it is there, or all of them at the
// end as JSON.
type report struct {
	run *run
	// document is the JSON output.
	document struct {
		Go          string   `json:"go"`
		System      string   `json:"system"`
		CPUs        int      `json:"cpus"`
		Sync        float64  `json:"syncMilliseconds"` // of one small write and fsync
		Connections int      `json:"connections"`
		Rounds      int      `json:"rounds"`
		Results     []result `json:"results"`
	}
	headed bool
}

func newReport(r *run) *report {
	p := &report{run: r}
	d := &p.document
	d.Go, d.System, d.CPUs = runtime.Version(), runtime.GOOS+"/"+runtime.GOARCH, runtime.NumCPU()
	d.Connections, d.Rounds = r.Connections, r.Rounds
	d.Sync = milliseconds(syncTime(r.dir))
	if !r.JSON {
		fmt.Fprintf(r.Stdout, "%s %s, %d CPUs, write and fsync %.2f ms, %d connections, %d rounds of at most %d requests and %v\n",
			d.Go, d.System, d.CPUs, d.Sync, d.Connections, d.Rounds, r.Requests, r.Duration)
	}
	return p
}

func (p *report) add(r result) {
	p.document.Results = append(p.document.Results, r)
	if p.run.JSON {
		return
	}
	if r.Load != nil {
		p.load(r.Workload, r.Load)
	}
	for _, f := range r.Figures {
		fmt.Fprintf(p.run.Stdout, "%-10s %9s %-3s %s\n", r.Workload, f.format(), f.Unit, f.Name)
	}
}

func (p *report) load(name string, l *comparison) {
	const row = "%-10s %9s %9s %9s %9s %9s %11s %9s %9s %7s\n"
	if !p.headed {
		fmt.Fprintf(p.run.Stdout, row, "workload", "req/s", "p50", "p99", "CPU/req", "bare/s", "bare CPU", "ratio", "CPU ratio", "failed")
		p.headed = true
	}
	cpu, bareCPU, cpuRatio := "-", "-", "-"
	if l.CPU > 0 {
		cpu, bareCPU, cpuRatio = fmt.Sprintf("%.0f µs", l.CPU), fmt.Sprintf("%.0f µs", l.BareCPU), fmt.Sprintf("%.2f", l.CPURatio)
	}
	fmt.Fprintf(p.run.Stdout, row, name, fmt.Sprintf("%.0f", l.Rate), fmt.Sprintf("%.2f ms", l.P50), fmt.Sprintf("%.2f ms", l.P99),
		cpu, fmt.Sprintf("%.0f", l.BareRate), bareCPU, fmt.Sprintf("%.2f", l.Ratio), cpuRatio, strconv.Itoa(l.Failed))
	for _, e := range l.Errors {
		fmt.Fprintf(p.run.Stdout, "%-10s failed: %s\n", name, e)
	}
}

// format rounds a figure to what can be told from one run.
func (f figure) format() string {
	digits := 0
	switch {
	case f.Value < 10 && f.Value != float64(int(f.Value)):
		digits = 2
	case f.Value < 100 && f.Value != float64(int(f.Value)):
		digits = 1
	}
	return strconv.FormatFloat(f.Value, 'f', digits, 64)
}

func (p *report) finish() error {
	if !p.run.JSON {
		return nil
	}
	enc := json.NewEncoder(p.run.Stdout)
	enc.SetIndent("", "  ")
	return enc.Encode(p.document)
}

// syncTime is what one small write that reaches the disk costs where the data
// is: the figures of everything durable stand on it. 0 if it cannot be told.
func syncTime(dir string) time.Duration {
	f, err := os.Create(filepath.Join(dir, "sync"))
	if err != nil {
		return 0
	}
	defer f.Close()
	block := make([]byte, 4096)
	took := make([]time.Duration, 32)
	for i := range took {
		began := time.Now()
		if _, err := f.Write(block); err != nil {
			return 0
		}
		if err := f.Sync(); err != nil {
			return 0
		}
		took[i] = time.Since(began)
	}
	slices.Sort(took)
	return took[len(took)/2]
}
