package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fluxosd/fluxosd/internal/api"
	"github.com/fluxosd/fluxosd/internal/apps/registry"
	"github.com/fluxosd/fluxosd/internal/config"
	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/logattr"
	"github.com/fluxosd/fluxosd/internal/logs"
	"github.com/fluxosd/fluxosd/internal/metrics"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/sdnotify"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/logins"
	"github.com/fluxosd/fluxosd/internal/version"
)

// serve runs the daemon until a signal ends ctx.
func (p *process) serve(ctx context.Context, args []string) error {
	fs := p.flags("serve")
	var s settings
	s.register(fs)
	fs.BoolVar(&s.demo, "demo", false, "run a demo node that needs nothing installed: a simulated chain, an own store, a fresh admin key")
	keyFile := fs.String("demo-key-file", "", "WIF `file` of the demo's admin key, instead of a fresh key")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if *keyFile != "" && !s.demo {
		return usagef("--demo-key-file goes with --demo")
	}
	cfg, err := p.load(s)
	if err != nil {
		return err
	}
	d, err := p.newDaemon(cfg, s)
	if err != nil {
		return err
	}
	log := d.log
	if s.demo {
		if d.demo, err = newDemo(cfg, *keyFile, log); err != nil {
			return err
		}
		defer d.demo.close()
	}
	for _, w := range cfg.Warnings() {
		log.Warn("Configuration is legal but unwise", slog.String("warning", w))
	}
	return d.run(ctx)
}

// newDaemon returns a daemon that has its logger and nothing else yet.
func (p *process) newDaemon(cfg *config.Config, s settings) (*daemon, error) {
	lines, err := logs.NewBuffer(logs.BufferConfig{Bytes: int(cfg.Log.Buffer)})
	if err != nil {
		return nil, fmt.Errorf("log.buffer: %w", err)
	}
	lc := logs.Config{Out: p.err, Format: cfg.Log.Format, Level: cfg.Log.Level, Levels: auditAlways(cfg.Log.Levels), Buffer: lines}
	return &daemon{process: p, cfg: cfg, file: p.configFile(s), sets: s.sets, log: logs.New(lc), logJSON: lc.JSON(), lines: lines}, nil
}

// auditAlways keeps the audit log when the rest is made quieter: only its own
// level in log.levels can silence it.
func auditAlways(levels map[string]slog.Level) map[string]slog.Level {
	out := map[string]slog.Level{"audit": slog.LevelInfo}
	maps.Copy(out, levels)
	return out
}

// daemon is the running daemon: its parts, in the order in which they are
// opened. They are closed in reverse.
type daemon struct {
	*process
	cfg     *config.Config
	file    string   // of the configuration, "" for none
	sets    []string // of the command line, over the file
	log     *slog.Logger
	logJSON bool
	lines   *logs.Buffer
	demo    *demo // nil outside --demo
	locator *place.Locator
	// alone marks a doctor on the command line that works without a daemon:
	// firstChecks stand before all others in its list, storeErr is why the store
	// could not be opened.
	alone       bool
	firstChecks []doctor.Check
	storeErr    error
	// stop ends the daemon, and again tells that it shall start again.
	stop    context.CancelFunc
	again   atomic.Bool
	metrics *metrics.Metrics
	health  *health.Registry
	notify  *sdnotify.Notifier
	// services run until the listeners have finished their last request.
	services []service
	closers  []func()
}

// service is a long-running part.
type service interface {
	Serve(ctx context.Context) error
}

// storeTime bounds the opening of the store.
const storeTime = 30 * time.Second

// gcPercent lets the heap grow to three times what is in use before it is
// collected: the daemon's live heap is some 10 MB, and collecting it less often
// costs little memory and saves time on every request. GOGC overrides it.
const gcPercent = 200

