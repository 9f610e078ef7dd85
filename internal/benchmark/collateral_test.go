package benchmark

import (
	"errors"
	"testing"

	"github.com/fluxosd/fluxosd/internal/fault"
)

func TestCollateralMakesTheTier(t *testing.T) {
	for _, v := range readPublished(t).Tiers.ByCollateral {
		c, err := CollateralTier(v.Value * coin)
		if v.Error != "" {
			if f, ok := errors.AsType[*fault.Error](err); !ok || f.Msg != v.Error || f.Name != "Error" {
				t.Errorf("%d FLUX: %v, want %q", v.Value, err, v.Error)
			}
			continue
		}
		if err != nil || c.Internal != v.Tier || c.Public != v.Public || c.Satoshi != v.Value*coin {
			t.Errorf("%d FLUX: %+v, %v, want %s, %s", v.Value, c, err, v.Tier, v.Public)
		}
	}
	for value, want := range map[int64]string{1000: "cumulus_new", 10000: "cumulus", 12500: "nimbus_new", 25000: "nimbus", 40000: "stratus_new", 100000: "stratus"} {
		if c, err := CollateralTier(value * coin); err != nil || c.NodeTier != want {
			t.Errorf("%d FLUX: node tier %q, %v, want %s", value, c.NodeTier, err, want)
		}
	}
	if _, err := CollateralTier(1000*coin + 1); err == nil {
		t.Error("a satoshi more is accepted")
	}
}

func TestLeastHardwareOfATier(t *testing.T) {
	for _, tt := range []struct {
		tier  string
		value int64
		want  Hardware
	}{
		{"basic", 1000, Hardware{3, 4}}, {"CUMULUS", 10000, Hardware{3, 2}}, {"super", 12500, Hardware{30, 8}},
		{"nimbus", 25000, Hardware{7, 4}}, {"BAMF", 40000, Hardware{61, 16}}, {"Stratus", 100000, Hardware{30, 8}},
	} {
		if got, err := CollateralTier(tt.value * coin); err != nil || got.Hardware != tt.want {
			t.Errorf("%s with %d: %+v, %v, want %+v", tt.tier, tt.value, got.Hardware, err, tt.want)
		}
	}
}
