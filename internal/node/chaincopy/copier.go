package chaincopy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/logattr"
)

const (
	// grace is how long a prepared daemon stays down without a stream, and how
	// long a stream may take to begin.
	grace = 30 * time.Second
	// paceAfter is when the pace of a transfer is looked at first, pacePause the
	// time between later looks.
	paceAfter, pacePause = 35 * time.Second, 5 * time.Second
	// minPace is 200 Mbit/s in bytes a second.
	minPace = 200e6 / 8

	// stopTime and startTime are what a job of the service manager may take;
	// lastStart is what remains of it when the service ends.
	stopTime, startTime, lastStart = 5 * time.Minute, 5 * time.Minute, time.Minute
	askTime                        = 30 * time.Second // whether the daemon runs
	callTime                       = 10 * time.Second // one call of the daemon
	// endWait is how long the end of the service waits for a Stop under way,
	// whose context has ended.
	endWait = 30 * time.Second
	// A start that failed is tried again after firstRetry, then after twice as
	// long each time up to lastRetry.
	firstRetry, lastRetry = 5 * time.Second, time.Minute
)

// Control stops and starts the chain daemon, with what watches over it. Start
// and Stop return when it is done; both do nothing when there is nothing to do.
type Control interface {
	Stop(ctx context.Context) error
	Start(ctx context.Context) error
	Running(ctx context.Context) (bool, error)
}

// Caller calls the chain daemon. *daemonrpc.Client is one.
type Caller interface {
	Call(ctx context.Context, method string, params []any) (json.RawMessage, error)
}

// Config is what a Copier needs.
type Config struct {
	// DataDir tells the chain daemon's data folder, which holds the folders
	// blocks, chainstate and determ_zelnodes.
	DataDir func() (string, error)
	// StateDir is a folder of fluxosd's own, where it keeps that it stopped the
	// daemon.
	StateDir string
	Control  Control
	Chain    Caller
	// Local reports whether an address belongs to another host on a private
	// network of this one. Nil looks at the interfaces of the host.
	Local  func(netip.Addr) bool
	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil is time.Now
}

// Copier hands out copies of the chain. All methods are safe for concurrent use.
type Copier struct {
	cfg    Config
	record record
	log    *slog.Logger

	// turn holds a token while nobody prepares, transfers or starts the daemon.
	turn chan struct{}
	wake chan struct{} // something changed for Serve

	mu       sync.Mutex
	life     context.Context // Serve's; nil while it doesn't run
	disabled bool            // a transfer was too slow
	stopped  bool            // the daemon is down because of us, or may be
	due      time.Time       // when to start it again, unless somebody has the turn
	retry    time.Duration   // after the next failure to start it
	problem  string
	current  *Transfer // has the turn; nil when none
}

// New checks the configuration. It touches neither daemon nor disk; all that
// is wrong with it is in the error.
func New(cfg Config) (*Copier, error) {
	var missing []error
	for _, m := range []struct {
		what string
		is   bool
	}{{"DataDir", cfg.DataDir == nil}, {"StateDir", cfg.StateDir == ""}, {"Control", cfg.Control == nil}, {"Chain", cfg.Chain == nil}} {
		if m.is {
			missing = append(missing, fmt.Errorf("chain copy: %s is required", m.what))
		}
	}
	if err := errors.Join(missing...); err != nil {
		return nil, err
	}
	if cfg.Local == nil {
		cfg.Local = onPrivateNetwork
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Copier{cfg: cfg, record: record{dir: cfg.StateDir}, log: cfg.Logger,
		turn: make(chan struct{}, 1), wake: make(chan struct{}, 1), retry: firstRetry}
	c.turn <- struct{}{}
	return c, nil
}

// Problem says why the chain daemon, stopped for a copy, doesn't start again;
// "" when nothing is wrong.
func (c *Copier) Problem() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.problem
}

