package checks

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/place"
	"github.com/fluxosd/fluxosd/internal/node/reach"
)

// More blocked ports or repositories than these put a node into the DOS state.
const (
	maxBlockedPorts        = 100
	maxBlockedRepositories = 10
)

// reachTime bounds the question whether others reach this node: several of them
// are asked, one after the other.
const reachTime = 40 * time.Second

// NetworkConfig is what the checks of this node's place in the network look at.
type NetworkConfig struct {
	Daemon  Caller
	APIPort int
	// Address is the public address of this node, and Trouble why there is none.
	Address func() place.Address
	Trouble func() string
	// Mapping is the state of the ports on the router; nil when none are wanted.
	Mapping func() gateway.Status
	// Reach asks other nodes whether they reach this one.
	Reach func(ctx context.Context, own reach.Address) (reach.Report, error)
	// Blocked counts what the operator refuses to applications.
	Blocked func() (ports, repositories int)
	// Score is the node's own judgement, with all reasons for it.
	Score func() (score float64, message string, reasons []string)
}

// Network returns the checks of address and ports.
func Network(c NetworkConfig) []doctor.Check {
	return []doctor.Check{
		{Name: apiPort, Title: "API port", Every: time.Hour, Look: c.port, Problems: []health.Problem{
			problem("api-port-unknown", health.Critical, "Other nodes don't look for an API on this port",
				"Set api.listen to one of the ports 16127, 16137, 16147, 16157, 16167, 16177, 16187, 16197."),
		}},
		{Name: restrictions, Title: "Blocked ports and images", Every: time.Minute, Look: c.restrictions, Problems: []health.Problem{
			problem("blocked-too-many", health.Critical, "This node refuses more than the network allows",
				"Shorten node.blocked_ports to 100 or fewer and node.blocked_repositories to 10 or fewer."),
		}},
		{Name: gatewayCheck, Title: "Ports on the router", Every: time.Minute, Look: c.mapping, Problems: []health.Problem{
			problem("port-mapping-failed", health.Warning, "The router doesn't forward all ports of this node",
				"Switch UPnP or NAT-PMP on in the router, or forward the ports by hand and set network.gateway to off."),
			problem("router-behind-nat", health.Critical, "The router itself has no public address",
				"Ask the provider for a public IPv4 address, or put the first router into bridge mode: nobody outside can reach this node."),
		}},
		{Name: address, Title: "Public address", Look: c.address, Problems: []health.Problem{
			problem("address-unknown", health.Critical, "The public address of this node isn't known",
				"Set node.public_ip, or let this machine reach the services of network.address_services."),
		}},
		{Name: listedAddress, Title: "Address on the network", Needs: []string{address, chainSync}, Every: time.Minute, Timeout: rpcTime, Look: c.listed, Problems: []health.Problem{
			problem("address-differs", health.Critical, "The network has another address of this node",
				"The next confirmation changes it. If it stays, compare node.public_ip and the benchmark daemon's address with the real one."),
		}},
		{Name: reachable, Title: "Reachable from outside", Needs: []string{address}, Every: 5 * time.Minute, Timeout: reachTime, Look: c.reach, Problems: []health.Problem{
			problem("unreachable-from-outside", health.Critical, "Other nodes can't reach this one",
				"Forward the API port, and the ports 1 below, 1 and 2 above it, to this machine in router and firewall (fluxosd's /flux/mapport and /flux/allowport do one each)."),
		}},
	}
}

// Standing returns the check of the node's judgement of itself, which follows
// from what others look at.
func Standing(c NetworkConfig) doctor.Check {
	return doctor.Check{Name: dosScore, Title: "Standing on the network", Look: c.score, Problems: []health.Problem{
		problem("dos-state", health.Critical, "This node judges itself unfit and gets no applications", "Mend the reasons that are named; the score falls with the next good self-test."),
		problem("dos-rising", health.Warning, "This node's self-tests fail", "Mend the reasons that are named before the score reaches 100."),
	}}
}

func (c NetworkConfig) port(context.Context) doctor.Finding {
	if c.APIPort < 0 || c.APIPort > 65535 || !slices.Contains(reach.APIPorts(), uint16(c.APIPort)) {
		return doctor.Bad("api-port-unknown", "port %d", c.APIPort)
	}
	return doctor.Fine("%d", c.APIPort)
}

