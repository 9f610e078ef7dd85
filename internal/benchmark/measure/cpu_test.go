package measure

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestEventCountsThePrimesThatSysbenchCounts(t *testing.T) {
	for limit, want := range map[uint64]int{
		// The number of primes below, without 2.
		3: 0, 4: 1, 5: 1, 6: 2, 10: 3, 26: 8, 50: 14, 100: 24, 1000: 167, 10_000: 1228, 60_000: 6056,
	} {
		if got := countPrimes(limit); got != want {
			t.Errorf("below %d: got %d, want %d", limit, got, want)
		}
	}
}

func TestPrimesAreThoseOfASieve(t *testing.T) {
	const limit = 20_000
	composite := make([]bool, limit)
	for i := 2; i < limit; i++ {
		if i > 2 && isPrime(uint64(i)) == composite[i] {
			t.Errorf("%d: got prime=%v, want %v", i, composite[i], !composite[i])
		}
		for j := 2 * i; j < limit; j += i {
			composite[j] = true
		}
	}
}

func TestCPUFiguresAreOfAllRuns(t *testing.T) {
	var s steps
	procs := runtime.GOMAXPROCS(0)
	got, err := MeasureCPU(t.Context(), CPUOptions{PrimeLimit: 1000, Time: 100 * time.Millisecond, Runs: 4, Nice: true}, s.watch(t))
	if err != nil {
		t.Fatal(err)
	}
	s.complete(t, StepSingle, StepMulti)
	if got.Threads != runtime.NumCPU() || len(got.Single.Runs) != 4 || len(got.Multi.Runs) != 4 {
		t.Errorf("got %+v, want 4 runs of 1 and of %d threads", got, runtime.NumCPU())
	}
	// The slowest board makes some hundred such events, no processor a billion.
	if got.Single.Low < 10 || got.Single.High > 1e8 || got.Multi.Low < 10 {
		t.Errorf("got %+v, want plausible events per second", got)
	}
	if now := runtime.GOMAXPROCS(0); now != procs {
		t.Errorf("GOMAXPROCS is %d after the measurement, before %d", now, procs)
	}
}

func TestLowPriorityEndsWithTheMeasurement(t *testing.T) {
	if _, err := MeasureCPU(t.Context(), CPUOptions{PrimeLimit: 100, Time: 20 * time.Millisecond, Runs: 1, Nice: true}, nil); err != nil {
		t.Fatal(err)
	}
	// Linux keeps a priority for each thread: none of ours may be low.
	deadline := time.Now().Add(10 * time.Second)
	for {
		low := lowThreads(t)
		if len(low) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("threads %v still have the lowest priority", low)
		}
		runtime.Gosched()
	}
}

func lowThreads(t *testing.T) []string {
	t.Helper()
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		t.Fatal(err)
	}
	var low []string
	for _, task := range tasks {
		var id int
		for _, c := range task.Name() {
			id = 10*id + int(c-'0')
		}
		// The system call returns 20 - nice, to avoid negative numbers.
		if v, err := unix.Getpriority(unix.PRIO_PROCESS, id); err == nil && v == 20-lowest {
			low = append(low, task.Name())
		}
	}
	return low
}

func TestCPUMeasurementEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	start := time.Now()
	_, err := MeasureCPU(ctx, CPUOptions{PrimeLimit: 1000, Time: time.Minute}, func(string, float64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("took %v", took)
	}
}

func TestWrongPrimeCountIsAFault(t *testing.T) {
	m := cpuMeasurement{CPUOptions: CPUOptions{PrimeLimit: 1000}, primes: 5, disturbed: make(worst)}
	_, err := m.run(t.Context(), 1, time.Millisecond)
	wantError(t, err, "found 167 primes below 1000", "faulty")
}

func TestCPUOptionsThatAreRefused(t *testing.T) {
	for want, o := range map[string]CPUOptions{
		"want 4 to 1000000":      {PrimeLimit: 3},
		"prime limit 1000001":    {PrimeLimit: 1_000_001},
		"time -1s":               {Time: -time.Second},
		"at most 10m":            {Time: time.Hour},
		"runs -1: want 1 to 100": {Runs: -1},
		"runs 101":               {Runs: 101},
	} {
		_, err := MeasureCPU(t.Context(), o, nil)
		wantError(t, err, want)
	}
}

func TestWatchNotesStealOtherLoadAndThrottling(t *testing.T) {
	before := processors{busy: 100, steal: 10, total: 1000}
	passed := processors{busy: 104, steal: 11, total: 1010}.since(before)
	if busy, steal := passed.shares(); busy != 0.4 || steal != 0.1 {
		t.Errorf("got shares %v and %v, want 0.4 and 0.1", busy, steal)
	}
	if busy, steal := before.since(passed).since(before).shares(); busy != 0 || steal != 0 {
		t.Errorf("counters that step back give %v and %v, want 0", busy, steal)
	}

	root := t.TempDir()
	for cpu, ms := range map[string]string{"cpu0": "1500\n", "cpu1": "500\n", "cpu2": "unreadable"} {
		folder := filepath.Join(root, "sys/devices/system/cpu", cpu, "thermal_throttle")
		writeFile(t, filepath.Join(folder, "core_throttle_total_time_ms"), ms)
	}
	if got := throttledTime(root); got != 2*time.Second {
		t.Errorf("got %v throttled, want 2s", got)
	}
	if got := throttledTime(t.TempDir()); got != 0 {
		t.Errorf("got %v throttled from a processor that does not count, want 0", got)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
