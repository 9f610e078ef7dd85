package devnet

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// walletCommands show the wallet and manage its keys.
func walletCommands() map[string]*command {
	noFile := func(what, args string) *command {
		return &command{min: 1, max: 1, args: args, about: what + ": refused, the devnet has no files.", run: func(*Chain, params) (any, error) {
			return nil, &RPCError{codeWallet, what + " is refused: devnet reads and writes no files"}
		}}
	}
	newAddress := func(most int, about string) *command {
		return &command{max: most, about: about, run: func(c *Chain, _ params) (any, error) { return c.wallet.newKey().address, nil }}
	}
	return inGroup("Wallet", map[string]*command{
		"getbalance": {max: 3, args: `( "account" minconf includewatchonly )`, run: (*Chain).rpcBalance, about: "Balance of the wallet in FLUX."},
		"getunconfirmedbalance": {about: "What waits in the mempool for the wallet.", run: func(c *Chain, _ params) (any, error) {
			_, waiting, _ := c.balances(1)
			return amount(waiting), nil
		}},
		"getwalletinfo":       {run: (*Chain).rpcWalletInfo, about: "State of the wallet."},
		"getnewaddress":       newAddress(1, "A new address of the wallet."),
		"getrawchangeaddress": newAddress(0, "A new address of the wallet, for change."),
		"listunspent":         {max: 3, args: `( minconf maxconf ["address",…] )`, run: (*Chain).rpcListUnspent, about: "Unspent outputs of the wallet."},
		"lockunspent":         {min: 1, max: 2, args: `unlock [{"txid":"id","vout":n},…]`, run: (*Chain).rpcLock, about: "Keep outputs from being chosen, or free them; without a list free all."},
		"listlockunspent":     {run: (*Chain).rpcListLocked, about: "Outputs kept from being chosen."},
		"dumpprivkey":         {min: 1, max: 1, args: `"address"`, run: (*Chain).rpcDumpKey, about: "Private key of an address of the wallet."},
		"importprivkey":       {min: 1, max: 3, args: `"key" ( "label" rescan )`, run: (*Chain).rpcImportKey, about: "Add a private key."},
		"importaddress":       {min: 1, max: 3, args: `"address" ( "label" rescan )`, run: (*Chain).rpcImportAddress, about: "Watch an address."},
		"addmultisigaddress":  {min: 2, max: 3, args: `n ["key",…] ( "account" )`, run: (*Chain).rpcAddMultisig, about: "Add an address that needs n signatures."},
		"settxfee":            {min: 1, max: 1, args: "amount", run: (*Chain).rpcSetFee, about: "Fee per kB in FLUX; 0 is the least."},
		"keypoolrefill": {max: 1, args: "( newsize )", about: "Keys follow from the seed, so there are always enough.",
			run: func(_ *Chain, p params) (any, error) {
				_, err := p.integer(0, keyPool)
				return nil, err
			}},
		"rescanblockchain": {max: 1, args: "( startheight )", run: (*Chain).rpcRescan, about: "The wallet reads the address index and never lags; answers the range."},
		"backupwallet":     noFile("backupwallet", `"destination"`),
		"importwallet":     noFile("importwallet", `"filename"`),
	})
}

func (c *Chain) rpcBalance(p params) (any, error) {
	account, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	if account != "" && account != "*" {
		return nil, &RPCError{codeWallet, `Accounts are not supported: want "" or "*"`}
	}
	minConf, err := p.integer(1, 1)
	if err != nil {
		return nil, err
	}
	if _, err := p.boolean(2, false); err != nil {
		return nil, err
	}
	confirmed, _, _ := c.balances(minConf)
	return amount(confirmed), nil
}

func (c *Chain) rpcWalletInfo(params) (any, error) {
	confirmed, waiting, immature := c.balances(1)
	return object{"walletversion": walletVersion, "balance": amount(confirmed), "unconfirmed_balance": amount(waiting),
		"immature_balance": amount(immature), "txcount": len(c.walletTxs()), "keypoololdest": c.blocks[0].time, "keypoolsize": keyPool,
		"paytxfee": amount(c.wallet.feePerKB), "seedfp": fingerprint(c.wallet.seed)}, nil
}