func (d *daemon) run(ctx context.Context) error {
	started := time.Now()
	ctx, d.stop = context.WithCancel(ctx)
	defer d.stop()
	if d.getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	defer d.close()
	var err error
	if d.notify, err = sdnotify.New(d.getenv); err != nil {
		d.log.Warn("The service manager can't be told anything", logattr.Err(err))
		d.notify = &sdnotify.Notifier{}
	}
	d.metrics = metrics.New()
	d.health = health.New(health.Config{Logger: d.log.With("sub", "health")})
	d.metrics.ObserveProblems(d.health)
	listening, err := d.health.Await("listeners")
	if err != nil {
		return err
	}

	listeners, err := d.listen()
	if err != nil {
		return err
	}
	docs, err := d.openStore(ctx)
	if err != nil {
		return err
	}
	server, perms, me, err := d.buildAPI(docs, listeners)
	if err != nil {
		return err
	}

	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	front, frontCtx := errgroup.WithContext(ctx)
	back, backCtx := errgroup.WithContext(work)
	for _, s := range d.services {
		back.Go(func() error { return s.Serve(backCtx) })
	}
	front.Go(func() error {
		return server.ServeListeners(frontCtx, listeners, api.Private(d.health, d.metrics.Handler(), me.doctor))
	})
	front.Go(func() error { // a service that fails ends the daemon, in order
		select {
		case <-frontCtx.Done():
			return nil
		case <-backCtx.Done():
			return context.Cause(backCtx)
		}
	})
	front.Go(func() error { return d.notify.Serve(frontCtx, alive(listeners.Private)) })
	listening.Met()
	front.Go(func() error { return d.announce(frontCtx, perms, listeners, started) })

	err = front.Wait()
	d.notify.Stopping()
	stopWork()
	err = errors.Join(err, back.Wait())
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	if ctx.Err() != nil && err == nil {
		d.log.Info("Stopped", slog.String("after", time.Since(started).Round(time.Second).String()))
	}
	if d.again.Load() {
		if err != nil {
			d.log.Error("A part did not end in order", logattr.Err(err))
		}
		return errAgain
	}
	return err
}

// askRestart makes the daemon end in order and start again.
func (d *daemon) askRestart() error {
	if d.demo != nil {
		return errors.New("a demo has nothing that a restart would keep; stop it and start it again")
	}
	d.again.Store(true)
	d.stop()
	return nil
}

// close closes what was opened, the last first.
func (d *daemon) close() {
	for i := len(d.closers) - 1; i >= 0; i-- {
		d.closers[i]()
	}
}

// announce waits until the daemon is ready, and says so.
func (d *daemon) announce(ctx context.Context, perms *permissions.Service, l api.Listeners, started time.Time) error {
	for {
		changed := d.health.Changed()
		if d.health.Readiness().Ready {
			break
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
	if err := d.notify.Ready(); err != nil {
		d.log.Warn("The service manager can't be told", logattr.Err(err))
	}
	d.log.Info("Ready", slog.String("version", version.Version), slog.String("fluxos", version.FluxOS),
		logattr.Listen(l.API.Addr().String()), slog.String("after", time.Since(started).Round(time.Millisecond).String()))
	if d.demo != nil {
		return d.demo.greet(ctx, d.out, perms, l)
	}
	return nil
}

// listen opens all listeners before anything else, so that a taken port is an
// error at once.
func (d *daemon) listen() (api.Listeners, error) {
	c := d.cfg.API
	l := api.Listeners{MaxConnections: c.MaxConnections, Shutdown: c.ShutdownTimeout}
	open := func(key, address string) (net.Listener, error) {
		network := "tcp"
		if path, ok := strings.CutPrefix(address, "unix:"); ok {
			network, address = "unix", path
			if err := removeSocket(path); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
		}
		ln, err := net.Listen(network, address)
		if err != nil {
			return nil, fmt.Errorf("%s: %w (another program may have the port: FluxOS, or an older fluxosd)", key, err)
		}
		d.closers = append(d.closers, func() { ln.Close() })
		return ln, nil
	}
	var err error
	if l.API, err = open("api.listen", c.Listen); err != nil {
		return l, err
	}
	if c.TLSListen != "" {
		if l.TLS, err = open("api.tls_listen", c.TLSListen); err != nil {
			return l, err
		}
		if err := os.MkdirAll(d.cfg.Node.DataDir, 0o700); err != nil {
			return l, fmt.Errorf("node.data_dir: %w", err)
		}
		if l.Certificate, err = api.Certificate(c.TLSCert, c.TLSKey, d.cfg.Node.DataDir); err != nil {
			return l, err
		}
	}
	if c.PrivateListen != "" {
		if l.Private, err = open("api.private_listen", c.PrivateListen); err != nil {
			return l, err
		}
	}
	return l, nil
}

// removeSocket removes a socket file that a dead process left behind, and
// nothing else.
func removeSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode()&os.ModeSocket == 0:
		return fmt.Errorf("%s exists and is no socket", path)
	}
	if c, err := net.DialTimeout("unix", path, time.Second); err == nil {
		c.Close()
		return fmt.Errorf("%s is in use", path)
	}
	return os.Remove(path)
}

