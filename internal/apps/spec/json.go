package spec

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What is hashed is the text that ECMAScript's JSON.stringify gives for a value
// that JSON.parse read (ECMA-262, 25.5). encoding/json differs in escapes,
// numbers, order of members and lone surrogates, hence a value type of our own.

// kind is the type of a value. The zero kind is a member that isn't there.
type kind uint8

const (
	undefined kind = iota
	null
	boolean
	number
	text
	array
	object
)

// value is a JSON value as ECMAScript holds it. Texts are UTF-8, with lone
// surrogates in the three-byte form that UTF-8 forbids.
type value struct {
	kind    kind
	yes     bool
	num     float64
	str     string
	list    []value
	members []member
}

type member struct {
	name  string
	value value
}

// maxDepth bounds the nesting of a text; specifications have three levels.
const maxDepth = 64

// manyMembers is the size from which an object finds its members through a map.
const manyMembers = 16

var errJSON = errors.New("not a JSON text")

func numberValue(n float64) value { return value{kind: number, num: n} }
func textValue(s string) value    { return value{kind: text, str: s} }
func boolValue(b bool) value      { return value{kind: boolean, yes: b} }

// textList returns an array of texts.
func textList(list []string) value {
	v := value{kind: array, list: make([]value, len(list))}
	for i, s := range list {
		v.list[i] = textValue(s)
	}
	return v
}

// get returns a member of an object, or an undefined value.
func (v value) get(name string) value {
	for i := range v.members {
		if v.members[i].name == name {
			return v.members[i].value
		}
	}
	return value{}
}

// set replaces a member, or appends it. An undefined value changes nothing.
func (v *value) set(name string, to value) {
	if to.kind == undefined {
		return
	}
	for i := range v.members {
		if v.members[i].name == name {
			v.members[i].value = to
			return
		}
	}
	v.members = append(v.members, member{name, to})
}

// falsy reports whether ECMAScript takes the value for false.
func (v value) falsy() bool {
	switch v.kind {
	case undefined, null:
		return true
	case boolean:
		return !v.yes
	case number:
		return v.num == 0 || math.IsNaN(v.num)
	case text:
		return v.str == ""
	default:
		return false
	}
}

// reader reads one JSON text.
type reader struct {
	s string
	i int
}

// decode reads a JSON text. Bytes that are no UTF-8 count as U+FFFD, a repeated
// member keeps the first place and the last value, and members named like array
// indices come first.
func decode(raw []byte) (value, error) {
	s := string(raw)
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	r := reader{s: s}
	v, err := r.value(maxDepth)
	if err != nil {
		return value{}, err
	}
	if r.space(); r.i != len(r.s) {
		return value{}, errJSON
	}
	return v, nil
}

func (r *reader) space() {
	for r.i < len(r.s) && (r.s[r.i] == ' ' || r.s[r.i] == '\n' || r.s[r.i] == '\r' || r.s[r.i] == '\t') {
		r.i++
	}
}

// take moves over c, if it is next.
func (r *reader) take(c byte) bool {
	if r.i < len(r.s) && r.s[r.i] == c {
		r.i++
		return true
	}
	return false
}

func (r *reader) word(w string, v value) (value, error) {
	if !strings.HasPrefix(r.s[r.i:], w) {
		return value{}, errJSON
	}
	r.i += len(w)
	return v, nil
}

func (r *reader) value(depth int) (value, error) {
	r.space()
	if r.i == len(r.s) || depth == 0 {
		return value{}, errJSON
	}
	switch c := r.s[r.i]; {
	case c == '{':
		return r.object(depth)
	case c == '[':
		return r.array(depth)
	case c == '"':
		s, err := r.text()
		return textValue(s), err
	case c == 't':
		return r.word("true", boolValue(true))
	case c == 'f':
		return r.word("false", boolValue(false))
	case c == 'n':
		return r.word("null", value{kind: null})
	default:
		return r.number()
	}
}

