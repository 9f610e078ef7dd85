package benchmark

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/secret"
)

// daemonAt is a client of what listens at url.
func daemonAt(t *testing.T, url string) *daemonrpc.Client {
	t.Helper()
	c, err := daemonrpc.New(daemonrpc.Config{URL: url, User: "fluxbenchuser", Password: secret.New("fluxbenchpassword"), Methods: RPCMethods(), Timeout: 10 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// simulated starts a simulated fluxbenchd.
func simulated(t *testing.T) (*devnet.Bench, string) {
	t.Helper()
	chain, err := devnet.New(devnet.Config{Seed: "benchmark", Height: 5, BlockInterval: -1, Own: devnet.Own{IP: "198.51.100.7:16137", Tier: devnet.Nimbus}})
	if err != nil {
		t.Fatal(err)
	}
	bench, err := devnet.NewBench(chain, devnet.BenchConfig{User: "fluxbenchuser", Password: "fluxbenchpassword"})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(bench)
	t.Cleanup(server.Close)
	return bench, server.URL
}

// calls records what is called, and answers the method's name.
type calls struct{ made []string }

func (c *calls) Call(_ context.Context, method string, params []any) (json.RawMessage, error) {
	raw, err := json.Marshal(params)
	c.made = append(c.made, method+" "+string(raw))
	if err != nil {
		return nil, err
	}
	return json.Marshal(method)
}

func newService(t *testing.T, cfg Config) *Service {
	t.Helper()
	if cfg.Store == nil {
		cfg.Store = openStore(t)
	}
	s, err := NewService(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFluxbenchdIsAskedWithItsOwnMethods(t *testing.T) {
	c := &calls{}
	s := newService(t, Config{Remote: c})
	for _, ask := range []func() (json.RawMessage, error){
		func() (json.RawMessage, error) { return s.GetStatus(t.Context()) },
		func() (json.RawMessage, error) { return s.GetBenchmarks(t.Context()) },
		func() (json.RawMessage, error) { return s.GetInfo(t.Context()) },
		func() (json.RawMessage, error) { return s.Help(t.Context(), "") },
		func() (json.RawMessage, error) { return s.Help(t.Context(), "stop") },
		func() (json.RawMessage, error) { return s.Sign(t.Context(), "") },
		func() (json.RawMessage, error) { return s.Sign(t.Context(), "0100") },
		func() (json.RawMessage, error) { return s.Stop(t.Context()) },
		func() (json.RawMessage, error) { return s.RestartNodeBenchmarks(t.Context(), "admin") },
	} {
		reply, err := ask()
		method, _, _ := strings.Cut(c.made[len(c.made)-1], " ")
		if err != nil || string(reply) != `"`+method+`"` {
			t.Errorf("%s: %s, %v", method, reply, err)
		}
	}
	want := []string{"getstatus null", "getbenchmarks null", "getinfo null", `help [""]`, `help ["stop"]`,
		"signzelnodetransaction null", `signzelnodetransaction ["0100"]`, "stop null", "restartnodebenchmarks null"}
	if diff := cmp.Diff(want, c.made); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
	methods := RPCMethods()
	for _, call := range want {
		name, _, _ := strings.Cut(call, " ")
		if _, ok := methods[name]; !ok {
			t.Errorf("%s is not in RPCMethods", name)
		}
	}
}

func TestAnswersOfFluxbenchdPassUnchanged(t *testing.T) {
	_, url := simulated(t)
	daemon := daemonAt(t, url)
	s := newService(t, Config{Remote: daemon})
	if s.Source() != SourceDaemon {
		t.Errorf("source %s", s.Source())
	}
	want, err := daemon.Call(t.Context(), "getbenchmarks", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.GetBenchmarks(t.Context()); err != nil || string(got) != string(want) || strings.Contains(string(got), "native") {
		t.Errorf("getbenchmarks: %s, %v", got, err)
	}
	if got, err := s.RestartNodeBenchmarks(t.Context(), "admin"); err != nil || string(got) != `"`+restartText+`"` {
		t.Errorf("restart: %s, %v", got, err)
	}
	_, err = s.Sign(t.Context(), "zz")
	if rpc, ok := errors.AsType[*daemonrpc.RPCError](err); !ok || rpc.Code >= 0 {
		t.Errorf("sign: %v, want the daemon's error", err)
	}
}

func TestFactsOfFluxbenchd(t *testing.T) {
	bench, url := simulated(t)
	f, err := newService(t, Config{Remote: daemonAt(t, url)}).Facts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := Facts{Source: SourceDaemon, Address: "198.51.100.7:16137", Architecture: f.Architecture, Status: "NIMBUS", Tier: Nimbus,
		SSD: 465.8, DiskWrite: 655.1, EPS: 1012.08, RAM: 31.3, Cores: 8, RealCores: 4, Download: 420, Upload: 210, Version: "6.2.0", Time: f.Time}
	if diff := cmp.Diff(want, f); diff != "" || f.Time.IsZero() || f.Architecture == "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	bench.SetStatus("failed", "no disk")
	f, err = newService(t, Config{Remote: daemonAt(t, url)}).Facts(t.Context())
	if err != nil || f.Tier != None || f.Status != "failed" || f.Error != "no disk" {
		t.Errorf("facts of a failure: %+v, %v", f, err)
	}
}

func TestNoNativeFiguresForAFluxbenchdThatIsDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	runner, err := NewRunner(RunnerConfig{Meter: &fakeMeter{}, History: NewHistory(openStore(t))})
	if err != nil {
		t.Fatal(err)
	}
	s := newService(t, Config{Remote: daemonAt(t, "http://"+l.Addr().String()), Runner: runner, Address: func() string { return "198.51.100.7" }})
	check := func(what string, err error) {
		t.Helper()
		code, name, message := daemonrpc.Envelope(err)
		if code != "ECONNREFUSED" || name != "Error" || message != "connect ECONNREFUSED "+l.Addr().String() {
			t.Errorf("%s: %v %v %q", what, code, name, message)
		}
	}
	_, err = s.GetBenchmarks(t.Context())
	check("getbenchmarks", err)
	_, err = s.GetStatus(t.Context())
	check("getstatus", err)
	_, err = s.RestartNodeBenchmarks(t.Context(), "admin")
	check("restartnodebenchmarks", err)
	_, err = s.Facts(t.Context())
	check("facts", err)
}

// unit is a Control that answers as it is told.
type unit struct {
	err  error
	done string
}

func (u *unit) Start(context.Context) error   { u.done += "start "; return u.err }
func (u *unit) Restart(context.Context) error { u.done += "restart "; return u.err }

func TestProcessOfFluxbenchd(t *testing.T) {
	u := &unit{}
	s := newService(t, Config{Remote: &calls{}, Control: u})
	if text, err := s.Start(t.Context()); text != "Benchmark successfully started" || err != nil {
		t.Errorf("start: %q, %v", text, err)
	}
	if text, err := s.Restart(t.Context(), "admin"); text != "Benchmark successfully restarted" || err != nil {
		t.Errorf("restart: %q, %v", text, err)
	}
	if u.done != "start restart " {
		t.Errorf("done: %s", u.done)
	}
	u.err = errors.New("unit not found")
	wantFault := func(err error, kind fault.Kind, text string) {
		t.Helper()
		if f, ok := errors.AsType[*fault.Error](err); !ok || f.Kind != kind || f.Name != "Error" || !strings.HasPrefix(f.Msg, text) {
			t.Errorf("%v, want %v %q", err, kind, text)
		}
	}
	_, err := s.Start(t.Context())
	wantFault(err, fault.Unavailable, "Error starting Benchmark: unit not found")
	_, err = s.Restart(t.Context(), "admin")
	wantFault(err, fault.Unavailable, "Error restarting Benchmark: unit not found")

	without := newService(t, Config{Remote: &calls{}})
	_, err = without.Start(t.Context())
	wantFault(err, fault.Unavailable, "Error starting Benchmark: fluxosd doesn't know which systemd unit")
	_, err = without.Restart(t.Context(), "admin")
	wantFault(err, fault.Unavailable, "Error restarting Benchmark: fluxosd doesn't know which systemd unit")
}

// serveNative runs body in false time, with a native service.
func serveNative(t *testing.T, change func(*RunnerConfig), body func(t *testing.T, s *Service, m *fakeMeter)) {
	t.Helper()
	serve(t, change, func(t *testing.T, r *Runner, m *fakeMeter, _ *History) {
		body(t, newService(t, Config{Runner: r, Address: func() string { return "198.51.100.7:16137" }}), m)
	})
}

// members decodes the reply of an ask.
func members(t *testing.T, reply json.RawMessage, err error) map[string]any {
	t.Helper()
	var m map[string]any
	if err == nil {
		err = json.Unmarshal(reply, &m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestNativeStatesFromTheFirstRunToAFailure(t *testing.T) {
	serveNative(t, nil, func(t *testing.T, s *Service, m *fakeMeter) {
		states := func(benchmarks, status string) {
			t.Helper()
			reply, err := s.GetBenchmarks(t.Context())
			b := members(t, reply, err)
			reply, err = s.GetStatus(t.Context())
			st := members(t, reply, err)
			if b["status"] != benchmarks || st["benchmarking"] != status || b["source"] != SourceNative || st["source"] != SourceNative {
				t.Fatalf("getbenchmarks %v, getstatus %v, want %s and %s", b, st, benchmarks, status)
			}
		}
		m.setFail(errors.New("disk on fire"))
		states("running", "running") // soon
		pass(2*time.Minute + 30*time.Second)
		states("running", "running")
		pass(time.Minute)
		states("failed", "failed")
		if f, err := s.Facts(t.Context()); err != nil || f.Error != "disk on fire" || f.Status != "failed" {
			t.Errorf("facts %+v, %v", f, err)
		}
		m.setFail(nil)
		pass(10*time.Minute + 30*time.Second)
		states("running", "running")
		pass(2 * time.Minute)
		states("NIMBUS", "NIMBUS")
		m.setFail(errors.New("disk on fire"))
		if text, err := s.Restart(t.Context(), "admin"); err != nil || text != restartText {
			t.Fatalf("restart: %q, %v", text, err)
		}
		pass(30 * time.Second)
		states("NIMBUS", "running")
		pass(time.Minute)
		states("NIMBUS", "NIMBUS")
		f, err := s.Facts(t.Context())
		want := Facts{Source: SourceNative, Address: "198.51.100.7:16137", Architecture: "amd64", Status: "NIMBUS", Tier: Nimbus,
			SSD: 465.76, DiskWrite: 655.1, EPS: 1012, RAM: 31.3, Cores: 8, RealCores: 4, Version: BenchVersion, Time: f.Time}
		if diff := cmp.Diff(want, f); diff != "" || err != nil || f.Time.IsZero() {
			t.Errorf("facts %v (-want +got):\n%s", err, diff)
		}
	})
}

// A node that has just started doesn't know yet whether it was measured before.
func TestNativeIsNotFailedWhileItStarts(t *testing.T) {
	r, err := NewRunner(RunnerConfig{Meter: &fakeMeter{}, History: NewHistory(brokenStore{})})
	if err != nil {
		t.Fatal(err)
	}
	s := newService(t, Config{Runner: r, Address: func() string { return "" }})
	if f, err := s.Facts(t.Context()); err != nil || f.Status != StatusRunning || f.Address != "" || f.Architecture == "" {
		t.Errorf("facts %+v, %v", f, err)
	}
}

func TestNativeWithoutScheduleSaysThatNothingWasMeasured(t *testing.T) {
	serveNative(t, func(cfg *RunnerConfig) { cfg.Every = 0 }, func(t *testing.T, s *Service, _ *fakeMeter) {
		reply, err := s.GetBenchmarks(t.Context())
		if b := members(t, reply, err); b["status"] != "failed" || b["error"] != "This machine has not been measured yet" {
			t.Errorf("getbenchmarks %v", b)
		}
		reply, err = s.RestartNodeBenchmarks(t.Context(), "admin")
		if err != nil || string(reply) != `"`+restartText+`"` {
			t.Fatalf("restart: %s, %v", reply, err)
		}
		if _, err := s.Restart(t.Context(), "admin"); fault.KindOf(err) != fault.Conflict || !strings.HasPrefix(err.Error(), "Error restarting Benchmark: A benchmark has been") {
			t.Errorf("restart at once: %v", err)
		}
		pass(2 * time.Minute)
		reply, err = s.GetBenchmarks(t.Context())
		if b := members(t, reply, err); b["status"] != "NIMBUS" {
			t.Errorf("getbenchmarks %v", b)
		}
	})
}

func TestNativeRefusesWhatOnlyFluxbenchdCan(t *testing.T) {
	serveNative(t, nil, func(t *testing.T, s *Service, _ *fakeMeter) {
		if s.Source() != SourceNative {
			t.Errorf("source %s", s.Source())
		}
		_, err := s.Sign(t.Context(), "0100")
		if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "fluxbenchd") || !strings.Contains(err.Error(), "benchmark.url") {
			t.Errorf("sign: %v", err)
		}
		_, err = s.Stop(t.Context())
		if fault.KindOf(err) != fault.Conflict || !strings.Contains(err.Error(), "set benchmark.every to 0") {
			t.Errorf("stop: %v", err)
		}
		if text, err := s.Start(t.Context()); text != "Benchmark successfully started" || err != nil {
			t.Errorf("start: %q, %v", text, err)
		}
		reply, err := s.GetInfo(t.Context())
		if want := `{"version":"fluxosd-1","rpcport":0,"source":"native"}`; err != nil || string(reply) != want {
			t.Errorf("getinfo: %s, %v", reply, err)
		}
	})
}

func TestNativeHelp(t *testing.T) {
	for command, want := range map[string]string{
		"":                        "== Benchmark (fluxosd-1, measured by fluxosd itself) ==\ngetbenchmarks\ngetinfo\ngetstatus\nhelp ( \"command\" )\nrestartnodebenchmarks",
		"help":                    "help ( \"command\" )\nThese lines, or one of them.",
		"getinfo":                 "getinfo\nVersion of the measurement.",
		"sign":                    "help: unknown command: sign",
		strings.Repeat("é", 1000): "help: unknown command: " + strings.Repeat("é", 64),
	} {
		reply, err := native{}.help(t.Context(), command)
		var got string
		if err == nil {
			err = json.Unmarshal(reply, &got)
		}
		if err != nil || got != want {
			t.Errorf("help %.20s: %q, %v, want %q", command, got, err, want)
		}
	}
}

func TestServiceNeedsASource(t *testing.T) {
	for name, cfg := range map[string]Config{"nothing": {}, "no source": {Store: openStore(t)}, "no address": {Store: openStore(t), Runner: &Runner{}}} {
		if _, err := NewService(cfg); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestOneResultPerDayIsStored(t *testing.T) {
	serve(t, func(cfg *RunnerConfig) { cfg.Every = time.Hour }, func(t *testing.T, r *Runner, m *fakeMeter, _ *History) {
		docs := openStore(t)
		address := "198.51.100.7"
		cfg := Config{Runner: r, Store: docs, Address: func() string { return address }}
		s := newService(t, cfg)
		stored := func(s *Service) (string, error) {
			b, err := s.GetStoredBenchmark(t.Context())
			if err != nil {
				return "", err
			}
			if b.Tier != "NIMBUS" {
				t.Errorf("tier %q", b.Tier)
			}
			return members(t, b.Benchmark, nil)["ipaddress"].(string), nil
		}
		ask := func(s *Service) json.RawMessage {
			t.Helper()
			reply, err := s.GetBenchmarks(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return reply
		}
		ask(s) // running: not stored
		if got, err := stored(s); err == nil {
			t.Fatalf("stored %q", got)
		} else if f, ok := errors.AsType[*fault.Error](err); !ok || f.Msg != "No stored benchmark data available" || f.Name != "" || f.Code != nil {
			t.Errorf("error %+v", err)
		}
		pass(10 * time.Minute)
		reply := ask(s)
		if got, err := s.GetStoredBenchmark(t.Context()); err != nil || string(got.Benchmark) != string(reply) {
			t.Fatalf("stored %s, %v, want %s", got.Benchmark, err, reply)
		}
		address = "198.51.100.8"
		pass(23 * time.Hour)
		ask(s)
		restarted := newService(t, cfg)
		ask(restarted)
		for _, s := range []*Service{s, restarted} {
			if got, err := stored(s); got != "198.51.100.7" || err != nil {
				t.Errorf("within a day: %q, %v", got, err)
			}
		}
		pass(time.Hour)
		ask(restarted)
		if got, err := stored(s); got != "198.51.100.8" || err != nil {
			t.Errorf("after a day: %q, %v", got, err)
		}
		// A fluxbenchd that comes later neither shows native results nor waits for a day.
		_, url := simulated(t)
		remote := newService(t, Config{Remote: daemonAt(t, url), Store: docs})
		if got, err := stored(remote); err == nil {
			t.Errorf("fluxbenchd shows %q", got)
		}
		ask(remote)
		if got, err := stored(remote); got != "198.51.100.7:16137" || err != nil {
			t.Errorf("fluxbenchd's: %q, %v", got, err)
		}
	})
}
