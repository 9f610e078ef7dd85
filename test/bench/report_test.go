package main

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPercentile(t *testing.T) {
	hundred := make([]time.Duration, 100)
	for i := range hundred {
		hundred[i] = time.Duration(i + 1)
	}
	for _, tc := range []struct {
		name   string
		sorted []time.Duration
		p      int
		want   time.Duration
	}{
		{"median of 100", hundred, 50, 50},
		{"99th of 100", hundred, 99, 99},
		{"100th of 100", hundred, 100, 100},
		{"1st of 100", hundred, 1, 1},
		{"99th of 99", hundred[:99], 99, 99},
		{"99th of 10", hundred[:10], 99, 10},
		{"median of 3", hundred[:3], 50, 2},
		{"median of 2", hundred[:2], 50, 1},
		{"1st of 1", hundred[:1], 1, 1},
		{"99th of 1", hundred[:1], 99, 1},
	} {
		if got := percentile(tc.sorted, tc.p); got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestSpreadOf(t *testing.T) {
	for _, tc := range []struct {
		rounds []float64
		want   spread
	}{
		{[]float64{7}, spread{Median: 7, Min: 7, Max: 7}},
		{[]float64{3, 1, 2}, spread{Median: 2, Min: 1, Max: 3}},
		{[]float64{4, 1, 2, 3}, spread{Median: 2.5, Min: 1, Max: 4}},
	} {
		tc.want.Rounds = tc.rounds
		if diff := cmp.Diff(tc.want, spreadOf(append([]float64(nil), tc.rounds...))); diff != "" {
			t.Errorf("%v: %s", tc.rounds, diff)
		}
	}
}

func TestSeriesComparesWithTheBaseline(t *testing.T) {
	var s series
	s.add(sample{steps: 500, elapsed: time.Second, latencies: []time.Duration{time.Millisecond, 9 * time.Millisecond}, cpu: 100 * time.Millisecond}, 1000)
	s.add(sample{steps: 1800, elapsed: 2 * time.Second, latencies: []time.Duration{3 * time.Millisecond}, cpu: 180 * time.Millisecond}, 1000)
	got := s.figure("x")
	want := figure{Name: "x", Unit: perSecond, P50: 2, P99: 6, CPU: 150,
		Value: spread{Median: 700, Min: 500, Max: 900, Rounds: []float64{500, 900}},
		Ratio: &spread{Median: 0.7, Min: 0.5, Max: 0.9, Rounds: []float64{0.5, 0.9}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestTargets(t *testing.T) {
	half := &spread{Median: 0.5}
	for _, tc := range []struct {
		name   string
		f      figure
		target target
		want   bool
	}{
		{"high enough", figure{Value: spread{Median: 8}}, target{AtLeast: 7}, true},
		{"exactly", figure{Value: spread{Median: 7}}, target{AtLeast: 7}, true},
		{"too low", figure{Value: spread{Median: 6}}, target{AtLeast: 7}, false},
		{"small enough", figure{Value: spread{Median: 6}}, target{AtMost: 7}, true},
		{"at the limit", figure{Value: spread{Median: 7}}, target{AtMost: 7}, true},
		{"too large", figure{Value: spread{Median: 8}}, target{AtMost: 7}, false},
		{"the ratio counts", figure{Value: spread{Median: 9000}, Ratio: half}, target{AtLeast: 0.8}, false},
		{"a ratio that is met", figure{Value: spread{Median: 0.1}, Ratio: half}, target{AtLeast: 0.5}, true},
	} {
		rep := report{Figures: []figure{tc.f.against(tc.target)}}
		if got := rep.missed() == 0; got != tc.want {
			t.Errorf("%s: met %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{0: "0.000", 0.8344: "0.834", 1.2345: "1.23", 12.345: "12.3", 123.45: "123", 41234.5: "41234"} {
		if got := number(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

func TestTableAligns(t *testing.T) {
	got := table([][]string{
		{"figure", "median", "", "target", ""},
		{"GET /x", "12345", "1/s", "≥ 0.8", "met"},
		{"size", "7", "MB", "≤ 60", "MISSED"},
		{"bare", "99", "1/s", "", ""},
	})
	want := strings.Join([]string{
		"figure  median       target",
		"GET /x   12345  1/s   ≥ 0.8  met",
		"size         7   MB    ≤ 60  MISSED",
		"bare        99  1/s",
		"",
	}, "\n")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestReportSaysWhatIsMissed(t *testing.T) {
	rep := report{Machine: machine{CPU: "Some CPU", Cores: 2, Kernel: "6.1", Load: "0.1 0.2 0.3", Go: "go1.26"}, Seconds: 5, Connections: 64, Rounds: 3}
	rep.add(figure{Name: "GET /x", Unit: perSecond, P50: 1.5, P99: 12, CPU: 46.7,
		Value: spreadOf([]float64{9000, 8000, 10000}), Ratio: &spread{Median: 0.7, Min: 0.65, Max: 0.75, Rounds: []float64{0.7, 0.65, 0.75}}}.against(target{AtLeast: 0.8}))
	rep.add(single("binary size", megabytes, 30).against(target{AtMost: 60}))
	var b strings.Builder
	if err := rep.print(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"Some CPU, 2 cores, Linux 6.1, load average 0.1 0.2 0.3; client go1.26",
		"GET /x         9000  1/s  8000 – 10000  0.700  0.650 – 0.750    1.50    12.0    46.7   ≥ 0.8  MISSED\n",
		"binary size    30.0   MB                                                                ≤ 60  met\n",
		"\n1 missed\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}
