package sqlite

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

// Documents are kept as JSON text that keeps the order and the types of
// members, so that SQLite's JSON functions can reach into it:
//
//	string, bool, null  as in JSON
//	int32               7
//	int64               " 7" with a leading space where it would fit an int32
//	double              always with a fraction or an exponent: 7.0
//	NaN, infinities     {"$double": "16 hexadecimal digits"}
//	date                {"$date": milliseconds since 1970, an integer}
//	ObjectID            {"$oid": "24 hexadecimal digits"}
//	binary              {"$binary": "base64", "$type": subtype}
//	decimal128          {"$decimal": "32 hexadecimal digits, high half first"}
//
// A member name never starts with "$" (package shape sees to it), so an object
// that starts with "$" is always one of these.
const (
	tagDouble  = "$double"
	tagDate    = "$date"
	tagOID     = "$oid"
	tagBinary  = "$binary"
	tagType    = "$type"
	tagDecimal = "$decimal"
)

// appendDocument appends the text of a checked document.
func appendDocument(dst []byte, doc bson.Raw) ([]byte, error) {
	return appendMembers(dst, doc, false)
}

func appendMembers(dst []byte, doc []byte, array bool) ([]byte, error) {
	open, end := byte('{'), byte('}')
	if array {
		open, end = '[', ']'
	}
	dst = append(dst, open)
	body, err := shape.Body(doc)
	if err != nil {
		return nil, err
	}
	for first := true; len(body) > 0; first = false {
		var t bson.Type
		var name, value []byte
		if t, name, value, body, err = shape.Next(body); err != nil {
			return nil, err
		}
		if !first {
			dst = append(dst, ',')
		}
		if !array {
			dst = append(appendText(dst, name), ':')
		}
		if dst, err = appendValue(dst, t, value); err != nil {
			return nil, err
		}
	}
	return append(dst, end), nil
}

func appendValue(dst []byte, t bson.Type, value []byte) ([]byte, error) {
	switch t {
	case bson.TypeString:
		text, err := shape.Text(value)
		if err != nil {
			return nil, err
		}
		return appendText(dst, text), nil
	case bson.TypeEmbeddedDocument, bson.TypeArray:
		return appendMembers(dst, value, t == bson.TypeArray)
	case bson.TypeNull:
		return append(dst, "null"...), nil
	case bson.TypeBoolean:
		return strconv.AppendBool(dst, value[0] == 1), nil
	case bson.TypeInt32:
		return strconv.AppendInt(dst, int64(int32(binary.LittleEndian.Uint32(value))), 10), nil
	case bson.TypeInt64:
		n := int64(binary.LittleEndian.Uint64(value))
		if n == int64(int32(n)) {
			dst = append(dst, ' ')
		}
		return strconv.AppendInt(dst, n, 10), nil
	case bson.TypeDouble:
		return appendDouble(dst, binary.LittleEndian.Uint64(value)), nil
	case bson.TypeDateTime:
		dst = append(dst, `{"`+tagDate+`":`...)
		dst = strconv.AppendInt(dst, int64(binary.LittleEndian.Uint64(value)), 10)
		return append(dst, '}'), nil
	case bson.TypeObjectID:
		dst = append(dst, `{"`+tagOID+`":"`...)
		dst = hex.AppendEncode(dst, value)
		return append(dst, `"}`...), nil
	case bson.TypeDecimal128:
		dst = append(dst, `{"`+tagDecimal+`":"`...)
		for _, half := range [][]byte{value[8:], value[:8]} {
			dst = appendHex64(dst, binary.LittleEndian.Uint64(half))
		}
		return append(dst, `"}`...), nil
	default: // binary: shape.Next refuses all others
		dst = append(dst, `{"`+tagBinary+`":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, value[5:])
		dst = append(dst, `","`+tagType+`":`...)
		dst = strconv.AppendUint(dst, uint64(value[4]), 10)
		return append(dst, '}'), nil
	}
}

func appendDouble(dst []byte, bits uint64) []byte {
	f := math.Float64frombits(bits)
	if math.IsNaN(f) || math.IsInf(f, 0) {
		dst = append(dst, `{"`+tagDouble+`":"`...)
		dst = appendHex64(dst, bits)
		return append(dst, `"}`...)
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'g', -1, 64)
	for _, c := range dst[start:] {
		if c == '.' || c == 'e' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

func appendHex64(dst []byte, n uint64) []byte {
	return hex.AppendEncode(dst, binary.BigEndian.AppendUint64(nil, n))
}

// appendText appends text as a JSON string. The text is valid UTF-8.
func appendText(dst, text []byte) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i, c := range text {
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, text[start:i]...)
		if c < ' ' {
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		} else {
			dst = append(dst, '\\', c)
		}
		start = i + 1
	}
	dst = append(dst, text[start:]...)
	return append(dst, '"')
}
