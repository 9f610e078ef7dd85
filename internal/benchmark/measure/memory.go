package measure

import (
	"context"
	"fmt"
	"time"

	"github.com/shirou/gopsutil/v3/mem"
	"golang.org/x/sys/unix"
)

// Defaults and limits of MemoryOptions.
const (
	defaultMemorySize = 128 << 20 // past the last cache of common processors
	minMemorySize     = 64 << 20
	maxMemorySize     = 256 << 20
	defaultMemoryTime = 2 * time.Second
	maxMemoryTime     = time.Minute
	defaultMemoryRuns = 5
	// memoryMargin: so many times the size must be available, since what we
	// take others cannot.
	memoryMargin = 4
)

// MemoryOptions say how to measure. Zero values stand for the defaults.
type MemoryOptions struct {
	Size int64         // bytes taken, 64 to 256 MiB, default 128 MiB
	Time time.Duration // of all runs, up to 1 min, default 2 s
	Runs int           // into which Time is split; 1 to 100, default 5
}

func (o MemoryOptions) complete() (MemoryOptions, error) {
	if o.Size == 0 {
		o.Size = defaultMemorySize
	}
	if o.Time == 0 {
		o.Time = defaultMemoryTime
	}
	if o.Runs == 0 {
		o.Runs = defaultMemoryRuns
	}
	switch {
	case o.Size < minMemorySize || o.Size > maxMemorySize:
		return o, fmt.Errorf("size %d: want %d to %d bytes", o.Size, minMemorySize, maxMemorySize)
	case o.Time < 0 || o.Time > maxMemoryTime:
		return o, fmt.Errorf("time %v: want more than 0 and at most %v", o.Time, maxMemoryTime)
	case o.Runs < 1 || o.Runs > maxRuns:
		return o, fmt.Errorf("runs %d: want 1 to %d", o.Runs, maxRuns)
	}
	return o, nil
}

// Memory is how fast one thread copies memory.
type Memory struct {
	Copy      Figure // GB/s: 10^9 bytes copied, each counted once although read and written
	Bytes     int64  // taken: half source, half target
	Disturbed []Disturbance
}

// StepMemory is the step of MeasureMemory, as told to Progress.
const StepMemory = "memory copy"

// MeasureMemory measures copying between two halves of newly taken memory. The
// error is ErrNoMemory when less than four times as much is available.
func MeasureMemory(ctx context.Context, options MemoryOptions, progress Progress) (Memory, error) {
	o, err := options.complete()
	if err != nil {
		return Memory{}, fmt.Errorf("measure memory: %w", err)
	}
	stat, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return Memory{}, fmt.Errorf("measure memory: %w", err)
	}
	if err := enoughMemory(o.Size, stat.Available); err != nil {
		return Memory{}, fmt.Errorf("measure memory: %w", err)
	}
	// Not from Go's heap, which would keep it for long and collect garbage later.
	area, err := unix.Mmap(-1, 0, int(o.Size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return Memory{}, fmt.Errorf("measure memory: take %d bytes: %w", o.Size, err)
	}
	defer unix.Munmap(area)
	from, to := area[:o.Size/2], area[o.Size/2:]
	for i := range from {
		from[i] = byte(i) // pages that were never written are all the same one
	}
	copy(to, from)

	disturbed := make(worst)
	var rates []float64
	progress.report(StepMemory, 0)
	for i := range o.Runs {
		rate, err := copyRun(ctx, to, from, o.Time/time.Duration(o.Runs), disturbed)
		if err != nil {
			return Memory{}, fmt.Errorf("measure memory: %w", err)
		}
		rates = append(rates, rate/1e9)
		progress.report(StepMemory, float64(i+1)/float64(o.Runs))
	}
	return Memory{Copy: figure(rates), Bytes: o.Size, Disturbed: disturbed.list()}, nil
}

// enoughMemory says whether size bytes may be taken of those available.
func enoughMemory(size int64, available uint64) error {
	if available/memoryMargin < uint64(size) {
		return fmt.Errorf("%w: %d MiB are available, want %d MiB", ErrNoMemory, available>>20, memoryMargin*size>>20)
	}
	return nil
}

// copyRun copies for d, whole halves only, and returns bytes per second.
func copyRun(ctx context.Context, to, from []byte, d time.Duration, disturbed worst) (float64, error) {
	before, err := readProcessors(ctx)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	copied, elapsed := 0, time.Duration(0)
	for elapsed < d || copied == 0 {
		if ctx.Err() != nil {
			return 0, context.Cause(ctx)
		}
		copied += copy(to, from)
		elapsed = time.Since(start)
	}
	after, err := readProcessors(ctx)
	if err != nil {
		return 0, err
	}
	_, steal := after.since(before).shares()
	disturbed.note(Steal, steal, stealFloor)
	return float64(copied) / elapsed.Seconds(), nil
}
