package wallet

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

const (
	wifMainnet = 0x80
	wifTestnet = 0xEF
	// wifCompressed ends the payload of a key whose public key is compressed.
	wifCompressed = 0x01
	redacted      = "***"
)

// Key is a secp256k1 private key and the form (compressed or not) that its
// public key is written in, which decides its Flux ID. Printed, logged or
// marshalled in any way it is "***"; only [Key.WIF] tells the secret. Keys are
// made by [ParseWIF], [ParsePrivateKeyHex], [NewKey] and [GenerateKey]; the zero
// Key has no secret and must not be used.
type Key struct {
	// A function, because fmt calls no method on a Key in an unexported field
	// of another struct, and there follows even pointers for some verbs.
	secret     func() *secp256k1.PrivateKey
	compressed bool
	testnet    bool
}

// ParseWIF reads a key in wallet import format: base58check of 0x80 (0xEF on
// testnet), 32 bytes, and 0x01 if the public key is compressed. Errors never
// repeat the text.
func ParseWIF(text string) (*Key, error) {
	payload, err := decodeBase58Check(text)
	if err != nil {
		return nil, fmt.Errorf("WIF key: %w", err)
	}
	defer clear(payload)
	const short, long = 1 + secp256k1.PrivKeyBytesLen, 1 + secp256k1.PrivKeyBytesLen + 1
	if len(payload) != short && len(payload) != long {
		return nil, fmt.Errorf("WIF key: holds %d bytes, want %d or %d", len(payload), short, long)
	}
	if v := payload[0]; v != wifMainnet && v != wifTestnet {
		return nil, fmt.Errorf("WIF key: version byte 0x%02x, want 0x%02x (mainnet) or 0x%02x (testnet)", v, wifMainnet, wifTestnet)
	}
	compressed := len(payload) == long
	if compressed && payload[short] != wifCompressed {
		return nil, errors.New("WIF key: the byte after the key is not 01, the mark of a compressed public key")
	}
	secret, err := parseSecret(payload[1:short])
	if err != nil {
		return nil, fmt.Errorf("WIF key: %w", err)
	}
	return newKey(secret, compressed, payload[0] == wifTestnet), nil
}

// ParsePrivateKeyHex reads a key written as 64 hex digits, with or without
// "0x". Its public key is compressed and its WIF that of mainnet. Errors never
// repeat the text.
func ParsePrivateKeyHex(text string) (*Key, error) {
	digits := strings.TrimPrefix(text, "0x")
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != secp256k1.PrivKeyBytesLen {
		return nil, fmt.Errorf("private key: want %d hex digits", hex.EncodedLen(secp256k1.PrivKeyBytesLen))
	}
	defer clear(raw)
	return NewKey(raw, true)
}

// NewKey returns the key of 32 big-endian bytes, which it copies; compressed is
// the form of its public key. Its WIF is that of mainnet. Zero, and numbers that
// are not below the order of secp256k1 (SEC 2), are no keys.
func NewKey(raw []byte, compressed bool) (*Key, error) {
	secret, err := parseSecret(raw)
	if err != nil {
		return nil, fmt.Errorf("private key: %w", err)
	}
	return newKey(secret, compressed, false), nil
}

// GenerateKey returns a new random key; its public key is compressed and its
// WIF that of mainnet. The error is that of the system's random source.
func GenerateKey() (*Key, error) {
	secret, err := secp256k1.GeneratePrivateKey()
	if err != nil {
		return nil, fmt.Errorf("generate key: %w", err)
	}
	return newKey(secret, true, false), nil
}

func newKey(secret *secp256k1.PrivateKey, compressed, testnet bool) *Key {
	return &Key{secret: func() *secp256k1.PrivateKey { return secret }, compressed: compressed, testnet: testnet}
}

