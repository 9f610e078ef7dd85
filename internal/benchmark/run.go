package benchmark

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fluxosd/fluxosd/internal/logattr"
)

const (
	// busy is the share of a disturbance from which a worse result is doubted.
	busy = 0.1
	// maxDoubts is how many runs in a row may be refused.
	maxDoubts = 3
)

// run measures once and keeps what came of it.
func (r *Runner) run(ctx context.Context, by string) {
	begin := time.Now()
	measuring, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	measuring, cancel := context.WithTimeoutCause(measuring, r.timeLimit, errOvertime)
	defer cancel()
	last, ok := r.begin(begin, stop)
	if !ok {
		return
	}
	r.log.Info("Benchmark begins", slog.String("by", by))
	result, err := r.meter.Measure(measuring, last, r.progress)
	cause := context.Cause(measuring)
	if err == nil {
		err = r.doubt(last, result)
	}
	switch {
	case err == nil:
		result.By, result.Took = by, time.Since(begin)
		r.log.Info("Benchmark ended", slog.String("by", by), slog.Duration("took", result.Took), slog.String("tier", string(Highest(Tiers(result)))))
		r.keep(ctx, result)
		r.end(&result, "")
	case ctx.Err() != nil: // the daemon stops
	case errors.Is(cause, errHeld):
		r.log.Info("Benchmark interrupted", logattr.Err(cause))
		r.postpone()
	default:
		if cause != nil {
			err = cause // says more than what the meter made of it
		}
		r.log.Warn("Benchmark failed", slog.String("by", by), logattr.Err(err))
		r.end(nil, err.Error())
	}
}

// doubt refuses a result that loses the machine its tier while something else
// kept the machine busy: the last result stands, and the run is repeated. What
// is found again and again is believed.
func (r *Runner) doubt(last *Result, result Result) error {
	r.mu.Lock()
	failures := r.failures
	r.mu.Unlock()
	if last == nil || failures >= maxDoubts {
		return nil
	}
	before, now := Highest(Tiers(*last)), Highest(Tiers(result))
	if now.rank() >= before.rank() {
		return nil
	}
	for _, d := range result.Disturbances() {
		if d.Share >= busy {
			return fmt.Errorf("the machine was busy (%s %.0f %%) and would no longer be %s: the earlier result stands", d.Reason, 100*d.Share, before)
		}
	}
	return nil
}

// begin marks the run as under way, unless a hold came meanwhile. A run that has
// waited long enough can't be ended by a hold any more.
func (r *Runner) begin(now time.Time, stop context.CancelCauseFunc) (last *Result, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.due) < r.maxHold {
		if r.holds > 0 {
			return nil, false
		}
		r.stop = stop
	}
	r.state.Running, r.state.Since, r.state.Step, r.state.Progress = true, now, "", 0
	r.change()
	return r.latest, true
}

// progress is what the meter reports to.
func (r *Runner) progress(step string, done float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.state.Progress = max(r.state.Progress, min(done, 1))
	if step != r.state.Step {
		r.state.Step = step
		r.change()
	}
}

// keep adds a result to the history, also when the daemon is being stopped. A
// store that doesn't take it costs the history one result, not the node its figures.
func (r *Runner) keep(ctx context.Context, result Result) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if err := r.history.Add(ctx, result); err != nil {
		r.log.Warn("Benchmark result is not kept across restarts", logattr.Err(err))
	}
}

// postpone ends a run that is to be repeated: it stays due and asked for.
func (r *Runner) postpone() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest()
	r.state.Step = stepWaiting
	r.change()
}

// end ends a run with a result, or with the reason for none.
func (r *Runner) end(result *Result, reason string) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest()
	r.asked, r.due, r.ended = "", time.Time{}, now
	r.state.LastError = reason
	if result != nil {
		r.failures, r.latest = 0, result
		r.state.Next = r.plan.after(now)
	} else {
		r.failures++
		r.state.Next = r.plan.retry(now, r.failures)
	}
	r.change()
}

// rest returns the state to that between two runs; the caller holds mu.
func (r *Runner) rest() {
	r.stop = nil
	r.state.Running, r.state.Since, r.state.Step, r.state.Progress = false, time.Time{}, "", 0
}
