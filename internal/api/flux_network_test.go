package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/gateway/gatewaytest"
	"github.com/fluxosd/fluxosd/internal/node/privileged"
	"github.com/fluxosd/fluxosd/internal/node/reach"
	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// says wants an answer with this status and message.
func (w *world) says(a answer, status, message string) {
	w.t.Helper()
	if a.Status != status || a.message() != message {
		w.t.Errorf("answered %.400s, want %s with %q", a.raw, status, message)
	}
}

func TestDOSStateIsShownAndSetOnTestNetworksOnly(t *testing.T) {
	w := newWorld(t, nil)
	if a := w.request("GET", "/flux/dosstate", ""); string(a.Data) != `{"dosState":0,"dosMessage":null}` {
		t.Errorf("dosstate: %s", a.raw)
	}
	a := w.request("POST", "/flux/dosstate", `{"dosState":5}`, w.as(fluxTeam)...)
	if string(a.raw) != `{"status":"error","data":{"message":"Not available"}}` || a.code != 404 {
		t.Errorf("without test controls: %d %s", a.code, a.raw)
	}

	w = newWorld(t, func(c *Config, _ *permissions.Config) { c.Host.TestControls = true })
	shown := func() string { return string(w.request("GET", "/flux/dosstate", "").Data) }
	if got := shown(); got != `{"dosState":0,"dosMessage":null}` {
		t.Errorf("at first %s", got)
	}
	for _, c := range []struct{ body, message string }{
		{"", "dosState must be a number"},
		{"{}", "dosState must be a number"},
		{`{"dosState":null}`, "dosState must be a number"},
		{`{"dosState":"5"}`, "dosState must be a number"},
		{`{"dosState":[5]}`, "dosState must be a number"},
		{`{"dosState":1e999}`, "dosState must be a number"},
		{"dosState=5", "dosState must be a number"},
		{`{"dosState":5,"dosMessage":{"a":1}}`, "dosMessage must be text"},
		{`{"dosState":5,"dosMessage":7}`, "dosMessage must be text"},
		{`{"dosState":-1}`, "DOS state is -1, a number from 0 is expected"},
	} {
		a := w.request("POST", "/flux/dosstate", c.body, w.as(fluxTeam)...)
		if w.says(a, "error", c.message); a.code != 200 || strings.Contains(string(a.Data), `"name"`) {
			t.Errorf("%s: %d %s", c.body, a.code, a.raw)
		}
	}
	if got := shown(); got != `{"dosState":0,"dosMessage":null}` {
		t.Errorf("after refusals %s", got)
	}
	for _, c := range []struct{ body, want string }{
		{`{"dosState":100,"dosMessage":"Too \"bad\""}`, `{"dosState":100,"dosMessage":"Too \"bad\""}`},
		{`{"dosState":0.5}`, `{"dosState":0.5,"dosMessage":null}`},
		{`{"dosState":0,"dosMessage":null}`, `{"dosState":0,"dosMessage":null}`},
	} {
		a := w.request("POST", "/flux/dosstate", c.body, w.as(support)...)
		if want := `{"status":"success","data":{"message":` + c.want + `}}`; string(a.raw) != want {
			t.Errorf("%s: %s, want %s", c.body, a.raw, want)
		}
		if got := shown(); got != c.want { // although the reply was cached
			t.Errorf("%s: dosstate then is %s", c.body, got)
		}
	}
}

// neighbour is a node on a loopback address of its own: API, user interface
// and Syncthing.
type neighbour struct {
	ip      string
	version string
	key     *wallet.Key
}

// newNeighbour puts a node of the chain to where the test serves one.
func newNeighbour(t *testing.T, w *world) *neighbour {
	t.Helper()
	n := &neighbour{version: "8.17.0", ip: fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(250), rand.IntN(256), 1+rand.IntN(250))}
	of := w.chain.Nodes()[1]
	if err := w.chain.Move(of.IP, n.ip); err != nil {
		t.Fatal(err)
	}
	n.key = must(wallet.ParseWIF(of.PrivateKey))
	answers := map[string]func() string{
		"/flux/version": func() string { return `{"status":"success","data":"` + n.version + `"}` },
		"/flux/uptime":  func() string { return `{"status":"success","data":12}` }, "/health": func() string { return "OK" },
	}
	for _, port := range []string{"16126", "16127", "16129"} {
		ln, err := net.Listen("tcp", net.JoinHostPort(n.ip, port))
		if err != nil {
			t.Fatal(err)
		}
		srv := &httptest.Server{Listener: ln, Config: &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			if say := answers[r.URL.Path]; say != nil {
				io.WriteString(rw, say())
			}
		})}}
		srv.Start()
		t.Cleanup(srv.Close)
	}
	return n
}

