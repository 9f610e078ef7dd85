package reach

import (
	"context"
	"errors"
	"net/netip"
	"sync"
)

// errBusy says that too many wait already.
var errBusy = errors.New("too many probes at one time")

// gate bounds how many probes run at one time, in all and per target. Those
// that have to wait are bounded too: when the queue is full, enter refuses.
type gate struct {
	perTarget, maxWaiting int

	mu      sync.Mutex // guards the fields below
	free    int
	waiting int
	held    map[netip.Addr]int
	left    chan struct{} // closed and replaced when a turn ends
}

func newGate(total, perTarget, maxWaiting int) *gate {
	return &gate{perTarget: perTarget, maxWaiting: maxWaiting, free: total, held: make(map[netip.Addr]int), left: make(chan struct{})}
}

// enter waits for a turn, at most until ctx ends. The caller calls leave once.
func (g *gate) enter(ctx context.Context, target netip.Addr) (leave func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for first := true; ; first = false {
		if g.free > 0 && g.held[target] < g.perTarget {
			g.free--
			g.held[target]++
			if !first {
				g.waiting--
			}
			return func() { g.leave(target) }, nil
		}
		if first {
			if g.waiting == g.maxWaiting {
				return nil, errBusy
			}
			g.waiting++
		}
		left := g.left
		g.mu.Unlock()
		select {
		case <-left:
		case <-ctx.Done():
			err = errors.Join(errBusy, ctx.Err())
		}
		g.mu.Lock()
		if err != nil {
			g.waiting--
			return nil, err
		}
	}
}

func (g *gate) leave(target netip.Addr) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free++
	if g.held[target]--; g.held[target] == 0 {
		delete(g.held, target)
	}
	close(g.left)
	g.left = make(chan struct{})
}
