package devnet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// realTransactions are from the Flux network: a coinbase, a signed payment, a
// FluxNode confirmation and a shielded one.
func realTransactions(t testing.TB) (out []struct{ Name, TxID, Hex string }) {
	t.Helper()
	raw, err := os.ReadFile("testdata/transactions.json")
	if err != nil {
		t.Fatal(err)
	}
	decode(t, raw, &out)
	return out
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRealTransactionsDecodeToTheirIDs(t *testing.T) {
	for _, v := range realTransactions(t) {
		x, err := decodeTx(unhex(t, v.Hex))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		if got := x.id.String(); got != v.TxID {
			t.Errorf("%s: got id %s, want %s", v.Name, got, v.TxID)
		}
		if got := hex.EncodeToString(x.encode(true)); got != v.Hex {
			t.Errorf("%s: encodes to other bytes", v.Name)
		}
	}
}

// realFee is what the signed payment among realTransactions paid, in satoshi.
const realFee = 1130

// TestRealSignatureVerifies pins the signature hash to the real chain.
func TestRealSignatureVerifies(t *testing.T) {
	x, err := decodeTx(unhex(t, realTransactions(t)[1].Hex))
	if err != nil {
		t.Fatal(err)
	}
	ops, err := parseScript(x.In[0].Script)
	if err != nil {
		t.Fatal(err)
	}
	spent := txOut{x.Out[0].Value + x.Out[1].Value + realFee, keyScript(wallet.Sum160(ops[1].data))}
	if err := x.verifyInput(0, spent); err != nil {
		t.Error(err)
	}
	spent.Value++
	if err := x.verifyInput(0, spent); err == nil {
		t.Error("a signature verifies for another amount")
	}
}

func TestEveryDevnetTransactionRoundTrips(t *testing.T) {
	c := newChain(t, nil)
	kinds := make(map[byte]int)
	for _, b := range c.blocks {
		for i, x := range b.txs {
			raw := x.encode(true)
			again, err := decodeTx(raw)
			if err != nil || again.id != x.id || !bytes.Equal(again.encode(true), raw) {
				t.Fatalf("transaction %s of block %d: error %v", x.id, b.height, err)
			}
			if x.Node != nil {
				kinds[x.Node.Kind]++
				continue
			}
			if i == 0 {
				continue
			}
			kinds[0]++
			for n, in := range x.In {
				out, _ := c.spentOutput(in)
				if err := x.verifyInput(n, out); err != nil {
					t.Errorf("input %d of %s: %v", n, x.id, err)
				}
			}
		}
	}
	if kinds[0] < 50 || kinds[nodeStart] != 12 || kinds[nodeConfirm] < 24 {
		t.Errorf("payments, starts and confirmations: got %v", kinds)
	}
}

func TestBrokenTransactionsAreRefused(t *testing.T) {
	good := realTransactions(t)[1].Hex
	for name, tc := range map[string]struct{ hex, want string }{
		"empty":              {"", "too early"},
		"unknown version":    {"07000000", "known are 1, 2, 4"},
		"other group":        {"0400008000000000", "version group"},
		"cut":                {good[:len(good)-2], "too early"},
		"more":               {good + "00", "1 bytes follow"},
		"huge count":         {"0400008085202f89fe00000010", "too early"},
		"long count":         {"0400008085202f89fd0100", "shortest form"},
		"count of 8 bytes":   {"0400008085202f89ffffffffffffffffff", "four bytes"},
		"unknown node type":  {"0500000003" + strings.Repeat("00", 36), "2 (start) and 4 (confirm)"},
		"value out of range": {"010000000001ffffffffffffff7f0000000000", "outside 0.."},
		"too large":          {strings.Repeat("00", maxTxSize+1), "larger than"},
	} {
		if _, err := decodeTx(unhex(t, tc.hex)); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got error %v, want one with %q", name, err, tc.want)
		}
	}
}

