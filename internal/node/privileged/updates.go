package privileged

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"
)

// ErrBusy says that an update is under way.
var ErrBusy = errors.New("an update is under way: wait for its end")

// defaultUpdateTime is enough for a package and a restart on a slow line.
const defaultUpdateTime = 15 * time.Minute

// UpdatesConfig says how updates are run.
type UpdatesConfig struct {
	// Timeout is how long one update may take. 0 means 15 minutes.
	Timeout time.Duration
}

// Updates runs the units that update programs, one at a time. It reads nothing
// of what they write: their journal is the operator's.
type Updates struct {
	timeout time.Duration
	running atomic.Bool
}

// NewUpdates returns the runner of updates, of which a process has one.
func NewUpdates(c UpdatesConfig) (*Updates, error) {
	if c.Timeout < 0 {
		return nil, fmt.Errorf("update timeout %v: want a positive time, or 0 for %v", c.Timeout, defaultUpdateTime)
	}
	if c.Timeout == 0 {
		c.Timeout = defaultUpdateTime
	}
	return &Updates{timeout: c.Timeout}, nil
}

// StartAndWait starts a unit of Type=oneshot and returns when its commands have
// ended. It is ErrBusy, and nothing is started, while another update of these
// Updates runs, or while systemd still works on this unit or on another instance
// of its template: an update that restarts fluxosd outlives the process that
// asked for it.
//
// When ctx or the timeout ends the wait, the update goes on in systemd. A unit
// that fails gives an error that names its journal.
func (u *Updates) StartAndWait(ctx context.Context, unit Unit) error {
	if !u.running.CompareAndSwap(false, true) {
		return ErrBusy
	}
	defer u.running.Store(false)
	if err := unit.idle(ctx); err != nil {
		return err
	}
	_, err := unit.ask(ctx, u.timeout, "start", unit.name)
	if err == nil || errors.Is(err, ErrNoSystemd) {
		return err
	}
	// The end of ctx may be what failed; Status has a deadline of its own.
	status, unknown := unit.Status(context.WithoutCancel(ctx))
	switch {
	case errors.Is(unknown, ErrNoUnit):
		return unknown
	case unknown == nil && status.changing():
		return fmt.Errorf("unit %s still runs, journalctl -u %s shows what it does: %w", unit.name, unit.name, err)
	case unknown == nil && status.ActiveState == "failed":
		return fmt.Errorf("unit %s failed (%s): journalctl -u %s shows why", unit.name, status.Result, unit.name)
	}
	return err
}

// idle is ErrBusy while systemd works on the unit or one of its siblings.
func (u Unit) idle(ctx context.Context) error {
	pattern := u.name
	if prefix, _, ok := strings.Cut(u.name, "@"); ok {
		pattern = prefix + "@*.service"
	}
	out, err := u.ask(ctx, askTime, "show", "--property=ActiveState", pattern)
	if err != nil {
		return err
	}
	all, err := parseShow(out)
	if err != nil {
		return fmt.Errorf("systemctl show %s: unexpected answer: %w", pattern, err)
	}
	for _, s := range all {
		if s.changing() {
			return ErrBusy
		}
	}
	return nil
}