// probing is a world that may dial this machine, and a node there.
func probing(t *testing.T) (*world, *neighbour) {
	t.Helper()
	var list *reach.List
	w := newWorld(t, func(c *Config, _ *permissions.Config) {
		list = must(reach.NewList(reach.ListConfig{Daemon: c.Daemon}))
		c.Host.Prober = must(reach.NewProber(reach.ProberConfig{Nodes: list, Allow: netip.Addr.IsLoopback}))
		c.Host.Requests = must(reach.NewRequests(reach.RequestsConfig{Keys: list, Prober: c.Host.Prober}))
	})
	n := newNeighbour(t, w)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- list.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(10 * time.Second); list.Len() == 0; {
		select {
		case <-deadline:
			t.Fatal("the node list stays empty")
		case <-tick.C:
		}
	}
	return w, n
}

func TestCheckFluxAvailability(t *testing.T) {
	w, n := probing(t)
	no := "Asking Flux is not available"
	for path, want := range map[string]string{
		"":                                "No ip specified.",
		"?port=16127":                     "No ip specified.",
		"/198.18.1.0/16127":               no, // listed, and never dialled
		"/" + n.ip + "/16128":             no,
		"/" + n.ip + "/16137":             no,
		"/" + n.ip + "/1e4":               no,
		"/" + n.ip + "/0":                 no,
		"/" + n.ip + "/65536":             no,
		"/127.0.0.1/16127":                no, // not listed
		"/localhost/16127":                no,
		"/2130706433":                     no,
		"/0x7f.1":                         no,
		"/%5B::1%5D/16127":                no,
		"/127.0.0.1%2F@" + n.ip:           no,
		"?ip=" + n.ip + "%00&port=16127":  no,
		"/" + strings.Repeat("1.", 3_000): no,
	} {
		a := w.request("GET", "/flux/checkfluxavailability"+path, "")
		if w.says(a, "error", want); strings.Contains(string(a.Data), `"name"`) {
			t.Errorf("%.50s: %s has a name", path, a.raw)
		}
		if a.header.Get("Cache-Control") == "max-age=30" {
			t.Errorf("%.50s: an error is cached", path)
		}
	}
	for _, path := range []string{"/" + n.ip, "/" + n.ip + "/16127", "?ip=" + n.ip + "&port=16127"} {
		w.says(w.request("GET", "/flux/checkfluxavailability"+path, ""), "success", "Asking Flux is available")
	}
	n.version = "3.0.0"
	w.says(w.request("GET", "/flux/checkfluxavailability/"+n.ip+"/16127?fresh", ""), "error", no)
}

// signedBy writes a body as a node signs it.
func signedBy(k *wallet.Key, members string) string {
	unsigned := "{" + members + `,"pubKey":"` + k.PublicKeyHex() + `"`
	return unsigned + `,"signature":"` + k.SignMessage(unsigned+"}") + `"}`
}

func TestCheckAppAvailability(t *testing.T) {
	w, n := probing(t)
	open, err := net.Listen("tcp", n.ip+":31000")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	const path, denied = "/flux/checkappavailability", "Unable to verify request authenticity"
	ask := func(ports, port string) string {
		return fmt.Sprintf(`"ip":%q,"port":%s,"appname":"x","ports":%s`, n.ip, port, ports)
	}
	stranger, err := wallet.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	good := signedBy(n.key, ask("[31000]", `"16127"`))
	for _, body := range []string{"", "{}", "not-json", "[]", "null", signedBy(stranger, ask("[31000]", `"16127"`)), strings.Replace(good, "31000", "31001", 1),
		strings.Replace(good, `"signature":"`, `"signature":"A`, 1), "{" + ask("[31000]", `"16127"`) + "}"} {
		w.says(w.request("POST", path, body), "error", denied)
		w.says(w.request("POST", path, body, w.as(user)...), "error", denied)
	}
	available := "Flux Applications on " + n.ip + ":16127 are available."
	failed := "Flux Applications on " + n.ip + ":16127 are not available. Failed port: 31001"
	for _, c := range []struct {
		body            string
		by              who
		status, message string
	}{
		{good, anonymous, "success", available},
		{signedBy(n.key, ask("[31000]", "16127")), anonymous, "success", available},
		{signedBy(n.key, ask("[]", "16127")), user, "success", available},
		{signedBy(n.key, ask("[31000,31001]", "16127")), anonymous, "error", failed},
		{signedBy(n.key, ask(`"31000"`, "16127")), anonymous, "error", "ports is not iterable"},
		{signedBy(n.key, ask("[31000]", `"x"`)), anonymous, "error", "port must be a number from 1 to 65535"},
		{"{" + ask("[31000]", "16127") + "}", admin, "success", available},
		{"{" + ask("[31001]", "16127") + "}", fluxTeam, "error", failed},
		{"{}", admin, "error", "ports is not iterable"},
		{`{"ip":"198.51.100.1","port":16127,"ports":[80]}`, admin, "error", "ip must be a public IPv4 address"},
		{`{"ip":7,"port":16127,"ports":[80]}`, admin, "error", "ip must be a public IPv4 address"},
	} {
		w.says(w.request("POST", path, c.body, w.as(c.by)...), c.status, c.message)
	}
	if a := w.request("POST", path, good); a.header.Get("Cache-Control") != "" || a.code != 200 {
		t.Errorf("%d, Cache-Control %q", a.code, a.header.Get("Cache-Control"))
	}
}

