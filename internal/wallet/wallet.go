// Package wallet says who signed a text, and signs texts and digests with a key
// it is given.
//
// It promises to verify the two signatures that Flux identities are made of,
// Bitcoin signed messages (BIP 137 headers) and Ethereum personal messages
// (EIP-191), with the tolerances of the Flux network; to turn public keys into
// addresses; to read and write WIF keys without ever printing them; and to read
// Sign-In with Ethereum texts (EIP-4361) strictly.
//
// It refuses everything else: it keeps no keys on disk, builds no transactions,
// calls no chain, knows no session and no privilege, and decides no age of a
// login phrase. Multisignature and contract-account (EIP-1271) signatures do not
// verify. It makes no external call and starts no goroutine; all of it may be
// used concurrently. Every input is bounded before work is spent on it.
package wallet

import "errors"

// What can be wrong with a signed text. Every error of [Verify] and
// [VerifyAppMessage] wraps exactly one of these.
var (
	// ErrAddress is an address that is neither a base58check address, a hex
	// public key nor an Ethereum address.
	ErrAddress = errors.New("address not valid")
	// ErrMessage is a message that is empty or longer than MaxMessage.
	ErrMessage = errors.New("message not valid")
	// ErrSignature is a signature that is malformed, or that no public key can
	// be recovered from.
	ErrSignature = errors.New("signature not valid")
	// ErrMismatch is a well-formed signature made by another key or over
	// another message.
	ErrMismatch = errors.New("signature does not belong to this address and message")
	// ErrEncoding is a message on which the network's Ethereum digest differs
	// from EIP-191, so that other nodes would refuse it; see VerifyAppMessage.
	ErrEncoding = errors.New("message has characters that an Ethereum owner cannot sign on this network")
)

const (
	// MaxMessage is the longest message that is verified, in bytes. The largest
	// signed texts of the network are application specifications.
	MaxMessage = 10 << 20
	// MaxSignature is the longest signature that is looked at, in bytes: 132
	// characters are enough for any, the rest is room for white space.
	MaxSignature = 512
)

// ValidFluxID reports whether id has the form of a user identity: "1" and
// base58 characters, 25 to 34 characters in all, or "0x" and 40 hex digits in
// any letter case. The base58 checksum is not looked at: a wrong one is found
// when the signature is verified.
func ValidFluxID(id string) bool {
	if isEthereumAddress(id) {
		return true
	}
	const shortest, longest = 25, 34
	if len(id) < shortest || len(id) > longest || id[0] != '1' {
		return false
	}
	for i := range len(id) {
		if base58Value(id[i]) < 0 {
			return false
		}
	}
	return true
}
