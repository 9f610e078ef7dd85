package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/sqlite"
)

// ledger is a chain daemon with one transaction for every collateral.
type ledger struct {
	collateral string            // of getzelnodestatus, as its JSON; "" for none
	outputs    map[string]string // transaction → its outputs, as JSON
	errs       map[string]error  // by method
	asked      []string
}

func (l *ledger) Call(_ context.Context, method string, params []any) (json.RawMessage, error) {
	l.asked = append(l.asked, fmt.Sprint(append([]any{method}, params...)...))
	if err := l.errs[method]; err != nil {
		return nil, err
	}
	switch method {
	case "getzelnodestatus":
		if l.collateral == "" {
			return json.RawMessage(`{"status":"expired"}`), nil
		}
		return json.RawMessage(`{"status":"CONFIRMED","collateral":` + l.collateral + `}`), nil
	case "getrawtransaction":
		if out, ok := l.outputs[params[0].(string)]; ok && params[1] == 1 {
			return json.RawMessage(`{"vout":` + out + `}`), nil
		}
		return nil, &daemonrpc.RPCError{Code: -5, Message: "No information available about transaction"}
	}
	return nil, &daemonrpc.RPCError{Code: -32601, Message: "Method not found"}
}

const (
	txA = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	txB = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB"
)

func onLedger(t *testing.T, l *ledger) *Node {
	t.Helper()
	return newNode(t, scripted{}, "", func(c *Config) { c.Daemon = l })
}

func TestTierOfEveryCollateral(t *testing.T) {
	for _, c := range []struct {
		flux string // as the daemon writes the amount
		tier string
		want benchmark.Collateral
	}{
		{"1000.00000000", "cumulus_new", benchmark.Collateral{Satoshi: 1000e8, Internal: "basic", Public: "cumulus", Hardware: benchmark.Hardware{RAM: 3, Threads: 4}}},
		{"10000", "cumulus", benchmark.Collateral{Satoshi: 10000e8, Internal: "basic", Public: "cumulus", Hardware: benchmark.Hardware{RAM: 3, Threads: 2}}},
		{"12500.0", "nimbus_new", benchmark.Collateral{Satoshi: 12500e8, Internal: "super", Public: "nimbus", Hardware: benchmark.Hardware{RAM: 30, Threads: 8}}},
		{"2.5e4", "nimbus", benchmark.Collateral{Satoshi: 25000e8, Internal: "super", Public: "nimbus", Hardware: benchmark.Hardware{RAM: 7, Threads: 4}}},
		{"40000.00000000", "stratus_new", benchmark.Collateral{Satoshi: 40000e8, Internal: "bamf", Public: "stratus", Hardware: benchmark.Hardware{RAM: 61, Threads: 16}}},
		{"100000.00000000", "stratus", benchmark.Collateral{Satoshi: 100000e8, Internal: "bamf", Public: "stratus", Hardware: benchmark.Hardware{RAM: 30, Threads: 8}}},
	} {
		t.Run(c.flux, func(t *testing.T) {
			// The collateral is the output of that number, wherever it stands.
			n := onLedger(t, &ledger{collateral: `"COutPoint(` + txA + `, 1)"`,
				outputs: map[string]string{txA: `[{"n":0,"value":7},{"n":2,"value":1000},{"n":1,"value":` + c.flux + `}]`}})
			c.want.NodeTier = c.tier
			got, err := n.Collateral(t.Context())
			if diff := cmp.Diff(c.want, got); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if tier, err := n.Tier(t.Context()); err != nil || tier != c.tier {
				t.Errorf("tier %s, %v, want %s", tier, err, c.tier)
			}
		})
	}
}

