package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/node/dos"
	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/version"
)

// Info is everything about the node at once, in the members that explorers
// read. A part that is not known is null.
type Info struct {
	Daemon         DaemonInfo         `json:"daemon"`
	Node           NodeStatus         `json:"node"`
	Benchmark      BenchmarkInfo      `json:"benchmark"`
	Flux           FluxInfo           `json:"flux"`
	Apps           AppsInfo           `json:"apps"`
	Geolocation    *place.Geolocation `json:"geolocation"`
	AppsHashes     *int               `json:"appsHashesTotal"`
	AppsHashesHere *int               `json:"hashesPresent"`
}

// DaemonInfo is the chain daemon's own account.
type DaemonInfo struct {
	Info json.RawMessage `json:"info"` // getinfo without the wallet's balance
	ZMQ  bool            `json:"zmqEnabled"`
}

// NodeStatus is the state of the node's collateral.
type NodeStatus struct {
	Status json.RawMessage `json:"status"` // getfluxnodestatus
}

// BenchmarkInfo is the benchmark daemon's account.
type BenchmarkInfo struct {
	Info   json.RawMessage `json:"info"`
	Status json.RawMessage `json:"status"`
	Bench  json.RawMessage `json:"bench"`
}

// FluxInfo describes this daemon and its host.
type FluxInfo struct {
	Version              string    `json:"version"`
	NodeJSVersion        *string   `json:"nodeJsVersion"`
	SyncthingVersion     *string   `json:"syncthingVersion"`
	DockerVersion        *string   `json:"dockerVersion"`
	MongoDBVersion       *string   `json:"mongoDbVersion"`
	OS                   *string   `json:"os"`
	OSVersion            *string   `json:"osVersion"`
	OSPrettyName         *string   `json:"osPrettyName"`
	IP                   *string   `json:"ip"`
	StaticIP             *bool     `json:"staticIp"`
	UPnP                 *bool     `json:"upnp"`
	MaxNumberOfIPChanges *int      `json:"maxNumberOfIpChanges"`
	FluxID               string    `json:"zelid"`
	Timezone             *string   `json:"timezone"`
	DOS                  dos.State `json:"dos"`
	AppsDOS              dos.State `json:"appsDos"`
	Development          bool      `json:"development"`
	ExplorerHeight       *struct{} `json:"explorerScannedHeigth"` // the spelling that explorers read
	ConnectionsOut       *int      `json:"numberOfConnectionsOut"`
	ConnectionsIn        *int      `json:"numberOfConnectionsIn"`
}

// AppsInfo counts what runs here.
type AppsInfo struct {
	Usage     json.RawMessage `json:"fluxusage"`
	Running   json.RawMessage `json:"runningapps"`
	Resources json.RawMessage `json:"resources"`
}

// infoTime bounds the questions behind one Info.
const infoTime = 10 * time.Second

// Info collects what is known now. Parts whose system doesn't answer are null;
// the health problems say why.
func (n *Node) Info(ctx context.Context) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, infoTime)
	defer cancel()
	static, mapped, changes := n.cfg.Locator.Static(), n.cfg.Mapped(), n.cfg.Finder.RecentChanges()
	out := Info{Geolocation: n.cfg.Locator.Geolocation(), Flux: FluxInfo{
		Version: version.FluxOS, NodeJSVersion: text(goVersion()), OS: n.os.name, OSVersion: n.os.version, OSPrettyName: n.os.pretty,
		IP: n.Address(), StaticIP: &static, UPnP: &mapped, MaxNumberOfIPChanges: &changes,
		FluxID: n.cfg.FluxID, Timezone: text(n.timezone), DOS: n.cfg.DOS.State(), Development: n.cfg.Development,
	}}
	var wg sync.WaitGroup
	ask := func(into *json.RawMessage, call func(context.Context) (json.RawMessage, error)) {
		wg.Go(func() {
			if raw, err := call(ctx); err == nil {
				*into = raw
			}
		})
	}
	daemon := func(method string) func(context.Context) (json.RawMessage, error) {
		return func(ctx context.Context) (json.RawMessage, error) { return n.cfg.Daemon.Call(ctx, method, nil) }
	}
	ask(&out.Daemon.Info, daemon("getinfo"))
	ask(&out.Node.Status, daemon("getzelnodestatus"))
	ask(&out.Benchmark.Info, n.cfg.Benchmark.GetInfo)
	ask(&out.Benchmark.Status, n.cfg.Benchmark.GetStatus)
	ask(&out.Benchmark.Bench, n.cfg.Benchmark.GetBenchmarks)
	wg.Go(func() {
		v, err := n.cfg.StoreVersion(ctx)
		if name, number, ok := strings.Cut(v, " "); err == nil && ok && strings.EqualFold(name, "mongodb") {
			out.Flux.MongoDBVersion = text(number)
		}
	})
	wg.Go(func() {
		if v, err := n.cfg.DockerVersion(ctx); err == nil {
			out.Flux.DockerVersion = text(v)
		}
	})
	wg.Wait()
	if out.Daemon.Info != nil {
		public, err := daemonrpc.Without(out.Daemon.Info, "balance")
		if err != nil {
			public = nil // what can't be read can't be shown to everybody
		}
		out.Daemon.Info = public
	}
	return out, nil
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

type osRelease struct{ name, version, pretty *string }

// parseOSRelease reads os-release(5).
func parseOSRelease(raw []byte) osRelease {
	values := make(map[string]string)
	for sc := bufio.NewScanner(bytes.NewReader(raw)); sc.Scan(); {
		if key, value, ok := strings.Cut(sc.Text(), "="); ok {
			values[key] = strings.Trim(value, `"'`)
		}
	}
	return osRelease{text(values["NAME"]), text(values["VERSION_ID"]), text(values["PRETTY_NAME"])}
}

// hostTimezone returns the IANA name of the host's zone: TZ, where
// /etc/localtime points, what /etc/timezone says, or UTC.
func hostTimezone(env string, readlink func(string) (string, error), readFile func(string) ([]byte, error)) string {
	if env = strings.TrimPrefix(env, ":"); env != "" {
		if _, err := time.LoadLocation(env); err == nil {
			return env
		}
	}
	if target, err := readlink("/etc/localtime"); err == nil {
		if _, zone, ok := strings.Cut(filepath.ToSlash(target), "zoneinfo/"); ok {
			return zone
		}
	}
	if raw, err := readFile("/etc/timezone"); err == nil {
		if zone := strings.TrimSpace(string(raw)); zone != "" {
			return zone
		}
	}
	return "UTC"
}
