package devnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	"golang.org/x/crypto/blake2b"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// Signature hash types.
const (
	hashAll          byte = 1
	hashNone         byte = 2
	hashSingle       byte = 3
	hashAnyoneCanPay byte = 0x80
)

// branchID is the consensus branch every signature commits to.
const branchID = 0x76b809bb

// hashTypeName is the daemon's name of a signature hash type, "" if unknown.
func hashTypeName(t byte) string {
	name := map[byte]string{hashAll: "ALL", hashNone: "NONE", hashSingle: "SINGLE"}[t&^hashAnyoneCanPay]
	if name != "" && t&hashAnyoneCanPay != 0 {
		name += "|ANYONECANPAY"
	}
	return name
}

// parseHashType reads names such as ALL or SINGLE|ANYONECANPAY.
func parseHashType(name string) (byte, error) {
	base, anyone := strings.CutSuffix(name, "|ANYONECANPAY")
	for _, t := range []byte{hashAll, hashNone, hashSingle} {
		if hashTypeName(t) == base {
			if anyone {
				t |= hashAnyoneCanPay
			}
			return t, nil
		}
	}
	return 0, fmt.Errorf("invalid sighash param %q: want ALL, NONE or SINGLE, alone or with |ANYONECANPAY", clip(name))
}

// personalBlake is BLAKE2b-256 with a 16-byte personalisation, which the
// imported package doesn't offer: the personalisation is the last quarter of
// the parameter block, and so is XORed into the last two words of a fresh
// state (RFC 7693 section 2.5).
func personalBlake(personal [16]byte, data []byte) (hash, error) {
	const (
		magic    = len("b2b")
		lastTwo  = magic + 6*8
		wordSize = 8
	)
	d, err := blake2b.New256(nil)
	if err != nil {
		return hash{}, err
	}
	state, err := d.(interface{ MarshalBinary() ([]byte, error) }).MarshalBinary()
	if err != nil {
		return hash{}, err
	}
	for i, c := range personal {
		// The saved words are big-endian, the parameter block little-endian.
		word, place := i/wordSize, i%wordSize
		state[lastTwo+word*wordSize+wordSize-1-place] ^= c
	}
	if err := d.(interface{ UnmarshalBinary([]byte) error }).UnmarshalBinary(state); err != nil {
		return hash{}, err
	}
	d.Write(data)
	return hash(d.Sum(nil)), nil
}

// signatureHash is the digest an input's signature covers (ZIP 243), for a
// Sapling transaction. script and value are those of the output spent; for
// an output paying a script's hash, script is that script.
func (t *tx) signatureHash(input int, script []byte, value int64, hashType byte) (hash, error) {
	if t.Version != saplingVersion || t.Shielded != nil {
		return hash{}, errors.New("only transparent version 4 transactions are signed on devnet")
	}
	le, base := binary.LittleEndian, hashType&^hashAnyoneCanPay
	var prevouts, sequences, outputs []byte
	for _, in := range t.In {
		prevouts = appendOutPoint(prevouts, in.Prev)
		sequences = le.AppendUint32(sequences, in.Sequence)
	}
	for i, out := range t.Out {
		if base == hashSingle && i != input {
			continue
		}
		outputs = appendOut(outputs, out)
	}
	var failed error
	part := func(name string, use bool, data []byte) []byte {
		var h hash
		if use {
			var err error
			if h, err = personalBlake([16]byte([]byte(name)), data); err != nil {
				failed = err
			}
		}
		return h[:]
	}
	everyone := hashType&hashAnyoneCanPay == 0
	b := le.AppendUint32(nil, overwinteredBit|saplingVersion)
	b = le.AppendUint32(b, saplingVersionGroup)
	b = append(b, part("ZcashPrevoutHash", everyone, prevouts)...)
	b = append(b, part("ZcashSequencHash", everyone && base == hashAll, sequences)...)
	b = append(b, part("ZcashOutputsHash", base == hashAll || base == hashSingle && input < len(t.Out), outputs)...)
	var none hash
	b = slices.Concat(b, none[:], none[:], none[:]) // joinsplits, spends, outputs
	b = le.AppendUint32(b, t.LockTime)
	b = le.AppendUint32(b, t.Expiry)
	b = le.AppendUint64(b, 0) // value balance
	b = le.AppendUint32(b, uint32(hashType))
	b = appendOutPoint(b, t.In[input].Prev)
	b = appendBytes(b, script)
	b = le.AppendUint64(b, uint64(value))
	b = le.AppendUint32(b, t.In[input].Sequence)
	if failed != nil {
		return hash{}, failed
	}
	personal := append([]byte("ZcashSigHash"), 0, 0, 0, 0)
	le.PutUint32(personal[12:], branchID)
	return personalBlake([16]byte(personal), b)
}

