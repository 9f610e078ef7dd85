package daemonrpc

import "github.com/fluxosd/fluxosd/internal/permissions"

// networkRows are the routes of the daemon's own network.
func networkRows() []Endpoint {
	return []Endpoint{
		{
			Method: get, Path: "/daemon/addnode/:node?/:command?",
			RPC: "addnode", Level: permissions.Admin,
			Args:    []Arg{str("node").must(), str("command").must()},
			Summary: "Adds, removes or tries a daemon to connect to.",
			Result:  "null",
		},
		{
			Method: get, Path: "/daemon/clearbanned",
			RPC: "clearbanned", Level: permissions.Admin,
			Summary: "Clears the ban list.",
			Result:  "null",
		},
		{
			Method: get, Path: "/daemon/disconnectnode/:node?",
			RPC: "disconnectnode", Level: permissions.Admin,
			Args:    []Arg{str("node").must()},
			Summary: "Disconnects a daemon.",
			Result:  "null",
		},
		{
			Method: get, Path: "/daemon/getaddednodeinfo/:dns?/:node?",
			RPC: "getaddednodeinfo", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{flag("dns").must(), str("node")},
			Summary: "Daemons that were added by hand.",
			Result:  "array of {addednode, connected, addresses[] of {address, connected}}",
		},
		{
			Method: get, Path: "/daemon/getconnectioncount",
			RPC: "getconnectioncount", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Number of connections to other daemons.",
			Result:  "integer",
		},
		{
			Method: get, Path: "/daemon/getdeprecationinfo",
			RPC: "getdeprecationinfo", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Height at which this version of the daemon stops.",
			Result:  "object {version, subversion, deprecationheight}",
		},
		{
			Method: get, Path: "/daemon/getnettotals",
			RPC: "getnettotals", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Bytes received and sent.",
			Result:  "object {totalbytesrecv, totalbytessent, timemillis}",
		},
		{
			Method: get, Path: "/daemon/getnetworkinfo",
			RPC: "getnetworkinfo", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "State of the network layer of the daemon.",
			Result:  "object {version, subversion, protocolversion, localservices, timeoffset, connections, networks[] of {name, limited, reachable, proxy, proxy_randomize_credentials}, relayfee, localaddresses[] of {address, port, score}, warnings}",
		},
		{
			Method: get, Path: "/daemon/getpeerinfo",
			RPC: "getpeerinfo", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Connected daemons.",
			Result:  "array of {id, addr, addrlocal, services, lastsend, lastrecv, bytessent, bytesrecv, conntime, timeoffset, pingtime, version, subver, inbound, startingheight, banscore, synced_headers, synced_blocks, inflight[] of integer, whitelisted}",
		},
		{
			Method: get, Path: "/daemon/listbanned",
			RPC: "listbanned", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Banned addresses and networks.",
			Result:  "array of {address, banned_until}",
		},
		{
			Method: get, Path: "/daemon/ping",
			RPC: "ping", Level: permissions.AdminAndFluxTeam,
			Summary: "Asks the daemon to ping its peers.",
			Result:  "null",
		},
		{
			Method: get, Path: "/daemon/setban/:ip?/:command?/:bantime?/:absolute?",
			RPC: "setban", Level: permissions.Admin,
			Args:    []Arg{str("ip").must(), str("command").must(), num("bantime"), flag("absolute").after("bantime")},
			Summary: "Adds an address or network to the ban list, or removes it.",
			Result:  "null",
		},
	}
}
