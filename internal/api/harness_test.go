package api

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/apps/registry"
	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/metrics"
	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/secret"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/logins"
	"github.com/fluxosd/fluxosd/internal/store/sqlite"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// who are the callers of the tests: each has a key, and a part in the world.
type who string

const (
	anonymous  who = "anonymous"
	user       who = "user"
	appOwner   who = "app owner"   // of the application ownedApp
	otherOwner who = "other owner" // of the application otherApp
	fluxTeam   who = "flux team"
	support    who = "support team"
	admin      who = "admin"

	ownedApp = "OwnedApp"
	otherApp = "otherApp"
)

var everybody = []who{anonymous, user, appOwner, otherOwner, fluxTeam, support, admin}

// world is a running node with real parts: listener, store, chain daemon.
type world struct {
	t       *testing.T
	server  *Server
	store   *sqlite.DB
	chain   *devnet.Chain
	health  *health.Registry
	base    string // http://…
	ws      string // ws://…
	tls     string // https://…
	private string // host:port
	keys    map[who]*wallet.Key
	auth    map[who]string // zelidauth headers
	clock   *clock
	client  *http.Client
	bench   *devnet.Bench
	file    string // the configuration
	finder  *place.Finder
	doctor  *examined
}

// clock is the real time plus what a test adds.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(d time.Duration) { c.ahead.Add(int64(d)) }

// newWorld starts a node. change adjusts its configuration.
func newWorld(t *testing.T, change func(*Config, *permissions.Config)) *world {
	t.Helper()
	w := &world{t: t, keys: make(map[who]*wallet.Key), auth: make(map[who]string), clock: new(clock)}
	for _, n := range everybody[1:] {
		key, err := wallet.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		w.keys[n] = key
	}
	dir := t.TempDir()
	var err error
	if w.store, err = sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(dir, "node.db")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.store.Close() })
	if err := w.store.Declare(t.Context(), append(store.All(), benchmark.Collections()...)...); err != nil {
		t.Fatal(err)
	}
	for app, owner := range map[string]who{ownedApp: appOwner, otherApp: otherOwner} {
		spec := bson.D{{Key: "name", Value: app}, {Key: "owner", Value: w.keys[owner].FluxID()}}
		if err := w.store.Insert(t.Context(), store.AppsInformation, spec); err != nil {
			t.Fatal(err)
		}
	}
	if w.chain, err = devnet.New(devnet.Config{Seed: "api", Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), BlockInterval: -1}); err != nil {
		t.Fatal(err)
	}
	rpcServer := httptest.NewServer(w.chain.Handler("u", "p"))
	t.Cleanup(rpcServer.Close)
	daemon, err := daemonrpc.New(daemonrpc.Config{URL: rpcServer.URL, User: "u", Password: secret.New("p")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(daemon.Close)
	w.health = health.New(health.Config{})

	pc := permissions.Config{
		Admin: w.keys[admin].FluxID(), Team: []string{w.keys[fluxTeam].FluxID(), w.keys[support].FluxID()},
		OperatorMayManageApps: true, SIWEDomains: []string{"node.example"}, SignatureCache: time.Minute,
		Records: logins.Records{Store: w.store}, Owners: registry.Registry{Store: w.store}, Now: w.clock.now,
	}
	ac := Config{Daemon: daemon, Control: controlFake{}, Metrics: metrics.New(), Health: w.health, Now: w.clock.now}
	w.self(&ac, pc.Admin, daemon)
	if change != nil {
		change(&ac, &pc)
	}
	if ac.Permissions, err = permissions.New(pc); err != nil {
		t.Fatal(err)
	}
	if w.server, err = New(ac); err != nil {
		t.Fatal(err)
	}
	w.listen(dir, ac)
	return w
}

func (w *world) listen(dir string, ac Config) {
	w.t.Helper()
	open := func() net.Listener {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			w.t.Fatal(err)
		}
		return ln
	}
	l := Listeners{API: open(), TLS: open(), Private: open(), MaxConnections: 5000, Shutdown: 10 * time.Second}
	var err error
	if l.Certificate, err = Certificate("", "", dir); err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 2)
	go func() { done <- w.server.ServeListeners(ctx, l, Private(w.health, ac.Metrics.Handler(), ac.Doctor)) }()
	go func() { done <- w.server.Serve(ctx) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 64, DisableCompression: true}
	w.client = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	w.base, w.ws, w.tls = "http://"+l.API.Addr().String(), "ws://"+l.API.Addr().String(), "https://"+l.TLS.Addr().String()
	w.private = l.Private.Addr().String()
	w.t.Cleanup(func() {
		cancel()
		transport.CloseIdleConnections()
		for range 2 {
			if err := <-done; err != nil {
				w.t.Errorf("serve: %v", err)
			}
		}
	})
}

