package devnet

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
)

// Fixed header figures. The target is the easiest of this family of chains,
// so that a block takes about 17 attempts.
const (
	blockVersion  = 4
	blockBits     = 0x200f0f0f
	workPerBlock  = 17
	difficulty    = 1.0
	saplingRoot   = "3e49b5f954aa9d3545bc6c37744661eea48d7c34e3000d82b7f0010c30f4c2fb" // of an empty tree
	sproutAnchor  = "59d2cde5e65c1414c32ba54f0fe4bdb3d67618125286e6a191317917c812c6d7" // of an empty tree
	coinbaseDepth = 100                                                                // confirmations before a coinbase can be spent
)

// block is one block of the active chain or of a branch left behind. It does
// not change once it has been mined.
type block struct {
	height   int64
	time     int64 // Unix seconds
	prev     hash
	merkle   hash
	nonce    [32]byte
	solution []byte
	txs      []*tx
	hash     hash
	size     int
}

// header gives the wire bytes that are hashed.
func (b *block) header(sapling hash) []byte {
	le := binary.LittleEndian
	h := le.AppendUint32(make([]byte, 0, 200), blockVersion)
	h = append(h, b.prev[:]...)
	h = append(h, b.merkle[:]...)
	h = append(h, sapling[:]...)
	h = le.AppendUint32(h, uint32(b.time))
	h = le.AppendUint32(h, blockBits)
	h = append(h, b.nonce[:]...)
	return appendBytes(h, b.solution)
}

// mine finds a nonce whose hash meets the target and fills in the rest.
func (b *block) mine(sapling hash) {
	const nonceAt = 4 + 3*32 + 4 + 4
	ids := make([]hash, len(b.txs))
	for i, t := range b.txs {
		ids[i] = t.id
	}
	b.merkle = merkleRoot(ids)
	raw := b.header(sapling)
	for n := uint32(0); ; n++ {
		binary.LittleEndian.PutUint32(raw[nonceAt:], n)
		b.hash = sha256d(raw)
		if meetsTarget(b.hash) {
			break
		}
	}
	copy(b.nonce[:], raw[nonceAt:])
	b.size = len(raw) + len(appendCount(nil, len(b.txs)))
	for _, t := range b.txs {
		b.size += t.size
	}
}

// meetsTarget compares with the target of blockBits, 0f0f0f followed by zeros.
func meetsTarget(h hash) bool {
	top := uint32(h[31])<<16 | uint32(h[30])<<8 | uint32(h[29])
	return top < blockBits&0xffffff
}

// merkleRoot hashes pairs upwards; an odd one is paired with itself.
func merkleRoot(level []hash) hash {
	level = slices.Clone(level)
	for len(level) > 1 {
		var up []hash
		for i := 0; i < len(level); i += 2 {
			right := level[min(i+1, len(level)-1)]
			up = append(up, sha256d(slices.Concat(level[i][:], right[:])))
		}
		level = up
	}
	return level[0]
}

// place is where a transaction sits on the active chain.
type place struct {
	tx    *tx
	block *block
	index int
}

// unspent is an output that may be spent.
type unspent struct {
	outPoint
	txOut
	height   int64 // of its block; for the mempool, the next height
	coinbase bool
	first    bool // in the chain's first block, whose coinbase is mature at once
}

// spend names the input that consumed an output.
type spend struct {
	place *place
	input int
}

// delta is one change of an output script's balance.
type delta struct {
	place *place
	n     int // number of the output, or of the input when spending
	spend bool
	value int64 // satoshi, negative when spending
}

// ledger is the active chain with its indexes. Connecting and disconnecting
// a block are exact opposites. It has no lock of its own.
type ledger struct {
	first   int64 // height of blocks[0]
	sapling hash
	blocks  []*block
	byHash  map[hash]*block // also blocks of branches left behind
	txs     map[hash]*place
	coins   map[outPoint]unspent
	spent   map[outPoint]spend
	deltas  map[string][]delta // by output script, oldest first
	nodes   *nodeList
}

func newLedger(first int64, nodes *nodeList) (*ledger, error) {
	root, err := parseHash(saplingRoot)
	if err != nil {
		return nil, err
	}
	return &ledger{
		first: first, sapling: root, nodes: nodes,
		byHash: make(map[hash]*block), txs: make(map[hash]*place), coins: make(map[outPoint]unspent),
		spent: make(map[outPoint]spend), deltas: make(map[string][]delta),
	}, nil
}

func (l *ledger) tip() *block { return l.blocks[len(l.blocks)-1] }

// height is the tip's; one below the first before there is a block.
func (l *ledger) height() int64 { return l.first + int64(len(l.blocks)) - 1 }

// at is the active block of a height, nil outside the chain.
func (l *ledger) at(height int64) *block {
	if height < l.first || height > l.height() {
		return nil
	}
	return l.blocks[height-l.first]
}

