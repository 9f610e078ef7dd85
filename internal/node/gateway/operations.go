package gateway

import (
	"context"
	"errors"
	"net/netip"
	"slices"
)

// Detect finds the router, or tells the one that is known.
func (g *Gateway) Detect(ctx context.Context) (Info, error) {
	d, err := g.Describe(ctx)
	return Info{Protocol: d.Protocol, Router: d.Router, LocalIP: d.LocalIP}, err
}

// Describe returns the router as it described itself when it was found.
func (g *Gateway) Describe(ctx context.Context) (Device, error) {
	var d Device
	err := g.do(ctx, func(_ context.Context, r router) error {
		d = r.describe()
		return nil
	})
	return d, err
}

// ExternalIP returns the router's own address on its far side. It is a private
// one when another router is in front of that.
func (g *Gateway) ExternalIP(ctx context.Context) (netip.Addr, error) {
	var a netip.Addr
	err := g.do(ctx, func(ctx context.Context, r router) (err error) {
		a, err = r.external(ctx)
		return err
	})
	return a, err
}

// Map makes or renews the mapping of a port to the same port of this node, and
// returns when the router shows it. The Mapping's Port, Protocol, Description
// (starting with Prefix) and Lease are used. One with Lease 0 lasts until Unmap:
// for ever where the router can do that, else renewed by the Keeper, which also
// repairs it when the router lost it. A port that somebody else has is an
// *ErrTaken, and is not tried again.
func (g *Gateway) Map(ctx context.Context, m Mapping) error {
	_, err := g.mapNow(ctx, m)
	return err
}

// mapNow is Map that tells how the router shows the mapping.
func (g *Gateway) mapNow(ctx context.Context, m Mapping) (Mapping, error) {
	return g.add(ctx, m, func() bool { return true })
}

// renew maps again what was mapped, unless it was unmapped meanwhile.
func (g *Gateway) renew(ctx context.Context, m Mapping) (Mapping, error) {
	return g.add(ctx, m, func() bool {
		_, ok := g.ledger.get(m.key())
		return ok
	})
}

// add maps a port when it is this caller's turn and wanted still says so; if
// not, the zero Mapping is returned.
func (g *Gateway) add(ctx context.Context, m Mapping, wanted func() bool) (Mapping, error) {
	if err := m.check(); err != nil {
		return Mapping{}, err
	}
	var made Mapping
	err := g.do(ctx, func(ctx context.Context, r router) (err error) {
		if !wanted() {
			return nil
		}
		if made, err = r.add(ctx, m); err == nil {
			g.ledger.put(m, made, g.cfg.Now())
		}
		return err
	})
	if _, ok := errors.AsType[*ErrTaken](err); ok {
		g.ledger.drop(m.key())
	}
	return made, err
}

// Unmap removes a mapping of ours; one that isn't there is no failure. One of
// somebody else stays, and is an *ErrTaken. Whatever the outcome, the Keeper
// renews the mapping no more.
func (g *Gateway) Unmap(ctx context.Context, port uint16, protocol Protocol) error {
	k := key{port, protocol}
	if err := k.check(); err != nil {
		return err
	}
	defer g.ledger.drop(k)
	return g.do(ctx, func(ctx context.Context, r router) error {
		defer g.ledger.drop(k)
		return r.remove(ctx, k)
	})
}

// List returns the mappings that the router shows, at most 1024, by port.
// Routers with NAT-PMP show none; it returns those that this process made.
func (g *Gateway) List(ctx context.Context) ([]Mapping, error) {
	var all []Mapping
	err := g.do(ctx, func(ctx context.Context, r router) (err error) {
		all, err = r.list(ctx)
		return err
	})
	slices.SortStableFunc(all, compareMappings)
	return all, err
}

// look returns the external address, and whether the router still has a
// mapping.
func (g *Gateway) look(ctx context.Context, k key) (external netip.Addr, has bool, err error) {
	err = g.do(ctx, func(ctx context.Context, r router) (err error) {
		if external, err = r.external(ctx); err == nil {
			has, err = r.has(ctx, k)
		}
		return err
	})
	return external, has, err
}
