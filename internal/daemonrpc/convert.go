package daemonrpc

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// convert makes an RPC argument of a request's value. What cannot be converted
// becomes nil, which is null in the call. It never fails: the result can always
// be written as JSON.
func convert(kind Kind, value any) any {
	if raw, ok := value.(json.RawMessage); ok && kind != Object {
		value = decodeRaw(raw)
	}
	switch kind {
	case String:
		return toString(value)
	case Number:
		return toNumber(value)
	case Bool:
		return toBool(value)
	case Object:
		return toObject(value)
	case Array:
		return toArray(value)
	case List:
		return strings.Split(toString(value), ",")
	case Single:
		return []string{toString(value)}
	}
	return plain(value)
}

// decodeRaw decodes scalars; objects and arrays stay raw to keep their order and digits.
func decodeRaw(raw json.RawMessage) any {
	raw = bytes.TrimSpace(raw)
	if !json.Valid(raw) {
		return nil
	}
	if raw[0] == '{' || raw[0] == '[' {
		return raw
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil {
		return nil
	}
	return value
}

// plain gives value if JSON can carry it.
func plain(value any) any {
	if f, ok := value.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
		return nil
	}
	if _, err := json.Marshal(value); err != nil {
		return nil
	}
	return value
}

// toString keeps text and writes anything else as JSON.
func toString(value any) string {
	if text, ok := value.(string); ok {
		return text
	}
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		return "null"
	}
	return strings.TrimSuffix(buf.String(), "\n")
}

// toBool reads the four spellings of each truth value.
func toBool(value any) any {
	switch v := value.(type) {
	case bool:
		return v
	case string:
		switch v {
		case "true", "1":
			return true
		case "false", "0":
			return false
		}
	case json.Number, float64:
		switch toNumber(v) {
		case json.Number("1"):
			return true
		case json.Number("0"):
			return false
		}
	}
	return nil
}

var (
	// plainDecimal is a JSON number without exponent, short enough to be an
	// amount, a height or a time.
	plainDecimal = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,24})(\.[0-9]{1,24})?$`)
	// decimalLiteral and radixLiteral are StrDecimalLiteral and
	// NonDecimalIntegerLiteral of ECMA-262, section StringToNumber.
	decimalLiteral = regexp.MustCompile(`^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
	radixLiteral   = regexp.MustCompile(`^0([xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)$`)
)

// maxNumberText bounds the text that is read as a number, in bytes; longer text is no number.
const maxNumberText = 512

// toNumber is ECMAScript Number() with the difference that a plain decimal keeps
// its digits: 0.1 is sent as 0.1. NaN and the infinities are nil.
func toNumber(value any) any {
	switch v := value.(type) {
	case string:
		return numberOf(v)
	case json.Number:
		return numberOf(v.String())
	case float64:
		return numberOfFloat(v)
	case bool:
		if v {
			return json.Number("1")
		}
		return json.Number("0")
	case nil:
		return json.Number("0")
	}
	return nil
}

// isECMASpace covers WhiteSpace and LineTerminator of ECMA-262.
func isECMASpace(r rune) bool {
	return r == '\uFEFF' || r != '\u0085' && unicode.IsSpace(r)
}

func numberOf(text string) any {
	if len(text) > maxNumberText {
		return nil
	}
	text = strings.TrimFunc(text, isECMASpace)
	switch {
	case text == "":
		return json.Number("0")
	case plainDecimal.MatchString(text) && strings.Trim(text, "-0.") != "":
		return json.Number(text)
	case decimalLiteral.MatchString(text):
		f, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil
		}
		return numberOfFloat(f)
	case radixLiteral.MatchString(text):
		whole, ok := new(big.Int).SetString(text, 0)
		if !ok {
			return nil
		}
		f, _ := new(big.Float).SetInt(whole).Float64()
		return numberOfFloat(f)
	}
	return nil
}

func numberOfFloat(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil
	}
	if f == 0 {
		return json.Number("0")
	}
	text, err := json.Marshal(f) // writes numbers as ECMAScript does
	if err != nil {
		return nil
	}
	return json.Number(text)
}

// toObject keeps objects and arrays, raw ones with the order of their members.
func toObject(value any) any {
	switch v := value.(type) {
	case map[string]any, []any:
		if v = plain(v); v != nil {
			return v
		}
	case json.RawMessage:
		switch decoded := decodeRaw(v).(type) {
		case json.RawMessage:
			return decoded
		case string:
			return toObject(decoded)
		}
	case string:
		if decoded, ok := decodeRaw(json.RawMessage(v)).(json.RawMessage); ok {
			return decoded
		}
		if !json.Valid([]byte(v)) {
			return queryObject(v)
		}
	}
	return map[string]any{}
}

// queryObject reads key=value&… text; of a repeated key the first value counts.
func queryObject(text string) map[string]any {
	object := map[string]any{}
	for pair := range strings.SplitSeq(strings.TrimSpace(text), "&") {
		name, value, _ := strings.Cut(pair, "=")
		name, errName := url.QueryUnescape(name)
		value, errValue := url.QueryUnescape(value)
		if name == "" || errName != nil || errValue != nil {
			continue
		}
		if _, repeated := object[name]; !repeated {
			object[name] = value
		}
	}
	return object
}

// toArray keeps arrays and reads their JSON text.
func toArray(value any) any {
	if text, ok := value.(string); ok {
		if raw, ok := decodeRaw(json.RawMessage(text)).(json.RawMessage); ok && raw[0] == '[' {
			return raw
		}
	}
	return plain(value)
}
