package devnet

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
)

// params are a call's arguments. Trailing nulls count as left out; null in
// between takes the default.
type params struct{ list []json.RawMessage }

func (p params) count() int {
	n := len(p.list)
	for n > 0 && !p.has(n-1) {
		n--
	}
	return n
}

func (p params) has(i int) bool {
	return i < len(p.list) && !bytes.Equal(bytes.TrimSpace(p.list[i]), []byte("null"))
}

// value reads argument i into a new T, or gives the default. what is the
// word for T in the error.
func value[T any](p params, i int, fallback T, what string) (T, error) {
	if !p.has(i) {
		return fallback, nil
	}
	var v T
	if err := json.Unmarshal(p.list[i], &v); err != nil {
		return v, &RPCError{codeMisc, fmt.Sprintf("JSON value is not %s as expected (argument %d)", what, i+1)}
	}
	return v, nil
}

func (p params) str(i int, fallback string) (string, error) {
	return value(p, i, fallback, "a string")
}

func (p params) integer(i int, fallback int64) (int64, error) {
	return value(p, i, fallback, "an integer")
}

func (p params) boolean(i int, fallback bool) (bool, error) {
	return value(p, i, fallback, "a boolean")
}

func (p params) hash(i int) (hash, error) {
	s, err := p.str(i, "")
	if err != nil {
		return hash{}, err
	}
	h, err := parseHash(s)
	if err != nil {
		return hash{}, &RPCError{codeParameter, "parameter " + fmt.Sprint(i+1) + " must be hexadecimal string of length 64"}
	}
	return h, nil
}

// money reads FLUX as a JSON number and gives satoshi.
func (p params) money(i int) (int64, error) {
	n, err := value(p, i, json.Number("0"), "a number")
	if err != nil {
		return 0, err
	}
	return satoshi(n)
}

// satoshi converts an exact decimal amount of FLUX.
func satoshi(n json.Number) (int64, error) {
	const most = 40 // digits, far beyond any valid amount
	r := new(big.Rat)
	if _, ok := r.SetString(string(n)); !ok || len(n) > most {
		return 0, &RPCError{codeMisc, "Invalid amount"}
	}
	r.Mul(r, big.NewRat(coin, 1))
	if !r.IsInt() || !r.Num().IsInt64() || r.Num().Int64() < 0 || r.Num().Int64() > maxMoney {
		return 0, &RPCError{codeMisc, fmt.Sprintf("Amount out of range: want 0 to %d with at most 8 decimals", int64(maxMoney/coin))}
	}
	return r.Num().Int64(), nil
}

// transaction reads a hexadecimal transaction.
func (p params) transaction(i int) (*tx, error) {
	s, err := p.str(i, "")
	if err != nil {
		return nil, err
	}
	raw, err := hex.DecodeString(s)
	if err != nil {
		return nil, &RPCError{codeDecode, "TX decode failed: not hexadecimal"}
	}
	t, err := decodeTx(raw)
	if err != nil {
		return nil, &RPCError{codeDecode, "TX decode failed: " + err.Error()}
	}
	return t, nil
}

// addressError is the refusal of anything that isn't a transparent address.
func addressError(address string) error {
	return &RPCError{codeAddress, fmt.Sprintf("Invalid Flux address: %q is not a t1… or t3… address", clip(address))}
}

// script reads an address and gives the script that pays it.
func (p params) script(i int) (address string, script []byte, err error) {
	if address, err = p.str(i, ""); err != nil {
		return "", nil, err
	}
	if script, err = addressScript(address); err != nil {
		return "", nil, addressError(address)
	}
	return address, script, nil
}
