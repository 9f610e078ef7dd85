package api

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/sqlite"
)

// openStore opens a store of its own for a part of the test.
func openStore(t *testing.T) *sqlite.DB {
	t.Helper()
	docs, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { docs.Close() })
	if err := docs.Declare(t.Context(), append(store.All(), benchmark.Collections()...)...); err != nil {
		t.Fatal(err)
	}
	return docs
}

// The words of fluxbenchd are passed on as they are, errors too.
func TestBenchmarkRowsWithTheBenchmarkDaemon(t *testing.T) {
	w := newWorld(t, nil)
	get := func(path string, by who) answer { return w.request("GET", path, "", w.as(by)...) }
	if a := get("/benchmark/getstoredbenchmark", anonymous); string(a.raw) != `{"status":"error","data":{"message":"No stored benchmark data available"}}` {
		t.Errorf("nothing is stored: %s", a.raw)
	}
	for path, want := range map[string]string{
		"/benchmark/getstatus":                            `"benchmarking":"CUMULUS"`,
		"/benchmark/getinfo":                              `"rpcport":16224`,
		"/benchmark/help":                                 `"== Benchmark ==\n`,
		"/benchmark/help/getinfo":                         `"getinfo"`,
		"/benchmark/help?command=signfluxnodetransaction": `"signfluxnodetransaction \"hex\""`,
		"/benchmark/help/nonsense":                        `"help: unknown command: nonsense"`,
		"/benchmark/getbenchmarks":                        `"bench_version":`,
	} {
		if a := get(path, anonymous); a.Status != "success" || !strings.Contains(string(a.Data), want) {
			t.Errorf("%s: %s, want %s", path, a.raw, want)
		}
	}
	var stored struct {
		Benchmark map[string]any
		Tier      string
	}
	if a := get("/benchmark/getstoredbenchmark", anonymous); json.Unmarshal(a.Data, &stored) != nil || stored.Tier != "CUMULUS" || stored.Benchmark["bench_version"] == nil {
		t.Errorf("stored: %s", a.raw)
	}
	if a := get("/benchmark/restartnodebenchmarks", fluxTeam); string(a.Data) != `"Benchmarks will restart in the next couple minutes"` {
		t.Errorf("restartnodebenchmarks: %s", a.raw)
	}
	if a := get("/benchmark/stop", admin); string(a.Data) != `"Fluxbench server stopping"` {
		t.Errorf("stop: %s", a.raw)
	}
	reason := "fluxosd doesn't know which systemd unit runs the benchmark daemon: set benchmark.unit, or use systemctl"
	for _, row := range []string{"/benchmark/start", "/flux/startbenchmark"} {
		w.says(get(row, admin), "error", "Error starting Benchmark: "+reason)
	}
	for _, row := range []string{"/benchmark/restart", "/flux/restartbenchmark"} {
		w.says(get(row, admin), "error", "Error restarting Benchmark: "+reason)
	}
	var tiers struct {
		Source string
		Tiers  []benchmark.Verdict
	}
	if a := w.request("GET", "/benchmark/tiers", ""); json.Unmarshal(a.Data, &tiers) != nil || tiers.Source != "fluxbenchd" || len(tiers.Tiers) != 3 || !tiers.Tiers[0].Passed ||
		benchmark.FirstMissed(tiers.Tiers[1]) != "NIMBUS: physical cores 2 of 4" {
		t.Errorf("tiers by the benchmark daemon: %s", a.raw)
	}
	if a := w.request("GET", "/benchmark/history", ""); string(a.Data) != `[]` {
		t.Errorf("history before a measurement: %s", a.raw)
	}
}

