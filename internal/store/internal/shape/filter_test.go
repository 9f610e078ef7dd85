package shape

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
)

func TestConditionsAreNormalised(t *testing.T) {
	type word string
	moment := time.Date(2026, 1, 2, 3, 4, 5, 6_789_000, time.FixedZone("", 3600))
	whole := time.Date(2026, 1, 2, 2, 4, 5, 6_000_000, time.UTC)
	for _, tt := range []struct {
		name string
		cond store.Cond
		want []any
	}{
		{"string", store.Cond{Field: "a", Value: "$ne"}, []any{"$ne"}},
		{"named string", store.Cond{Field: "a", Value: word("x")}, []any{"x"}},
		{"int", store.Cond{Field: "a", Value: -5}, []any{int64(-5)}},
		{"uint8", store.Cond{Field: "a", Value: uint8(5)}, []any{int64(5)}},
		{"largest", store.Cond{Field: "a", Value: uint64(math.MaxInt64)}, []any{int64(math.MaxInt64)}},
		{"bool", store.Cond{Field: "a", Value: true}, []any{true}},
		{"time", store.Cond{Field: "a", Op: store.Gte, Value: moment}, []any{whole}},
		{"folded", store.Cond{Field: "a", Op: store.EqFold, Value: strings.Repeat("x", store.MaxFold)}, []any{strings.Repeat("x", store.MaxFold)}},
		{"in", store.Cond{Field: "a", Op: store.In, Value: []any{"x", 1, moment}}, []any{"x", int64(1), whole}},
		{"in words", store.Cond{Field: "a", Op: store.In, Value: []word{"x", "y"}}, []any{"x", "y"}},
		{"in nothing", store.Cond{Field: "a", Op: store.In, Value: []string{}}, []any{}},
		{"exists", store.Cond{Field: "a", Op: store.Exists, Value: false}, []any{false}},
		{"own id", store.Cond{Field: ID, Value: "x"}, []any{"x"}},
		{"own ids", store.Cond{Field: ID, Op: store.In, Value: []int{1, 2}}, []any{int64(1), int64(2)}},
	} {
		got, err := Filter(store.Filter{tt.cond})
		if diff := cmp.Diff([]Cond{{Field: tt.cond.Field, Op: tt.cond.Op, Values: tt.want}}, got); err != nil || diff != "" {
			t.Errorf("%s: error %v (-want +got):\n%s", tt.name, err, diff)
		}
	}
	if got, err := Filter(nil); err != nil || len(got) != 0 {
		t.Errorf("no conditions: got %v, %v", got, err)
	}
}

func TestConditionsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		cond store.Cond
		want string
	}{
		{"operator for a name", store.Cond{Field: "$where", Value: "1"}, "field name"},
		{"document", store.Cond{Field: "a", Value: bson.D{{Key: "$ne", Value: 1}}}, "not bson.D"},
		{"map", store.Cond{Field: "a", Value: map[string]any{"$gt": ""}}, "not map[string]interface {}"},
		{"nil", store.Cond{Field: "a"}, "not <nil>"},
		{"double", store.Cond{Field: "a", Value: 1.0}, "not float64"},
		{"pointer", store.Cond{Field: "a", Value: new(string)}, "not *string"},
		{"bytes", store.Cond{Field: "a", Value: []byte("x")}, "not []uint8"},
		{"too large", store.Cond{Field: "a", Value: uint64(math.MaxInt64) + 1}, "up to 2^63-1"},
		{"not UTF-8", store.Cond{Field: "a", Value: "\xff"}, "not valid UTF-8"},
		{"in a text", store.Cond{Field: "a", Op: store.In, Value: "x"}, "want a slice"},
		{"in nil", store.Cond{Field: "a", Op: store.In}, "want a slice"},
		{"in too many", store.Cond{Field: "a", Op: store.In, Value: make([]int, store.MaxIn+1)}, "at most 10000"},
		{"in documents", store.Cond{Field: "a", Op: store.In, Value: []any{bson.D{}}}, "not bson.D"},
		{"folded number", store.Cond{Field: "a", Op: store.EqFold, Value: 1}, "want a string of at most 1024 bytes"},
		{"folded and long", store.Cond{Field: "a", Op: store.EqFold, Value: strings.Repeat("x", store.MaxFold+1)}, "at most 1024"},
		{"bools in order", store.Cond{Field: "a", Op: store.Lt, Value: true}, "bools have no order"},
		{"exists perhaps", store.Cond{Field: "a", Op: store.Exists, Value: 1}, "want a bool"},
		{"unknown operator", store.Cond{Field: "a", Op: store.Exists + 1, Value: 1}, "unknown operator"},
		{"range of ids", store.Cond{Field: ID, Op: store.Gt, Value: "x"}, "want Eq or In"},
		{"id of another type", store.Cond{Field: ID, Value: true}, "want a string or an integer"},
		{"ids of another type", store.Cond{Field: ID, Op: store.In, Value: []any{"x", true}}, "want a string or an integer"},
	} {
		_, err := Filter(store.Filter{{Field: "fine", Value: 1}, tt.cond})
		refused(t, tt.name, err, tt.want)
		_, err = Query(store.Query{Filter: store.Filter{tt.cond}})
		refused(t, tt.name+" in a query", err, tt.want)
	}
}

