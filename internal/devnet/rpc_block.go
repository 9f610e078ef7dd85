package devnet

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
)

// blockCommands read blocks.
func blockCommands() map[string]*command {
	all := map[string]*command{
		"getbestblockhash": {run: func(c *Chain, _ params) (any, error) { return c.tip().hash, nil },
			about: "Hash of the best block."},
		"getblockcount": {run: func(c *Chain, _ params) (any, error) { return c.height(), nil },
			about: "Height of the best block."},
		"getdifficulty": {run: func(*Chain, params) (any, error) { return difficulty, nil },
			about: "Difficulty as a multiple of the least."},
		"getblockhash": {min: 1, max: 1, args: "index", run: (*Chain).rpcBlockHash,
			about: "Hash of the block at a height (number)."},
		"getblock": {min: 1, max: 2, args: `"hash|height" ( verbosity )`, run: (*Chain).rpcBlock,
			about: "A block by hash or height, given as text. Verbosity 0: hexadecimal, 1: with transaction ids (default), 2: with transactions."},
		"getblockheader": {min: 1, max: 2, args: `"hash" ( verbose )`, run: (*Chain).rpcBlockHeader,
			about: "A block's header; verbose false gives it in hexadecimal."},
		"getblockdeltas": {min: 1, max: 1, args: `"hash"`, run: (*Chain).rpcBlockDeltas,
			about: "A block with the balance changes of its transactions."},
		"getblockhashes": {min: 2, max: 3, args: `high low ( {"noOrphans":bool,"logicalTimes":bool} )`, run: (*Chain).rpcBlockHashes,
			about: "Hashes of the blocks with low <= time < high (Unix seconds)."},
		"getchaintips": {max: 1, args: "( minheight )", run: (*Chain).rpcChainTips,
			about: "The tips of the active chain and of the branches left behind."},
	}
	return inGroup("Blockchain", all)
}

// inGroup sets the heading under which help lists commands.
func inGroup(name string, all map[string]*command) map[string]*command {
	for _, cmd := range all {
		cmd.group = name
	}
	return all
}

func (c *Chain) rpcBlockHash(p params) (any, error) {
	height, err := p.integer(0, 0)
	if err != nil {
		return nil, err
	}
	b, err := c.blockAt(height)
	if err != nil {
		return nil, err
	}
	return b.hash, nil
}

// blockAt tells heights that were never reached from those not kept.
func (c *Chain) blockAt(height int64) (*block, error) {
	if b := c.at(height); b != nil {
		return b, nil
	}
	if height >= 0 && height < c.first {
		return nil, &RPCError{codeMisc, fmt.Sprintf("Block not available (pruned data): devnet keeps blocks from %d", c.first)}
	}
	return nil, &RPCError{codeParameter, "Block height out of range"}
}

// blockNamed finds a block by the text of its hash or height.
func (c *Chain) blockNamed(name string) (*block, error) {
	if height, err := strconv.ParseInt(name, 10, 64); err == nil && len(name) < 20 {
		return c.blockAt(height)
	}
	h, err := parseHash(name)
	if err != nil {
		return nil, &RPCError{codeParameter, "Invalid block hash or height parameter"}
	}
	return c.blockHashed(h)
}

func (c *Chain) blockHashed(h hash) (*block, error) {
	if b := c.byHash[h]; b != nil {
		return b, nil
	}
	return nil, &RPCError{codeAddress, "Block not found"}
}

func (c *Chain) rpcBlock(p params) (any, error) {
	name, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	verbosity, err := p.integer(1, 1)
	if err != nil {
		return nil, err
	}
	if verbosity < 0 || verbosity > 2 {
		return nil, &RPCError{codeParameter, "Verbosity must be in range from 0 to 2"}
	}
	b, err := c.blockNamed(name)
	if err != nil {
		return nil, err
	}
	if verbosity == 0 {
		return hex.EncodeToString(b.encode(c.sapling)), nil
	}
	o := c.headerObject(b)
	o["size"], o["anchor"], o["valuePools"] = b.size, sproutAnchor, valuePools(true)
	txs := make([]any, len(b.txs))
	for i, t := range b.txs {
		if txs[i] = t.id; verbosity == 2 {
			txs[i] = c.placedObject(t, b)
		}
	}
	o["tx"] = txs
	return o, nil
}

