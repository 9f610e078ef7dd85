package benchmark

import (
	"fmt"

	"github.com/fluxosd/fluxosd/internal/fault"
)

// coin is one FLUX in satoshi.
const coin = 100_000_000

// Collateral is what a node's locked coins make of it.
type Collateral struct {
	Satoshi  int64  // value of the collateral's output
	Internal string // basic, super or bamf: the names of the application rules
	Public   string // cumulus, nimbus or stratus
	NodeTier string // Public, with "_new" for the lower of its two amounts
	Hardware Hardware
}

// Hardware is the least a node must have to be let in.
type Hardware struct {
	RAM     float64 // GB
	Threads int
}

// collaterals lists every amount that makes a node.
func collaterals() [6]Collateral {
	return [6]Collateral{
		{1000 * coin, "basic", "cumulus", "cumulus_new", Hardware{3, 4}},
		{10000 * coin, "basic", "cumulus", "cumulus", Hardware{3, 2}},
		{12500 * coin, "super", "nimbus", "nimbus_new", Hardware{30, 8}},
		{25000 * coin, "super", "nimbus", "nimbus", Hardware{7, 4}},
		{40000 * coin, "bamf", "stratus", "stratus_new", Hardware{61, 16}},
		{100000 * coin, "bamf", "stratus", "stratus", Hardware{30, 8}},
	}
}

// CollateralTier returns what an output of that many satoshi makes of a node.
// The error for any other value is meant for the caller.
func CollateralTier(satoshi int64) (Collateral, error) {
	for _, c := range collaterals() {
		if c.Satoshi == satoshi {
			return c, nil
		}
	}
	return Collateral{}, fault.Wrap(fault.Conflict, fmt.Errorf("collateral of %d satoshi", satoshi), "Unrecognised Flux Node tier")
}