// buildAPI connects the parts that the API is made of.
func (d *daemon) buildAPI(docs store.Store, l api.Listeners) (*api.Server, *permissions.Service, *self, error) {
	cfg := d.cfg
	chain, err := d.chainDaemon()
	if err != nil {
		return nil, nil, nil, err
	}
	perms, err := permissions.New(permissions.Config{
		Admin: cfg.Node.FluxID, Team: cfg.Team.FluxIDs,
		OperatorMayManageApps: cfg.Permissions.OperatorMayManageApps,
		SIWEDomains:           siweDomains(cfg),
		SignatureCache:        cfg.Permissions.SignatureCache,
		Records:               logins.Records{Store: docs}, Owners: registry.Registry{Store: docs},
	})
	if err != nil {
		return nil, nil, nil, err
	}
	control, err := d.control()
	if err != nil {
		return nil, nil, nil, err
	}
	me, err := d.buildSelf(docs, chain, portOf(l.API.Addr().String()))
	if err != nil {
		return nil, nil, nil, err
	}
	if err := d.addLoginChecks(me); err != nil {
		return nil, nil, nil, err
	}
	d.observe(me, chain)
	ac := api.Config{
		Permissions: perms, Daemon: chain, Control: control, Metrics: d.metrics, Health: d.health,
		Node: me.node, Benchmark: me.bench, Runner: me.runner, History: me.history, Doctor: me.doctor, Host: me.host,
		ErrorStatus: api.ErrorStatus(cfg.API.ErrorStatus), BodyLimit: int64(cfg.API.BodyLimit),
		Limits:         api.Limits{PerSecond: float64(cfg.API.RateLimit.RequestsPerSecond), Burst: cfg.API.RateLimit.Burst, Exempt: cfg.API.RateLimit.Exempt},
		TrustedProxies: cfg.API.TrustedProxies, Logger: d.log,
	}
	if cfg.API.AccessLog {
		ac.AccessLog, ac.AccessLogJSON = d.err, d.logJSON
	}
	server, err := api.New(ac)
	if err != nil {
		return nil, nil, nil, err
	}
	d.services = append(d.services, server)
	return server, perms, me, nil
}

// siweDomains are the configured domains and this node's own addresses, as a
// browser writes them for the web interface and the API.
func siweDomains(cfg *config.Config) []string {
	domains := append([]string(nil), cfg.Permissions.SIWEDomains...)
	_, port, err := net.SplitHostPort(cfg.API.Listen)
	n, convErr := strconv.Atoi(port)
	if err != nil || convErr != nil {
		return domains
	}
	hosts := []string{"localhost", "127.0.0.1"}
	if ip := cfg.Node.PublicIP; ip.IsValid() {
		hosts = append(hosts, ip.String())
	}
	for _, h := range hosts {
		for _, p := range []int{n - 1, n, n + 1} { // web interface, API, API over TLS
			domains = append(domains, net.JoinHostPort(h, strconv.Itoa(p)))
		}
	}
	return domains
}
