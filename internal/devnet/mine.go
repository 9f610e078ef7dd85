package devnet

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
)

// ponHeight is where blocks began to pay 14 FLUX.
const ponHeight = 2_020_000

// subsidy in satoshi: what a block pays the miner and one node of each tier.
func subsidy(height int64) (miner int64, node map[Tier]int64) {
	if height >= ponHeight {
		return coin / 2, map[Tier]int64{Cumulus: coin, Nimbus: 35 * coin / 10, Stratus: 9 * coin}
	}
	const firstHalving, halvingEvery = 657_850, 655_350
	total := int64(150 * coin)
	for h, n := height, 0; h >= firstHalving && n < 2; h, n = h-halvingEvery, n+1 {
		total /= 2
	}
	node = map[Tier]int64{Cumulus: total * 75 / 1000, Nimbus: total * 125 / 1000, Stratus: total * 300 / 1000}
	return total / 2, node
}

// mineFirst makes the first block. Its coinbase holds everything the devnet
// starts with: collaterals, the faucet, the wallet and endowments.
func (c *Chain) mineFirst(time int64, endow map[string]int64) error {
	const faucetOutputs, faucetAmount = 20, 50_000 * coin
	var out []txOut
	for range faucetOutputs {
		out = append(out, txOut{faucetAmount, c.faucet.script})
	}
	out = append(out, txOut{2000 * coin, c.wallet.receive.script})
	for _, k := range c.citizens {
		out = append(out, txOut{500 * coin, k.script})
	}
	collaterals := len(out)
	for _, n := range c.nodes.all {
		out = append(out, txOut{n.tier.collateral(), n.owner.script})
	}
	for _, address := range slices.Sorted(maps.Keys(endow)) {
		script, err := addressScript(address)
		if err != nil {
			return err
		}
		out = append(out, txOut{endow[address], script})
	}
	t := c.coinbase(c.first, out)
	for i, n := range c.nodes.all {
		n.collateral = outPoint{t.id, uint32(collaterals + i)}
		c.nodes.byCollateral[n.collateral] = n
	}
	seed := c.random(hash{}, "first")
	b := &block{height: c.first, time: time, txs: []*tx{t}, solution: c.solution(seed)}
	if c.first > 0 {
		b.prev = seed // a block that was pruned
	}
	b.mine(c.sapling)
	return c.connect(b)
}

// solution fills the 52 bytes where the real chain proves its work.
func (c *Chain) solution(after hash) []byte {
	a, b := c.random(after, "solution"), c.random(after, "solution2")
	return append(a[:], b[:20]...)
}

// coinbase pays out; the script carries height and branch, so that no two
// are alike.
func (c *Chain) coinbase(height int64, out []txOut) *tx {
	script := appendPush(nil, scriptInteger(height))
	script = appendPush(script, binary.LittleEndian.AppendUint32([]byte("devnet"), c.branch))
	t := &tx{Version: saplingVersion, Out: out, In: []txIn{{
		Prev: outPoint{Index: 0xffffffff}, Script: script, Sequence: 0xffffffff,
	}}}
	return t.seal()
}

// scriptInteger is the shortest little-endian form of a number, 0 or more.
func scriptInteger(n int64) []byte {
	var b []byte
	for ; n > 0; n >>= 8 {
		b = append(b, byte(n))
	}
	if len(b) > 0 && b[len(b)-1]&0x80 != 0 {
		b = append(b, 0)
	}
	return b
}

// mine adds one block with the mempool, this block's FluxNode transactions
// and a little traffic between the devnet's citizens.
func (c *Chain) mine(time int64) error {
	height := c.height() + 1
	if err := c.traffic(height); err != nil {
		return err
	}
	txs := []*tx{nil} // the coinbase, made last
	var fees int64
	for _, m := range c.pool.takeAll(height) {
		txs = append(txs, m.tx)
		fees += m.fee
	}
	txs = append(txs, c.nodeTxs(height, time)...)
	miner, perTier := subsidy(height)
	out := []txOut{{miner + fees, c.miner.script}}
	for _, t := range tiers() {
		if queue := c.nodes.queue(t, height-1); len(queue) > 0 {
			out = append(out, txOut{perTier[t], queue[0].payScript})
		}
	}
	txs[0] = c.coinbase(height, out)
	b := &block{height: height, time: time, prev: c.tip().hash, txs: txs, solution: c.solution(c.tip().hash)}
	b.mine(c.sapling)
	if err := c.connect(b); err != nil {
		return fmt.Errorf("connect block %d: %w", height, err)
	}
	return nil
}

// nodeTxs are the start and confirm transactions due at a height.
func (c *Chain) nodeTxs(height, time int64) []*tx {
	var out []*tx
	for i, n := range c.nodes.all {
		switch above := height - c.first; {
		case above == startsAt:
			out = append(out, n.startTx(time))
		case n.expired:
		case above == confirmsAt, above > confirmEvery && (above+int64(i)*7)%confirmEvery == 0:
			out = append(out, n.confirmTx(time, c.bench))
		}
	}
	return out
}

// traffic puts a payment between two citizens into the mempool on one block
// in three; one in four of them carries a message.
func (c *Chain) traffic(height int64) error {
	r := c.random(c.tip().hash, "traffic")
	if r[0]%3 != 0 {
		return nil
	}
	from, to := c.citizens[r[1]%4], c.citizens[r[2]%4]
	coins := c.spendable([][]byte{from.script}, false)
	if len(coins) == 0 {
		return nil
	}
	coins = coins[:min(2, len(coins))]
	var total int64
	for _, u := range coins {
		total += u.Value
	}
	share := total / 256 * (1 + int64(r[3])/2)
	if share < smallestTraffic {
		return nil
	}
	out := []txOut{{share, to.script}, {total - share - leastFee, from.script}}
	if r[4]%4 == 0 {
		out = append(out, txOut{0, messageScript(fmt.Appendf(nil, "devnet %d", height))})
	}
	t, err := c.build(coins, out, map[string]*key{string(from.script): from}, uint32(height+expiryBlocks))
	if err != nil {
		return err
	}
	c.pool.add(&memTx{tx: t, fee: leastFee, time: c.tip().time, height: height - 1})
	return nil
}
