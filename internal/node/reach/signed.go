package reach

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/fluxosd/fluxosd/internal/jsjson"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// maxBody bounds a signed body, in bytes. A thousand ports are seven thousand.
const maxBody = 64 << 10

// maxDepth bounds the nesting of a body; real ones have two levels.
const maxDepth = 16

var errBody = errors.New("the body is not a JSON object that can be signed")

// errNotAuthentic is a body that no listed node signed.
var errNotAuthentic = errors.New("not signed by the key of a listed node")

// signedBody is a request of another node: an object.
type signedBody struct {
	object jsjson.Value
}

// readBody reads a body without judging its signature.
func readBody(raw []byte) (signedBody, error) {
	if len(raw) > maxBody {
		return signedBody{}, errBody
	}
	v, err := jsjson.Decode(raw, maxDepth)
	if err != nil || v.Kind != jsjson.Object {
		return signedBody{}, errBody
	}
	return signedBody{v}, nil
}

// value decodes a member into v; a missing member and one of another type are
// reported as false.
func (b signedBody) value(name string, v any) bool {
	raw, ok := b.raw(name)
	return ok && raw != "null" && json.Unmarshal([]byte(raw), v) == nil
}

// raw is the canonical text of a member.
func (b signedBody) raw(name string) (string, bool) {
	v := b.object.Get(name)
	return string(v.Encode()), v.Kind != jsjson.Undefined
}

// signedText is what the signature is over: the body without it, as other nodes
// write it after they parsed it.
func (b signedBody) signedText() string {
	rest := slices.DeleteFunc(slices.Clone(b.object.Members), func(m jsjson.Member) bool { return m.Name == "signature" })
	return string(jsjson.ObjectValue(rest).Encode())
}

// verify returns nil when the key in the body is listed and made the body's
// signature over everything else in it.
func (b signedBody) verify(nodes KeyList) error {
	var pubkey, signature string
	if !b.value("pubKey", &pubkey) || !b.value("signature", &signature) || !nodes.HasKey(pubkey) {
		return errNotAuthentic
	}
	if err := wallet.Verify(pubkey, b.signedText(), signature); err != nil {
		return errors.Join(errNotAuthentic, err)
	}
	return nil
}

// KeyList knows the public keys of the listed nodes. *List is one.
type KeyList interface {
	HasKey(pubkey string) bool
}
