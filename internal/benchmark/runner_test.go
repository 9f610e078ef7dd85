package benchmark

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/store"
)

// fakeMeter takes a minute for a run.
type fakeMeter struct {
	mu    sync.Mutex // guards what follows
	fail  error
	takes time.Duration
	begun []time.Time
	lasts []*Result
	cut   int // runs that ended before their time
	as    machine
	load  []measure.Disturbance
}

func (m *fakeMeter) Measure(ctx context.Context, last *Result, progress Progress) (Result, error) {
	m.mu.Lock()
	fail, takes := m.fail, m.takes
	m.begun, m.lasts = append(m.begun, time.Now()), append(m.lasts, last)
	m.mu.Unlock()
	if takes == 0 {
		takes = time.Minute
	}
	progress("CPU", 0)
	for _, step := range []struct {
		name string
		done float64
	}{{"disk vda", 0.5}, {"end", 1}} {
		select {
		case <-ctx.Done():
			m.mu.Lock()
			defer m.mu.Unlock()
			m.cut++
			return Result{}, ctx.Err()
		case <-time.After(takes / 2):
		}
		progress(step.name, step.done)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	found := m.as
	if found == (machine{}) {
		found = nimbus()
	}
	r := found.result()
	r.Time, r.CPU.Disturbed = time.Now(), m.load
	return r, fail
}

func (m *fakeMeter) setFail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fail = err
}

func (m *fakeMeter) setMachine(as machine, load ...measure.Disturbance) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.as, m.load = as, load
}

// runs tells how many runs have begun and how many of them were cut short.
func (m *fakeMeter) runs() (begun, cut int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.begun), m.cut
}

// serve runs body in a bubble of false time, with a runner that serves.
func serve(t *testing.T, change func(*RunnerConfig), body func(t *testing.T, r *Runner, m *fakeMeter, h *History)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		m, h := &fakeMeter{}, NewHistory(openStore(t))
		cfg := RunnerConfig{Meter: m, History: h, Every: 12 * time.Hour, NodeID: "198.51.100.7"}
		if change != nil {
			change(&cfg)
		}
		r := start(t, cfg)
		synctest.Wait()
		body(t, r, m, h)
	})
}

// start makes a runner and serves until the test ends.
func start(t *testing.T, cfg RunnerConfig) *Runner {
	t.Helper()
	r, err := NewRunner(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Serve(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return r
}

// pass lets time pass until everybody waits again.
func pass(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
	synctest.Wait()
}

func wantRuns(t *testing.T, m *fakeMeter, begun, cut int) {
	t.Helper()
	if b, c := m.runs(); b != begun || c != cut {
		t.Fatalf("%d runs, %d of them cut short; want %d and %d", b, c, begun, cut)
	}
}

func TestRunnerMeasuresSoonAfterTheStartAndThenOnSchedule(t *testing.T) {
	serve(t, nil, func(t *testing.T, r *Runner, m *fakeMeter, h *History) {
		if s := r.State(); s.Running || s.Next.IsZero() || time.Until(s.Next) > 2*time.Minute {
			t.Fatalf("state after start: %+v", s)
		}
		if r.Latest() != nil {
			t.Fatal("a result before the first run")
		}
		pass(time.Until(r.State().Next) + 40*time.Second)
		wantRuns(t, m, 1, 0)
		if s := r.State(); !s.Running || s.Step != "disk vda" || s.Progress != 0.5 || time.Since(s.Since) != 40*time.Second {
			t.Errorf("state in a run: %+v", s)
		}
		pass(time.Minute)
		latest := r.Latest()
		if latest == nil || latest.By != BySchedule || latest.Took != time.Minute {
			t.Fatalf("result %+v", latest)
		}
		s := r.State()
		if wait := s.Next.Sub(latest.Time); s.Running || s.Step != "" || wait < 12*time.Hour || wait > 12*time.Hour+72*time.Minute {
			t.Errorf("state after a run: %+v", s)
		}
		pass(40 * time.Hour)
		wantRuns(t, m, 4, 0)
		if m.lasts[0] != nil || m.lasts[1] != latest {
			t.Errorf("the meter was given %v", m.lasts)
		}
		kept, err := h.List(t.Context(), 0)
		if err != nil || len(kept) != 4 {
			t.Errorf("history of %d, %v, want 4", len(kept), err)
		}
	})
}

func TestLastResultServesAcrossRestartsAndFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		docs := openStore(t)
		old := nimbus().result()
		old.Time = time.Now().Add(-time.Hour).Truncate(time.Millisecond)
		h := NewHistory(docs)
		if err := h.Add(t.Context(), old); err != nil {
			t.Fatal(err)
		}
		m := &fakeMeter{fail: errors.New("disk on fire")}
		r := start(t, RunnerConfig{Meter: m, History: h, Every: 12 * time.Hour, NodeID: "a"})
		synctest.Wait()
		same := func() {
			t.Helper()
			if latest := r.Latest(); latest == nil || !latest.Time.Equal(old.Time) {
				t.Fatalf("latest %+v", latest)
			}
		}
		same()
		pass(10 * time.Hour)
		wantRuns(t, m, 0, 0) // young enough
		pass(time.Until(r.State().Next) + 30*time.Second)
		wantRuns(t, m, 1, 0)
		same()
		pass(time.Minute)
		same()
		s := r.State()
		if s.LastError != "disk on fire" || time.Until(s.Next) > 12*time.Minute {
			t.Errorf("state after a failure: %+v", s)
		}
		m.setFail(nil)
		pass(15 * time.Minute)
		if s := r.State(); s.LastError != "" || !r.Latest().Time.After(old.Time) {
			t.Errorf("after the repetition: %+v", s)
		}
		m.setFail(errors.New("disk on fire")) // once more: the pause is the first one again
		pass(time.Until(r.State().Next) + 2*time.Minute)
		if s := r.State(); s.LastError == "" || time.Until(s.Next) > 12*time.Minute {
			t.Errorf("state after another failure: %+v", s)
		}
	})
}

