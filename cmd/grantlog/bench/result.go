package bench

import (
	"slices"
	"time"
)

// result is what a workload measured: a load, or single figures.
type result struct {
	Workload string      `json:"workload"`
	Load     *comparison `json:"load,omitempty"`
	Figures  []figure    `json:"figures,omitempty"`
}

// figure is one number.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
}

// comparison compares a server under load with the bare handler. Each figure but the
// counts and the CPU times is the median over the rounds.
type comparison struct {
	Requests int      `json:"requests"` // answered well
	Failed   int      `json:"failed"`
	Errors   []string `json:"errors,omitempty"` // the first few
	Rate     float64  `json:"requestsPerSecond"`
	P50      float64  `json:"p50Milliseconds"`
	P99      float64  `json:"p99Milliseconds"`
	BareRate float64  `json:"bareRequestsPerSecond"`
	Ratio    float64  `json:"ratio"` // Rate to BareRate, round by round

	// The server's own CPU time for a request; 0 where it cannot be told.
	CPU      float64 `json:"cpuMicroseconds,omitempty"`
	BareCPU  float64 `json:"bareCpuMicroseconds,omitempty"`
	CPURatio float64 `json:"cpuRatio,omitempty"` // BareCPU to CPU: 1 is as cheap as bare

	base, own []phase
}

// add takes a round. What fails in a round that is not measured counts too.
func (l *comparison) add(base, own phase, measured bool) {
	l.Failed += own.failed
	for _, e := range own.errors {
		if len(l.Errors) < maxErrors && !slices.Contains(l.Errors, e) {
			l.Errors = append(l.Errors, e)
		}
	}
	if measured {
		l.Requests += len(own.latencies)
		l.base, l.own = append(l.base, base), append(l.own, own)
	}
}

// sum computes the figures of all rounds.
func (l *comparison) sum() {
	l.Rate, l.BareRate = median(l.own, (*phase).rate), median(l.base, (*phase).rate)
	l.P50 = median(l.own, func(p *phase) float64 { return milliseconds(p.percentile(50)) })
	l.P99 = median(l.own, func(p *phase) float64 { return milliseconds(p.percentile(99)) })
	ratios := make([]float64, len(l.own))
	for i := range l.own {
		ratios[i] = l.own[i].rate() / l.base[i].rate()
	}
	l.Ratio = median(ratios, func(f *float64) float64 { return *f })
	all, bare := total(l.own), total(l.base)
	if all.cpuKnown && bare.cpuKnown && all.cpu > 0 {
		l.CPU, l.BareCPU = all.cpuPerRequest(), bare.cpuPerRequest()
		l.CPURatio = l.BareCPU / l.CPU
	}
}

// total adds up counts and CPU times: a tick of the CPU clock is long, so a
// round alone says little.
func total(phases []phase) phase {
	sum := phase{cpuKnown: true}
	for _, p := range phases {
		sum.cpu += p.cpu
		sum.cpuKnown = sum.cpuKnown && p.cpuKnown
		sum.failed += p.failed
		sum.latencies = append(sum.latencies, p.latencies...)
	}
	return sum
}

// median of what is measured of each element.
func median[T any](all []T, of func(*T) float64) float64 {
	values := make([]float64, len(all))
	for i := range all {
		values[i] = of(&all[i])
	}
	slices.Sort(values)
	n := len(values)
	if n == 0 {
		return 0
	}
	return (values[(n-1)/2] + values[n/2]) / 2
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// failed counts failed requests.
func (r *result) failed() int {
	if r.Load == nil {
		return 0
	}
	return r.Load.Failed
}
