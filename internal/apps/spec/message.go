package spec

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"github.com/fluxosd/fluxosd/internal/jsjson"
)

// MessageVersion is the only version of application messages.
const MessageVersion = 1

// SignedText is what the owner of an application signs: type and version of the
// message, the specification, and the time in milliseconds.
func SignedText(messageType string, version int, specification []byte, timestamp int64) string {
	b := make([]byte, 0, len(messageType)+len(specification)+32)
	b = append(b, messageType...)
	b = strconv.AppendInt(b, int64(version), 10)
	b = append(b, specification...)
	return string(strconv.AppendInt(b, timestamp, 10))
}

// MessageHash names a message on the chain: the SHA-256, in lower-case hex, of
// the signed text and the signature.
func MessageHash(messageType string, version int, specification []byte, timestamp int64, signature string) string {
	sum := sha256.Sum256([]byte(SignedText(messageType, version, specification, timestamp) + signature))
	return hex.EncodeToString(sum[:])
}

// Message is a registration or an update, as it came.
type Message struct {
	Type          string
	Version       int
	Specification []byte // JSON, with the members in the order in which they came
	Timestamp     int64  // ms
	Signature     string
	Hash          string
}

// CheckHash compares the hash with the content: with the specification as it
// came, then in the order of older releases. A wrong one is a *fault.Error.
func (m Message) CheckHash() error {
	v, err := jsjson.Decode(m.Specification, maxDepth)
	if err != nil {
		return invalid("Invalid Flux App hash received")
	}
	if m.hash(v.Encode()) == m.Hash {
		return nil
	}
	if s, err := Read(m.Specification); err == nil {
		if older := s.Older(); older != nil && m.hash(older) == m.Hash {
			return nil
		}
	}
	return invalid("Invalid Flux App hash received")
}

func (m Message) hash(specification []byte) string {
	return MessageHash(m.Type, m.Version, specification, m.Timestamp, m.Signature)
}

// SignedTexts are the texts that the signature may be over, to be tried in this
// order: the formatted specification, then the order of older releases.
func (m Message) SignedTexts() ([]string, error) {
	s, err := Read(m.Specification)
	if err != nil {
		return nil, err
	}
	texts := []string{SignedText(m.Type, m.Version, s.Canonical(), m.Timestamp)}
	if older := s.Older(); older != nil {
		texts = append(texts, SignedText(m.Type, m.Version, older, m.Timestamp))
	}
	return texts, nil
}
