package wallet

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Known pairs: the private key 1, and the example of Bitcoin's wallet import format.
func TestWIFKnownKeys(t *testing.T) {
	const example = "0c28fca386c7a227600b2fe50b7cae11ec86d3bf1fbe471be89827e19d72aa1d"
	const one = "0000000000000000000000000000000000000000000000000000000000000001"
	for _, tc := range []struct {
		name, wif, private, fluxID string
		publicDigits               int
	}{
		{"uncompressed", "5HueCGU8rMjxEXxiPuD5BDku4MkFqeZyd4dZ1jvhTVqvbTLvyTJ", example, "1GAehh7TsJAHuUAeKZcXf5CnwuGuGgyX2S", 130},
		{"uncompressed 1", "5HpHagT65TZzG1PH3CSu63k8DbpvD8s5ip4nEB3kEsreAnchuDf", one, "1EHNa6Q4Jz2uvNExL497mE43ikXhwF6kZm", 130},
		{"compressed 1", "KwDiBf89QgGbjEhKnhXJuH7LrciVrZi3qYjgd9M7rFU73sVHnoWn", one, "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", 66},
		{"testnet, compressed 1", "cMahea7zqjxrtgAbB7LSGbcQUr1uX1ojuat9jZodMN87JcbXMTcA", one, "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", 66},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k, err := ParseWIF(tc.wif)
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(k.secret().Serialize()); got != tc.private {
				t.Errorf("secret: got %s, want %s", got, tc.private)
			}
			if got := k.WIF(); got != tc.wif {
				t.Errorf("WIF: got %s, want %s", got, tc.wif)
			}
			if got := k.FluxID(); got != tc.fluxID {
				t.Errorf("Flux ID: got %s, want %s", got, tc.fluxID)
			}
			if got := len(k.PublicKeyHex()); got != tc.publicDigits {
				t.Errorf("public key: got %d digits, want %d", got, tc.publicDigits)
			}
		})
	}
}

const groupOrder = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"

func TestKeyParsersSayWhatIsWrongAndNothingMore(t *testing.T) {
	secret := strings.Repeat("5a", 32)
	wif := func(digits string) string {
		payload, err := hex.DecodeString(digits)
		if err != nil {
			t.Fatal(err)
		}
		return encodeBase58Check(payload)
	}
	parseWIF := func(s string) error { _, err := ParseWIF(s); return err }
	parseHex := func(s string) error { _, err := ParsePrivateKeyHex(s); return err }
	for name, tc := range map[string]struct {
		parse      func(string) error
		text, want string
	}{
		"empty":          {parseWIF, "", "too short"},
		"checksum":       {parseWIF, wif("80" + secret)[1:], "checksum"},
		"an address":     {parseWIF, "14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMv", "holds 21 bytes, want 33 or 34"},
		"version":        {parseWIF, wif("81" + secret), "version byte 0x81, want 0x80 (mainnet) or 0xef (testnet)"},
		"mark":           {parseWIF, wif("80" + secret + "02"), "not 01"},
		"long":           {parseWIF, wif("80" + secret + "0101"), "holds 35 bytes"},
		"zero":           {parseWIF, wif("80" + strings.Repeat("00", 32)), "zero or not below"},
		"order":          {parseWIF, wif("80" + groupOrder + "01"), "zero or not below"},
		"very long":      {parseWIF, strings.Repeat("5", 1000), "at most 64"},
		"hex empty":      {parseHex, "", "want 64 hex digits"},
		"hex short":      {parseHex, secret[2:], "want 64 hex digits"},
		"hex long":       {parseHex, secret + "00", "want 64 hex digits"},
		"hex characters": {parseHex, secret[2:] + "zz", "want 64 hex digits"},
		"hex zero":       {parseHex, strings.Repeat("0", 64), "zero or not below"},
		"hex order":      {parseHex, groupOrder, "zero or not below"},
		"hex past order": {parseHex, strings.Repeat("f", 64), "zero or not below"},
	} {
		t.Run(name, func(t *testing.T) {
			err := tc.parse(tc.text)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want an error with %q", err, tc.want)
			}
			for i := 0; i+8 <= len(tc.text); i++ {
				if strings.Contains(err.Error(), tc.text[i:i+8]) {
					t.Errorf("the error repeats %q of the key: %v", tc.text[i:i+8], err)
				}
			}
		})
	}
}

func TestNewKeyRefusesWhatIsNoKey(t *testing.T) {
	order, err := hex.DecodeString(groupOrder)
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"none": nil, "short": order[:31], "long": append([]byte{0}, order...), "zero": make([]byte, 32), "order": order} {
		if _, err := NewKey(raw, true); err == nil {
			t.Errorf("%s: passed as a key", name)
		}
	}
	order[31]--
	k, err := NewKey(order, false)
	if err != nil || k.Compressed() || k.Testnet() {
		t.Fatalf("the largest key: got compressed %v, testnet %v, error %v", k.Compressed(), k.Testnet(), err)
	}
	clear(order)
	if got := hex.EncodeToString(k.secret().Serialize()); got != groupOrder[:63]+"0" {
		t.Errorf("the key changed with the bytes it was made from: %s", got)
	}
}

