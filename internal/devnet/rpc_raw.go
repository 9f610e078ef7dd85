package devnet

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// rawCommands work on transactions in hexadecimal.
func rawCommands() map[string]*command {
	return inGroup("Rawtransactions", map[string]*command{
		"getrawtransaction": {min: 1, max: 2, args: `"txid" ( verbose )`, run: (*Chain).rpcRawTransaction,
			about: "A transaction in hexadecimal, or as an object with verbose 1."},
		"decoderawtransaction": {min: 1, max: 1, args: `"hex"`, about: "A transaction as an object.",
			run: func(c *Chain, p params) (any, error) {
				t, err := p.transaction(0)
				if err != nil {
					return nil, err
				}
				return c.txObject(t), nil
			}},
		"createrawtransaction": {min: 2, max: 4, args: `[{"txid":"id","vout":n},…] {"address":amount,…} ( locktime expiryheight )`,
			run: (*Chain).rpcCreateRaw, about: "An unsigned transaction. Amounts in FLUX. It expires 20 blocks from now unless told otherwise."},
		"signrawtransaction": {min: 1, max: 5, args: `"hex" ( [{"txid":"id","vout":n,"scriptPubKey":"hex","redeemScript":"hex","amount":value},…] ["key",…] sighashtype "branchid" )`,
			run: (*Chain).rpcSignRaw, about: "Sign with the keys given, else with those of the devnet wallet."},
		"sendrawtransaction": {min: 1, max: 2, args: `"hex" ( allowhighfees )`, run: (*Chain).rpcSendRaw,
			about: "Check a signed transaction and put it into the mempool; it is mined with the next block."},
		"fundrawtransaction": {min: 1, max: 1, args: `"hex"`, run: (*Chain).rpcFundRaw,
			about: "Add inputs of the devnet wallet, and change, until the outputs are covered."},
	})
}

func (c *Chain) rpcRawTransaction(p params) (any, error) {
	id, err := p.hash(0)
	if err != nil {
		return nil, err
	}
	// Both a number and a boolean are accepted here, as by the daemon.
	verbose, err := value[any](p, 1, 0.0, "a number")
	if err != nil {
		return nil, err
	}
	t, b := c.find(id)
	if t == nil {
		return nil, &RPCError{codeAddress, "No information available about transaction"}
	}
	if verbose == 0.0 || verbose == false {
		return hex.EncodeToString(t.encode(true)), nil
	}
	return c.placedObject(t, b), nil
}

// find looks on the active chain and in the mempool; b is nil for the latter.
func (c *Chain) find(id hash) (t *tx, b *block) {
	if p := c.txs[id]; p != nil {
		return p.tx, p.block
	}
	if m := c.pool.byID[id]; m != nil {
		return m.tx, nil
	}
	return nil, nil
}

// inputArg is an output to spend, as callers name it.
type inputArg struct {
	TxID         string      `json:"txid"`
	Vout         *int64      `json:"vout"`
	Sequence     *uint32     `json:"sequence"`
	ScriptPubKey string      `json:"scriptPubKey"`
	RedeemScript string      `json:"redeemScript"`
	Amount       json.Number `json:"amount"`
}

func (a inputArg) outPoint() (outPoint, error) {
	id, err := parseHash(a.TxID)
	if err != nil {
		return outPoint{}, &RPCError{codeParameter, "Invalid parameter, txid: " + err.Error()}
	}
	if a.Vout == nil || *a.Vout < 0 || *a.Vout > maxTxSize {
		return outPoint{}, &RPCError{codeParameter, "Invalid parameter, vout must be 0 or more"}
	}
	return outPoint{id, uint32(*a.Vout)}, nil
}