func (r *reader) array(depth int) (value, error) {
	r.i++
	v := value{kind: array}
	if r.space(); r.take(']') {
		return v, nil
	}
	for {
		e, err := r.value(depth - 1)
		if err != nil {
			return value{}, err
		}
		v.list = append(v.list, e)
		r.space()
		if r.take(']') {
			return v, nil
		}
		if !r.take(',') {
			return value{}, errJSON
		}
	}
}

func (r *reader) object(depth int) (value, error) {
	r.i++
	v := value{kind: object}
	if r.space(); r.take('}') {
		return v, nil
	}
	var places map[string]int
	indices := false
	for {
		r.space()
		if r.i == len(r.s) || r.s[r.i] != '"' {
			return value{}, errJSON
		}
		name, err := r.text()
		if err != nil {
			return value{}, err
		}
		if r.space(); !r.take(':') {
			return value{}, errJSON
		}
		e, err := r.value(depth - 1)
		if err != nil {
			return value{}, err
		}
		if places == nil && len(v.members) >= manyMembers {
			places = make(map[string]int, 2*manyMembers)
			for i, m := range v.members {
				places[m.name] = i
			}
		}
		if places == nil {
			v.set(name, e)
		} else if i, ok := places[name]; ok {
			v.members[i].value = e
		} else {
			places[name] = len(v.members)
			v.members = append(v.members, member{name, e})
		}
		if _, ok := arrayIndex(name); ok {
			indices = true
		}
		r.space()
		if r.take('}') {
			break
		}
		if !r.take(',') {
			return value{}, errJSON
		}
	}
	if indices {
		slices.SortStableFunc(v.members, byIndex)
	}
	return v, nil
}

// byIndex puts members named like array indices first, in ascending order.
func byIndex(a, b member) int {
	ai, aok := arrayIndex(a.name)
	bi, bok := arrayIndex(b.name)
	switch {
	case aok && bok:
		return int(ai) - int(bi)
	case aok:
		return -1
	case bok:
		return 1
	default:
		return 0
	}
}

// arrayIndex returns the index that name is the canonical text of.
func arrayIndex(name string) (uint64, bool) {
	if name == "" || len(name) > 10 || name[0] < '0' || name[0] > '9' || name[0] == '0' && name != "0" {
		return 0, false
	}
	n, err := strconv.ParseUint(name, 10, 64)
	return n, err == nil && n < math.MaxUint32
}

func (r *reader) digits() bool {
	start := r.i
	for r.i < len(r.s) && r.s[r.i] >= '0' && r.s[r.i] <= '9' {
		r.i++
	}
	return r.i > start
}

func (r *reader) number() (value, error) {
	start := r.i
	r.take('-')
	if !r.take('0') && !r.digits() {
		return value{}, errJSON
	}
	if r.take('.') && !r.digits() {
		return value{}, errJSON
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if !r.digits() {
			return value{}, errJSON
		}
	}
	n, _ := strconv.ParseFloat(r.s[start:r.i], 64) // out of range is an infinity, as in ECMAScript
	return numberValue(n), nil
}

// text reads a quoted text.
func (r *reader) text() (string, error) {
	r.i++
	start := r.i
	for r.i < len(r.s) && r.s[r.i] != '"' && r.s[r.i] != '\\' && r.s[r.i] >= ' ' {
		r.i++
	}
	if r.take('"') {
		return r.s[start : r.i-1], nil
	}
	b := []byte(r.s[start:r.i])
	for r.i < len(r.s) {
		c := r.s[r.i]
		r.i++
		switch {
		case c == '"':
			return string(b), nil
		case c < ' ':
			return "", errJSON
		case c != '\\':
			b = append(b, c)
		default:
			var ok bool
			if b, ok = r.escape(b); !ok {
				return "", errJSON
			}
		}
	}
	return "", errJSON
}

