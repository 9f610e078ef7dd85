package main

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/logattr"
	"github.com/fluxosd/fluxosd/internal/node/privileged"
)

// firewallTime bounds the look for the host's firewall.
const firewallTime = 20 * time.Second

// wall is the host's firewall, once it was found.
type wall struct {
	config privileged.FirewallConfig

	looking chan struct{} // held by the one who looks; guards found
	found   privileged.Firewall
}

// find returns the firewall, or why it can't be used now.
func (w *wall) find(ctx context.Context) (privileged.Firewall, error) {
	select {
	case w.looking <- struct{}{}:
		defer func() { <-w.looking }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if w.found != nil {
		return w.found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, firewallTime)
	defer cancel()
	found, err := privileged.Detect(ctx, w.config)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The firewall of this host can't be used (network.firewall): "+err.Error())
	}
	w.found = found
	return found, nil
}

// wallRules sets the rules of the node in the host's firewall, once at the start.
type wallRules struct {
	find   func(context.Context) (privileged.Firewall, error)
	port   int
	router netip.Addr
	dry    bool
	log    *slog.Logger
}

// Serve implements service. A firewall that refuses is no reason to stop a
// node: the doctor sees whether others reach it.
func (w wallRules) Serve(ctx context.Context) error {
	rules, err := privileged.NodeRules(privileged.NodeNeeds{APIPort: uint16(w.port), Router: w.router})
	if err != nil {
		w.log.Warn("The node's firewall rules can't be told", logattr.Err(err))
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	wall, err := w.find(limited)
	if err != nil {
		if ctx.Err() == nil {
			w.log.Warn("The node's firewall rules aren't set", logattr.Err(err))
		}
		return nil
	}
	report, err := wall.Allow(limited, rules)
	if err != nil && ctx.Err() == nil {
		w.log.Warn("The firewall refused the node's rules", slog.String("firewall", wall.Name()), logattr.Err(err))
	}
	if len(report.Added) > 0 {
		done := "Firewall rules set"
		if w.dry {
			done = "Firewall rules that a dry run didn't set"
		}
		w.log.Info(done, slog.String("firewall", wall.Name()), slog.Int("added", len(report.Added)), slog.Any("commands", report.Commands))
	}
	for _, advice := range report.Advice {
		w.log.Warn("A firewall rule has no effect yet", slog.String("advice", advice))
	}
	return nil
}
