package devnet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"slices"

	"golang.org/x/crypto/ripemd160"
)

// hash is a double SHA-256 in wire order; its text form is byte-reversed, as
// everywhere in this family of chains.
type hash [32]byte

// String is the 64 hex digits in display order.
func (h hash) String() string {
	slices.Reverse(h[:]) // h is a copy
	return hex.EncodeToString(h[:])
}

// MarshalText makes a hash a JSON string in display order.
func (h hash) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

// parseHash reads 64 hex digits in display order.
func parseHash(s string) (hash, error) {
	var h hash
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(h) {
		return hash{}, fmt.Errorf("%q is not a hash: want 64 hexadecimal digits", clip(s))
	}
	copy(h[:], b)
	slices.Reverse(h[:])
	return h, nil
}

// clip shortens foreign text before it is quoted in an error.
func clip(s string) string {
	const most = 80
	if len(s) > most {
		return s[:most] + "…"
	}
	return s
}

func sha256d(b []byte) hash {
	once := sha256.Sum256(b)
	return sha256.Sum256(once[:])
}

func hash160(b []byte) [20]byte {
	once := sha256.Sum256(b)
	r := ripemd160.New()
	r.Write(once[:])
	var out [20]byte
	r.Sum(out[:0])
	return out
}

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// encodeBase58Check appends the four-byte checksum and encodes.
func encodeBase58Check(payload []byte) string {
	sum := sha256d(payload)
	b := append(slices.Clone(payload), sum[:4]...)
	n, base, digit := new(big.Int).SetBytes(b), big.NewInt(58), new(big.Int)
	var out []byte
	for n.Sign() > 0 {
		n.DivMod(n, base, digit)
		out = append(out, base58Alphabet[digit.Int64()])
	}
	for _, c := range b {
		if c != 0 {
			break
		}
		out = append(out, base58Alphabet[0])
	}
	slices.Reverse(out)
	return string(out)
}

var errBase58 = errors.New("not base58check text")

// decodeBase58Check returns the payload without its checksum.
func decodeBase58Check(s string) ([]byte, error) {
	const most = 200 // the longest thing encoded this way is under 120 characters
	if len(s) > most {
		return nil, errBase58
	}
	n, base := new(big.Int), big.NewInt(58)
	zeros := 0
	for i := range len(s) {
		digit := slices.Index([]byte(base58Alphabet), s[i])
		if digit < 0 {
			return nil, errBase58
		}
		if digit == 0 && n.Sign() == 0 {
			zeros++
		}
		n.Mul(n, base).Add(n, big.NewInt(int64(digit)))
	}
	b := append(make([]byte, zeros), n.Bytes()...)
	if len(b) < 4 {
		return nil, errBase58
	}
	payload, want := b[:len(b)-4], b[len(b)-4:]
	if sum := sha256d(payload); !slices.Equal(sum[:4], want) {
		return nil, errBase58
	}
	return payload, nil
}