func TestRequestedRunStartsAtOnce(t *testing.T) {
	serve(t, func(cfg *RunnerConfig) { cfg.Every = 0 }, func(t *testing.T, r *Runner, m *fakeMeter, _ *History) {
		pass(100 * time.Hour)
		wantRuns(t, m, 0, 0)
		if !r.State().Next.IsZero() {
			t.Error("a run is due without a schedule")
		}
		ask := func(kind fault.Kind, text string) {
			t.Helper()
			err := r.Request(t.Context(), "admin")
			if text == "" && err == nil {
				return
			}
			if err == nil || fault.KindOf(err) != kind || !strings.Contains(err.Error(), text) {
				t.Errorf("request: %v, want %v %q", err, kind, text)
			}
		}
		release := r.Hold()
		ask(0, "")
		ask(fault.Conflict, "has been asked for already")
		release()
		pass(20 * time.Second)
		wantRuns(t, m, 1, 0)
		ask(fault.Conflict, "has been running for 20s")
		pass(50 * time.Second)
		if r.Latest() == nil || r.Latest().By != "admin" {
			t.Fatalf("result %+v", r.Latest())
		}
		ask(fault.TooMany, "ended 10s ago: ask again in 50s")
		pass(50 * time.Second)
		ask(0, "")
		pass(time.Second)
		wantRuns(t, m, 2, 0)
		if err := r.Request(t.Context(), ""); fault.KindOf(err) != fault.Invalid {
			t.Errorf("request by nobody: %v", err)
		}
	})
}

func TestRequestIsRefusedWhileNothingServes(t *testing.T) {
	r, err := NewRunner(RunnerConfig{Meter: &fakeMeter{}, History: NewHistory(openStore(t))})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Request(t.Context(), "admin"); fault.KindOf(err) != fault.Unavailable {
		t.Errorf("request: %v", err)
	}
}

func TestRunWaitsWhileAnApplicationStarts(t *testing.T) {
	serve(t, nil, func(t *testing.T, r *Runner, m *fakeMeter, _ *History) {
		one, two := r.Hold(), r.Hold()
		pass(10 * time.Minute)
		wantRuns(t, m, 0, 0)
		if s := r.State(); s.Running || s.Step != stepWaiting {
			t.Errorf("state %+v", s)
		}
		one()
		one() // again does no harm
		pass(time.Minute)
		wantRuns(t, m, 0, 0)
		two()
		pass(time.Second)
		wantRuns(t, m, 1, 0)
	})
}