func TestFiltersThatMustNotBeEmpty(t *testing.T) {
	for _, f := range []store.Filter{nil, {}} {
		_, err := NonEmpty(f)
		refused(t, "NonEmpty", err, "empty filter")
		_, err = Key(f)
		refused(t, "Key", err, "empty filter")
	}
	_, err := NonEmpty(store.Where("a", 1))
	accepted(t, "NonEmpty", err)
}

func TestKeysOfUpsertsAreEqualities(t *testing.T) {
	conds, err := Key(store.Where("a", 1).And(ID, store.Eq, "x"))
	accepted(t, "two equalities", err)
	if got := KeyID(conds); got != "x" {
		t.Errorf("KeyID: got %v, want x", got)
	}
	conds, err = Key(store.Where("a", 1))
	accepted(t, "an equality", err)
	if got := KeyID(conds); got != nil {
		t.Errorf("KeyID without an _id: got %v", got)
	}
	for op := store.EqFold; op <= store.Exists; op++ {
		_, err := Key(store.Where("a", 1).And("b", op, "x"))
		refused(t, "a condition of another kind", err, "equality conditions only")
	}
}

func TestQueriesThatAreRefused(t *testing.T) {
	_, err := Query(store.Query{Sort: []store.Sort{{Field: "a.b", Type: store.Bool, Desc: true}}, Skip: 1, Limit: 1})
	accepted(t, "a sorted query", err)
	for want, q := range map[string]store.Query{
		"neither may be negative":    {Skip: -1},
		"limit -2":                   {Limit: -2},
		"field name":                 {Sort: []store.Sort{{Field: "$natural"}}},
		"can't be sorted by _id":     {Sort: []store.Sort{{Field: "a"}, {Field: ID}}},
		"sort by a: unknown type":    {Sort: []store.Sort{{Field: "a", Type: store.Bool + 1}}},
		"condition on _id: want Eq ": {Filter: store.Filter{{Field: ID, Op: store.Exists, Value: true}}},
	} {
		_, err := Query(q)
		refused(t, want, err, want)
	}
}

func TestLowerFoldsASCIIOnly(t *testing.T) {
	for in, want := range map[string]string{"": "", "AZaz09": "azaz09", "É\u212aſ": "É\u212aſ", "@[`{": "@[`{", "\xffA": "\xffa"} {
		if got := Lower(in); got != want {
			t.Errorf("Lower(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestDistinctKeepsScalarsOnceAndSorted(t *testing.T) {
	early := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	found := []any{"b", nil, int32(2), 2.0, 1.5, bson.D{}, bson.A{1}, "a", true, false, true, int64(2), bson.NewDateTimeFromTime(early.Add(time.Hour)),
		bson.NewDateTimeFromTime(early), float64(1 << 54), bson.NewObjectID(), int64(-1)}
	want := []any{false, true, int64(-1), 1.5, int64(2), float64(1 << 54), early, early.Add(time.Hour), "a", "b"}
	if diff := cmp.Diff(want, Distinct(found)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := Distinct(nil); got == nil || len(got) != 0 {
		t.Errorf("nothing found: got %#v, want an empty list", got)
	}
}
