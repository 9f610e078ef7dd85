package wallet

import (
	"fmt"
	"strings"
)

// longestAddress divides addresses from hex public keys: a longer text that is
// no Ethereum address is taken as a key.
const longestAddress = 36

// Verify returns nil when signature was made over message by the key behind
// address. The text of the address chooses the algorithm:
//
//   - "0x…": Ethereum personal message, EIP-191; the signature is 0x and 130 hex digits;
//   - longer than 36 characters: a hex public key of 66 or 130 digits, Bitcoin signed message;
//   - else: a base58check address, Bitcoin signed message; the signature is base64 of 65 bytes.
//
// The message is used as it is, byte for byte. Signatures with an s above half
// the group order are accepted, as everywhere on the network.
//
// Verify is wider than what a user may be: it takes addresses of any one-byte
// version and public keys. Callers that admit users check [ValidFluxID] first.
// An error wraps [ErrAddress], [ErrMessage], [ErrSignature] or [ErrMismatch].
func Verify(address, message, signature string) error {
	if message == "" {
		return fmt.Errorf("%w: it is empty", ErrMessage)
	}
	if len(message) > MaxMessage {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrMessage, len(message), MaxMessage)
	}
	if len(signature) > MaxSignature {
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrSignature, len(signature), MaxSignature)
	}
	switch {
	case strings.HasPrefix(address, "0x"):
		return verifyEthereum(address, message, signature)
	case len(address) > longestAddress:
		return verifyPublicKey(address, message, signature)
	default:
		return verifyBitcoin(address, message, signature)
	}
}

// VerifyAppMessage is [Verify] for application messages, which every node of
// the network checks again. The other nodes compute the Ethereum digest with an
// encoding of their own, equal to EIP-191 only for the characters U+0010 to
// U+007F; a specification with others, such as a line feed or an accent, signed
// by a "0x…" owner would be refused by all of them. It is refused here, with
// [ErrEncoding], whatever the signature. Bitcoin owners are not concerned.
func VerifyAppMessage(address, message, signature string) error {
	if strings.HasPrefix(address, "0x") && len(message) <= MaxMessage {
		if i := firstUnportable(message); i >= 0 {
			return fmt.Errorf("%w: only characters U+0010 to U+007F are allowed, byte %d is 0x%02x", ErrEncoding, i, message[i])
		}
	}
	return Verify(address, message, signature)
}

// firstUnportable returns the index of the first byte of a character on which
// the network's Ethereum encoding differs from UTF-8, or -1. The network
// writes each UTF-16 unit as hex digits without leading zeros: only units of
// exactly two digits that are one byte of UTF-8 come out right, and no two
// wrong ones make up for each other.
func firstUnportable(message string) int {
	for i := range len(message) {
		if c := message[i]; c < 0x10 || c > 0x7F {
			return i
		}
	}
	return -1
}
