package devnet

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	"github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// wifPrefix begins a private key in wallet import format.
const wifPrefix = 0x80

// messageMagic begins every text signed with an address of this chain.
const messageMagic = "Zelcash Signed Message:\n"

// key is a private key with what follows from it.
type key struct {
	secret     *secp256k1.PrivateKey
	compressed bool
	pub        []byte
	script     []byte // the output script that pays this key
	address    string
}

func newKey(secret *secp256k1.PrivateKey, compressed bool) *key {
	k := &key{secret: secret, compressed: compressed}
	if compressed {
		k.pub = secret.PubKey().SerializeCompressed()
	} else {
		k.pub = secret.PubKey().SerializeUncompressed()
	}
	h := hash160(k.pub)
	k.script, k.address = keyScript(h), encodeAddress(prefixKey, h)
	return k
}

// deriveKey is the devnet key of a name: the same seed gives the same key.
func deriveKey(seed, name string) *key {
	sum := sha256.Sum256([]byte("fluxosd devnet key\x00" + seed + "\x00" + name))
	return newKey(secp256k1.PrivKeyFromBytes(sum[:]), true)
}

func (k *key) wif() string {
	b := append([]byte{wifPrefix}, k.secret.Serialize()...)
	if k.compressed {
		b = append(b, 1)
	}
	return encodeBase58Check(b)
}

var errWIF = errors.New("not a private key in wallet import format")

// parseWIF reads a private key; a text beginning with 5 has an uncompressed
// public key. Errors don't repeat the text.
func parseWIF(s string) (*key, error) {
	b, err := decodeBase58Check(s)
	if err != nil || len(b) < 33 || b[0] != wifPrefix {
		return nil, errWIF
	}
	compressed := len(b) == 34 && b[33] == 1
	if len(b) != 33 && !compressed {
		return nil, errWIF
	}
	var scalar secp256k1.ModNScalar
	if overflow := scalar.SetByteSlice(b[1:33]); overflow || scalar.IsZero() {
		return nil, errWIF
	}
	return newKey(secp256k1.NewPrivateKey(&scalar), compressed), nil
}

func messageHash(text string) hash {
	b := appendBytes(nil, []byte(messageMagic))
	return sha256d(appendBytes(b, []byte(text)))
}

// signMessage gives the 65-byte recoverable signature of a text.
func (k *key) signMessage(text string) []byte {
	h := messageHash(text)
	return ecdsa.SignCompact(k.secret, h[:], k.compressed)
}

// errMessageSignature means the signature is not base64 of 65 bytes.
var errMessageSignature = errors.New("malformed base64 encoding")

// verifyMessage reports whether signature (base64) is the signature of text
// by the key behind a t1 address.
func verifyMessage(script []byte, signature, text string) (bool, error) {
	sig, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return false, errMessageSignature
	}
	h := messageHash(text)
	pub, compressed, err := ecdsa.RecoverCompact(sig, h[:])
	if err != nil {
		return false, nil
	}
	b := pub.SerializeUncompressed()
	if compressed {
		b = pub.SerializeCompressed()
	}
	return bytes.Equal(script, keyScript(hash160(b))), nil
}
