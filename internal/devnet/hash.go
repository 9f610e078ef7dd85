package devnet

import (
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/fluxosd/fluxosd/internal/wallet"
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

func sha256d(b []byte) hash { return wallet.DoubleSHA256(b) }
