package main

import (
	"context"
	"encoding/json"
	"math"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/metrics"
)

// observeEvery is the time between two looks for the metrics of the node.
const observeEvery = 15 * time.Second

// observe registers the metrics of the node, and the service that keeps them.
func (d *daemon) observe(me *self, chain *daemonrpc.Client) {
	d.metrics.ObserveDoctor(me.doctor)
	d.services = append(d.services, &observer{gauges: d.metrics.ObserveNode(d.cfg.Metrics.WalletBalance), me: me, chain: chain, dir: d.cfg.Node.DataDir})
}

// observer sets the metrics of the node.
type observer struct {
	gauges metrics.Node
	me     *self
	chain  *daemonrpc.Client
	dir    string
}

// Serve implements service.
func (o *observer) Serve(ctx context.Context) error {
	tick := time.NewTicker(observeEvery)
	defer tick.Stop()
	for {
		o.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look sets every gauge. Each part has its own time, so that one system that
// hangs doesn't make the others unknown.
func (o *observer) look(ctx context.Context) {
	for _, part := range []func(context.Context){o.host, o.chainState, o.measured, o.worth} {
		limited, cancel := context.WithTimeout(ctx, probeTime)
		part(limited)
		cancel()
	}
	o.gauges.DOSState.Set(o.me.host.DOS.State().DosState)
	set(o.gauges.ClockOffset, math.NaN())
	if r := o.me.clock.Reading(); r.Offset != nil {
		set(o.gauges.ClockOffset, *r.Offset)
	}
}

// set is Gauge.Set, for one that may not be wanted.
func set(g prometheus.Gauge, v float64) {
	if g != nil {
		g.Set(v)
	}
}

func (o *observer) host(ctx context.Context) {
	g := o.gauges
	load1, total, available, swap, swapFree := math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
	if l, err := measure.ReadLoad(ctx, 0); err == nil {
		load1, total, available = l.Load1, float64(l.MemTotal), float64(l.MemAvailable)
		swap, swapFree = float64(l.SwapTotal), float64(l.SwapFree)
	}
	set(g.Load1, load1)
	set(g.MemoryTotal, total)
	set(g.MemoryAvailable, available)
	set(g.SwapTotal, swap)
	set(g.SwapFree, swapFree)
	cores, boot := math.NaN(), math.NaN()
	if h, err := measure.ReadHost(ctx); err == nil {
		cores, boot = float64(h.Cores), float64(h.BootTime.Unix())
	}
	set(g.Cores, cores)
	set(g.BootTime, boot)
	size, free := math.NaN(), math.NaN()
	var st syscall.Statfs_t
	if err := syscall.Statfs(o.dir, &st); err == nil {
		size, free = float64(st.Blocks)*float64(st.Bsize), float64(st.Bavail)*float64(st.Bsize)
	}
	set(g.DiskSize, size)
	set(g.DiskFree, free)
}

// chainState reads height, lag and, where wanted, the wallet's balance. A daemon
// that doesn't answer leaves NaN: the last height, which the client keeps for a
// while, would look like news.
func (o *observer) chainState(ctx context.Context) {
	g := o.gauges
	var chain struct{ Blocks, Headers float64 }
	var info struct{ Connections, Balance float64 }
	chain.Blocks, chain.Headers, info.Connections, info.Balance = math.NaN(), math.NaN(), math.NaN(), math.NaN()
	if raw, err := o.chain.CallFresh(ctx, "getblockchaininfo", nil); err == nil {
		json.Unmarshal(raw, &chain) // what can't be read stays NaN
		if raw, err := o.chain.Call(ctx, "getinfo", nil); err == nil {
			json.Unmarshal(raw, &info)
		}
	}
	set(g.Height, chain.Blocks)
	set(g.Lag, chain.Headers-chain.Blocks)
	set(g.Connections, info.Connections)
	set(g.Balance, info.Balance)
}

// mebibyte is the unit in which benchmarks tell the speed of disks.
const mebibyte = 1 << 20

// measured reads what the benchmark that counts says.
func (o *observer) measured(ctx context.Context) {
	g := o.gauges
	f, err := o.me.bench.Facts(ctx)
	eps, write, at := math.NaN(), math.NaN(), math.NaN()
	if err == nil && !f.Time.IsZero() { // else nothing was measured, and the figures are zero
		eps, write, at = f.EPS, f.DiskWrite*mebibyte, float64(f.Time.Unix())
	}
	set(g.Events, eps)
	set(g.DiskWrite, write)
	set(g.BenchmarkTime, at)
	g.Benchmark.Reset()
	if err == nil {
		g.Benchmark.WithLabelValues(f.Source, f.Status).Set(1)
	}
	o.tier("measured", string(f.Tier))
}

// worth reads what the collateral makes of this node.
func (o *observer) worth(ctx context.Context) {
	c, err := o.me.node.Collateral(ctx)
	if err != nil {
		c = benchmark.Collateral{}
	}
	o.tier("collateral", c.Public)
}

// tier exports the tier that something makes of this node; "" for none.
func (o *observer) tier(of, name string) {
	o.gauges.Tier.DeletePartialMatch(prometheus.Labels{"of": of})
	if name != "" {
		o.gauges.Tier.WithLabelValues(strings.ToLower(name), of).Set(1)
	}
}