func TestKeepPortsOpen(t *testing.T) {
	w, n := probing(t)
	stranger, err := wallet.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	ask := func(port string, ago time.Duration, ports string) string {
		return fmt.Sprintf(`"ip":%q,"apiPort":%q,"ports":%s,"timestamp":%d`, n.ip, port, ports, time.Now().Add(-ago).Unix())
	}
	good := ask("16127", 0, "[31000]")
	for _, c := range []struct {
		body string
		code int
	}{
		{"", 422}, {"{}", 422}, {"not-json", 422}, {"[]", 422},
		{signedBy(n.key, ask("16127", 11*time.Minute, "[31000]")), 422},
		{signedBy(n.key, ask("16127", -11*time.Minute, "[31000]")), 422},
		{signedBy(n.key, ask("16128", 0, "[31000]")), 422},
		{signedBy(n.key, ask("16127", 0, `["x"]`)), 422},
		{signedBy(n.key, ask("16127", 0, "[0]")), 422},
		{signedBy(n.key, ask("16127", 0, "["+strings.Repeat("1,", 1000)+"1]")), 422},
		{signedBy(stranger, good), 401},
		{strings.Replace(signedBy(n.key, good), "31000", "31001", 1), 401},
		{signedBy(n.key, ask("16137", 0, "[31000]")), 503}, // nobody answers there
		{signedBy(n.key, good), 202},
		{signedBy(n.key, strings.Replace(good, `"16127"`, "16127", 1)), 202},
	} {
		if a := w.request("POST", "/flux/keepupnpportsopen", c.body); a.code != c.code || len(a.raw) != 0 {
			t.Errorf("%.200s: %d %q, want %d and nothing", c.body, a.code, a.raw, c.code)
		}
	}
}

// wall is a firewall that fails, or holds an operator's rule against ours.
type wall struct {
	privileged.None
	report privileged.Report
	err    error
}

func (wall) Name() string { return "ufw" }

func (f *wall) Allow(context.Context, []privileged.Rule) (privileged.Report, error) {
	return f.report, f.err
}

func TestAllowPort(t *testing.T) {
	w := newWorld(t, nil)
	for path, want := range map[string]string{
		"":             `{"status":"error","data":{"message":"No Port address specified."}}`,
		"/abc":         `{"status":"error","data":{"code":"abc","name":"abc","message":"Port needs to be a number"}}`,
		"/1e3":         `{"status":"error","data":{"code":"1e3","name":"1e3","message":"Port needs to be a number"}}`,
		"/-1":          `{"status":"error","data":{"code":"-1","name":"-1","message":"Port needs to be a number"}}`,
		"/0":           `{"status":"error","data":{"code":"0","name":"0","message":"Port needs to be a number"}}`,
		"/65536":       `{"status":"error","data":{"code":"65536","name":"65536","message":"Port needs to be a number"}}`,
		"/80%3Bls":     `{"status":"error","data":{"code":"80;ls","name":"80;ls","message":"Port needs to be a number"}}`,
		"/31000":       `{"status":"success","data":{"code":"31000","name":"31000","message":"No firewall manages this host: nothing to do"}}`,
		"?port=65535":  `{"status":"success","data":{"code":"65535","name":"65535","message":"No firewall manages this host: nothing to do"}}`,
		"/31000%20/x/": "",
	} {
		a := w.request("GET", "/flux/allowport"+path, "", w.as(admin)...)
		if want != "" && string(a.raw) != want || want == "" && a.code != 404 {
			t.Errorf("%s: %s, want %s", path, a.raw, want)
		}
	}
	fw := new(wall)
	w = newWorld(t, func(c *Config, _ *permissions.Config) { c.Host.Firewall = firewalled(fw) })
	rule := []privileged.Rule{{Port: 31000}}
	for _, c := range []struct {
		report privileged.Report
		err    error
		want   string
	}{
		{privileged.Report{Added: rule}, nil, `{"status":"success","data":{"code":"31000","name":"31000","message":"Rule added"}}`},
		{privileged.Report{Existing: rule}, nil, `{"status":"success","data":{"code":"31000","name":"31000","message":"existing"}}`},
		{privileged.Report{}, errors.New("ufw is broken at /secret"), `{"status":"error","data":{"message":"Unknown error while opening port 31000"}}`},
		{privileged.Report{Held: rule, Advice: []string{"rule 3 denies 31000: remove it"}}, nil, `{"status":"error","data":{"name":"Error","message":"rule 3 denies 31000: remove it"}}`},
	} {
		fw.report, fw.err = c.report, c.err
		if a := w.request("GET", "/flux/allowport/31000", "", w.as(fluxTeam)...); string(a.raw) != c.want {
			t.Errorf("%s, want %s", a.raw, c.want)
		}
	}
}

