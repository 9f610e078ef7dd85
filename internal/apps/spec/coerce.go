package spec

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// blanks are the characters that ECMAScript trims from a text.
const blanks = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

// toNumber is ECMAScript's Number(v).
func toNumber(v value) float64 {
	switch v.kind {
	case null:
		return 0
	case boolean:
		if v.yes {
			return 1
		}
		return 0
	case number:
		return v.num
	case text:
		return textNumber(v.str)
	case array: // an array becomes the text of its only element
		switch {
		case len(v.list) == 0 || len(v.list) == 1 && v.list[0].kind == null:
			return 0
		case len(v.list) == 1 && v.list[0].kind != boolean:
			return toNumber(v.list[0])
		}
	}
	return math.NaN()
}

func textNumber(s string) float64 {
	s = strings.Trim(s, blanks)
	switch s {
	case "":
		return 0
	case "Infinity", "+Infinity":
		return math.Inf(1)
	case "-Infinity":
		return math.Inf(-1)
	}
	if len(s) > 2 && s[0] == '0' {
		base := map[byte]int{'x': 16, 'o': 8, 'b': 2}[s[1]|0x20]
		if base != 0 {
			if s[2] == '+' || s[2] == '-' || strings.Contains(s, "_") {
				return math.NaN()
			}
			n, ok := new(big.Int).SetString(s[2:], base)
			if !ok {
				return math.NaN()
			}
			f, _ := new(big.Float).SetInt(n).Float64()
			return f
		}
	}
	if strings.Trim(s, "0123456789+-.eE") != "" {
		return math.NaN() // what only Go takes for a number: underscores, hexadecimal exponents, words
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(n, 0) {
		return math.NaN()
	}
	return n
}

// toText leaves texts and gives everything else as JSON. Undefined stays.
func toText(v value) value {
	switch v.kind {
	case undefined, text:
		return v
	case number:
		if math.IsNaN(v.num) || math.IsInf(v.num, 0) {
			return textValue("null")
		}
	}
	return textValue(string(v.encode()))
}

// toBool gives undefined for what isn't meant as true or false.
func toBool(v value) value {
	switch {
	case v.kind == boolean:
		return v
	case v.kind == text && v.str == "true" || v.kind == text && v.str == "1" || v.kind == number && v.num == 1:
		return boolValue(true)
	case v.kind == text && v.str == "false" || v.kind == text && v.str == "0" || v.kind == number && v.num == 0:
		return boolValue(false)
	default:
		return value{}
	}
}

// toArray parses texts; ok is false when the result is no array. A text that is
// no JSON would be read as a query string, which never gives an array.
func toArray(v value) (value, bool) {
	if v.kind == text {
		parsed, err := decode([]byte(v.str))
		if err != nil {
			return value{}, false
		}
		v = parsed
	}
	return v, v.kind == array
}
