package wallet

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/sha3"
)

const ethereumMagic = "\x19Ethereum Signed Message:\n"

// ethereumAddress is the last 20 bytes of the Keccak-256 of a public key.
type ethereumAddress [20]byte

// isEthereumAddress reports whether text is "0x" and 40 hex digits, any case.
func isEthereumAddress(text string) bool {
	_, ok := parseEthereumAddress(text)
	return ok
}

func parseEthereumAddress(text string) (ethereumAddress, bool) {
	var a ethereumAddress
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok || len(digits) != hex.EncodedLen(len(a)) {
		return a, false
	}
	_, err := hex.Decode(a[:], []byte(digits))
	return a, err == nil
}

func ethereumAddressOf(pub *secp256k1.PublicKey) ethereumAddress {
	sum := keccak256(pub.SerializeUncompressed()[1:])
	return ethereumAddress(sum[len(sum)-len(ethereumAddress{}):])
}

// String returns the address with the letter case of EIP-55: a letter is upper
// case when the same digit of the Keccak-256 of the lower-case address is 8 or more.
func (a ethereumAddress) String() string {
	text := []byte(hex.EncodeToString(a[:]))
	sum := keccak256(text)
	for i, c := range text {
		digit := sum[i/2] >> 4
		if i%2 == 1 {
			digit = sum[i/2] & 0x0F
		}
		if c >= 'a' && digit >= 8 {
			text[i] = c - 'a' + 'A'
		}
	}
	return "0x" + string(text)
}

func keccak256(parts ...[]byte) []byte {
	h := sha3.NewLegacyKeccak256()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

// ethereumDigest is the Keccak-256 of an EIP-191 personal message (version 0x45).
func ethereumDigest(message string) []byte {
	return keccak256([]byte(ethereumMagic+strconv.Itoa(len(message))), []byte(message))
}

// verifyEthereum verifies an EIP-191 personal message. Letter case matters
// neither in the address nor in the signature.
func verifyEthereum(address, message, signature string) error {
	want, ok := parseEthereumAddress(address)
	if !ok {
		return fmt.Errorf("%w: want 0x and 40 hex digits", ErrAddress)
	}
	sig, err := decodeEthereumSignature(signature)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	pub, _, err := ecdsa.RecoverCompact(sig, ethereumDigest(message))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	if ethereumAddressOf(pub) != want {
		return ErrMismatch
	}
	return nil
}

// decodeEthereumSignature returns the 65 bytes r‖s‖v of a hex signature as
// header‖r‖s. v is 0 or 1, or from 27 up (27, 28, and EIP-155's 37, 38) a number
// whose parity counts, odd for 0.
func decodeEthereumSignature(text string) ([]byte, error) {
	digits, ok := strings.CutPrefix(text, "0x")
	if !ok {
		digits, ok = strings.CutPrefix(text, "0X")
	}
	if !ok || len(digits) != hex.EncodedLen(compactSize) {
		return nil, fmt.Errorf("want 0x and %d hex digits", hex.EncodedLen(compactSize))
	}
	rsv, err := hex.DecodeString(digits)
	if err != nil {
		return nil, fmt.Errorf("not hex: %w", err)
	}
	v := rsv[compactSize-1]
	switch {
	case v >= headerUncompressed:
		v = (v + 1) % 2
	case v > 1:
		return nil, fmt.Errorf("v is %d, want 0, 1 or 27 and above", v)
	}
	return append([]byte{headerUncompressed + v}, rsv[:compactSize-1]...), nil
}
