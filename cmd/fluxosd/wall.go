package main

import (
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/fluxosd/fluxosd/internal/logattr"
	"github.com/fluxosd/fluxosd/internal/node/privileged"
)

// wallRules sets the rules of the node in the host's firewall, once at the start.
type wallRules struct {
	wall   privileged.Firewall
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
	report, err := w.wall.Allow(limited, rules)
	if err != nil && ctx.Err() == nil {
		w.log.Warn("The firewall refused the node's rules", slog.String("firewall", w.wall.Name()), logattr.Err(err))
	}
	if len(report.Added) > 0 {
		done := "Firewall rules set"
		if w.dry {
			done = "Firewall rules that a dry run didn't set"
		}
		w.log.Info(done, slog.String("firewall", w.wall.Name()), slog.Int("added", len(report.Added)), slog.Any("commands", report.Commands))
	}
	for _, advice := range report.Advice {
		w.log.Warn("A firewall rule has no effect yet", slog.String("advice", advice))
	}
	return nil
}
