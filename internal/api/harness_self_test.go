package api

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/config"
	"github.com/fluxosd/fluxosd/internal/config/edit"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/logs"
	"github.com/fluxosd/fluxosd/internal/node"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/node/dos"
	"github.com/fluxosd/fluxosd/internal/node/events"
	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/node/privileged"
	"github.com/fluxosd/fluxosd/internal/node/reach"
	"github.com/fluxosd/fluxosd/internal/secret"
)

// examined is a check whose finding the test decides.
type examined struct {
	finding atomic.Pointer[doctor.Finding]
}

func (e *examined) set(f doctor.Finding) { e.finding.Store(&f) }

// must is for constructors of the harness: their failure is a mistake in it.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// firewalled finds a firewall that is known.
func firewalled(w privileged.Firewall) func(context.Context) (privileged.Firewall, error) {
	return func(context.Context) (privileged.Firewall, error) { return w, nil }
}

// self gives the API the parts of this node: real ones, of which none asks
// anybody outside this machine.
func (w *world) self(ac *Config, owner string, daemon *daemonrpc.Client) {
	w.t.Helper()
	t := w.t
	own := w.chain.Own()
	var err error
	if w.bench, err = devnet.NewBench(w.chain, devnet.BenchConfig{User: "b", Password: "b"}); err != nil {
		t.Fatal(err)
	}
	benchServer := httptest.NewServer(w.bench)
	t.Cleanup(benchServer.Close)
	remote := must(daemonrpc.New(daemonrpc.Config{URL: benchServer.URL, User: "b", Password: secret.New("b"), Methods: benchmark.RPCMethods()}))
	t.Cleanup(remote.Close)

	dir := t.TempDir()
	w.file = filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(w.file, []byte("# kept by the test\nnode:\n  flux_id: \""+owner+"\" # the owner\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	file := must(edit.New(edit.Config{Path: w.file, Check: func(raw []byte) error { return config.Check(raw, config.Options{File: w.file}) }}))
	settings := node.NewSettings(node.SettingsConfig{Now: node.Values{APIPort: 16127, APIPortSet: true, UpdateChannel: "stable"}, File: file,
		SetBy: func(string) string { return "" }, Listen: ":16127", TLSListen: ":16128"})
	w.finder = must(place.NewFinder(place.FinderConfig{Configured: netip.MustParseAddr(own.IP)}))
	locator := must(place.NewLocator(place.LocatorConfig{Where: w.finder}))
	clock := must(place.NewClock(place.ClockConfig{}))
	list := must(reach.NewList(reach.ListConfig{Daemon: daemon}))
	prober := must(reach.NewProber(reach.ProberConfig{Nodes: list}))
	asker := must(reach.NewSelf(reach.SelfConfig{Crowd: list, Prober: prober}))
	none := func() int { return 0 }
	score := must(dos.New(dos.Config{Nodes: list, Daemon: daemon, Asker: asker, Own: func() (reach.Address, bool) { return reach.Address{}, false },
		AddressChanges: none, BlockedPorts: none, BlockedRepositories: none}))
	history := benchmark.NewHistory(w.store)
	runner := must(benchmark.NewRunner(benchmark.RunnerConfig{Meter: must(benchmark.NewHostMeter(benchmark.MeterConfig{Dirs: []string{dir}})), History: history, NodeID: "test"}))
	bench := must(benchmark.NewService(benchmark.Config{Remote: remote, Runner: runner, Store: w.store}))
	updates := must(node.NewUpdates(node.UpdatesConfig{Channel: func() string { return settings.Values().UpdateChannel }, Run: must(privileged.NewUpdates(privileged.UpdatesConfig{}))}))

	w.doctor = new(examined)
	w.doctor.set(doctor.Fine("well"))
	examiner := must(doctor.New(doctor.Config{Health: ac.Health, Checks: []doctor.Check{{Name: "patient", Title: "Patient", Every: time.Hour,
		Problems: []health.Problem{{Code: "patient-ill", Severity: health.Critical, Title: "The patient is ill", Advice: "Rest."}},
		Look:     func(context.Context) doctor.Finding { return *w.doctor.finding.Load() }}}}))
	ac.Node = node.New(node.Config{FluxID: owner, TeamID: "team", SupportID: "support", PGPPublicKey: "", APIPort: 16127, Daemon: daemon, Benchmark: bench,
		Finder: w.finder, Locator: locator, Clock: clock, DOS: score, Mapped: func() bool { return false },
		StoreVersion: w.store.Version, DockerVersion: func(context.Context) (string, error) { return "", errors.New("no engine here") }, Now: w.clock.now})
	ac.Benchmark, ac.Runner, ac.History, ac.Doctor = bench, runner, history, examiner
	ac.Host = Host{
		Settings: settings, DOS: score, Prober: prober, Requests: must(reach.NewRequests(reach.RequestsConfig{Keys: list, Prober: prober})),
		Gateway: must(gateway.New(gateway.Config{Mode: gateway.Off, APIPort: 16127})), Firewall: firewalled(privileged.None{}), Updates: updates,
		Logs: must(logs.NewBuffer(logs.BufferConfig{})), Events: events.NewLog(),
		DaemonLog: func() string { return filepath.Join(dir, "debug.log") }, BenchmarkLog: func() string { return filepath.Join(dir, "none.log") },
		Folder: dir, Restart: func() error { return errors.New("a test doesn't end") },
	}
}
