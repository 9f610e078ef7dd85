package node

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/version"
)

// defaultAPIPort is the API port of a node that names none.
const defaultAPIPort = 16127

// Caller calls a JSON-RPC daemon. *daemonrpc.Client is one.
type Caller interface {
	Call(ctx context.Context, method string, params []any) (json.RawMessage, error)
}

// Config is what a Node needs.
type Config struct {
	FluxID      string
	PublicIP    string // "" while it is not known
	APIPort     int
	Development bool
	Daemon      Caller
	Benchmark   Caller // nil without a benchmark daemon
	// StoreVersion names engine and version of the document store.
	StoreVersion func(ctx context.Context) (string, error)
}

// Node answers for this node.
type Node struct {
	cfg      Config
	os       osRelease
	timezone string
}

// New returns a Node. It reads the host's name of its operating system once.
func New(cfg Config) *Node {
	release, _ := os.ReadFile("/etc/os-release") // a host without it has no names to show
	return &Node{cfg: cfg, os: parseOSRelease(release), timezone: hostTimezone(os.Getenv("TZ"), os.Readlink, os.ReadFile)}
}

// Info is everything about the node at once, in the members that explorers
// read. A part that is not known is null.
type Info struct {
	Daemon         DaemonInfo      `json:"daemon"`
	Node           NodeStatus      `json:"node"`
	Benchmark      BenchmarkInfo   `json:"benchmark"`
	Flux           FluxInfo        `json:"flux"`
	Apps           AppsInfo        `json:"apps"`
	Geolocation    json.RawMessage `json:"geolocation"`
	AppsHashes     *int            `json:"appsHashesTotal"`
	AppsHashesHere *int            `json:"hashesPresent"`
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
	DOS                  DOSState  `json:"dos"`
	AppsDOS              DOSState  `json:"appsDos"`
	Development          bool      `json:"development"`
	ExplorerHeight       *struct{} `json:"explorerScannedHeigth"` // the spelling that explorers read
	ConnectionsOut       *int      `json:"numberOfConnectionsOut"`
	ConnectionsIn        *int      `json:"numberOfConnectionsIn"`
}

// DOSState tells why the network would punish this node: 0 and null when it
// would not.
type DOSState struct {
	State   int     `json:"dosState"`
	Message *string `json:"dosMessage"`
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
	out := Info{Flux: FluxInfo{
		Version: version.FluxOS, OS: n.os.name, OSVersion: n.os.version, OSPrettyName: n.os.pretty,
		FluxID: n.cfg.FluxID, Timezone: text(n.timezone), Development: n.cfg.Development,
	}}
	if n.cfg.PublicIP != "" {
		out.Flux.IP = text(n.address())
	}
	var wg sync.WaitGroup
	ask := func(from Caller, method string, into *json.RawMessage) {
		if from == nil {
			return
		}
		wg.Go(func() {
			if raw, err := from.Call(ctx, method, nil); err == nil {
				*into = raw
			}
		})
	}
	ask(n.cfg.Daemon, "getinfo", &out.Daemon.Info)
	ask(n.cfg.Daemon, "getzelnodestatus", &out.Node.Status)
	ask(n.cfg.Benchmark, "getinfo", &out.Benchmark.Info)
	ask(n.cfg.Benchmark, "getstatus", &out.Benchmark.Status)
	ask(n.cfg.Benchmark, "getbenchmarks", &out.Benchmark.Bench)
	if n.cfg.StoreVersion != nil {
		wg.Go(func() {
			v, err := n.cfg.StoreVersion(ctx)
			if name, number, ok := strings.Cut(v, " "); err == nil && ok && strings.EqualFold(name, "mongodb") {
				out.Flux.MongoDBVersion = text(number)
			}
		})
	}
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

// address is the node as others write it: the port is left out when it is the usual one.
func (n *Node) address() string {
	if n.cfg.APIPort == 0 || n.cfg.APIPort == defaultAPIPort {
		return n.cfg.PublicIP
	}
	return net.JoinHostPort(n.cfg.PublicIP, strconv.Itoa(n.cfg.APIPort))
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