func parseSecret(raw []byte) (*secp256k1.PrivateKey, error) {
	if len(raw) != secp256k1.PrivKeyBytesLen {
		return nil, fmt.Errorf("%d bytes, want %d", len(raw), secp256k1.PrivKeyBytesLen)
	}
	var scalar secp256k1.ModNScalar
	if overflow := scalar.SetByteSlice(raw); overflow || scalar.IsZero() {
		return nil, errors.New("the number is zero or not below the order of secp256k1")
	}
	return secp256k1.NewPrivateKey(&scalar), nil
}

// WIF returns the secret in wallet import format; [ParseWIF] reads it back.
func (k *Key) WIF() string {
	payload := make([]byte, 0, 1+secp256k1.PrivKeyBytesLen+1)
	if k.testnet {
		payload = append(payload, wifTestnet)
	} else {
		payload = append(payload, wifMainnet)
	}
	payload = append(payload, k.secret().Serialize()...)
	if k.compressed {
		payload = append(payload, wifCompressed)
	}
	defer clear(payload)
	return encodeBase58Check(payload)
}

// Testnet reports whether the key was read from, and is written as, a WIF of testnet.
func (k *Key) Testnet() bool { return k.testnet }

// Compressed reports whether the public key is written in 33 bytes rather than 65.
func (k *Key) Compressed() bool { return k.compressed }

// PublicKeyHex returns the public key in lower-case hex: 66 digits if
// compressed, else 130. Nodes use it as their identity among themselves.
func (k *Key) PublicKeyHex() string { return hex.EncodeToString(k.PublicKey()) }

// PublicKey returns the public key as SEC 1 serialises it: 33 bytes if
// compressed, else 65.
func (k *Key) PublicKey() []byte { return serialize(k.secret().PubKey(), k.compressed) }

// FluxID returns the identity "1…" that the key logs in with, on testnet too.
func (k *Key) FluxID() string {
	return Address{Version: VersionFluxID, Hash: Sum160(k.PublicKey())}.String()
}

// EthereumAddress returns the key's "0x…" identity in the letter case of EIP-55.
func (k *Key) EthereumAddress() string { return ethereumAddressOf(k.secret().PubKey()).String() }

// SignMessage returns the Bitcoin signed message signature of message: base64
// of 65 bytes, deterministic (RFC 6979), low s. [Verify] accepts it for the
// key's FluxID and PublicKeyHex.
func (k *Key) SignMessage(message string) string {
	return base64.StdEncoding.EncodeToString(k.SignCompact(bitcoinDigest(message)))
}

// SignCompact returns the 65-byte signature of a digest that the public key can
// be recovered from: the header of BIP 137, r, s; deterministic (RFC 6979), low s.
func (k *Key) SignCompact(digest [sha256.Size]byte) []byte {
	return ecdsa.SignCompact(k.secret(), digest[:], k.compressed)
}

// SignDER returns the signature of a digest as transactions carry it: strict DER
// (BIP 66), without a hash type; deterministic (RFC 6979), low s.
func (k *Key) SignDER(digest [sha256.Size]byte) []byte {
	return ecdsa.Sign(k.secret(), digest[:]).Serialize()
}

// SignEthereum returns the EIP-191 personal message signature of message: 0x
// and 130 hex digits, v 27 or 28, deterministic (RFC 6979), low s. [Verify]
// accepts it for the key's EthereumAddress.
func (k *Key) SignEthereum(message string) string {
	sig := ecdsa.SignCompact(k.secret(), ethereumDigest(message), false)
	return "0x" + hex.EncodeToString(append(sig[1:], sig[0]))
}

// Format prints "***" for every verb, so that no log line can hold a key. It
// and the methods below take values, to cover copies of a Key as well.
func (k Key) Format(s fmt.State, _ rune) { io.WriteString(s, redacted) }

// LogValue logs "***".
func (k Key) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives "***" to JSON, YAML and any other encoder of text.
func (k Key) MarshalText() ([]byte, error) { return []byte(redacted), nil }
