// Package doctor answers the operator's question why this node doesn't earn:
// it runs every check that decides whether the node can be confirmed and paid,
// and says what is wrong first, with the measured fact and what to do.
//
// A check that needs another one to pass isn't judged while that one fails: a
// report names the cause, and calls its consequences unknown. Every problem
// that a check can find is registered with package health beforehand, so that
// status, metrics, logs and report show the same list.
//
// The package looks and repairs nothing. What a check looks at is given to it;
// package checks has the checks of a node.
package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"regexp"
	"slices"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/health"
)

// Check is one thing that decides whether this node can be confirmed and earn.
type Check struct {
	// Name is for programs: lower-case words with hyphens, unique.
	Name string
	// Title says what is looked at: "Chain daemon".
	Title string
	// Needs names checks, declared before this one, without which it can't be judged.
	Needs []string
	// Problems are all that Look can find.
	Problems []health.Problem
	// Every is the time between two looks while all is well, with a tenth of
	// jitter; 0 is 30 s. While there is a problem it is looked at every 30 s at least.
	Every time.Duration
	// Timeout bounds one look; 0 is 10 s.
	Timeout time.Duration
	// Awaited makes the first look, however it ends, a start condition of the node.
	Awaited bool
	// Look finds out how things are. It must return when ctx ends.
	Look func(ctx context.Context) Finding
}

// Finding is what a look found.
type Finding struct {
	// Problem is the code of one of the check's problems; "" for none.
	Problem string
	// Fact is what was measured, in one line with units. It must not hold secrets.
	Fact string
	// Advice replaces that of the problem where more is known.
	Advice string
	// Unknown says that nothing could be found out; Fact says why.
	Unknown bool
}

// Fine is the finding that all is well.
func Fine(format string, args ...any) Finding { return Finding{Fact: fmt.Sprintf(format, args...)} }

// Bad is the finding of a problem.
func Bad(code, format string, args ...any) Finding {
	return Finding{Problem: code, Fact: fmt.Sprintf(format, args...)}
}

// Unknown is the finding that nothing could be found out.
func Unknown(format string, args ...any) Finding {
	return Finding{Unknown: true, Fact: fmt.Sprintf(format, args...)}
}

// Advising replaces the problem's advice.
func (f Finding) Advising(format string, args ...any) Finding {
	f.Advice = fmt.Sprintf(format, args...)
	return f
}

// Defaults of a Check.
const (
	usualEvery   = 30 * time.Second
	usualTimeout = 10 * time.Second
)

// Config is what a Doctor needs.
type Config struct {
	// Checks in the order of cause and effect: of two equally severe problems
	// the report names the one of the earlier check first.
	Checks []Check
	Health *health.Registry
	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil is time.Now
}

// Doctor runs checks. All methods are safe for concurrent use.
type Doctor struct {
	health *health.Registry
	log    *slog.Logger
	now    func() time.Time
	checks []*check
	waves  [][]*check      // each needs earlier ones only
	known  map[string]bool // codes of the checks' problems

	// passing is held by a pass over the checks, and guards whole, the time at
	// which the last pass over all of them began.
	passing chan struct{}
	whole   time.Time

	mu sync.Mutex // guards the findings of all checks, and changed
	// changed is closed when a check's state changes.
	changed chan struct{}
}

// check is a Check with what is known of it.
type check struct {
	Check
	needs     []*check
	problems  map[string]health.Problem
	reporters map[string]*health.Reporter
	condition *health.Condition

	// Guarded by Doctor.mu.
	seen    bool
	finding Finding
	blocker *check // the check that this one waits for
	since   time.Time
	checked time.Time
	due     time.Time
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// New registers the problems of all checks. Names that are taken, needs that
// aren't declared before and problems that health refuses are errors.
func New(cfg Config) (*Doctor, error) {
	if cfg.Health == nil {
		return nil, errors.New("doctor: a health registry is required")
	}
	d := &Doctor{health: cfg.Health, log: cmp.Or(cfg.Logger, slog.New(slog.DiscardHandler)), now: cfg.Now,
		known: map[string]bool{}, passing: make(chan struct{}, 1), changed: make(chan struct{})}
	if d.now == nil {
		d.now = time.Now
	}
	byName := map[string]*check{}
	depth := map[*check]int{}
	for _, c := range cfg.Checks {
		if !nameForm.MatchString(c.Name) || c.Title == "" || c.Look == nil || byName[c.Name] != nil {
			return nil, fmt.Errorf("doctor: check %q: want a name of lower-case words with hyphens that isn't taken, a title and a look", c.Name)
		}
		k := &check{Check: c, problems: map[string]health.Problem{}, reporters: map[string]*health.Reporter{}, since: d.now()}
		k.Every, k.Timeout = cmp.Or(c.Every, usualEvery), cmp.Or(c.Timeout, usualTimeout)
		for _, name := range c.Needs {
			need := byName[name]
			if need == nil {
				return nil, fmt.Errorf("doctor: check %s needs %s, which isn't declared before it", c.Name, name)
			}
			k.needs = append(k.needs, need)
			depth[k] = max(depth[k], depth[need]+1)
		}
		for _, p := range c.Problems {
			r, err := cfg.Health.Register(p)
			if err != nil {
				return nil, fmt.Errorf("doctor: check %s: %w", c.Name, err)
			}
			k.problems[p.Code], k.reporters[p.Code], d.known[p.Code] = p, r, true
		}
		if c.Awaited {
			var err error
			if k.condition, err = cfg.Health.Await(c.Title); err != nil {
				return nil, fmt.Errorf("doctor: check %s: %w", c.Name, err)
			}
		}
		byName[c.Name] = k
		d.checks = append(d.checks, k)
		for len(d.waves) <= depth[k] {
			d.waves = append(d.waves, nil)
		}
		d.waves[depth[k]] = append(d.waves[depth[k]], k)
	}
	return d, nil
}

// Serve looks at everything, each check in its own time, until ctx ends.
func (d *Doctor) Serve(ctx context.Context) error {
	for {
		if err := d.pass(ctx, false); err != nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(d.untilNext()):
		}
	}
}