// escape reads what follows a backslash.
func (r *reader) escape(b []byte) ([]byte, bool) {
	if r.i == len(r.s) {
		return b, false
	}
	c := r.s[r.i]
	r.i++
	switch c {
	case '"', '\\', '/':
		return append(b, c), true
	case 'b':
		return append(b, '\b'), true
	case 'f':
		return append(b, '\f'), true
	case 'n':
		return append(b, '\n'), true
	case 'r':
		return append(b, '\r'), true
	case 't':
		return append(b, '\t'), true
	case 'u':
		u, ok := r.unit()
		if !ok {
			return b, false
		}
		if u >= 0xDC00 && u <= 0xDFFF && len(b) >= 3 {
			if high, ok := surrogate(b[len(b)-3:]); ok && high < 0xDC00 {
				return utf8.AppendRune(b[:len(b)-3], 0x10000+(high-0xD800)<<10+(u-0xDC00)), true
			}
		}
		return appendUnit(b, u), true
	default:
		return b, false
	}
}

func (r *reader) unit() (rune, bool) {
	if len(r.s)-r.i < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(r.s[r.i:r.i+4], 16, 32)
	r.i += 4
	return rune(n), err == nil
}

// appendUnit appends a UTF-16 unit; a surrogate in the form that UTF-8 forbids.
func appendUnit(b []byte, u rune) []byte {
	if u >= 0xD800 && u <= 0xDFFF {
		return append(b, 0xED, byte(0x80|u>>6&0x3F), byte(0x80|u&0x3F))
	}
	return utf8.AppendRune(b, u)
}

// surrogate returns the lone surrogate that three bytes stand for.
func surrogate[T ~string | ~[]byte](b T) (rune, bool) {
	if len(b) < 3 || b[0] != 0xED || b[1] < 0xA0 {
		return 0, false
	}
	return 0xD000 | rune(b[1]&0x3F)<<6 | rune(b[2]&0x3F), true
}

// units is the length of a text in UTF-16 units, as ECMAScript counts.
func units(s string) int {
	n := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= 0xF0:
			n += 2
		case c < 0x80 || c >= 0xC0:
			n++
		}
	}
	return n
}

// encode is JSON.stringify: no blanks. Arrays and objects never hold an
// undefined value.
func (v value) encode() []byte { return v.append(make([]byte, 0, 1024)) }

func (v value) append(b []byte) []byte {
	switch v.kind {
	case null:
		return append(b, "null"...)
	case boolean:
		return strconv.AppendBool(b, v.yes)
	case number:
		if math.IsNaN(v.num) || math.IsInf(v.num, 0) {
			return append(b, "null"...)
		}
		return append(b, numberText(v.num)...)
	case text:
		return appendQuoted(b, v.str)
	case array:
		b = append(b, '[')
		for i, e := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.append(b)
		}
		return append(b, ']')
	case object:
		b = append(b, '{')
		for i, m := range v.members {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(appendQuoted(b, m.name), ':')
			b = m.value.append(b)
		}
		return append(b, '}')
	default:
		return b
	}
}

func appendQuoted(b []byte, s string) []byte {
	const hex = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c != 0xED {
			continue
		}
		u, lone := rune(c), false
		if c == 0xED {
			if u, lone = surrogate(s[i:]); !lone {
				continue
			}
		}
		b = append(b, s[start:i]...)
		switch u {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\b':
			b = append(b, `\b`...)
		case '\f':
			b = append(b, `\f`...)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', hex[u>>12&15], hex[u>>8&15], hex[u>>4&15], hex[u&15])
		}
		if lone {
			i += 2
		}
		start = i + 1
	}
	return append(append(b, s[start:]...), '"')
}

// numberText is ECMAScript's Number::toString: the shortest digits that give
// the number back, with an exponent from 1e21 and below 1e-6.
func numberText(n float64) string {
	switch {
	case math.IsNaN(n):
		return "NaN"
	case math.IsInf(n, 1):
		return "Infinity"
	case math.IsInf(n, -1):
		return "-Infinity"
	case n == 0:
		return "0"
	}
	if abs := math.Abs(n); abs >= 1e-6 && abs < 1e21 {
		return strconv.FormatFloat(n, 'f', -1, 64)
	}
	digits, exponent, _ := strings.Cut(strconv.FormatFloat(n, 'e', -1, 64), "e")
	return digits + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}
