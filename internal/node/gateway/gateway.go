package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"
	"time"
)

// router is one protocol's way to map ports. A Gateway calls it from one
// goroutine at a time.
type router interface {
	describe() Device
	external(context.Context) (netip.Addr, error)
	add(context.Context, Mapping) (Mapping, error)
	remove(context.Context, key) error
	list(context.Context) ([]Mapping, error)
	has(context.Context, key) (bool, error)
}

// Gateway is the router in front of this node. Its methods may be called from
// many goroutines; each waits for its turn. A router that is not known yet, or
// that stopped answering, is searched for first.
type Gateway struct {
	cfg    Config
	ledger ledger

	// turn holds one token: who has it may use router and failure. It is no
	// mutex because waiting for it ends with the caller's context.
	turn    chan struct{}
	router  router // nil: not known
	failure error  // of the last search

	// failures counts failed searches. A caller that waited while one failed
	// shares its failure instead of searching again.
	failures atomic.Uint64
}

// New returns a Gateway. It sends nothing yet. The error lists everything that
// is wrong with the Config.
func New(c Config) (*Gateway, error) {
	c, err := c.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Gateway{cfg: c, turn: make(chan struct{}, 1), ledger: ledger{held: make(map[key]held)}}, nil
}

// do runs work with the router when it is this caller's turn. When a router
// that was known doesn't answer any more, it is searched for and asked once
// more.
func (g *Gateway) do(ctx context.Context, work func(context.Context, router) error) error {
	if g.cfg.Mode == Off {
		return ErrOff
	}
	before := g.failures.Load()
	waiting := time.NewTimer(g.cfg.operationTime())
	defer waiting.Stop()
	select {
	case g.turn <- struct{}{}:
	case <-waiting.C:
		return ErrBusy
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-g.turn }()
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}

	bounded, cancel := context.WithTimeout(ctx, g.cfg.operationTime())
	defer cancel()
	g.forgetWhenMoved()
	known := g.router != nil
	if !known {
		if g.failure != nil && g.failures.Load() != before {
			return g.failure
		}
		if err := g.find(bounded); err != nil {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			g.failure = err
			g.failures.Add(1)
			return err
		}
	}
	err := work(bounded, g.router)
	if errors.Is(err, ErrUnreachable) && ctx.Err() == nil {
		g.router = nil
		if known && g.find(bounded) == nil {
			if err = work(bounded, g.router); errors.Is(err, ErrUnreachable) {
				g.router = nil
			}
		}
	}
	if ctx.Err() != nil && err != nil {
		return context.Cause(ctx)
	}
	return err
}

// forgetWhenMoved drops the router when this node has another address towards
// it than before: its mappings lead to the old one.
func (g *Gateway) forgetWhenMoved() {
	if g.router == nil || g.cfg.LocalIP.IsValid() {
		return
	}
	d := g.router.describe()
	if local, err := g.cfg.localTowards(netip.AddrPortFrom(d.Router, g.cfg.NATPMPPort)); err == nil && local != d.LocalIP {
		g.router = nil
	}
}

// find searches for the router, by UPnP first, and keeps it.
func (g *Gateway) find(ctx context.Context) error {
	r, err := g.search(ctx)
	if err != nil {
		return err
	}
	g.router, g.failure = r, nil
	return nil
}

func (g *Gateway) search(ctx context.Context) (router, error) {
	expected, routeErr := g.cfg.router()
	towards := g.cfg.SSDP
	if routeErr == nil {
		towards = netip.AddrPortFrom(expected, g.cfg.NATPMPPort)
	}
	local, err := g.cfg.localTowards(towards)
	if err != nil {
		return nil, fmt.Errorf("%w (%s)", ErrNotFound, foreign(err.Error()))
	}
	var found router
	var reasons []error
	if g.cfg.Mode != NATPMP {
		err := g.cfg.search(ctx, local, expected, func(ctx context.Context, c candidate) error {
			r, err := g.cfg.openIGD(ctx, c, local, &g.ledger)
			if err == nil {
				found = r
			}
			return err
		})
		if err == nil {
			return found, nil
		}
		reasons = append(reasons, fmt.Errorf("UPnP: %w", err))
	}
	if g.cfg.Mode != UPnP {
		err := routeErr
		if err == nil {
			var r *natpmp
			if r, err = g.cfg.openNATPMP(ctx, expected, local, &g.ledger); err == nil {
				return r, nil
			}
		}
		reasons = append(reasons, fmt.Errorf("NAT-PMP: %w", err))
	}
	return nil, fmt.Errorf("%w (%s)", ErrNotFound, foreign(errors.Join(reasons...).Error()))
}
