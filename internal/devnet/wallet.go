package devnet

import (
	"strconv"
)

// keyPool is how many unused keys the wallet reports to hold ready.
const keyPool = 101

// keyring is the daemon's own keys. The chain's lock guards it. The key that
// holds the own node's collateral belongs to it but never pays by itself.
type keyring struct {
	seed       string
	made       int // keys derived by newKey so far
	keys       []*key
	labels     map[string]string // by output script
	scripts    map[string][]byte // redeem scripts by output script
	watch      map[string]bool   // watched output scripts
	locked     map[outPoint]bool
	feePerKB   int64 // satoshi; 0: the least fee
	receive    *key
	payout     *key
	change     *key
	collateral *key
}

func newKeyring(seed string) *keyring {
	w := &keyring{
		seed: seed, labels: make(map[string]string), scripts: make(map[string][]byte), watch: make(map[string]bool),
		locked: make(map[outPoint]bool), receive: deriveKey(seed, "wallet/receive"), payout: deriveKey(seed, "wallet/payout"),
		change: deriveKey(seed, "wallet/change"), collateral: deriveKey(seed, "wallet/collateral"),
	}
	for _, k := range []*key{w.receive, w.payout, w.change, w.collateral} {
		w.add(k, "")
	}
	return w
}

func (w *keyring) add(k *key, label string) {
	if w.byScript(k.script) == nil {
		w.keys = append(w.keys, k)
	}
	w.labels[string(k.script)] = label
}

// newKey derives the next address.
func (w *keyring) newKey() *key {
	k := deriveKey(w.seed, "wallet/new/"+strconv.Itoa(w.made))
	w.made++
	w.add(k, "")
	return k
}

func (w *keyring) byScript(script []byte) *key {
	for _, k := range w.keys {
		if string(k.script) == string(script) {
			return k
		}
	}
	return nil
}

// sources are the scripts a payment may draw on.
func (w *keyring) sources() [][]byte {
	var out [][]byte
	for _, k := range w.keys {
		if k != w.collateral {
			out = append(out, k.script)
		}
	}
	return out
}

// fee in satoshi of a transaction with so many inputs and outputs.
func (w *keyring) fee(inputs, outputs int) int64 {
	const in, out, rest = 148, 34, 30 // bytes
	return max(leastFee, w.feePerKB*int64(inputs*in+outputs*out+rest)/1000)
}

// balances of the wallet in satoshi: with enough confirmations, waiting in
// the mempool, and of coinbases that are not mature.
func (c *Chain) balances(minConf int64) (confirmed, waiting, immature int64) {
	for _, k := range c.wallet.keys {
		for _, u := range c.unspentOf(k.script) {
			switch {
			case !c.mature(u):
				immature += u.Value
			case c.pool.spends[u.outPoint] != nil:
			case c.height()-u.height+1 >= minConf:
				confirmed += u.Value
			}
		}
	}
	for _, m := range c.pool.list {
		for n, o := range m.tx.Out {
			if c.wallet.byScript(o.Script) != nil && c.pool.spends[outPoint{m.tx.id, uint32(n)}] == nil {
				waiting += o.Value
			}
		}
	}
	if minConf <= 0 {
		confirmed += waiting
	}
	return confirmed, waiting, immature
}

// walletTx is a transaction that touches the wallet; a nil block means the
// mempool.
type walletTx struct {
	tx    *tx
	block *block
	index int
	time  int64
}

// walletTxs lists them, oldest first.
func (c *Chain) walletTxs() []walletTx {
	var scripts []indexed
	for _, k := range c.wallet.keys {
		scripts = append(scripts, indexed{script: k.script})
	}
	var out []walletTx
	seen := make(map[hash]bool)
	for _, d := range c.deltasOf(scripts, 0, c.height()) {
		if p := d.place; !seen[p.tx.id] {
			seen[p.tx.id] = true
			out = append(out, walletTx{p.tx, p.block, p.index, p.block.time})
		}
	}
	sortWalletTxs(out)
	for _, m := range c.pool.list {
		if _, mine := c.fromWallet(m.tx); mine || c.toWallet(m.tx) {
			out = append(out, walletTx{m.tx, nil, 0, m.time})
		}
	}
	return out
}

// fromWallet is what the wallet pays for a transaction's inputs.
func (c *Chain) fromWallet(t *tx) (sum int64, mine bool) {
	for _, in := range t.In {
		out, ok := c.spentOutput(in)
		if u, waiting := c.coin(in.Prev); !ok && waiting {
			out, ok = u.txOut, true
		}
		if ok && c.wallet.byScript(out.Script) != nil {
			sum, mine = sum+out.Value, true
		}
	}
	return sum, mine
}

func (c *Chain) toWallet(t *tx) bool {
	for _, o := range t.Out {
		if c.wallet.byScript(o.Script) != nil {
			return true
		}
	}
	return false
}

// details are the wallet's view of a transaction: what was sent, without the
// change, and what was received.
func (c *Chain) details(w walletTx) []object {
	paid, sending := c.fromWallet(w.tx)
	var total int64
	for _, o := range w.tx.Out {
		total += o.Value
	}
	out := []object{}
	for n, o := range w.tx.Out {
		mine := c.wallet.byScript(o.Script)
		if sending && mine == c.wallet.change || !sending && mine == nil || o.Value == 0 {
			continue
		}
		base := func(category string, v int64) object {
			return object{"account": "", "address": scriptAddress(o.Script), "category": category, "amount": amount(v), "vout": n, "size": w.tx.size}
		}
		if sending {
			e := base("send", -o.Value)
			e["fee"] = amount(total - paid)
			out = append(out, e)
		}
		if mine != nil {
			out = append(out, base(c.category(w), o.Value))
		}
	}
	return out
}

func (c *Chain) category(w walletTx) string {
	switch {
	case !w.tx.isCoinbase():
		return "receive"
	case w.block != nil && w.block.height != c.first && c.confirmations(w.block) < coinbaseDepth:
		return "immature"
	}
	return "generate"
}

// placement is what every wallet entry says about its transaction.
func (c *Chain) placement(w walletTx) object {
	o := object{"confirmations": 0, "expiryheight": w.tx.Expiry, "txid": w.tx.id, "walletconflicts": []string{}, "time": w.time,
		"timereceived": w.time, "vJoinSplit": []object{}}
	if w.tx.isCoinbase() {
		o["generated"] = true
	}
	if w.block != nil {
		o["confirmations"], o["blockhash"], o["blockindex"], o["blocktime"] = c.confirmations(w.block), w.block.hash, w.index, w.block.time
	}
	return o
}