func (c NetworkConfig) restrictions(context.Context) doctor.Finding {
	ports, repositories := c.Blocked()
	if ports > maxBlockedPorts || repositories > maxBlockedRepositories {
		return doctor.Bad("blocked-too-many", "%d of at most %d ports, %d of at most %d repositories", ports, maxBlockedPorts, repositories, maxBlockedRepositories)
	}
	return doctor.Fine("%d ports, %d repositories", ports, repositories)
}

func (c NetworkConfig) mapping(context.Context) doctor.Finding {
	if c.Mapping == nil {
		return doctor.Fine("not wanted: network.gateway is off, or this machine has a public address")
	}
	st := c.Mapping()
	switch {
	case st.BehindNAT:
		return doctor.Bad("router-behind-nat", "the router says that its address is %v", st.External)
	case st.Available && len(st.Missing) == 0:
		return doctor.Fine("%d ports by %s at %v", len(st.Mapped), st.Protocol, st.Router)
	case st.LastError == "" && len(st.Missing) == 0:
		return doctor.Unknown("not tried yet")
	}
	var missing []string
	for _, m := range st.Missing {
		missing = append(missing, strconv.Itoa(int(m.Port))+"/"+string(m.Protocol))
	}
	return doctor.Bad("port-mapping-failed", "%s", strings.TrimPrefix(strings.Join(missing, ", ")+": "+st.LastError, ": "))
}

func (c NetworkConfig) address(context.Context) doctor.Finding {
	a := c.Address()
	if !a.V4.IsValid() {
		why := c.Trouble()
		if why == "" {
			return doctor.Unknown("being found out")
		}
		return doctor.Bad("address-unknown", "%s", why)
	}
	if a.V6.IsValid() {
		return doctor.Fine("%v and %v, from: %s", a.V4, a.V6, a.Source)
	}
	return doctor.Fine("%v, from: %s", a.V4, a.Source)
}

// own is the address under which others know this node.
func (c NetworkConfig) own() reach.Address {
	return reach.Address{IP: c.Address().V4, Port: uint16(c.APIPort)}
}

func (c NetworkConfig) listed(ctx context.Context) doctor.Finding {
	var s status
	if err := ask(ctx, c.Daemon, &s, "getzelnodestatus"); err != nil {
		return doctor.Unknown("%v", err)
	}
	if s.IP == "" || !c.Address().V4.IsValid() {
		return doctor.Unknown("the network has no address of this node yet")
	}
	listed, err := reach.ParseAddress(s.IP)
	if err != nil {
		return doctor.Unknown("the network has %q, which is no address", s.IP)
	}
	if own := c.own(); listed != own {
		return doctor.Bad("address-differs", "the network has %v, this node is at %v", listed.Full(), own.Full())
	}
	return doctor.Fine("%v", listed.Full())
}

func (c NetworkConfig) reach(ctx context.Context) doctor.Finding {
	own := c.own()
	if !own.IP.IsValid() || own.IP == (netip.Addr{}) {
		return doctor.Unknown("the public address isn't known")
	}
	r, err := c.Reach(ctx, own)
	if err != nil {
		return doctor.Unknown("%v", err)
	}
	var asked []string
	for _, a := range r.Answers {
		asked = append(asked, a.Node.Full())
	}
	who := strings.Join(asked, ", ")
	switch r.Verdict {
	case reach.Reachable:
		return doctor.Fine("%v, say %s", own.Full(), who)
	case reach.NotReachable:
		return doctor.Bad("unreachable-from-outside", "%v, say %s", own.Full(), who)
	}
	return doctor.Unknown("no node that was asked answered: %s", who)
}

// Scores of the DOS state: from the first on it has a message, at the second
// the node is unfit.
const (
	scoreSpoken = 10
	scoreUnfit  = 100
)

func (c NetworkConfig) score(context.Context) doctor.Finding {
	score, message, reasons := c.Score()
	if message == "" {
		message = strings.Join(reasons, "; ")
	}
	number := strconv.FormatFloat(score, 'f', -1, 64)
	switch {
	case score >= scoreUnfit:
		return doctor.Bad("dos-state", "DOS state %s: %s", number, message)
	case score > scoreSpoken:
		return doctor.Bad("dos-rising", "DOS state %s: %s", number, message)
	}
	return doctor.Fine("DOS state %s", number)
}
