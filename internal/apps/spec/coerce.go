package spec

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/fluxosd/fluxosd/internal/jsjson"
)

// blanks are the characters that ECMAScript trims from a text.
const blanks = "\t\n\v\f\r \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000\ufeff"

// maxDepth bounds the nesting of a text; specifications have three levels.
const maxDepth = 64

// falsy reports whether ECMAScript takes the value for false.
func falsy(v jsjson.Value) bool {
	switch v.Kind {
	case jsjson.Undefined, jsjson.Null:
		return true
	case jsjson.Boolean:
		return !v.Bool
	case jsjson.Number:
		return v.Number == 0 || math.IsNaN(v.Number)
	case jsjson.Text:
		return v.Text == ""
	default:
		return false
	}
}

// toNumber is ECMAScript's Number(v).
func toNumber(v jsjson.Value) float64 {
	switch v.Kind {
	case jsjson.Null:
		return 0
	case jsjson.Boolean:
		if v.Bool {
			return 1
		}
		return 0
	case jsjson.Number:
		return v.Number
	case jsjson.Text:
		return textNumber(v.Text)
	case jsjson.Array: // an array becomes the text of its only element
		switch {
		case len(v.List) == 0 || len(v.List) == 1 && v.List[0].Kind == jsjson.Null:
			return 0
		case len(v.List) == 1 && v.List[0].Kind != jsjson.Boolean:
			return toNumber(v.List[0])
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
func toText(v jsjson.Value) jsjson.Value {
	switch v.Kind {
	case jsjson.Undefined, jsjson.Text:
		return v
	case jsjson.Number:
		if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
			return jsjson.TextValue("null")
		}
	}
	return jsjson.TextValue(string(v.Encode()))
}

// toBool gives undefined for what isn't meant as true or false.
func toBool(v jsjson.Value) jsjson.Value {
	switch {
	case v.Kind == jsjson.Boolean:
		return v
	case v.Kind == jsjson.Text && v.Text == "true" || v.Kind == jsjson.Text && v.Text == "1" || v.Kind == jsjson.Number && v.Number == 1:
		return jsjson.BoolValue(true)
	case v.Kind == jsjson.Text && v.Text == "false" || v.Kind == jsjson.Text && v.Text == "0" || v.Kind == jsjson.Number && v.Number == 0:
		return jsjson.BoolValue(false)
	default:
		return jsjson.Value{}
	}
}

// toArray parses texts; ok is false when the result is no array. A text that is
// no JSON would be read as a query string, which never gives an array.
func toArray(v jsjson.Value) (jsjson.Value, bool) {
	if v.Kind == jsjson.Text {
		parsed, err := jsjson.Decode([]byte(v.Text), maxDepth)
		if err != nil {
			return jsjson.Value{}, false
		}
		v = parsed
	}
	return v, v.Kind == jsjson.Array
}
