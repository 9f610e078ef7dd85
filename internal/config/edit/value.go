package edit

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fluxosd/fluxosd/internal/secret"
)

type kind uint8

const (
	kindNull kind = iota
	kindText
	kindNumber
	kindBool
	kindList
	kindMap
)

// value is a part of a YAML document without its looks.
type value struct {
	kind    kind
	text    string // of a scalar: a text as it is meant, the others as written
	items   []value
	members []member
}

type member struct {
	name  string
	value value
}

func (v value) isScalar() bool { return v.kind != kindList && v.kind != kindMap }

// equal ignores the order of members, and whether an empty section is written
// as {} or as nothing.
func (v value) equal(o value) bool {
	if v.isEmptySection() && o.isEmptySection() {
		return true
	}
	if v.kind != o.kind || len(v.members) != len(o.members) {
		return false
	}
	if v.isScalar() {
		return v.kind == kindNull || v.text == o.text
	}
	byName := make(map[string]value, len(o.members))
	for _, m := range o.members {
		byName[m.name] = m.value
	}
	for _, m := range v.members {
		if other, ok := byName[m.name]; !ok || !m.value.equal(other) {
			return false
		}
	}
	return slices.EqualFunc(v.items, o.items, value.equal)
}

func (v value) isEmptySection() bool {
	return v.kind == kindNull || v.kind == kindMap && len(v.members) == 0
}

// with returns v with the value under path replaced or added, or removed if to
// is nil.
func (v value) with(path []string, to *value) value {
	out := value{kind: kindMap, members: slices.Clone(v.members)}
	i := slices.IndexFunc(out.members, func(m member) bool { return m.name == path[0] })
	switch {
	case len(path) == 1 && to == nil:
		if i >= 0 {
			out.members = slices.Delete(out.members, i, i+1)
		}
		return out
	case i < 0:
		out.members = append(out.members, member{name: path[0]})
		i = len(out.members) - 1
	}
	if len(path) == 1 {
		out.members[i].value = *to
	} else {
		out.members[i].value = out.members[i].value.with(path[1:], to)
	}
	return out
}

// errType names what Set accepts; the value itself may be a secret.
var errType = errors.New("want a text, true or false, a whole number, or a list or mapping of these")

// valueOf turns a Go value into one of YAML.
func valueOf(v any) (value, error) {
	switch v := v.(type) {
	case secret.Text:
		return text(v.Reveal())
	case time.Duration:
		return text(v.String())
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.String:
		return text(r.String())
	case reflect.Bool:
		return value{kind: kindBool, text: strconv.FormatBool(r.Bool())}, nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return value{kind: kindNumber, text: strconv.FormatInt(r.Int(), 10)}, nil
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return value{kind: kindNumber, text: strconv.FormatUint(r.Uint(), 10)}, nil
	case reflect.Slice, reflect.Array:
		out := value{kind: kindList}
		for i := range r.Len() {
			item, err := valueOf(r.Index(i).Interface())
			if err != nil {
				return value{}, err
			}
			out.items = append(out.items, item)
		}
		return out, nil
	case reflect.Map:
		return mapOf(r)
	}
	return value{}, errType
}

// mapOf turns a Go map into a mapping, sorted by name.
func mapOf(r reflect.Value) (value, error) {
	if r.Type().Key().Kind() != reflect.String {
		return value{}, errType
	}
	out := value{kind: kindMap}
	for it := r.MapRange(); it.Next(); {
		name, err := text(it.Key().String())
		if err != nil {
			return value{}, err
		}
		v, err := valueOf(it.Value().Interface())
		if err != nil {
			return value{}, err
		}
		out.members = append(out.members, member{name.text, v})
	}
	slices.SortFunc(out.members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return out, nil
}

func text(s string) (value, error) {
	if !utf8.ValidString(s) {
		return value{}, errors.New("want a text in UTF-8")
	}
	return value{kind: kindText, text: s}, nil
}

// String writes v as YAML on one line.
func (v value) String() string {
	switch v.kind {
	case kindNull:
		return "null"
	case kindText:
		return quote(v.text)
	case kindList:
		parts := make([]string, len(v.items))
		for i, item := range v.items {
			parts[i] = item.String()
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case kindMap:
		parts := make([]string, len(v.members))
		for i, m := range v.members {
			parts[i] = name(m.name) + ": " + m.value.String()
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return v.text
}

// name writes the name of a member, in quotes unless it is a plain word that
// YAML can't take for a boolean, null or number.
func name(s string) string {
	plain := s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
	if plain && !slices.Contains([]string{"true", "false", "null", "yes", "no", "on", "off", "y", "n"}, s) {
		return s
	}
	return quote(s)
}

// quote writes a text in the double quotes of YAML 1.2 §7.3.1, on one line.
func quote(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r == ' ' || unicode.IsPrint(r):
			b.WriteRune(r)
		case r <= 0xff:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r <= 0xffff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
