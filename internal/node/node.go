package node

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/node/dos"
	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/node/reach"
)

// Caller calls a JSON-RPC daemon. *daemonrpc.Client is one.
type Caller interface {
	Call(ctx context.Context, method string, params []any) (json.RawMessage, error)
}

// Config is what a Node needs. All parts are required.
type Config struct {
	FluxID            string
	TeamID, SupportID string // Flux IDs of the Flux team and its support
	PGPPublicKey      string // armoured, "" for none
	Development       bool
	APIPort           int // on which the API listens now
	Daemon            Caller
	Benchmark         *benchmark.Service
	Finder            *place.Finder
	Locator           *place.Locator
	Clock             *place.Clock
	DOS               *dos.Score
	// Mapped reports whether the router forwards this node's ports by UPnP or NAT-PMP.
	Mapped func() bool
	// StoreVersion names engine and version of the document store,
	// DockerVersion the version of the container engine.
	StoreVersion, DockerVersion func(ctx context.Context) (string, error)
	Now                         func() time.Time
}

// Node answers for this node.
type Node struct {
	cfg      Config
	os       osRelease
	timezone string
	started  time.Time

	mu    sync.Mutex
	known map[string]benchmark.Collateral // by output; what one is worth never changes
}

// New returns a Node. It reads the host's name of its operating system once.
func New(cfg Config) *Node {
	release, _ := os.ReadFile("/etc/os-release") // a host without it has no names to show
	return &Node{cfg: cfg, os: parseOSRelease(release), timezone: hostTimezone(os.Getenv("TZ"), os.Readlink, os.ReadFile),
		started: cfg.Now(), known: map[string]benchmark.Collateral{}}
}

// FluxID is the identity of the node's owner.
func (n *Node) FluxID() string { return n.cfg.FluxID }

// FluxIDs are the identities of the Flux team and its support.
type FluxIDs struct {
	Team    string `json:"fluxTeamFluxID"`
	Support string `json:"fluxSupportTeamFluxID"`
}

// FluxIDs returns the identities of the team.
func (n *Node) FluxIDs() FluxIDs { return FluxIDs{n.cfg.TeamID, n.cfg.SupportID} }

// PGP is the armoured key for which enterprise applications encrypt; "" for none.
func (n *Node) PGP() string { return n.cfg.PGPPublicKey }

// Timezone is the IANA name of the host's time zone.
func (n *Node) Timezone() string { return n.timezone }

// Uptime is the whole seconds since this Node was made.
func (n *Node) Uptime() int64 { return int64(n.cfg.Now().Sub(n.started).Seconds()) }

// Address is this node as the network writes it, ip:port; nil while it isn't known.
func (n *Node) Address() *string {
	ip := n.cfg.Finder.Address().V4
	if !ip.IsValid() {
		return nil
	}
	return text(reach.Address{IP: ip, Port: uint16(n.cfg.APIPort)}.Full())
}

// StaticIP reports whether the public address is known not to change.
func (n *Node) StaticIP() bool { return n.cfg.Locator.Static() }

// Geolocation is where the public address is; nil while that isn't known.
func (n *Node) Geolocation() *place.Geolocation { return n.cfg.Locator.Geolocation() }

// ClockDrift is the offset of the host's clock.
func (n *Node) ClockDrift() place.Reading { return n.cfg.Clock.Reading() }

// Versions name the components that a node runs on. Clients show the member
// node; it has the version of Go, which runs this node.
type Versions struct {
	Node string `json:"node"`
	Go   string `json:"go"`
}

// Versions returns the versions of the runtime.
func (n *Node) Versions() Versions { return Versions{goVersion(), goVersion()} }

func goVersion() string { return strings.TrimPrefix(runtime.Version(), "go") }

// MarketplaceURL is where the applications of the marketplace are listed.
func (n *Node) MarketplaceURL() string {
	if n.cfg.Development {
		return "https://stats.runonflux.io/marketplace/listdevapps"
	}
	return "https://stats.runonflux.io/marketplace/listapps"
}

// EnterpriseOwners are the owners whose applications may be bound to chosen
// nodes, as the network has them.
func EnterpriseOwners() []string {
	return []string{"15ULw4JU6wqGESRYU3z3MjFETqLN3sA9Gn", "16FPpesA783sYXXSUf9grXKaj3KN3EeLK3", "1GM41a9A4rH8CCkCyzDRahHUccuTRLhoDe"}
}