func (c *Chain) rpcBlockHeader(p params) (any, error) {
	h, err := p.hash(0)
	if err != nil {
		return nil, err
	}
	verbose, err := p.boolean(1, true)
	if err != nil {
		return nil, err
	}
	b, err := c.blockHashed(h)
	if err != nil {
		return nil, err
	}
	if !verbose {
		return hex.EncodeToString(b.header(c.sapling)), nil
	}
	return c.headerObject(b), nil
}

func (c *Chain) rpcBlockDeltas(p params) (any, error) {
	h, err := p.hash(0)
	if err != nil {
		return nil, err
	}
	b, err := c.blockHashed(h)
	if err != nil {
		return nil, err
	}
	if !c.active(b) {
		return nil, &RPCError{codeAddress, "Block is an orphan"}
	}
	deltas := make([]object, len(b.txs))
	for i, t := range b.txs {
		in, out := []object{}, []object{}
		for n, input := range t.In {
			if spent, ok := c.spentOutput(input); ok {
				in = append(in, object{"address": scriptAddress(spent.Script), "satoshis": -spent.Value, "index": n,
					"prevtxid": input.Prev.Hash, "prevout": input.Prev.Index})
			}
		}
		for n, o := range t.Out {
			if a := scriptAddress(o.Script); a != "" {
				out = append(out, object{"address": a, "satoshis": o.Value, "index": n})
			}
		}
		deltas[i] = object{"txid": t.id, "index": i, "inputs": in, "outputs": out}
	}
	o := c.headerObject(b)
	delete(o, "finalsaplingroot")
	delete(o, "solution")
	o["size"], o["deltas"], o["mediantime"] = b.size, deltas, c.medianTime(b)
	return o, nil
}

// medianTime is the median of the last eleven block times.
func (c *Chain) medianTime(b *block) int64 {
	var times []int64
	for h := b.height; h > b.height-11 && c.at(h) != nil; h-- {
		times = append(times, c.at(h).time)
	}
	slices.Sort(times)
	return times[len(times)/2]
}

func (c *Chain) rpcBlockHashes(p params) (any, error) {
	high, err := p.integer(0, 0)
	if err != nil {
		return nil, err
	}
	low, err := p.integer(1, 0)
	if err != nil {
		return nil, err
	}
	type options struct {
		NoOrphans    bool `json:"noOrphans"`
		LogicalTimes bool `json:"logicalTimes"`
	}
	opt, err := value(p, 2, options{}, "an object")
	if err != nil {
		return nil, err
	}
	var found []*block
	for _, b := range c.byHash {
		if b.time >= low && b.time < high && (c.active(b) || !opt.NoOrphans) {
			found = append(found, b)
		}
	}
	if len(found) == 0 {
		return nil, &RPCError{codeAddress, "No information available for block hashes"}
	}
	slices.SortFunc(found, compareBlocks)
	out := make([]any, len(found))
	for i, b := range found {
		if out[i] = b.hash; opt.LogicalTimes {
			out[i] = object{"blockhash": b.hash, "logicalts": b.time}
		}
	}
	return out, nil
}

func compareBlocks(a, b *block) int {
	if a.time != b.time {
		return int(a.time - b.time)
	}
	return slices.Compare(a.hash[:], b.hash[:])
}

func (c *Chain) rpcChainTips(p params) (any, error) {
	least, err := p.integer(0, 0)
	if err != nil {
		return nil, err
	}
	tip := c.tip()
	out := []object{{"height": tip.height, "hash": tip.hash, "branchlen": 0, "status": "active"}}
	for _, b := range slices.Backward(c.stale) {
		if b.height < least {
			continue
		}
		length := 0
		for at := b; at != nil && !c.active(at); at = c.byHash[at.prev] {
			length++
		}
		out = append(out, object{"height": b.height, "hash": b.hash, "branchlen": length, "status": "valid-fork"})
	}
	return out, nil
}
