package measure

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Defaults and limits of CPUOptions.
const (
	defaultPrimeLimit = 60_000
	maxPrimeLimit     = 1_000_000 // an event of a slow core then still ends within seconds
	defaultCPUTime    = 10 * time.Second
	maxCPUTime        = 10 * time.Minute
	defaultCPURuns    = 5
	maxRuns           = 100
	// warmUp is run once before the first run and not counted: time for the
	// processor to raise its clock.
	warmUp = 200 * time.Millisecond
	// lowest is the priority of a thread that yields to every other.
	lowest = 19
)

// CPUOptions say how to measure. Zero values stand for the defaults.
type CPUOptions struct {
	PrimeLimit int           // an event searches primes below it; 4 to 1000000, default 60000
	Time       time.Duration // of each of single and multi; up to 10 min, default 10 s
	Runs       int           // into which Time is split; 1 to 100, default 5
	Nice       bool          // run with the lowest priority, so that everything else goes first
}

func (o CPUOptions) complete() (CPUOptions, error) {
	if o.PrimeLimit == 0 {
		o.PrimeLimit = defaultPrimeLimit
	}
	if o.Time == 0 {
		o.Time = defaultCPUTime
	}
	if o.Runs == 0 {
		o.Runs = defaultCPURuns
	}
	switch {
	case o.PrimeLimit < 4 || o.PrimeLimit > maxPrimeLimit:
		return o, fmt.Errorf("prime limit %d: want 4 to %d", o.PrimeLimit, maxPrimeLimit)
	case o.Time < 0 || o.Time > maxCPUTime:
		return o, fmt.Errorf("time %v: want more than 0 and at most %v", o.Time, maxCPUTime)
	case o.Runs < 1 || o.Runs > maxRuns:
		return o, fmt.Errorf("runs %d: want 1 to %d", o.Runs, maxRuns)
	}
	return o, nil
}

// CPU is the speed of the processors in events per second. An event is that of
// "sysbench cpu --cpu-max-prime=PrimeLimit".
type CPU struct {
	Single    Figure // of one thread
	Multi     Figure // of Threads at the same time, together
	Threads   int    // one for each logical processor this process may use
	Disturbed []Disturbance
}

// Steps of MeasureCPU, as told to Progress.
const (
	StepSingle = "cpu single"
	StepMulti  = "cpu multi"
)

// MeasureCPU measures the processors: one thread, then all. It is not for use
// by several goroutines at once: measurements disturb each other, and it raises
// GOMAXPROCS while it runs.
func MeasureCPU(ctx context.Context, options CPUOptions, progress Progress) (CPU, error) {
	o, err := options.complete()
	if err != nil {
		return CPU{}, fmt.Errorf("measure cpu: %w", err)
	}
	result := CPU{Threads: runtime.NumCPU()}
	defer sparePs(result.Threads)()

	m := cpuMeasurement{CPUOptions: o, primes: countPrimes(uint64(o.PrimeLimit)), disturbed: make(worst)}
	if _, err := m.run(ctx, 1, min(warmUp, o.Time)); err != nil {
		return CPU{}, fmt.Errorf("measure cpu: %w", err)
	}
	clear(m.disturbed)
	if result.Single, err = m.runs(ctx, StepSingle, 1, progress); err != nil {
		return CPU{}, fmt.Errorf("measure one thread: %w", err)
	}
	if result.Multi, err = m.runs(ctx, StepMulti, result.Threads, progress); err != nil {
		return CPU{}, fmt.Errorf("measure %d threads: %w", result.Threads, err)
	}
	result.Disturbed = m.disturbed.list()
	return result, nil
}

// sparePs lets n more goroutines run Go code at the same time until the
// returned function is called. Without it measuring threads of low priority
// would occupy all slots of the scheduler, and the daemon would wait for a
// processor that another process keeps. The price: the runtime no longer
// follows a later change of the CPU limit of its control group.
func sparePs(n int) (restore func()) {
	before := runtime.GOMAXPROCS(0)
	runtime.GOMAXPROCS(before + n)
	return func() { runtime.GOMAXPROCS(before) }
}

