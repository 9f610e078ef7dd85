package devnet

import (
	"cmp"
	"fmt"
	"slices"
)

const (
	leastFee        = 1000 // satoshi of a transaction this package builds
	smallestTraffic = 100 * leastFee
	expiryBlocks    = 20 // how long a transaction built here may wait
	relayFeePerKB   = 100
	highFee         = coin / 10 // refused unless the caller allows it
)

// memTx is a transaction waiting for a block.
type memTx struct {
	tx     *tx
	fee    int64
	time   int64 // Unix seconds of its arrival
	height int64 // of the tip then
}

// mempool keeps arrival order, so that parents come before children.
type mempool struct {
	list   []*memTx
	byID   map[hash]*memTx
	spends map[outPoint]*memTx
}

func newMempool() *mempool {
	return &mempool{byID: make(map[hash]*memTx), spends: make(map[outPoint]*memTx)}
}

func (p *mempool) add(m *memTx) {
	p.list = append(p.list, m)
	p.byID[m.tx.id] = m
	for _, in := range m.tx.In {
		p.spends[in.Prev] = m
	}
}

// takeAll empties the pool and returns what may be mined at height: not the
// expired, nor what spends from them.
func (p *mempool) takeAll(height int64) []*memTx {
	dropped := make(map[hash]bool)
	var out []*memTx
	for _, m := range p.list {
		drop := m.tx.Expiry > 0 && int64(m.tx.Expiry) < height
		for _, in := range m.tx.In {
			drop = drop || dropped[in.Prev.Hash]
		}
		if drop {
			dropped[m.tx.id] = true
			continue
		}
		out = append(out, m)
	}
	*p = *newMempool()
	return out
}

func (p *mempool) bytes() int {
	n := 0
	for _, m := range p.list {
		n += m.tx.size
	}
	return n
}

// coin is an output that the next block may spend: of the chain or of the
// mempool.
func (c *Chain) coin(op outPoint) (unspent, bool) {
	if u, ok := c.coins[op]; ok {
		return u, true
	}
	m := c.pool.byID[op.Hash]
	if m == nil || int(op.Index) >= len(m.tx.Out) {
		return unspent{}, false
	}
	out := m.tx.Out[op.Index]
	if len(out.Script) > 0 && out.Script[0] == opReturn {
		return unspent{}, false
	}
	return unspent{outPoint: op, txOut: out, height: c.height() + 1}, true
}

// spendable lists mature outputs of the scripts that nothing in the mempool
// spends, oldest first; on demand with those of the mempool itself.
func (c *Chain) spendable(scripts [][]byte, waiting bool) []unspent {
	var out []unspent
	add := func(u unspent) {
		if c.pool.spends[u.outPoint] == nil && !c.wallet.locked[u.outPoint] && c.mature(u) {
			out = append(out, u)
		}
	}
	for _, s := range scripts {
		for _, u := range c.unspentOf(s) {
			add(u)
		}
		if !waiting {
			continue
		}
		for _, m := range c.pool.list {
			for n, o := range m.tx.Out {
				if slices.Equal(o.Script, s) {
					add(unspent{outPoint: outPoint{m.tx.id, uint32(n)}, txOut: o, height: c.height() + 1})
				}
			}
		}
	}
	slices.SortFunc(out, compareUnspent)
	return out
}

// refill puts transactions of blocks left behind before those that wait, and
// drops what no longer holds.
func (c *Chain) refill(back []*tx) {
	waiting := c.pool.list
	*c.pool = *newMempool()
	for _, t := range back {
		if fee, err := c.check(t, true); err == nil {
			c.pool.add(&memTx{tx: t, fee: fee, time: c.tip().time, height: c.height()})
		}
	}
	for _, m := range waiting {
		if _, err := c.check(m.tx, true); err == nil {
			c.pool.add(m)
		}
	}
}

