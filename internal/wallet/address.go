package wallet

import (
	"crypto/sha256"
	"fmt"

	//lint:ignore SA1019 HASH160 is defined over RIPEMD-160
	"golang.org/x/crypto/ripemd160"
)

// Version is what a base58check address begins with. Values up to 0xFF are
// written as one byte, larger ones as two.
type Version uint16

// The versions of Bitcoin, which Flux IDs borrow, and of Flux's transparent addresses.
const (
	VersionFluxID         Version = 0x00   // 1…, also Bitcoin pay to public key hash
	VersionBitcoinScript  Version = 0x05   // 3…, Bitcoin pay to script hash
	VersionFluxPubKeyHash Version = 0x1CB8 // t1…
	VersionFluxScriptHash Version = 0x1CBD // t3…
	VersionTestPubKeyHash Version = 0x1D25 // tm…, testnet
	VersionTestScriptHash Version = 0x1CBA // t2…, testnet
)

func (v Version) bytes() []byte {
	if v <= 0xFF {
		return []byte{byte(v)}
	}
	return []byte{byte(v >> 8), byte(v)}
}

// Hash160 is RIPEMD-160 of SHA-256: of a public key or of a script.
type Hash160 [ripemd160.Size]byte

// Sum160 returns the HASH160 of data.
func Sum160(data []byte) Hash160 {
	inner := sha256.Sum256(data)
	h := ripemd160.New()
	h.Write(inner[:])
	return Hash160(h.Sum(nil))
}

// Address is a base58check address: a version and a 20-byte hash. Addresses
// are comparable with ==. The zero Address is the Flux ID of an all-zero hash,
// which nobody can sign for.
type Address struct {
	Version Version
	Hash    Hash160
}

// AddressFromPublicKey returns the address that pays to pub's hash. pub is a
// serialised secp256k1 key of SEC 1: 33 bytes beginning 02 or 03, or 65
// beginning 04; the two forms of one key have different addresses.
func AddressFromPublicKey(pub []byte, version Version) (Address, error) {
	compressed := len(pub) == 33 && (pub[0] == 2 || pub[0] == 3)
	uncompressed := len(pub) == 65 && pub[0] == 4
	if !compressed && !uncompressed {
		return Address{}, fmt.Errorf("public key of %d bytes: want 33 beginning 02 or 03, or 65 beginning 04", len(pub))
	}
	return Address{Version: version, Hash: Sum160(pub)}, nil
}

// ParseAddress reads a base58check address with a version of one or two bytes,
// of any network. The error says whether a character, the checksum or the
// length is wrong.
func ParseAddress(text string) (Address, error) {
	payload, err := decodeBase58Check(text)
	if err != nil {
		return Address{}, fmt.Errorf("address: %w", err)
	}
	var a Address
	switch len(payload) {
	case len(a.Hash) + 1:
		a.Version = Version(payload[0])
	case len(a.Hash) + 2:
		a.Version = Version(payload[0])<<8 | Version(payload[1])
		if payload[0] == 0 {
			return Address{}, fmt.Errorf("address: version bytes %x: two bytes must not begin with 00", payload[:2])
		}
	default:
		return Address{}, fmt.Errorf("address: holds %d bytes, want 21 or 22", len(payload))
	}
	copy(a.Hash[:], payload[len(payload)-len(a.Hash):])
	return a, nil
}

// String returns the address as base58check text; [ParseAddress] reads it back.
func (a Address) String() string {
	return encodeBase58Check(append(a.Version.bytes(), a.Hash[:]...))
}
