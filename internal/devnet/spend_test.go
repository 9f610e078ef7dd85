package devnet

import (
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// spendable is a row of listunspent.
type spendableRow struct {
	TxID          string
	Vout          uint32
	Address       string
	Amount        float64
	Confirmations int
}

func TestRawSpendConfirms(t *testing.T) {
	c := newChain(t, nil)
	var rows []spendableRow
	decode(t, mustCall(t, c, "listunspent", 1, 9999999, []string{c.wallet.receive.address}), &rows)
	if len(rows) != 1 || rows[0].Amount != 2000 {
		t.Fatalf("wallet outputs: got %+v", rows)
	}
	to := deriveKey("elsewhere", "to").address
	in := []map[string]any{{"txid": rows[0].TxID, "vout": rows[0].Vout}}
	raw := text(t, mustCall(t, c, "createrawtransaction", in, map[string]any{to: 1.5, c.wallet.receive.address: 1998.4999}))
	if got := refusal(t, c, "sendrawtransaction", raw); got.Code != codeRejected || !strings.Contains(got.Message, "script-verify") {
		t.Errorf("an unsigned transaction: got %+v", got)
	}
	var signed struct {
		Hex      string
		Complete bool
	}
	decode(t, mustCall(t, c, "signrawtransaction", raw), &signed)
	if !signed.Complete {
		t.Fatal("the devnet wallet did not sign its own output")
	}
	id := text(t, mustCall(t, c, "sendrawtransaction", signed.Hex))
	if again := text(t, mustCall(t, c, "sendrawtransaction", signed.Hex)); again != id {
		t.Errorf("sent again: got %s, want %s", again, id)
	}
	var waiting []struct {
		Address  string
		Satoshis int64
	}
	decode(t, mustCall(t, c, "getaddressmempool", map[string]any{"addresses": []string{to}}), &waiting)
	if len(waiting) != 1 || waiting[0].Satoshis != 150_000_000 {
		t.Errorf("mempool of the receiver: got %+v", waiting)
	}
	if err := c.Advance(1); err != nil {
		t.Fatal(err)
	}
	type deltaRow struct {
		TxID, Address     string
		Satoshis          int64
		Index, BlockIndex int
		Height            int64
	}
	var deltas []deltaRow
	decode(t, mustCall(t, c, "getaddressdeltas", map[string]any{"addresses": []string{to}}), &deltas)
	want := []deltaRow{{id, to, 150_000_000, deltas[0].Index, 1, 301}}
	if diff := cmp.Diff(want, deltas); diff != "" {
		t.Error(diff)
	}
	var spent struct {
		TxID   string
		Height int64
	}
	decode(t, mustCall(t, c, "getspentinfo", map[string]any{"txid": rows[0].TxID, "index": rows[0].Vout}), &spent)
	if spent.TxID != id || spent.Height != 301 {
		t.Errorf("spent info: got %+v", spent)
	}
	if got := refusal(t, c, "sendrawtransaction", signed.Hex); got.Code != codeInChain {
		t.Errorf("sent once more when mined: got %+v", got)
	}
}

func TestBadSpendsAreRefused(t *testing.T) {
	c := newChain(t, nil)
	w := c.wallet
	first := c.spendable([][]byte{w.receive.script}, false)[0]
	made := func(op outPoint, value int64, change func(*tx)) string {
		x := &tx{Version: saplingVersion, In: []txIn{{Prev: op, Sequence: 0xffffffff}}, Out: []txOut{{value, w.change.script}}}
		if change != nil {
			change(x)
		}
		if err := x.signKeyInput(0, w.receive, first.txOut, hashAll); err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(x.encode(true))
	}
	coinbase := c.tip().txs[0]
	for name, tc := range map[string]struct {
		hex, want string
		code      int
	}{
		"not hex":          {"zz", "TX decode failed", codeDecode},
		"unknown input":    {made(outPoint{hash{1}, 0}, 1, nil), "Missing inputs", codeMissingInputs},
		"creates money":    {made(first.outPoint, first.Value+1, nil), "in-belowout", codeRejected},
		"no fee":           {made(first.outPoint, first.Value, nil), "min relay fee", codeRejected},
		"huge fee":         {made(first.outPoint, 1, nil), "absurdly-high-fee", codeRejected},
		"young coinbase":   {made(outPoint{coinbase.id, 0}, 1, nil), "premature-spend", codeRejected},
		"expired":          {made(first.outPoint, 1, func(x *tx) { x.Expiry = 300 }), "expired", codeRejected},
		"too early":        {made(first.outPoint, 1, func(x *tx) { x.LockTime = 302; x.In[0].Sequence = 0 }), "non-final", codeRejected},
		"same input twice": {made(first.outPoint, 1, func(x *tx) { x.In = append(x.In, x.In[0]) }), "duplicate", codeRejected},
		"odd output":       {made(first.outPoint, 1, func(x *tx) { x.Out[0].Script = []byte{op1} }), "scriptpubkey", codeRejected},
		"long message":     {made(first.outPoint, 1, func(x *tx) { x.Out[0].Script = messageScript(make([]byte, 81)) }), "at most 80", codeRejected},
		"two messages": {made(first.outPoint, 1, func(x *tx) {
			x.Out = []txOut{{0, messageScript([]byte("a"))}, {0, messageScript([]byte("b"))}}
		}), "multi-op-return", codeRejected},
		"coinbase": {hex.EncodeToString(c.coinbase(5, []txOut{{1, w.change.script}}).encode(true)), "coinbase", codeRejected},
		"node":     {hex.EncodeToString(c.nodes.own().confirmTx(1, c.bench).encode(true)), "version", codeRejected},
	} {
		got := refusal(t, c, "sendrawtransaction", tc.hex)
		if got.Code != tc.code || !strings.Contains(got.Message, tc.want) {
			t.Errorf("%s: got %+v, want %d with %q", name, got, tc.code, tc.want)
		}
	}
	mustCall(t, c, "sendrawtransaction", made(first.outPoint, 1, nil), true)
	if got := refusal(t, c, "sendrawtransaction", made(first.outPoint, 2, nil), true); !strings.Contains(got.Message, "mempool-conflict") {
		t.Errorf("a double spend: got %+v", got)
	}
}

func TestMultisigSpendConfirms(t *testing.T) {
	c := newChain(t, nil)
	keys := []*key{deriveKey("multi", "a"), deriveKey("multi", "b"), deriveKey("multi", "c")}
	var pubs []string
	for _, k := range keys {
		pubs = append(pubs, hex.EncodeToString(k.pub))
	}
	var made struct{ Address, RedeemScript string }
	decode(t, mustCall(t, c, "createmultisig", 2, pubs), &made)
	id, err := c.Pay(made.Address, 5*coin, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Advance(1); err != nil {
		t.Fatal(err)
	}
	script, err := addressScript(made.Address)
	if err != nil {
		t.Fatal(err)
	}
	prev := []map[string]any{{"txid": id, "vout": 0, "scriptPubKey": hex.EncodeToString(script), "redeemScript": made.RedeemScript}}
	raw := text(t, mustCall(t, c, "createrawtransaction", prev[:1], map[string]any{keys[0].address: 4.9999}))
	var signed struct {
		Hex      string
		Complete bool
		Errors   []struct{ Error string }
	}
	decode(t, mustCall(t, c, "signrawtransaction", raw, prev, []string{keys[0].wif()}), &signed)
	if signed.Complete || len(signed.Errors) != 1 {
		t.Errorf("one of two signatures: got %+v", signed)
	}
	decode(t, mustCall(t, c, "signrawtransaction", raw, prev, []string{keys[2].wif(), keys[0].wif()}), &signed)
	if !signed.Complete {
		t.Fatalf("two of two signatures: got %+v", signed)
	}
	mustCall(t, c, "sendrawtransaction", signed.Hex)
}

func TestPaymentsCarryTheirMessageLast(t *testing.T) {
	const team = "t3NryfAQLGeFs9jEoeqsxmBN2QLRaRKFLUX"
	c := newChain(t, func(cfg *Config) { cfg.Endow = map[string]int64{team: 10 * coin} })
	hashText := strings.Repeat("ab", 32)
	id, err := c.Pay("t1LUs6quf7TB2zVZmexqPQdnqmrFMGZGjV6", 2*coin, hashText)
	if err != nil {
		t.Fatal(err)
	}
	param, err := c.PayFrom(team, team, coin, "p_1_2")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Advance(1); err != nil {
		t.Fatal(err)
	}
	type shown struct {
		Vin  []struct{ Address string }
		Vout []struct {
			ValueSat     int64
			ScriptPubKey struct{ Asm string }
		}
	}
	var x shown
	decode(t, mustCall(t, c, "getrawtransaction", id, 1), &x)
	last := x.Vout[len(x.Vout)-1].ScriptPubKey.Asm
	if x.Vout[0].ValueSat != 2*coin || last != "OP_RETURN "+hex.EncodeToString([]byte(hashText)) {
		t.Errorf("got %+v", x)
	}
	decode(t, mustCall(t, c, "getrawtransaction", param, 1), &x)
	if x.Vin[0].Address != team {
		t.Errorf("paid by %s, want %s", x.Vin[0].Address, team)
	}
	for name, err := range map[string]error{
		"address": second(c.Pay("1abc", 1, "")), "amount": second(c.Pay(team, 0, "")), "source": second(c.PayFrom("t1", team, 1, "")),
		"message": second(c.Pay(team, 1, strings.Repeat("x", 81))), "funds": second(c.PayFrom(team, team, 100*coin, "")),
	} {
		if err == nil {
			t.Errorf("bad %s was accepted", name)
		}
	}
}

func second(_ string, err error) error { return err }

func TestWalletSendsAndRemembers(t *testing.T) {
	c := newChain(t, nil)
	to := deriveKey("elsewhere", "to").address
	id := text(t, mustCall(t, c, "sendtoaddress", to, 12.5))
	text(t, mustCall(t, c, "sendfrom", "", to, 0.25))
	text(t, mustCall(t, c, "sendmany", "", map[string]any{to: 1, c.wallet.payout.address: 2}, 0, "", []string{to}))
	if got := refusal(t, c, "sendtoaddress", to, 1e6); got.Code != codeFunds {
		t.Errorf("more than there is: got %+v", got)
	}
	if err := c.Advance(1); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Amount, Fee   float64
		Confirmations int
		Details       []struct {
			Category, Address string
			Amount            float64
		}
	}
	decode(t, mustCall(t, c, "gettransaction", id), &got)
	if got.Amount != -12.5 || got.Fee >= 0 || got.Confirmations != 1 || len(got.Details) != 1 || got.Details[0].Category != "send" {
		t.Errorf("gettransaction: got %+v", got)
	}
	var balance struct{ Balance, Received int64 }
	decode(t, mustCall(t, c, "getaddressbalance", map[string]any{"addresses": []string{to}}), &balance)
	if balance.Received < 13_7499_0000 || balance.Received > 13_7500_0000 {
		t.Errorf("received: got %d satoshi, want 13.75 FLUX less one fee", balance.Received)
	}
	address := text(t, mustCall(t, c, "getnewaddress"))
	if second := text(t, mustCall(t, c, "getnewaddress")); second == address {
		t.Error("two new addresses are the same")
	}
	again := newChain(t, nil)
	if got := text(t, mustCall(t, again, "importprivkey", text(t, mustCall(t, c, "dumpprivkey", address)))); got != address {
		t.Errorf("imported key: got %s, want %s", got, address)
	}
}

func TestMessagesVerify(t *testing.T) {
	c := newChain(t, func(c *Config) { c.Height = 4 })
	a := c.wallet.receive.address
	sig := text(t, mustCall(t, c, "signmessage", a, "hello"))
	for _, tc := range []struct {
		sig, message, want string
	}{{sig, "hello", "true"}, {sig, "Hello", "false"}, {base64.StdEncoding.EncodeToString(make([]byte, 65)), "hello", "false"}} {
		if got := string(mustCall(t, c, "verifymessage", a, tc.sig, tc.message)); got != tc.want {
			t.Errorf("message %q: got %s, want %s", tc.message, got, tc.want)
		}
	}
	if got := refusal(t, c, "verifymessage", a, "%%", "hello"); got.Code != codeAddress {
		t.Errorf("not base64: got %+v", got)
	}
	if got := refusal(t, c, "signmessage", deriveKey("x", "y").address, "hello"); got.Code != codeWallet {
		t.Errorf("a foreign address: got %+v", got)
	}
}