// Signing takes the transaction from path, query and body, under both names.
func TestSigningOfNodeTransactions(t *testing.T) {
	w := newWorld(t, nil)
	raw, err := w.server.daemon.Call(t.Context(), "createconfirmationtransaction", nil)
	if err != nil {
		t.Fatal(err)
	}
	var made struct{ Hex string }
	if json.Unmarshal(raw, &made) != nil || made.Hex == "" {
		if json.Unmarshal(raw, &made.Hex) != nil {
			t.Fatalf("no transaction in %s", raw)
		}
	}
	for _, row := range []string{"/benchmark/signfluxnodetransaction", "/benchmark/signzelnodetransaction"} {
		for _, c := range []struct{ method, path, body string }{
			{"GET", row + "/" + made.Hex, ""}, {"GET", row + "?hexstring=" + made.Hex, ""},
			{"POST", row, `{"hexstring":"` + made.Hex + `"}`}, {"POST", row, "hexstring=" + made.Hex},
		} {
			var signed struct{ Status, Tier, Hex string }
			a := w.request(c.method, c.path, c.body, w.as(admin)...)
			if json.Unmarshal(a.Data, &signed) != nil || signed.Status != "complete" || signed.Tier != "CUMULUS" || !strings.HasPrefix(signed.Hex, made.Hex[:80]) {
				t.Errorf("%s %.60s %.20s: %.300s", c.method, c.path, c.body, a.raw)
			}
		}
		for _, c := range []struct{ method, path, body, want string }{
			{"GET", row, "", `"code":-22`}, {"GET", row + "/0100", "", "TX decode failed"}, {"POST", row, "{}", `"code":-22`}, {"POST", row, `{"hexstring":7}`, `"code":-22`},
			{"POST", row, `{"hexstring":["a"]}`, `"code":-22`}, {"GET", row + "/zz", "", "TX decode failed"},
		} {
			if a := w.request(c.method, c.path, c.body, w.as(admin)...); a.Status != "error" || !strings.Contains(string(a.Data), c.want) || a.code != 200 {
				t.Errorf("%s %s %s: %s, want %s", c.method, c.path, c.body, a.raw, c.want)
			}
		}
	}
	w.bench.SetStatus("failed", "too slow")
	if a := w.request("GET", "/benchmark/signfluxnodetransaction/"+made.Hex, "", w.as(admin)...); string(a.Data) != `{"hex":"","status":"failed","tier":""}` {
		t.Errorf("a machine that failed: %s", a.raw)
	}
}

// benchUnit is the unit of fluxbenchd.
type benchUnit struct{ err error }

func (b benchUnit) Start(context.Context) error   { return b.err }
func (b benchUnit) Restart(context.Context) error { return b.err }

func TestBenchmarkDaemonThatIsDown(t *testing.T) {
	caller, address := deaf(t)
	unit := new(benchUnit)
	w := newWorld(t, func(c *Config, _ *permissions.Config) {
		c.Benchmark = must(benchmark.NewService(benchmark.Config{Remote: caller, Control: unit, Store: openStore(t)}))
	})
	want := `{"status":"error","data":{"code":"ECONNREFUSED","name":"Error","message":"connect ECONNREFUSED ` + address + `"}}`
	for _, path := range []string{"/benchmark/getstatus", "/benchmark/getbenchmarks", "/benchmark/getinfo", "/benchmark/help", "/benchmark/help/getinfo",
		"/benchmark/signfluxnodetransaction/00", "/benchmark/signzelnodetransaction", "/benchmark/stop", "/benchmark/restartnodebenchmarks"} {
		if a := w.request("GET", path, "", w.as(admin)...); string(a.raw) != want || a.code != 200 || a.header.Get("Cache-Control") != "" {
			t.Errorf("%s: %d %s, want %s", path, a.code, a.raw, want)
		}
	}
	for row, text := range map[string][2]string{
		"/benchmark/start": {"starting", "started"}, "/flux/startbenchmark": {"starting", "started"},
		"/benchmark/restart": {"restarting", "restarted"}, "/flux/restartbenchmark": {"restarting", "restarted"},
	} {
		unit.err = nil
		w.says(w.request("GET", row, "", w.as(fluxTeam)...), "success", "Benchmark successfully "+text[1])
		unit.err = errors.New("unit fluxbenchd.service failed")
		w.says(w.request("GET", row, "", w.as(admin)...), "error", "Error "+text[0]+" Benchmark: unit fluxbenchd.service failed")
	}
}

// gauge measures nothing and gives what the test says.
type gauge struct{ results chan benchmark.Result }

