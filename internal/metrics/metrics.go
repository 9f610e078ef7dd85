// Package metrics holds every Prometheus metric of the daemon on one registry
// of its own.
//
// Names are fluxosd_<subsystem>_<what>_<unit>[_total] in base units. Labels
// take few values: routes by pattern, never addresses, identities or names
// that a caller chose. testdata/metrics.txt lists names, types and help, and a
// test holds the daemon to it.
package metrics

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/version"
)

// Metrics are the metrics of one daemon.
type Metrics struct {
	Registry *prometheus.Registry
	HTTP     HTTP
	Auth     Auth
	RPC      RPC
	Store    Store
}

// HTTP are the metrics of the API.
type HTTP struct {
	Requests    *prometheus.CounterVec   // route, method, outcome
	Duration    *prometheus.HistogramVec // route
	InFlight    prometheus.Gauge
	Connections prometheus.Gauge
	Sockets     prometheus.Gauge
	CacheHits   prometheus.Counter
	CacheMisses prometheus.Counter
	Limited     prometheus.Counter
}

// Auth are the metrics of the permission check.
type Auth struct {
	Failures *prometheus.CounterVec // reason
	Logins   *prometheus.CounterVec // privilege
}

// RPC are the metrics of the chain daemon client.
type RPC struct {
	Calls    *prometheus.CounterVec // method, outcome
	Duration prometheus.Histogram
	Cached   prometheus.Counter
}

// Store are the metrics of the document store.
type Store struct {
	Operations *prometheus.CounterVec   // collection, operation, outcome
	Duration   *prometheus.HistogramVec // operation

	series *sync.Map // operation on a collection → *storeSeries, to spare the look-ups
}

// operation is what a store was asked for.
type operation struct{ collection, name string }

// storeSeries are the series of one operation.
type storeSeries struct {
	success prometheus.Counter
	took    prometheus.Observer
}

// New returns a fresh set on its own registry, with build information and the
// collectors of the Go runtime and the process.
func New() *Metrics {
	fast := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	counter := func(sub, name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "fluxosd", Subsystem: sub, Name: name, Help: help})
	}
	counters := func(sub, name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "fluxosd", Subsystem: sub, Name: name, Help: help}, labels)
	}
	gauge := func(sub, name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "fluxosd", Subsystem: sub, Name: name, Help: help})
	}
	histogram := func(sub, name, help string) prometheus.HistogramOpts {
		return prometheus.HistogramOpts{Namespace: "fluxosd", Subsystem: sub, Name: name, Help: help, Buckets: fast}
	}
	m := &Metrics{
		Registry: prometheus.NewRegistry(),
		HTTP: HTTP{
			Requests:    counters("http", "requests_total", "Requests answered, by route pattern, method and outcome.", "route", "method", "outcome"),
			Duration:    prometheus.NewHistogramVec(histogram("http", "request_duration_seconds", "Time from the request's headers to the end of the answer, by route pattern."), []string{"route"}),
			InFlight:    gauge("http", "requests_in_flight", "Requests being answered now."),
			Connections: gauge("http", "connections", "Open connections to the API listeners."),
			Sockets:     gauge("http", "websockets", "Open WebSockets."),
			CacheHits:   counter("http", "reply_cache_hits_total", "Replies served from the reply cache."),
			CacheMisses: counter("http", "reply_cache_misses_total", "Cacheable requests that the reply cache couldn't serve."),
			Limited:     counter("http", "rate_limited_total", "Requests refused because the caller asked too often."),
		},
		Auth: Auth{
			Failures: counters("auth", "failures_total", "Refused calls of protected routes, by reason.", "reason"),
			Logins:   counters("auth", "logins_total", "Successful logins, by privilege.", "privilege"),
		},
		RPC: RPC{
			Calls:    counters("rpc", "calls_total", "Calls of the chain daemon, by method and outcome.", "method", "outcome"),
			Duration: prometheus.NewHistogram(histogram("rpc", "call_duration_seconds", "Time of a call of the chain daemon.")),
			Cached:   counter("rpc", "cache_hits_total", "Chain daemon calls answered from the reply cache."),
		},
		Store: Store{
			Operations: counters("store", "operations_total", "Operations on the document store, by collection, operation and outcome.", "collection", "operation", "outcome"),
			Duration:   prometheus.NewHistogramVec(histogram("store", "operation_duration_seconds", "Time of an operation on the document store, by operation."), []string{"operation"}),
			series:     new(sync.Map),
		},
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Namespace: "fluxosd", Name: "build_info", Help: "Always 1; the labels tell what this binary is.",
		ConstLabels: prometheus.Labels{"version": version.Version, "commit": version.Commit(), "goversion": version.Go(), "fluxos": version.FluxOS},
	})
	build.Set(1)
	m.Registry.MustRegister(build,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.HTTP.Requests, m.HTTP.Duration, m.HTTP.InFlight, m.HTTP.Connections, m.HTTP.Sockets, m.HTTP.CacheHits, m.HTTP.CacheMisses, m.HTTP.Limited,
		m.Auth.Failures, m.Auth.Logins,
		m.RPC.Calls, m.RPC.Duration, m.RPC.Cached,
		m.Store.Operations, m.Store.Duration)
	return m
}

// Handler serves the registry in the text and OpenMetrics formats.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.Registry, promhttp.HandlerOpts{Registry: m.Registry, EnableOpenMetrics: true, Timeout: 10 * time.Second})
}

// ObserveRPC counts one call of the chain daemon.
func (m *Metrics) ObserveRPC(method string, d time.Duration, err error) {
	m.RPC.Calls.WithLabelValues(method, outcome(err)).Inc()
	m.RPC.Duration.Observe(d.Seconds())
}

// ObserveStore counts one operation on the document store. Errors that are
// part of an operation's normal answers are given as expected.
func (m *Metrics) ObserveStore(collection, name string, d time.Duration, err error, expected ...error) {
	op := operation{collection, name}
	v, ok := m.Store.series.Load(op)
	if !ok {
		v, _ = m.Store.series.LoadOrStore(op, &storeSeries{m.Store.Operations.WithLabelValues(collection, name, outcome(nil)), m.Store.Duration.WithLabelValues(name)})
	}
	series := v.(*storeSeries)
	series.took.Observe(d.Seconds())
	if err == nil || slices.ContainsFunc(expected, func(e error) bool { return errors.Is(err, e) }) {
		series.success.Inc()
		return
	}
	m.Store.Operations.WithLabelValues(collection, name, outcome(err)).Inc()
}

func outcome(err error) string {
	if err != nil {
		return "error"
	}
	return "success"
}

// ObserveProblems exports the active health problems, read at each scrape.
func (m *Metrics) ObserveProblems(registry *health.Registry) {
	m.Registry.MustRegister(problems{registry, prometheus.NewDesc("fluxosd_health_problem",
		"1 while the problem is active, else 0, by code and severity.", []string{"code", "severity"}, nil)})
}

// problems collects fluxosd_health_problem.
type problems struct {
	registry *health.Registry
	desc     *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (p problems) Describe(ch chan<- *prometheus.Desc) { ch <- p.desc }

// Collect implements prometheus.Collector.
func (p problems) Collect(ch chan<- prometheus.Metric) {
	for _, st := range p.registry.List() {
		active := 0.0
		if st.Active {
			active = 1
		}
		ch <- prometheus.MustNewConstMetric(p.desc, prometheus.GaugeValue, active, st.Code, st.Severity.String())
	}
}
