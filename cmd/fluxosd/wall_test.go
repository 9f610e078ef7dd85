package main

import (
	"context"
	"strings"
	"testing"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/node/privileged"
)

// ufwSays is a ufw whose status the test decides.
type ufwSays struct{ status string }

func (u *ufwSays) Run(context.Context, string, ...string) (string, error) {
	return "Status: " + u.status + "\n", nil
}

// A firewall that can't be used now keeps nothing from starting, and is looked
// for again.
func TestFirewallIsLookedForWhenItIsNeeded(t *testing.T) {
	ufw := &ufwSays{"inactive"}
	w := &wall{looking: make(chan struct{}, 1), config: privileged.FirewallConfig{Mode: "ufw", Run: ufw}}
	if _, err := w.find(t.Context()); fault.KindOf(err) != fault.Unavailable || !strings.Contains(err.Error(), "network.firewall") {
		t.Errorf("inactive: %v", err)
	}
	ufw.status = "active"
	found, err := w.find(t.Context())
	if err != nil || found.Name() != "ufw" {
		t.Fatalf("active: %v, %v", found, err)
	}
	ufw.status = "inactive" // what was found is kept: its own calls tell
	if again, err := w.find(t.Context()); err != nil || again != found {
		t.Errorf("again: %v, %v", again, err)
	}
	w.looking <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.find(ctx); err == nil {
		t.Error("waited for somebody who looks, longer than it may")
	}
}