func (c *Chain) rpcListUnspent(p params) (any, error) {
	least, err := p.integer(0, 1)
	if err != nil {
		return nil, err
	}
	most, err := p.integer(1, 9999999)
	if err != nil {
		return nil, err
	}
	names, err := value[[]string](p, 2, nil, "an array of addresses")
	if err != nil {
		return nil, err
	}
	only := make(map[string]bool)
	for _, a := range names {
		script, err := addressScript(a)
		if err != nil {
			return nil, addressError(a)
		}
		only[string(script)] = true
	}
	var scripts [][]byte
	for _, k := range c.wallet.keys {
		scripts = append(scripts, k.script)
	}
	for _, s := range slices.Sorted(maps.Keys(c.wallet.watch)) {
		scripts = append(scripts, []byte(s))
	}
	out := []object{}
	for _, u := range c.spendable(scripts, least <= 0) {
		conf := c.height() - u.height + 1
		if conf < least || conf > most || len(only) > 0 && !only[string(u.Script)] {
			continue
		}
		out = append(out, object{"txid": u.Hash, "vout": u.Index, "generated": u.coinbase, "address": scriptAddress(u.Script),
			"account": c.wallet.labels[string(u.Script)], "scriptPubKey": hex.EncodeToString(u.Script), "amount": amount(u.Value),
			"confirmations": conf, "spendable": c.wallet.byScript(u.Script) != nil})
	}
	return out, nil
}

func (c *Chain) rpcLock(p params) (any, error) {
	unlock, err := p.boolean(0, false)
	if err != nil {
		return nil, err
	}
	list, err := value[[]inputArg](p, 1, nil, "an array of objects")
	if err != nil {
		return nil, err
	}
	var points []outPoint
	for _, a := range list {
		op, err := a.outPoint()
		if err != nil {
			return nil, err
		}
		points = append(points, op)
	}
	if unlock && !p.has(1) {
		clear(c.wallet.locked)
	}
	for _, op := range points {
		if unlock {
			delete(c.wallet.locked, op)
		} else {
			c.wallet.locked[op] = true
		}
	}
	return true, nil
}

func (c *Chain) rpcListLocked(params) (any, error) {
	out := []object{}
	points := slices.SortedFunc(maps.Keys(c.wallet.locked), func(a, b outPoint) int {
		return compareUnspent(unspent{outPoint: a}, unspent{outPoint: b})
	})
	for _, op := range points {
		out = append(out, object{"txid": op.Hash, "vout": op.Index})
	}
	return out, nil
}

func (c *Chain) rpcDumpKey(p params) (any, error) {
	address, script, err := p.script(0)
	if err != nil {
		return nil, err
	}
	k := c.wallet.byScript(script)
	if k == nil {
		return nil, &RPCError{codeWallet, "Private key for address " + address + " is not known"}
	}
	return k.wif(), nil
}

func (c *Chain) rpcImportKey(p params) (any, error) {
	text, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	label, err := p.str(1, "")
	if err != nil {
		return nil, err
	}
	k, err := parseWIF(text)
	if err != nil {
		return nil, &RPCError{codeAddress, "Invalid private key encoding"}
	}
	c.wallet.add(k, label)
	return k.address, nil
}

func (c *Chain) rpcImportAddress(p params) (any, error) {
	_, script, err := p.script(0)
	if err != nil {
		return nil, err
	}
	label, err := p.str(1, "")
	if err != nil {
		return nil, err
	}
	if c.wallet.byScript(script) != nil {
		return nil, &RPCError{codeWallet, "The wallet already contains the private key for this address"}
	}
	c.wallet.watch[string(script)], c.wallet.labels[string(script)] = true, label
	return nil, nil
}

func (c *Chain) rpcAddMultisig(p params) (any, error) {
	redeem, err := c.multisigArgs(p)
	if err != nil {
		return nil, err
	}
	h := wallet.Sum160(redeem)
	c.wallet.scripts[string(hashScript(h))] = redeem
	return encodeAddress(wallet.VersionFluxScriptHash, h), nil
}

func (c *Chain) rpcSetFee(p params) (any, error) {
	v, err := p.money(0)
	if err != nil {
		return nil, err
	}
	if v > highFee {
		return nil, &RPCError{codeParameter, fmt.Sprintf("Fee per kB too high: want at most %d satoshi", int64(highFee))}
	}
	c.wallet.feePerKB = v
	return true, nil
}

func (c *Chain) rpcRescan(p params) (any, error) {
	start, err := p.integer(0, c.first)
	if err != nil {
		return nil, err
	}
	if start < 0 || start > c.height() {
		return nil, &RPCError{codeParameter, "Block height out of range"}
	}
	return object{"start_height": start, "stop_height": c.height()}, nil
}