// Prepare stops the chain daemon for a copy. Without a Stream within 30 seconds
// it is started again. A stop that has begun is carried through when ctx ends.
// Every refusal is a *Refusal.
func (c *Copier) Prepare(ctx context.Context, from netip.Addr) error {
	life, err := c.enter(ctx, from, true)
	if err != nil {
		return err
	}
	defer c.give()
	if r := c.mayStop(ctx); r != nil {
		return r
	}
	if ctx.Err() != nil {
		return refuse(http.StatusBadRequest, reasonClosed, context.Cause(ctx))
	}
	// Recorded first: a crash from here on is followed by a start.
	if err := c.record.save(c.cfg.Now()); err != nil {
		c.log.Error("The chain daemon isn't stopped for a neighbour: that it was can't be recorded", logattr.Err(err))
		return unavailable(reasonStop, err)
	}
	c.mu.Lock()
	c.stopped, c.due = true, c.cfg.Now()
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	defer context.AfterFunc(life, cancel)()
	c.log.Info("The chain daemon is stopped for a neighbour", logattr.Remote(from))
	if err := c.cfg.Control.Stop(ctx); err != nil {
		c.log.Error("The chain daemon doesn't stop for a neighbour", logattr.Err(err))
		return unavailable(reasonStop, err) // due: Serve starts what may be half down
	}
	c.mu.Lock()
	c.due = c.cfg.Now().Add(grace)
	c.mu.Unlock()
	return nil
}

// Options say how to copy.
type Options struct {
	Unsafe   bool // while the daemon runs, which tears the copy
	Compress bool // gzip
}

// Stream begins a transfer. The caller must call WriteTo within 30 seconds, or
// Close; until then nothing else can be asked for. Every refusal is a *Refusal.
func (c *Copier) Stream(ctx context.Context, from netip.Addr, o Options) (*Transfer, error) {
	if _, err := c.enter(ctx, from, false); err != nil {
		return nil, err
	}
	t, err := c.open(ctx, o)
	if err != nil {
		c.give()
		return nil, err
	}
	t.from, t.expires = from, c.cfg.Now().Add(grace)
	c.mu.Lock()
	if c.life == nil {
		c.mu.Unlock()
		t.folders.close()
		c.give()
		return nil, unavailable(reasonAway, nil)
	}
	c.current = t
	c.mu.Unlock()
	c.poke()
	return t, nil
}

// enter takes the turn for a caller who may have it, and returns the context of
// the service.
func (c *Copier) enter(ctx context.Context, from netip.Addr, prepare bool) (context.Context, error) {
	if _, err := c.ready(prepare); err != nil {
		return nil, err
	}
	from = from.Unmap().WithZone("")
	switch {
	case len(c.turn) == 0:
		return nil, unavailable(reasonBusy, nil)
	case !from.IsValid(), ctx.Err() != nil:
		return nil, refuse(http.StatusBadRequest, reasonClosed, context.Cause(ctx))
	case !c.cfg.Local(from):
		return nil, refuse(http.StatusForbidden, reasonForeign, nil)
	case !c.take():
		return nil, unavailable(reasonBusy, nil)
	}
	life, err := c.ready(prepare) // again, now that nobody else changes it
	if err != nil {
		c.give()
	}
	return life, err
}

// ready refuses what nobody may have now.
func (c *Copier) ready(prepare bool) (context.Context, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.disabled:
		return nil, refuse(http.StatusUnprocessableEntity, reasonDisabled, nil)
	case c.life == nil:
		return nil, unavailable(reasonAway, nil) // nobody would start the daemon again
	case prepare && c.stopped:
		return nil, unavailable(reasonBusy, nil)
	}
	return c.life, nil
}

// take takes the turn if it is free.
func (c *Copier) take() bool {
	select {
	case <-c.turn:
		return true
	default:
		return false
	}
}

func (c *Copier) give() {
	c.turn <- struct{}{}
	c.poke()
}

func (c *Copier) poke() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
