package checks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/node/reach"
	"github.com/fluxosd/fluxosd/internal/secret"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// answers is a daemon: what it answers to each method, as JSON or as an error.
type answers map[string]any

func (a answers) CallFresh(ctx context.Context, method string, _ []any) (json.RawMessage, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	switch v := a[method].(type) {
	case error:
		return nil, v
	case string:
		return json.RawMessage(v), nil
	}
	return nil, fmt.Errorf("no answer to %s", method)
}

// hanging is a daemon that never answers.
type hanging struct{}

func (hanging) CallFresh(ctx context.Context, _ string, _ []any) (json.RawMessage, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

const outpoint = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

var now = time.Unix(1_700_000_000, 0)

func key(t *testing.T) *wallet.Key {
	t.Helper()
	k, err := wallet.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// every returns all checks of a node, over parts that never answer.
func every(t *testing.T) []doctor.Check {
	t.Helper()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	hang := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	at := silent.Addr().String()
	return slices.Concat([]doctor.Check{Running(errors.New("down"))},
		Host(HostConfig{DataDir: t.TempDir(), ClockOffset: func(ctx context.Context) (*float64, string) { hang(ctx); return nil, "none" }}),
		[]doctor.Check{Store(StoreConfig{Ping: hang, ReadOnly: func(error) bool { return false }})},
		Chain(ChainConfig{Daemon: hanging{}, Now: time.Now}),
		Node(NodeConfig{Daemon: hanging{}, Conf: func() (daemonrpc.Conf, error) { return daemonrpc.Conf{NodeOutpoint: outpoint}, nil }}),
		Benchmark(BenchmarkConfig{Facts: func(ctx context.Context) (benchmark.Facts, error) { return benchmark.Facts{}, hang(ctx) }}),
		Network(NetworkConfig{Daemon: hanging{}, Address: func() place.Address { return place.Address{V4: netip.MustParseAddr("198.18.0.1")} },
			Trouble: func() string { return "" }, Blocked: func() (int, int) { return 0, 0 }, Score: func() (float64, string, []string) { return 0, "", nil },
			Reach: func(ctx context.Context, _ reach.Address) (reach.Report, error) { return reach.Report{}, hang(ctx) }}),
		[]doctor.Check{Docker("tcp://" + at), Syncthing("http://" + at), Configuration(nil)})
}

// A look ends with its context, however its subject hangs.
func TestLooksEndInTime(t *testing.T) {
	for _, c := range every(t) {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		done := make(chan doctor.Finding, 1)
		go func() { done <- c.Look(ctx) }()
		select {
		case f := <-done:
			if f.Fact == "" {
				t.Errorf("%s found %+v", c.Name, f)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s doesn't end", c.Name)
		}
		cancel()
	}
}

// find looks with the check of a list that has the name.
func find(t *testing.T, list []doctor.Check, name string) doctor.Finding {
	t.Helper()
	i := slices.IndexFunc(list, func(c doctor.Check) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("no check %s", name)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	return list[i].Look(ctx)
}

// Every problem that is declared can be found, with the fact that shows it.
func TestEveryProblemIsFound(t *testing.T) {
	own, other := key(t), key(t)
	good := daemonrpc.Conf{Node: true, NodeKey: secret.New(own.WIF()), NodeOutpoint: outpoint, NodeIndex: 0}
	chain := func(a answers) []doctor.Check {
		return Chain(ChainConfig{Daemon: a, Now: func() time.Time { return now }})
	}
	conf := func(change func(*daemonrpc.Conf), err error) []doctor.Check {
		c := good
		if change != nil {
			change(&c)
		}
		return Node(NodeConfig{Daemon: answers{}, Conf: func() (daemonrpc.Conf, error) { return c, err }})
	}
	listed := func(a answers) []doctor.Check {
		c := NodeConfig{Daemon: a, Conf: func() (daemonrpc.Conf, error) { return good, nil }}
		return append(Node(c), Confirmation(c))
	}
	state := func(status string, height int) []doctor.Check {
		return listed(answers{"getzelnodestatus": `{"status":"` + status + `","last_confirmed_height":1000}`, "getblockcount": fmt.Sprint(height)})
	}
	output := func(text string) []doctor.Check {
		return listed(answers{"getzelnodestatus": `{"collateral":"COutPoint(` + outpoint + `, 0)"}`, "gettxout": text})
	}
	bench := func(f benchmark.Facts, err error) []doctor.Check {
		return Benchmark(BenchmarkConfig{Facts: func(context.Context) (benchmark.Facts, error) { return f, err },
			Tier: func(context.Context) string { return "nimbus" }})
	}
	network := func(change func(*NetworkConfig)) []doctor.Check {
		c := NetworkConfig{Daemon: answers{"getzelnodestatus": `{"ip":"198.18.0.9"}`}, APIPort: 16127,
			Address: func() place.Address { return place.Address{V4: netip.MustParseAddr("198.18.0.1")} }, Trouble: func() string { return "nobody answered" },
			Reach: func(context.Context, reach.Address) (reach.Report, error) {
				return reach.Report{Verdict: reach.NotReachable, Answers: []reach.Answer{{Node: reach.Address{IP: netip.MustParseAddr("198.18.1.1"), Port: 16137}}}}, nil
			},
			Blocked: func() (int, int) { return 101, 11 }}
		if change != nil {
			change(&c)
		}
		return append(Network(c), Standing(c))
	}
	mapping := func(st gateway.Status) []doctor.Check {
		return network(func(c *NetworkConfig) { c.Mapping = func() gateway.Status { return st } })
	}
	score := func(n float64, text string) []doctor.Check {
		return network(func(c *NetworkConfig) {
			c.Score = func() (float64, string, []string) { return n, text, []string{"+2 a", "+15 b"} }
		})
	}
	clockAt := func(offset float64) []doctor.Check {
		return Host(HostConfig{ClockOffset: func(context.Context) (*float64, string) { return &offset, "ntp" }})
	}
	stored := func(err error, readOnly bool) []doctor.Check {
		return []doctor.Check{Store(StoreConfig{Ping: func(context.Context) error { return err }, ReadOnly: func(error) bool { return readOnly }})}
	}
	web := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	slow := func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }
	old := web(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"Version":"20.10.24+dfsg1"}`) })
	none := "unix://" + filepath.Join(t.TempDir(), "none.sock")
	down := &daemonrpc.TransportError{Code: "ECONNREFUSED", Message: "connect ECONNREFUSED"}
	found := map[string]bool{}
	for _, c := range []struct {
		code, check string
		list        []doctor.Check
		fact        string
	}{
		{"fluxosd-down", "fluxosd", []doctor.Check{Running(errors.New("no answer"))}, "no answer"},
		{"clock-off", clock, clockAt(-10), "10.000 s slow, says ntp"},
		{"clock-drifting", clock, clockAt(1.5), "1.500 s fast, says ntp"},
		{"open-files-low", openFiles, Host(HostConfig{Files: 1 << 30}), "for up to 1073741824 connections"},
		{"store-unreachable", storeCheck, stored(errors.New("gone"), false), "gone"},
		{"store-read-only", storeCheck, stored(errors.New("attempt to write"), true), "attempt to write"},
		{"store-read-only", storeCheck, stored(errors.New("ping: the last write failed, and so did another try: disk I/O error (778)"), false), "disk I/O error"},
		{"daemon-unreachable", chainDaemon, chain(answers{"getblockchaininfo": down}), "ECONNREFUSED"},
		{"daemon-hanging", chainDaemon, Chain(ChainConfig{Daemon: hanging{}, Now: time.Now}), "no answer within 6s"},
		{"daemon-hanging", chainDaemon, chain(answers{"getblockchaininfo": &daemonrpc.TransportError{Code: "ECONNABORTED", Message: "timeout"}}), "no answer"},
		{"daemon-warming-up", chainDaemon, chain(answers{"getblockchaininfo": &daemonrpc.RPCError{Code: -28, Message: "Rescanning..."}}), "Rescanning"},
		{"daemon-unauthorised", chainDaemon, chain(answers{"getblockchaininfo": &daemonrpc.TransportError{Status: 401, Message: "refused"}}), "refused"},
		{"daemon-failing", chainDaemon, chain(answers{"getblockchaininfo": &daemonrpc.RPCError{Code: -1, Message: "the disk is full"}}), "the disk is full"},
		{"daemon-garbled", chainDaemon, chain(answers{"getblockchaininfo": &daemonrpc.TransportError{Status: 200, Message: "no JSON"}}), "no JSON"},
		{"daemon-wrong-network", chainNetwork, chain(answers{"getblockchaininfo": `{"chain":"test"}`}), `"test"`},
		{"daemon-isolated", chainPeers, chain(answers{"getconnectioncount": "0"}), "0 connections"},
		{"daemon-syncing", chainSync, chain(answers{"getblockchaininfo": `{"blocks":995,"headers":1000}`}), "height 995 of 1000, 5 blocks behind"},
		{"daemon-stale", chainSync, chain(answers{"getblockchaininfo": `{"blocks":7,"headers":7}`, "getblockheader": fmt.Sprintf(`{"time":%d}`, now.Add(-31*time.Minute).Unix())}), "7, is 31m0s old"},
		{"flux-conf-broken", nodeKey, conf(nil, errors.New("line 3")), "line 3"},
		{"node-not-configured", nodeKey, conf(func(c *daemonrpc.Conf) { c.Node = false }, nil), "zelnode"},
		{"node-key-missing", nodeKey, conf(func(c *daemonrpc.Conf) { c.NodeKey = secret.New("") }, nil), "empty"},
		{"node-key-invalid", nodeKey, conf(func(c *daemonrpc.Conf) { c.NodeKey = secret.New("hushhush") }, nil), "wallet import format"},
		{"collateral-not-configured", nodeKey, conf(func(c *daemonrpc.Conf) { c.NodeIndex = -1 }, nil), "zelnodeindex"},
		{"collateral-spent", collateral, output("null"), "aaaaaaaaaaaa…:0"},
		{"collateral-wrong-amount", collateral, output(`{"value":1000.5,"confirmations":500}`), "1000.5 FLUX"},
		{"collateral-young", collateral, output(`{"value":1000,"confirmations":99}`), "99 of 100"},
		{"node-key-wrong", keyMatch, listed(answers{"listfluxnodes": fmt.Sprintf(`[{"collateral":"COutPoint(%s, 0)","pubkey":"%x"}]`, outpoint, other.PublicKey())}), fmt.Sprintf("%.12x", other.PublicKey())[:12]},
		{"node-expired", confirmation, state("expired", 1001), "height 1001"},
		{"node-in-dos", confirmation, state("DOS", 1001), "DOS"},
		{"node-unconfirmed", confirmation, state("STARTED", 1001), "STARTED"},
		{"confirmation-late", confirmation, state("CONFIRMED", 1601), "601 blocks ago"},
		{"node-status-strange", confirmation, state("LOST", 1001), `"LOST"`},
		{"node-status-strange", confirmation, listed(answers{"getzelnodestatus": &daemonrpc.RPCError{Code: -1, Message: "This is not a Flux Node"}}), "not a Flux Node"},
		{"benchmark-unreachable", benchmarkRun, bench(benchmark.Facts{}, down), "ECONNREFUSED"},
		{"benchmark-hanging", benchmarkRun, bench(benchmark.Facts{}, context.DeadlineExceeded), "no answer within 6s"},
		{"benchmark-failed", benchmarkRun, bench(benchmark.Facts{Status: "failed", Error: "no speed"}, nil), "no speed"},
		{"benchmark-missing", benchmarkRun, bench(benchmark.Facts{Source: benchmark.SourceNative, Status: "failed", Error: benchmark.NotMeasured}, nil), "no result"},
		{"benchmark-outdated", benchmarkRun, bench(benchmark.Facts{Source: benchmark.SourceDaemon, Version: "6.1.9", Tier: benchmark.Cumulus}, nil), "6.1.9"},
		{"tier-too-low", tier, bench(benchmark.Facts{Tier: benchmark.Cumulus, RealCores: 4, Cores: 8, RAM: 31, SSD: 480, EPS: 700, DiskWrite: 148}, nil), "measured CUMULUS, the collateral is that of NIMBUS; NIMBUS: disk write 148 of 180 MB/s"},
		{"tier-too-low", tier, bench(benchmark.Facts{Source: benchmark.SourceNative, Status: "failed", Error: "CUMULUS: processors 2 of 4", Time: time.Unix(1, 0), RealCores: 2, Cores: 2}, nil), "measured less than CUMULUS"},
		{"api-port-unknown", apiPort, network(func(c *NetworkConfig) { c.APIPort = 16128 }), "16128"},
		{"blocked-too-many", restrictions, network(nil), "101 of at most 100 ports, 11 of at most 10"},
		{"port-mapping-failed", gatewayCheck, mapping(gateway.Status{LastError: "refused", Missing: []gateway.Mapping{{Port: 16127, Protocol: "tcp"}}}), "16127/tcp: refused"},
		{"router-behind-nat", gatewayCheck, mapping(gateway.Status{Available: true, BehindNAT: true, External: netip.MustParseAddr("10.0.0.2")}), "10.0.0.2"},
		{"address-unknown", address, network(func(c *NetworkConfig) { c.Address = func() place.Address { return place.Address{} } }), "nobody answered"},
		{"address-differs", listedAddress, network(nil), "198.18.0.9:16127, this node is at 198.18.0.1:16127"},
		{"unreachable-from-outside", reachable, network(nil), "say 198.18.1.1:16137"},
		{"dos-state", dosScore, score(100, "IP changes"), "DOS state 100: IP changes"},
		{"dos-rising", dosScore, score(17, ""), "DOS state 17: +2 a; +15 b"},
		{"docker-unreachable", dockerEngine, []doctor.Check{Docker(none)}, "none.sock"},
		{"docker-hanging", dockerEngine, []doctor.Check{Docker(strings.Replace(web(slow), "http", "tcp", 1))}, "no answer within 6s"},
		{"docker-outdated", dockerRelease, []doctor.Check{DockerRelease(strings.Replace(old, "http", "tcp", 1))}, "version 20.10.24+dfsg1"},
		{"syncthing-unreachable", syncthing, []doctor.Check{Syncthing(web(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))}, "403"},
		{"syncthing-hanging", syncthing, []doctor.Check{Syncthing(web(slow))}, "no answer within 6s"},
		{"configuration-unwise", configuration, []doctor.Check{Configuration([]string{"a", "b"})}, "a; b"},
		{"disk-full", diskSpace, sized(50<<20, 100<<30, 9), "52 MB of 107.4 GB"},
		{"disk-full", diskSpace, sized(1<<30, 200<<30, 9), "1.1 GB of "},
		{"disk-low", diskSpace, sized(4<<30, 100<<30, 9), "4.3 GB of "},
		{"disk-full", diskSpace, sized(50<<30, 100<<30, 0), "no inodes left"},
	} {
		f := find(t, c.list, c.check)
		if f.Problem != c.code || !strings.Contains(f.Fact, c.fact) {
			t.Errorf("%s: found %+v, want the fact %q", c.code, f, c.fact)
		}
		if strings.Contains(f.Fact, "hushhush") || strings.Contains(f.Fact, own.WIF()) {
			t.Errorf("%s shows the key: %s", c.code, f.Fact)
		}
		found[c.code] = true
	}
	for _, c := range every(t) {
		for _, p := range c.Problems {
			if !found[p.Code] {
				t.Errorf("nothing here finds %s of %s", p.Code, c.Name)
			}
		}
	}
}

// sized is the check of a disk of that size, with that room.
func sized(free, size uint64, inodes uint64) []doctor.Check {
	return []doctor.Check{{Name: diskSpace, Look: func(context.Context) doctor.Finding {
		return room(syscall.Statfs_t{Bsize: 4096, Blocks: size / 4096, Bavail: free / 4096, Files: 1000, Ffree: inodes}, "/data")
	}}}
}

// What isn't known is no problem.
func TestIgnoranceIsNoProblem(t *testing.T) {
	for name, f := range map[string]doctor.Finding{
		"no flux.conf":        find(t, Node(NodeConfig{Conf: func() (daemonrpc.Conf, error) { return daemonrpc.Conf{}, fs.ErrNotExist }}), nodeKey),
		"nobody has the time": find(t, Host(HostConfig{ClockOffset: func(context.Context) (*float64, string) { return nil, "none" }}), clock),
		"a benchmark runs": find(t, Benchmark(BenchmarkConfig{Facts: func(context.Context) (benchmark.Facts, error) {
			return benchmark.Facts{Status: benchmark.StatusRunning}, nil
		}}), benchmarkRun),
		"nobody to ask": find(t, Network(NetworkConfig{APIPort: 16127, Address: func() place.Address { return place.Address{V4: netip.MustParseAddr("198.18.0.1")} },
			Reach: func(context.Context, reach.Address) (reach.Report, error) { return reach.Report{}, reach.ErrNobody }}), reachable),
	} {
		if !f.Unknown || f.Problem != "" || f.Fact == "" {
			t.Errorf("%s: %+v", name, f)
		}
	}
}

// Releases of Syncthing without a page of health answer all the same.
func TestOldSyncthingAnswers(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Syncthing-Version", "v1.19.2-ds1")
		http.Error(w, "CSRF Error", http.StatusForbidden)
	}))
	defer s.Close()
	if f := find(t, []doctor.Check{Syncthing(s.URL)}, syncthing); f.Problem != "" || f.Unknown {
		t.Errorf("%+v", f)
	}
}
