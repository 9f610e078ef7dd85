package daemonrpc

import (
	"time"

	"github.com/fluxosd/fluxosd/internal/permissions"
)

// nodeRows are the routes of control of the daemon and the benchmark daemon, and the node list.
func nodeRows() []Endpoint {
	return []Endpoint{
		{
			Method: get, Path: "/daemon/help/:command?",
			RPC: "help", Level: permissions.Public, ReadOnly: true, HTTPCache: time.Hour,
			Args:    []Arg{str("command").or("")},
			Summary: "Help text of the daemon, for one command or as an overview.",
			Result:  "string: daemon help text (general, or of one command)",
		},
		{
			Method: get, Path: "/daemon/getinfo",
			RPC: "getinfo", Level: permissions.Public, ReadOnly: true, Reply: ReplyHidesBalance,
			Summary: "Version, height, connections and other general state of the daemon.",
			Result:  "object {version, protocolversion, walletversion, balance (admin only), blocks, timeoffset, connections, proxy, difficulty, testnet, keypoololdest, keypoolsize, paytxfee, relayfee, errors}",
		},
		{
			Method: get, Path: "/daemon/stop",
			RPC: "stop", Level: permissions.Admin,
			Summary: "Stops the daemon.",
			Result:  "string: daemon stop notice",
		},
		{
			Method: get, Path: "/daemon/getbenchmarks",
			RPC: "getbenchmarks", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Last figures of the benchmark daemon, relayed by the chain daemon.",
			Result:  "string: JSON text (the daemon relays the benchmark daemon output as one string; a client parses it to get ipaddress, architecture, status, time, cores, ram, ssd, hdd, ddwrite, eps, ping, download_speed, upload_speed, ...)",
		},
		{
			Method: get, Path: "/daemon/getbenchstatus",
			RPC: "getbenchstatus", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "State of the benchmark daemon, relayed by the chain daemon.",
			Result:  "string: JSON text {status, benchmarking, zelback|flux}",
		},
		{
			Method: get, Path: "/daemon/startbenchmark",
			RPC: "startzelbenchd", Level: permissions.AdminAndFluxTeam,
			Summary: "Starts the benchmark daemon.",
			Result:  "string: result text",
		},
		{
			Method: get, Path: "/daemon/stopbenchmark",
			RPC: "stopzelbenchd", Level: permissions.AdminAndFluxTeam,
			Summary: "Stops the benchmark daemon.",
			Result:  "string: result text",
		},
		{
			Method: get, Path: "/daemon/getfluxnodestatus",
			RPC: "getzelnodestatus", Level: permissions.Public, ReadOnly: true, HTTPCache: time.Minute,
			Summary: "This node's own entry in the node list.",
			Result:  "object {status, collateral, txhash, outidx, ip, network, added_height, confirmed_height, last_confirmed_height, last_paid_height, tier, payment_address, pubkey, activesince, lastpaid, amount}",
		},
		{
			Method: get, Path: "/daemon/getzelnodestatus", Alias: "/daemon/getfluxnodestatus",
			RPC: "getzelnodestatus", Level: permissions.Public, ReadOnly: true, HTTPCache: time.Minute,
			Summary: "This node's own entry in the node list.",
			Result:  "object {status, collateral, txhash, outidx, ip, network, added_height, confirmed_height, last_confirmed_height, last_paid_height, tier, payment_address, pubkey, activesince, lastpaid, amount}",
		},
		{
			Method: get, Path: "/daemon/listfluxnodes/:filter?",
			RPC: "listfluxnodes", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute, Reply: ReplyLimited,
			Args:    []Arg{str("filter")},
			Summary: "Confirmed nodes of the network, all or those that match a text.",
			Result:  "array of {collateral, ip, network, added_height, confirmed_height, last_confirmed_height, last_paid_height, tier, payment_address, activesince, lastpaid, amount, rank}",
		},
		{
			Method: get, Path: "/daemon/listzelnodes/:filter?", Alias: "/daemon/listfluxnodes/:filter?",
			RPC: "listfluxnodes", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute, Reply: ReplyLimited,
			Args:    []Arg{str("filter")},
			Summary: "Confirmed nodes of the network, all or those that match a text.",
			Result:  "array of {collateral, ip, network, added_height, confirmed_height, last_confirmed_height, last_paid_height, tier, payment_address, activesince, lastpaid, amount, rank}",
		},
		{
			Method: get, Path: "/daemon/viewdeterministicfluxnodelist/:filter?", Alias: "/daemon/listfluxnodes/:filter?",
			RPC: "listfluxnodes", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute, Reply: ReplyLimited,
			Args:    []Arg{str("filter")},
			Summary: "Confirmed nodes of the network, all or those that match a text.",
			Result:  "array of {collateral, txhash, outidx, ip, network, added_height, confirmed_height, last_confirmed_height, last_paid_height, tier, payment_address, pubkey, activesince, lastpaid, amount, rank}",
		},
		{
			Method: get, Path: "/daemon/viewdeterministiczelnodelist/:filter?", Alias: "/daemon/listfluxnodes/:filter?",
			RPC: "listfluxnodes", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute, Reply: ReplyLimited,
			Args:    []Arg{str("filter")},
			Summary: "Confirmed nodes of the network, all or those that match a text.",
			Result:  "array of {collateral, ip, network, added_height, confirmed_height, last_confirmed_height, last_paid_height, tier, payment_address, activesince, lastpaid, amount, rank}",
		},
		{
			Method: get, Path: "/daemon/listfluxnodeconf/:filter?",
			RPC: "listzelnodeconf", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("filter")},
			Summary: "Nodes of the node configuration file with their state.",
			Result:  "array of {alias, status, collateral, txhash, outputIndex, privateKey, address, ip, network, added_height, confirmed_height, last_confirmed_height, last_paid_height, tier, payment_address, activesince, lastpaid}",
		},
		{
			Method: get, Path: "/daemon/listzelnodeconf/:filter?", Alias: "/daemon/listfluxnodeconf/:filter?",
			RPC: "listzelnodeconf", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("filter")},
			Summary: "Nodes of the node configuration file with their state.",
			Result:  "array of {alias, status, collateral, txhash, outputIndex, privateKey, address, ip, network, added_height, confirmed_height, last_confirmed_height, last_paid_height, tier, payment_address, activesince, lastpaid}",
		},
		{
			Method: get, Path: "/daemon/createfluxnodekey",
			RPC: "createzelnodekey", Level: permissions.Admin,
			Summary: "A fresh private key for a node; it is not stored.",
			Result:  "string: node private key (WIF)",
		},
		{
			Method: get, Path: "/daemon/createzelnodekey", Alias: "/daemon/createfluxnodekey",
			RPC: "createzelnodekey", Level: permissions.Admin,
			Summary: "A fresh private key for a node; it is not stored.",
			Result:  "string: node private key (WIF)",
		},
		{
			Method: get, Path: "/daemon/getfluxnodecount",
			RPC: "getzelnodecount", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Number of nodes, by state, tier and kind of address.",
			Result:  "object {total, stable, basic-enabled, super-enabled, bamf-enabled, ipv4, ipv6, onion}",
		},
		{
			Method: get, Path: "/daemon/getzelnodecount", Alias: "/daemon/getfluxnodecount",
			RPC: "getzelnodecount", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Number of nodes, by state, tier and kind of address.",
			Result:  "object {total, stable, basic-enabled, super-enabled, bamf-enabled, ipv4, ipv6, onion}",
		},
		{
			Method: get, Path: "/daemon/getdoslist",
			RPC: "getdoslist", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Nodes that may not be started for a while.",
			Result:  "array of {collateral, added_height, payment_address, eligible_in, amount}",
		},
		{
			Method: get, Path: "/daemon/getstartlist",
			RPC: "getstartlist", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Nodes that were started and are not confirmed yet.",
			Result:  "array of {collateral, added_height, payment_address, expires_in, amount}",
		},
		{
			Method: get, Path: "/daemon/getfluxnodeoutputs",
			RPC: "getzelnodeoutputs", Level: permissions.Admin, ReadOnly: true,
			Summary: "Outputs of the wallet that can back a node.",
			Result:  "array of {txhash, outputidx}",
		},
		{
			Method: get, Path: "/daemon/getzelnodeoutputs", Alias: "/daemon/getfluxnodeoutputs",
			RPC: "getzelnodeoutputs", Level: permissions.Admin, ReadOnly: true,
			Summary: "Outputs of the wallet that can back a node.",
			Result:  "array of {txhash, outputidx}",
		},
		{
			Method: get, Path: "/daemon/startdeterministicfluxnode/:alias?/:lockwallet?",
			RPC: "startdeterministiczelnode", Level: permissions.Admin, Missing: MissingIsNull,
			Args:    []Arg{str("alias").must(), flag("lockwallet").or(false)},
			Summary: "Starts the node with an alias of the node configuration file.",
			Result:  "object {overall, detail[] of {alias or node, result, error}}",
		},
		{
			Method: get, Path: "/daemon/startdeterministiczelnode/:alias?/:lockwallet?", Alias: "/daemon/startdeterministicfluxnode/:alias?/:lockwallet?",
			RPC: "startdeterministiczelnode", Level: permissions.Admin, Missing: MissingIsNull,
			Args:    []Arg{str("alias").must(), flag("lockwallet").or(false)},
			Summary: "Starts the node with an alias of the node configuration file.",
			Result:  "object {overall, detail[] of {alias or node, result, error}}",
		},
		{
			Method: get, Path: "/daemon/startfluxnode/:set?/:lockwallet?/:alias?",
			RPC: "startzelnode", Level: permissions.Admin, Missing: MissingIsNull,
			Args:    []Arg{str("set").must(), str("lockwallet").must(), str("alias")},
			Summary: "Starts nodes of the node configuration file: all, many, missing, disabled or the one with an alias.",
			Result:  "object {overall, detail[] of {alias or node, result, error}}",
		},
		{
			Method: get, Path: "/daemon/startzelnode/:set?/:lockwallet?/:alias?", Alias: "/daemon/startfluxnode/:set?/:lockwallet?/:alias?",
			RPC: "startzelnode", Level: permissions.Admin, Missing: MissingIsNull,
			Args:    []Arg{str("set").must(), str("lockwallet").must(), str("alias")},
			Summary: "Starts nodes of the node configuration file: all, many, missing, disabled or the one with an alias.",
			Result:  "object {overall, detail[] of {alias or node, result, error}}",
		},
		{
			Method: get, Path: "/daemon/fluxnodecurrentwinner",
			RPC: "zelnodecurrentwinner", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "The node of each tier that the next block pays.",
			Result:  "object with one entry per tier (\"CUMULUS Winner\", ...), each {collateral, ip, added_height, confirmed_height, last_confirmed_height, last_paid_height, tier, payment_address}",
		},
	}
}
