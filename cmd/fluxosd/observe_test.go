package main

import (
	"context"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/api"
	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/metrics"
	"github.com/fluxosd/fluxosd/internal/node"
	"github.com/fluxosd/fluxosd/internal/node/dos"
	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/node/reach"
	"github.com/fluxosd/fluxosd/internal/secret"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/sqlite"
)

// observed is an observer of simulated daemons, whose clients' replies age as
// the test wants.
type observed struct {
	*observer
	metrics *metrics.Metrics
	chain   *devnet.Chain
	bench   *devnet.Bench
	score   *dos.Score
	clock   *place.Clock
	drift   string // what chrony says
	age     atomic.Int64
	// The servers of the daemons, to be closed.
	chainServer, benchServer *httptest.Server
}

func newObserved(t *testing.T, balance bool) *observed {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	o := &observed{metrics: metrics.New(), drift: "System time     : 0.250000000 seconds slow of NTP time\n"}
	var err error
	o.chain, err = devnet.New(devnet.Config{Seed: "observe", FirstHeight: demoHeight, Height: demoHeight + 20, BlockInterval: -1,
		Own: devnet.Own{IP: "198.51.100.7:16137", Tier: devnet.Nimbus}})
	must(err)
	o.bench, err = devnet.NewBench(o.chain, devnet.BenchConfig{User: "u", Password: "p"})
	must(err)
	o.chainServer, o.benchServer = httptest.NewServer(o.chain.Handler("u", "p")), httptest.NewServer(o.bench)
	client := func(server *httptest.Server, methods map[string]daemonrpc.Sharing) *daemonrpc.Client {
		c, err := daemonrpc.New(daemonrpc.Config{URL: server.URL, User: "u", Password: secret.New("p"), Timeout: 5 * time.Second, Methods: methods,
			Now: func() time.Time { return time.Now().Add(time.Duration(o.age.Load())) }})
		must(err)
		t.Cleanup(func() { c.Close(); server.Close() })
		return c
	}
	rpc, benchRPC := client(o.chainServer, nil), client(o.benchServer, benchmark.RPCMethods())
	docs, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "x.db")})
	must(err)
	t.Cleanup(func() { docs.Close() })
	must(docs.Declare(t.Context(), append(store.All(), benchmark.Collections()...)...))
	service, err := benchmark.NewService(benchmark.Config{Remote: benchRPC, Store: docs})
	must(err)
	finder, err := place.NewFinder(place.FinderConfig{})
	must(err)
	locator, err := place.NewLocator(place.LocatorConfig{Where: finder})
	must(err)
	o.clock, err = place.NewClock(place.ClockConfig{Run: func(_ context.Context, name string, _ ...string) ([]byte, error) {
		if name == "chronyc" {
			return []byte(o.drift), nil
		}
		return nil, context.DeadlineExceeded
	}})
	must(err)
	list, err := reach.NewList(reach.ListConfig{Daemon: rpc})
	must(err)
	prober, err := reach.NewProber(reach.ProberConfig{Nodes: list})
	must(err)
	asker, err := reach.NewSelf(reach.SelfConfig{Crowd: list, Prober: prober})
	must(err)
	o.score, err = dos.New(dos.Config{Nodes: list, Daemon: rpc, Asker: asker, Own: func() (reach.Address, bool) { return reach.Address{}, false }})
	must(err)
	me := &self{bench: service, clock: o.clock, host: api.Host{DOS: o.score}, node: node.New(node.Config{
		Daemon: rpc, Benchmark: service, Finder: finder, Locator: locator, Clock: o.clock, DOS: o.score, Now: time.Now})}
	o.observer = &observer{gauges: o.metrics.ObserveNode(balance), me: me, chain: rpc, dir: t.TempDir()}
	return o
}

// gauges are the values of our metrics of the node; the key has the labels.
func (o *observed) read(t *testing.T) map[string]float64 {
	t.Helper()
	families, err := o.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		name, ours := strings.CutPrefix(f.GetName(), "fluxosd_")
		sub, _, _ := strings.Cut(name, "_")
		if !ours || !strings.Contains(" host chain dos benchmark tier wallet ", " "+sub+" ") {
			continue
		}
		for _, m := range f.GetMetric() {
			key := name
			for _, l := range m.GetLabel() {
				key += " " + l.GetName() + "=" + l.GetValue()
			}
			out[key] = m.GetGauge().GetValue()
		}
	}
	return out
}

