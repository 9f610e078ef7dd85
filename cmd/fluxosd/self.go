package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/api"
	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
	"github.com/fluxosd/fluxosd/internal/config"
	"github.com/fluxosd/fluxosd/internal/config/edit"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/node"
	"github.com/fluxosd/fluxosd/internal/node/chaincopy"
	"github.com/fluxosd/fluxosd/internal/node/checks"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/node/dos"
	"github.com/fluxosd/fluxosd/internal/node/events"
	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/logfile"
	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/node/privileged"
	"github.com/fluxosd/fluxosd/internal/node/reach"
	"github.com/fluxosd/fluxosd/internal/secret"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/mongo"
)

// self is what this node knows of itself: its worth, its place, its standing,
// and what is wrong with it.
type self struct {
	node    *node.Node
	bench   *benchmark.Service
	runner  *benchmark.Runner
	history *benchmark.History
	doctor  *doctor.Doctor
	host    api.Host

	finder *place.Finder
	list   *reach.List
	clock  *place.Clock
}

// buildSelf connects the parts, and registers those that run as services.
func (d *daemon) buildSelf(docs store.Store, chain *daemonrpc.Client, apiPort int) (*self, error) {
	s := &self{history: benchmark.NewHistory(docs)}
	cfg := d.cfg
	settings, err := d.settings(apiPort)
	if err != nil {
		return nil, err
	}
	router, keeper, err := d.router(apiPort)
	if err != nil {
		return nil, err
	}
	if err := d.measuring(s, docs, apiPort); err != nil {
		return nil, err
	}
	if err := d.whereabouts(s, docs, router); err != nil {
		return nil, err
	}
	prober, asker, err := d.neighbours(s, chain)
	if err != nil {
		return nil, err
	}
	requests, err := reach.NewRequests(reach.RequestsConfig{Keys: s.list, Prober: prober, Logger: d.log.With("sub", "reach")})
	if err != nil {
		return nil, err
	}
	var benchVersion func(context.Context) (string, error)
	if s.bench.Source() == benchmark.SourceDaemon {
		benchVersion = func(ctx context.Context) (string, error) {
			f, err := s.bench.Facts(ctx)
			return f.Version, err
		}
	}
	score, err := dos.New(dos.Config{
		Nodes: s.list, Daemon: chain, Asker: asker, Logger: d.log.With("sub", "dos"),
		Own: func() (reach.Address, bool) {
			ip := s.finder.Address().V4
			return reach.Address{IP: ip, Port: uint16(apiPort)}, ip.IsValid()
		},
		AddressChanges:      s.finder.RecentChanges,
		BlockedPorts:        func() int { return len(settings.Values().BlockedPorts) },
		BlockedRepositories: func() int { return len(settings.Values().BlockedRepositories) },
		BenchVersion:        benchVersion, Public: s.benchAddress(),
		Moved: func(context.Context, netip.Addr) { s.finder.Recheck() },
	})
	if err != nil {
		return nil, err
	}
	updates, err := d.updates(settings)
	if err != nil {
		return nil, err
	}
	wall := d.firewall(apiPort)
	s.host = api.Host{
		Settings: settings, DOS: score, Prober: prober, Requests: requests, Gateway: router, Firewall: wall, Updates: updates,
		Logs: d.lines, Events: events.NewLog(), DaemonLog: d.daemonLog, BenchmarkLog: d.benchmarkLog,
		Folder: cfg.Node.DataDir, Restart: d.askRestart, TestControls: cfg.Node.TestControls,
	}
	if cfg.Network.ChainStreaming && d.demo == nil {
		if s.host.ChainCopy, err = d.chainCopy(chain); err != nil {
			return nil, err
		}
		d.services = append(d.services, s.host.ChainCopy)
	}
	mapped := func() bool { return keeper != nil && keeper.Status().Available }
	s.node = node.New(node.Config{
		FluxID: cfg.Node.FluxID, TeamID: teamID(cfg, 0), SupportID: teamID(cfg, 1), PGPPublicKey: cfg.Node.PGPPublicKey, Development: cfg.Node.Development,
		APIPort: apiPort, Daemon: chain, Benchmark: s.bench, Finder: s.finder, Locator: d.locator, Clock: s.clock, DOS: score, Mapped: mapped,
		StoreVersion: docs.Version, DockerVersion: checks.DockerVersion(cfg.Docker.Host), Now: time.Now,
	})
	if s.doctor, err = d.examiner(s, docs, chain, keeper, asker, apiPort); err != nil {
		return nil, err
	}
	d.services = append(d.services, s.finder, d.locator, s.clock, s.list, requests, score, s.runner, s.doctor, events.Health{Registry: d.health, Log: s.host.Events})
	if keeper != nil {
		d.services = append(d.services, keeper)
	}
	return s, nil
}

