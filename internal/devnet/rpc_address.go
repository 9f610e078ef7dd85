package devnet

import (
	"cmp"
	"encoding/hex"
	"slices"
)

// addressCommands read the address index.
func addressCommands() map[string]*command {
	const list, window = `{"addresses":["address",…]}`, `{"addresses":["address",…] ( ,"start":height,"end":height,"chainInfo":bool )}`
	return inGroup("Addressindex", map[string]*command{
		"getaddresstxids":   {min: 1, max: 1, args: window, run: (*Chain).rpcAddressTxIDs, about: "Ids of the transactions of addresses, oldest first."},
		"getaddressbalance": {min: 1, max: 1, args: list, run: (*Chain).rpcAddressBalance, about: "Balance of addresses and what they ever received, in satoshi."},
		"getaddressdeltas":  {min: 1, max: 1, args: window, run: (*Chain).rpcAddressDeltas, about: "All balance changes of addresses; start and end come together."},
		"getaddressutxos":   {min: 1, max: 1, args: `{"addresses":["address",…] ( ,"chainInfo":bool )}`, run: (*Chain).rpcAddressUTXOs, about: "Unspent outputs of addresses, lowest height first."},
		"getaddressmempool": {min: 1, max: 1, args: list, run: (*Chain).rpcAddressMempool, about: "Balance changes of addresses that wait in the mempool."},
		"getspentinfo":      {min: 1, max: 1, args: `{"txid":"id","index":n}`, run: (*Chain).rpcSpentInfo, about: "The transaction and input that spent an output."},
	})
}

// addressQuery is the object argument of the address calls; a bare address
// text is allowed as well.
type addressQuery struct {
	Addresses []string `json:"addresses"`
	Start     int64    `json:"start"`
	End       int64    `json:"end"`
	ChainInfo any      `json:"chainInfo"` // true or its text
}

// indexed is one address of a query.
type indexed struct {
	address string
	script  []byte
}

func (p params) addresses() (addressQuery, []indexed, error) {
	var q addressQuery
	if one, err := p.str(0, ""); err == nil {
		q.Addresses = []string{one}
	} else if q, err = value(p, 0, addressQuery{}, "an object with addresses"); err != nil {
		return q, nil, err
	}
	if len(q.Addresses) == 0 {
		return q, nil, &RPCError{codeAddress, "Addresses is expected to be an array"}
	}
	var out []indexed
	for _, a := range q.Addresses {
		script, err := addressScript(a)
		if err != nil {
			return q, nil, &RPCError{codeAddress, "Invalid address"}
		}
		out = append(out, indexed{a, script})
	}
	return q, out, nil
}

// window narrows heights when start and end are both above 0.
func (q addressQuery) window() (from, to int64, err error) {
	if q.Start == 0 && q.End == 0 {
		return 0, 1<<62 - 1, nil
	}
	if q.Start <= 0 || q.End <= 0 {
		return 0, 0, &RPCError{codeAddress, "Start and end is expected to be greater than zero"}
	}
	if q.End < q.Start {
		return 0, 0, &RPCError{codeAddress, "End value is expected to be greater than start"}
	}
	return q.Start, q.End, nil
}

// chainInfo accepts true and "true", which clients send alike.
func (q addressQuery) chainInfo() bool { return q.ChainInfo == true || q.ChainInfo == "true" }

// foundDelta is a change with the address it belongs to.
type foundDelta struct {
	delta
	address string
}

func (c *Chain) deltasOf(list []indexed, from, to int64) []foundDelta {
	out := []foundDelta{}
	for _, a := range list {
		for _, d := range c.deltas[string(a.script)] {
			if h := d.place.block.height; h >= from && h <= to {
				out = append(out, foundDelta{d, a.address})
			}
		}
	}
	return out
}

// deltasAsked are the changes that a query asks for: of its addresses, within
// its window of heights.
func (c *Chain) deltasAsked(p params) (addressQuery, []foundDelta, error) {
	q, list, err := p.addresses()
	if err != nil {
		return q, nil, err
	}
	from, to, err := q.window()
	if err != nil {
		return q, nil, err
	}
	return q, c.deltasOf(list, from, to), nil
}

