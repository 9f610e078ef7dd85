package checks

import (
	"cmp"
	"context"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/node/reach"
)

// oldestBench is the oldest benchmark daemon that the network accepts.
const oldestBench = "6.2.0"

// BenchmarkConfig is what the checks of benchmark and tier look at.
type BenchmarkConfig struct {
	Facts func(ctx context.Context) (benchmark.Facts, error)
	// Tier is what the collateral pays for: cumulus, nimbus or stratus; "" while
	// that isn't known.
	Tier func(ctx context.Context) string
}

// Benchmark returns the checks of benchmark and tier.
func Benchmark(c BenchmarkConfig) []doctor.Check {
	return []doctor.Check{
		{Name: benchmarkRun, Title: "Benchmark", Timeout: rpcTime, Look: c.run, Problems: []health.Problem{
			problem("benchmark-unreachable", health.Critical, "The benchmark daemon doesn't answer",
				"Start fluxbenchd (the chain daemon does so, or benchmark.unit), and compare benchmark.url, user and password with its settings."),
			problem("benchmark-hanging", health.Critical, "The benchmark daemon takes calls and doesn't answer them", "Look at its debug.log and restart it (/flux/restartbenchmark)."),
			problem("benchmark-failed", health.Critical, "The benchmark failed",
				"Mend what it names and run it again: fluxosd's /benchmark/restartnodebenchmarks."),
			problem("benchmark-missing", health.Warning, "This machine was never measured",
				"Ask for a measurement, /benchmark/restartnodebenchmarks, or set benchmark.every, so that it is measured by itself."),
			problem("benchmark-outdated", health.Critical, "The benchmark daemon is older than the network accepts", "Upgrade fluxbenchd to "+oldestBench+" or newer."),
		}},
		{Name: tier, Title: "Tier", Needs: []string{benchmarkRun}, Every: time.Minute, Timeout: rpcTime, Look: c.tier, Problems: []health.Problem{
			problem("tier-too-low", health.Critical, "This machine doesn't reach the tier of its collateral",
				"Give the machine what is missing, or use the collateral of a lower tier. fluxosd bench shows every requirement."),
		}},
	}
}

func (c BenchmarkConfig) run(ctx context.Context) doctor.Finding {
	f, err := c.Facts(ctx)
	switch {
	case err != nil && (late(err) || timedOut(err)):
		return doctor.Bad("benchmark-hanging", "no answer within %v", rpcTime)
	case err != nil:
		return doctor.Bad("benchmark-unreachable", "%s", words(err))
	case f.Source == benchmark.SourceDaemon && f.Version != "" && !reach.AtLeast(f.Version, oldestBench):
		return doctor.Bad("benchmark-outdated", "version %s", f.Version)
	case f.Status == benchmark.StatusRunning:
		return doctor.Unknown("the benchmark runs")
	case f.Error == benchmark.NotMeasured:
		return doctor.Bad("benchmark-missing", "there is no result")
	case f.Tier == benchmark.None && f.Source == benchmark.SourceNative && !f.Time.IsZero():
		return doctor.Fine("measured by fluxosd, and below every tier: %s", f.Error)
	case f.Tier == benchmark.None:
		return doctor.Bad("benchmark-failed", "status %s: %s", f.Status, f.Error)
	}
	return doctor.Fine("%s by %s: %.0f events/s, disk write %.0f MB/s, %d cores, %.1f GB of RAM", f.Tier, f.Source, f.EPS, f.DiskWrite, f.Cores, f.RAM)
}

func (c BenchmarkConfig) tier(ctx context.Context) doctor.Finding {
	f, err := c.Facts(ctx)
	if err != nil || f.Cores == 0 || f.Status == benchmark.StatusRunning {
		return doctor.Unknown("there is no result of a benchmark yet")
	}
	measured := cmp.Or(string(f.Tier), "less than CUMULUS")
	paid := benchmark.Tier(strings.ToUpper(c.Tier(ctx)))
	if paid == benchmark.None {
		return doctor.Unknown("measured %s; the tier of the collateral isn't known", measured)
	}
	if order(f.Tier) >= order(paid) {
		return doctor.Fine("measured %s, the collateral is that of %s", f.Tier, paid)
	}
	missed := ""
	for _, v := range f.Tiers() {
		if v.Tier == paid && !v.Passed {
			missed = "; " + benchmark.FirstMissed(v)
		}
	}
	return doctor.Bad("tier-too-low", "measured %s, the collateral is that of %s%s", measured, paid, missed)
}

// order ranks tiers by what they need.
func order(t benchmark.Tier) int {
	switch t {
	case benchmark.Cumulus:
		return 1
	case benchmark.Nimbus:
		return 2
	case benchmark.Stratus:
		return 3
	}
	return 0
}