func TestWhatIsNoCollateralHasNoTier(t *testing.T) {
	outputs := func(text string) map[string]string { return map[string]string{txA: text} }
	of := func(index string) string { return `"COutPoint(` + txA + `, ` + index + `)"` }
	for _, c := range []struct {
		name string
		l    ledger
	}{
		{"a node that the chain has forgotten", ledger{}},
		{"no text", ledger{collateral: `null`}},
		{"an empty text", ledger{collateral: `""`}},
		{"another form", ledger{collateral: `"` + txA + `:0"`}},
		{"a short transaction", ledger{collateral: `"COutPoint(abc, 0)"`}},
		{"a tail", ledger{collateral: `"COutPoint(` + txA + `, 0) "`}},
		{"one satoshi too much", ledger{collateral: of("0"), outputs: outputs(`[{"n":0,"value":1000.00000001}]`)}},
		{"one satoshi too little", ledger{collateral: of("0"), outputs: outputs(`[{"n":0,"value":99999.99999999}]`)}},
		{"another output is worth a tier", ledger{collateral: of("0"), outputs: outputs(`[{"n":0,"value":1},{"n":1,"value":1000}]`)}},
		{"no such output", ledger{collateral: of("1"), outputs: outputs(`[{"n":0,"value":1000}]`)}},
		{"no outputs", ledger{collateral: of("0"), outputs: outputs(`[]`)}},
		{"nothing", ledger{collateral: of("0"), outputs: outputs(`[{"n":0}]`)}},
		{"negative", ledger{collateral: of("0"), outputs: outputs(`[{"n":0,"value":-1000}]`)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			tier, err := onLedger(t, &c.l).Tier(t.Context())
			e, ok := errors.AsType[*fault.Error](err)
			if !ok || e.Kind != fault.Unavailable || e.Msg != "Unrecognised Flux Node tier" || tier != "" {
				t.Errorf("%q, %v", tier, err)
			}
		})
	}
}

// What one collateral is worth never changes, and a node has one at a time.
func TestACollateralIsLookedUpOnce(t *testing.T) {
	l := &ledger{collateral: `"COutPoint(` + txA + `, 0)"`, outputs: map[string]string{txA: `[{"n":0,"value":1000},{"n":1,"value":12500}]`, txB: `[{"n":0,"value":40000}]`}}
	n := onLedger(t, l)
	want := func(tier string, asked ...string) {
		t.Helper()
		l.asked = nil
		got, err := n.Tier(t.Context())
		if err != nil || got != tier {
			t.Errorf("tier %q, %v, want %s", got, err, tier)
		}
		if diff := cmp.Diff(append([]string{"getzelnodestatus"}, asked...), l.asked); diff != "" {
			t.Errorf("calls for %s (-want +got):\n%s", tier, diff)
		}
	}
	lookA, lookB := fmt.Sprint("getrawtransaction", txA, 1), fmt.Sprint("getrawtransaction", txB, 1)
	want("cumulus_new", lookA)
	want("cumulus_new")
	l.collateral = `"COutPoint(` + txA + `, 1)"` // another output of the same transaction
	want("nimbus_new", lookA)
	l.collateral = `"COutPoint(` + txB + `, 0)"`
	want("stratus_new", lookB)
	want("stratus_new")
	if len(n.known) != 1 {
		t.Errorf("%d collaterals are remembered", len(n.known))
	}

	// A failure isn't remembered, and takes nothing away.
	l.errs = map[string]error{"getzelnodestatus": errors.New("down")}
	if _, err := n.Tier(t.Context()); err == nil {
		t.Error("a daemon that is down knows the tier")
	}
	l.errs = nil
	want("stratus_new")
}