func (g gauge) Measure(ctx context.Context, _ *benchmark.Result, _ benchmark.Progress) (benchmark.Result, error) {
	select {
	case r := <-g.results:
		return r, nil
	case <-ctx.Done():
		return benchmark.Result{}, ctx.Err()
	}
}

// stratus is the result of a machine that passes for every tier.
func stratus(at time.Time) benchmark.Result {
	figure := func(x float64) measure.Figure { return measure.Figure{Median: x, Low: x, High: x, Runs: []float64{x}} }
	const gibibyte = 1 << 30
	return benchmark.Result{Time: at, Host: measure.Host{Architecture: "amd64", RealCores: 16, Cores: 32, RAM: 128 * gibibyte},
		CPU:     measure.CPU{Single: figure(500), Multi: figure(16000), Threads: 32},
		Disks:   []benchmark.Disk{{Disk: measure.Disk{Name: "vda", Size: 2000 * gibibyte, Mount: "/"}, Speed: measure.DiskSpeed{MiBps: figure(1000)}, Apps: true}},
		Network: measure.Network{Ping: figure(5), Download: figure(900), Upload: figure(900)}, NetworkTime: at}
}

// Without fluxbenchd the node answers with its own measurements, in the same
// shapes.
func TestBenchmarkRowsWithOwnMeasurements(t *testing.T) {
	meter := gauge{make(chan benchmark.Result)}
	var runner *benchmark.Runner
	w := newWorld(t, func(c *Config, _ *permissions.Config) {
		docs := openStore(t)
		c.History = benchmark.NewHistory(docs)
		runner = must(benchmark.NewRunner(benchmark.RunnerConfig{Meter: meter, History: c.History, NodeID: "test"}))
		c.Runner = runner
		c.Benchmark = must(benchmark.NewService(benchmark.Config{Runner: runner, Store: docs, Address: func() string { return "203.0.113.7" }}))
	})
	get := func(path string, by who) answer { // past the reply cache
		return w.request("GET", path, "", append([]string{"X-Apicache-Bypass: 1"}, w.as(by)...)...)
	}
	w.says(get("/benchmark/restartnodebenchmarks", admin), "error", "The benchmark is not available: fluxosd starts or stops")
	changed := runner.Changed()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- runner.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	wait := func(what string, ok func(benchmark.State) bool) {
		t.Helper()
		deadline := time.After(10 * time.Second)
		for !ok(runner.State()) {
			select {
			case <-changed:
			case <-deadline:
				t.Fatalf("no sign of %s: %+v", what, runner.State())
			}
			changed = runner.Changed()
		}
	}
	wait("the runner", func(s benchmark.State) bool { return s.Ready })
	var figures struct {
		Status, Error, Source, IPAddress string
		Time                             float64
		Disks                            []any `json:"disksinfo"`
	}
	if a := get("/benchmark/getbenchmarks", anonymous); json.Unmarshal(a.Data, &figures) != nil || figures.Status != "failed" || figures.Error != "This machine has not been measured yet" || figures.Disks == nil {
		t.Errorf("before a measurement: %s", a.raw)
	}
	if a := get("/benchmark/getstoredbenchmark", anonymous); a.message() != "No stored benchmark data available" {
		t.Errorf("stored before a measurement: %s", a.raw)
	}
	if a := get("/benchmark/restartnodebenchmarks", fluxTeam); string(a.Data) != `"Benchmarks will restart in the next couple minutes"` {
		t.Errorf("restartnodebenchmarks: %s", a.raw)
	}
	wait("a run", func(s benchmark.State) bool { return s.Running })
	if a := get("/benchmark/getstatus", anonymous); string(a.Data) != `{"status":"online","benchmarking":"running","flux":"connected","systemsecure":false,"source":"native"}` {
		t.Errorf("status of a run: %s", a.raw)
	}
	if a := get("/benchmark/restart", admin); a.Status != "error" || !strings.HasPrefix(a.message(), "Error restarting Benchmark: ") || !strings.Contains(a.message(), "A benchmark has been running for") {
		t.Errorf("a second run: %s", a.raw)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	meter.results <- stratus(at)
	wait("its end", func(s benchmark.State) bool { return !s.Running && runner.Latest() != nil })
	if a := get("/benchmark/getbenchmarks", anonymous); json.Unmarshal(a.Data, &figures) != nil || figures.Status != "STRATUS" || figures.Error != "" || figures.Source != "native" ||
		figures.IPAddress != "203.0.113.7" || figures.Time != float64(at.Unix()) || len(figures.Disks) != 1 {
		t.Errorf("benchmarks: %s", a.raw)
	}
	var stored struct {
		Benchmark map[string]any
		Tier      string
	}
	if a := get("/benchmark/getstoredbenchmark", anonymous); json.Unmarshal(a.Data, &stored) != nil || stored.Tier != "STRATUS" || stored.Benchmark["source"] != "native" {
		t.Errorf("stored: %s", a.raw)
	}
	for path, want := range map[string]string{
		"/benchmark/getstatus": `{"status":"online","benchmarking":"STRATUS","flux":"connected","systemsecure":false,"source":"native"}`,
		"/benchmark/getinfo":   `{"version":"fluxosd-1","rpcport":0,"source":"native"}`,
		"/benchmark/help":      `"== Benchmark (fluxosd-1, measured by fluxosd itself) ==\ngetbenchmarks\ngetinfo\ngetstatus\nhelp ( \"command\" )\nrestartnodebenchmarks"`,
		"/benchmark/help/help": `"help ( \"command\" )\nThese lines, or one of them."`,
		"/benchmark/help/stop": `"help: unknown command: stop"`,
	} {
		if a := get(path, anonymous); string(a.Data) != want {
			t.Errorf("%s: %s, want %s", path, a.raw, want)
		}
	}
	signing := "Signing needs the benchmark daemon (fluxbenchd), whose signature the network checks: install it and set benchmark.url, benchmark.user and benchmark.password"
	w.says(get("/benchmark/signfluxnodetransaction/00", admin), "error", signing)
	w.says(w.request("POST", "/benchmark/signzelnodetransaction", "{}", w.as(admin)...), "error", signing)
	w.says(get("/benchmark/stop", admin), "error", "The native benchmark is part of fluxosd and has no daemon to stop: set benchmark.every to 0 to stop measuring")
	w.says(get("/benchmark/start", admin), "success", "Benchmark successfully started")
	w.says(get("/flux/startbenchmark", fluxTeam), "success", "Benchmark successfully started")
	if a := get("/flux/restartbenchmark", admin); a.Status != "error" || !strings.Contains(a.message(), "ask again in") {
		t.Errorf("a run right after another: %s", a.raw)
	}
	var tiers struct {
		Source string
		Time   time.Time
		Tiers  []struct {
			Tier         string
			Passed       bool
			Requirements []map[string]any
		}
	}
	if a := get("/benchmark/tiers", anonymous); json.Unmarshal(a.Data, &tiers) != nil || !tiers.Time.Equal(at) || len(tiers.Tiers) != 3 || tiers.Tiers[2].Tier != "STRATUS" || !tiers.Tiers[2].Passed || len(tiers.Tiers[0].Requirements) < 5 {
		t.Errorf("tiers: %s", a.raw)
	}
	for i := range 3 {
		if err := w.server.history.Add(t.Context(), stratus(at.Add(time.Duration(i+1)*time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	var history []map[string]any
	if a := get("/benchmark/history/2", anonymous); json.Unmarshal(a.Data, &history) != nil || len(history) != 2 || history[0]["time"] != float64(at.Add(3*time.Hour).Unix()) || history[0]["disturbed"] == nil {
		t.Errorf("history: %s", a.raw)
	}
	if a := get("/benchmark/history", anonymous); json.Unmarshal(a.Data, &history) != nil || len(history) != 4 || history[3]["by"] != "request" || history[0]["events_single"] == nil {
		t.Errorf("whole history: %s", a.raw)
	}
	for _, count := range []string{"0", "101", "-1", "1.5", "1e1", "ten", "1%20", "99999999999999999999"} {
		w.says(get("/benchmark/history/"+count, anonymous), "error", "count must be a whole number from 1 to 100")
	}
}
