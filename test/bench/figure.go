package main

import (
	"slices"
	"time"
)

// Units of figures.
const (
	perSecond = "1/s"
	millis    = "ms"
	megabytes = "MB" // 10^6 bytes
)

// figure is one thing that was measured.
type figure struct {
	Name  string `json:"name"`
	Unit  string `json:"unit"`
	Value spread `json:"value"`
	// Ratio is the rate divided by the mean of the baseline rates right before
	// and right after it.
	Ratio *spread `json:"ratio,omitempty"`
	// P50 and P99 are percentiles of the time of one step, in milliseconds:
	// the medians of those of the rounds.
	P50 float64 `json:"p50_ms,omitempty"`
	P99 float64 `json:"p99_ms,omitempty"`
	// CPU is the processor time that one step costs the server, in microseconds:
	// the median of the rounds. Other programs on the machine disturb it least.
	CPU    float64 `json:"cpu_us,omitempty"`
	Target *target `json:"target,omitempty"`
	Met    *bool   `json:"met,omitempty"`
}

// target is what a figure must reach: its ratio if it has one, else its value,
// in the unit of the figure. Exactly one bound is set.
type target struct {
	AtLeast float64 `json:"at_least,omitempty"`
	AtMost  float64 `json:"at_most,omitempty"`
}

// met compares a median with the bound, which is itself good enough.
func (t target) met(median float64) bool {
	if t.AtLeast > 0 {
		return median >= t.AtLeast
	}
	return median <= t.AtMost
}

// against sets the target and judges the figure.
func (f figure) against(t target) figure {
	judged := f.Value.Median
	if f.Ratio != nil {
		judged = f.Ratio.Median
	}
	met := t.met(judged)
	f.Target, f.Met = &t, &met
	return f
}

// single is a figure that was measured once.
func single(name, unit string, value float64) figure {
	return figure{Name: name, Unit: unit, Value: spreadOf([]float64{value})}
}

// spread sums up what several rounds gave.
type spread struct {
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Rounds []float64 `json:"rounds"` // in the order of measuring
}

// spreadOf needs one value at least.
func spreadOf(rounds []float64) spread {
	return spread{Median: median(rounds), Min: slices.Min(rounds), Max: slices.Max(rounds), Rounds: rounds}
}

// median is the middle value, or the mean of the two middle ones. It needs one
// value at least and leaves their order alone.
func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// percentile is the nearest-rank percentile, 0 < p <= 100: the smallest value
// that p percent of all don't exceed. It needs one sorted value at least.
func percentile(sorted []time.Duration, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return sorted[rank-1]
}

// series collects the samples of one load over the rounds.
type series struct {
	rates, ratios, p50, p99, cpu []float64
}

// add takes a sample; baseline is the rate to compare it with, or 0 for none.
func (s *series) add(got sample, baseline float64) {
	s.rates = append(s.rates, got.rate())
	s.p50 = append(s.p50, inMillis(percentile(got.latencies, 50)))
	s.p99 = append(s.p99, inMillis(percentile(got.latencies, 99)))
	s.cpu = append(s.cpu, float64(got.cpu.Microseconds())/float64(got.steps))
	if baseline > 0 {
		s.ratios = append(s.ratios, got.rate()/baseline)
	}
}

// figure sums the series up.
func (s *series) figure(name string) figure {
	f := figure{Name: name, Unit: perSecond, Value: spreadOf(s.rates), P50: median(s.p50), P99: median(s.p99), CPU: median(s.cpu)}
	if len(s.ratios) > 0 {
		r := spreadOf(s.ratios)
		f.Ratio = &r
	}
	return f
}

func inMillis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func inMegabytes(bytes int64) float64 { return float64(bytes) / 1e6 }
