package benchmark

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/logattr"
)

const (
	defaultStartDelay = time.Minute
	defaultTimeLimit  = 10 * time.Minute
	defaultMaxHold    = 30 * time.Minute

	// requestGap is how soon after a run another one may be asked for.
	requestGap = time.Minute
	// longestNap is how long the runner sleeps before it looks at the clock
	// again, which the operator may have set meanwhile.
	longestNap = time.Hour
	// storeTime bounds one access to the store.
	storeTime = 10 * time.Second
)

// BySchedule is who asked for a run that nobody asked for.
const BySchedule = "schedule"

var (
	// errHeld is the cause of a run's end when an application starts.
	errHeld = errors.New("an application starts")
	// errOvertime is the cause of a run's end at its time limit.
	errOvertime = errors.New("the benchmark took too long")
)

// RunnerConfig says how and when to measure.
type RunnerConfig struct {
	Meter   Meter
	History *History

	// Every is the time between two runs; 0 means only when asked for.
	Every time.Duration
	// NodeID spreads the nodes of the network over time.
	NodeID string
	// StartDelay is how long after Serve begins the first run may start; 0 means 1 minute.
	StartDelay time.Duration
	// TimeLimit is how long one run may take; 0 means 10 minutes.
	TimeLimit time.Duration
	// MaxHold is how long a run that is due waits for Hold; 0 means 30 minutes.
	MaxHold time.Duration

	Logger *slog.Logger // nil discards
}

// State is what a Runner is doing.
type State struct {
	Ready     bool      `json:"ready"` // the last result of an earlier start has been looked for
	Running   bool      `json:"running"`
	Step      string    `json:"step"`      // what is measured now; "waiting" while a due run is held
	Progress  float64   `json:"progress"`  // of the present run, 0 to 1
	Since     time.Time `json:"since"`     // begin of the present run, zero for none
	LastError string    `json:"lastError"` // why the last run gave no result; "" after a good one
	Next      time.Time `json:"next"`      // when the next run is due, in the past while that one waits or runs; zero for none
}

// stepWaiting is the State's Step while a run that is due is held.
const stepWaiting = "waiting"

// Runner measures this machine again and again, one run at a time. It is a
// service: Serve does the work, the other methods may be called from anywhere.
type Runner struct {
	meter     Meter
	history   *History
	plan      schedule
	timeLimit time.Duration
	maxHold   time.Duration
	log       *slog.Logger

	wake chan struct{} // capacity 1: Serve looks again at what is under mu

	mu       sync.Mutex // guards what follows; no call is made under it
	serving  bool
	state    State
	changed  chan struct{} // closed and replaced when state or latest changes
	latest   *Result       // the last good one; never changed, only replaced
	ended    time.Time     // of the last run, good or not
	failures int           // in a row
	asked    string        // who wants a run, "" for nobody
	due      time.Time     // since when a run is due and hindered, zero for none
	holds    int
	stop     context.CancelCauseFunc // of the present run if a hold may end it, else nil
}

// NewRunner checks the configuration. Nothing is read or measured before Serve.
func NewRunner(cfg RunnerConfig) (*Runner, error) {
	var errs []error
	if cfg.Meter == nil {
		errs = append(errs, errors.New("no meter"))
	}
	if cfg.History == nil {
		errs = append(errs, errors.New("no history"))
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		usual time.Duration
	}{
		{"Every", &cfg.Every, 0}, {"StartDelay", &cfg.StartDelay, defaultStartDelay},
		{"TimeLimit", &cfg.TimeLimit, defaultTimeLimit}, {"MaxHold", &cfg.MaxHold, defaultMaxHold},
	} {
		switch {
		case *d.value < 0:
			errs = append(errs, fmt.Errorf("%s %v: want a positive duration or 0", d.name, *d.value))
		case *d.value == 0:
			*d.value = d.usual
		}
	}
	if cfg.Every > 0 && cfg.Every < cfg.TimeLimit {
		errs = append(errs, fmt.Errorf("time between two runs %v is shorter than one may take (%v): want 0 or more, for example 12h", cfg.Every, cfg.TimeLimit))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("benchmark runner: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	return &Runner{
		meter: cfg.Meter, history: cfg.History,
		plan:      schedule{every: cfg.Every, startDelay: cfg.StartDelay, share: shareOf(cfg.NodeID)},
		timeLimit: cfg.TimeLimit, maxHold: cfg.MaxHold, log: cfg.Logger,
		wake: make(chan struct{}, 1), changed: make(chan struct{}),
	}, nil
}

// Latest returns the last good result, which may be from before the last
// restart. It is nil until there is one, and must not be changed.
func (r *Runner) Latest() *Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.latest
}

