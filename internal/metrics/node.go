package metrics

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxosd/fluxosd/internal/node/doctor"
)

// Node are the metrics of this node and its host. Who looks at them sets them;
// what isn't known, or not known yet, is NaN.
type Node struct {
	Load1, MemoryTotal, MemoryAvailable, SwapTotal, SwapFree prometheus.Gauge
	Cores, BootTime, DiskSize, DiskFree, ClockOffset         prometheus.Gauge
	Height, Lag, Connections                                 prometheus.Gauge
	DOSState                                                 prometheus.Gauge
	Events, DiskWrite, BenchmarkTime                         prometheus.Gauge
	Benchmark                                                *prometheus.GaugeVec // source, status
	Tier                                                     *prometheus.GaugeVec // tier, of: measured or collateral
	Balance                                                  prometheus.Gauge     // nil unless it is wanted
}

// ObserveNode registers the metrics of this node; with balance, that of the
// wallet as well.
func (m *Metrics) ObserveNode(balance bool) Node {
	gauge := func(sub, name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "fluxosd", Subsystem: sub, Name: name, Help: help})
		g.Set(math.NaN())
		m.Registry.MustRegister(g)
		return g
	}
	gauges := func(sub, name, help string, labels ...string) *prometheus.GaugeVec {
		g := prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: "fluxosd", Subsystem: sub, Name: name, Help: help}, labels)
		m.Registry.MustRegister(g)
		return g
	}
	n := Node{
		Load1:           gauge("host", "load1", "Average number of processes that run or want to, over one minute."),
		MemoryTotal:     gauge("host", "memory_total_bytes", "Memory of this machine."),
		MemoryAvailable: gauge("host", "memory_available_bytes", "Memory that programs can have without swapping."),
		SwapTotal:       gauge("host", "swap_total_bytes", "Swap space of this machine."),
		SwapFree:        gauge("host", "swap_free_bytes", "Swap space that isn't used."),
		Cores:           gauge("host", "cores", "Logical processors."),
		BootTime:        gauge("host", "boot_time_seconds", "When this machine started, in Unix time."),
		DiskSize:        gauge("host", "disk_size_bytes", "Size of the data folder's file system."),
		DiskFree:        gauge("host", "disk_free_bytes", "Space of the data folder's file system that can still be used."),
		ClockOffset:     gauge("host", "clock_offset_seconds", "How far this machine's clock is ahead; negative when it is slow."),
		Height:          gauge("chain", "height", "Height of the chain daemon's best block."),
		Lag:             gauge("chain", "lag_blocks", "Blocks that the chain daemon is behind its best header."),
		Connections:     gauge("chain", "connections", "Connections of the chain daemon to others."),
		DOSState:        gauge("dos", "state", "The node's DOS score: 0 is good, from 100 on it is unfit."),
		Events:          gauge("benchmark", "events_per_second", "Processor events per second, by the benchmark that counts."),
		DiskWrite:       gauge("benchmark", "disk_write_bytes_per_second", "Sustained writing of the applications' disk, by the benchmark that counts."),
		BenchmarkTime:   gauge("benchmark", "timestamp_seconds", "When the benchmark that counts was made, in Unix time."),
		Benchmark:       gauges("benchmark", "info", "Always 1; the labels tell who measured, and the status.", "source", "status"),
		Tier:            gauges("", "tier", "Always 1; the labels tell the tier that was measured, and that of the collateral.", "tier", "of"),
	}
	if balance {
		n.Balance = gauge("wallet", "balance_flux", "Balance of the chain daemon's wallet in FLUX.")
	}
	return n
}

// ObserveDoctor exports the state of every check, read at each scrape.
func (m *Metrics) ObserveDoctor(d *doctor.Doctor) {
	m.Registry.MustRegister(checkStates{d, prometheus.NewDesc("fluxosd_doctor_check",
		"1 for the state that a check is in, by check and state: ok, info, warning, critical or unknown.", []string{"check", "state"}, nil)})
}

// checkStates collects fluxosd_doctor_check.
type checkStates struct {
	doctor *doctor.Doctor
	desc   *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c checkStates) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector. Problems that other parts report
// stand in the report under their code; fluxosd_health_problem has them.
func (c checkStates) Collect(ch chan<- prometheus.Metric) {
	for _, l := range c.doctor.Report().Lines {
		if l.Foreign {
			continue
		}
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, 1, l.Check, string(l.State))
	}
}