func teamID(cfg *config.Config, i int) string {
	if i < len(cfg.Team.FluxIDs) {
		return cfg.Team.FluxIDs[i]
	}
	return ""
}

// settings are what the owner changes over the API.
func (d *daemon) settings(apiPort int) (*node.Settings, error) {
	cfg := d.cfg
	file, err := edit.New(edit.Config{Path: d.file, Logger: d.log.With("sub", "config"), Check: func(raw []byte) error {
		return config.Check(raw, config.Options{File: d.file, Env: d.env, Flags: d.sets, Demo: d.demo != nil, CheckMongoDB: mongo.Check})
	}})
	if err != nil {
		return nil, err
	}
	return node.NewSettings(node.SettingsConfig{
		Now: node.Values{Kadena: cfg.Node.Kadena, RouterIP: cfg.Node.RouterIP, BlockedPorts: cfg.Node.BlockedPorts, BlockedRepositories: cfg.Node.BlockedRepositories,
			UpdateChannel: cfg.Node.UpdateChannel, APIPort: apiPort, APIPortSet: cfg.IsSet("api.listen")},
		File: file, SetBy: cfg.SetBy, Listen: cfg.API.Listen, TLSListen: cfg.API.TLSListen,
	}), nil
}

// router maps ports, unless that is switched off or this machine needs none.
func (d *daemon) router(apiPort int) (*gateway.Gateway, *gateway.Keeper, error) {
	mode := map[string]gateway.Mode{"auto": gateway.Auto, "upnp": gateway.UPnP, "nat-pmp": gateway.NATPMP, "off": gateway.Off}[d.cfg.Network.Gateway]
	gc := gateway.Config{Mode: mode, Router: d.cfg.Node.RouterIP, APIPort: apiPort, Logger: d.log.With("sub", "gateway")}
	g, err := gateway.New(gc)
	if err != nil {
		return nil, nil, fmt.Errorf("network.gateway: %w", err)
	}
	if mode == gateway.Off || mode == gateway.Auto && hasPublicAddress() {
		return g, nil, nil
	}
	return g, gateway.NewKeeper(g), nil
}

func hasPublicAddress() bool {
	addrs, err := place.DefaultRouteAddrs()
	return err == nil && slices.ContainsFunc(addrs, func(a netip.Addr) bool { return a.Is4() && place.Unroutable(a) == "" })
}

// measuring builds the benchmark: fluxbenchd's word where there is one, and our
// own measurements.
func (d *daemon) measuring(s *self, docs store.Store, apiPort int) error {
	remote, err := d.benchmarkDaemon()
	if err != nil {
		return err
	}
	b := d.cfg.Benchmark
	log := d.log.With("sub", "benchmark")
	meter, err := benchmark.NewHostMeter(benchmark.MeterConfig{
		Dirs: []string{d.cfg.Node.DataDir}, Logger: log,
		CPU:     measure.CPUOptions{Time: b.CPUTime},
		Disk:    measure.DiskOptions{Size: int64(b.DiskSize)},
		Network: measure.NetworkOptions{Servers: b.SpeedServers},
	})
	if err != nil {
		return err
	}
	every := b.Every
	if remote != nil || d.demo != nil || d.alone {
		every = 0 // measured when somebody asks
	}
	s.runner, err = benchmark.NewRunner(benchmark.RunnerConfig{Meter: meter, History: s.history, Every: every, NodeID: nodeID(d.cfg.Node.FluxID, apiPort), TimeLimit: b.TimeLimit, Logger: log})
	if err != nil {
		return err
	}
	bc := benchmark.Config{Runner: s.runner, Store: docs, Logger: log, Address: func() string {
		ip := s.finder.Address().V4
		if !ip.IsValid() {
			return ""
		}
		return reach.Address{IP: ip, Port: uint16(apiPort)}.String()
	}}
	if remote != nil {
		bc.Remote = remote
	}
	if b.Unit != "" {
		unit, err := privileged.NewUnit(b.Unit)
		if err != nil {
			return fmt.Errorf("benchmark.unit: %w", err)
		}
		bc.Control = unit
	}
	s.bench, err = benchmark.NewService(bc)
	return err
}

