package daemonrpc

import "github.com/fluxosd/fluxosd/internal/permissions"

// addressRows are the routes of the address index, whose methods take one object.
func addressRows() []Endpoint {
	return []Endpoint{
		{
			Method: get, Path: "/daemon/getaddresstxids/:address?/:start?/:end?",
			RPC: "getaddresstxids", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args:    []Arg{object(arg(Single, "address").must().as("addresses"), num("start"), num("end"))},
			Summary: "Transactions that touch addresses.",
			Result:  "array of string",
		},
		{
			Method: post, Path: "/daemon/getaddresstxids",
			RPC: "getaddresstxids", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args:    []Arg{object(arg(Array, "addresses").must(), num("start"), num("end"))},
			Summary: "Transactions that touch addresses.",
			Result:  "array of string",
		},
		{
			Method: get, Path: "/daemon/getaddressbalance/:address?",
			RPC: "getaddressbalance", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args:    []Arg{object(arg(Single, "address").must().as("addresses"))},
			Summary: "Balance of addresses.",
			Result:  "object {balance, received}",
		},
		{
			Method: post, Path: "/daemon/getaddressbalance",
			RPC: "getaddressbalance", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args:    []Arg{object(arg(Array, "addresses").must())},
			Summary: "Balance of addresses.",
			Result:  "object {balance, received} (satoshis)",
		},
		{
			Method: get, Path: "/daemon/getaddressdeltas/:address?/:start?/:end?/:chaininfo?",
			RPC: "getaddressdeltas", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args:    []Arg{object(arg(Single, "address").must().as("addresses"), num("start"), num("end"), flag("chaininfo").as("chainInfo"))},
			Summary: "Changes to the balance of addresses.",
			Result:  "array of {satoshis, txid, index, blockindex, height}",
		},
		{
			Method: post, Path: "/daemon/getaddressdeltas",
			RPC: "getaddressdeltas", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args:    []Arg{object(arg(Array, "addresses").must(), num("start"), num("end"), flag("chaininfo").as("chainInfo").also("chainInfo"))},
			Summary: "Changes to the balance of addresses.",
			Result:  "array of {address, satoshis, txid, index, blockindex, height}; with chaininfo {deltas[], start, end}",
		},
		{
			Method: get, Path: "/daemon/getaddressutxos/:address?/:chaininfo?",
			RPC: "getaddressutxos", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args:    []Arg{object(arg(Single, "address").must().as("addresses"), str("chaininfo").as("chainInfo"))},
			Summary: "Unspent outputs of addresses.",
			Result:  "array of {address, txid, outputIndex, script, satoshis, height}",
		},
		{
			Method: post, Path: "/daemon/getaddressutxos",
			RPC: "getaddressutxos", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args:    []Arg{object(arg(Array, "addresses").must(), arg(Any, "chainInfo").also("chaininfo"))},
			Summary: "Unspent outputs of addresses.",
			Result:  "array of {address, txid, outputIndex, script, satoshis, height}",
		},
		{
			Method: get, Path: "/daemon/getaddressmempool/:address?",
			RPC: "getaddressmempool", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args:    []Arg{object(arg(Single, "address").must().as("addresses"))},
			Summary: "Waiting transactions that touch addresses.",
			Result:  "array of {address, txid, index, satoshis, timestamp}",
		},
		{
			Method: post, Path: "/daemon/getaddressmempool",
			RPC: "getaddressmempool", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args:    []Arg{object(arg(Array, "addresses").must())},
			Summary: "Waiting transactions that touch addresses.",
			Result:  "array of {address, txid, index, satoshis, timestamp, prevtxid?, prevout?}",
		},
	}
}
