package node

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/fluxosd/fluxosd/internal/node/privileged"
)

// UpdatesConfig says which units update what; "" where the package manager does.
type UpdatesConfig struct {
	// Self updates fluxosd. A template, name@.service, gets the channel as its
	// instance: stable or development, with -reinstall behind it to install the
	// present release again.
	Self, Daemon, Benchmark string
	Channel                 func() string
	// Run starts the units; one at a time.
	Run *privileged.Updates
}

// Updates are the updates that the node's owner may ask for. What they do is
// the business of units of the host's systemd.
type Updates struct {
	self              func(instance string) (privileged.Unit, error)
	daemon, benchmark *privileged.Unit
	channel           func() string
	run               *privileged.Updates
}

// NewUpdates checks the names of the units.
func NewUpdates(cfg UpdatesConfig) (*Updates, error) {
	u := &Updates{channel: cfg.Channel, run: cfg.Run}
	if strings.HasSuffix(cfg.Self, "@.service") {
		t, err := privileged.NewTemplate(cfg.Self)
		if err != nil {
			return nil, fmt.Errorf("node.update_unit: %w", err)
		}
		u.self = t.Instance
	} else if cfg.Self != "" {
		unit, err := privileged.NewUnit(cfg.Self)
		if err != nil {
			return nil, fmt.Errorf("node.update_unit: %w", err)
		}
		u.self = func(string) (privileged.Unit, error) { return unit, nil }
	}
	for _, x := range []struct {
		key, name string
		into      **privileged.Unit
	}{{"daemon.update_unit", cfg.Daemon, &u.daemon}, {"benchmark.update_unit", cfg.Benchmark, &u.benchmark}} {
		if x.name == "" {
			continue
		}
		unit, err := privileged.NewUnit(x.name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", x.key, err)
		}
		*x.into = &unit
	}
	return u, nil
}

// Self updates fluxosd, or installs the present release again.
func (u *Updates) Self(ctx context.Context, reinstall bool) error {
	if u.self == nil {
		return errors.New("updates of fluxosd are left to the package manager on this node: upgrade its package, or set node.update_unit")
	}
	instance := u.channel()
	if reinstall {
		instance += "-reinstall"
	}
	unit, err := u.self(instance)
	if err != nil {
		return err
	}
	return u.run.StartAndWait(ctx, unit)
}

// Daemon updates the chain daemon.
func (u *Updates) Daemon(ctx context.Context) error {
	if u.daemon == nil {
		return errors.New("updates of the chain daemon are left to the package manager on this node: upgrade its package, or set daemon.update_unit")
	}
	return u.run.StartAndWait(ctx, *u.daemon)
}

// Benchmark updates the benchmark daemon.
func (u *Updates) Benchmark(ctx context.Context) error {
	if u.benchmark == nil {
		return errors.New("updates of the benchmark daemon are left to the package manager on this node: upgrade its package, or set benchmark.update_unit")
	}
	return u.run.StartAndWait(ctx, *u.benchmark)
}
