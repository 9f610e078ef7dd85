package sqlite

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// errText says that the text of a document is not what appendDocument writes.
var errText = errors.New("damaged document text")

// maxTextDepth bounds the recursion of the decoder; documents have 100 levels.
const maxTextDepth = 101

// decodeDocument turns the text of a document back into BSON.
func decodeDocument(text string) (bson.Raw, error) {
	d := decoder{text: text, out: make([]byte, 0, len(text)+len(text)/4)}
	if !d.consume('{') {
		return nil, d.fail("no object")
	}
	if err := d.members(1); err != nil {
		return nil, err
	}
	if d.pos != len(d.text) {
		return nil, d.fail("text after the end")
	}
	return bson.Raw(d.out), nil
}

// decoder reads text from pos and appends BSON to out.
type decoder struct {
	text string
	pos  int
	out  []byte
}

func (d *decoder) fail(what string) error {
	return fmt.Errorf("%w: %s at byte %d", errText, what, d.pos)
}

func (d *decoder) consume(c byte) bool {
	if d.pos < len(d.text) && d.text[d.pos] == c {
		d.pos++
		return true
	}
	return false
}

// members reads the rest of an object after its brace.
func (d *decoder) members(depth int) error {
	return d.sequence('}', depth, func(int) (string, error) {
		name, err := d.string()
		if err != nil {
			return "", err
		}
		if name == "" || name[0] == '$' || strings.IndexByte(name, 0) >= 0 {
			return "", d.fail("bad member name")
		}
		if !d.consume(':') {
			return "", d.fail("no colon")
		}
		return name, nil
	})
}

// elements reads the rest of an array after its bracket.
func (d *decoder) elements(depth int) error {
	return d.sequence(']', depth, func(i int) (string, error) { return strconv.Itoa(i), nil })
}

func (d *decoder) sequence(end byte, depth int, name func(i int) (string, error)) error {
	if depth > maxTextDepth {
		return d.fail("too many levels")
	}
	start := len(d.out)
	d.out = append(d.out, 0, 0, 0, 0)
	for i := 0; !d.consume(end); i++ {
		if i > 0 && !d.consume(',') {
			return d.fail("no comma")
		}
		key, err := name(i)
		if err != nil {
			return err
		}
		kind := len(d.out)
		d.out = append(append(append(d.out, 0), key...), 0)
		t, err := d.value(depth)
		if err != nil {
			return err
		}
		d.out[kind] = byte(t)
	}
	d.out = append(d.out, 0)
	binary.LittleEndian.PutUint32(d.out[start:], uint32(len(d.out)-start))
	return nil
}

// value appends one value and returns its type.
func (d *decoder) value(depth int) (bson.Type, error) {
	if d.pos >= len(d.text) {
		return 0, d.fail("text ends early")
	}
	rest := d.text[d.pos:]
	switch {
	case rest[0] == '"':
		s, err := d.string()
		d.out = binary.LittleEndian.AppendUint32(d.out, uint32(len(s)+1))
		d.out = append(append(d.out, s...), 0)
		return bson.TypeString, err
	case strings.HasPrefix(rest, `{"$`):
		return d.tagged()
	case rest[0] == '{':
		d.pos++
		return bson.TypeEmbeddedDocument, d.members(depth + 1)
	case rest[0] == '[':
		d.pos++
		return bson.TypeArray, d.elements(depth + 1)
	case strings.HasPrefix(rest, "null"):
		d.pos += 4
		return bson.TypeNull, nil
	case strings.HasPrefix(rest, "true"):
		d.pos += 4
		d.out = append(d.out, 1)
		return bson.TypeBoolean, nil
	case strings.HasPrefix(rest, "false"):
		d.pos += 5
		d.out = append(d.out, 0)
		return bson.TypeBoolean, nil
	}
	return d.number()
}

