package main

import (
	"context"
	"encoding/json"
	"math"
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

func (o *observer) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	o.host(ctx)
	o.chainState(ctx)
	o.worth(ctx)
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
	if l, err := measure.ReadLoad(ctx, 0); err == nil {
		set(g.Load1, l.Load1)
		set(g.MemoryTotal, float64(l.MemTotal))
		set(g.MemoryAvailable, float64(l.MemAvailable))
		set(g.SwapTotal, float64(l.SwapTotal))
		set(g.SwapFree, float64(l.SwapFree))
	}
	if h, err := measure.ReadHost(ctx); err == nil {
		set(g.Cores, float64(h.Cores))
		set(g.BootTime, float64(h.BootTime.Unix()))
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(o.dir, &st); err == nil {
		set(g.DiskSize, float64(st.Blocks)*float64(st.Bsize))
		set(g.DiskFree, float64(st.Bavail)*float64(st.Bsize))
	}
}

// chainState reads height, lag and, where wanted, the wallet's balance. A daemon
// that doesn't answer leaves NaN: the last height would look like news.
func (o *observer) chainState(ctx context.Context) {
	g := o.gauges
	var chain struct{ Blocks, Headers float64 }
	var info struct{ Connections, Balance float64 }
	chain.Blocks, chain.Headers, info.Connections, info.Balance = math.NaN(), math.NaN(), math.NaN(), math.NaN()
	if raw, err := o.chain.Call(ctx, "getblockchaininfo", nil); err == nil {
		json.Unmarshal(raw, &chain) // what can't be read stays NaN
	}
	if raw, err := o.chain.Call(ctx, "getinfo", nil); err == nil {
		json.Unmarshal(raw, &info)
	}
	set(g.Height, chain.Blocks)
	set(g.Lag, chain.Headers-chain.Blocks)
	set(g.Connections, info.Connections)
	set(g.Balance, info.Balance)
}

func (o *observer) worth(ctx context.Context) {
	g := o.gauges
	g.Tier.Reset()
	g.Benchmark.Reset()
	if c, err := o.me.node.Collateral(ctx); err == nil {
		g.Tier.WithLabelValues(c.Public, "collateral").Set(1)
	}
	f, err := o.me.bench.Facts(ctx)
	if err != nil {
		set(g.Events, math.NaN())
		set(g.DiskWrite, math.NaN())
		return
	}
	g.Benchmark.WithLabelValues(f.Source, f.Status).Set(1)
	set(g.Events, f.EPS)
	set(g.DiskWrite, f.DiskWrite)
	if !f.Time.IsZero() {
		set(g.BenchmarkTime, float64(f.Time.Unix()))
	}
	if f.Tier != benchmark.None {
		g.Tier.WithLabelValues(string(f.Tier), "measured").Set(1)
	}
}