func (c *Chain) rpcAddressTxIDs(p params) (any, error) {
	_, found, err := c.deltasAsked(p)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b foundDelta) int {
		return cmp.Or(cmp.Compare(a.place.block.height, b.place.block.height), cmp.Compare(a.place.index, b.place.index))
	})
	ids, last := []hash{}, hash{}
	for _, d := range found {
		if d.place.tx.id != last {
			last = d.place.tx.id
			ids = append(ids, last)
		}
	}
	return ids, nil
}

func (c *Chain) rpcAddressBalance(p params) (any, error) {
	_, list, err := p.addresses()
	if err != nil {
		return nil, err
	}
	var balance, received int64
	for _, d := range c.deltasOf(list, 0, c.height()) {
		balance += d.value
		received += max(0, d.value)
	}
	return object{"balance": balance, "received": received}, nil
}

func (c *Chain) rpcAddressDeltas(p params) (any, error) {
	q, found, err := c.deltasAsked(p)
	if err != nil {
		return nil, err
	}
	out := []object{}
	for _, d := range found {
		out = append(out, object{"satoshis": d.value, "txid": d.place.tx.id, "index": d.n, "blockindex": d.place.index,
			"height": d.place.block.height, "address": d.address})
	}
	if !q.chainInfo() || q.Start == 0 {
		return out, nil
	}
	edge := func(h int64) (object, error) {
		b, err := c.blockAt(h)
		if err != nil {
			return nil, &RPCError{codeAddress, "Start or end is outside chain range"}
		}
		return object{"hash": b.hash, "height": b.height}, nil
	}
	start, err := edge(q.Start)
	if err != nil {
		return nil, err
	}
	end, err := edge(q.End)
	if err != nil {
		return nil, err
	}
	return object{"deltas": out, "start": start, "end": end}, nil
}

func (c *Chain) rpcAddressUTXOs(p params) (any, error) {
	q, list, err := p.addresses()
	if err != nil {
		return nil, err
	}
	var found []unspent
	for _, a := range list {
		found = append(found, c.unspentOf(a.script)...)
	}
	slices.SortStableFunc(found, func(a, b unspent) int { return cmp.Compare(a.height, b.height) })
	out := []object{}
	for _, u := range found {
		out = append(out, object{"address": scriptAddress(u.Script), "txid": u.Hash, "outputIndex": u.Index,
			"script": hex.EncodeToString(u.Script), "satoshis": u.Value, "height": u.height})
	}
	if q.chainInfo() {
		return object{"utxos": out, "hash": c.tip().hash, "height": c.height()}, nil
	}
	return out, nil
}

func (c *Chain) rpcAddressMempool(p params) (any, error) {
	_, list, err := p.addresses()
	if err != nil {
		return nil, err
	}
	waiting := slices.Clone(c.pool.list)
	slices.SortFunc(waiting, compareArrival)
	out := []object{}
	for _, m := range waiting {
		for _, a := range list {
			out = append(out, c.waitingDeltas(m, a)...)
		}
	}
	return out, nil
}

func (c *Chain) waitingDeltas(m *memTx, a indexed) []object {
	var out []object
	for n, in := range m.tx.In {
		u, ok := c.coin(in.Prev)
		if ok && slices.Equal(u.Script, a.script) {
			out = append(out, object{"address": a.address, "txid": m.tx.id, "index": n, "satoshis": -u.Value, "timestamp": m.time,
				"prevtxid": in.Prev.Hash, "prevout": in.Prev.Index})
		}
	}
	for n, o := range m.tx.Out {
		if slices.Equal(o.Script, a.script) {
			out = append(out, object{"address": a.address, "txid": m.tx.id, "index": n, "satoshis": o.Value, "timestamp": m.time})
		}
	}
	return out
}

func (c *Chain) rpcSpentInfo(p params) (any, error) {
	q, err := value(p, 0, struct {
		TxID  *string `json:"txid"`
		Index *uint32 `json:"index"`
	}{}, "an object with txid and index")
	if err != nil {
		return nil, err
	}
	if q.TxID == nil || q.Index == nil {
		return nil, &RPCError{codeAddress, "Invalid txid or index: want {\"txid\":\"id\",\"index\":n}"}
	}
	id, err := parseHash(*q.TxID)
	if err != nil {
		return nil, &RPCError{codeAddress, err.Error()}
	}
	s, ok := c.spent[outPoint{id, *q.Index}]
	if !ok {
		return nil, &RPCError{codeAddress, "Unable to get spent info"}
	}
	return object{"txid": s.place.tx.id, "index": s.input, "height": s.place.block.height}, nil
}
