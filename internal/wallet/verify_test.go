package wallet

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

const testPhrase = "1795313415017oeh0g4bsk0pk0ye5zz2gq3xn6c0w1fq8n6x5h3m4v"

func newTestKey(t testing.TB) *Key {
	t.Helper()
	k, err := ParsePrivateKeyHex("34929cd386fd54daa0928edf249904dd2e05539b489eca76c9f1d3da8491cf7e")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// From the documentation of web3.js (accounts.sign) and eth-account.
func TestEthereumPublishedPersonalSign(t *testing.T) {
	const (
		private   = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"
		address   = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
		message   = "Some data"
		signature = "0xb91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c"
	)
	k, err := ParsePrivateKeyHex(private)
	if err != nil {
		t.Fatal(err)
	}
	if got := k.EthereumAddress(); got != address {
		t.Errorf("address: got %s, want %s", got, address)
	}
	if got := k.SignEthereum(message); got != signature {
		t.Errorf("signature: got %s, want %s", got, signature)
	}
	if err := Verify(address, message, signature); err != nil {
		t.Error(err)
	}
}

// The test cases of EIP-55.
func TestEthereumAddressLetterCase(t *testing.T) {
	for _, want := range []string{
		"0x52908400098527886E0F7030069857D2E4169EE7",
		"0x8617E340B3D01FA5F11F306F4090FD50E238070D",
		"0xde709f2102306220921060314715629080e2fb77",
		"0x27b1fdb04752bbc536007a920d24acb045561c26",
		"0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
		"0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
		"0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
		"0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
	} {
		for _, text := range []string{want, "0x" + strings.ToLower(want[2:]), "0x" + strings.ToUpper(want[2:])} {
			if got, err := ChecksumAddress(text); err != nil || got != want {
				t.Errorf("%s: got %s, %v, want %s", text, got, err, want)
			}
		}
	}
	for _, text := range []string{"", "0x", testPhrase, "0X52908400098527886E0F7030069857D2E4169EE7", "0x52908400098527886E0F7030069857D2E4169EE"} {
		if got, err := ChecksumAddress(text); !errors.Is(err, ErrAddress) {
			t.Errorf("%q: got %s, %v, want ErrAddress", text, got, err)
		}
	}
}

func TestVerifySaysWhatIsWrong(t *testing.T) {
	k := newTestKey(t)
	bitcoin, ethereum := k.SignMessage(testPhrase), k.SignEthereum(testPhrase)
	withHeader := func(header byte) string {
		raw, err := base64.StdEncoding.DecodeString(bitcoin)
		if err != nil {
			t.Fatal(err)
		}
		raw[0] = header
		return base64.StdEncoding.EncodeToString(raw)
	}
	for name, tc := range map[string]struct {
		address, message, signature string
		want                        error
	}{
		"no address":                 {"", testPhrase, bitcoin, ErrAddress},
		"wrong checksum":             {"14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMa", testPhrase, bitcoin, ErrAddress},
		"two-byte version":           {"t1M3vC3U8ui3gh7pVbk9YoGD3kXCg4eUXiA", testPhrase, bitcoin, ErrAddress},
		"bech32 address":             {"bc1qytdmw7efa8va026d2f3nttv7uckraee8lvee05", testPhrase, bitcoin, ErrAddress},
		"key of 64 digits":           {k.PublicKeyHex()[2:], testPhrase, bitcoin, ErrAddress},
		"key of other characters":    {k.PublicKeyHex()[:65] + "g", testPhrase, bitcoin, ErrAddress},
		"key of a hybrid form":       {"06" + strings.Repeat("11", 64), testPhrase, bitcoin, ErrAddress},
		"capital X":                  {"0X" + k.EthereumAddress()[2:], testPhrase, ethereum, ErrAddress},
		"short Ethereum address":     {k.EthereumAddress()[:41], testPhrase, ethereum, ErrAddress},
		"no message":                 {k.FluxID(), "", k.SignMessage(""), ErrMessage},
		"no message, Ethereum":       {k.EthereumAddress(), "", k.SignEthereum(""), ErrMessage},
		"long message":               {k.FluxID(), strings.Repeat("x", MaxMessage+1), bitcoin, ErrMessage},
		"no signature":               {k.FluxID(), testPhrase, "", ErrSignature},
		"long signature":             {k.FluxID(), testPhrase, bitcoin + strings.Repeat(" ", MaxSignature), ErrSignature},
		"not base64":                 {k.FluxID(), testPhrase, "not a signature!", ErrSignature},
		"64 bytes":                   {k.FluxID(), testPhrase, base64.StdEncoding.EncodeToString(make([]byte, 64)), ErrSignature},
		"r and s of zero":            {k.FluxID(), testPhrase, base64.StdEncoding.EncodeToString(append([]byte{31}, make([]byte, 64)...)), ErrSignature},
		"header 26":                  {k.FluxID(), testPhrase, withHeader(26), ErrSignature},
		"header 43":                  {k.FluxID(), testPhrase, withHeader(43), ErrSignature},
		"header of a script":         {k.FluxID(), testPhrase, withHeader(36), ErrMismatch},
		"header of a bech32 address": {k.FluxID(), testPhrase, withHeader(40), ErrMismatch},
		"header of the other form":   {k.FluxID(), testPhrase, withHeader(28), ErrMismatch},
		"Ethereum for Bitcoin":       {k.FluxID(), testPhrase, ethereum, ErrSignature},
		"Bitcoin for Ethereum":       {k.EthereumAddress(), testPhrase, bitcoin, ErrSignature},
		"Ethereum without 0x":        {k.EthereumAddress(), testPhrase, ethereum[2:], ErrSignature},
		"Ethereum, v of 2":           {k.EthereumAddress(), testPhrase, ethereum[:130] + "02", ErrSignature},
		"Ethereum, v of 4":           {k.EthereumAddress(), testPhrase, ethereum[:130] + "04", ErrSignature},
		"Ethereum, v of 5":           {k.EthereumAddress(), testPhrase, ethereum[:130] + "05", ErrSignature},
		"Ethereum, v of 26":          {k.EthereumAddress(), testPhrase, ethereum[:130] + "1a", ErrSignature},
		"Ethereum, no hex":           {k.EthereumAddress(), testPhrase, ethereum[:130] + "zz", ErrSignature},
		"Ethereum, white space":      {k.EthereumAddress(), testPhrase, ethereum + "\n", ErrSignature},
		"Ethereum, other message":    {k.EthereumAddress(), testPhrase + " ", ethereum, ErrMismatch},
		"other message":              {k.FluxID(), testPhrase + " ", bitcoin, ErrMismatch},
		"other key":                  {"19J4Ef396goaQhrqgNLTFvtCXYqjFAx2Js", testPhrase, bitcoin, ErrMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			err := Verify(tc.address, tc.message, tc.signature)
			if !errors.Is(err, tc.want) || !isVerifyError(err) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

func TestVerifyTakesWhatTheNetworkTakes(t *testing.T) {
	k := newTestKey(t)
	bitcoin, ethereum := k.SignMessage(testPhrase), k.SignEthereum(testPhrase)
	urlSafe := strings.NewReplacer("+", "-", "/", "_").Replace(bitcoin)
	for name, tc := range map[string]struct{ address, signature string }{
		"as made":                     {k.FluxID(), bitcoin},
		"public key":                  {k.PublicKeyHex(), bitcoin},
		"public key in capitals":      {strings.ToUpper(k.PublicKeyHex()), bitcoin},
		"URL-safe":                    {k.FluxID(), urlSafe},
		"no padding":                  {k.FluxID(), strings.TrimRight(bitcoin, "=")},
		"white space within":          {k.FluxID(), bitcoin[:20] + " \t\r\n\v\f" + bitcoin[20:]},
		"white space before padding":  {k.FluxID(), strings.Replace(bitcoin, "=", " = ", 1)},
		"Ethereum in capitals":        {"0x" + strings.ToUpper(k.EthereumAddress()[2:]), strings.ToUpper(ethereum)},
		"Ethereum in lower case":      {strings.ToLower(k.EthereumAddress()), ethereum},
		"script address, same header": {scriptAddress(k), scriptSignature(t, k)},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Verify(tc.address, testPhrase, tc.signature); err != nil {
				t.Error(err)
			}
		})
	}
}

// scriptAddress is k's P2WPKH-in-P2SH address (BIP 141).
func scriptAddress(k *Key) string {
	inner := Sum160(k.PublicKey())
	return Address{Version: VersionBitcoinScript, Hash: Sum160(append([]byte{0, 20}, inner[:]...))}.String()
}

func scriptSignature(t *testing.T, k *Key) string {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(k.SignMessage(testPhrase))
	if err != nil {
		t.Fatal(err)
	}
	raw[0] += headerScript - headerCompressed
	return base64.StdEncoding.EncodeToString(raw)
}

// The length prefix of a Bitcoin message has four forms; the network knows
// messages long enough for three.
func TestSignaturesOfMessagesOfAnyLengthVerify(t *testing.T) {
	k := newTestKey(t)
	for _, n := range []int{1, 252, 253, 254, 65535, 65536, MaxMessage} {
		message := strings.Repeat("m", n)
		if err := Verify(k.FluxID(), message, k.SignMessage(message)); err != nil {
			t.Errorf("Bitcoin, %d bytes: %v", n, err)
		}
		if err := VerifyAppMessage(k.EthereumAddress(), message, k.SignEthereum(message)); err != nil {
			t.Errorf("Ethereum, %d bytes: %v", n, err)
		}
	}
}

func TestCompactLength(t *testing.T) {
	for n, want := range map[int]string{0: "00", 252: "fc", 253: "fdfd00", 65535: "fdffff", 65536: "fe00000100"} {
		if got := hex.EncodeToString(compactLength(n)); got != want {
			t.Errorf("%d: got %s, want %s", n, got, want)
		}
	}
}

func TestVerifyAppMessageLetsBitcoinOwnersUseAnyCharacter(t *testing.T) {
	k := newTestKey(t)
	const message = "žluťoučký kůň 🦀\nnew line\ttab"
	if err := VerifyAppMessage(k.FluxID(), message, k.SignMessage(message)); err != nil {
		t.Error(err)
	}
	err := VerifyAppMessage(k.EthereumAddress(), message, k.SignEthereum(message))
	if !errors.Is(err, ErrEncoding) || !strings.Contains(err.Error(), "byte 0 is 0xc5") {
		t.Errorf("got %v, want ErrEncoding and where", err)
	}
	if err := Verify(k.EthereumAddress(), message, k.SignEthereum(message)); err != nil {
		t.Errorf("a login with the same text: %v", err)
	}
}

func TestVerifyAppMessageBoundsTheMessageFirst(t *testing.T) {
	k := newTestKey(t)
	if err := VerifyAppMessage(k.EthereumAddress(), strings.Repeat("\n", MaxMessage+1), "0x"); !errors.Is(err, ErrMessage) {
		t.Errorf("got %v, want ErrMessage", err)
	}
}

// The short rule of firstUnportable agrees with the network's encoding spelled out.
func TestUnportableMessagesAreThoseEncodedDifferently(t *testing.T) {
	network := func(message string) string {
		var b strings.Builder
		for _, unit := range utf16.Encode([]rune(message)) {
			fmt.Fprintf(&b, "%x", unit)
		}
		return b.String()
	}
	rapid.Check(t, func(t *rapid.T) {
		char := rapid.OneOf(rapid.RuneFrom([]rune("az09 ~\x7f\x10\x0f\x01\n\té\u0080ÿĀ߿ࠀ\uffff🦀\U00010000")), rapid.Rune())
		message := string(rapid.SliceOf(char).Draw(t, "message"))
		got, want := firstUnportable(message) < 0, network(message) == hex.EncodeToString([]byte(message))
		if got != want {
			t.Errorf("%q: portable=%v, want %v", message, got, want)
		}
	})
}

func TestSignedTextsVerifyForTheirKeyOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) *Key {
			raw := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, label)
			raw[0], raw[31] = raw[0]&0x7F, raw[31]|1 // below the order, not zero
			k, err := ParsePrivateKeyHex(hex.EncodeToString(raw))
			if err != nil {
				t.Fatal(err)
			}
			k.compressed = rapid.Bool().Draw(t, label+" compressed")
			return k
		}
		k, other := draw("key"), draw("other")
		message := rapid.StringN(1, 200, -1).Draw(t, "message")
		identity, sign := (*Key).FluxID, (*Key).SignMessage
		switch rapid.SampledFrom([]string{"Flux ID", "public key", "Ethereum"}).Draw(t, "identity") {
		case "public key":
			identity = (*Key).PublicKeyHex
		case "Ethereum":
			identity, sign = (*Key).EthereumAddress, (*Key).SignEthereum
		}
		if err := Verify(identity(k), message, sign(k, message)); err != nil {
			t.Errorf("own signature for %s: %v", identity(k), err)
		}
		if err := Verify(identity(k), message+"x", sign(k, message)); err == nil {
			t.Errorf("signature for %s verifies over another message", identity(k))
		}
		if k.secret().Key != other.secret().Key && Verify(identity(k), message, sign(other, message)) == nil {
			t.Errorf("signature of another key verifies for %s", identity(k))
		}
	})
}
