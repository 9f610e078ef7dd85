package reach

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/fault"
)

// MinVersion is the oldest FluxOS version that counts as available.
const MinVersion = "8.13.1"

// Limits of probes.
const (
	probeTime = 5 * time.Second // for one connection or answer
	turnTime  = 5 * time.Second // waiting for a turn
	portsTime = time.Minute     // for all ports of one request
	maxPorts  = 100             // of one request

	probesAtOnce    = 32
	probesPerTarget = 4
	probesWaiting   = 128
)

const msgBusy = "too many checks are running, try again later"

// Nodes is the part of the node list a Prober reads. *List is one.
type Nodes interface {
	ByAddress(Address) (Entry, bool)
}

// ProberConfig is what a Prober needs.
type ProberConfig struct {
	Nodes Nodes
	// Allow says which addresses may be dialled; nil means Routable. Test
	// networks and tests allow more.
	Allow func(netip.Addr) bool
	// MinVersion is the oldest version that counts as available; "" means
	// MinVersion.
	MinVersion string
}

// Prober tries whether other nodes can be reached. Its methods may be used
// from many goroutines: 32 probes run at one time, 4 for one IP address, and
// what would wait too long for a turn is refused.
type Prober struct {
	nodes Nodes
	min   string
	out   *outbound
	gate  *gate
}

// NewProber checks the configuration. It makes no connection.
func NewProber(cfg ProberConfig) (*Prober, error) {
	if cfg.Nodes == nil {
		return nil, errors.New("reach.NewProber: Nodes is required")
	}
	least := cmp.Or(cfg.MinVersion, MinVersion)
	if _, ok := parseVersion(least); !ok {
		return nil, fmt.Errorf("reach.NewProber: MinVersion %q is not three numbers such as %s", cfg.MinVersion, MinVersion)
	}
	return &Prober{nodes: cfg.Nodes, min: least, out: newOutbound(cfg.Allow), gate: newGate(probesAtOnce, probesPerTarget, probesWaiting)}, nil
}

// errNotListed is a node that is not on the list.
var errNotListed = errors.New("the node is not on the list")

// Node returns nil when the node at ip and port is available: it is on the
// list, its API answers with a version of at least MinVersion, its user
// interface on port-1 is healthy, and port+2 takes TCP connections; 5 s each.
// An empty port means DefaultAPIPort.
//
// The error is a *fault.Error whose message the caller may see; its cause,
// for the log, says which step failed.
func (p *Prober) Node(ctx context.Context, ip, port string) error {
	if ip == "" {
		return &fault.Error{Kind: fault.Invalid, Msg: "No ip specified."}
	}
	err := p.node(ctx, ip, port)
	if errors.Is(err, errBusy) {
		return fault.Wrap(fault.TooMany, err, msgBusy)
	}
	if err != nil {
		return &fault.Error{Kind: fault.Unavailable, Msg: "Asking Flux is not available", Err: err}
	}
	return nil
}

func (p *Prober) node(ctx context.Context, ip, port string) error {
	a := Address{Port: DefaultAPIPort}
	var err error
	if a.IP, err = parseIPv4(ip); err != nil {
		return err
	}
	if port != "" {
		if a.Port, err = parsePort(port); err != nil {
			return err
		}
	}
	if !a.hasAPIPort() {
		return fmt.Errorf("port %d is not an API port: %v", a.Port, APIPorts())
	}
	if _, ok := p.nodes.ByAddress(a); !ok {
		return errNotListed
	}
	leave, err := p.enter(ctx, a.IP)
	if err != nil {
		return err
	}
	defer leave()
	version, err := p.Version(ctx, a)
	if err != nil {
		return err
	}
	if !AtLeast(version, p.min) {
		return fmt.Errorf("version %.32q is older than %s", version, p.min)
	}
	body, err := p.out.get(ctx, a.at(uiOffset), "/health", probeTime)
	if err != nil {
		return fmt.Errorf("user interface: %w", err)
	}
	if string(bytes.TrimSpace(body)) != "OK" && !bytes.Contains(body, []byte("<title>")) {
		return errors.New("user interface: /health is neither OK nor a page")
	}
	if err := p.out.touch(ctx, "tcp4", a.at(syncthingOffset), probeTime, ""); err != nil {
		return fmt.Errorf("syncthing port: %w", err)
	}
	return nil
}

func (p *Prober) enter(ctx context.Context, target netip.Addr) (leave func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, turnTime)
	defer cancel()
	return p.gate.enter(ctx, target)
}

// Version asks the API at a for its version, 5 s long. It takes no turn: it is
// this node's own question.
func (p *Prober) Version(ctx context.Context, a Address) (string, error) {
	var version string
	if err := p.ask(ctx, a, "/flux/version", probeTime, &version); err != nil {
		return "", fmt.Errorf("version of %s: %w", a, err)
	}
	return version, nil
}

// errSaysNo is an answer in the error envelope.
var errSaysNo = errors.New("the node answered an error")

// ask reads the data of a success envelope from another node.
func (p *Prober) ask(ctx context.Context, a Address, path string, d time.Duration, data any) error {
	body, err := p.out.get(ctx, a.at(0), path, d)
	if err != nil {
		return err
	}
	var answer struct {
		Status string          `json:"status"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("answer is not an envelope: %w", err)
	}
	switch answer.Status {
	case "success":
		return json.Unmarshal(answer.Data, data)
	case "error":
		return errSaysNo
	}
	return fmt.Errorf("answer has the status %.32q", answer.Status)
}

// Ports tries a TCP connection to each port in turn, 5 s each and a minute in
// all, and stops at the first that fails, which it returns. Ports that no
// application may have are skipped. 0 means that none failed. At most 100
// ports are tried; more are a *fault.Error, as is an address that isn't
// dialled.
func (p *Prober) Ports(ctx context.Context, ip string, ports []int) (failed int, err error) {
	addr, err := parseIPv4(ip)
	if err == nil {
		err = p.out.check(addr)
	}
	if err != nil {
		return 0, fault.Wrap(fault.Invalid, err, "ip must be a public IPv4 address")
	}
	if len(ports) > maxPorts {
		return 0, fault.Newf(fault.Invalid, "at most %d ports can be checked at once", maxPorts)
	}
	leave, err := p.enter(ctx, addr)
	if err != nil {
		return 0, fault.Wrap(fault.TooMany, err, msgBusy)
	}
	defer leave()
	all, cancel := context.WithTimeout(ctx, portsTime)
	defer cancel()
	for _, port := range ports {
		if !mayProbe(port) {
			continue
		}
		if p.out.touch(all, "tcp4", netip.AddrPortFrom(addr, uint16(port)), probeTime, "") != nil {
			return port, ctx.Err()
		}
	}
	return 0, nil
}

// AtLeast reports whether a version is least or later: three numbers, compared
// one by one. What is no such version is not.
func AtLeast(version, least string) bool {
	v, ok := parseVersion(version)
	l, okLeast := parseVersion(least)
	return ok && okLeast && !olderThan(v, l)
}

// parseVersion reads three numbers divided by dots, with or without a leading v.
func parseVersion(text string) (v [3]uint64, ok bool) {
	parts := strings.Split(strings.TrimPrefix(text, "v"), ".")
	if len(parts) != len(v) {
		return v, false
	}
	for i, part := range parts {
		n, err := strconv.ParseUint(part, 10, 32)
		if err != nil {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

func olderThan(v, least [3]uint64) bool {
	for i := range v {
		if v[i] != least[i] {
			return v[i] < least[i]
		}
	}
	return false
}
