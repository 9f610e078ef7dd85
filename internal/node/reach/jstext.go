package reach

import (
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Other nodes sign the text that ECMAScript's JSON.stringify gives for a body
// (ECMA-262, 25.5.2), and parse and write the body anew before they verify.
// The types below do the same: blanks go, numbers are written as doubles,
// escapes are normalised, repeated names keep the first place and the last
// value, and names that are array indices come first.

// maxDepth bounds the nesting of a body; real ones have two levels.
const maxDepth = 16

var errBody = errors.New("the body is not a JSON object that can be signed")

// member is one member of an object: its name as written between quotes in
// the canonical text, and its canonical value.
type member struct {
	name  string // decoded; lone surrogates are kept as escapes, so it may only be compared
	quote string // canonical text of the name, with quotes
	value string // canonical text
}

// jsObject reads a JSON object and returns its members in the order in which
// ECMAScript holds them.
func jsObject(raw []byte) ([]member, error) {
	if !json.Valid(raw) {
		return nil, errBody
	}
	p := jsReader{rest: string(raw)}
	p.space()
	if p.rest[0] != '{' {
		return nil, errBody
	}
	return p.object(maxDepth)
}

// jsText writes members as JSON.stringify does, without those called without.
func jsText(members []member, without string) string {
	var b strings.Builder
	b.WriteByte('{')
	for _, m := range members {
		if m.name == without {
			continue
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(m.quote)
		b.WriteByte(':')
		b.WriteString(m.value)
	}
	b.WriteByte('}')
	return b.String()
}

// jsReader reads text that json.Valid accepted.
type jsReader struct{ rest string }

func (p *jsReader) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// next drops blanks and one byte, which it returns.
func (p *jsReader) next() byte {
	p.space()
	c := p.rest[0]
	p.rest = p.rest[1:]
	return c
}

func (p *jsReader) peek() byte {
	p.space()
	return p.rest[0]
}

func (p *jsReader) value(depth int) (string, error) {
	switch p.peek() {
	case '{':
		members, err := p.object(depth)
		return jsText(members, noName), err
	case '[':
		return p.array(depth)
	case '"':
		_, quote := p.text()
		return quote, nil
	}
	end := strings.IndexAny(p.rest, " \t\r\n,]}")
	if end < 0 {
		end = len(p.rest)
	}
	word := p.rest[:end]
	p.rest = p.rest[end:]
	switch word {
	case "true", "false", "null":
		return word, nil
	}
	return jsNumber(word), nil
}

// noName is no member's name: names hold no byte 0xFF.
const noName = "\xff"

func (p *jsReader) object(depth int) ([]member, error) {
	if depth == 0 {
		return nil, errBody
	}
	p.next() // {
	var members []member
	at := make(map[string]int)
	for p.peek() != '}' {
		var m member
		m.name, m.quote = p.text()
		p.next() // :
		var err error
		if m.value, err = p.value(depth - 1); err != nil {
			return nil, err
		}
		if i, repeated := at[m.name]; repeated {
			members[i].value = m.value
		} else {
			at[m.name] = len(members)
			members = append(members, m)
		}
		if p.peek() == ',' {
			p.next()
		}
	}
	p.next() // }
	slices.SortStableFunc(members, func(a, b member) int {
		return compareIndices(a.name, b.name)
	})
	return members, nil
}

// compareIndices puts array indices first, in ascending order, and leaves the
// order of other names.
func compareIndices(a, b string) int {
	x, isX := arrayIndex(a)
	y, isY := arrayIndex(b)
	switch {
	case isX && isY && x < y, isX && !isY:
		return -1
	case isX && isY && x > y, !isX && isY:
		return 1
	}
	return 0
}

// arrayIndex reads a canonical array index (ECMA-262, 6.1.7): below 2³²−1,
// without leading zeros.
func arrayIndex(name string) (uint64, bool) {
	n, err := strconv.ParseUint(name, 10, 32)
	return n, err == nil && n < math.MaxUint32 && strconv.FormatUint(n, 10) == name
}

func (p *jsReader) array(depth int) (string, error) {
	if depth == 0 {
		return "", errBody
	}
	p.next() // [
	var b strings.Builder
	b.WriteByte('[')
	for p.peek() != ']' {
		v, err := p.value(depth - 1)
		if err != nil {
			return "", err
		}
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(v)
		if p.peek() == ',' {
			p.next()
		}
	}
	p.next() // ]
	b.WriteByte(']')
	return b.String(), nil
}

// text reads a text and returns it decoded and in canonical quotes. Bytes that
// are not UTF-8 become U+FFFD.
func (p *jsReader) text() (name, quote string) {
	p.next() // "
	var q strings.Builder
	q.WriteByte('"')
	var n strings.Builder
	for p.rest[0] != '"' {
		r, lone := p.char()
		if lone {
			escape := `\u` + strconv.FormatInt(int64(r), 16) // a surrogate has four digits
			q.WriteString(escape)
			n.WriteString("\xfe" + escape) // 0xFE is in no decoded text
			continue
		}
		writeEscaped(&q, r)
		n.WriteRune(r)
	}
	p.rest = p.rest[1:]
	q.WriteByte('"')
	return n.String(), q.String()
}

// char reads one character of a text; lone says that it is half of a
// surrogate pair without the other.
func (p *jsReader) char() (r rune, lone bool) {
	if p.rest[0] != '\\' {
		r, size := utf8.DecodeRuneInString(p.rest)
		p.rest = p.rest[size:]
		return r, false
	}
	c := p.rest[1]
	p.rest = p.rest[2:]
	switch c {
	case 'b':
		return '\b', false
	case 'f':
		return '\f', false
	case 'n':
		return '\n', false
	case 'r':
		return '\r', false
	case 't':
		return '\t', false
	case 'u':
		r = hex4(p.rest)
		p.rest = p.rest[4:]
		if !utf16.IsSurrogate(r) {
			return r, false
		}
		if strings.HasPrefix(p.rest, `\u`) {
			if pair := utf16.DecodeRune(r, hex4(p.rest[2:])); pair != utf8.RuneError {
				p.rest = p.rest[6:]
				return pair, false
			}
		}
		return r, true
	}
	return rune(c), false // " \ /
}

// hex4 reads four hex digits, which json.Valid has seen.
func hex4(s string) rune {
	n, err := strconv.ParseUint(s[:4], 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

func writeEscaped(b *strings.Builder, r rune) {
	switch r {
	case '"', '\\':
		b.WriteByte('\\')
		b.WriteRune(r)
	case '\b':
		b.WriteString(`\b`)
	case '\f':
		b.WriteString(`\f`)
	case '\n':
		b.WriteString(`\n`)
	case '\r':
		b.WriteString(`\r`)
	case '\t':
		b.WriteString(`\t`)
	default:
		if r < ' ' {
			const digits = "0123456789abcdef"
			b.WriteString(`\u00`)
			b.WriteByte(digits[r>>4])
			b.WriteByte(digits[r&15])
			return
		}
		b.WriteRune(r)
	}
}

// jsNumber writes a JSON number as ECMAScript writes the double it stands for
// (ECMA-262, 6.1.6.1.20). What is too large for a double is null.
func jsNumber(text string) string {
	f, err := strconv.ParseFloat(text, 64)
	switch {
	case math.IsInf(f, 0) || (err != nil && !errors.Is(err, strconv.ErrRange)):
		return "null"
	case f == 0:
		return "0" // -0 too
	}
	// Plain digits from 1e-6 up to 1e21, else an exponent without leading zeros.
	if size := math.Abs(f); size >= 1e-6 && size < 1e21 {
		return strconv.FormatFloat(f, 'f', -1, 64)
	}
	mantissa, exponent, _ := strings.Cut(strconv.FormatFloat(f, 'e', -1, 64), "e")
	return mantissa + "e" + exponent[:1] + strings.TrimLeft(exponent[1:], "0")
}