// Examine looks at everything now, and reports. Calls that wait for one another
// share a look that began after each of them. It returns ctx's error when ctx
// ends before every check was looked at.
func (d *Doctor) Examine(ctx context.Context) (Report, error) {
	if err := d.pass(ctx, true); err != nil {
		return Report{}, err
	}
	return d.Report(), nil
}

// pass looks at the checks that are due, or at all of them: wave by wave, those
// of a wave at the same time.
func (d *Doctor) pass(ctx context.Context, all bool) error {
	asked := d.now()
	select {
	case d.passing <- struct{}{}:
		defer func() { <-d.passing }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if all {
		if d.whole.After(asked) {
			return nil
		}
		defer func(began time.Time) {
			if ctx.Err() == nil {
				d.whole = began
			}
		}(d.now())
	}
	moved := map[*check]bool{} // changed in this pass, so that what needs it is due as well
	for _, wave := range d.waves {
		var wg sync.WaitGroup
		var looked []*check
		for _, k := range wave {
			if all || d.isDue(k) || slices.ContainsFunc(k.needs, func(n *check) bool { return moved[n] }) {
				looked = append(looked, k)
			}
		}
		changed := make([]bool, len(looked))
		for i, k := range looked {
			wg.Go(func() { changed[i] = d.look(ctx, k) })
		}
		wg.Wait()
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, k := range looked {
			moved[k] = changed[i]
		}
	}
	return nil
}

func (d *Doctor) isDue(k *check) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !k.seen || !d.now().Before(k.due)
}

func (d *Doctor) untilNext() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	wait := usualEvery
	for _, k := range d.checks {
		wait = min(wait, k.due.Sub(d.now()))
	}
	return max(wait, 10*time.Millisecond)
}

// look looks at one check and reports whether its judgement changed.
func (d *Doctor) look(ctx context.Context, k *check) bool {
	f, blocker := d.find(ctx, k)
	if ctx.Err() != nil {
		return false
	}
	if f.Problem != "" && k.reporters[f.Problem] == nil {
		d.log.Error("A check found a problem that it hadn't declared", slog.String("check", k.Name), slog.String("code", f.Problem))
		f = Unknown("%s", f.Fact)
	}
	for code, r := range k.reporters {
		if code == f.Problem {
			r.Set(f.Fact)
		} else {
			r.Clear()
		}
	}
	if k.condition != nil {
		k.condition.Met()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	changed := !k.seen || f.Problem != k.finding.Problem || f.Unknown != k.finding.Unknown || blocker != k.blocker
	if changed {
		k.since = now
		close(d.changed)
		d.changed = make(chan struct{})
	}
	every := k.Every
	if f.Problem != "" || f.Unknown {
		every = min(every, usualEvery)
	}
	k.seen, k.finding, k.blocker, k.checked = true, f, blocker, now
	k.due = now.Add(every + rand.N(every/10+1))
	return changed
}

// find asks the check, unless one that it needs fails.
func (d *Doctor) find(ctx context.Context, k *check) (f Finding, blocker *check) {
	d.mu.Lock()
	for _, n := range k.needs {
		if n.finding.Problem != "" && n.problems[n.finding.Problem].Severity == health.Critical || n.blocker != nil {
			blocker = cmp.Or(n.blocker, n)
			break
		}
	}
	d.mu.Unlock()
	if blocker != nil {
		return Unknown("can't be told before this is mended: %s", blocker.Title), blocker
	}
	ctx, cancel := context.WithTimeout(ctx, k.Timeout)
	defer cancel()
	defer func() {
		if r := recover(); r != nil { // one sick check must not hide what the others find
			d.log.Error("A check panicked", slog.String("check", k.Name), slog.Any("panic", r))
			f = Unknown("the check itself failed, see the log")
		}
	}()
	return k.Look(ctx), nil
}

// Changed returns a channel that is closed when the judgement of a check
// changes. Take the channel first, then look, then wait.
func (d *Doctor) Changed() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.changed
}