var collateralForm = regexp.MustCompile(`^COutPoint\(([0-9a-fA-F]{64}), (\d{1,10})\)$`)

// coin is the number of satoshi in a FLUX.
const coin = 1e8

// Collateral reads the value of this node's collateral from the chain.
func (n *Node) Collateral(ctx context.Context) (benchmark.Collateral, error) {
	raw, err := n.cfg.Daemon.Call(ctx, "getzelnodestatus", nil)
	if err != nil {
		return benchmark.Collateral{}, err
	}
	var status struct {
		Collateral string `json:"collateral"`
	}
	if err := json.Unmarshal(raw, &status); err != nil {
		return benchmark.Collateral{}, fault.Wrap(fault.Unavailable, err, "The chain daemon's answer about this node can't be read")
	}
	m := collateralForm.FindStringSubmatch(status.Collateral)
	if m == nil {
		return benchmark.Collateral{}, errTier
	}
	n.mu.Lock()
	known, ok := n.known[status.Collateral]
	n.mu.Unlock()
	if ok {
		return known, nil
	}
	index, err := strconv.Atoi(m[2])
	if err != nil {
		return benchmark.Collateral{}, errTier
	}
	raw, err = n.cfg.Daemon.Call(ctx, "getrawtransaction", []any{m[1], 1})
	if err != nil {
		return benchmark.Collateral{}, err
	}
	var tx struct {
		Out []struct {
			N     int     `json:"n"`
			Value float64 `json:"value"`
		} `json:"vout"`
	}
	if err := json.Unmarshal(raw, &tx); err != nil {
		return benchmark.Collateral{}, fault.Wrap(fault.Unavailable, err, "The chain daemon's answer about the collateral can't be read")
	}
	for _, out := range tx.Out {
		if out.N == index {
			c, err := benchmark.CollateralTier(int64(math.Round(out.Value * coin)))
			if err != nil {
				return c, errTier
			}
			n.mu.Lock()
			clear(n.known) // of collaterals that this node had before
			n.known[status.Collateral] = c
			n.mu.Unlock()
			return c, nil
		}
	}
	return benchmark.Collateral{}, errTier
}

// errTier says that the collateral is none, or of no tier's amount.
var errTier error = fault.New(fault.Unavailable, "Unrecognised Flux Node tier")

// Tier is what the collateral makes of this node: cumulus, nimbus or stratus,
// with _new behind it for the amounts that count since 2021.
func (n *Node) Tier(ctx context.Context) (string, error) {
	c, err := n.Collateral(ctx)
	if err != nil {
		return "", err
	}
	return c.NodeTier, nil
}

// ArcaneOS reports whether the benchmark daemon vouches for this machine's
// system. sure is false when nobody could be asked.
func (n *Node) ArcaneOS(ctx context.Context) (arcane, sure bool) {
	f, err := n.cfg.Benchmark.Facts(ctx)
	return err == nil && f.SystemSecure, err == nil
}

// HardwareFits fails when this machine is below what its collateral calls for.
// What can't be measured or asked for is no reason to fail.
func (n *Node) HardwareFits(ctx context.Context) error {
	c, err := n.Collateral(ctx)
	if err != nil {
		return nil
	}
	f, err := n.cfg.Benchmark.Facts(ctx)
	if err != nil || f.Cores == 0 {
		return nil
	}
	if f.RAM < c.Hardware.RAM || f.Cores < c.Hardware.Threads {
		return fault.Wrap(fault.Unavailable, fmt.Errorf("%v GB and %d threads, the collateral calls for %v GB and %d", f.RAM, f.Cores, c.Hardware.RAM, c.Hardware.Threads),
			"Node hardware requirements not met")
	}
	return nil
}

// fitUpTo is the DOS score up to which a node without a message is fit.
const fitUpTo = 10

// Fit fails while the DOS score is high or has something to say.
func (n *Node) Fit(context.Context) error {
	st := n.cfg.DOS.State()
	if st.DosMessage == nil && st.DosState <= fitUpTo {
		return nil
	}
	if st.DosMessage == nil {
		st.DosMessage = text(fmt.Sprintf("The DOS state of this node is %v", st.DosState))
	}
	name := "CONNERROR"
	if strings.HasPrefix(*st.DosMessage, "Flux IP detection failed") || strings.HasPrefix(*st.DosMessage, "Flux collision detection. Another") {
		name = "DOS"
	}
	return &fault.Error{Kind: fault.Unavailable, Code: st.DosState, Name: name, Msg: *st.DosMessage}
}