// nodeID tells the nodes of one owner apart, also those behind one router.
func nodeID(owner string, port int) string {
	host, _ := os.Hostname() // without a name the port alone tells
	return fmt.Sprintf("%s %s:%d", owner, host, port)
}

// benchReply bounds an answer of fluxbenchd, in bytes; real ones are about 1 kB.
const benchReply = 1 << 20

// benchmarkDaemon returns the client of fluxbenchd, or nil where the node
// measures itself.
func (d *daemon) benchmarkDaemon() (benchmark.Caller, error) {
	c := d.cfg.Benchmark
	rc := daemonrpc.Config{URL: c.URL, User: c.User, Password: c.Password, Timeout: 10 * time.Second, MaxReply: benchReply,
		Methods: benchmark.RPCMethods(), Logger: d.log.With("sub", "benchmark")}
	home, _ := os.UserHomeDir() // a service without a home has no usual folders
	login, found := benchmark.DefaultLogin(home, d.getenv, d.cfg.Node.Testnet)
	switch {
	case c.Source == config.BenchmarkNative:
		return nil, nil
	case d.demo != nil && d.demo.chain != nil && c.URL == "":
		rc.URL, rc.User, rc.Password = d.demo.benchURL, d.demo.user, secret.New(d.demo.password)
	case c.URL == "" && !found && c.Source == config.BenchmarkAuto:
		return nil, nil
	}
	if rc.URL == "" {
		rc.URL = login.URL
	}
	if rc.User == "" {
		rc.User, rc.Password = login.User, login.Password
	}
	client, err := daemonrpc.New(rc)
	if err != nil {
		return nil, fmt.Errorf("benchmark: %w", err)
	}
	d.closers = append(d.closers, client.Close)
	return client, nil
}

// whereabouts finds out address, place and time.
func (d *daemon) whereabouts(s *self, docs store.Store, router *gateway.Gateway) error {
	cfg := d.cfg
	log := d.log.With("sub", "place")
	fc := place.FinderConfig{Configured: cfg.Node.PublicIP, Echoes: cfg.Network.AddressServices, Logger: log,
		Memory: store.Memory[place.AddressRecord]{Store: docs, Collection: store.Remembered, ID: "publicAddress"}}
	if cfg.Network.Gateway != "off" {
		fc.Gateway = router.ExternalIP
	}
	fc.Benchmark = s.benchAddress()
	var err error
	if s.finder, err = place.NewFinder(fc); err != nil {
		return fmt.Errorf("network.address_services: %w", err)
	}
	d.locator, err = place.NewLocator(place.LocatorConfig{Where: s.finder, Providers: cfg.Network.GeolocationServices, Logger: log,
		Memory: store.Memory[place.GeoRecord]{Store: docs, Collection: store.Geolocation, ID: "nodeGeolocation"}})
	if err != nil {
		return fmt.Errorf("network.geolocation_services: %w", err)
	}
	if s.clock, err = place.NewClock(place.ClockConfig{Servers: cfg.Network.TimeServers, Logger: log}); err != nil {
		return fmt.Errorf("network.time_servers: %w", err)
	}
	return nil
}

// benchAddress asks fluxbenchd for the public address of this node; nil without
// one, because the native benchmark is told the address by us.
func (s *self) benchAddress() func(context.Context) (netip.Addr, error) {
	if s.bench.Source() != benchmark.SourceDaemon {
		return nil
	}
	return func(ctx context.Context) (netip.Addr, error) {
		f, err := s.bench.Facts(ctx)
		if err != nil {
			return netip.Addr{}, err
		}
		a, err := reach.ParseAddress(f.Address)
		return a.IP, err
	}
}

// neighbours builds what nodes ask one another.
func (d *daemon) neighbours(s *self, chain *daemonrpc.Client) (*reach.Prober, *reach.Self, error) {
	var err error
	if s.list, err = reach.NewList(reach.ListConfig{Daemon: chain, Logger: d.log.With("sub", "reach")}); err != nil {
		return nil, nil, err
	}
	var probes []reach.Address
	named := map[netip.Addr]bool{} // by the operator, who may name a node on an own network
	for _, text := range d.cfg.Network.ProbeNodes {
		a, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, nil, fmt.Errorf("network.probe_nodes: %w", err)
		}
		named[a.Addr().Unmap()] = true
		probes = append(probes, reach.Address{IP: a.Addr().Unmap(), Port: a.Port()})
	}
	prober, err := reach.NewProber(reach.ProberConfig{Nodes: s.list, Allow: func(a netip.Addr) bool { return reach.Routable(a) || named[a] }})
	if err != nil {
		return nil, nil, err
	}
	asker, err := reach.NewSelf(reach.SelfConfig{Crowd: s.list, Prober: prober, Probes: probes})
	return prober, asker, err
}

