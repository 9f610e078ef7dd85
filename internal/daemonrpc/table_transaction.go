package daemonrpc

import "github.com/fluxosd/fluxosd/internal/permissions"

// transactionRows are the routes of raw transactions and utilities.
func transactionRows() []Endpoint {
	return []Endpoint{
		{
			Method: get, Path: "/daemon/createrawtransaction/:transactions?/:addresses?/:locktime?/:expiryheight?",
			RPC: "createrawtransaction", Level: permissions.Public, ReadOnly: true,
			Args:    []Arg{obj("transactions").must(), obj("addresses").must(), num("locktime").or(0), num("expiryheight").or(BlocksAhead(20))},
			Summary: "Builds an unsigned transaction.",
			Result:  "string: raw transaction hex",
		},
		{
			Method: post, Path: "/daemon/createrawtransaction",
			RPC: "createrawtransaction", Level: permissions.Public, ReadOnly: true,
			Args:    []Arg{obj("transactions").must(), obj("addresses").must(), num("locktime").or(0), num("expiryheight").or(BlocksAhead(20))},
			Summary: "Builds an unsigned transaction.",
			Result:  "string: raw transaction hex",
		},
		{
			Method: get, Path: "/daemon/decoderawtransaction/:hexstring?",
			RPC: "decoderawtransaction", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{str("hexstring").must()},
			Summary: "A serialised transaction as an object.",
			Result:  "object {txid, version, overwintered, versiongroupid, locktime, expiryheight, vin[] of {txid, vout, scriptSig, sequence}, vout[] of {value, valueZat, valueSat, n, scriptPubKey}, vJoinSplit[] of {vpub_old, vpub_oldZat, vpub_new, vpub_newZat, anchor, nullifiers, commitments, onetimePubKey, randomSeed, macs, proof, ciphertexts}, valueBalance, valueBalanceZat, vShieldedSpend[] of {cv, anchor, nullifier, rk, proof, spendAuthSig}, vShieldedOutput[] of {cv, cmu, ephemeralKey, encCiphertext, outCiphertext, proof}}",
		},
		{
			Method: post, Path: "/daemon/decoderawtransaction",
			RPC: "decoderawtransaction", Level: permissions.Public, ReadOnly: true,
			Args:    []Arg{str("hexstring").must()},
			Summary: "A serialised transaction as an object.",
			Result:  "object {txid, version, overwintered, versiongroupid, locktime, expiryheight, vin[] of {txid, vout, scriptSig, sequence}, vout[] of {value, valueZat, valueSat, n, scriptPubKey}, vJoinSplit[] of {vpub_old, vpub_oldZat, vpub_new, vpub_newZat, anchor, nullifiers, commitments, onetimePubKey, randomSeed, macs, proof, ciphertexts}, valueBalance, valueBalanceZat, vShieldedSpend[] of {cv, anchor, nullifier, rk, proof, spendAuthSig}, vShieldedOutput[] of {cv, cmu, ephemeralKey, encCiphertext, outCiphertext, proof}}",
		},
		{
			Method: get, Path: "/daemon/decodescript/:hex?",
			RPC: "decodescript", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{str("hex").must()},
			Summary: "A script as an object.",
			Result:  "object {asm, reqSigs, type, addresses[], p2sh}",
		},
		{
			Method: post, Path: "/daemon/decodescript",
			RPC: "decodescript", Level: permissions.Public, ReadOnly: true,
			Args:    []Arg{str("hex").must()},
			Summary: "A script as an object.",
			Result:  "object {asm, reqSigs, type, addresses[], p2sh}",
		},
		{
			Method: get, Path: "/daemon/fundrawtransaction/:hexstring?",
			RPC: "fundrawtransaction", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("hexstring").must()},
			Summary: "Adds inputs of the wallet to a transaction.",
			Result:  "object {hex, changepos, fee}",
		},
		{
			Method: post, Path: "/daemon/fundrawtransaction",
			RPC: "fundrawtransaction", Level: permissions.Admin, ReadOnly: true,
			Args:    []Arg{str("hexstring").must().also("hex")},
			Summary: "Adds inputs of the wallet to a transaction.",
			Result:  "object {hex, changepos, fee}",
		},
		{
			Method: get, Path: "/daemon/getrawtransaction/:txid?/:verbose?",
			RPC: "getrawtransaction", Level: permissions.Public, ReadOnly: true,
			Args:    []Arg{str("txid").must(), num("verbose").or(0)},
			Summary: "One transaction, serialised or as an object.",
			Result:  "verbose=0: string (hex); verbose=1: object {hex, txid, version, overwintered, versiongroupid, locktime, expiryheight, vin[], vout[], vJoinSplit[], valueBalance, vShieldedSpend[], vShieldedOutput[], blockhash, height, confirmations, time, blocktime}",
		},
		{
			Method: get, Path: "/daemon/sendrawtransaction/:hexstring?/:allowhighfees?",
			RPC: "sendrawtransaction", Level: permissions.Public,
			Args:    []Arg{str("hexstring").must(), flag("allowhighfees").or(false)},
			Summary: "Submits a signed transaction to the network.",
			Result:  "string: transaction id",
		},
		{
			Method: post, Path: "/daemon/sendrawtransaction",
			RPC: "sendrawtransaction", Level: permissions.Public,
			Args:    []Arg{str("hexstring").must(), flag("allowhighfees").or(false)},
			Summary: "Submits a signed transaction to the network.",
			Result:  "string: transaction id",
		},
		{
			Method: get, Path: "/daemon/signrawtransaction/:hexstring?/:prevtxs?/:privatekeys?/:sighashtype?/:branchid?",
			RPC: "signrawtransaction", Level: permissions.Admin, ReadOnly: true,
			Args: []Arg{
				str("hexstring").must(), obj("prevtxs"), obj("privatekeys").after("prevtxs"),
				str("sighashtype").or("ALL").after("privatekeys"), str("branchid").after("privatekeys"),
			},
			Summary: "Signs the inputs of a transaction with keys of the wallet or of the request.",
			Result:  "object {hex, complete, errors: {txid, vout, scriptSig, sequence, error}}",
		},
		{
			Method: post, Path: "/daemon/signrawtransaction",
			RPC: "signrawtransaction", Level: permissions.Admin, ReadOnly: true,
			Args: []Arg{
				str("hexstring").must(), obj("prevtxs"), obj("privatekeys").after("prevtxs"),
				str("sighashtype").or("ALL").after("privatekeys"), str("branchid").after("privatekeys"),
			},
			Summary: "Signs the inputs of a transaction with keys of the wallet or of the request.",
			Result:  "object {hex, complete, errors: {txid, vout, scriptSig, sequence, error}}",
		},
		{
			Method: get, Path: "/daemon/createmultisig/:n?/:keys?",
			RPC: "createmultisig", Level: permissions.Public, ReadOnly: true,
			Args:    []Arg{num("n").must(), obj("keys").must()},
			Summary: "Address that needs n of the given keys; the wallet is not changed.",
			Result:  "object {address, redeemScript}",
		},
		{
			Method: post, Path: "/daemon/createmultisig",
			RPC: "createmultisig", Level: permissions.Public, ReadOnly: true,
			Args:    []Arg{num("n").must(), obj("keys").must()},
			Summary: "Address that needs n of the given keys; the wallet is not changed.",
			Result:  "object {address, redeemScript}",
		},
		{
			Method: get, Path: "/daemon/estimatefee/:nblocks?",
			RPC: "estimatefee", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{num("nblocks").must()},
			Summary: "Fee for confirmation within a number of blocks.",
			Result:  "number: fee per kB, -1 when unknown",
		},
		{
			Method: get, Path: "/daemon/estimatepriority/:nblocks?",
			RPC: "estimatepriority", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{num("nblocks").must()},
			Summary: "Priority a free transaction needs for confirmation within a number of blocks.",
			Result:  "number: priority, -1 when unknown",
		},
		{
			Method: get, Path: "/daemon/validateaddress/:fluxaddress?",
			RPC: "validateaddress", Level: permissions.Public, ReadOnly: true, Reply: ReplyHidesOwnership,
			Args:    []Arg{str("fluxaddress").must()},
			Summary: "Whether an address is valid, and what it is.",
			Result:  "object {isvalid, address, scriptPubKey, ismine, iswatchonly, isscript, pubkey, iscompressed, account}",
		},
		{
			Method: get, Path: "/daemon/verifymessage/:fluxaddress?/:signature?/:message?",
			RPC: "verifymessage", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{str("fluxaddress").must(), str("signature").must(), str("message").must()},
			Summary: "Whether an address signed a message.",
			Result:  "boolean",
		},
		{
			Method: post, Path: "/daemon/verifymessage",
			RPC: "verifymessage", Level: permissions.Public, ReadOnly: true,
			Args:    []Arg{str("fluxaddress").must(), str("signature").must(), str("message").must()},
			Summary: "Whether an address signed a message.",
			Result:  "boolean",
		},
		{
			Method: get, Path: "/daemon/zvalidateaddress/:zaddr?",
			RPC: "z_validateaddress", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{str("zaddr").must()},
			Summary: "Whether a shielded address is valid, and what it is.",
			Result:  "object {isvalid, address, type, diversifier, diversifiedtransmissionkey, ismine}",
		},
	}
}
