package node

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/node/dos"
	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/node/reach"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/sqlite"
)

// scripted answers calls from a table.
type scripted map[string]string

func (s scripted) Call(_ context.Context, method string, _ []any) (json.RawMessage, error) {
	if raw, ok := s[method]; ok {
		return json.RawMessage(raw), nil
	}
	return nil, &daemonrpc.TransportError{Code: "ECONNREFUSED", Message: "connect ECONNREFUSED"}
}

func marshal(t *testing.T, v any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// newNode returns a node with real parts that ask nobody outside; change adjusts
// its configuration.
func newNode(t *testing.T, daemon scripted, ip string, change func(*Config)) *Node {
	t.Helper()
	must := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal(err)
		}
	}
	docs, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "x.db")})
	must(err)
	t.Cleanup(func() { docs.Close() })
	must(docs.Declare(t.Context(), append(store.All(), benchmark.Collections()...)...))
	fc := place.FinderConfig{}
	if ip != "" {
		fc.Configured = netip.MustParseAddr(ip)
	}
	finder, err := place.NewFinder(fc)
	must(err)
	if ip != "" {
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error)
		changed := finder.Changed()
		go func() { served <- finder.Serve(ctx) }()
		t.Cleanup(func() { cancel(); <-served })
		<-changed
	}
	locator, err := place.NewLocator(place.LocatorConfig{Where: finder})
	must(err)
	clock, err := place.NewClock(place.ClockConfig{})
	must(err)
	list, err := reach.NewList(reach.ListConfig{Daemon: daemon})
	must(err)
	prober, err := reach.NewProber(reach.ProberConfig{Nodes: list})
	must(err)
	asker, err := reach.NewSelf(reach.SelfConfig{Crowd: list, Prober: prober})
	must(err)
	none := func() int { return 0 }
	score, err := dos.New(dos.Config{Nodes: list, Daemon: daemon, Asker: asker, Own: func() (reach.Address, bool) { return reach.Address{}, false },
		AddressChanges: none, BlockedPorts: none, BlockedRepositories: none})
	must(err)
	bench, err := benchmark.NewService(benchmark.Config{Remote: daemon, Store: docs})
	must(err)
	cfg := Config{FluxID: "1abc", TeamID: "1team", SupportID: "1support", APIPort: 16137, Daemon: daemon, Benchmark: bench, Finder: finder, Locator: locator,
		Clock: clock, DOS: score, Mapped: func() bool { return false }, Now: time.Now,
		StoreVersion:  func(context.Context) (string, error) { return "MongoDB 7.0.1", nil },
		DockerVersion: func(context.Context) (string, error) { return "28.5.2", nil }}
	if change != nil {
		change(&cfg)
	}
	return New(cfg)
}

// Explorers read single members: each is there, known or null.
func TestInfoHasTheMembersOfARealNode(t *testing.T) {
	raw, err := os.ReadFile("testdata/flux-info.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]any
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	n := newNode(t, scripted{"getinfo": `{"balance":5,"blocks":7}`, "getzelnodestatus": `{"status":"CONFIRMED"}`}, "8.8.4.4", nil)
	info, err := n.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := marshal(t, info)
	sameMembers(t, "", golden, got)
	flux := got["flux"].(map[string]any)
	if flux["ip"] != "8.8.4.4:16137" || flux["mongoDbVersion"] != "7.0.1" || flux["version"] != "8.17.0" || flux["zelid"] != "1abc" || flux["dockerVersion"] != "28.5.2" {
		t.Errorf("flux %v", flux)
	}
	if d := got["daemon"].(map[string]any)["info"].(map[string]any); d["blocks"] != 7.0 || d["balance"] != nil {
		t.Errorf("daemon %v", d)
	}
}

// sameMembers wants the objects that this package makes itself to have the
// golden members, and no others.
func sameMembers(t *testing.T, at string, want, got map[string]any) {
	t.Helper()
	for k, v := range want {
		g, ok := got[k]
		if !ok {
			t.Errorf("%s.%s is missing", at, k)
		}
		if sub, ok := v.(map[string]any); ok && at == "" {
			if gsub, ok := g.(map[string]any); ok {
				sameMembers(t, k, sub, gsub)
			}
		}
	}
	for k := range got {
		if _, ok := want[k]; !ok {
			t.Errorf("%s.%s isn't in the golden answer", at, k)
		}
	}
}

func TestInfoWithoutAnything(t *testing.T) {
	down := func(context.Context) (string, error) { return "", errors.New("down") }
	n := newNode(t, scripted{}, "", func(c *Config) { c.StoreVersion, c.DockerVersion = down, down })
	info, err := n.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := marshal(t, info)
	flux := got["flux"].(map[string]any)
	if got["daemon"].(map[string]any)["info"] != nil || got["geolocation"] != nil || flux["ip"] != nil || flux["dockerVersion"] != nil || flux["mongoDbVersion"] != nil {
		t.Errorf("%v", got)
	}
}

func TestHostNames(t *testing.T) {
	r := parseOSRelease([]byte("# comment\nNAME=\"Debian GNU/Linux\"\nVERSION_ID='12'\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nbroken\n"))
	if *r.name != "Debian GNU/Linux" || *r.version != "12" || *r.pretty != "Debian GNU/Linux 12 (bookworm)" {
		t.Errorf("%s %s %s", *r.name, *r.version, *r.pretty)
	}
	if parseOSRelease(nil).name != nil {
		t.Error("no file, but a name")
	}
	none := func(string) (string, error) { return "", os.ErrNotExist }
	noFile := func(string) ([]byte, error) { return nil, os.ErrNotExist }
	for _, c := range []struct {
		env      string
		readlink func(string) (string, error)
		readFile func(string) ([]byte, error)
		want     string
	}{
		{"", none, noFile, "UTC"},
		{"UTC", none, noFile, "UTC"},
		{"no/zone", func(string) (string, error) { return "/usr/share/zoneinfo/Europe/Prague", nil }, noFile, "Europe/Prague"},
		{"", none, func(string) ([]byte, error) { return []byte("Asia/Tokyo\n"), nil }, "Asia/Tokyo"},
	} {
		if got := hostTimezone(c.env, c.readlink, c.readFile); got != c.want {
			t.Errorf("%q: %s, want %s", c.env, got, c.want)
		}
	}
}