// spendCommands send from the wallet.
func spendCommands() map[string]*command {
	return inGroup("Wallet", map[string]*command{
		"sendtoaddress": {min: 2, max: 5, args: `"address" amount ( "comment" "comment-to" subtractfeefromamount )`,
			about: "Send an amount in FLUX.", run: func(c *Chain, p params) (any, error) {
				subtract, err := p.boolean(4, false)
				if err != nil {
					return nil, err
				}
				return c.sendOne(p, 0, 1, subtract)
			}},
		"sendfrom": {min: 3, max: 6, args: `"" "address" amount ( minconf "comment" "comment-to" )`, about: "Send an amount in FLUX.",
			run: func(c *Chain, p params) (any, error) {
				least, err := p.integer(3, 1)
				if err != nil {
					return nil, err
				}
				return c.sendOne(p, 1, least, false)
			}},
		"sendmany": {min: 2, max: 5, args: `"" {"address":amount,…} ( minconf "comment" ["address",…] )`, run: (*Chain).rpcSendMany,
			about: "Send amounts in FLUX. The fee is taken from the amounts of the addresses listed last."},
	})
}

// sendOne reads address and amount from argument i on.
func (c *Chain) sendOne(p params, i int, minConf int64, subtract bool) (any, error) {
	_, script, err := p.script(i)
	if err != nil {
		return nil, err
	}
	v, err := p.money(i + 1)
	if err != nil {
		return nil, err
	}
	var from []int
	if subtract {
		from = []int{0}
	}
	return c.send([]txOut{{v, script}}, minConf, from)
}

func (c *Chain) rpcSendMany(p params) (any, error) {
	account, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	if account != "" {
		return nil, &RPCError{codeWallet, `Accounts are not supported: want ""`}
	}
	out, _, err := p.outputs(1)
	if err != nil {
		return nil, err
	}
	minConf, err := p.integer(2, 1)
	if err != nil {
		return nil, err
	}
	// Clients send an empty object for an empty list.
	raw, err := value[json.RawMessage](p, 4, nil, "an array of addresses")
	if err != nil {
		return nil, err
	}
	var names []string
	if len(raw) > 0 && string(raw) != "{}" {
		if names, err = value[[]string](p, 4, nil, "an array of addresses"); err != nil {
			return nil, err
		}
	}
	var from []int
	for _, a := range names {
		i := slices.IndexFunc(out, func(o txOut) bool { return scriptAddress(o.Script) == a })
		if i < 0 || slices.Contains(from, i) {
			return nil, &RPCError{codeParameter, "subtractfeefrom: want addresses that are paid, each once"}
		}
		from = append(from, i)
	}
	return c.send(out, minConf, from)
}

// send pays outputs from the wallet. The fee comes from the outputs numbered
// in feeFrom, in equal shares, or is added when there are none.
func (c *Chain) send(out []txOut, minConf int64, feeFrom []int) (any, error) {
	var sum int64
	for _, o := range out {
		if o.Value <= 0 {
			return nil, &RPCError{-3, "Invalid amount for send: want more than 0"}
		}
		sum += o.Value
	}
	if len(out) == 0 {
		return nil, &RPCError{codeParameter, "Nothing to send: want at least one address"}
	}
	free := slices.DeleteFunc(c.spendable(c.wallet.sources(), minConf <= 0), func(u unspent) bool {
		return c.height()-u.height+1 < minConf
	})
	var chosen []unspent
	var fee, change int64
	for n := 1; ; n = len(chosen) {
		fee = c.wallet.fee(n, len(out)+1)
		need := fee
		if len(feeFrom) > 0 {
			need = 0
		}
		var err error
		if chosen, change, err = choose(free, sum, need); err != nil {
			return nil, &RPCError{codeFunds, "Insufficient funds"}
		}
		if len(chosen) <= n {
			break
		}
	}
	for i, n := range feeFrom {
		share := fee / int64(len(feeFrom))
		if i == 0 {
			share += fee % int64(len(feeFrom))
		}
		if out[n].Value -= share; out[n].Value <= 0 {
			return nil, &RPCError{codeFunds, "The transaction amount is too small to pay the fee"}
		}
	}
	if change > 0 {
		out = append(out, txOut{change, c.wallet.change.script})
	}
	keys := make(map[string]*key)
	for _, k := range c.wallet.keys {
		keys[string(k.script)] = k
	}
	t, err := c.build(chosen, out, keys, uint32(c.height()+1+expiryBlocks))
	if err != nil {
		return nil, err
	}
	if err := c.accept(t, true); err != nil {
		return nil, err
	}
	return t.id, nil
}