func TestPortMapping(t *testing.T) {
	igd, err := gatewaytest.StartIGD(gatewaytest.IGDOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := igd.Close(); err != nil {
			t.Error(err)
		}
	})
	w := newWorld(t, func(c *Config, _ *permissions.Config) {
		c.Host.Gateway = must(gateway.New(gateway.Config{Mode: gateway.UPnP, APIPort: 16127, SSDP: igd.SSDP(), LocalIP: netip.MustParseAddr("127.0.0.1"), SearchTime: time.Second, CallTime: time.Second}))
	})
	as := w.as(fluxTeam)
	get := func(path string) answer { return w.request("GET", path, "", as...) }
	if a := get("/flux/getmap"); string(a.Data) != "[]" {
		t.Errorf("no mapping: %s", a.raw)
	}
	w.says(get("/flux/mapport/31000"), "success", "Port mapped")
	w.says(get("/flux/mapport?port=31001"), "success", "Port mapped")
	if got := igd.Entries(); len(got) != 4 || got[0].Port != 31000 || got[0].Protocol == got[1].Protocol {
		t.Errorf("the router has %+v, want TCP and UDP of two ports", got)
	}
	var list []map[string]any
	if a := get("/flux/getmap"); json.Unmarshal(a.Data, &list) != nil || len(list) != 4 || list[0]["description"] == nil {
		t.Errorf("getmap: %s", a.raw)
	}
	w.says(get("/flux/unmapport/31000"), "success", "Port unmapped")
	if got := igd.Entries(); len(got) != 2 || got[0].Port != 31001 {
		t.Errorf("after the unmapping the router has %+v", got)
	}
	if a := get("/flux/getip"); string(a.Data) != `"198.51.100.7"` {
		t.Errorf("getip: %s", a.raw)
	}
	var device map[string]any
	if a := get("/flux/getgateway"); json.Unmarshal(a.Data, &device) != nil || len(device) == 0 {
		t.Errorf("getgateway: %s", a.raw)
	}
	calls := len(igd.Calls())
	for _, row := range []string{"mapport", "unmapport"} {
		a := get("/flux/" + row)
		if string(a.raw) != `{"status":"error","data":{"name":"Error","message":"No Port address specified."}}` {
			t.Errorf("%s without a port: %s", row, a.raw)
		}
		for _, port := range []string{"0", "-1", "65536", "1e3", "80.0", "80%20", "0x50", "abc", "80,81", "%00", "+80", "٣"} {
			w.says(get("/flux/"+row+"/"+port), "error", "Port needs to be a number from 1 to 65535")
		}
	}
	if n := len(igd.Calls()); n != calls {
		t.Errorf("malformed ports reached the router: %v", igd.Calls()[calls:])
	}
	igd.Put(gatewaytest.Entry{Port: 31002, Protocol: "TCP", Internal: 31002, Client: "192.168.1.77", Description: "somebody"})
	if a := get("/flux/mapport/31002"); a.Status != "error" || !strings.Contains(a.message(), "mapped by another") {
		t.Errorf("a port of another: %s", a.raw)
	}
}

func TestPortMappingWithoutARouter(t *testing.T) {
	none := nobodysGateway(t)
	w := newWorld(t, func(c *Config, _ *permissions.Config) { c.Host.Gateway = none })
	off := newWorld(t, nil)
	for _, path := range []string{"/flux/mapport/31000", "/flux/unmapport/31000", "/flux/getmap", "/flux/getip", "/flux/getgateway"} {
		w.says(w.request("GET", path, "", w.as(admin)...), "error", "Connection timed out while searching for the gateway.")
		off.says(off.request("GET", path, "", off.as(admin)...), "error", "Port mapping is switched off on this node.")
	}
}
