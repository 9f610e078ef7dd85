package measure

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Shares below which a machine is called undisturbed: the kernel's own work and
// the grain of its counters (10 ms) reach so far.
const (
	stealFloor    = 0.01
	loadFloor     = 0.03
	throttleFloor = 0.001
	diskFloor     = 0.05
)

// watch observes what else uses the processors during one run.
type watch struct {
	start     time.Time
	before    processors
	throttled time.Duration
}

func startWatch(ctx context.Context) (watch, error) {
	before, err := readProcessors(ctx)
	return watch{start: time.Now(), before: before, throttled: throttledTime(root)}, err
}

// stop notes in w what disturbed a run that itself used own processor time.
func (o watch) stop(ctx context.Context, own time.Duration, w worst) error {
	after, err := readProcessors(ctx)
	if err != nil {
		return err
	}
	passed := after.since(o.before)
	if passed.total == 0 {
		return nil // shorter than a tick of the kernel's counters
	}
	w.note(Steal, passed.steal/passed.total, stealFloor)
	w.note(OtherLoad, (passed.busy-own.Seconds())/passed.total, loadFloor)
	cores := time.Duration(runtime.NumCPU())
	if elapsed := time.Since(o.start); elapsed > 0 {
		w.note(Throttled, float64(throttledTime(root)-o.throttled)/float64(elapsed*cores), throttleFloor)
	}
	return nil
}

// throttledTime is the time that all cores together were slowed down for heat
// since the start. Processors that do not count it give 0.
func throttledTime(root string) time.Duration {
	paths, err := filepath.Glob(filepath.Join(root, "sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_total_time_ms"))
	if err != nil {
		return 0
	}
	var sum time.Duration
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		if ms, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil {
			sum += time.Duration(ms) * time.Millisecond
		}
	}
	return sum
}