// active reports whether a known block is on the active chain.
func (l *ledger) active(b *block) bool { return l.at(b.height) == b }

// spentOutput is the output an input of a connected transaction consumed.
func (l *ledger) spentOutput(in txIn) (txOut, bool) {
	p := l.txs[in.Prev.Hash]
	if p == nil || int(in.Prev.Index) >= len(p.tx.Out) {
		return txOut{}, false
	}
	return p.tx.Out[in.Prev.Index], true
}

// connect appends a block. A block that spends what isn't there is an error
// of this package; nothing is changed then.
func (l *ledger) connect(b *block) error {
	if len(l.blocks) > 0 && b.prev != l.tip().hash || b.height != l.height()+1 {
		return fmt.Errorf("block %d does not follow the tip at %d", b.height, l.height())
	}
	made := make(map[outPoint]bool)
	used := make(map[outPoint]bool)
	for _, t := range b.txs {
		for _, in := range t.In {
			_, known := l.coins[in.Prev]
			if !t.isCoinbase() && (used[in.Prev] || !known && !made[in.Prev]) {
				return fmt.Errorf("transaction %s spends %s, which is not unspent", t.id, in.Prev)
			}
			used[in.Prev] = true
		}
		for n := range t.Out {
			made[outPoint{t.id, uint32(n)}] = true
		}
	}
	for i, t := range b.txs {
		l.connectTx(&place{tx: t, block: b, index: i})
	}
	l.blocks = append(l.blocks, b)
	l.byHash[b.hash] = b
	return nil
}

func (l *ledger) connectTx(p *place) {
	t := p.tx
	l.txs[t.id] = p
	if t.Node != nil {
		l.nodes.connect(t, p.block)
		return
	}
	if !t.isCoinbase() {
		for i, in := range t.In {
			out := l.coins[in.Prev].txOut
			delete(l.coins, in.Prev)
			l.spent[in.Prev] = spend{p, i}
			l.addDelta(out.Script, delta{p, i, true, -out.Value})
		}
	} else {
		l.nodes.pay(t, p.block)
	}
	for n, out := range t.Out {
		op := outPoint{t.id, uint32(n)}
		if len(out.Script) > 0 && out.Script[0] == opReturn {
			continue
		}
		l.coins[op] = unspent{op, out, p.block.height, t.isCoinbase(), p.block.height == l.first}
		l.addDelta(out.Script, delta{p, n, false, out.Value})
	}
}

func (l *ledger) addDelta(script []byte, d delta) {
	l.deltas[string(script)] = append(l.deltas[string(script)], d)
}

func (l *ledger) dropDelta(script []byte) {
	list := l.deltas[string(script)]
	if len(list) == 1 {
		delete(l.deltas, string(script))
		return
	}
	l.deltas[string(script)] = list[:len(list)-1]
}

// disconnect takes the tip off; the block stays known by its hash.
func (l *ledger) disconnect() *block {
	b := l.tip()
	for _, t := range slices.Backward(b.txs) {
		l.disconnectTx(t, b)
	}
	l.blocks = l.blocks[:len(l.blocks)-1]
	return b
}

func (l *ledger) disconnectTx(t *tx, b *block) {
	delete(l.txs, t.id)
	if t.Node != nil {
		l.nodes.disconnect(t)
		return
	}
	for n, out := range slices.Backward(t.Out) {
		if len(out.Script) > 0 && out.Script[0] == opReturn {
			continue
		}
		delete(l.coins, outPoint{t.id, uint32(n)})
		l.dropDelta(out.Script)
	}
	if t.isCoinbase() {
		l.nodes.unpay(t)
		return
	}
	for _, in := range slices.Backward(t.In) {
		p := l.txs[in.Prev.Hash]
		out := p.tx.Out[in.Prev.Index]
		l.coins[in.Prev] = unspent{in.Prev, out, p.block.height, p.tx.isCoinbase(), p.block.height == l.first}
		delete(l.spent, in.Prev)
		l.dropDelta(out.Script)
	}
}

// unspentOf lists the unspent outputs of a script, oldest first.
func (l *ledger) unspentOf(script []byte) []unspent {
	var out []unspent
	for _, d := range l.deltas[string(script)] {
		if d.spend {
			continue
		}
		if u, ok := l.coins[outPoint{d.place.tx.id, uint32(d.n)}]; ok {
			out = append(out, u)
		}
	}
	return out
}

// mature reports whether an output may be spent in the next block.
func (l *ledger) mature(u unspent) bool {
	return !u.coinbase || u.first || l.height()+1-u.height >= coinbaseDepth
}

// compareUnspent orders by height, then by outpoint.
func compareUnspent(a, b unspent) int {
	return cmp.Or(cmp.Compare(a.height, b.height), bytes.Compare(a.Hash[:], b.Hash[:]), cmp.Compare(a.Index, b.Index))
}
