package devnet

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// messageMagic begins every text signed with an address of this chain.
const messageMagic = "Zelcash Signed Message:\n"

// key is a private key with what follows from it.
type key struct {
	secret  *wallet.Key
	pub     []byte
	script  []byte // the output script that pays this key
	address string
}

func newKey(secret *wallet.Key) *key {
	k := &key{secret: secret, pub: secret.PublicKey()}
	h := wallet.Sum160(k.pub)
	k.script, k.address = keyScript(h), encodeAddress(wallet.VersionFluxPubKeyHash, h)
	return k
}

// deriveKey is the devnet key of a name: the same seed gives the same key.
func deriveKey(seed, name string) *key {
	return hashKey(sha256.Sum256([]byte("fluxosd devnet key\x00"+seed+"\x00"+name)), true)
}

// hashKey takes a digest for a key, or the first of its hashes that is one:
// next to no number of 32 bytes is none.
func hashKey(h [sha256.Size]byte, compressed bool) *key {
	for {
		if secret, err := wallet.NewKey(h[:], compressed); err == nil {
			return newKey(secret)
		}
		h = sha256.Sum256(h[:])
	}
}

func (k *key) wif() string { return k.secret.WIF() }

var errWIF = errors.New("not a private key in wallet import format")

// parseWIF reads a private key of the main network, whose format devnet
// borrows. Errors don't repeat the text.
func parseWIF(s string) (*key, error) {
	secret, err := wallet.ParseWIF(s)
	if err != nil || secret.Testnet() {
		return nil, errWIF
	}
	return newKey(secret), nil
}

func messageHash(text string) hash {
	b := appendBytes(nil, []byte(messageMagic))
	return sha256d(appendBytes(b, []byte(text)))
}

// signMessage gives the 65-byte recoverable signature of a text.
func (k *key) signMessage(text string) []byte { return k.secret.SignCompact(messageHash(text)) }

// errMessageSignature means the signature is not base64 of 65 bytes.
var errMessageSignature = errors.New("malformed base64 encoding")

// verifyMessage reports whether signature (base64) is the signature of text
// by the key behind a t1 address.
func verifyMessage(script []byte, signature, text string) (bool, error) {
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return false, errMessageSignature
	}
	pub, err := wallet.RecoverCompact(sig, messageHash(text))
	if err != nil {
		return false, nil
	}
	return bytes.Equal(script, keyScript(wallet.Sum160(pub))), nil
}
