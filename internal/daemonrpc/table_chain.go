package daemonrpc

import "github.com/fluxosd/fluxosd/internal/permissions"

// chainRows are the routes of blocks and mining.
func chainRows() []Endpoint {
	return []Endpoint{
		{
			Method: get, Path: "/daemon/getbestblockhash",
			RPC: "getbestblockhash", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Hash of the last block of the best chain.",
			Result:  "string: block hash",
		},
		{
			Method: get, Path: "/daemon/getblock/:hashheight?/:verbosity?",
			RPC: "getblock", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute, Missing: MissingIsNull,
			Args:    []Arg{str("hashheight").must(), num("verbosity").or(2)},
			Summary: "One block, by hash or height.",
			Result:  "object {hash, confirmations, size, height, version, merkleroot, finalsaplingroot, tx[], time, nonce, solution, bits, difficulty, chainwork, anchor, valuePools[] of {id, monitored, chainValue, chainValueZat, valueDelta, valueDeltaZat}, previousblockhash, nextblockhash}",
		},
		{
			Method: get, Path: "/daemon/getblockchaininfo",
			RPC: "getblockchaininfo", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "State of the block chain: height, headers, difficulty, upgrades.",
			Result:  "object {chain, blocks, headers, bestblockhash, difficulty, verificationprogress, chainwork, pruned, size_on_disk, commitments, valuePools[] of {id, monitored, chainValue, chainValueZat}, softforks[] of {id, version, enforce, reject}, upgrades: {76b809bb}, consensus: {chaintip, nextblock}}",
		},
		{
			Method: get, Path: "/daemon/getblockcount",
			RPC: "getblockcount", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Height of the best chain.",
			Result:  "integer: height",
		},
		{
			Method: get, Path: "/daemon/getblockdeltas/:hash?",
			RPC: "getblockdeltas", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{str("hash")},
			Summary: "One block with the change it makes to every address.",
			Result:  "object {hash, confirmations, size, height, version, merkleroot, deltas[], time, mediantime, nonce, bits, difficulty, chainwork, previousblockhash, nextblockhash}",
		},
		{
			Method: get, Path: "/daemon/getblockhashes/:high?/:low?/:noorphans?/:logicaltimes?",
			RPC: "getblockhashes", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args: []Arg{
				num("high"), num("low"),
				{Kind: Object, Optional: true, Members: []Arg{
					flag("noOrphans").query().also("noorphans"), flag("logicalTimes").query().also("logicaltimes"),
				}},
			},
			Summary: "Hashes of the blocks mined between two times.",
			Result:  "array of string",
		},
		{
			Method: post, Path: "/daemon/getblockhashes",
			RPC: "getblockhashes", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args: []Arg{
				arg(Any, "high").must(), arg(Any, "low").must(),
				{Name: "options", Kind: Object, Optional: true, Members: []Arg{
					flag("noOrphans").also("noorphans"), flag("logicalTimes").also("logicaltimes"),
				}},
			},
			Summary: "Hashes of the blocks mined between two times.",
			Result:  "array of string",
		},
		{
			Method: get, Path: "/daemon/getblockhash/:index?",
			RPC: "getblockhash", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{num("index")},
			Summary: "Hash of the block at a height.",
			Result:  "string: block hash",
		},
		{
			Method: get, Path: "/daemon/getblockheader/:hash?/:verbose?",
			RPC: "getblockheader", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{str("hash").must(), flag("verbose").or(true)},
			Summary: "Header of one block.",
			Result:  "object {hash, confirmations, height, version, merkleroot, finalsaplingroot, time, nonce, solution, bits, difficulty, chainwork, previousblockhash, nextblockhash}",
		},
		{
			Method: get, Path: "/daemon/getchaintips",
			RPC: "getchaintips", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{num("minheight").query()},
			Summary: "All known ends of the block tree, the best chain and its orphans.",
			Result:  "array of {height, hash, branchlen, status}",
		},
		{
			Method: get, Path: "/daemon/getdifficulty",
			RPC: "getdifficulty", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Proof-of-work difficulty as a multiple of the minimum.",
			Result:  "number",
		},
		{
			Method: get, Path: "/daemon/getmempoolinfo",
			RPC: "getmempoolinfo", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Size of the memory pool.",
			Result:  "object {size, bytes, usage}",
		},
		{
			Method: get, Path: "/daemon/getrawmempool/:verbose?",
			RPC: "getrawmempool", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{flag("verbose").or(false)},
			Summary: "Transactions waiting in the memory pool.",
			Result:  "array of txid; with verbose=true an object keyed by txid {size, fee, time, height, startingpriority, currentpriority, depends[]}",
		},
		{
			Method: get, Path: "/daemon/gettxout/:txid?/:n?/:includemempool?",
			RPC: "gettxout", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{str("txid").must(), num("n").must(), flag("includemempool").or(true)},
			Summary: "One unspent transaction output.",
			Result:  "object {bestblock, confirmations, value, scriptPubKey: {asm, hex, reqSigs, type, addresses}, version, coinbase}",
		},
		{
			Method: get, Path: "/daemon/gettxoutproof/:txids?/:blockhash?",
			RPC: "gettxoutproof", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{arg(List, "txids").must(), str("blockhash")},
			Summary: "Proof that transactions are part of a block.",
			Result:  "string: hex proof",
		},
		{
			Method: get, Path: "/daemon/gettxoutsetinfo",
			RPC: "gettxoutsetinfo", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Statistics of the set of unspent outputs; slow.",
			Result:  "object {height, bestblock, transactions, txouts, bytes_serialized, hash_serialized, total_amount}",
		},
		{
			Method: get, Path: "/daemon/verifychain/:checklevel?/:numblocks?",
			RPC: "verifychain", Level: permissions.Admin,
			Args:    []Arg{num("checklevel").or(3), num("numblocks").or(288)},
			Summary: "Verifies the stored chain; slow.",
			Result:  "boolean",
		},
		{
			Method: get, Path: "/daemon/verifytxoutproof/:proof?",
			RPC: "verifytxoutproof", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{str("proof")},
			Summary: "Checks a proof and lists the transactions it commits to.",
			Result:  "array of string",
		},
		{
			Method: get, Path: "/daemon/getspentinfo/:txid?/:index?",
			RPC: "getspentinfo", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute, Missing: MissingIsNull,
			Args:    []Arg{object(str("txid").must(), num("index").must())},
			Summary: "The transaction input that spent an output.",
			Result:  "object {txid, index, height}",
		},
		{
			Method: post, Path: "/daemon/getspentinfo",
			RPC: "getspentinfo", Level: permissions.Public, ReadOnly: true, Missing: MissingIsNull,
			Args:    []Arg{object(str("txid").must(), num("index").must())},
			Summary: "The transaction input that spent an output.",
			Result:  "object {txid, index, height}",
		},
		{
			Method: get, Path: "/daemon/getblocksubsidy/:height?",
			RPC: "getblocksubsidy", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{num("height")},
			Summary: "Reward of a block at a height.",
			Result:  "object {miner}",
		},
		{
			Method: get, Path: "/daemon/getblocktemplate/:jsonrequestobject?",
			RPC: "getblocktemplate", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{obj("jsonrequestobject")},
			Summary: "What a miner needs to build the next block.",
			Result:  "object {capabilities[], version, previousblockhash, finalsaplingroothash, transactions[] of {data, hash, depends, fee, sigops, required}, coinbasetxn: {data, hash, depends, fee, sigops, required}, longpollid, target, mintime, mutable[], noncerange, sigoplimit, sizelimit, curtime, bits, height, basic_fluxnode_address, basic_fluxnode_payout, super_fluxnode_address, super_fluxnode_payout, bamf_fluxnode_address, bamf_fluxnode_payout}",
		},
		{
			Method: get, Path: "/daemon/getlocalsolps",
			RPC: "getlocalsolps", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "Local mining speed, in solutions per second.",
			Result:  "integer",
		},
		{
			Method: get, Path: "/daemon/getmininginfo",
			RPC: "getmininginfo", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Summary: "State of mining.",
			Result:  "object {blocks, currentblocksize, currentblocktx, difficulty, errors, genproclimit, localsolps, networksolps, networkhashps, pooledtx, testnet, chain, generate}",
		},
		{
			Method: get, Path: "/daemon/getnetworkhashps/:blocks?/:height?",
			RPC: "getnetworkhashps", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{num("blocks").or(120), num("height").or(-1)},
			Summary: "Estimated mining speed of the network, in hashes per second.",
			Result:  "integer",
		},
		{
			Method: get, Path: "/daemon/getnetworksolps/:blocks?/:height?",
			RPC: "getnetworksolps", Level: permissions.Public, ReadOnly: true, HTTPCache: halfMinute,
			Args:    []Arg{num("blocks").or(120), num("height").or(-1)},
			Summary: "Estimated mining speed of the network, in solutions per second.",
			Result:  "integer",
		},
		{
			Method: get, Path: "/daemon/prioritisetransaction/:txid?/:prioritydelta?/:feedelta?",
			RPC: "prioritisetransaction", Level: permissions.User,
			Args:    []Arg{str("txid").must(), num("prioritydelta").must(), num("feedelta").must()},
			Summary: "Changes the priority of a waiting transaction for mining.",
			Result:  "boolean",
		},
		{
			Method: get, Path: "/daemon/submitblock/:hexdata?/:jsonparametersobject?",
			RPC: "submitblock", Level: permissions.User,
			Args:    []Arg{str("hexdata").must(), obj("jsonparametersobject")},
			Summary: "Submits a mined block to the network.",
			Result:  "null when accepted, else string: duplicate, duplicate-invalid, duplicate-inconclusive, inconclusive or rejected",
		},
		{
			Method: post, Path: "/daemon/submitblock",
			RPC: "submitblock", Level: permissions.User,
			Args:    []Arg{str("hexdata").must(), obj("jsonparametersobject")},
			Summary: "Submits a mined block to the network.",
			Result:  "null when accepted, else string: duplicate, duplicate-invalid, duplicate-inconclusive, inconclusive or rejected",
		},
	}
}
