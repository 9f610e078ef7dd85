package shape

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Distinct turns the values that an engine found into those that
// store.Store.Distinct promises: scalars only, each once, sorted.
func Distinct(found []any) []any {
	values := []any{}
	for _, v := range found {
		if v = scalar(v); v != nil {
			values = append(values, v)
		}
	}
	slices.SortFunc(values, compare)
	return slices.CompactFunc(values, func(a, b any) bool { return compare(a, b) == 0 })
}

// wholeLimit bounds the doubles that stand for exactly one integer.
const wholeLimit = 1 << 53

func scalar(v any) any {
	switch v := v.(type) {
	case string, bool, int64:
		return v
	case int32:
		return int64(v)
	case float64:
		if v == math.Trunc(v) && math.Abs(v) <= wholeLimit {
			return int64(v)
		}
		return v
	case bson.DateTime:
		return v.Time().UTC()
	}
	return nil
}

func compare(a, b any) int {
	if c := cmp.Compare(rank(a), rank(b)); c != 0 {
		return c
	}
	switch a := a.(type) {
	case string:
		return strings.Compare(a, b.(string))
	case time.Time:
		return a.Compare(b.(time.Time))
	case bool:
		return cmp.Compare(truth(a), truth(b.(bool)))
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	}
	return cmp.Compare(number(a), number(b))
}

func rank(v any) int {
	switch v.(type) {
	case bool:
		return 0
	case int64, float64:
		return 1
	case time.Time:
		return 2
	}
	return 3
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func number(v any) float64 {
	if n, ok := v.(int64); ok {
		return float64(n)
	}
	return v.(float64)
}