func TestAddressesOfTheNetwork(t *testing.T) {
	for script, address := range map[string]string{
		"76a914a6886f088ddd5aa3d6027b6d826f912a7ba1c6b788ac": "t1Z49cm5Wi5RaojyLopqCpjJpK18RXM1asy",
		"76a91404e2699cec5f44280540fb752c7660aa3ba857cc88ac": "t1JKRwXGfKTGfPV1z48rvoLyabk31z3xwHa",
	} {
		if got := scriptAddress(unhex(t, script)); got != address {
			t.Errorf("%s: got %s, want %s", script, got, address)
		}
		if got, err := addressScript(address); err != nil || hex.EncodeToString(got) != script {
			t.Errorf("%s: got %x, %v", address, got, err)
		}
	}
	if s, err := addressScript("t3NryfAQLGeFs9jEoeqsxmBN2QLRaRKFLUX"); err != nil || !isHashScript(s) {
		t.Errorf("t3 address: got %x, %v", s, err)
	}
	for _, bad := range []string{"", "t1", "1hjy4bCYBJr4mny4zCE85J94RXa8W6q37", "t1JKRwXGfKTGfPV1z48rvoLyabk31z3xwHb", strings.Repeat("1", 300), "t1l0"} {
		if _, err := addressScript(bad); err == nil {
			t.Errorf("%q passed as an address", bad)
		}
	}
}

func TestScriptsInWords(t *testing.T) {
	for in, want := range map[string]string{
		"76a91404e2699cec5f44280540fb752c7660aa3ba857cc88ac":             "OP_DUP OP_HASH160 04e2699cec5f44280540fb752c7660aa3ba857cc OP_EQUALVERIFY OP_CHECKSIG",
		hex.EncodeToString(messageScript([]byte("f1f50d44f5"))):          "OP_RETURN 66316635306434346635",
		hex.EncodeToString(messageScript(bytes.Repeat([]byte{'a'}, 80))): "OP_RETURN " + strings.Repeat("61", 80),
		"6a02c3a9": "OP_RETURN -10691", // at most four bytes print as a number
		"00":       "0", "51": "1", "60": "16", "ff": "OP_UNKNOWN", "05aa": "[error]", "4c": "[error]", "4d00": "[error]", "4e000000": "[error]",
	} {
		if got := scriptASM(unhex(t, in), false); got != want {
			t.Errorf("%s: got %q, want %q", in, got, want)
		}
	}
}

func TestKeysRoundTripAsWIF(t *testing.T) {
	for _, compressed := range []bool{true, false} {
		k := hashKey([32]byte{1}, compressed)
		again, err := parseWIF(k.wif())
		if err != nil || again.address != k.address || again.secret.Compressed() != compressed {
			t.Errorf("compressed %v: got %+v, %v", compressed, again, err)
		}
	}
	if first := hashKey([32]byte{1}, false).wif()[0]; first != '5' {
		t.Errorf("an uncompressed key begins with %c, want 5", first)
	}
	const testnet = "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA" // the private key 1
	for _, bad := range []string{"", "5J", testnet, deriveKey("wif", "k").address} {
		if _, err := parseWIF(bad); err == nil {
			t.Errorf("%q passed as a private key", bad)
		}
	}
}

func FuzzDecodeTx(f *testing.F) {
	for _, v := range realTransactions(f) {
		f.Add(unhex(f, v.Hex))
	}
	c := newChain(f, func(cfg *Config) { cfg.Height = 4 })
	f.Fuzz(func(t *testing.T, raw []byte) {
		x, err := decodeTx(raw)
		if err != nil {
			return
		}
		if !bytes.Equal(x.encode(true), raw) {
			t.Errorf("%x encodes to %x", raw, x.encode(true))
		}
		if _, err := json.Marshal(c.txObject(x)); err != nil {
			t.Error(err)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if err := c.accept(x, true); err == nil {
			t.Errorf("a transaction nobody signed was accepted: %x", raw)
		}
	})
}

func FuzzScript(f *testing.F) {
	f.Add(keyScript([20]byte{}))
	f.Add(messageScript([]byte("hello")))
	f.Add(multisigScript(1, [][]byte{deriveKey("a", "b").pub}))
	f.Fuzz(func(t *testing.T, s []byte) {
		if _, err := json.Marshal(scriptObject(s, true)); err != nil {
			t.Error(err)
		}
		if a := scriptAddress(s); a != "" {
			if again, err := addressScript(a); err != nil || !bytes.Equal(again, s) {
				t.Errorf("%x pays %s, which is paid by %x (%v)", s, a, again, err)
			}
		}
	})
}

func FuzzAddress(f *testing.F) {
	f.Add("t1JKRwXGfKTGfPV1z48rvoLyabk31z3xwHa")
	f.Add("t3NryfAQLGeFs9jEoeqsxmBN2QLRaRKFLUX")
	f.Fuzz(func(t *testing.T, a string) {
		if s, err := addressScript(a); err == nil && scriptAddress(s) != a {
			t.Errorf("%q is also written %q", a, scriptAddress(s))
		}
	})
}
