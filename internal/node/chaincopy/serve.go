package chaincopy

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/fluxosd/fluxosd/internal/logattr"
)

// quiet is how long Serve waits when nothing is to be done; it is woken then.
const quiet = time.Hour

// Serve starts the chain daemon again when its time has come, and watches over
// the pace of transfers, until ctx ends. Then it ends a transfer that is under
// way, and starts the daemon if it was stopped. Copies are refused while no
// Serve runs.
func (c *Copier) Serve(ctx context.Context) error {
	left, err := c.record.exists()
	if err != nil {
		return err
	}
	c.mu.Lock()
	if c.life != nil {
		c.mu.Unlock()
		return errors.New("chain copy: served twice at a time")
	}
	c.life = ctx
	if left {
		c.stopped, c.due = true, c.cfg.Now()
	}
	c.mu.Unlock()
	if left {
		c.log.Warn("The chain daemon was stopped for a copy that didn't end; it is started again")
	}
	for ctx.Err() == nil {
		timer := time.NewTimer(c.step(ctx))
		select {
		case <-ctx.Done():
		case <-c.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	c.end(ctx)
	return nil
}

// step does what is due and returns how long there is nothing more to do.
func (c *Copier) step(ctx context.Context) time.Duration {
	now := c.cfg.Now()
	c.mu.Lock()
	t, stopped, due := c.current, c.stopped, c.due
	c.mu.Unlock()
	switch {
	case t != nil:
		return c.watch(t, now)
	case !stopped:
		return quiet
	case now.Before(due):
		return due.Sub(now)
	case !c.take():
		return quiet // who has the turn wakes us when giving it back
	}
	defer c.give()
	c.restart(ctx, startTime)
	return 0
}

// watch ends a transfer that nobody reads or that is too slow.
func (c *Copier) watch(t *Transfer, now time.Time) time.Duration {
	began, begun := t.start()
	if !begun {
		if wait := t.expires.Sub(now); wait > 0 {
			return wait
		}
		t.finish(errAbandoned)
		return 0
	}
	ran := now.Sub(began)
	if ran < paceAfter {
		return paceAfter - ran
	}
	if moved := t.moved.Load(); float64(moved) < minPace*ran.Seconds() {
		c.mu.Lock()
		c.disabled = true
		c.mu.Unlock()
		c.log.Warn("A neighbour takes the chain too slowly; copies are refused until fluxosd is started again",
			slog.Int64("bytes", moved), slog.Duration("after", ran))
		t.finish(errSlow)
		return 0
	}
	return pacePause
}

// restart starts the daemon and forgets that it was stopped. The caller has the
// turn.
func (c *Copier) restart(ctx context.Context, limit time.Duration) {
	c.mu.Lock()
	needed := c.stopped
	c.mu.Unlock()
	if !needed {
		return
	}
	err := c.startDaemon(ctx, limit)
	c.mu.Lock()
	before := c.problem
	if err != nil {
		c.problem, c.due = err.Error(), c.cfg.Now().Add(c.retry)
		c.retry = min(2*c.retry, lastRetry)
	} else {
		c.problem, c.retry, c.stopped = "", firstRetry, false
	}
	after := c.problem
	c.mu.Unlock()
	if err != nil {
		if before != after {
			c.log.Error("The chain daemon doesn't start again after a copy", logattr.Err(err))
		}
		return
	}
	c.log.Info("The chain daemon is started again after a copy")
	if err := c.record.remove(); err != nil {
		c.log.Warn("The record of a stopped chain daemon can't be removed; fluxosd will start the daemon when it starts itself", logattr.Err(err))
	}
}

func (c *Copier) startDaemon(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := c.cfg.Control.Start(ctx); err != nil {
		return err
	}
	runs, err := c.running(ctx)
	if err == nil && !runs {
		err = errors.New("started, and not running")
	}
	return err
}

func (c *Copier) running(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	return c.cfg.Control.Running(ctx)
}

// end ends what is under way and starts the daemon if it is down because of us.
func (c *Copier) end(ctx context.Context) {
	c.mu.Lock()
	c.life = nil
	t := c.current
	c.mu.Unlock()
	if t != nil {
		t.finish(errStopping)
	}
	timer := time.NewTimer(endWait)
	defer timer.Stop()
	select {
	case <-c.turn:
	case <-timer.C:
		c.log.Error("The chain daemon is being stopped for a copy and can't be started; fluxosd does it when it starts again")
		return
	}
	defer c.give()
	c.restart(context.WithoutCancel(ctx), lastStart)
}
