package config

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// kind is the form in which a value was written.
type kind uint8

const (
	kindFlat kind = iota // text of a variable or flag, whose form its key decides
	kindText
	kindNumber
	kindBool
	kindNull
	kindList
	kindMap
)

// raw is a value as it was written, before its key gives it a meaning.
type raw struct {
	kind  kind
	text  string // of a scalar, as written
	items []raw  // of a list
	pairs []pair // of a mapping
	line  int    // in the file; 0 elsewhere
}

type pair struct {
	name  string
	value raw
	line  int
}

func flat(text string) raw { return raw{kind: kindFlat, text: text} }

// valueError says which part of a value is wrong, and what is allowed.
type valueError struct {
	found string // not yet quoted; "" shows nothing
	want  string
}

func (e *valueError) Error() string { return e.want }

// binding connects a key with its field.
type binding struct {
	set  func(raw) error // a *valueError; the field is untouched on error
	show func() string   // the value as YAML on one line, secrets masked
}

// scalar binds a field that is one value. accepts lists the kinds it may be
// written in.
func scalar[T any](p *T, parse func(string) (T, error), show func(T) string, accepts ...kind) binding {
	return binding{
		set: func(r raw) error {
			v, err := one(r, parse, accepts)
			if err == nil {
				*p = v
			}
			return err
		},
		show: func() string { return show(*p) },
	}
}

func one[T any](r raw, parse func(string) (T, error), accepts []kind) (T, error) {
	var zero T
	switch {
	case r.kind == kindNull:
		return zero, &valueError{want: `has no value: write one, or "" for an empty text`}
	case r.kind == kindList:
		return zero, &valueError{want: "is a list, want a single value"}
	case r.kind == kindMap:
		return zero, &valueError{want: "is a section, want a single value"}
	case r.kind == kindBool && !slices.Contains(accepts, kindBool):
		return zero, &valueError{found: r.text, want: "is true or false, want " + kindWords(accepts)}
	case r.kind == kindNumber && !slices.Contains(accepts, kindNumber):
		return zero, &valueError{found: r.text, want: "is a number, want " + kindWords(accepts)}
	case r.kind == kindText && !slices.Contains(accepts, kindText):
		return zero, &valueError{found: r.text, want: "is a text, want " + kindWords(accepts)}
	}
	v, err := parse(r.text)
	if err != nil {
		return zero, &valueError{found: r.text, want: err.Error()}
	}
	return v, nil
}

func kindWords(accepts []kind) string {
	switch {
	case slices.Contains(accepts, kindBool):
		return "true or false"
	case slices.Contains(accepts, kindText):
		return "a text (in quotes)"
	}
	return "a number (without quotes)"
}

// maxItems bounds every list and mapping.
const maxItems = 10000

// list binds a field that is a list; in variables and flags its items are
// separated by commas, and an empty text is the empty list.
func list[T any](p *[]T, parse func(string) (T, error), show func(T) string, accepts ...kind) binding {
	return binding{
		set: func(r raw) error {
			items := r.items
			switch r.kind {
			case kindList:
			case kindFlat:
				items = nil
				for part := range strings.SplitSeq(r.text, ",") {
					if part = strings.TrimSpace(part); part != "" {
						items = append(items, flat(part))
					}
				}
			default:
				return &valueError{found: r.text, want: "want a list"}
			}
			if len(items) > maxItems {
				return &valueError{want: fmt.Sprintf("has %d items, at most %d are allowed", len(items), maxItems)}
			}
			var out []T
			for _, item := range items {
				v, err := one(item, parse, accepts)
				if err != nil {
					return err
				}
				out = append(out, v)
			}
			*p = out
			return nil
		},
		show: func() string {
			var parts []string
			for _, v := range *p {
				parts = append(parts, show(v))
			}
			return "[" + strings.Join(parts, ", ") + "]"
		},
	}
}

// dict binds a field that maps names to values; in variables and flags it is
// written name=value,name=value.
func dict[T any](p *map[string]T, checkName func(string) error, parse func(string) (T, error), show func(T) string, accepts ...kind) binding {
	return binding{
		set: func(r raw) error {
			pairs := r.pairs
			switch r.kind {
			case kindMap:
			case kindNull:
				pairs = nil
			case kindFlat:
				pairs = nil
				for part := range strings.SplitSeq(r.text, ",") {
					if part = strings.TrimSpace(part); part == "" {
						continue
					}
					name, value, ok := strings.Cut(part, "=")
					if !ok {
						return &valueError{found: part, want: "want name=value,name=value"}
					}
					pairs = append(pairs, pair{name: name, value: flat(value)})
				}
			default:
				return &valueError{found: r.text, want: "want a mapping"}
			}
			if len(pairs) > maxItems {
				return &valueError{want: fmt.Sprintf("has %d members, at most %d are allowed", len(pairs), maxItems)}
			}
			out := map[string]T{}
			for _, pr := range pairs {
				if err := checkName(pr.name); err != nil {
					return &valueError{found: pr.name, want: err.Error()}
				}
				v, err := one(pr.value, parse, accepts)
				if err != nil {
					return err
				}
				out[pr.name] = v
			}
			*p = out
			return nil
		},
		show: func() string {
			var parts []string
			for _, name := range slices.Sorted(maps.Keys(*p)) {
				parts = append(parts, name+": "+show((*p)[name]))
			}
			return "{" + strings.Join(parts, ", ") + "}"
		},
	}
}

// quote writes a text as a double-quoted scalar that YAML and JSON read alike.
func quote(text string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range text {
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
		case r < 0x20 || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 || r == 0xfeff:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}

func asIs(text string) (string, error) { return text, nil }

func showBool(v bool) string { return strconv.FormatBool(v) }

func stringer[T fmt.Stringer](v T) string { return v.String() }

func quoted[T fmt.Stringer](v T) string { return quote(v.String()) }
