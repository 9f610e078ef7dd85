package api

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/logs"
	"github.com/fluxosd/fluxosd/internal/metrics"
	"github.com/fluxosd/fluxosd/internal/node"
	"github.com/fluxosd/fluxosd/internal/node/chaincopy"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/node/dos"
	"github.com/fluxosd/fluxosd/internal/node/events"
	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/privileged"
	"github.com/fluxosd/fluxosd/internal/node/reach"
	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/version"
)

// Daemon calls the chain daemon: package daemonrpc has the methods.
type Daemon interface {
	Call(ctx context.Context, method string, params []any) (json.RawMessage, error)
	// Height returns the height of the best block.
	Height(ctx context.Context) (int64, error)
}

// DaemonControl starts and stops the chain daemon's process.
type DaemonControl interface {
	Start(ctx context.Context) error
	Restart(ctx context.Context) error
	// Reindex restarts it once so that it builds its databases anew.
	Reindex(ctx context.Context) error
}

// Host is what the rows of /flux act on, besides the node itself. All but the
// switches are required.
type Host struct {
	Settings *node.Settings
	DOS      *dos.Score
	Prober   *reach.Prober
	Requests *reach.Requests
	Gateway  *gateway.Gateway
	// Firewall finds the host's firewall, or says why it can't be used.
	Firewall func(context.Context) (privileged.Firewall, error)
	Updates  *node.Updates
	Logs     *logs.Buffer
	Events   *events.Log
	// DaemonLog and BenchmarkLog are the paths of the log files of the chain
	// daemon and of the benchmark daemon.
	DaemonLog, BenchmarkLog func() string
	// ChainCopy hands the chain's data to neighbours; nil where that is switched off.
	ChainCopy *chaincopy.Copier
	// Folder is where the node keeps its things.
	Folder string
	// Restart makes the process end and start again, when its requests are
	// answered. An error says why it can't.
	Restart func() error
	// TestControls offers what is for test networks only.
	TestControls bool
}

func (h Host) complete() bool {
	return h.Settings != nil && h.DOS != nil && h.Prober != nil && h.Requests != nil && h.Gateway != nil && h.Firewall != nil &&
		h.Updates != nil && h.Logs != nil && h.Events != nil && h.DaemonLog != nil && h.BenchmarkLog != nil && h.Restart != nil
}

// Config is what a Server needs. All but the settings are required.
type Config struct {
	Permissions *permissions.Service
	Daemon      Daemon
	Control     DaemonControl
	Node        *node.Node
	Benchmark   *benchmark.Service
	Runner      *benchmark.Runner
	History     *benchmark.History
	Doctor      *doctor.Doctor
	Host        Host
	Metrics     *metrics.Metrics
	// Health holds the checks before a login phrase.
	Health *health.Registry

	ErrorStatus    ErrorStatus
	BodyLimit      int64 // bytes
	Limits         Limits
	TrustedProxies []netip.Prefix
	// AccessLog gets a line for each request; nil writes none.
	AccessLog io.Writer
	// AccessLogJSON writes these lines as JSON objects instead of key=value.
	AccessLogJSON bool
	Logger        *slog.Logger
	// Now is the clock of caches; nil is time.Now.
	Now func() time.Time
}

// Server is the API. It is an http.Handler; Serve runs what it does besides.
type Server struct {
	permissions *permissions.Service
	daemon      Daemon
	control     DaemonControl
	node        *node.Node
	benchmark   *benchmark.Service
	runner      *benchmark.Runner
	history     *benchmark.History
	doctor      *doctor.Doctor
	host        Host
	health      *health.Registry
	metrics     metrics.HTTP
	// authFailures and logins count the permission check.
	authFailures, logins *prometheus.CounterVec
	errorStatus          ErrorStatus
	bodyLimit            int64
	limits               *limiters
	replies              *replyCache
	proxies              []netip.Prefix
	log, audit           *slog.Logger
	access               *accessLog
	now                  func() time.Time

	engine    *gin.Engine
	table     []Route
	rows      map[*Route]*row
	router    *router
	sockets   *router
	unmatched observer
	open      socketCounter
	out       outflow

	idPrefix      string
	requests      atomic.Uint64
	versionHeader []string
	maxAges       [121][]string
	openAPI       func() []byte
	// life ends when sockets and streams have to.
	life    context.Context
	endLife context.CancelFunc
}