func TestRunWaitsAtMostMaxHold(t *testing.T) {
	serve(t, func(cfg *RunnerConfig) { cfg.MaxHold = 20 * time.Minute }, func(t *testing.T, r *Runner, m *fakeMeter, _ *History) {
		defer r.Hold()()
		due := r.State().Next
		pass(time.Until(due) + 19*time.Minute)
		wantRuns(t, m, 0, 0)
		pass(90 * time.Second)
		wantRuns(t, m, 1, 0)
		defer r.Hold()() // one more doesn't end it
		pass(time.Minute)
		wantRuns(t, m, 1, 0)
		if r.Latest() == nil {
			t.Error("no result")
		}
	})
}

func TestHoldEndsARunWhichIsRepeatedLater(t *testing.T) {
	serve(t, func(cfg *RunnerConfig) { cfg.Every = 0 }, func(t *testing.T, r *Runner, m *fakeMeter, _ *History) {
		if err := r.Request(t.Context(), "admin"); err != nil {
			t.Fatal(err)
		}
		pass(30 * time.Second)
		release := r.Hold()
		synctest.Wait()
		wantRuns(t, m, 1, 1)
		if s := r.State(); s.Running || s.Step != stepWaiting || s.LastError != "" {
			t.Errorf("state %+v", s)
		}
		pass(5 * time.Minute)
		release()
		pass(2 * time.Minute)
		wantRuns(t, m, 2, 1)
		if r.Latest() == nil || r.Latest().By != "admin" {
			t.Errorf("result %+v", r.Latest())
		}
	})
}

// Applications that start again and again don't keep a node from being measured.
func TestRunThatWasEndedOftenIsLetThrough(t *testing.T) {
	serve(t, func(cfg *RunnerConfig) { cfg.MaxHold = 10 * time.Minute }, func(t *testing.T, r *Runner, m *fakeMeter, _ *History) {
		for range 30 {
			release := r.Hold()
			pass(10 * time.Second)
			release()
			pass(30 * time.Second)
		}
		if r.Latest() == nil {
			b, c := m.runs()
			t.Errorf("no result after %d runs, %d of them ended by a hold", b, c)
		}
	})
}

// MaxHold counts from when the held run is due, not from an earlier one.
func TestEachRunWaitsAnew(t *testing.T) {
	serve(t, nil, func(t *testing.T, r *Runner, m *fakeMeter, _ *History) {
		pass(5 * time.Minute)
		wantRuns(t, m, 1, 0)
		defer r.Hold()()
		pass(time.Until(r.State().Next) + 20*time.Minute)
		wantRuns(t, m, 1, 0)
	})
}

func TestRequestIsForgottenWhenServeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &fakeMeter{}
		r, err := NewRunner(RunnerConfig{Meter: m, History: NewHistory(openStore(t))})
		if err != nil {
			t.Fatal(err)
		}
		release := r.Hold()
		for i := range 2 {
			ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
			done := make(chan error)
			go func() { done <- r.Serve(ctx) }()
			synctest.Wait()
			if i == 0 {
				if err := r.Request(ctx, "admin"); err != nil {
					t.Fatal(err)
				}
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			stop()
			if i == 0 {
				release()
			}
		}
		wantRuns(t, m, 0, 0)
	})
}

func TestRunEndsAtItsTimeLimit(t *testing.T) {
	log := &logText{}
	serve(t, func(cfg *RunnerConfig) {
		cfg.TimeLimit, cfg.Logger = 5*time.Minute, log.logger()
	}, func(t *testing.T, r *Runner, m *fakeMeter, _ *History) {
		m.mu.Lock()
		m.takes = time.Hour
		m.mu.Unlock()
		pass(time.Until(r.State().Next) + 5*time.Minute)
		wantRuns(t, m, 1, 1)
		if s := r.State(); s.Running || s.LastError != errOvertime.Error() || !strings.Contains(log.String(), "Benchmark failed") {
			t.Errorf("state %+v, log %s", s, log)
		}
	})
}

