package devnet

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// daemonPort is where chain daemons talk to each other.
const daemonPort = 16125

// network is what the daemon would know of other daemons. It opens no
// connection. The chain's lock guards it.
type network struct {
	peers  []string         // addresses with port
	added  []string         // by addnode
	banned map[string]int64 // Unix seconds of the end, by subnet
}

func newNetwork(nodes []*node) network {
	const most = 8
	n := network{banned: make(map[string]int64)}
	for _, other := range nodes[1:] {
		if len(n.peers) < most {
			host, _, _ := strings.Cut(other.ip, ":")
			n.peers = append(n.peers, fmt.Sprintf("%s:%d", host, daemonPort))
		}
	}
	return n
}

// networkCommands are about other daemons.
func networkCommands() map[string]*command {
	return inGroup("Network", map[string]*command{
		"getnetworkinfo": {run: (*Chain).rpcNetworkInfo, about: "State of the network."},
		"getpeerinfo":    {run: (*Chain).rpcPeerInfo, about: "The daemons this one would be connected to."},
		"getconnectioncount": {about: "Number of connections.",
			run: func(c *Chain, _ params) (any, error) { return c.connections(), nil }},
		"getnettotals": {about: "Traffic with other daemons.", run: func(c *Chain, _ params) (any, error) {
			sent, received := c.totals()
			return object{"totalbytesrecv": received, "totalbytessent": sent, "timemillis": c.now().UnixMilli()}, nil
		}},
		"getdeprecationinfo": {about: "When this version ends: devnet's doesn't.", run: func(*Chain, params) (any, error) {
			return object{"version": daemonVersion, "subversion": daemonSubversion, "deprecationheight": 499_999_999}, nil
		}},
		"ping":             {about: "Ask the peers for a sign of life.", run: func(*Chain, params) (any, error) { return nil, nil }},
		"listbanned":       {run: (*Chain).rpcListBanned, about: "Banned addresses."},
		"setban":           {min: 2, max: 4, args: `"ip(/netmask)" "add|remove" ( bantime absolute )`, run: (*Chain).rpcSetBan, about: "Ban an address, or lift a ban."},
		"clearbanned":      {about: "Lift all bans.", run: func(c *Chain, _ params) (any, error) { clear(c.network.banned); return nil, nil }},
		"addnode":          {min: 2, max: 2, args: `"node" "add|remove|onetry"`, run: (*Chain).rpcAddNode, about: "Keep a connection to a node."},
		"getaddednodeinfo": {min: 1, max: 2, args: `dns ( "node" )`, run: (*Chain).rpcAddedNodes, about: "Nodes added by addnode."},
		"disconnectnode":   {min: 1, max: 1, args: `"node"`, run: (*Chain).rpcDisconnect, about: "Drop a connection."},
	})
}

func (c *Chain) rpcNetworkInfo(params) (any, error) {
	var nets []object
	for _, name := range []string{"ipv4", "ipv6", "onion"} {
		reach := name == "ipv4"
		nets = append(nets, object{"name": name, "limited": !reach, "reachable": reach, "proxy": "", "proxy_randomize_credentials": false})
	}
	host, _, _ := strings.Cut(c.nodes.own().ip, ":")
	return object{"version": daemonVersion, "subversion": daemonSubversion, "protocolversion": protocolVersion,
		"localservices": "0000000000000005", "timeoffset": 0, "connections": c.connections(), "networks": nets,
		"relayfee":       amount(relayFeePerKB),
		"localaddresses": []object{{"address": host, "port": daemonPort, "score": 1}}, "warnings": ""}, nil
}

// connections counts the other daemons, as far as this one admits them.
func (c *Chain) connections() int {
	if _, _, isolated := c.faults.pretended(); isolated {
		return 0
	}
	return len(c.network.peers)
}

// totals grow with the chain, since each peer would get every block.
func (c *Chain) totals() (sent, received int) {
	size := 0
	for _, b := range c.blocks {
		size += b.size
	}
	return size * len(c.network.peers) / 2, size
}