// New builds the server from its table of routes.
func New(cfg Config) (*Server, error) {
	if cfg.Permissions == nil || cfg.Daemon == nil || cfg.Control == nil || cfg.Node == nil || cfg.Metrics == nil || cfg.Health == nil ||
		cfg.Benchmark == nil || cfg.Runner == nil || cfg.History == nil || cfg.Doctor == nil || !cfg.Host.complete() {
		return nil, errors.New("api: every part of Config is required")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.ErrorStatus == "" {
		cfg.ErrorStatus = Documented
	}
	if cfg.BodyLimit == 0 {
		cfg.BodyLimit = 1 << 20
	}
	s := &Server{
		permissions: cfg.Permissions, daemon: cfg.Daemon, control: cfg.Control, node: cfg.Node, health: cfg.Health,
		benchmark: cfg.Benchmark, runner: cfg.Runner, history: cfg.History, doctor: cfg.Doctor, host: cfg.Host,
		metrics: cfg.Metrics.HTTP, authFailures: cfg.Metrics.Auth.Failures, logins: cfg.Metrics.Auth.Logins,
		errorStatus: cfg.ErrorStatus, bodyLimit: cfg.BodyLimit,
		limits: newLimiters(cfg.Limits, cfg.Now), replies: newReplyCache(cfg.Now), proxies: cfg.TrustedProxies,
		log: cfg.Logger.With("sub", "api"), audit: cfg.Logger.With("sub", "audit"), now: cfg.Now,
		rows: make(map[*Route]*row), router: newRouter(false), sockets: newRouter(true),
		idPrefix: randomHex(rand.Read, 4) + "-", versionHeader: []string{version.Version},
	}
	s.life, s.endLife = context.WithCancel(context.Background())
	if cfg.AccessLog != nil {
		s.access = newAccessLog(cfg.AccessLog, cfg.AccessLogJSON, s.log)
	}
	for i := range s.maxAges {
		s.maxAges[i] = []string{"max-age=" + strconv.Itoa(i)}
	}
	s.table = s.routes()
	s.unmatched = newObserver(s.metrics, "unmatched")
	for i := range s.table {
		rt := &s.table[i]
		s.rows[rt] = &row{Route: rt, observe: newObserver(s.metrics, rt.Path),
			cacheKey: rt.Level == permissions.Public && rt.Cache > 0 && rt.Kind == JSON && rt.Built()}
		into := s.router
		if rt.Kind == Socket {
			into = s.sockets
		}
		if err := into.add(rt); err != nil {
			return nil, fmt.Errorf("route table: %w", err)
		}
	}
	s.openAPI = sync.OnceValue(s.describeAPI)

	gin.SetMode(gin.ReleaseMode)
	s.engine = gin.New()
	s.engine.RedirectTrailingSlash = false
	var proxies []string
	for _, p := range cfg.TrustedProxies {
		proxies = append(proxies, p.String())
	}
	if err := s.engine.SetTrustedProxies(proxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	s.engine.NoRoute(s.chain()...)
	return s, nil
}

// routes is the whole table, module by module. Where two rows match one path,
// the earlier wins.
func (s *Server) routes() []Route {
	return slices.Concat(
		s.idRoutes(), s.daemonRoutes(), s.benchmarkRoutes(), s.fluxRoutes(), s.explorerRoutes(),
		s.fluxshareRoutes(), s.volumeRoutes(), s.appsRoutes(), s.backupRoutes(), s.ioutilsRoutes(),
		s.syncthingRoutes(), s.arcaneRoutes(), s.paymentRoutes(), s.apikeysRoutes(), s.wsRoutes(), s.ownRoutes(),
	)
}

// Routes returns the rows of the table, for the command line and for tests.
func (s *Server) Routes() []Route { return slices.Clone(s.table) }

// Table returns the rows without a server behind them: what there is, not what
// it does.
func Table() []Route {
	var s Server
	return s.routes()
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.engine.ServeHTTP(w, r) }

// Serve runs what the server does besides answering: it writes the access log.
// When ctx ends, it tells sockets and streams to end.
func (s *Server) Serve(ctx context.Context) error {
	done := make(chan struct{})
	if s.access != nil {
		go func() {
			defer close(done)
			s.access.serve(ctx.Done())
		}()
	} else {
		close(done)
	}
	<-ctx.Done()
	s.Stop()
	<-done
	return nil
}

// Stop tells sockets and streams to end. It may be called more than once.
func (s *Server) Stop() { s.endLife() }

// observer counts the calls of one route. Series appear with their first call.
type observer struct {
	route   string
	metrics metrics.HTTP
	// usual counts GET and success, which most calls are; seen the others.
	usual func() prometheus.Counter
	seen  *sync.Map // observed → prometheus.Counter
	took  func() prometheus.Observer
}

func newObserver(m metrics.HTTP, route string) observer {
	return observer{route: route, metrics: m, seen: new(sync.Map),
		usual: sync.OnceValue(func() prometheus.Counter { return m.Requests.WithLabelValues(route, http.MethodGet, statusSuccess) }),
		took:  sync.OnceValue(func() prometheus.Observer { return m.Duration.WithLabelValues(route) })}
}

type observed struct{ method, outcome string }

func (o *observer) done(method, outcome string, d time.Duration) {
	o.took().Observe(d.Seconds())
	if method == http.MethodGet && outcome == statusSuccess {
		o.usual().Inc()
		return
	}
	if outcome == "" {
		outcome = "aborted"
	}
	key := observed{method, outcome}
	c, ok := o.seen.Load(key)
	if !ok {
		c, _ = o.seen.LoadOrStore(key, o.metrics.Requests.WithLabelValues(o.route, method, outcome))
	}
	c.(prometheus.Counter).Inc()
}
