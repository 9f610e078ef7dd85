package privileged

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// Ports of a node, and around it.
const (
	portHTTP, portHTTPS = 80, 443
	portDaemon          = 16125 // the chain daemon's peers
	portDNS             = 53
	portSIP             = 5060 // FluxOS lets 5060 and 8080 out, so fluxosd does
	portHTTPAlternative = 8080
	portSSDP            = 1900 // UPnP discovery
	portNATPMP          = 5351 // RFC 6886, port control
)

// apiPorts returns the API ports that nodes may have: 16127, 16137, … 16197.
func apiPorts() []uint16 {
	var list []uint16
	for p := uint16(16127); p <= 16197; p += 10 {
		list = append(list, p)
	}
	return list
}

// multicastSSDP is where UPnP devices are looked for.
func multicastSSDP() netip.Prefix { return netip.MustParsePrefix("239.255.255.250/32") }

// NodeNeeds is what the rules of a node depend on.
type NodeNeeds struct {
	APIPort uint16 // 16127, 16137, … 16197
	// Router is the router that the operator configured for port mapping, and
	// Gateway the default gateway. Each may be missing; a gateway with a public
	// address gets no rule.
	Router, Gateway netip.Addr
}

// NodeRules returns what a node needs: in and out, the API port p with p-1 (web
// console), p+1 (HTTPS) and p+2 (Syncthing, which uses UDP as well), 80, 443, the
// chain daemon's 16125 and the API ports of other nodes; out, name resolution,
// 5060 and 8080; and for port mapping, the router.
func NodeRules(n NodeNeeds) ([]Rule, error) {
	known := apiPorts()
	if !slices.Contains(known, n.APIPort) {
		return nil, fmt.Errorf("API port %d: want one of %v", n.APIPort, known)
	}
	if n.Router.IsValid() && !n.Router.Unmap().Is4() {
		return nil, fmt.Errorf("router %v: want an IPv4 address", n.Router)
	}
	if n.Router.IsValid() && n.Router.IsUnspecified() {
		return nil, errors.New("router 0.0.0.0: want the address of the router, or none")
	}
	var rules []Rule
	for _, d := range []Direction{In, Out} {
		rules = append(rules,
			Rule{Port: n.APIPort - 1, EndPort: n.APIPort + 1, Direction: d, Note: "console, API, HTTPS"},
			Rule{Port: n.APIPort + 2, Protocol: Both, Direction: d, Note: "Syncthing"},
			Rule{Port: portHTTP, Direction: d, Note: "HTTP"},
			Rule{Port: portHTTPS, Direction: d, Note: "HTTPS"},
			Rule{Port: portDaemon, Direction: d, Note: "chain daemon"})
		for _, p := range known {
			if p != n.APIPort {
				rules = append(rules, Rule{Port: p, Direction: d, Note: "other nodes"})
			}
		}
	}
	rules = append(rules,
		Rule{Port: portDNS, Protocol: Both, Direction: Out, Note: "DNS"},
		Rule{Port: portSIP, Protocol: Both, Direction: Out},
		Rule{Port: portHTTPAlternative, Protocol: Both, Direction: Out})
	if n.Router.IsValid() {
		rules = append(rules, Rule{Port: portSSDP, Protocol: UDP, Direction: Out, From: multicastSSDP(), Note: "UPnP discovery"})
		rules = append(rules, routerRules(n.Router.Unmap())...)
	}
	if g := n.Gateway.Unmap(); g.IsPrivate() && g != n.Router.Unmap() {
		rules = append(rules, routerRules(g)...)
	}
	return rules, nil
}

// routerRules is for UPnP, whose descriptions are at any TCP port of the router
// and whose answers come to any UDP port of ours, and for NAT-PMP.
func routerRules(router netip.Addr) []Rule {
	it := netip.PrefixFrom(router, router.BitLen())
	return []Rule{
		{Port: 1, EndPort: 65535, Direction: Out, From: it, Note: "UPnP"},
		{Port: 1, EndPort: 65535, Protocol: UDP, Direction: In, From: it, Note: "UPnP answers"},
		{Port: portNATPMP, Protocol: UDP, Direction: Out, From: it, Note: "NAT-PMP"},
	}
}