// Both forms are those of the private key 1 over SHA-256 of "Satoshi Nakamoto",
// a vector of RFC 6979 signing that Bitcoin implementations share.
func TestDigestSignaturesAreThoseOfRFC6979(t *testing.T) {
	const r, s = "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8", "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"
	one := append(make([]byte, 31), 1)
	digest := sha256.Sum256([]byte("Satoshi Nakamoto"))
	for _, compressed := range []bool{true, false} {
		k, err := NewKey(one, compressed)
		if err != nil {
			t.Fatal(err)
		}
		compact := k.SignCompact(digest)
		if got := hex.EncodeToString(compact[1:]); got != r+s {
			t.Errorf("compact: got %s, want %s", got, r+s)
		}
		// Sequence of 69 bytes: integer r, with a zero before its top bit, and integer s.
		if got, want := hex.EncodeToString(k.SignDER(digest)), "3045"+"022100"+r+"0220"+s; got != want {
			t.Errorf("DER: got %s, want %s", got, want)
		}
		pub, err := RecoverCompact(compact, digest)
		if err != nil || !bytes.Equal(pub, k.PublicKey()) {
			t.Errorf("recovered %x, %v, want %x", pub, err, k.PublicKey())
		}
	}
	if _, err := RecoverCompact(make([]byte, 65), digest); err == nil {
		t.Error("a key was recovered from zeros")
	}
	if _, err := RecoverCompact(nil, digest); err == nil {
		t.Error("a key was recovered from nothing")
	}
}

func TestGeneratedKeysDifferAndWork(t *testing.T) {
	seen := map[string]bool{}
	for range 20 {
		k, err := GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		if seen[k.FluxID()] {
			t.Fatalf("%s came twice", k.FluxID())
		}
		seen[k.FluxID()] = true
		if !ValidFluxID(k.FluxID()) || !ValidFluxID(k.EthereumAddress()) {
			t.Errorf("%s or %s is no Flux ID", k.FluxID(), k.EthereumAddress())
		}
		if err := Verify(k.FluxID(), testPhrase, k.SignMessage(testPhrase)); err != nil {
			t.Error(err)
		}
	}
}

func TestWIFRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "secret")
		raw[0], raw[31] = raw[0]&0x7F, raw[31]|1 // below the order, not zero
		secret, err := parseSecret(raw)
		if err != nil {
			t.Fatal(err)
		}
		k := newKey(secret, rapid.Bool().Draw(t, "compressed"), rapid.Bool().Draw(t, "testnet"))
		got, err := ParseWIF(k.WIF())
		if err != nil {
			t.Fatal(err)
		}
		if got.secret().Key != k.secret().Key || got.compressed != k.compressed || got.testnet != k.testnet {
			t.Error("the key read is not the key written")
		}
	})
}

func TestKeyNeverPrintsItsSecret(t *testing.T) {
	k := newTestKey(t)
	hidden := struct {
		Pointer  *Key
		Value    Key
		unseen   Key
		indirect *Key
	}{k, *k, *k, k}

	var out bytes.Buffer
	for _, v := range "vsdxXqTpbotcUeEfFgG" {
		for _, flags := range []string{"", "+", "#"} {
			fmt.Fprintf(&out, "%"+flags+string(v)+" ", k)
			fmt.Fprintf(&out, "%"+flags+string(v)+" ", *k)
			fmt.Fprintf(&out, "%"+flags+string(v)+"\n", hidden)
		}
	}
	fmt.Fprintln(&out, k, *k, hidden)
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("Key", "pointer", k, "value", *k, "hidden", hidden, slog.Any("list", []*Key{k}))
	}
	if err := json.NewEncoder(&out).Encode([]any{k, *k, hidden, map[string]*Key{"key": k}}); err != nil {
		t.Fatal(err)
	}

	raw := k.secret().Serialize()
	secrets := []string{k.WIF(), hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), strings.Trim(fmt.Sprint(raw), "[]")}
	for limb := range slices.Chunk(raw, 4) { // as the scalar is held in memory
		n := binary.BigEndian.Uint32(limb)
		secrets = append(secrets, fmt.Sprint(n), fmt.Sprintf("%x", n), fmt.Sprintf("%o", n))
	}
	for _, s := range secrets {
		if strings.Contains(out.String(), s) {
			t.Errorf("the output holds %q", s)
		}
	}

	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		if got := fmt.Sprintf(verb, k); got != redacted {
			t.Errorf("%s: got %s, want %s", verb, got, redacted)
		}
	}
	if got, err := json.Marshal(k); err != nil || string(got) != `"***"` {
		t.Errorf("JSON: got %s, %v", got, err)
	}
	if got := k.LogValue().String(); got != redacted {
		t.Errorf("slog: got %s, want %s", got, redacted)
	}
}
