package wallet

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// generatorKey is the compressed public key of the private key 1.
const generatorKey = "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"

func TestAddressFromPublicKey(t *testing.T) {
	user := "03bcde2305b7e18c8795b9ecfd8960116182708b0f0cfde4a0e6b8f101221290b5"
	for _, tc := range []struct {
		name    string
		pub     string
		version Version
		want    string
	}{
		{"Flux ID", user, VersionFluxID, "14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMv"},
		{"Flux ID of the uncompressed form", "04bcde2305b7e18c8795b9ecfd8960116182708b0f0cfde4a0e6b8f101221290b5797ff9508252b0f9cca071df0c9ac3693864d07bb0ec8c944f521d667e834df3", VersionFluxID, "1HumJZem6QtaVypFJYG2oggUV1JepS5Y5H"},
		{"transparent", user, VersionFluxPubKeyHash, "t1M3vC3U8ui3gh7pVbk9YoGD3kXCg4eUXiA"},
		{"another chain", user, 0x30, "LNQGSvMq23W9MHTkqTKiwUAti5NsTkrgGQ"},
		{"generator", generatorKey, VersionFluxID, "1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			pub, err := hex.DecodeString(tc.pub)
			if err != nil {
				t.Fatal(err)
			}
			a, err := AddressFromPublicKey(pub, tc.version)
			if err != nil {
				t.Fatal(err)
			}
			if got := a.String(); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestAddressFromPublicKeyRefusesWhatIsNoKey(t *testing.T) {
	for _, pub := range [][]byte{nil, {2}, make([]byte, 33), make([]byte, 65), append([]byte{4}, make([]byte, 32)...), append([]byte{2}, make([]byte, 64)...)} {
		if a, err := AddressFromPublicKey(pub, VersionFluxID); err == nil {
			t.Errorf("%x: got %v, want an error", pub, a)
		}
	}
}

func TestVersionsGiveTheirLetters(t *testing.T) {
	for version, want := range map[Version]string{
		VersionFluxID: "1", VersionBitcoinScript: "3",
		VersionFluxPubKeyHash: "t1", VersionFluxScriptHash: "t3",
		VersionTestPubKeyHash: "tm", VersionTestScriptHash: "t2",
	} {
		for _, fill := range []byte{0x00, 0x7F, 0xFF} {
			a := Address{Version: version, Hash: Hash160(bytes.Repeat([]byte{fill}, 20))}
			if got := a.String(); !strings.HasPrefix(got, want) {
				t.Errorf("version %04x: got %s, want %s…", version, got, want)
			}
		}
	}
}

func TestParseAddressReadsKnownAddresses(t *testing.T) {
	for text, want := range map[string]Version{
		"1hjy4bCYBJr4mny4zCE85J94RXa8W6q37":   VersionFluxID,
		"3DyJZDM4gsr1wWLd9GTR4Du5sQDHvd5SFZ":  VersionBitcoinScript,
		"t1LUs6quf7TB2zVZmexqPQdnqmrFMGZGjV6": VersionFluxPubKeyHash,
		"t3aGJvdtd8NR6GrnqnRuVEzH6MbrXuJFLUX": VersionFluxScriptHash,
	} {
		a, err := ParseAddress(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if a.Version != want || a.String() != text {
			t.Errorf("%s: got version %04x, text %s, want version %04x", text, a.Version, a, want)
		}
	}
}

func TestParseAddressSaysWhatIsWrong(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"empty":          {"", "too short"},
		"bad checksum":   {"14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMa", "checksum"},
		"bad character":  {"14BKBi3zwPG66UmbfKLRfT78Vs1bL4ui0v", "character 33 is not a base58 digit"},
		"white space":    {" 14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMv", "character 1 is not"},
		"too long":       {strings.Repeat("1", 65), "at most 64"},
		"short payload":  {encodeBase58Check(make([]byte, 20)), "holds 20 bytes, want 21 or 22"},
		"long payload":   {encodeBase58Check(make([]byte, 23)), "holds 23 bytes, want 21 or 22"},
		"zero of two":    {encodeBase58Check(append([]byte{0, 5}, make([]byte, 20)...)), "must not begin with 00"},
		"bech32 address": {"bc1qytdmw7efa8va026d2f3nttv7uckraee8lvee05", "not a base58 digit"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := ParseAddress(tc.text)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, %v, want an error with %q", a, err, tc.want)
			}
		})
	}
}

func TestAddressTextRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := Address{Version: Version(rapid.Uint16().Draw(t, "version"))}
		copy(a.Hash[:], rapid.SliceOfN(rapid.Byte(), len(a.Hash), len(a.Hash)).Draw(t, "hash"))
		got, err := ParseAddress(a.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, got); diff != "" {
			t.Errorf("round trip (-want +got):\n%s", diff)
		}
	})
}

func TestBase58CheckRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		payload := rapid.SliceOfN(rapid.OneOf(rapid.Just(byte(0)), rapid.Byte()), 0, 40).Draw(t, "payload")
		got, err := decodeBase58Check(encodeBase58Check(payload))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, payload) {
			t.Errorf("got %x, want %x", got, payload)
		}
	})
}

// The base58check of 20 zero bytes of version 0 is the best-known unspendable address.
func TestBase58CheckKeepsLeadingZeros(t *testing.T) {
	const want = "1111111111111111111114oLvT2"
	if got := encodeBase58Check(make([]byte, 21)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestValidFluxID(t *testing.T) {
	for id, want := range map[string]bool{
		"14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMv":         true,
		"14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMa":         true, // the checksum is not its business
		"1" + strings.Repeat("2", 24):                true,
		"1" + strings.Repeat("2", 23):                false,
		"1" + strings.Repeat("2", 33):                true,
		"1" + strings.Repeat("2", 34):                false,
		"1" + strings.Repeat("2", 23) + "0":          false,
		"1" + strings.Repeat("2", 23) + "\n":         false,
		"0x397Fe5dffE73Fb6542d950462452303A4863C504": true,
		"0x397fe5dffe73fb6542d950462452303a4863c504": true,
		"0x397FE5DFFE73FB6542D950462452303A4863C504": true,
		"0X397Fe5dffE73Fb6542d950462452303A4863C504": false,
		"0x397Fe5dffE73Fb6542d950462452303A4863C50":  false,
		"0x397Fe5dffE73Fb6542d950462452303A4863C50g": false,
		"397Fe5dffE73Fb6542d950462452303A4863C504":   false,
		"3DyJZDM4gsr1wWLd9GTR4Du5sQDHvd5SFZ":         false,
		"t1LUs6quf7TB2zVZmexqPQdnqmrFMGZGjV6":        false,
		"bc1qytdmw7efa8va026d2f3nttv7uckraee8lvee05": false,
		generatorKey: false,
		"":           false,
	} {
		if got := ValidFluxID(id); got != want {
			t.Errorf("%q: got %v, want %v", id, got, want)
		}
	}
}