func (d *daemon) updates(settings *node.Settings) (*node.Updates, error) {
	run, err := privileged.NewUpdates(privileged.UpdatesConfig{})
	if err != nil {
		return nil, err
	}
	return node.NewUpdates(node.UpdatesConfig{
		Self: d.cfg.Node.UpdateUnit, Daemon: d.cfg.Daemon.UpdateUnit, Benchmark: d.cfg.Benchmark.UpdateUnit,
		Channel: func() string { return settings.Values().UpdateChannel }, Run: run,
	})
}

// firewall returns what looks for the host's firewall when it is first needed:
// asking ufw takes a second, which the start need not wait for.
func (d *daemon) firewall(apiPort int) func(context.Context) (privileged.Firewall, error) {
	log := d.log.With("sub", "firewall")
	w := &wall{looking: make(chan struct{}, 1), config: privileged.FirewallConfig{Mode: d.cfg.Network.Firewall, DryRun: d.cfg.Network.FirewallDryRun, Log: log}}
	d.services = append(d.services, wallRules{w.find, apiPort, d.cfg.Node.RouterIP, d.cfg.Network.FirewallDryRun, log})
	return w.find
}

// chainCopy hands the chain's data to neighbours.
func (d *daemon) chainCopy(chain *daemonrpc.Client) (*chaincopy.Copier, error) {
	unit, err := privileged.NewUnit(d.cfg.Daemon.Unit)
	if err != nil {
		return nil, fmt.Errorf("daemon.unit: %w", err)
	}
	c, err := chaincopy.New(chaincopy.Config{StateDir: d.cfg.Node.DataDir, Control: chainUnit{unit}, Chain: chain, Logger: d.log.With("sub", "chaincopy"),
		DataDir: func() (string, error) { return filepath.Dir(d.daemonLog()), nil }})
	if err != nil {
		return nil, fmt.Errorf("network.chain_streaming: %w", err)
	}
	return c, nil
}

// chainUnit is the chain daemon as a unit that can be stopped for a copy.
type chainUnit struct{ privileged.Unit }

// Running implements chaincopy.Control.
func (u chainUnit) Running(ctx context.Context) (bool, error) {
	st, err := u.Status(ctx)
	return st.Running(), err
}

// daemonLog is where the chain daemon writes its log.
func (d *daemon) daemonLog() string {
	if d.cfg.Daemon.DebugLog != "" {
		return d.cfg.Daemon.DebugLog
	}
	home, _ := os.UserHomeDir() // a service without a home has no usual folders
	conf, err := d.conf()
	if err != nil {
		conf = daemonrpc.Conf{}
	}
	return logfile.DaemonLog(conf.DataDir, d.getenv, home, d.cfg.Node.Testnet)
}

func (d *daemon) benchmarkLog() string {
	if d.cfg.Benchmark.DebugLog != "" {
		return d.cfg.Benchmark.DebugLog
	}
	home, _ := os.UserHomeDir() // a service without a home has no usual folders
	return logfile.BenchmarkLog(d.getenv, home)
}

// conf reads the chain daemon's own configuration file.
func (d *daemon) conf() (daemonrpc.Conf, error) {
	if d.demo != nil && d.demo.chain != nil {
		return d.demo.conf(), nil
	}
	paths := []string{d.cfg.Daemon.Conf}
	if d.cfg.Daemon.Conf == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return daemonrpc.Conf{}, fmt.Errorf("no home folder to look for flux.conf in: %w", fs.ErrNotExist)
		}
		paths = daemonrpc.DefaultConfPaths(home)
	}
	for i, path := range paths {
		f, err := os.Open(path)
		if errors.Is(err, fs.ErrNotExist) && i < len(paths)-1 {
			continue
		}
		if err != nil {
			return daemonrpc.Conf{}, err
		}
		defer f.Close()
		conf, err := daemonrpc.ParseConf(f)
		if err != nil {
			return conf, fmt.Errorf("%s: %w", path, err)
		}
		return conf, nil
	}
	return daemonrpc.Conf{}, fs.ErrNotExist
}

