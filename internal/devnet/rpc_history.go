package devnet

import (
	"cmp"
	"encoding/hex"
	"maps"
	"slices"
)

// walletHistoryCommands show what happened to the wallet.
func walletHistoryCommands() map[string]*command {
	return inGroup("Wallet", map[string]*command{
		"listtransactions":      {max: 4, args: `( "*" count from includewatchonly )`, run: (*Chain).rpcListTransactions, about: "Latest transactions of the wallet, oldest first."},
		"listsinceblock":        {max: 3, args: `( "blockhash" target-confirmations includewatchonly )`, run: (*Chain).rpcListSince, about: "Transactions of the wallet after a block."},
		"gettransaction":        {min: 1, max: 2, args: `"txid" ( includewatchonly )`, run: (*Chain).rpcTransaction, about: "A transaction of the wallet."},
		"getreceivedbyaddress":  {min: 1, max: 2, args: `"address" ( minconf )`, run: (*Chain).rpcReceived, about: "What an address of the wallet ever received, in FLUX."},
		"listreceivedbyaddress": {max: 3, args: "( minconf includeempty includewatchonly )", run: (*Chain).rpcListReceived, about: "What each address of the wallet ever received."},
		"listaddressgroupings":  {run: (*Chain).rpcGroupings, about: "Addresses of the wallet that were spent together, with balances."},
	})
}

func sortWalletTxs(list []walletTx) {
	slices.SortStableFunc(list, func(a, b walletTx) int {
		return cmp.Or(cmp.Compare(a.block.height, b.block.height), cmp.Compare(a.index, b.index))
	})
}

// entries are the rows of a wallet transaction.
func (c *Chain) entries(w walletTx) []object {
	rows := c.details(w)
	for _, r := range rows {
		maps.Copy(r, c.placement(w))
	}
	return rows
}

func (c *Chain) rpcListTransactions(p params) (any, error) {
	if _, err := p.str(0, "*"); err != nil {
		return nil, err
	}
	count, err := p.integer(1, 10)
	if err != nil {
		return nil, err
	}
	skip, err := p.integer(2, 0)
	if err != nil {
		return nil, err
	}
	if count < 0 {
		return nil, &RPCError{codeParameter, "Negative count"}
	}
	if skip < 0 {
		return nil, &RPCError{codeParameter, "Negative from"}
	}
	all := []object{}
	for _, w := range c.walletTxs() {
		all = append(all, c.entries(w)...)
	}
	end := max(0, int64(len(all))-skip)
	return all[max(0, end-count):end], nil
}

func (c *Chain) rpcListSince(p params) (any, error) {
	name, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	target, err := p.integer(1, 1)
	if err != nil {
		return nil, err
	}
	if target < 1 {
		return nil, &RPCError{codeParameter, "Invalid parameter: target-confirmations must be 1 or more"}
	}
	after := c.first - 1
	if h, err := parseHash(name); err == nil && c.byHash[h] != nil {
		b := c.byHash[h]
		for !c.active(b) { // a block left behind: from where its branch began
			b = c.byHash[b.prev]
		}
		after = b.height
	}
	out := []object{}
	for _, w := range c.walletTxs() {
		if w.block == nil || w.block.height > after {
			out = append(out, c.entries(w)...)
		}
	}
	var last hash
	if b := c.at(c.height() - target + 1); b != nil {
		last = b.hash
	}
	return object{"transactions": out, "lastblock": last}, nil
}

func (c *Chain) rpcTransaction(p params) (any, error) {
	id, err := p.hash(0)
	if err != nil {
		return nil, err
	}
	for _, w := range c.walletTxs() {
		if w.tx.id != id {
			continue
		}
		o := c.placement(w)
		rows := c.details(w)
		paid, sending := c.fromWallet(w.tx)
		var back, total int64
		for _, out := range w.tx.Out {
			total += out.Value
			if c.wallet.byScript(out.Script) != nil {
				back += out.Value
			}
		}
		o["amount"] = amount(back - paid)
		if sending {
			o["amount"], o["fee"] = amount(back-paid+(paid-total)), amount(total-paid)
		}
		o["details"], o["hex"] = rows, hex.EncodeToString(w.tx.encode(true))
		return o, nil
	}
	return nil, &RPCError{codeAddress, "Invalid or non-wallet transaction id"}
}

// received sums what a script got, with the ids of those transactions.
func (c *Chain) received(script []byte, minConf int64) (sum, newest int64, ids []hash) {
	for _, d := range c.deltas[string(script)] {
		conf := c.confirmations(d.place.block)
		if d.spend || conf < minConf {
			continue
		}
		sum, newest = sum+d.value, conf
		if !slices.Contains(ids, d.place.tx.id) {
			ids = append(ids, d.place.tx.id)
		}
	}
	return sum, newest, ids
}

func (c *Chain) rpcReceived(p params) (any, error) {
	_, script, err := p.script(0)
	if err != nil {
		return nil, err
	}
	minConf, err := p.integer(1, 1)
	if err != nil {
		return nil, err
	}
	if c.wallet.byScript(script) == nil {
		return amount(0), nil
	}
	sum, _, _ := c.received(script, minConf)
	return amount(sum), nil
}

func (c *Chain) rpcListReceived(p params) (any, error) {
	minConf, err := p.integer(0, 1)
	if err != nil {
		return nil, err
	}
	empty, err := p.boolean(1, false)
	if err != nil {
		return nil, err
	}
	out := []object{}
	for _, k := range c.wallet.keys {
		sum, conf, ids := c.received(k.script, minConf)
		if len(ids) == 0 && !empty {
			continue
		}
		out = append(out, object{"involvesWatchonly": false, "address": k.address, "account": c.wallet.labels[string(k.script)],
			"amount": amount(sum), "confirmations": conf, "txids": append([]hash{}, ids...)})
	}
	return out, nil
}

func (c *Chain) rpcGroupings(params) (any, error) {
	leader := make(map[*key]*key) // the first key of a key's group
	for _, k := range c.wallet.keys {
		leader[k] = k
	}
	used := make(map[*key]bool)
	for _, w := range c.walletTxs() {
		var together []*key
		for _, in := range w.tx.In {
			if out, ok := c.spentOutput(in); ok {
				if k := c.wallet.byScript(out.Script); k != nil {
					together = append(together, k)
				}
			}
		}
		for _, o := range w.tx.Out {
			k := c.wallet.byScript(o.Script)
			if k == nil {
				continue
			}
			used[k] = true
			if len(together) > 0 && k == c.wallet.change {
				together = append(together, k)
			}
		}
		for _, k := range together {
			from, to := leader[k], leader[together[0]]
			for other, l := range leader {
				if l == from {
					leader[other] = to
				}
			}
		}
	}
	groups := [][]any{}
	at := make(map[*key]int)
	for _, k := range c.wallet.keys {
		if !used[k] {
			continue
		}
		var sum int64
		for _, u := range c.unspentOf(k.script) {
			sum += u.Value
		}
		l := leader[k]
		if _, ok := at[l]; !ok {
			at[l] = len(groups)
			groups = append(groups, nil)
		}
		groups[at[l]] = append(groups[at[l]], []any{k.address, amount(sum), c.wallet.labels[string(k.script)]})
	}
	return groups, nil
}
