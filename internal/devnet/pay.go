package devnet

import (
	"errors"
	"fmt"
)

// errFunds means the outputs to choose from don't add up.
var errFunds = errors.New("insufficient funds")

// choose takes outputs in order until they cover amount and the fee, and
// returns what is left over.
func choose(coins []unspent, amount, fee int64) (chosen []unspent, change int64, err error) {
	var sum int64
	for _, u := range coins {
		if sum >= amount+fee {
			break
		}
		sum += u.Value
		chosen = append(chosen, u)
	}
	if sum < amount+fee {
		return nil, 0, errFunds
	}
	return chosen, sum - amount - fee, nil
}

// build makes a transaction and signs the inputs whose keys are given.
func (c *Chain) build(coins []unspent, out []txOut, keys map[string]*key, expiry uint32) (*tx, error) {
	t := &tx{Version: saplingVersion, Out: out, Expiry: expiry}
	for _, u := range coins {
		t.In = append(t.In, txIn{Prev: u.outPoint, Sequence: 0xffffffff})
	}
	for i, u := range coins {
		k := keys[string(u.Script)]
		if k == nil {
			continue
		}
		if err := t.signKeyInput(i, k, u.txOut, hashAll); err != nil {
			return nil, err
		}
	}
	return t.seal(), nil
}

// Pay sends amount satoshi from the devnet's faucet to an address (t1… or
// t3…) and returns the transaction id. It is mined with the next block.
// message, if not empty, becomes a last OP_RETURN output of at most 80 bytes.
func (c *Chain) Pay(address string, amount int64, message string) (txID string, err error) {
	return c.PayFrom(c.faucet.address, address, amount, message)
}

// PayFrom is Pay from the coins of another address. It needs no key: where
// the devnet has none, the input stays unsigned and the devnet mines it all
// the same.
func (c *Chain) PayFrom(from, to string, amount int64, message string) (txID string, err error) {
	source, err := addressScript(from)
	if err != nil {
		return "", err
	}
	script, err := addressScript(to)
	if err != nil {
		return "", err
	}
	if amount <= 0 || amount > maxMoney {
		return "", fmt.Errorf("amount %d satoshi: want 1 to %d", amount, int64(maxMoney))
	}
	if len(message) > maxMessage {
		return "", fmt.Errorf("message of %d bytes: want at most %d", len(message), maxMessage)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	coins, change, err := choose(c.spendable([][]byte{source}, true), amount, leastFee)
	if err != nil {
		return "", fmt.Errorf("pay %d satoshi from %s: %w", amount, from, err)
	}
	out := []txOut{{amount, script}}
	if change > 0 {
		out = append(out, txOut{change, source})
	}
	if message != "" {
		out = append(out, txOut{0, messageScript([]byte(message))})
	}
	keys := make(map[string]*key)
	for _, k := range append([]*key{c.faucet, c.miner}, c.citizens...) {
		keys[string(k.script)] = k
	}
	for _, k := range c.wallet.keys {
		keys[string(k.script)] = k
	}
	t, err := c.build(coins, out, keys, uint32(c.height()+1+expiryBlocks))
	if err != nil {
		return "", err
	}
	fee, err := c.check(t, true)
	if err != nil {
		return "", err
	}
	c.pool.add(&memTx{tx: t, fee: fee, time: c.now().Unix(), height: c.height()})
	return t.id.String(), nil
}