func (c *Chain) rpcCreateRaw(p params) (any, error) {
	inputs, err := value[[]inputArg](p, 0, nil, "an array of objects")
	if err != nil {
		return nil, err
	}
	lock, err := p.integer(2, 0)
	if err != nil {
		return nil, err
	}
	expiry, err := p.integer(3, c.height()+1+expiryBlocks)
	if err != nil {
		return nil, err
	}
	const most = 1<<32 - 1
	if lock < 0 || lock > most {
		return nil, &RPCError{codeParameter, "Invalid parameter, locktime out of range"}
	}
	if expiry < 0 || expiry > 499_999_999 || expiry > 0 && expiry <= c.height() {
		return nil, &RPCError{codeParameter, fmt.Sprintf("Invalid parameter, expiryheight must be above %d, or 0 for none", c.height())}
	}
	t := &tx{Version: saplingVersion, LockTime: uint32(lock), Expiry: uint32(expiry)}
	for _, a := range inputs {
		in := txIn{Sequence: 0xffffffff}
		if lock > 0 {
			in.Sequence--
		}
		if a.Sequence != nil {
			in.Sequence = *a.Sequence
		}
		if in.Prev, err = a.outPoint(); err != nil {
			return nil, err
		}
		t.In = append(t.In, in)
	}
	if t.Out, _, err = p.outputs(1); err != nil {
		return nil, err
	}
	return hex.EncodeToString(t.encode(true)), nil
}

// outputs reads {"address": amount, …} with amounts in FLUX, and gives the
// outputs by address and their sum.
func (p params) outputs(i int) ([]txOut, int64, error) {
	list, err := value[map[string]json.Number](p, i, nil, "an object of amounts")
	if err != nil {
		return nil, 0, err
	}
	var out []txOut
	var sum int64
	for _, address := range slices.Sorted(maps.Keys(list)) {
		script, err := addressScript(address)
		if err != nil {
			return nil, 0, addressError(address)
		}
		v, err := satoshi(list[address])
		if err != nil {
			return nil, 0, err
		}
		out = append(out, txOut{v, script})
		sum += v
	}
	return out, sum, nil
}

// signing is what signrawtransaction knows about outputs and keys.
type signing struct {
	outputs map[outPoint]txOut
	redeem  map[string][]byte // by the output script that holds its hash
	keys    map[string]*key   // by public key
	kind    byte
}

func (c *Chain) signing(p params) (*signing, error) {
	s := &signing{outputs: make(map[outPoint]txOut), redeem: make(map[string][]byte), keys: make(map[string]*key)}
	known, err := value[[]inputArg](p, 1, nil, "an array of objects")
	if err != nil {
		return nil, err
	}
	for _, a := range known {
		if err := s.learn(a); err != nil {
			return nil, err
		}
	}
	keys, err := value[[]string](p, 2, nil, "an array of keys")
	if err != nil {
		return nil, err
	}
	for _, text := range keys {
		k, err := parseWIF(text)
		if err != nil {
			return nil, &RPCError{codeAddress, "Invalid private key"}
		}
		s.keys[string(k.pub)] = k
	}
	if !p.has(2) {
		for _, k := range c.wallet.keys {
			s.keys[string(k.pub)] = k
		}
		maps.Copy(s.redeem, c.wallet.scripts)
	}
	name, err := p.str(3, "ALL")
	if err != nil {
		return nil, err
	}
	if s.kind, err = parseHashType(name); err != nil {
		return nil, &RPCError{codeParameter, err.Error()}
	}
	branch, err := p.str(4, fmt.Sprintf("%08x", branchID))
	if err != nil {
		return nil, err
	}
	if branch != fmt.Sprintf("%08x", branchID) {
		return nil, &RPCError{codeParameter, fmt.Sprintf("Unknown branch id: devnet has %08x only", branchID)}
	}
	return s, nil
}

// learn takes an output the caller describes.
func (s *signing) learn(a inputArg) error {
	op, err := a.outPoint()
	if err != nil {
		return err
	}
	script, err := hex.DecodeString(a.ScriptPubKey)
	if err != nil || len(script) == 0 {
		return &RPCError{codeDecode, "scriptPubKey must be hexadecimal"}
	}
	var v int64
	if a.Amount != "" {
		if v, err = satoshi(a.Amount); err != nil {
			return err
		}
	}
	s.outputs[op] = txOut{v, script}
	if a.RedeemScript == "" {
		return nil
	}
	redeem, err := hex.DecodeString(a.RedeemScript)
	if err != nil || string(hashScript(wallet.Sum160(redeem))) != string(script) {
		return &RPCError{codeDecode, "redeemScript does not belong to scriptPubKey"}
	}
	s.redeem[string(script)] = redeem
	return nil
}

