package wallet

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

const (
	// base58MaxText bounds the quadratic decoding. The longest text this
	// package has a use for is a compressed WIF key, 52 characters.
	base58MaxText  = 64
	base58Checksum = 4
)

// base58Value returns the digit that c stands for, or -1.
func base58Value(c byte) int { return strings.IndexByte(base58Alphabet, c) }

// encodeBase58Check returns payload and its checksum, the first four bytes of
// its double SHA-256, in base58.
func encodeBase58Check(payload []byte) string {
	sum := DoubleSHA256(payload)
	full := make([]byte, 0, len(payload)+base58Checksum)
	full = append(full, payload...)
	full = append(full, sum[:base58Checksum]...)

	zeros := 0
	for zeros < len(full) && full[zeros] == 0 {
		zeros++
	}
	var digits []byte // base 58, least significant first
	for _, b := range full[zeros:] {
		carry := int(b)
		for i, d := range digits {
			carry += int(d) << 8
			digits[i] = byte(carry % 58)
			carry /= 58
		}
		for carry > 0 {
			digits = append(digits, byte(carry%58))
			carry /= 58
		}
	}
	text := make([]byte, 0, zeros+len(digits))
	for range zeros {
		text = append(text, base58Alphabet[0])
	}
	for i := len(digits) - 1; i >= 0; i-- {
		text = append(text, base58Alphabet[digits[i]])
	}
	return string(text)
}

// decodeBase58Check returns the payload of text. Its errors never repeat the
// text, which may be a private key.
func decodeBase58Check(text string) ([]byte, error) {
	if len(text) > base58MaxText {
		return nil, fmt.Errorf("base58 text of %d characters, at most %d are allowed", len(text), base58MaxText)
	}
	zeros := 0
	for zeros < len(text) && text[zeros] == base58Alphabet[0] {
		zeros++
	}
	var number []byte // base 256, least significant first
	for i := zeros; i < len(text); i++ {
		carry := base58Value(text[i])
		if carry < 0 {
			return nil, fmt.Errorf("character %d is not a base58 digit", i+1)
		}
		for j, b := range number {
			carry += int(b) * 58
			number[j] = byte(carry)
			carry >>= 8
		}
		for carry > 0 {
			number = append(number, byte(carry))
			carry >>= 8
		}
	}
	full := make([]byte, zeros, zeros+len(number))
	for i := len(number) - 1; i >= 0; i-- {
		full = append(full, number[i])
	}
	if len(full) < base58Checksum {
		return nil, errors.New("base58 text is too short for a checksum")
	}
	payload, sum := full[:len(full)-base58Checksum], full[len(full)-base58Checksum:]
	if want := DoubleSHA256(payload); string(want[:base58Checksum]) != string(sum) {
		return nil, errors.New("base58 checksum is wrong")
	}
	return payload, nil
}

// DoubleSHA256 returns SHA-256 of SHA-256 of data: the checksum of base58check
// and the digest of signed messages, blocks and transactions.
func DoubleSHA256(data []byte) [sha256.Size]byte {
	first := sha256.Sum256(data)
	return sha256.Sum256(first[:])
}