// controlFake stands for the chain daemon's unit, which a test machine has not.
type controlFake struct{ err error }

func (c controlFake) Start(context.Context) error   { return c.err }
func (c controlFake) Restart(context.Context) error { return c.err }
func (c controlFake) Reindex(context.Context) error { return c.err }

// answer is what came back.
type answer struct {
	code   int
	header http.Header
	raw    []byte
	Status string          `json:"status"`
	Data   json.RawMessage `json:"data"`
}

// message returns data.message, or the text of data.
func (a answer) message() string {
	var m struct{ Message string }
	if json.Unmarshal(a.Data, &m) == nil && m.Message != "" {
		return m.Message
	}
	var s string
	json.Unmarshal(a.Data, &s)
	return s
}

// request sends one request, with headers as "Name: value".
func (w *world) request(method, path, body string, headers ...string) answer {
	w.t.Helper()
	a, err := w.try(method, path, body, headers...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (w *world) try(method, path, body string, headers ...string) (answer, error) {
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	req, err := http.NewRequest(method, w.base+path, rd)
	if err != nil {
		return answer{}, err
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Add(name, value)
	}
	res, err := w.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	a := answer{code: res.StatusCode, header: res.Header}
	if a.raw, err = io.ReadAll(res.Body); err != nil {
		return a, err
	}
	json.Unmarshal(a.raw, &a) // what is no envelope leaves the members empty
	return a, nil
}

// as returns the header that signs a caller in; none for anonymous.
func (w *world) as(n who) []string {
	w.t.Helper()
	if n == anonymous {
		return nil
	}
	if w.auth[n] == "" {
		w.auth[n] = w.login(n)
	}
	return []string{"zelidauth: " + w.auth[n]}
}

// phrase asks the node for a login phrase.
func (w *world) phrase() string {
	w.t.Helper()
	a := w.request("GET", "/id/loginphrase", "")
	var p string
	if err := json.Unmarshal(a.Data, &p); err != nil || a.Status != "success" {
		w.t.Fatalf("login phrase: %s", a.raw)
	}
	return p
}

// login signs in over HTTP and returns the zelidauth header.
func (w *world) login(n who) string {
	w.t.Helper()
	p := w.phrase()
	id, sig := w.keys[n].FluxID(), w.keys[n].SignMessage(p)
	a := w.request("POST", "/id/verifylogin", claimJSON(id, p, sig))
	if a.Status != "success" {
		w.t.Fatalf("log in as %s: %s", n, a.raw)
	}
	return header(id, p, sig)
}

func claimJSON(id, phrase, sig string) string {
	raw, err := json.Marshal(map[string]string{"zelid": id, "loginPhrase": phrase, "signature": sig})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

func header(id, phrase, sig string) string {
	return url.Values{"zelid": {id}, "loginPhrase": {phrase}, "signature": {sig}}.Encode()
}

// contractRow is one row of testdata/routes.json.
type contractRow struct {
	Method, Path, Module, Permission, Kind string
	Cached                                 float64
	AliasOf                                string   `json:"alias_of"`
	In                                     []string `json:"in"`
	AppParamIn                             string   `json:"app_param_in"`
	ContractPermission                     string   `json:"contract_permission"`
}

// fill makes a path that the row matches: the application where one is named,
// "1" for every other parameter.
func (r contractRow) fill(app string, optional bool) string {
	var out []string
	for seg := range strings.SplitSeq(strings.TrimPrefix(r.Path, "/"), "/") {
		name, param := strings.CutPrefix(seg, ":")
		name, opt := strings.CutSuffix(name, "?")
		switch {
		case opt && !optional && name != "appname":
			return "/" + strings.Join(out, "/")
		case param && name == "appname":
			seg = app
		case param:
			seg = "1"
		}
		out = append(out, seg)
	}
	return "/" + strings.Join(out, "/")
}

func (r contractRow) String() string { return fmt.Sprintf("%s %s", r.Method, r.Path) }
