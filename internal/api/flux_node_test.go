package api

import (
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/node"
	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/secret"
)

// address lets the node find its configured address.
func (w *world) address() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	changed := w.finder.Changed()
	go func() { done <- w.finder.Serve(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("finder: %v", err)
		}
	})
	<-changed
}

// nobodysGateway looks for a router where none is.
func nobodysGateway(t *testing.T) *gateway.Gateway {
	t.Helper()
	silent, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:0")))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	return must(gateway.New(gateway.Config{Mode: gateway.UPnP, APIPort: 16127, SSDP: silent.LocalAddr().(*net.UDPAddr).AddrPort(),
		LocalIP: netip.MustParseAddr("127.0.0.1"), SearchTime: 20 * time.Millisecond, CallTime: time.Second}))
}

func TestRowsThatSayWhatTheNodeIs(t *testing.T) {
	w := newWorld(t, nil)
	for path, want := range map[string]string{"/flux/ip": "null", "/flux/geolocation": "null"} {
		if a := w.request("GET", path+"?before", ""); string(a.raw) != `{"status":"success","data":`+want+`}` {
			t.Errorf("%s while nothing is known: %s", path, a.raw)
		}
	}
	w.address()
	own := w.chain.Own()
	id := `"` + w.keys[admin].FluxID() + `"`
	for path, want := range map[string]string{
		"/flux/version": `"8.17.0"`, "/flux/id": id, "/flux/zelid": id, "/flux/ip": `"` + own.IP + `:16127"`, "/flux/nodetier": `"cumulus_new"`,
		"/flux/fluxids": `{"fluxTeamFluxID":"team","fluxSupportTeamFluxID":"support"}`, "/flux/pgp": `""`, "/flux/kadena": "null", "/flux/cruxid": "null",
		"/flux/isarcaneos": "false", "/flux/staticip": "false", "/flux/routerip": `""`, "/flux/apiport": "16127", "/flux/blockedports": "[]", "/flux/blockedrepositories": "[]",
		"/flux/marketplaceurl":      `"https://stats.runonflux.io/marketplace/listapps"`,
		"/flux/enterpriseappowners": `["15ULw4JU6wqGESRYU3z3MjFETqLN3sA9Gn","16FPpesA783sYXXSUf9grXKaj3KN3EeLK3","1GM41a9A4rH8CCkCyzDRahHUccuTRLhoDe"]`,
		"/flux/uptime":              "0",
	} {
		if a := w.request("GET", path, ""); string(a.raw) != `{"status":"success","data":`+want+`}` || a.code != 200 {
			t.Errorf("%s: %d %s, want %s", path, a.code, a.raw, want)
		}
	}
	w.clock.forward(100 * time.Second)
	if a := w.request("GET", "/flux/uptime", ""); string(a.Data) != "100" {
		t.Errorf("uptime 100 s later: %s", a.raw)
	}
	for path, check := range map[string]func(any) bool{
		"/flux/systemuptime": func(v any) bool { f, ok := v.(float64); return ok && f > 0 && f == float64(int64(f)) },
		"/flux/timezone":     func(v any) bool { s, ok := v.(string); return ok && s != "" },
		"/flux/nodejsversions": func(v any) bool {
			m, ok := v.(map[string]any)
			return ok && strings.HasPrefix(m["node"].(string), "1.") && m["go"] == m["node"]
		},
		"/flux/clockdrift": func(v any) bool {
			m, ok := v.(map[string]any)
			_, number := m["time"].(float64)
			return ok && len(m) == 3 && number
		},
	} {
		var v any
		if a := w.request("GET", path, ""); a.Status != "success" || json.Unmarshal(a.Data, &v) != nil || !check(v) {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
}

// Tiers come from the chain, and so do the words when there is none.
func TestTierWithoutAnAnswerOfTheChain(t *testing.T) {
	w := newWorld(t, nil)
	w.chain.Fail("getzelnodestatus", -1, "Masternode is asleep", 1)
	if a := w.request("GET", "/flux/nodetier", ""); string(a.raw) != `{"status":"error","data":{"code":-1,"name":"Error","message":"Masternode is asleep"}}` {
		t.Errorf("the daemon refuses: %s", a.raw)
	}
	w.chain.Fail("getrawtransaction", -5, "No information available about transaction", 1)
	if a := w.request("GET", "/flux/nodetier", ""); a.Status != "error" || a.message() != "No information available about transaction" {
		t.Errorf("without the collateral: %s", a.raw)
	}
	if a := w.request("GET", "/flux/nodetier", ""); string(a.Data) != `"cumulus_new"` {
		t.Errorf("then: %s", a.raw) // no error was cached
	}
}

// One system that is down hides nothing of the others.
func TestInfoWithADaemonThatFails(t *testing.T) {
	w := newWorld(t, nil)
	w.chain.WarmUp(true)
	var info struct {
		Daemon, Node struct{ Info, Status json.RawMessage }
		Benchmark    struct{ Info, Status, Bench json.RawMessage }
		Flux         struct{ Zelid string }
	}
	a := w.request("GET", "/flux/info", "")
	if err := json.Unmarshal(a.Data, &info); err != nil || a.Status != "success" {
		t.Fatalf("%v %s", err, a.raw)
	}
	if string(info.Daemon.Info) != "null" || string(info.Node.Status) != "null" || len(info.Benchmark.Bench) < 100 || info.Flux.Zelid == "" {
		t.Errorf("%s", a.raw)
	}
	w.chain.WarmUp(false)
	a = w.request("GET", "/flux/info?again", "")
	if err := json.Unmarshal(a.Data, &info); err != nil || len(info.Daemon.Info) < 100 || strings.Contains(string(info.Daemon.Info), "balance") {
		t.Errorf("%v %s", err, a.raw)
	}
}

// deaf is a JSON-RPC daemon that nobody runs.
func deaf(t *testing.T) (caller *daemonrpc.Client, address string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address = ln.Addr().String()
	ln.Close()
	caller = must(daemonrpc.New(daemonrpc.Config{URL: "http://" + address, User: "b", Password: secret.New("b"), Methods: benchmark.RPCMethods()}))
	t.Cleanup(caller.Close)
	return caller, address
}

// A guess isn't kept for a day.
func TestArcaneOSIsCachedOnlyWhenSomebodySaidSo(t *testing.T) {
	w := newWorld(t, nil)
	if a := w.request("GET", "/flux/isarcaneos", ""); string(a.Data) != "false" || a.header.Get("Cache-Control") != "max-age=86400" {
		t.Errorf("%s, %s", a.raw, a.header.Get("Cache-Control"))
	}
	caller, _ := deaf(t)
	w = newWorld(t, func(c *Config, _ *permissions.Config) {
		finder := must(place.NewFinder(place.FinderConfig{}))
		bench := must(benchmark.NewService(benchmark.Config{Remote: caller, Store: openStore(t)}))
		c.Node = node.New(node.Config{APIPort: 16127, Daemon: c.Daemon, Benchmark: bench, Finder: finder, Locator: must(place.NewLocator(place.LocatorConfig{Where: finder})),
			Clock: must(place.NewClock(place.ClockConfig{})), DOS: c.Host.DOS, Development: true, PGPPublicKey: "-----BEGIN", Now: time.Now})
	})
	if a := w.request("GET", "/flux/isarcaneos", ""); string(a.raw) != `{"status":"success","data":false}` || a.header.Get("Cache-Control") != "" {
		t.Errorf("%s, %s", a.raw, a.header.Get("Cache-Control"))
	}
	if a := w.request("GET", "/flux/marketplaceurl", ""); string(a.Data) != `"https://stats.runonflux.io/marketplace/listdevapps"` {
		t.Errorf("marketplace of a development node: %s", a.raw)
	}
	if a := w.request("GET", "/flux/pgp", ""); string(a.Data) != `"-----BEGIN"` {
		t.Errorf("pgp: %s", a.raw)
	}
}

// Programs on this machine are told the folder, nobody behind a proxy.
func TestBackendFolderIsForThisMachine(t *testing.T) {
	w := newWorld(t, func(c *Config, _ *permissions.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	})
	folder, err := json.Marshal(w.server.host.Folder)
	if err != nil {
		t.Fatal(err)
	}
	for from, allowed := range map[string]bool{"": true, "127.0.0.9": true, "::1": true, "203.0.113.5": false, "10.0.0.1": false, "2001:db8::1": false, "127.0.0.1, 203.0.113.5": false} {
		var headers []string
		if from != "" {
			headers = []string{"X-Forwarded-For: " + from}
		}
		a := w.request("GET", "/flux/backendfolder", "", headers...)
		if allowed != (a.code == 200 && string(a.Data) == string(folder)) || !allowed && (a.code != 401 || string(a.raw) != "Access denied" || a.header.Get("Content-Type") != "text/plain; charset=utf-8") {
			t.Errorf("from %q: %d %s", from, a.code, a.raw)
		}
	}
	w = newWorld(t, nil)
	if a := w.request("GET", "/flux/backendfolder", "", "X-Forwarded-For: 203.0.113.5"); a.code != 200 {
		t.Errorf("a header that no trusted proxy sent counts: %d %s", a.code, a.raw)
	}
}

// Public replies are cached as long as their rows say, and no others.
func TestNodeRowsAreCachedAsTheContractSays(t *testing.T) {
	w := newWorld(t, nil)
	w.address()
	w.request("GET", "/benchmark/getbenchmarks?first", "") // and so there is a stored one
	public, private := 0, 0
	for _, row := range contractRows(t) {
		if row.Module != "flux" && row.Module != "benchmark" || row.Method != "GET" || row.Kind != "json" || slices.Contains(peerRows, row.Path) {
			continue
		}
		if strings.HasPrefix(row.Path, "/flux/check") || strings.HasPrefix(row.Path, "/benchmark/stop") {
			continue
		}
		a := w.request("GET", row.fill("", false), "", w.as(admin)...)
		if a.Status != "success" {
			if got := a.header.Get("Cache-Control"); got != "" {
				t.Errorf("%s: an error with Cache-Control %q", row, got)
			}
			continue
		}
		want := ""
		switch {
		case row.Permission != "public":
			want = "no-store"
			private++
		case row.Cached > 0:
			want = "max-age=" + strconv.Itoa(int(row.Cached))
			public++
		}
		if got := a.header.Get("Cache-Control"); got != want {
			t.Errorf("%s: Cache-Control %q, want %q", row, got, want)
		}
		if row.Permission == "public" && row.Cached > 0 {
			again := w.request("GET", row.fill("", false), "")
			if string(again.raw) != string(a.raw) {
				t.Errorf("%s: %s, then %s", row, a.raw, again.raw)
			}
		}
	}
	if public < 25 || private < 10 {
		t.Errorf("%d public and %d private rows succeeded", public, private)
	}
}