// examiner builds the doctor with all checks, in the order of cause and effect.
func (d *daemon) examiner(s *self, docs store.Store, chain checks.Caller, keeper *gateway.Keeper, asker *reach.Self, apiPort int) (*doctor.Doctor, error) {
	cfg := d.cfg
	nc := checks.NetworkConfig{
		Daemon: chain, APIPort: apiPort, Address: s.finder.Address, Trouble: s.finder.Problem, Reach: asker.Check,
		Blocked: func() (int, int) {
			v := s.host.Settings.Values()
			return len(v.BlockedPorts), len(v.BlockedRepositories)
		},
		Score: func() (float64, string, []string) {
			st := s.host.DOS.State()
			if st.DosMessage == nil {
				return st.DosState, "", s.host.DOS.Reasons()
			}
			return st.DosState, *st.DosMessage, s.host.DOS.Reasons()
		},
	}
	if keeper != nil {
		nc.Mapping = keeper.Status
	}
	var chainCopy []doctor.Check
	if c := s.host.ChainCopy; c != nil {
		chainCopy = []doctor.Check{checks.ChainCopy(c.Problem)}
	}
	chainNode := checks.NodeConfig{Daemon: chain, Conf: d.conf}
	list := slices.Concat(
		checks.Host(checks.HostConfig{DataDir: cfg.Node.DataDir, Files: cfg.API.MaxConnections, ClockOffset: func(ctx context.Context) (*float64, string) {
			r := s.clock.Look(ctx)
			return r.Offset, r.Source
		}}),
		[]doctor.Check{checks.Store(checks.StoreConfig{Ping: d.pingStore(docs), Version: docs.Version, ReadOnly: readOnly})},
		checks.Chain(checks.ChainConfig{Daemon: chain, Testnet: cfg.Node.Testnet, Now: time.Now}),
		chainCopy,
		checks.Node(chainNode),
		[]doctor.Check{checks.Docker(cfg.Docker.Host), checks.Syncthing(cfg.Syncthing.URL)},
		checks.Benchmark(checks.BenchmarkConfig{Facts: s.bench.Facts,
			Tier: func(ctx context.Context) string {
				c, err := s.node.Collateral(ctx)
				if err != nil {
					return ""
				}
				return c.Public
			}}),
		checks.Network(nc),
		[]doctor.Check{checks.Confirmation(chainNode), checks.Standing(nc), checks.DockerRelease(cfg.Docker.Host), checks.Configuration(cfg.Warnings())},
	)
	return doctor.New(doctor.Config{Checks: append(d.firstChecks, list...), Health: d.health, Logger: d.log.With("sub", "doctor")})
}

// addLoginChecks lets a sick node refuse login phrases, by which the network
// tells it from a healthy one. A demo has nothing that could be sick.
func (d *daemon) addLoginChecks(s *self) error {
	if d.demo != nil {
		return nil
	}
	sick := func(check, text string) health.LoginCheck {
		return func(context.Context) error {
			for _, l := range s.doctor.Report().Lines {
				if l.Check == check && l.State == doctor.Critical {
					return fault.Wrap(fault.Unavailable, errors.New(l.Fact), text)
				}
			}
			return nil
		}
	}
	for _, c := range []struct {
		name  string
		check health.LoginCheck
	}{
		{"syncthing", sick("syncthing", "Syncthing is not running properly")},
		{"docker", sick("docker", "Docker is not running properly")},
		{"hardware", s.node.HardwareFits},
		{"dos", s.node.Fit},
	} {
		if err := d.health.AddLoginCheck(c.name, probeTime, c.check); err != nil {
			return err
		}
	}
	return nil
}

// portOf is the port of a listen address, which was checked with the configuration.
func portOf(listen string) int {
	_, port, _ := net.SplitHostPort(listen)
	n, _ := strconv.Atoi(port)
	return n
}

// readOnly reports whether an error of the store's Ping says that it can be
// read and not written.
func readOnly(err error) bool {
	text := strings.ToLower(err.Error())
	return errors.Is(err, fs.ErrPermission) || strings.Contains(text, "readonly") || strings.Contains(text, "read-only") || strings.Contains(text, "full")
}

// pingStore asks the store, or answers why it could not be opened.
func (d *daemon) pingStore(docs store.Store) func(context.Context) error {
	if d.storeErr != nil {
		return func(context.Context) error { return d.storeErr }
	}
	return docs.Ping
}

// jsonReport is a report as the private listener and --json print it.
func jsonReport(r doctor.Report) ([]byte, error) { return json.MarshalIndent(r, "", "  ") }
