package benchmark

import (
	"fmt"
	"testing"
	"time"
)

func TestWhenARunIsDue(t *testing.T) {
	s := schedule{every: 12 * time.Hour, startDelay: time.Minute, share: 0.5}
	start := at()
	result := func(age time.Duration) *Result { return &Result{Time: start.Add(-age)} }
	const usual = 12*time.Hour + 36*time.Minute // with half of a tenth
	soon := 90 * time.Second
	tests := []struct {
		name string
		got  time.Time
		want time.Duration // after start
	}{
		{"first without a result", s.first(start, nil), soon},
		{"first after a young result", s.first(start, result(time.Hour)), usual - time.Hour},
		{"first after an old result", s.first(start, result(20*time.Hour)), soon},
		{"first after a result that would be due at once", s.first(start, result(usual)), soon},
		{"first after a result from the future", s.first(start, result(-time.Hour)), soon},
		{"after a good run", s.after(start), usual},
		{"after a failure", s.retry(start, 1), 10*time.Minute + 30*time.Second},
		{"after three failures", s.retry(start, 3), 42 * time.Minute},
		{"after many failures", s.retry(start, 1000), usual},
	}
	for _, tt := range tests {
		if got := tt.got.Sub(start); got != tt.want {
			t.Errorf("%s: in %v, want %v", tt.name, got, tt.want)
		}
	}
	never := schedule{startDelay: time.Minute}
	if !never.first(start, nil).IsZero() || !never.after(start).IsZero() || !never.retry(start, 1).IsZero() {
		t.Error("a run is due although none is planned")
	}
}

func TestNodesMeasureAtDifferentTimesButEachAtItsOwn(t *testing.T) {
	count := make(map[int]int)
	for i := range 1000 {
		id := fmt.Sprintf("198.51.100.%d:16127", i)
		share := shareOf(id)
		if share < 0 || share >= 1 || share != shareOf(id) {
			t.Fatalf("share of %s is %v", id, share)
		}
		count[int(share*10)]++
	}
	for tenth := range 10 {
		if n := count[tenth]; n < 50 || n > 150 {
			t.Errorf("tenth %d has %d of 1000 nodes", tenth, n)
		}
	}
	if shareOf("a") == shareOf("b") {
		t.Error("two nodes share their time")
	}
}
