package jsjson

import (
	"math"
	"strconv"
	"strings"
)

// Encode is JSON.stringify(v); of an undefined value it is empty.
func (v Value) Encode() []byte { return v.Append(make([]byte, 0, 1024)) }

// Append appends what Encode gives to b.
func (v Value) Append(b []byte) []byte {
	switch v.Kind {
	case Null:
		return append(b, "null"...)
	case Boolean:
		return strconv.AppendBool(b, v.Bool)
	case Number:
		if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
			return append(b, "null"...)
		}
		return append(b, NumberText(v.Number)...)
	case Text:
		return appendQuoted(b, v.Text)
	case Array:
		return appendArray(b, v.List)
	case Object:
		return appendObject(b, v.Members)
	default:
		return b
	}
}

func appendArray(b []byte, list []Value) []byte {
	b = append(b, '[')
	for i, e := range list {
		if i > 0 {
			b = append(b, ',')
		}
		if e.Kind == Undefined {
			e.Kind = Null
		}
		b = e.Append(b)
	}
	return append(b, ']')
}

func appendObject(b []byte, members []Member) []byte {
	b = append(b, '{')
	first := true
	for i := range members {
		m := &members[i]
		if m.Value.Kind == Undefined {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(appendQuoted(b, m.Name), ':')
		b = m.Value.Append(b)
	}
	return append(b, '}')
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

// NumberText is ECMAScript's Number::toString: the shortest digits that give
// the number back, with an exponent from 1e21 and below 1e-6.
func NumberText(n float64) string {
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