func TestErrorsOfTheDaemonPassThrough(t *testing.T) {
	for _, method := range []string{"getzelnodestatus", "getrawtransaction"} {
		cause := &daemonrpc.RPCError{Code: -28, Message: "Loading block index..."}
		l := &ledger{collateral: `"COutPoint(` + txA + `, 0)"`, errs: map[string]error{method: cause}}
		if _, err := onLedger(t, l).Tier(t.Context()); !errors.Is(err, cause) {
			t.Errorf("%s: %v", method, err)
		}
	}
	l := &ledger{collateral: `"COutPoint(` + txB + `, 0)"`}
	_, err := onLedger(t, l).Collateral(t.Context())
	if rpc, ok := errors.AsType[*daemonrpc.RPCError](err); !ok || rpc.Code != -5 {
		t.Errorf("a transaction that the daemon doesn't know: %v", err)
	}
	for name, l := range map[string]*ledger{
		"about this node":      {collateral: `{"txid":"x"}`},
		"about the collateral": {collateral: `"COutPoint(` + txA + `, 0)"`, outputs: map[string]string{txA: `"none"`}},
	} {
		_, err := onLedger(t, l).Collateral(t.Context())
		if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != fault.Unavailable || e.Msg != "The chain daemon's answer "+name+" can't be read" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// measured is a fluxbenchd that answers with these members of getbenchmarks.
func measured(members string) scripted {
	return scripted{"getbenchmarks": `{"ipaddress":"8.8.4.4",` + members + `}`, "getinfo": `{"version":"6.2.0"}`}
}

// withBenchmark gives a node the benchmark that its answers come from.
func withBenchmark(t *testing.T, c *Config, answers scripted) {
	t.Helper()
	docs, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "bench.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { docs.Close() })
	if err := docs.Declare(t.Context(), append(store.All(), benchmark.Collections()...)...); err != nil {
		t.Fatal(err)
	}
	if c.Benchmark, err = benchmark.NewService(benchmark.Config{Remote: answers, Store: docs}); err != nil {
		t.Fatal(err)
	}
}

func TestHardwareFits(t *testing.T) {
	for _, c := range []struct {
		name  string
		flux  string // of the collateral, "" for none
		bench scripted
		fits  bool
	}{
		{"exactly", "1000", measured(`"ram":3,"cores":4`), true},
		{"more", "1000", measured(`"ram":64,"cores":32`), true},
		{"memory is short", "1000", measured(`"ram":2.9,"cores":4`), false},
		{"a thread is missing", "1000", measured(`"ram":3,"cores":3`), false},
		{"enough for the old amount", "10000", measured(`"ram":3,"cores":2`), true},
		{"nimbus of before", "25000", measured(`"ram":7,"cores":4`), true},
		{"nimbus", "12500", measured(`"ram":7,"cores":4`), false},
		{"stratus", "40000", measured(`"ram":61,"cores":16`), true},
		{"not quite stratus", "40000", measured(`"ram":60.9,"cores":16`), false},
		{"stratus of before", "100000", measured(`"ram":30,"cores":8`), true},

		{"no collateral", "", measured(`"ram":1,"cores":1`), true},
		{"not measured yet", "40000", measured(`"status":"running"`), true},
		{"nobody measures", "40000", scripted{}, true},
		{"nonsense was measured", "40000", measured(`"ram":"lots"`), true},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := &ledger{outputs: map[string]string{txA: `[{"n":0,"value":` + c.flux + `}]`}}
			if c.flux != "" {
				l.collateral = `"COutPoint(` + txA + `, 0)"`
			}
			n := newNode(t, scripted{}, "", func(nc *Config) { nc.Daemon = l; withBenchmark(t, nc, c.bench) })
			err := n.HardwareFits(t.Context())
			e, ok := errors.AsType[*fault.Error](err)
			switch {
			case c.fits && err != nil:
				t.Error(err)
			case !c.fits && (!ok || e.Kind != fault.Unavailable || e.Msg != "Node hardware requirements not met" || e.Err == nil):
				t.Errorf("%v", err)
			}
		})
	}
}

func TestArcaneOSNeedsSomebodyWhoVouches(t *testing.T) {
	for _, c := range []struct {
		name         string
		bench        scripted
		arcane, sure bool
	}{
		{"vouched for", measured(`"systemsecure":true`), true, true},
		{"not", measured(`"systemsecure":false`), false, true},
		{"an old fluxbenchd", measured(`"cores":4`), false, true},
		{"down", scripted{}, false, false},
		{"nonsense", scripted{"getbenchmarks": `"Benchmark not running"`}, false, false},
	} {
		n := newNode(t, scripted{}, "", func(nc *Config) { withBenchmark(t, nc, c.bench) })
		if arcane, sure := n.ArcaneOS(t.Context()); arcane != c.arcane || sure != c.sure {
			t.Errorf("%s: %v, %v", c.name, arcane, sure)
		}
	}
}

