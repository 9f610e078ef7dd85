package devnet

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// Script operations the devnet builds or names.
const (
	opPushData1     = 0x4c
	opPushData2     = 0x4d
	op1             = 0x51
	op16            = 0x60
	opReturn        = 0x6a
	opDup           = 0x76
	opEqual         = 0x87
	opEqualVerify   = 0x88
	opHash160       = 0xa9
	opCheckSig      = 0xac
	opCheckMultisig = 0xae
)

// maxMessage is how many bytes an OP_RETURN output may carry.
const maxMessage = 80

func keyScript(h wallet.Hash160) []byte {
	s := append([]byte{opDup, opHash160, 20}, h[:]...)
	return append(s, opEqualVerify, opCheckSig)
}

func hashScript(h wallet.Hash160) []byte {
	return append(append([]byte{opHash160, 20}, h[:]...), opEqual)
}

// messageScript is an OP_RETURN output with data as one push.
func messageScript(data []byte) []byte { return appendPush([]byte{opReturn}, data) }

func appendPush(s, data []byte) []byte {
	switch {
	case len(data) < opPushData1:
		s = append(s, byte(len(data)))
	case len(data) <= 0xff:
		s = append(s, opPushData1, byte(len(data)))
	default:
		s = binary.LittleEndian.AppendUint16(append(s, opPushData2), uint16(len(data)))
	}
	return append(s, data...)
}

// multisigScript demands signatures of any m of the keys.
func multisigScript(m int, keys [][]byte) []byte {
	s := []byte{byte(op1 + m - 1)}
	for _, k := range keys {
		s = appendPush(s, k)
	}
	return append(s, byte(op1+len(keys)-1), opCheckMultisig)
}

func encodeAddress(version wallet.Version, h wallet.Hash160) string {
	return wallet.Address{Version: version, Hash: h}.String()
}

// addressScript is the output script that pays a transparent address.
func addressScript(address string) ([]byte, error) {
	a, err := wallet.ParseAddress(address)
	switch {
	case err == nil && a.Version == wallet.VersionFluxPubKeyHash:
		return keyScript(a.Hash), nil
	case err == nil && a.Version == wallet.VersionFluxScriptHash:
		return hashScript(a.Hash), nil
	}
	return nil, fmt.Errorf("%q is not a Flux address: want a t1… or t3… address", clip(address))
}

// scriptAddress is the address a standard output pays; "" for any other.
func scriptAddress(s []byte) string {
	switch {
	case isKeyScript(s):
		return encodeAddress(wallet.VersionFluxPubKeyHash, wallet.Hash160(s[3:23]))
	case isHashScript(s):
		return encodeAddress(wallet.VersionFluxScriptHash, wallet.Hash160(s[2:22]))
	}
	return ""
}

func isKeyScript(s []byte) bool {
	return len(s) == 25 && s[0] == opDup && s[1] == opHash160 && s[2] == 20 && s[23] == opEqualVerify && s[24] == opCheckSig
}

func isHashScript(s []byte) bool {
	return len(s) == 23 && s[0] == opHash160 && s[1] == 20 && s[22] == opEqual
}

// scriptOp is one step of a script: an operation, or data to push.
type scriptOp struct {
	code byte
	data []byte
}

var errScript = errors.New("script ends inside a push")

// parseScript splits a script into its steps; on an error the steps before
// it are returned as well.
func parseScript(s []byte) ([]scriptOp, error) {
	var ops []scriptOp
	for len(s) > 0 {
		code, n := s[0], 0
		s = s[1:]
		switch {
		case code < opPushData1:
			n = int(code)
		case code == opPushData1:
			if len(s) < 1 {
				return ops, errScript
			}
			n, s = int(s[0]), s[1:]
		case code == opPushData2:
			if len(s) < 2 {
				return ops, errScript
			}
			n, s = int(binary.LittleEndian.Uint16(s)), s[2:]
		case code == opPushData2+1:
			if len(s) < 4 {
				return ops, errScript
			}
			n, s = int(binary.LittleEndian.Uint32(s)), s[4:]
		default:
			ops = append(ops, scriptOp{code: code})
			continue
		}
		if n > len(s) {
			return ops, errScript
		}
		ops = append(ops, scriptOp{code: code, data: s[:n]})
		s = s[n:]
	}
	return ops, nil
}

// multisig reads an m-of-n script with keys of valid length.
func multisig(s []byte) (m int, keys [][]byte, ok bool) {
	ops, err := parseScript(s)
	if err != nil || len(ops) < 4 || ops[len(ops)-1].code != opCheckMultisig {
		return 0, nil, false
	}
	number := func(o scriptOp) int {
		if o.code < op1 || o.code > op16 {
			return 0
		}
		return int(o.code) - op1 + 1
	}
	for _, o := range ops[1 : len(ops)-2] {
		if len(o.data) != 33 && len(o.data) != 65 {
			return 0, nil, false
		}
		keys = append(keys, o.data)
	}
	m = number(ops[0])
	if m < 1 || m > len(keys) || number(ops[len(ops)-2]) != len(keys) {
		return 0, nil, false
	}
	return m, keys, true
}

// scriptASM is the daemon's text form. Pushes of at most four bytes print as
// numbers; in an input script a signature's hash type prints as [ALL].
func scriptASM(s []byte, input bool) string {
	ops, err := parseScript(s)
	words := make([]string, 0, len(ops)+1)
	for _, o := range ops {
		switch {
		case o.code > opPushData2+1:
			words = append(words, opName(o.code))
		case len(o.data) <= 4:
			words = append(words, strconv.FormatInt(scriptNumber(o.data), 10))
		default:
			words = append(words, pushText(o.data, input))
		}
	}
	if err != nil {
		words = append(words, "[error]")
	}
	return strings.Join(words, " ")
}

func pushText(data []byte, input bool) string {
	const der = 0x30
	if input && data[0] == der && len(data) >= 9 && len(data) <= 73 {
		if name := hashTypeName(data[len(data)-1]); name != "" {
			return hex.EncodeToString(data[:len(data)-1]) + "[" + name + "]"
		}
	}
	return hex.EncodeToString(data)
}

// scriptNumber reads a little-endian number whose top bit is its sign.
func scriptNumber(b []byte) int64 {
	if len(b) == 0 {
		return 0
	}
	var n int64
	for i, c := range b {
		n |= int64(c) << (8 * i)
	}
	if top := int64(0x80) << (8 * (len(b) - 1)); n&top != 0 {
		return -(n &^ top)
	}
	return n
}

func opName(code byte) string {
	switch code {
	case opReturn:
		return "OP_RETURN"
	case opDup:
		return "OP_DUP"
	case opEqual:
		return "OP_EQUAL"
	case opEqualVerify:
		return "OP_EQUALVERIFY"
	case opHash160:
		return "OP_HASH160"
	case opCheckSig:
		return "OP_CHECKSIG"
	case opCheckMultisig:
		return "OP_CHECKMULTISIG"
	}
	if code >= op1 && code <= op16 {
		return strconv.Itoa(int(code) - op1 + 1)
	}
	return "OP_UNKNOWN"
}