// State returns what the runner is doing now.
func (r *Runner) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Changed returns a channel that is closed when anything but the progress has
// changed: a run or a step begins, a run ends, there is a new result. Ask for
// it before reading State or Latest, and again after each change.
func (r *Runner) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Request asks for a run as soon as possible and returns at once; by names who
// asks, for the log and the result. It is refused while a run is under way or
// asked for, within a minute after the last one, and while nothing serves.
func (r *Runner) Request(ctx context.Context, by string) error {
	if err := r.request(by); err != nil {
		return err
	}
	r.log.InfoContext(ctx, "Benchmark asked for", slog.String("by", by))
	return nil
}

func (r *Runner) request(by string) error {
	if by == "" {
		return fault.New(fault.Invalid, "Benchmark asked for by nobody")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	switch {
	case !r.serving:
		return fault.New(fault.Unavailable, "The benchmark is not available: fluxosd starts or stops")
	case r.state.Running:
		return fault.Newf(fault.Conflict, "A benchmark has been running for %v", now.Sub(r.state.Since).Round(time.Second))
	case r.asked != "":
		return fault.New(fault.Conflict, "A benchmark has been asked for already and starts soon")
	}
	if gap := now.Sub(r.ended); !r.ended.IsZero() && gap >= 0 && gap < requestGap {
		return fault.Newf(fault.TooMany, "The last benchmark ended %v ago: ask again in %v", gap.Round(time.Second), (requestGap - gap).Round(time.Second))
	}
	r.asked = by
	r.poke()
	return nil
}

// Hold keeps runs from starting until the returned function is called, and ends
// a run that is under way within moments: it is repeated later. A run that has
// been due for MaxHold starts all the same and is not ended. Calling the function
// again does no harm.
func (r *Runner) Hold() (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.holds++
	if r.stop != nil {
		r.stop(errHeld)
	}
	return sync.OnceFunc(func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.holds--
		r.poke()
	})
}

// poke makes Serve look again.
func (r *Runner) poke() {
	select {
	case r.wake <- struct{}{}:
	default: // it will look anyway
	}
}

// change wakes those who wait for a change; the caller holds mu.
func (r *Runner) change() {
	close(r.changed)
	r.changed = make(chan struct{})
}

// Serve reads the last result and measures when a run is due, until ctx ends.
func (r *Runner) Serve(ctx context.Context) error {
	last := r.load(ctx)
	r.mu.Lock()
	if last == nil {
		last = r.latest // of an earlier Serve
	}
	r.serving, r.latest = true, last
	r.state.Ready, r.state.Next = true, r.plan.first(time.Now(), last)
	r.change()
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.rest()
		r.serving, r.asked, r.due = false, "", time.Time{}
		r.state.Next = time.Time{}
		r.change()
	}()
	for {
		by, wait := r.ready(time.Now())
		if by != "" {
			r.run(ctx, by)
			if ctx.Err() != nil {
				return nil
			}
			continue
		}
		if !r.sleep(ctx, wait) {
			return nil
		}
	}
}

// sleep ends after d, or when it is poked; false means that ctx ended.
func (r *Runner) sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-r.wake:
	case <-timer.C:
	}
	return true
}

// load reads the last result. A store that doesn't answer is no reason not to measure.
func (r *Runner) load(ctx context.Context) *Result {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	last, err := r.history.Latest(ctx)
	if err != nil {
		r.log.Warn("Last benchmark result is unreadable", logattr.Err(err))
		return nil
	}
	return last
}

// ready says who wants a run that may start now, or how long to wait before
// looking again.
func (r *Runner) ready(now time.Time) (by string, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	wait = longestNap
	switch {
	case r.asked != "":
		by = r.asked
	case r.state.Next.IsZero():
		return "", wait
	case now.Before(r.state.Next):
		return "", min(wait, r.state.Next.Sub(now))
	default:
		by = BySchedule
	}
	if r.due.IsZero() {
		r.due = now
	}
	if left := r.due.Add(r.maxHold).Sub(now); r.holds > 0 && left > 0 {
		if r.state.Step != stepWaiting {
			r.state.Step = stepWaiting
			r.change()
		}
		return "", min(wait, left)
	}
	return by, 0
}