func (c *Chain) rpcPeerInfo(params) (any, error) {
	sent, received := c.totals()
	now := c.now().Unix()
	host, _, _ := strings.Cut(c.nodes.own().ip, ":")
	peers := max(1, len(c.network.peers))
	out := []object{}
	if c.connections() == 0 {
		return out, nil
	}
	for i, addr := range c.network.peers {
		out = append(out, object{"id": i + 1, "addr": addr, "addrlocal": fmt.Sprintf("%s:%d", host, 40000+i), "services": "0000000000000005",
			"lastsend": now, "lastrecv": now, "bytessent": sent / peers, "bytesrecv": received / peers, "conntime": c.started.Unix(),
			"timeoffset": 0, "pingtime": 0.02 + float64(i)/100, "version": protocolVersion, "subver": daemonSubversion, "inbound": i%2 == 1,
			"startingheight": c.first, "banscore": 0, "synced_headers": c.height(), "synced_blocks": c.height(), "inflight": []int{}, "whitelisted": false})
	}
	return out, nil
}

func (c *Chain) rpcListBanned(params) (any, error) {
	out := []object{}
	for _, a := range slices.Sorted(maps.Keys(c.network.banned)) {
		if until := c.network.banned[a]; until > c.now().Unix() {
			out = append(out, object{"address": a, "banned_until": until})
		}
	}
	return out, nil
}

// subnet reads an address or a subnet in CIDR form.
func subnet(s string) (string, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked().String(), nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()).String(), nil
	}
	return "", &RPCError{-30, "Error: Invalid IP/Subnet: want an address or address/bits"}
}

func (c *Chain) rpcSetBan(p params) (any, error) {
	const day = 24 * 60 * 60
	text, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	net, err := subnet(text)
	if err != nil {
		return nil, err
	}
	verb, err := p.str(1, "")
	if err != nil {
		return nil, err
	}
	seconds, err := p.integer(2, 0)
	if err != nil {
		return nil, err
	}
	absolute, err := p.boolean(3, false)
	if err != nil {
		return nil, err
	}
	_, banned := c.network.banned[net]
	switch {
	case verb == "add" && banned:
		return nil, &RPCError{-23, "Error: IP/Subnet already banned"}
	case verb == "add":
		if seconds <= 0 {
			seconds, absolute = day, false
		}
		if !absolute {
			seconds += c.now().Unix()
		}
		c.network.banned[net] = seconds
	case verb == "remove" && !banned:
		return nil, &RPCError{-30, "Error: Unban failed. Requested address/subnet was not previously banned."}
	case verb == "remove":
		delete(c.network.banned, net)
	default:
		return nil, &RPCError{codeMisc, "Unknown command: want add or remove"}
	}
	return nil, nil
}

func (c *Chain) rpcAddNode(p params) (any, error) {
	name, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	verb, err := p.str(1, "")
	if err != nil {
		return nil, err
	}
	known := slices.Contains(c.network.added, name)
	switch {
	case verb == "onetry":
	case verb == "add" && known:
		return nil, &RPCError{-23, "Error: Node already added"}
	case verb == "add":
		c.network.added = append(c.network.added, name)
	case verb == "remove" && !known:
		return nil, &RPCError{-24, "Error: Node has not been added."}
	case verb == "remove":
		c.network.added = slices.DeleteFunc(c.network.added, func(a string) bool { return a == name })
	default:
		return nil, &RPCError{codeMisc, "Unknown command: want add, remove or onetry"}
	}
	return nil, nil
}

func (c *Chain) rpcAddedNodes(p params) (any, error) {
	dns, err := p.boolean(0, false)
	if err != nil {
		return nil, err
	}
	one, err := p.str(1, "")
	if err != nil {
		return nil, err
	}
	if one != "" && !slices.Contains(c.network.added, one) {
		return nil, &RPCError{-24, "Error: Node has not been added."}
	}
	out := []object{}
	for _, name := range c.network.added {
		if one != "" && name != one {
			continue
		}
		o := object{"addednode": name}
		if dns {
			o["connected"], o["addresses"] = false, []object{}
		}
		out = append(out, o)
	}
	return out, nil
}

func (c *Chain) rpcDisconnect(p params) (any, error) {
	name, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	if !slices.Contains(c.network.peers, name) {
		return nil, &RPCError{-29, "Node not found in connected nodes"}
	}
	c.network.peers = slices.DeleteFunc(c.network.peers, func(a string) bool { return a == name })
	return nil, nil
}