// check decides whether a transaction may enter the mempool and returns its
// fee in satoshi. trusted leaves out the signatures: of transactions checked
// before, and of those this package made.
func (c *Chain) check(t *tx, trusted bool) (int64, error) {
	if _, ok := c.txs[t.id]; ok {
		return 0, &RPCError{codeInChain, "transaction already in block chain"}
	}
	switch {
	case t.Version != saplingVersion:
		return 0, reject("version: devnet relays transparent version 4 transactions")
	case t.Shielded != nil:
		return 0, reject("shielded: devnet relays transparent transactions only")
	case len(t.In) == 0:
		return 0, reject("bad-txns-vin-empty")
	case len(t.Out) == 0:
		return 0, reject("bad-txns-vout-empty")
	case t.isCoinbase():
		return 0, reject("coinbase")
	case t.Expiry > 0 && int64(t.Expiry) <= c.height():
		return 0, reject("tx-overwinter-expired")
	}
	out, err := checkOutputs(t)
	if err != nil {
		return 0, err
	}
	if !c.final(t) {
		return 0, reject("non-final")
	}
	var in int64
	seen := make(map[outPoint]bool)
	for i, input := range t.In {
		if seen[input.Prev] {
			return 0, reject("bad-txns-inputs-duplicate")
		}
		seen[input.Prev] = true
		if c.pool.spends[input.Prev] != nil {
			return 0, reject("txn-mempool-conflict")
		}
		u, ok := c.coin(input.Prev)
		if !ok {
			return 0, &RPCError{codeMissingInputs, "Missing inputs"}
		}
		if !c.mature(u) {
			return 0, reject("bad-txns-premature-spend-of-coinbase")
		}
		if !trusted {
			if err := t.verifyInput(i, u.txOut); err != nil {
				return 0, reject(fmt.Sprintf("mandatory-script-verify-flag-failed (%v)", err))
			}
		}
		in += u.Value
	}
	if in < out {
		return 0, reject("bad-txns-in-belowout")
	}
	return in - out, nil
}

// checkOutputs returns their sum. Standard outputs pay a key or a script's
// hash, and one may carry a message.
func checkOutputs(t *tx) (int64, error) {
	var sum int64
	messages := 0
	for _, o := range t.Out {
		if o.Value < 0 || o.Value > maxMoney {
			return 0, reject("bad-txns-vout-toolarge")
		}
		if sum += o.Value; sum > maxMoney {
			return 0, reject("bad-txns-txouttotal-toolarge")
		}
		switch {
		case isKeyScript(o.Script), isHashScript(o.Script):
		case len(o.Script) > 0 && o.Script[0] == opReturn:
			if messages++; messages > 1 {
				return 0, reject("multi-op-return")
			}
			if len(o.Script) > maxMessage+3 {
				return 0, reject("scriptpubkey: an OP_RETURN output carries at most " + fmt.Sprint(maxMessage) + " bytes")
			}
		default:
			return 0, reject("scriptpubkey")
		}
	}
	return sum, nil
}

// final reports whether a transaction's lock time has passed.
func (c *Chain) final(t *tx) bool {
	const asTime = 500_000_000 // lock times from here on are Unix seconds
	limit := c.height() + 1
	if t.LockTime >= asTime {
		limit = c.tip().time
	}
	if int64(t.LockTime) < limit {
		return true
	}
	return !slices.ContainsFunc(t.In, func(in txIn) bool { return in.Sequence != 0xffffffff })
}

// accept checks a foreign transaction and puts it into the mempool.
func (c *Chain) accept(t *tx, allowHighFees bool) error {
	if c.pool.byID[t.id] != nil {
		return nil
	}
	fee, err := c.check(t, false)
	if err != nil {
		return err
	}
	if least := int64(t.size) * relayFeePerKB / 1000; fee < least {
		return reject("min relay fee not met")
	}
	if fee > highFee && !allowHighFees {
		return &RPCError{codeRejected, "256: absurdly-high-fee"}
	}
	c.pool.add(&memTx{tx: t, fee: fee, time: c.now().Unix(), height: c.height()})
	return nil
}

func reject(reason string) error { return &RPCError{codeRejected, "16: " + reason} }

// compareArrival orders mempool transactions by time, then id.
func compareArrival(a, b *memTx) int {
	return cmp.Or(cmp.Compare(a.time, b.time), cmp.Compare(a.tx.id.String(), b.tx.id.String()))
}
