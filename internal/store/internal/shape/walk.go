package shape

import (
	"bytes"
	"encoding/binary"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

const (
	maxDepth    = 100      // levels of documents and arrays, as in MongoDB
	maxDocument = 16 << 20 // bytes of BSON, as in MongoDB
)

// Body returns the elements of a BSON document without its length and its end.
func Body(doc []byte) ([]byte, error) {
	if len(doc) < 5 || int64(binary.LittleEndian.Uint32(doc)) != int64(len(doc)) || doc[len(doc)-1] != 0 {
		return nil, Invalid("malformed BSON document")
	}
	return doc[4 : len(doc)-1], nil
}

// Next splits the first element off the body of a document. The name and the
// value share memory with body. It refuses the types that the store refuses.
func Next(body []byte) (t bson.Type, name, value, rest []byte, err error) {
	t = bson.Type(body[0])
	end := bytes.IndexByte(body[1:], 0)
	if end < 0 {
		return 0, nil, nil, nil, Invalid("malformed BSON document")
	}
	name, rest = body[1:1+end], body[2+end:]
	size, err := valueSize(t, rest)
	if err != nil {
		return 0, nil, nil, nil, err
	}
	if size > int64(len(rest)) {
		return 0, nil, nil, nil, Invalid("malformed BSON document")
	}
	return t, name, rest[:size], rest[size:], nil
}

// valueSize is the length of the value of type t that b starts with.
func valueSize(t bson.Type, b []byte) (int64, error) {
	prefixed := func(extra int64) (int64, error) {
		if len(b) < 4 {
			return 0, Invalid("malformed BSON document")
		}
		return int64(binary.LittleEndian.Uint32(b)) + extra, nil
	}
	switch t {
	case bson.TypeNull:
		return 0, nil
	case bson.TypeBoolean:
		return 1, nil
	case bson.TypeInt32:
		return 4, nil
	case bson.TypeDouble, bson.TypeInt64, bson.TypeDateTime:
		return 8, nil
	case bson.TypeObjectID:
		return 12, nil
	case bson.TypeDecimal128:
		return 16, nil
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return prefixed(0)
	case bson.TypeString:
		return prefixed(4)
	case bson.TypeBinary:
		return prefixed(5)
	}
	return 0, Invalid("member of BSON type %s: documents hold strings, numbers, bools, nulls, dates, ObjectIDs, binaries, documents and arrays", t)
}

// Text returns the text of a BSON string value.
func Text(value []byte) ([]byte, error) {
	if len(value) < 5 || value[len(value)-1] != 0 {
		return nil, Invalid("malformed BSON string")
	}
	return value[4 : len(value)-1], nil
}

// check refuses a document, or an array, that the store does not keep.
func check(doc []byte, depth int, array bool) error {
	if depth > maxDepth {
		return Invalid("document has more than %d levels", maxDepth)
	}
	body, err := Body(doc)
	for err == nil && len(body) > 0 {
		var t bson.Type
		var name, value []byte
		if t, name, value, body, err = Next(body); err != nil {
			return err
		}
		if !array {
			if err := memberName(name); err != nil {
				return err
			}
		}
		if err := checkValue(t, name, value, depth); err != nil {
			return err
		}
	}
	return err
}

func checkValue(t bson.Type, name, value []byte, depth int) error {
	switch t {
	case bson.TypeString:
		text, err := Text(value)
		if err != nil {
			return err
		}
		if !utf8.Valid(text) {
			return Invalid("member %.80q: text is not valid UTF-8", name)
		}
	case bson.TypeBoolean:
		if value[0] > 1 {
			return Invalid("malformed BSON bool")
		}
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return check(value, depth+1, t == bson.TypeArray)
	}
	return nil
}

func memberName(name []byte) error {
	if len(name) == 0 || name[0] == '$' || bytes.IndexByte(name, '.') >= 0 || !utf8.Valid(name) {
		return Invalid("member name %.80q: want UTF-8 text that is not empty, does not start with $ and has no dot", name)
	}
	return nil
}