// only compares the metrics whose name begins with one of the words.
func only(t *testing.T, when string, got, want map[string]float64, words ...string) {
	t.Helper()
	some := map[string]float64{}
	for name, v := range got {
		for _, w := range words {
			if strings.HasPrefix(name, w) {
				some[name] = v
			}
		}
	}
	same := cmp.Comparer(func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) })
	if diff := cmp.Diff(want, some, same); diff != "" {
		t.Errorf("%s (-want +got):\n%s", when, diff)
	}
}

func TestEveryGaugeOfANodeGetsItsValue(t *testing.T) {
	o := newObserved(t, true)
	for i := range reflect.TypeFor[metrics.Node]().NumField() {
		if f := reflect.ValueOf(o.gauges).Field(i); f.IsNil() {
			t.Errorf("%s isn't there", reflect.TypeFor[metrics.Node]().Field(i).Name)
		}
	}
	if err := o.score.Set(12.5, "x"); err != nil {
		t.Fatal(err)
	}
	o.clock.Look(t.Context())
	before := o.read(t)
	o.look(t.Context())
	got := o.read(t)
	for name, v := range got {
		if math.IsNaN(v) {
			t.Errorf("%s has no value", name)
		}
		if was, ok := before[name]; ok && !math.IsNaN(was) {
			t.Errorf("%s was %v before the first look", name, was)
		}
	}
	if len(before) != 18 || len(got) != len(before)+3 {
		t.Errorf("%d gauges before and %d series after the first look: %v", len(before), len(got), got)
	}
	var info struct{ Balance, Connections float64 }
	raw, err := o.observer.chain.Call(t.Context(), "getinfo", nil)
	if err == nil {
		err = json.Unmarshal(raw, &info)
	}
	if err != nil || info.Connections == 0 || info.Balance == 0 {
		t.Fatalf("getinfo: %s, %v", raw, err)
	}
	facts, err := o.me.bench.Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	only(t, "daemons", got, map[string]float64{
		"chain_height": demoHeight + 20, "chain_lag_blocks": 0, "chain_connections": info.Connections, "wallet_balance_flux": info.Balance,
		"dos_state": 12.5,
		"benchmark_info source=fluxbenchd status=NIMBUS": 1, "benchmark_events_per_second": 1012.08,
		"benchmark_disk_write_bytes_per_second": 655.1 * (1 << 20), "benchmark_timestamp_seconds": float64(facts.Time.Unix()),
		"tier of=collateral tier=nimbus": 1, "tier of=measured tier=nimbus": 1,
	}, "chain", "wallet", "dos", "benchmark", "tier")
	if got["host_clock_offset_seconds"] != -0.25 {
		t.Errorf("clock %v", got["host_clock_offset_seconds"])
	}
	for name, least := range map[string]float64{"host_memory_total_bytes": 1 << 26, "host_memory_available_bytes": 1, "host_cores": 1,
		"host_disk_size_bytes": 1 << 20, "host_disk_free_bytes": 1, "host_boot_time_seconds": 1e9} {
		if got[name] < least || got[name] > 1e18 {
			t.Errorf("%s is %v", name, got[name])
		}
	}
	if got["host_memory_available_bytes"] > got["host_memory_total_bytes"] || got["host_disk_free_bytes"] > got["host_disk_size_bytes"] ||
		got["host_swap_free_bytes"] > got["host_swap_total_bytes"] || got["host_boot_time_seconds"] > float64(time.Now().Unix()) {
		t.Errorf("host %v", got)
	}
}

func TestTheWalletIsNotAskedForUnlessItIsWanted(t *testing.T) {
	o := newObserved(t, false)
	o.look(t.Context())
	if got := o.read(t); got["chain_connections"] == 0 || len(got) != 20 {
		t.Errorf("%v", got)
	}
	for name := range o.read(t) {
		if strings.HasPrefix(name, "wallet") {
			t.Errorf("%s is exported", name)
		}
	}
}

// A flat line on a chart means that nothing happens, and not that nobody knows.
func TestADaemonThatIsDownLeavesNoLastHeight(t *testing.T) {
	o := newObserved(t, true)
	nan := math.NaN()
	unknown := map[string]float64{"chain_height": nan, "chain_lag_blocks": nan, "chain_connections": nan, "wallet_balance_flux": nan}
	for name, c := range map[string]struct{ fail, mend func() }{
		"warming up": {func() { o.chain.WarmUp(true) }, func() { o.chain.WarmUp(false) }},
		"garbage":    {func() { o.chain.Garbage(true) }, func() { o.chain.Garbage(false) }},
	} {
		o.look(t.Context())
		c.fail()
		o.look(t.Context()) // at once: the client still has the last replies
		only(t, name, o.read(t), unknown, "chain", "wallet")
		c.mend()
		o.look(t.Context())
		if h := o.read(t)["chain_height"]; h != demoHeight+20 {
			t.Errorf("after %s: height %v", name, h)
		}
	}
	o.chainServer.Close()
	o.look(t.Context())
	only(t, "closed", o.read(t), unknown, "chain", "wallet")
	o.age.Add(int64(time.Minute))
	o.look(t.Context())
	// The collateral isn't known, and the benchmark daemon is another program.
	only(t, "a minute later", o.read(t), map[string]float64{"tier of=measured tier=nimbus": 1, "benchmark_events_per_second": 1012.08}, "tier", "benchmark_events")
}

