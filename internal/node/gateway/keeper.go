package gateway

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/logattr"
)

// Status is what a Keeper knows.
type Status struct {
	Mode      Mode       `json:"mode"`
	Protocol  string     `json:"protocol"`  // ProtocolUPnP, ProtocolNATPMP or "" while no router is known
	Available bool       `json:"available"` // the router maps ports for this node
	External  netip.Addr `json:"external"`
	// BehindNAT says that External is no address of the Internet: another
	// router is in front of this one, and mappings here are not enough.
	BehindNAT bool       `json:"behindNat"`
	Router    netip.Addr `json:"router"`
	LocalIP   netip.Addr `json:"localIp"`
	Mapped    []Mapping  `json:"mapped"`    // as the router showed them
	Missing   []Mapping  `json:"missing"`   // wanted, but not mapped
	LastError string     `json:"lastError"` // of the last round, "" when all went well
	Since     time.Time  `json:"since"`     // of the present Available
}

// Keeper keeps the node's ports mapped, and with them every mapping without a
// lease that was made with the Gateway's Map and not removed.
type Keeper struct {
	gateway *Gateway
	cfg     Config

	mu     sync.Mutex
	status Status // guarded by mu
}

// NewKeeper returns a Keeper; its Serve does the work.
func NewKeeper(g *Gateway) *Keeper {
	return &Keeper{gateway: g, cfg: g.cfg, status: Status{Mode: g.cfg.Mode, Since: g.cfg.Now(), Mapped: []Mapping{}, Missing: []Mapping{}}}
}

// Status returns what is known now. It never waits for the router.
func (k *Keeper) Status() Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	s := k.status
	s.Mapped, s.Missing = slices.Clone(s.Mapped), slices.Clone(s.Missing)
	return s
}

// wanted are the node's own ports, which follow from its API port.
func (c Config) wanted() []Mapping {
	api := uint16(c.APIPort)
	return []Mapping{
		{Port: api, Protocol: TCP, Description: DescriptionAPI},
		{Port: api + 1, Protocol: TCP, Description: DescriptionTLS},
		{Port: api - 1, Protocol: TCP, Description: DescriptionUI},
		{Port: api + 2, Protocol: TCP, Description: DescriptionSyncthing},
		{Port: api + 2, Protocol: UDP, Description: DescriptionSyncthing},
	}
}

// Serve proves at first that the router maps ports, then maps the node's ports
// and renews them, until ctx ends. A router that fails or isn't there is a
// state, not an error; Serve returns nil.
func (k *Keeper) Serve(ctx context.Context) error {
	if k.cfg.Mode == Off {
		<-ctx.Done()
		return nil
	}
	if k.cfg.RemoveOnStop {
		defer k.removeOwn(ctx)
	}
	proven, retry := false, k.cfg.RetryAfter
	for ctx.Err() == nil {
		s, err := k.pass(ctx, proven)
		if ctx.Err() != nil {
			return nil
		}
		proven = err == nil
		k.set(s, err)
		if proven {
			retry = k.cfg.RetryAfter
			k.watch(ctx, s.External)
			continue
		}
		pause(ctx, retry)
		retry = min(2*retry, k.cfg.RefreshEvery)
	}
	return nil
}

// pass proves the router unless that was done, and maps everything once. The
// error means that the router can't be used, and then nothing counts as mapped;
// a port that the router refuses is Missing.
func (k *Keeper) pass(ctx context.Context, proven bool) (Status, error) {
	s := Status{Mode: k.cfg.Mode, Mapped: []Mapping{}, Missing: k.cfg.wanted()}
	external, err := k.gateway.ExternalIP(ctx)
	if err != nil {
		return s, err
	}
	s.External, s.BehindNAT = external, !public(external)
	if !proven {
		if err := k.prove(ctx); err != nil {
			return s, err
		}
	}
	r, err := k.mapAll(ctx)
	if err != nil {
		return s, err
	}
	info, err := k.gateway.Detect(ctx)
	if err != nil {
		return s, err
	}
	s.Available, s.Protocol, s.Router, s.LocalIP = true, info.Protocol, info.Router, info.LocalIP
	s.Mapped, s.Missing, s.LastError = r.mapped, r.missing, strings.Join(r.reasons, "; ")
	return s, nil
}

// round is the outcome of mapping everything once.
type round struct {
	mapped, missing []Mapping
	reasons         []string // why some are missing
}

// mapAll maps the node's ports, then renews what others mapped.
func (k *Keeper) mapAll(ctx context.Context) (round, error) {
	r := round{mapped: []Mapping{}, missing: []Mapping{}}
	own := k.cfg.wanted()
	for _, m := range own {
		if err := k.mapOne(ctx, m, k.gateway.mapNow, &r); err != nil {
			return r, err
		}
	}
	for _, h := range k.gateway.ledger.all() {
		if h.asked.Lease > 0 || slices.ContainsFunc(own, func(m Mapping) bool { return m.key() == h.asked.key() }) {
			continue
		}
		if err := k.mapOne(ctx, h.asked, k.gateway.renew, &r); err != nil {
			return r, err
		}
	}
	return r, nil
}

