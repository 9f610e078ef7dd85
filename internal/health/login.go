package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"
)

// LoginCheck looks at one thing that must work before a login phrase is given
// out. It must return when its context ends, and be safe for concurrent use.
type LoginCheck func(ctx context.Context) error

// passedFor is how long a check that passed isn't asked again: login phrases
// may be wanted thousands of times a second.
const passedFor = time.Second

type loginCheck struct {
	name    string
	timeout time.Duration
	late    error // the cause when timeout is over
	run     LoginCheck
	now     func() time.Time
	passed  *atomic.Int64 // Unix time in ns of the last success
}

// LoginError is the failure of a login check.
type LoginError struct {
	Check string // its name
	Err   error
}

// Error returns the name of the check and its failure.
func (e *LoginError) Error() string { return fmt.Sprintf("login check %s: %v", e.Check, e.Err) }

// Unwrap returns what the check answered.
func (e *LoginError) Unwrap() error { return e.Err }

// AddLoginCheck appends a check with a deadline of its own. A missing or taken
// name, a missing function and a timeout that isn't positive are errors.
func (r *Registry) AddLoginCheck(name string, timeout time.Duration, check LoginCheck) error {
	switch {
	case name == "":
		return errors.New("add a login check: want a name")
	case check == nil:
		return fmt.Errorf("add the login check %s: want a function", name)
	case timeout <= 0:
		return fmt.Errorf("add the login check %s: want a timeout above 0, not %v", name, timeout)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.ContainsFunc(r.checks, func(c loginCheck) bool { return c.name == name }) {
		return fmt.Errorf("add the login check %s: the name is taken", name)
	}
	late := fmt.Errorf("no answer within %v: %w", timeout, context.DeadlineExceeded)
	r.checks = append(r.checks, loginCheck{name, timeout, late, check, r.now, new(atomic.Int64)})
	return nil
}

// CheckLogin runs the checks one after the other, in the order in which they
// were added, and stops at the first failure, a *LoginError. A check that
// answers nil has passed, even if it was late, and isn't asked again for a
// second. When ctx has ended, the rest
// isn't run and ctx's error is returned.
func (r *Registry) CheckLogin(ctx context.Context) error {
	r.mu.Lock()
	checks := slices.Clone(r.checks)
	r.mu.Unlock()
	for _, c := range checks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := c.bounded(ctx); err != nil {
			return &LoginError{Check: c.name, Err: err}
		}
	}
	return nil
}

func (c loginCheck) bounded(ctx context.Context) error {
	now := c.now().UnixNano()
	if age := now - c.passed.Load(); age >= 0 && age < int64(passedFor) {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, c.timeout, c.late)
	defer cancel()
	err := c.run(ctx)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return context.Cause(ctx)
	}
	if err == nil {
		c.passed.Store(now)
	}
	return err
}