func (c *Chain) rpcSignRaw(p params) (any, error) {
	t, err := p.transaction(0)
	if err != nil {
		return nil, err
	}
	s, err := c.signing(p)
	if err != nil {
		return nil, err
	}
	problems := []object{}
	for i, in := range t.In {
		out, ok := s.outputs[in.Prev]
		if u, onChain := c.coin(in.Prev); onChain {
			out, ok = u.txOut, true
		}
		problem := "Input not found or already spent"
		if ok {
			if problem = ""; t.verifyInput(i, out) != nil {
				if err := s.input(t, i, out); err != nil {
					problem = err.Error()
				}
			}
		}
		if problem != "" {
			problems = append(problems, object{"txid": in.Prev.Hash, "vout": in.Prev.Index, "sequence": in.Sequence,
				"scriptSig": hex.EncodeToString(t.In[i].Script), "error": problem})
		}
	}
	o := object{"hex": hex.EncodeToString(t.encode(true)), "complete": len(problems) == 0}
	if len(problems) > 0 {
		o["errors"] = problems
	}
	return o, nil
}

// input signs one input with the keys known and checks the outcome.
func (s *signing) input(t *tx, i int, spent txOut) error {
	script := spent.Script
	redeem := s.redeem[string(script)]
	if redeem != nil {
		script = redeem
	}
	var push []byte
	if m, keys, ok := multisig(script); ok {
		push = []byte{0}
		for _, pub := range keys {
			if k := s.keys[string(pub)]; k != nil && m > 0 {
				sig, err := t.sign(i, k, script, spent.Value, s.kind)
				if err != nil {
					return err
				}
				push, m = appendPush(push, sig), m-1
			}
		}
	} else if isKeyScript(script) {
		for _, k := range s.keys {
			if string(k.script) != string(script) {
				continue
			}
			sig, err := t.sign(i, k, script, spent.Value, s.kind)
			if err != nil {
				return err
			}
			push = appendPush(appendPush(nil, sig), k.pub)
		}
	}
	if push == nil {
		return fmt.Errorf("no key is known for this output")
	}
	if redeem != nil {
		push = appendPush(push, redeem)
	}
	t.In[i].Script = push
	return t.verifyInput(i, spent)
}

func (c *Chain) rpcSendRaw(p params) (any, error) {
	t, err := p.transaction(0)
	if err != nil {
		return nil, err
	}
	high, err := p.boolean(1, false)
	if err != nil {
		return nil, err
	}
	if err := c.accept(t, high); err != nil {
		return nil, err
	}
	return t.id, nil
}

func (c *Chain) rpcFundRaw(p params) (any, error) {
	t, err := p.transaction(0)
	if err != nil {
		return nil, err
	}
	if t.Version != saplingVersion || t.Shielded != nil {
		return nil, &RPCError{codeParameter, "Only transparent version 4 transactions can be funded"}
	}
	var need int64
	for _, o := range t.Out {
		need += o.Value
	}
	used := make(map[outPoint]bool)
	for _, in := range t.In {
		u, ok := c.coin(in.Prev)
		if !ok {
			return nil, &RPCError{codeAddress, "Input not found or already spent"}
		}
		used[in.Prev] = true
		need -= u.Value
	}
	free := slices.DeleteFunc(c.spendable(c.wallet.sources(), false), func(u unspent) bool { return used[u.outPoint] })
	chosen, change, err := choose(free, need, leastFee)
	if err != nil {
		return nil, &RPCError{codeFunds, "Insufficient funds"}
	}
	for _, u := range chosen {
		t.In = append(t.In, txIn{Prev: u.outPoint, Sequence: 0xffffffff})
	}
	position := -1
	if change > 0 {
		position = len(t.Out)
		t.Out = append(t.Out, txOut{change, c.wallet.change.script})
	}
	return object{"hex": hex.EncodeToString(t.encode(true)), "changepos": position, "fee": amount(leastFee)}, nil
}
