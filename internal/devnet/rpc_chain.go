package devnet

import (
	"crypto/sha256"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// Versions the devnet reports of itself.
const (
	daemonVersion    = 6010050
	daemonSubversion = "/Flux:6.1.0/"
	protocolVersion  = 170019
	walletVersion    = 60000
)

// controlCommands are about the daemon itself.
func controlCommands() map[string]*command {
	return inGroup("Control", map[string]*command{
		"help":    {max: 1, args: `( "command" )`, run: (*Chain).rpcHelp, about: "All commands, or the text of one."},
		"getinfo": {run: (*Chain).rpcInfo, about: "State of the daemon, its chain and its wallet."},
		"stop": {run: func(c *Chain, _ params) (any, error) {
			c.stopOnce.Do(func() { close(c.stopped) })
			return "Flux server stopping", nil
		}, about: "Stop the chain's growth for good. The devnet's RPC stays, since the program that embeds it owns it."},
	})
}

func (c *Chain) rpcHelp(p params) (any, error) {
	name, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	if name != "" {
		if cmd := c.commands[name]; cmd != nil {
			return cmd.help(name), nil
		}
		return "help: unknown command: " + clip(name), nil
	}
	groups := make(map[string][]string)
	for n, cmd := range c.commands {
		groups[cmd.group] = append(groups[cmd.group], strings.TrimSpace(n+" "+cmd.args))
	}
	var b strings.Builder
	for i, g := range slices.Sorted(maps.Keys(groups)) {
		if i > 0 {
			b.WriteString("\n")
		}
		slices.Sort(groups[g])
		b.WriteString("== " + g + " ==\n" + strings.Join(groups[g], "\n") + "\n")
	}
	return strings.TrimSuffix(b.String(), "\n"), nil
}

func (c *Chain) rpcInfo(params) (any, error) {
	confirmed, _, _ := c.balances(1)
	name, _, _ := c.faults.pretended()
	return object{
		"version": daemonVersion, "protocolversion": protocolVersion, "walletversion": walletVersion, "balance": amount(confirmed),
		"blocks": c.height(), "timeoffset": 0, "connections": c.connections(), "proxy": "", "difficulty": difficulty,
		"testnet": name != "main", "keypoololdest": c.blocks[0].time, "keypoolsize": keyPool, "paytxfee": amount(c.wallet.feePerKB),
		"relayfee": amount(relayFeePerKB), "errors": "",
	}, nil
}

// chainCommands are about the chain as a whole, the mempool and mining.
func chainCommands() map[string]*command {
	blockchain := inGroup("Blockchain", map[string]*command{
		"getblockchaininfo": {run: (*Chain).rpcChainInfo, about: "State of block processing. While stalled, headers are ahead of blocks."},
		"getmempoolinfo":    {run: (*Chain).rpcMempoolInfo, about: "Size of the mempool."},
		"getrawmempool":     {max: 1, args: "( verbose )", run: (*Chain).rpcRawMempool, about: "Transactions that wait for a block."},
		"gettxout":          {min: 2, max: 3, args: `"txid" n ( includemempool )`, run: (*Chain).rpcTxOut, about: "An unspent output; null when there is none."},
		"gettxoutsetinfo":   {run: (*Chain).rpcTxOutSet, about: "Figures of all unspent outputs."},
		"gettxoutproof":     refused(1, 2, `["txid",…] ( "blockhash" )`, "Proof that transactions are in a block"),
		"verifytxoutproof":  refused(1, 1, `"proof"`, "Check of a proof that transactions are in a block"),
		"verifychain":       {max: 2, args: "( checklevel numblocks )", run: (*Chain).rpcVerifyChain, about: "Check links, work and contents of the last blocks (0: all)."},
	})
	mining := inGroup("Mining", map[string]*command{
		"getblocksubsidy": {max: 1, args: "( height )", run: (*Chain).rpcSubsidy, about: "What a block pays its miner, of the next block by default."},
		"getmininginfo":   {run: (*Chain).rpcMiningInfo, about: "State of mining."},
		"getnetworksolps": {max: 2, args: "( blocks height )", run: (*Chain).rpcSolutions, about: "Estimated solutions per second of the network."},
		"getlocalsolps": {run: func(*Chain, params) (any, error) { return 0, nil },
			about: "Solutions per second of this daemon: it does not mine."},
		"getblocktemplate":      refused(0, 1, "( jsonrequestobject )", "Mining by outside programs"),
		"submitblock":           refused(1, 2, `"hexdata" ( jsonparametersobject )`, "Mining by outside programs"),
		"prioritisetransaction": refused(3, 3, `"txid" prioritydelta feedelta`, "Reordering the mempool"),
	})
	alias(mining, "getnetworksolps", "getnetworkhashps")
	maps.Copy(blockchain, mining)
	return blockchain
}

// refused is a command the devnet knows and doesn't offer.
func refused(least, most int, args, what string) *command {
	return &command{min: least, max: most, args: args, about: what + ": not available on devnet.",
		run: func(*Chain, params) (any, error) {
			return nil, &RPCError{codeMisc, what + " is not available on devnet"}
		}}
}

func (c *Chain) rpcChainInfo(params) (any, error) {
	size := 0
	for _, b := range c.blocks {
		size += b.size
	}
	forks := []object{}
	for i, id := range []string{"bip34", "bip66", "bip65"} {
		count := func(required int) object {
			return object{"status": true, "found": 4000, "required": required, "window": 4000}
		}
		forks = append(forks, object{"id": id, "version": i + 2, "enforce": count(750), "reject": count(950)})
	}
	headers := c.height() + c.behind
	name, _, _ := c.faults.pretended()
	return object{
		"chain": name, "blocks": c.height(), "headers": headers, "bestblockhash": c.tip().hash,
		"difficulty": difficulty, "verificationprogress": float64(c.height()+1) / float64(headers+1), "chainwork": chainwork(c.height()),
		"pruned": c.first > 0, "size_on_disk": size, "commitments": 0, "valuePools": valuePools(false), "softforks": forks,
		"upgrades": object{"76b809bb": object{"name": "Devnet", "activationheight": 0, "status": "active",
			"info": "All rules of the simulated chain"}},
		"consensus": object{"chaintip": "76b809bb", "nextblock": "76b809bb"},
	}, nil
}

func (c *Chain) rpcMempoolInfo(params) (any, error) {
	return object{"size": len(c.pool.list), "bytes": c.pool.bytes(), "usage": c.pool.bytes()}, nil
}

func (c *Chain) rpcRawMempool(p params) (any, error) {
	verbose, err := p.boolean(0, false)
	if err != nil {
		return nil, err
	}
	ids, all := []hash{}, object{}
	for _, m := range c.pool.list {
		ids = append(ids, m.tx.id)
		depends := []hash{}
		for _, in := range m.tx.In {
			if c.pool.byID[in.Prev.Hash] != nil {
				depends = append(depends, in.Prev.Hash)
			}
		}
		all[m.tx.id.String()] = object{"size": m.tx.size, "fee": amount(m.fee), "time": m.time, "height": m.height,
			"startingpriority": 0, "currentpriority": 0, "depends": depends}
	}
	if verbose {
		return all, nil
	}
	return ids, nil
}

func (c *Chain) rpcTxOut(p params) (any, error) {
	id, err := p.hash(0)
	if err != nil {
		return nil, err
	}
	n, err := p.integer(1, 0)
	if err != nil {
		return nil, err
	}
	waiting, err := p.boolean(2, true)
	if err != nil {
		return nil, err
	}
	if n < 0 || n > maxTxSize {
		return nil, nil
	}
	op := outPoint{id, uint32(n)}
	u, ok := c.coins[op]
	if waiting {
		u, ok = c.coin(op)
		ok = ok && c.pool.spends[op] == nil
	}
	if !ok || c.faults.isSpent(op.Hash.String(), n) {
		return nil, nil
	}
	return object{"bestblock": c.tip().hash, "confirmations": c.height() - u.height + 1, "value": amount(u.Value),
		"scriptPubKey": scriptObject(u.Script, true), "version": saplingVersion, "coinbase": u.coinbase}, nil
}

func (c *Chain) rpcTxOutSet(params) (any, error) {
	points := slices.SortedFunc(maps.Keys(c.coins), func(a, b outPoint) int { return compareUnspent(unspent{outPoint: a}, unspent{outPoint: b}) })
	var raw []byte
	var total int64
	txs := make(map[hash]bool)
	for _, op := range points {
		raw = appendOut(appendOutPoint(raw, op), c.coins[op].txOut)
		total += c.coins[op].Value
		txs[op.Hash] = true
	}
	return object{"height": c.height(), "bestblock": c.tip().hash, "transactions": len(txs), "txouts": len(points),
		"bytes_serialized": len(raw), "hash_serialized": sha256d(raw), "total_amount": amount(total)}, nil
}

func (c *Chain) rpcVerifyChain(p params) (any, error) {
	if _, err := p.integer(0, 3); err != nil {
		return nil, err
	}
	blocks, err := p.integer(1, 288)
	if err != nil {
		return nil, err
	}
	if blocks <= 0 || blocks > int64(len(c.blocks)) {
		blocks = int64(len(c.blocks))
	}
	for h := c.height(); h > c.height()-blocks; h-- {
		b := c.at(h)
		ids := make([]hash, len(b.txs))
		for i, t := range b.txs {
			ids[i] = t.id
		}
		linked := h == c.first || b.prev == c.at(h-1).hash
		if !linked || b.hash != sha256d(b.header(c.sapling)) || !meetsTarget(b.hash) || merkleRoot(ids) != b.merkle {
			return false, nil
		}
	}
	return true, nil
}

func (c *Chain) rpcSubsidy(p params) (any, error) {
	height, err := p.integer(0, c.height()+1)
	if err != nil {
		return nil, err
	}
	if height < 0 {
		return nil, &RPCError{codeParameter, "Block height out of range"}
	}
	miner, perTier := subsidy(height)
	return object{"miner": amount(miner), "founders": amount(0), "cumulus": amount(perTier[Cumulus]),
		"nimbus": amount(perTier[Nimbus]), "stratus": amount(perTier[Stratus])}, nil
}

func (c *Chain) rpcMiningInfo(params) (any, error) {
	speed := c.solutions(120, c.height())
	return object{"blocks": c.height(), "currentblocksize": c.tip().size, "currentblocktx": len(c.tip().txs) - 1, "difficulty": difficulty,
		"errors": "", "genproclimit": -1, "localsolps": 0, "networksolps": speed, "networkhashps": speed,
		"pooledtx": len(c.pool.list), "testnet": false, "chain": "main", "generate": false}, nil
}

// solutions per second over the blocks before a height.
func (c *Chain) solutions(blocks, height int64) int64 {
	to := c.at(height)
	if to == nil {
		return 0
	}
	from := c.at(max(c.first, height-blocks))
	if to.time <= from.time {
		return 0
	}
	return (to.height - from.height) * workPerBlock / (to.time - from.time)
}

func (c *Chain) rpcSolutions(p params) (any, error) {
	blocks, err := p.integer(0, 120)
	if err != nil {
		return nil, err
	}
	height, err := p.integer(1, -1)
	if err != nil {
		return nil, err
	}
	if height < 0 || height > c.height() {
		height = c.height()
	}
	if blocks <= 0 {
		blocks = c.height()
	}
	return c.solutions(blocks, height), nil
}

// fingerprint names a wallet seed without revealing it.
func fingerprint(seed string) string {
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte("seed fingerprint\x00"+seed), uint64(len(seed))))
	return hash(sum).String()
}