// mapOne notes the outcome in r. The error means that the others needn't be
// tried.
func (k *Keeper) mapOne(ctx context.Context, m Mapping, do func(context.Context, Mapping) (Mapping, error), r *round) error {
	if !pause(ctx, k.cfg.Spacing) {
		return context.Cause(ctx)
	}
	made, err := do(ctx, m)
	switch {
	case err == nil && made.Port != 0:
		r.mapped = append(r.mapped, made)
	case err == nil: // unmapped meanwhile
	case errors.Is(err, ErrUnreachable), errors.Is(err, ErrNotFound):
		return err
	default:
		r.missing = append(r.missing, m)
		r.reasons = append(r.reasons, err.Error())
	}
	return nil
}

// prove makes a mapping that nobody needs, looks for it in the router's list,
// and removes it. Where somebody else has that port the proof is left to the
// mappings that are needed.
func (k *Keeper) prove(ctx context.Context) error {
	test := Mapping{Port: uint16(k.cfg.APIPort + 3), Protocol: TCP, Description: DescriptionTest}
	err := k.gateway.Map(ctx, test)
	if _, ok := errors.AsType[*ErrTaken](err); ok {
		k.cfg.Logger.Warn("The port for the test of the gateway is taken", logattr.Err(err))
		return nil
	}
	if err != nil {
		return fmt.Errorf("test mapping: %w", err)
	}
	all, err := k.gateway.List(ctx)
	if err == nil && !slices.ContainsFunc(all, func(m Mapping) bool { return m.key() == test.key() && m.Local }) {
		err = fmt.Errorf("%w (%s in its list)", ErrNotVerified, test.key())
	}
	// A stop in between shall not leave the test behind.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*k.cfg.CallTime)
	defer cancel()
	if removed := k.gateway.Unmap(ctx, test.Port, test.Protocol); removed != nil {
		err = errors.Join(err, fmt.Errorf("remove the test mapping: %w", removed))
	}
	return err
}

// watch waits until the next round is due, or returns early when the router
// has lost a mapping, has another external address, or doesn't answer.
func (k *Keeper) watch(ctx context.Context, external netip.Addr) {
	// Nodes that started together shall not ask together.
	due := time.Now().Add(k.cfg.RefreshEvery - rand.N(k.cfg.RefreshEvery/10+1))
	for {
		left := time.Until(due)
		if left <= k.cfg.CheckEvery {
			pause(ctx, left)
			return
		}
		if !pause(ctx, k.cfg.CheckEvery) {
			return
		}
		mapped := k.Status().Mapped
		if len(mapped) == 0 {
			continue
		}
		now, has, err := k.gateway.look(ctx, mapped[0].key())
		if err != nil || !has || now != external {
			return
		}
	}
}

// pause waits, and reports false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// set replaces the status, keeping Since, and logs a change.
func (k *Keeper) set(s Status, err error) {
	if err != nil {
		s.LastError = err.Error()
	}
	k.mu.Lock()
	old := k.status
	s.Since = old.Since
	if s.Available != old.Available {
		s.Since = k.cfg.Now()
	}
	k.status = s
	k.mu.Unlock()

	log := k.cfg.Logger.With("protocol", s.Protocol, "router", s.Router, "external", s.External)
	switch {
	case s.Available == old.Available && s.LastError == old.LastError && s.External == old.External && s.BehindNAT == old.BehindNAT:
	case !s.Available:
		log.Info("The gateway doesn't map ports for this node", "reason", s.LastError)
	case s.LastError != "":
		log.Warn("The gateway doesn't map all ports", "reason", s.LastError, "mapped", len(s.Mapped), "missing", len(s.Missing))
	case s.BehindNAT:
		log.Warn("The gateway maps the node's ports, but it is behind another router", "mapped", len(s.Mapped))
	default:
		log.Info("The gateway maps the node's ports", "mapped", len(s.Mapped))
	}
}

// removeOwn removes, after ctx has ended, the node's own mappings. Those of
// applications stay: the applications still run. It takes as long as one
// operation at most.
func (k *Keeper) removeOwn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.cfg.operationTime())
	defer cancel()
	for _, m := range k.cfg.wanted() {
		if _, ok := k.gateway.ledger.get(m.key()); !ok {
			continue
		}
		if err := k.gateway.Unmap(ctx, m.Port, m.Protocol); err != nil {
			k.cfg.Logger.Warn("A mapping can't be removed", "port", m.Port, logattr.Err(err))
			if errors.Is(err, ErrUnreachable) || errors.Is(err, ErrNotFound) || ctx.Err() != nil {
				return
			}
		}
	}
}