func TestABenchmarkThatIsDownOrHasNotMeasuredHasNoFigures(t *testing.T) {
	o := newObserved(t, false)
	o.look(t.Context())
	nan := math.NaN()
	o.bench.SetStatus("failed", "no disk")
	o.age.Add(int64(time.Minute))
	o.look(t.Context())
	if got := o.read(t); got["benchmark_info source=fluxbenchd status=failed"] != 1 || got["benchmark_events_per_second"] != 1012.08 {
		t.Errorf("failed: %v", got)
	}
	only(t, "failed", o.read(t), map[string]float64{"tier of=collateral tier=nimbus": 1}, "tier")
	o.benchServer.Close()
	o.age.Add(int64(time.Minute))
	o.look(t.Context())
	only(t, "down", o.read(t), map[string]float64{"benchmark_events_per_second": nan, "benchmark_disk_write_bytes_per_second": nan, "benchmark_timestamp_seconds": nan,
		"tier of=collateral tier=nimbus": 1}, "benchmark", "tier")
}

// Before the first measurement of a node that measures itself there are no
// figures, and 0 events per second would be a broken machine.
func TestANodeThatHasNotMeasuredItselfYetHasNoFigures(t *testing.T) {
	o := newObserved(t, false)
	docs, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { docs.Close() })
	if err := docs.Declare(t.Context(), benchmark.Collections()...); err != nil {
		t.Fatal(err)
	}
	meter, err := benchmark.NewHostMeter(benchmark.MeterConfig{Dirs: []string{t.TempDir()}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := benchmark.NewRunner(benchmark.RunnerConfig{Meter: meter, History: benchmark.NewHistory(docs)})
	if err != nil {
		t.Fatal(err)
	}
	if o.me.bench, err = benchmark.NewService(benchmark.Config{Runner: r, Store: docs, Address: func() string { return "" }}); err != nil {
		t.Fatal(err)
	}
	o.look(t.Context())
	nan := math.NaN()
	only(t, "not measured", o.read(t), map[string]float64{"benchmark_events_per_second": nan, "benchmark_disk_write_bytes_per_second": nan, "benchmark_timestamp_seconds": nan,
		"tier of=collateral tier=nimbus": 1, "benchmark_info source=native status=running": 1}, "benchmark", "tier")
}

func TestWhatTheHostDoesNotTellIsNotKept(t *testing.T) {
	o := newObserved(t, false)
	o.clock.Look(t.Context())
	o.look(t.Context())
	if got := o.read(t); math.IsNaN(got["host_clock_offset_seconds"]) || math.IsNaN(got["host_disk_free_bytes"]) {
		t.Fatalf("%v", got)
	}
	o.drift = "Leap status     : Not synchronised\n"
	o.clock.Look(t.Context())
	o.dir = filepath.Join(o.dir, "gone")
	o.look(t.Context())
	nan := math.NaN()
	only(t, "lost", o.read(t), map[string]float64{"host_clock_offset_seconds": nan, "host_disk_free_bytes": nan, "host_disk_size_bytes": nan}, "host_clock", "host_disk")
}

// Each part of a look has its own time.
func TestAChainDaemonThatHangsHidesNothingElse(t *testing.T) {
	o := newObserved(t, false)
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // without its end the server doesn't see that the caller is gone
		<-r.Context().Done()
	}))
	defer hang.Close()
	client, err := daemonrpc.New(daemonrpc.Config{URL: hang.URL, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	o.observer.chain = client
	begun := time.Now()
	o.look(t.Context())
	if took := time.Since(begun); took < probeTime || took > 3*probeTime {
		t.Errorf("the look took %v", took)
	}
	got := o.read(t)
	if !math.IsNaN(got["chain_height"]) || got["benchmark_events_per_second"] != 1012.08 || got["tier of=collateral tier=nimbus"] != 1 {
		t.Errorf("%v", got)
	}
}

func TestTheObserverLooksAtOnceAndEndsWithItsContext(t *testing.T) {
	o := newObserved(t, false)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- o.Serve(ctx) }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(10 * time.Second); o.read(t)["chain_height"] != demoHeight+20; {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("no look within ten seconds")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
