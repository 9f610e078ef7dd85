package shape

import (
	"math"
	"reflect"
	"time"
	"unicode/utf8"

	"github.com/fluxosd/fluxosd/internal/store"
)

// Cond is a checked condition. Values holds the one value to compare with, or
// those of In: string, int64, bool, or time.Time (UTC, whole milliseconds).
type Cond struct {
	Field  string
	Op     store.Op
	Values []any
}

// Filter checks and normalises the conditions of a query.
func Filter(f store.Filter) ([]Cond, error) {
	conds := make([]Cond, len(f))
	for i, c := range f {
		if err := Field(c.Field); err != nil {
			return nil, err
		}
		if c.Field == ID && c.Op != store.Eq && c.Op != store.In {
			return nil, Invalid("condition on _id: want Eq or In")
		}
		values, err := operand(c)
		if err != nil {
			return nil, err
		}
		if c.Field == ID {
			for _, v := range values {
				if err := idValue(v); err != nil {
					return nil, err
				}
			}
		}
		conds[i] = Cond{Field: c.Field, Op: c.Op, Values: values}
	}
	return conds, nil
}

func idValue(v any) error {
	switch v.(type) {
	case string, int64:
		return nil
	}
	return Invalid("value for _id: want a string or an integer, not %T", v)
}

// NonEmpty is Filter for calls that refuse to touch every document.
func NonEmpty(f store.Filter) ([]Cond, error) {
	if len(f) == 0 {
		return nil, Invalid("an empty filter would match every document: give a condition, or use Clear")
	}
	return Filter(f)
}

// Key is Filter for the key of an Upsert: equality conditions only.
func Key(f store.Filter) ([]Cond, error) {
	for _, c := range f {
		if c.Op != store.Eq {
			return nil, Invalid("the key of an upsert takes equality conditions only, not one of another kind on %.80q", c.Field)
		}
	}
	return NonEmpty(f)
}

// Query checks a query and normalises its filter.
func Query(q store.Query) ([]Cond, error) {
	if q.Skip < 0 || q.Limit < 0 {
		return nil, Invalid("skip %d, limit %d: neither may be negative", q.Skip, q.Limit)
	}
	for _, s := range q.Sort {
		if err := Field(s.Field); err != nil {
			return nil, err
		}
		if s.Field == ID {
			return nil, Invalid("documents can't be sorted by _id")
		}
		if s.Type > store.Bool {
			return nil, Invalid("sort by %s: unknown type", s.Field)
		}
	}
	return Filter(q.Filter)
}

// operand returns the values of one condition.
func operand(c store.Cond) ([]any, error) {
	if c.Op == store.In {
		list := reflect.ValueOf(c.Value)
		if list.Kind() != reflect.Slice {
			return nil, Invalid("condition In on %s: want a slice, not %T", c.Field, c.Value)
		}
		if list.Len() > store.MaxIn {
			return nil, Invalid("condition In on %s: %d values, at most %d are allowed", c.Field, list.Len(), store.MaxIn)
		}
		values := make([]any, list.Len())
		for i := range values {
			var err error
			if values[i], err = value(c.Field, list.Index(i).Interface()); err != nil {
				return nil, err
			}
		}
		return values, nil
	}
	v, err := value(c.Field, c.Value)
	if err != nil {
		return nil, err
	}
	switch c.Op {
	case store.Eq:
	case store.EqFold:
		if s, ok := v.(string); !ok || len(s) > store.MaxFold {
			return nil, Invalid("condition EqFold on %s: want a string of at most %d bytes", c.Field, store.MaxFold)
		}
	case store.Gt, store.Gte, store.Lt, store.Lte:
		if _, ok := v.(bool); ok {
			return nil, Invalid("condition on %s: bools have no order", c.Field)
		}
	case store.Exists:
		if _, ok := v.(bool); !ok {
			return nil, Invalid("condition Exists on %s: want a bool, not %T", c.Field, c.Value)
		}
	default:
		return nil, Invalid("condition on %s: unknown operator %d", c.Field, c.Op)
	}
	return []any{v}, nil
}

// value normalises a value to compare with.
func value(field string, v any) (any, error) {
	if t, ok := v.(time.Time); ok {
		return t.UTC().Truncate(time.Millisecond), nil
	}
	rv := reflect.ValueOf(v)
	switch {
	case rv.Kind() == reflect.String:
		s := rv.String()
		if !utf8.ValidString(s) {
			return nil, Invalid("value for %s: not valid UTF-8", field)
		}
		return s, nil
	case rv.Kind() == reflect.Bool:
		return rv.Bool(), nil
	case rv.CanInt():
		return rv.Int(), nil
	case rv.CanUint() && rv.Uint() <= math.MaxInt64:
		return int64(rv.Uint()), nil
	}
	return nil, Invalid("value for %s: want a string, an integer up to 2^63-1, a bool or a time.Time, not %T", field, v)
}

// Lower folds ASCII letters and nothing else.
func Lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			b[i] = c | 0x20
		}
	}
	return string(b)
}
