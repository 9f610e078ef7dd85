package reach

import (
	"encoding/json"
	"errors"

	"github.com/fluxosd/fluxosd/internal/wallet"
)

// maxBody bounds a signed body, in bytes. A thousand ports are seven thousand.
const maxBody = 64 << 10

// errNotAuthentic is a body that no listed node signed.
var errNotAuthentic = errors.New("not signed by the key of a listed node")

// signedBody is a request of another node.
type signedBody struct {
	members []member
}

// readBody reads a body without judging its signature.
func readBody(raw []byte) (signedBody, error) {
	if len(raw) > maxBody {
		return signedBody{}, errBody
	}
	members, err := jsObject(raw)
	return signedBody{members}, err
}

// value decodes a member into v; a missing member and one of another type are
// reported as false.
func (b signedBody) value(name string, v any) bool {
	raw, ok := b.raw(name)
	return ok && raw != "null" && json.Unmarshal([]byte(raw), v) == nil
}

// raw is the canonical text of a member.
func (b signedBody) raw(name string) (string, bool) {
	for _, m := range b.members {
		if m.name == name {
			return m.value, true
		}
	}
	return "", false
}

// verify returns nil when the key in the body is listed and made the body's
// signature over everything else in it.
func (b signedBody) verify(nodes KeyList) error {
	var pubkey, signature string
	if !b.value("pubKey", &pubkey) || !b.value("signature", &signature) || !nodes.HasKey(pubkey) {
		return errNotAuthentic
	}
	if err := wallet.Verify(pubkey, jsText(b.members, "signature"), signature); err != nil {
		return errors.Join(errNotAuthentic, err)
	}
	return nil
}

// KeyList knows the public keys of the listed nodes. *List is one.
type KeyList interface {
	HasKey(pubkey string) bool
}