// cpuMeasurement is one call of MeasureCPU.
type cpuMeasurement struct {
	CPUOptions
	primes    int // that every event must find
	disturbed worst
}

// runs makes all runs with threads threads.
func (m *cpuMeasurement) runs(ctx context.Context, step string, threads int, progress Progress) (Figure, error) {
	progress.report(step, 0)
	var rates []float64
	for i := range m.Runs {
		rate, err := m.run(ctx, threads, m.Time/time.Duration(m.Runs))
		if err != nil {
			return Figure{}, err
		}
		rates = append(rates, rate)
		progress.report(step, float64(i+1)/float64(m.Runs))
	}
	return figure(rates), nil
}

// tally is what one thread did.
type tally struct {
	events  int
	elapsed time.Duration // of exactly these events
	used    time.Duration // processor time of the thread
	err     error
}

// run lets threads threads work for d, at least one event each, and returns
// their events per second.
func (m *cpuMeasurement) run(ctx context.Context, threads int, d time.Duration) (float64, error) {
	watch, err := startWatch(ctx)
	if err != nil {
		return 0, err
	}
	tallies := make([]tally, threads)
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	ready.Add(threads)
	for i := range tallies {
		done.Go(func() {
			onOwnThread(func() {
				var err error
				if m.Nice {
					err = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), lowest)
				}
				ready.Done()
				<-start
				if tallies[i].err = err; err == nil {
					tallies[i] = m.work(ctx, d)
				}
			})
		})
	}
	ready.Wait()
	close(start)
	done.Wait()

	var rate float64
	var used time.Duration
	for _, t := range tallies {
		if t.err != nil {
			return 0, t.err
		}
		rate += float64(t.events) / t.elapsed.Seconds()
		used += t.used
	}
	return rate, watch.stop(ctx, used, m.disturbed)
}

// onOwnThread runs f on a thread that ends with the calling goroutine. The
// thread's priority ends with it, which an unprivileged process could not raise
// again. The main thread never ends in a Go program, so it is held while
// another goroutine, which then has another thread, runs f.
func onOwnThread(f func()) {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		done := make(chan struct{})
		go func() {
			defer close(done)
			onOwnThread(f)
		}()
		<-done
		return
	}
	f()
}

// work makes events until d is over and the last one complete.
func (m *cpuMeasurement) work(ctx context.Context, d time.Duration) (t tally) {
	before, err := threadTime()
	if err != nil {
		return tally{err: err}
	}
	for start := time.Now(); t.elapsed < d || t.events == 0; t.elapsed = time.Since(start) {
		if ctx.Err() != nil {
			return tally{err: context.Cause(ctx)}
		}
		if n := countPrimes(uint64(m.PrimeLimit)); n != m.primes {
			return tally{err: fmt.Errorf("found %d primes below %d, before %d: the processor or memory is faulty", n, m.PrimeLimit, m.primes)}
		}
		t.events++
	}
	after, err := threadTime()
	t.used, t.err = after-before, err
	return t
}

// countPrimes is the event: it counts the primes from 3 to below limit.
func countPrimes(limit uint64) int {
	n := 0
	for c := uint64(3); c < limit; c++ {
		if isPrime(c) {
			n++
		}
	}
	return n
}

// isPrime divides c by everything from 2 up to its square root until something
// divides it. This is sysbench's arithmetic on purpose, in the same width: do
// not skip even divisors. The shape is the fastest of seven tried: written out
// in countPrimes the loop moves registers about and loses 3 %, comparing as
// floating point loses 6 %. What stays to sysbench, 1 to 3 %, is Go's check for
// a zero divisor.
func isPrime(c uint64) bool {
	root := uint64(math.Sqrt(float64(c)))
	for l := uint64(2); l <= root; l++ {
		if c%l == 0 {
			return false
		}
	}
	return true
}

// threadTime is the processor time that the calling thread has used.
func threadTime() (time.Duration, error) {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &usage); err != nil {
		return 0, fmt.Errorf("read the thread's processor time: %w", err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()), nil
}