func TestFitFailsWithTheNamesThatClientsKnow(t *testing.T) {
	const collision = "Flux collision detection. Another ip:port is confirmed on flux network with the same collateral transaction information."
	for _, c := range []struct {
		state   float64
		message string
		name    string // "" for fit
		want    string
	}{
		{0, "", "", ""},
		{10, "", "", ""},
		{10.5, "", "CONNERROR", "The DOS state of this node is 10.5"},
		{100, collision, "DOS", collision},
		{100, "Flux IP detection failed", "DOS", "Flux IP detection failed"},
		{100, "Flux collision detection. Please check other nodes.", "CONNERROR", "Flux collision detection. Please check other nodes."},
		{12.25, "Flux is not available for outside communication", "CONNERROR", "Flux is not available for outside communication"},
		{0, "Starting", "CONNERROR", "Starting"},
	} {
		n := newNode(t, scripted{}, "", nil)
		if err := n.cfg.DOS.Set(c.state, c.message); err != nil {
			t.Fatal(err)
		}
		err := n.Fit(t.Context())
		e, ok := errors.AsType[*fault.Error](err)
		switch {
		case c.name == "" && err != nil:
			t.Errorf("%v %q: %v", c.state, c.message, err)
		case c.name != "" && (!ok || e.Name != c.name || e.Kind != fault.Unavailable || e.Code != c.state || e.Msg != c.want):
			t.Errorf("%v %q: %#v", c.state, c.message, err)
		}
	}
}

func TestVersionsAreThoseOfGo(t *testing.T) {
	got := marshal(t, newNode(t, scripted{}, "", nil).Versions())
	want := strings.TrimPrefix(runtime.Version(), "go")
	if diff := cmp.Diff(map[string]any{"node": want, "go": want}, got); diff != "" || !strings.HasPrefix(want, "1.") {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestMarketplaceOfReleaseAndDevelopment(t *testing.T) {
	for development, want := range map[bool]string{
		false: "https://stats.runonflux.io/marketplace/listapps",
		true:  "https://stats.runonflux.io/marketplace/listdevapps",
	} {
		if got := newNode(t, scripted{}, "", func(c *Config) { c.Development = development }).MarketplaceURL(); got != want {
			t.Errorf("development %v: %s", development, got)
		}
	}
}

// The network always writes the port, the default one too.
func TestAddressHasAlwaysItsPort(t *testing.T) {
	for _, c := range []struct {
		ip   string
		port int
		want string
	}{
		{"8.8.4.4", 16127, "8.8.4.4:16127"},
		{"8.8.4.4", 16137, "8.8.4.4:16137"},
		{"::ffff:8.8.4.4", 16197, "8.8.4.4:16197"},
		{"2001:4860:4860::8888", 16127, ""}, // the network knows nodes by IPv4
		{"", 16127, ""},
	} {
		got := newNode(t, scripted{}, c.ip, func(nc *Config) { nc.APIPort = c.port }).Address()
		if (got == nil) != (c.want == "") || got != nil && *got != c.want {
			t.Errorf("%q and %d: %v", c.ip, c.port, got)
		}
	}
}

func TestWhatANodeIsToldItIs(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	n := newNode(t, scripted{}, "8.8.4.4", func(c *Config) { c.PGPPublicKey = "armour"; c.Now = func() time.Time { return now } })
	now = now.Add(90*time.Second + 900*time.Millisecond)
	if n.FluxID() != "1abc" || n.PGP() != "armour" || n.Uptime() != 90 || n.Timezone() == "" {
		t.Errorf("%s %s %d %q", n.FluxID(), n.PGP(), n.Uptime(), n.Timezone())
	}
	if diff := cmp.Diff(map[string]any{"fluxTeamFluxID": "1team", "fluxSupportTeamFluxID": "1support"}, marshal(t, n.FluxIDs())); diff != "" {
		t.Errorf("team (-want +got):\n%s", diff)
	}
	if n.Geolocation() != nil || n.StaticIP() || n.ClockDrift().Offset != nil {
		t.Errorf("a node that asked nobody knows its place (%v), a static address (%v) or the time (%v)", n.Geolocation(), n.StaticIP(), n.ClockDrift())
	}
	a, b := EnterpriseOwners(), EnterpriseOwners()
	if a[0] = "changed"; len(a) != 3 || b[0] != "15ULw4JU6wqGESRYU3z3MjFETqLN3sA9Gn" {
		t.Errorf("owners %v, %v", a, b)
	}
}