// checkSignature reports whether sig (DER and hash type) by key covers input.
func (t *tx) checkSignature(input int, sig, key, script []byte, value int64) bool {
	if len(sig) < 2 || hashTypeName(sig[len(sig)-1]) == "" {
		return false
	}
	pub, err := secp256k1.ParsePubKey(key)
	if err != nil {
		return false
	}
	parsed, err := ecdsa.ParseDERSignature(sig[:len(sig)-1])
	if err != nil {
		return false
	}
	h, err := t.signatureHash(input, script, value, sig[len(sig)-1])
	return err == nil && parsed.Verify(h[:], pub)
}

var errInputScript = errors.New("the input script does not satisfy the output it spends")

// verifyInput checks an input against the output it spends: a key's output,
// or the hash of a key's or an m-of-n script. Other scripts are refused.
func (t *tx) verifyInput(input int, spent txOut) error {
	ops, err := parseScript(t.In[input].Script)
	if err != nil {
		return err
	}
	stack := make([][]byte, len(ops))
	for i, o := range ops {
		if o.code > opPushData2+1 {
			return errors.New("the input script does more than push data")
		}
		stack[i] = o.data
	}
	script := spent.Script
	if isHashScript(script) {
		if len(stack) == 0 {
			return errInputScript
		}
		redeem := stack[len(stack)-1]
		if h := wallet.Sum160(redeem); wallet.Hash160(script[2:22]) != h {
			return errInputScript
		}
		script, stack = redeem, stack[:len(stack)-1]
	}
	if isKeyScript(script) {
		if len(stack) != 2 || wallet.Sum160(stack[1]) != wallet.Hash160(script[3:23]) ||
			!t.checkSignature(input, stack[0], stack[1], script, spent.Value) {
			return errInputScript
		}
		return nil
	}
	m, keys, ok := multisig(script)
	if !ok {
		return errors.New("devnet verifies inputs of key and m-of-n outputs only")
	}
	if len(stack) != m+1 || len(stack[0]) != 0 {
		return errInputScript
	}
	// Signatures come in the order of their keys.
	for _, sig := range stack[1:] {
		for {
			if len(keys) == 0 {
				return errInputScript
			}
			key := keys[0]
			keys = keys[1:]
			if t.checkSignature(input, sig, key, script, spent.Value) {
				break
			}
		}
	}
	return nil
}

// signKeyInput fills in the script of an input that spends a key's output.
func (t *tx) signKeyInput(input int, k *key, spent txOut, hashType byte) error {
	sig, err := t.sign(input, k, spent.Script, spent.Value, hashType)
	if err != nil {
		return err
	}
	t.In[input].Script = appendPush(appendPush(nil, sig), k.pub)
	return nil
}

// sign is one signature with its hash type.
func (t *tx) sign(input int, k *key, script []byte, value int64, hashType byte) ([]byte, error) {
	h, err := t.signatureHash(input, script, value, hashType)
	if err != nil {
		return nil, err
	}
	return append(k.secret.SignDER(h), hashType), nil
}