func TestBusyMachineKeepsItsTierUntilTheLossIsCertain(t *testing.T) {
	slow := nimbus()
	slow.single = 70 // CUMULUS
	load := func(share float64) measure.Disturbance {
		return measure.Disturbance{Reason: measure.OtherLoad, Share: share}
	}
	serve(t, nil, func(t *testing.T, r *Runner, m *fakeMeter, _ *History) {
		tier := func(want Tier) {
			t.Helper()
			if got := Highest(Tiers(*r.Latest())); got != want {
				t.Fatalf("tier %s, want %s", got, want)
			}
		}
		next := func() {
			t.Helper()
			pass(time.Until(r.State().Next) + 90*time.Second)
		}
		next()
		tier(Nimbus)
		m.setMachine(slow, load(0.6))
		for range maxDoubts {
			next()
			tier(Nimbus)
			if got := r.State().LastError; got != "the machine was busy (other load 60 %) and would no longer be NIMBUS: the earlier result stands" {
				t.Errorf("last error %q", got)
			}
		}
		next()
		tier(Cumulus)
		m.setMachine(nimbus(), load(0.6)) // better is always believed
		next()
		tier(Nimbus)
		m.setMachine(slow, load(busy-0.01))
		next()
		tier(Cumulus)
		if err := r.State().LastError; err != "" {
			t.Errorf("last error %q", err)
		}
	})
}

func TestResultOutlivesAServeThatIsRepeatedWithoutAStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := NewRunner(RunnerConfig{Meter: &fakeMeter{}, History: NewHistory(brokenStore{}), Every: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		// The second is over before a run is due.
		for _, d := range []time.Duration{30 * time.Minute, 30 * time.Second} {
			ctx, stop := context.WithTimeout(t.Context(), d)
			if err := r.Serve(ctx); err != nil {
				t.Fatal(err)
			}
			stop()
		}
		if r.Latest() == nil {
			t.Error("no result")
		}
	})
}

func TestChangedTellsEveryChange(t *testing.T) {
	serve(t, nil, func(t *testing.T, r *Runner, _ *fakeMeter, _ *History) {
		var seen []string
		for r.Latest() == nil {
			changed := r.Changed()
			s := r.State()
			if n := len(seen); n == 0 || seen[n-1] != s.Step {
				seen = append(seen, s.Step)
			}
			<-changed
		}
		// "end" comes together with the result.
		if got := strings.Join(seen[:3], ","); got != ",CPU,disk vda" {
			t.Errorf("steps %q", got)
		}
	})
}

func TestStopInARunLeavesNoError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, h := &fakeMeter{}, NewHistory(openStore(t))
		r, err := NewRunner(RunnerConfig{Meter: m, History: h, Every: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- r.Serve(ctx) }()
		pass(3 * time.Minute / 2)
		wantRuns(t, m, 1, 0)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		wantRuns(t, m, 1, 1)
		if s := r.State(); s != (State{Ready: true}) {
			t.Errorf("state %+v", s)
		}
	})
}

// brokenStore fails at everything that the runner does with it.
type brokenStore struct{ store.Store }

func (brokenStore) FindOne(context.Context, *store.Collection, store.Query, any) error {
	return store.ErrUnavailable
}

func (brokenStore) Insert(context.Context, *store.Collection, ...any) error {
	return store.ErrUnavailable
}

func TestNodeKeepsItsFiguresWithoutAStore(t *testing.T) {
	log := &logText{}
	serve(t, func(cfg *RunnerConfig) {
		cfg.History, cfg.Logger = NewHistory(brokenStore{}), log.logger()
	}, func(t *testing.T, r *Runner, _ *fakeMeter, _ *History) {
		pass(5 * time.Minute)
		if r.Latest() == nil {
			t.Error("no result")
		}
		for _, want := range []string{"Last benchmark result is unreadable", "Benchmark result is not kept across restarts"} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("log lacks %q:\n%s", want, log)
			}
		}
	})
}

func TestRunnerRefusesABadConfiguration(t *testing.T) {
	h := NewHistory(brokenStore{})
	for name, tt := range map[string]struct {
		cfg  RunnerConfig
		want []string
	}{
		"nothing":   {RunnerConfig{}, []string{"no meter", "no history"}},
		"negative":  {RunnerConfig{Meter: &fakeMeter{}, History: h, Every: -1, MaxHold: -2}, []string{"Every -1ns: want", "MaxHold -2ns: want"}},
		"too often": {RunnerConfig{Meter: &fakeMeter{}, History: h, Every: time.Minute}, []string{"time between two runs 1m0s is shorter than one may take (10m0s)"}},
	} {
		_, err := NewRunner(tt.cfg)
		for _, want := range tt.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", name, err, want)
			}
		}
	}
}
