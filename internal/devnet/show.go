package devnet

import (
	"encoding/hex"
	"fmt"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// txObject shows a transaction. Connected ones also show what their inputs
// spend and who spends their outputs, as an address-indexing daemon does.
func (c *Chain) txObject(t *tx) object {
	o := object{"txid": t.id, "version": t.Version}
	if t.Node != nil {
		for k, v := range t.Node.object() {
			o[k] = v
		}
		return o
	}
	o["overwintered"] = t.Version == saplingVersion
	if t.Version == saplingVersion {
		o["versiongroupid"] = fmt.Sprintf("%08x", saplingVersionGroup)
		o["expiryheight"] = t.Expiry
	}
	o["locktime"] = t.LockTime
	in := make([]object, len(t.In))
	for i := range t.In {
		in[i] = c.inputObject(t, t.In[i])
	}
	out := make([]object, len(t.Out))
	for i := range t.Out {
		out[i] = c.outputObject(t, i)
	}
	o["vin"], o["vout"], o["vJoinSplit"] = in, out, []object{}
	if t.Version == saplingVersion {
		s := t.Shielded
		if s == nil {
			s = new(shielded)
		}
		o["vJoinSplit"] = opaque(s.JoinSplits)
		o["valueBalance"], o["valueBalanceZat"] = amount(s.ValueBalance), s.ValueBalance
		o["vShieldedSpend"], o["vShieldedOutput"] = opaque(s.Spends), opaque(s.Outputs)
		if s.BindingSig != nil {
			o["bindingSig"] = hex.EncodeToString(s.BindingSig)
		}
	}
	return o
}

// opaque shows shielded parts as they are on the wire.
func opaque(list [][]byte) []object {
	out := make([]object, len(list))
	for i, raw := range list {
		out[i] = object{"hex": hex.EncodeToString(raw)}
	}
	return out
}

func (c *Chain) inputObject(t *tx, in txIn) object {
	if t.isCoinbase() {
		return object{"coinbase": hex.EncodeToString(in.Script), "sequence": in.Sequence}
	}
	o := object{
		"txid": in.Prev.Hash, "vout": in.Prev.Index, "sequence": in.Sequence,
		"scriptSig": object{"asm": scriptASM(in.Script, true), "hex": hex.EncodeToString(in.Script)},
	}
	out, ok := c.spentOutput(in)
	if m := c.pool.byID[in.Prev.Hash]; !ok && m != nil && int(in.Prev.Index) < len(m.tx.Out) {
		out, ok = m.tx.Out[in.Prev.Index], true
	}
	if ok {
		o["value"], o["valueSat"] = amount(out.Value), out.Value
		if a := scriptAddress(out.Script); a != "" {
			o["address"] = a
		}
	}
	return o
}

func (c *Chain) outputObject(t *tx, n int) object {
	out := t.Out[n]
	o := object{
		"value": amount(out.Value), "valueZat": out.Value, "valueSat": out.Value, "n": n,
		"scriptPubKey": scriptObject(out.Script, true),
	}
	if s, ok := c.spent[outPoint{t.id, uint32(n)}]; ok {
		o["spentTxId"], o["spentIndex"], o["spentHeight"] = s.place.tx.id, s.input, s.place.block.height
	}
	return o
}

// scriptObject shows an output script, its hex form on demand.
func scriptObject(s []byte, withHex bool) object {
	o := object{"asm": scriptASM(s, false), "type": "nonstandard"}
	if withHex {
		o["hex"] = hex.EncodeToString(s)
	}
	if a := scriptAddress(s); a != "" {
		o["reqSigs"], o["addresses"], o["type"] = 1, []string{a}, "pubkeyhash"
		if isHashScript(s) {
			o["type"] = "scripthash"
		}
		return o
	}
	if m, keys, ok := multisig(s); ok {
		var addresses []string
		for _, k := range keys {
			addresses = append(addresses, encodeAddress(wallet.VersionFluxPubKeyHash, wallet.Sum160(k)))
		}
		o["reqSigs"], o["addresses"], o["type"] = m, addresses, "multisig"
	}
	if len(s) > 0 && s[0] == opReturn {
		o["type"] = "nulldata"
	}
	return o
}

// confirmations of a block: 1 at the tip, -1 off the active chain.
func (c *Chain) confirmations(b *block) int64 {
	if !c.active(b) {
		return -1
	}
	return c.height() - b.height + 1
}

// placedObject is a transaction with the block it is in; nil: the mempool.
func (c *Chain) placedObject(t *tx, b *block) object {
	o := c.txObject(t)
	o["hex"] = hex.EncodeToString(t.encode(true))
	if b == nil {
		o["height"], o["confirmations"] = -1, 0
		return o
	}
	o["blockhash"], o["confirmations"], o["time"], o["blocktime"] = b.hash, c.confirmations(b), b.time, b.time
	o["height"] = b.height
	if !c.active(b) {
		o["height"] = -1
	}
	return o
}

// chainwork is the sum of work up to a height, as 64 hex digits.
func chainwork(height int64) string { return fmt.Sprintf("%064x", workPerBlock*(height+1)) }

// headerObject is what getblock and getblockheader share.
func (c *Chain) headerObject(b *block) object {
	o := object{
		"hash": b.hash, "confirmations": c.confirmations(b), "height": b.height, "version": blockVersion,
		"merkleroot": b.merkle, "finalsaplingroot": c.sapling, "time": b.time, "nonce": hash(b.nonce),
		"solution": hex.EncodeToString(b.solution), "bits": fmt.Sprintf("%08x", blockBits), "difficulty": difficulty,
		"chainwork": chainwork(b.height),
	}
	if b.height > 0 {
		o["previousblockhash"] = b.prev
	}
	if next := c.at(b.height + 1); next != nil && c.active(b) {
		o["nextblockhash"] = next.hash
	}
	return o
}

// valuePools are the shielded pools: empty, with changes in a block on demand.
func valuePools(deltas bool) []object {
	var out []object
	for _, id := range []string{"sprout", "sapling"} {
		o := object{"id": id, "monitored": true, "chainValue": amount(0), "chainValueZat": 0}
		if deltas {
			o["valueDelta"], o["valueDeltaZat"] = amount(0), 0
		}
		out = append(out, o)
	}
	return out
}

// encode gives the wire bytes of the whole block.
func (b *block) encode(sapling hash) []byte {
	raw := appendCount(b.header(sapling), len(b.txs))
	for _, t := range b.txs {
		raw = append(raw, t.encode(true)...)
	}
	return raw
}
