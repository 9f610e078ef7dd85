package jsjson

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

var (
	errSyntax = errors.New("not a JSON text")
	errDepth  = errors.New("arrays and objects are nested too deep")
)

// manyMembers is the size from which an object finds its members through a map.
const manyMembers = 16

// reader reads one JSON text.
type reader struct {
	s string
	i int
}

// Decode reads a JSON text whose arrays and objects are nested at most depth
// deep.
func Decode(raw []byte, depth int) (Value, error) {
	s := string(raw)
	if !utf8.ValidString(s) {
		s = string([]rune(s))
	}
	r := reader{s: s}
	v, err := r.value(depth)
	if err != nil {
		return Value{}, err
	}
	if r.space(); r.i != len(r.s) {
		return Value{}, errSyntax
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

func (r *reader) word(w string, v Value) (Value, error) {
	if !strings.HasPrefix(r.s[r.i:], w) {
		return Value{}, errSyntax
	}
	r.i += len(w)
	return v, nil
}

func (r *reader) value(depth int) (Value, error) {
	r.space()
	if r.i == len(r.s) {
		return Value{}, errSyntax
	}
	switch c := r.s[r.i]; {
	case (c == '{' || c == '[') && depth <= 0:
		return Value{}, errDepth
	case c == '{':
		return r.object(depth)
	case c == '[':
		return r.array(depth)
	case c == '"':
		s, err := r.text()
		return TextValue(s), err
	case c == 't':
		return r.word("true", BoolValue(true))
	case c == 'f':
		return r.word("false", BoolValue(false))
	case c == 'n':
		return r.word("null", Value{Kind: Null})
	default:
		return r.number()
	}
}

func (r *reader) array(depth int) (Value, error) {
	r.i++
	v := Value{Kind: Array}
	if r.space(); r.take(']') {
		return v, nil
	}
	for {
		e, err := r.value(depth - 1)
		if err != nil {
			return Value{}, err
		}
		v.List = append(v.List, e)
		r.space()
		if r.take(']') {
			return v, nil
		}
		if !r.take(',') {
			return Value{}, errSyntax
		}
	}
}

func (r *reader) object(depth int) (Value, error) {
	r.i++
	v := Value{Kind: Object}
	if r.space(); r.take('}') {
		return v, nil
	}
	var places map[string]int
	indices := false
	for {
		r.space()
		if r.i == len(r.s) || r.s[r.i] != '"' {
			return Value{}, errSyntax
		}
		name, err := r.text()
		if err != nil {
			return Value{}, err
		}
		if r.space(); !r.take(':') {
			return Value{}, errSyntax
		}
		e, err := r.value(depth - 1)
		if err != nil {
			return Value{}, err
		}
		at, repeated := places[name]
		if places == nil {
			at = find(v.Members, name)
			repeated = at >= 0
		}
		if repeated {
			v.Members[at].Value = e
		} else {
			v.Members = append(v.Members, Member{name, e})
			if places != nil {
				places[name] = len(v.Members) - 1
			} else if len(v.Members) == manyMembers {
				places = placesOf(v.Members)
			}
		}
		if _, ok := arrayIndex(name); ok {
			indices = true
		}
		r.space()
		if r.take('}') {
			break
		}
		if !r.take(',') {
			return Value{}, errSyntax
		}
	}
	if indices {
		slices.SortStableFunc(v.Members, byIndex)
	}
	return v, nil
}

func placesOf(members []Member) map[string]int {
	places := make(map[string]int, 2*len(members))
	for i := range members {
		places[members[i].Name] = i
	}
	return places
}

func (r *reader) digits() bool {
	start := r.i
	for r.i < len(r.s) && r.s[r.i] >= '0' && r.s[r.i] <= '9' {
		r.i++
	}
	return r.i > start
}

func (r *reader) number() (Value, error) {
	start := r.i
	r.take('-')
	if !r.take('0') && !r.digits() {
		return Value{}, errSyntax
	}
	if r.take('.') && !r.digits() {
		return Value{}, errSyntax
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if !r.digits() {
			return Value{}, errSyntax
		}
	}
	n, _ := strconv.ParseFloat(r.s[start:r.i], 64) // out of range is an infinity, as in ECMAScript
	return NumberValue(n), nil
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
			return "", errSyntax
		case c != '\\':
			b = append(b, c)
		default:
			var ok bool
			if b, ok = r.escape(b); !ok {
				return "", errSyntax
			}
		}
	}
	return "", errSyntax
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