func (d *decoder) number() (bson.Type, error) {
	marked := d.consume(' ')
	end := d.pos
	for end < len(d.text) && strings.IndexByte("+-.0123456789e", d.text[end]) >= 0 {
		end++
	}
	digits := d.text[d.pos:end]
	if strings.ContainsAny(digits, ".e") {
		f, err := strconv.ParseFloat(digits, 64)
		if err != nil || marked {
			return 0, d.fail("bad number")
		}
		d.pos = end
		d.out = binary.LittleEndian.AppendUint64(d.out, math.Float64bits(f))
		return bson.TypeDouble, nil
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || digits[0] == '+' {
		return 0, d.fail("bad value")
	}
	d.pos = end
	if !marked && n == int64(int32(n)) {
		d.out = binary.LittleEndian.AppendUint32(d.out, uint32(n))
		return bson.TypeInt32, nil
	}
	d.out = binary.LittleEndian.AppendUint64(d.out, uint64(n))
	return bson.TypeInt64, nil
}

// tagged reads an object that stands for a value JSON does not have.
func (d *decoder) tagged() (bson.Type, error) {
	d.pos++
	tag, err := d.string()
	if err != nil {
		return 0, err
	}
	if !d.consume(':') {
		return 0, d.fail("no colon")
	}
	if tag == tagDate {
		n, err := d.integer()
		if err != nil {
			return 0, err
		}
		d.out = binary.LittleEndian.AppendUint64(d.out, uint64(n))
		return bson.TypeDateTime, d.closing()
	}
	s, err := d.string()
	if err != nil {
		return 0, err
	}
	if tag == tagBinary {
		return bson.TypeBinary, d.binary(s)
	}
	data, err := hex.DecodeString(s)
	if err != nil {
		return 0, d.fail("bad hexadecimal digits")
	}
	switch {
	case tag == tagOID && len(data) == 12:
		d.out = append(d.out, data...)
		return bson.TypeObjectID, d.closing()
	case tag == tagDouble && len(data) == 8:
		slices.Reverse(data)
		d.out = append(d.out, data...)
		return bson.TypeDouble, d.closing()
	case tag == tagDecimal && len(data) == 16:
		slices.Reverse(data)
		d.out = append(d.out, data...)
		return bson.TypeDecimal128, d.closing()
	}
	return 0, d.fail("unknown kind of value")
}

// binary reads the subtype after the base64 text, and appends both.
func (d *decoder) binary(text string) error {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil || !strings.HasPrefix(d.text[d.pos:], `,"`+tagType+`":`) {
		return d.fail("bad binary")
	}
	d.pos += len(`,"` + tagType + `":`)
	kind, err := d.integer()
	if err != nil || kind < 0 || kind > math.MaxUint8 {
		return d.fail("bad binary type")
	}
	d.out = binary.LittleEndian.AppendUint32(d.out, uint32(len(data)))
	d.out = append(append(d.out, byte(kind)), data...)
	return d.closing()
}

func (d *decoder) integer() (int64, error) {
	end := d.pos
	for end < len(d.text) && strings.IndexByte("-0123456789", d.text[end]) >= 0 {
		end++
	}
	n, err := strconv.ParseInt(d.text[d.pos:end], 10, 64)
	if err != nil {
		return 0, d.fail("bad integer")
	}
	d.pos = end
	return n, nil
}

func (d *decoder) closing() error {
	if !d.consume('}') {
		return d.fail("no closing brace")
	}
	return nil
}

// string reads a JSON string with the escapes that appendText writes.
func (d *decoder) string() (string, error) {
	if !d.consume('"') {
		return "", d.fail("no string")
	}
	plain := d.pos
	var built []byte
	for d.pos < len(d.text) {
		c := d.text[d.pos]
		switch {
		case c == '"':
			s := d.text[plain:d.pos]
			if built != nil {
				s = string(append(built, s...))
			}
			d.pos++
			if !utf8.ValidString(s) {
				return "", d.fail("text is not UTF-8")
			}
			return s, nil
		case c < ' ':
			return "", d.fail("bare control character")
		case c != '\\':
			d.pos++
		default:
			built = append(built, d.text[plain:d.pos]...)
			r, size, err := d.escape()
			if err != nil {
				return "", err
			}
			built = append(built, r)
			d.pos += size
			plain = d.pos
		}
	}
	return "", d.fail("unfinished string")
}

// escape reads the escape at pos without moving.
func (d *decoder) escape() (c byte, size int, err error) {
	rest := d.text[d.pos:]
	if len(rest) >= 2 && (rest[1] == '"' || rest[1] == '\\') {
		return rest[1], 2, nil
	}
	if len(rest) >= 6 && strings.HasPrefix(rest[1:], "u00") {
		if n, err := strconv.ParseUint(rest[4:6], 16, 8); err == nil && n < ' ' {
			return byte(n), 6, nil
		}
	}
	return 0, 0, d.fail("bad escape")
}
