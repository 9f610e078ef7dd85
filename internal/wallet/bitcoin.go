package wallet

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

const (
	bitcoinMagic = "\x18Bitcoin Signed Message:\n"
	// compactSize is a recoverable signature: one header byte, r, s.
	compactSize = 65
)

// The header bytes of a Bitcoin signed message (BIP 137): the first of four for
// each kind of address; the low two bits are the recovery id.
const (
	headerUncompressed = 27
	headerCompressed   = 31
	headerScript       = 35 // P2WPKH inside P2SH
	headerWitness      = 39 // P2WPKH, bech32
	headerEnd          = 43
)

// bitcoinDigest is the double SHA-256 of the magic, the length of the message
// in Bitcoin's variable-length form, and the message.
func bitcoinDigest(message string) [sha256.Size]byte {
	h := sha256.New()
	h.Write([]byte(bitcoinMagic))
	h.Write(compactLength(len(message)))
	h.Write([]byte(message))
	return sha256.Sum256(h.Sum(nil))
}

// compactLength encodes n as Bitcoin's CompactSize. Messages are bounded by
// MaxMessage, so the nine-byte form does not occur.
func compactLength(n int) []byte {
	switch {
	case n < 0xFD:
		return []byte{byte(n)}
	case n <= 0xFFFF:
		return binary.LittleEndian.AppendUint16([]byte{0xFD}, uint16(n))
	}
	return binary.LittleEndian.AppendUint32([]byte{0xFE}, uint32(n))
}

// verifyBitcoin verifies a Bitcoin signed message for a base58check address of
// any one-byte version: the network compares the hash only.
func verifyBitcoin(address, message, signature string) error {
	a, err := ParseAddress(address)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	if a.Version > 0xFF {
		return fmt.Errorf("%w: the version has two bytes, only one-byte addresses sign messages", ErrAddress)
	}
	return verifyBitcoinHash(a.Hash, message, signature)
}

// verifyPublicKey verifies a Bitcoin signed message for an identity written as
// a hex public key, the form nodes use among themselves. The signature header
// must name the same form (compressed or not) as the key has.
func verifyPublicKey(key, message, signature string) error {
	const compressed, uncompressed = 66, 130 // hex digits
	if len(key) != compressed && len(key) != uncompressed {
		return fmt.Errorf("%w: longer than %d characters, so a hex public key of %d or %d digits is expected", ErrAddress, longestAddress, compressed, uncompressed)
	}
	pub, err := hex.DecodeString(key)
	if err != nil {
		return fmt.Errorf("%w: public key: %w", ErrAddress, err)
	}
	a, err := AddressFromPublicKey(pub, VersionFluxID)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrAddress, err)
	}
	return verifyBitcoinHash(a.Hash, message, signature)
}

func verifyBitcoinHash(want Hash160, message, signature string) error {
	sig, err := decodeBitcoinSignature(signature)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	header := sig[0]
	if header >= headerWitness {
		// A bech32 address is never shorter than 41 characters and so never
		// gets here: such a signature cannot belong to the address.
		return fmt.Errorf("%w: its header is for a bech32 address", ErrMismatch)
	}
	if header >= headerScript {
		sig[0] -= headerScript - headerCompressed
	}
	pub, err := RecoverCompact(sig, bitcoinDigest(message))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	got := Sum160(pub)
	if header >= headerScript {
		got = Sum160(append([]byte{0x00, byte(len(got))}, got[:]...)) // the witness program of version 0
	}
	if got != want {
		return ErrMismatch
	}
	return nil
}

// decodeBitcoinSignature returns the 65 bytes of a base64 signature, with a
// header of BIP 137. It takes what the network takes: white space anywhere, the
// URL-safe alphabet, missing padding.
func decodeBitcoinSignature(text string) ([]byte, error) {
	clean := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\n', '\v', '\f', '\r':
			return -1
		case '-':
			return '+'
		case '_':
			return '/'
		}
		return r
	}, text)
	clean = strings.TrimRight(clean, "=")
	sig, err := base64.RawStdEncoding.DecodeString(clean)
	if err != nil {
		return nil, fmt.Errorf("not base64: %w", err)
	}
	if len(sig) != compactSize {
		return nil, fmt.Errorf("%d bytes of base64, want %d", len(sig), compactSize)
	}
	if sig[0] < headerUncompressed || sig[0] >= headerEnd {
		return nil, fmt.Errorf("header byte %d, want %d to %d", sig[0], headerUncompressed, headerEnd-1)
	}
	return sig, nil
}

// RecoverCompact returns the public key that made a compact signature over
// digest, serialised (SEC 1) in the form that the signature's header names.
// sig is what [Key.SignCompact] returns: a header byte of 27 to 34, r and s.
func RecoverCompact(sig []byte, digest [sha256.Size]byte) ([]byte, error) {
	pub, compressed, err := ecdsa.RecoverCompact(sig, digest[:])
	if err != nil {
		return nil, err
	}
	return serialize(pub, compressed), nil
}

func serialize(pub *secp256k1.PublicKey, compressed bool) []byte {
	if compressed {
		return pub.SerializeCompressed()
	}
	return pub.SerializeUncompressed()
}
