package storetest

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
)

func is(field string, op store.Op, value any) store.Filter {
	return store.Filter{{Field: field, Op: op, Value: value}}
}

func findsByCondition(t *testing.T, s store.Store) {
	doc := func(name string, height any, seconds int, live bool) bson.D {
		return bson.D{
			{Key: "name", Value: name}, {Key: "height", Value: height},
			{Key: "seen", Value: moment.Add(time.Duration(seconds) * time.Second)}, {Key: "live", Value: live},
			{Key: "spec", Value: bson.D{{Key: "owner", Value: strings.ToUpper(name)}, {Key: "deep", Value: bson.D{{Key: "x", Value: height}}}}},
			{Key: "copy", Value: name}, {Key: "copyseen", Value: moment.Add(time.Duration(seconds) * time.Second)},
		}
	}
	numbered(t, s,
		doc("alpha", 10, 0, true),
		doc("Beta", int64(20), 1, false),
		doc("beta", 30.0, 2, true),
		doc("gamma", int64(1)<<40, 3, false),
		bson.D{{Key: "name", Value: nil}},
	)
	tests := []struct {
		name   string
		filter store.Filter
		want   []int32
	}{
		{"everything", nil, []int32{0, 1, 2, 3, 4}},
		{"text", store.Where("name", "Beta"), []int32{1}},
		{"named text", store.Where("name", namedString("beta")), []int32{2}},
		{"folded", is("name", store.EqFold, "BETA"), []int32{1, 2}},
		{"folded undeclared", is("copy", store.EqFold, "bEtA"), []int32{1, 2}},
		{"folded dotted", is("spec.owner", store.EqFold, "alpha"), []int32{0}},
		{"number", store.Where("height", 20), []int32{1}},
		{"double by integer", store.Where("height", uint16(30)), []int32{2}},
		{"large number", store.Where("height", int64(1)<<40), []int32{3}},
		{"bool", store.Where("live", true), []int32{0, 2}},
		{"other bool", store.Where("live", false), []int32{1, 3}},
		{"time", store.Where("seen", moment.Add(time.Second).In(time.FixedZone("", 7200))), []int32{1}},
		{"undeclared time", store.Where("copyseen", moment), []int32{0}},
		{"dotted", store.Where("spec.owner", "GAMMA"), []int32{3}},
		{"dotted undeclared", store.Where("spec.deep.x", 10), []int32{0}},
		{"greater", is("height", store.Gt, 20), []int32{2, 3}},
		{"at least", is("height", store.Gte, 20), []int32{1, 2, 3}},
		{"less", is("height", store.Lt, 20), []int32{0}},
		{"at most", is("height", store.Lte, 20), []int32{0, 1}},
		{"between times", is("seen", store.Gt, moment).And("seen", store.Lte, moment.Add(2*time.Second)), []int32{1, 2}},
		{"text range", is("name", store.Gte, "alpha").And("name", store.Lt, "gamma"), []int32{0, 2}},
		{"one of texts", is("name", store.In, []string{"gamma", "alpha", "nobody"}), []int32{0, 3}},
		{"one of types", is("name", store.In, []any{"gamma", 5, true, moment}), []int32{3}},
		{"one of numbers", is("height", store.In, []int{30, 10}), []int32{0, 2}},
		{"one of none", is("name", store.In, []string{}), []int32{}},
		{"one of times", is("seen", store.In, []time.Time{moment}), []int32{0}},
		{"present", is("spec.owner", store.Exists, true), []int32{0, 1, 2, 3}},
		{"null is present", is("name", store.Exists, true), []int32{0, 1, 2, 3, 4}},
		{"absent", is("height", store.Exists, false), []int32{4}},
		{"several", store.Where("live", true).And("height", store.Gt, 10).And("name", store.EqFold, "BETA"), []int32{2}},
		{"contradiction", store.Where("name", "alpha").And("name", store.Eq, "beta"), []int32{}},
		{"inside a text", store.Where("name.x", "alpha"), []int32{}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			same(t, "found", numbers(t, s, store.Query{Filter: test.filter}), test.want)
			n, err := s.Count(t.Context(), things, test.filter)
			must(t, err)
			same(t, "count", n, int64(len(test.want)))
		})
	}
}

type namedString string

// comparesOnlyWithinAType: a value never equals what only looks alike.
func comparesOnlyWithinAType(t *testing.T, s store.Store) {
	var docs []bson.D
	for _, field := range []string{"name", "height", "seen", "live", "free"} {
		for _, v := range []any{"1", int32(1), true, bson.DateTime(1), bson.D{{Key: "a", Value: int32(1)}}, nil} {
			docs = append(docs, bson.D{{Key: field, Value: v}})
		}
	}
	numbered(t, s, docs...)
	for i, field := range []string{"name", "height", "seen", "live", "free"} {
		at := int32(6 * i)
		for _, test := range []struct {
			filter store.Filter
			want   []int32
		}{
			{store.Where(field, "1"), []int32{at}},
			{store.Where(field, 1), []int32{at + 1}},
			{store.Where(field, true), []int32{at + 2}},
			{store.Where(field, time.UnixMilli(1)), []int32{at + 3}},
			{store.Where(field, `{"a":1}`), []int32{}},
			{store.Where(field, "null"), []int32{}},
			{is(field, store.EqFold, "TRUE"), []int32{}},
			{is(field, store.Gte, 0), []int32{at + 1}},
			{is(field, store.Gte, ""), []int32{at}},
			{is(field, store.Lt, "z"), []int32{at}},
			{is(field, store.Lt, 9), []int32{at + 1}},
			{is(field, store.Lt, time.UnixMilli(9)), []int32{at + 3}},
		} {
			same(t, fmt.Sprint(test.filter), numbers(t, s, store.Query{Filter: test.filter}), test.want)
		}
	}
}

func refusesBadQueries(t *testing.T, s store.Store) {
	numbered(t, s, bson.D{{Key: "name", Value: "kept"}})
	long := strings.Repeat("x", store.MaxFold+1)
	for what, f := range map[string]store.Filter{
		"operator as field":     store.Where("$where", "1"),
		"operator inside":       store.Where("name.$ne", "1"),
		"quote":                 store.Where(`name"`, "1"),
		"apostrophe":            store.Where("name' OR '1'='1", "1"),
		"NUL in field":          store.Where("name\x00", "1"),
		"array position":        store.Where("name.0", "1"),
		"empty field":           store.Where("", "1"),
		"leading dot":           store.Where(".name", "1"),
		"long field":            store.Where(strings.Repeat("a", 65), "1"),
		"non-ASCII field":       store.Where("né", "1"),
		"nil":                   store.Where("name", nil),
		"document":              store.Where("name", bson.D{{Key: "$ne", Value: 1}}),
		"map":                   store.Where("name", map[string]any{"$ne": 1}),
		"slice":                 store.Where("name", []string{"a"}),
		"bytes":                 store.Where("name", []byte("a")),
		"double":                store.Where("height", 1.5),
		"pointer":               store.Where("name", new(string)),
		"too large":             store.Where("height", uint64(math.MaxUint64)),
		"not UTF-8":             store.Where("name", "\xff"),
		"not UTF-8 folded":      is("name", store.EqFold, "\xff"),
		"folded number":         is("name", store.EqFold, 1),
		"folded long":           is("name", store.EqFold, long),
		"in no slice":           is("name", store.In, "a"),
		"in documents":          is("name", store.In, []any{bson.D{}}),
		"in nothing":            is("name", store.In, nil),
		"in too many":           is("name", store.In, make([]int, store.MaxIn+1)),
		"range of bools":        is("live", store.Gt, true),
		"exists without a bool": is("name", store.Exists, 1),
		"unknown operator":      is("name", 99, 1),
		"range of _id":          is("_id", store.Gt, 1),
		"time as _id":           store.Where("_id", moment),
	} {
		wants(t, "Find by "+what, s.Find(t.Context(), things, store.Query{Filter: f}, &[]bson.D{}), store.ErrInvalid)
		wants(t, "Take by "+what, s.Take(t.Context(), things, f, nil), store.ErrInvalid)
		_, err := s.Delete(t.Context(), things, f)
		wants(t, "Delete by "+what, err, store.ErrInvalid)
		_, err = s.Update(t.Context(), things, f, store.Set{"a": 1})
		wants(t, "Update by "+what, err, store.ErrInvalid)
		_, err = s.Count(t.Context(), things, f)
		wants(t, "Count by "+what, err, store.ErrInvalid)
	}
	for what, q := range map[string]store.Query{
		"negative skip":  {Skip: -1},
		"negative limit": {Limit: -1},
		"bad sort":       {Sort: []store.Sort{{Field: "a;b"}}},
		"sort by _id":    {Sort: []store.Sort{{Field: "_id"}}},
		"sort type":      {Sort: []store.Sort{{Field: "a", Type: 9}}},
	} {
		wants(t, "Find with "+what, s.Find(t.Context(), things, q, &[]bson.D{}), store.ErrInvalid)
		wants(t, "FindOne with "+what, s.FindOne(t.Context(), things, q, &bson.D{}), store.ErrInvalid)
	}
	for _, field := range []string{"$name", "_id", "a b"} {
		_, err := s.Distinct(t.Context(), things, field, nil)
		wants(t, "Distinct "+field, err, store.ErrInvalid)
	}
	same(t, "documents left", numbers(t, s, store.Query{}), []int32{0})
}

// hostile are values that would do harm if any layer took them for more.
func hostile() []string {
	return []string{
		"", "$ne", `{"$ne": null}`, `{"$gt":""}`, "' OR 1=1 --", `"; DROP TABLE "storetest.things"; --`,
		".*", "^a", "a|b", `a\`, `\`, "a+b", "(", "[a-z]", "a.b", "a%b", "a_b", "a?b*", "$", "^", `\E`, `\Q`,
		"a\x00b", "a\x00c", "\x00", "a\n", "a", "é", "É", "K", "\u212a", "ſ", "s", "🙂", `"`, `'`, "null", "true", "0",
		"{", "[", " ", "  ", "\u202e",
	}
}

func hostileValuesAreOnlyValues(t *testing.T, s store.Store) {
	values := hostile()
	for _, v := range values {
		insert(t, s, things, bson.D{{Key: "name", Value: v}, {Key: "free", Value: v}})
	}
	for _, v := range values {
		for _, field := range []string{"name", "free"} {
			var docs []bson.D
			must(t, s.Find(t.Context(), things, store.Query{Filter: store.Where(field, v)}, &docs))
			if len(docs) != 1 || docs[0][0].Value != v {
				t.Errorf("%s = %.20q: got %d documents, want its own only", field, v, len(docs))
			}
			n, err := s.Count(t.Context(), things, is(field, store.EqFold, v))
			must(t, err)
			if n != 1 {
				t.Errorf("%s folded = %q: got %d documents, want its own only", field, v, n)
			}
		}
	}
	n, err := s.Delete(t.Context(), things, is("name", store.In, values))
	must(t, err)
	same(t, "deleted", n, int64(len(values)))

	// Two texts of a megabyte that differ in their last byte.
	long, other := strings.Repeat("x", 1<<20), strings.Repeat("x", 1<<20-1)+"y"
	insert(t, s, things, bson.D{{Key: "name", Value: long}}, bson.D{{Key: "name", Value: other}})
	var doc bson.D
	must(t, s.Take(t.Context(), things, store.Where("name", other), &doc))
	if doc[0].Value != other {
		t.Error("the other long text was taken")
	}
	must(t, s.FindOne(t.Context(), things, store.Query{Filter: store.Where("name", long)}, &doc))
}

func sortsSkipsAndLimits(t *testing.T, s store.Store) {
	for i, height := range []any{3, 1, nil, 2, 1, 3} {
		doc := bson.D{{Key: "n", Value: int32(i)}, {Key: "name", Value: fmt.Sprint("app", i%2)}}
		if height != nil {
			doc = append(doc, bson.E{Key: "height", Value: height}, bson.E{Key: "free", Value: height},
				bson.E{Key: "seen", Value: moment.Add(time.Duration(height.(int)) * time.Hour)})
		}
		insert(t, s, things, doc)
	}
	up, down := []int32{2, 1, 4, 3, 0, 5}, []int32{0, 5, 3, 1, 4, 2}
	tests := []struct {
		name  string
		query store.Query
		want  []int32
	}{
		{"unsorted", store.Query{}, []int32{0, 1, 2, 3, 4, 5}},
		{"limit", store.Query{Limit: 2}, []int32{0, 1}},
		{"skip", store.Query{Skip: 4}, []int32{4, 5}},
		{"skip and limit", store.Query{Skip: 1, Limit: 2}, []int32{1, 2}},
		{"skip all", store.Query{Skip: 10}, []int32{}},
		{"up", store.Query{Sort: []store.Sort{{Field: "height", Type: store.Int}}}, up},
		{"down", store.Query{Sort: []store.Sort{{Field: "height", Type: store.Int, Desc: true}}}, down},
		{"undeclared", store.Query{Sort: []store.Sort{{Field: "free", Type: store.Int, Desc: true}}}, down},
		{"time", store.Query{Sort: []store.Sort{{Field: "seen", Type: store.Time}}}, up},
		{"two fields", store.Query{Sort: []store.Sort{{Field: "name", Type: store.String, Desc: true}, {Field: "height", Type: store.Int}}}, []int32{1, 3, 5, 2, 4, 0}},
		{"range, then insertion", store.Query{Filter: is("height", store.Gte, 1)}, []int32{0, 1, 3, 4, 5}},
		{"range, sorted, limited", store.Query{Filter: is("height", store.Gte, 2), Sort: []store.Sort{{Field: "height", Type: store.Int, Desc: true}}, Skip: 1, Limit: 2}, []int32{5, 3}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { same(t, "found", numbers(t, s, test.query), test.want) })
	}
}

func findOneAnswersFirstOrNotFound(t *testing.T, s store.Store) {
	numbered(t, s, bson.D{{Key: "name", Value: "a"}}, bson.D{{Key: "name", Value: "a"}}, bson.D{{Key: "name", Value: "b"}})
	first := func(q store.Query) int32 {
		var got struct {
			N int32 `bson:"n"`
		}
		must(t, s.FindOne(t.Context(), things, q, &got))
		return got.N
	}
	same(t, "oldest", first(store.Query{Filter: store.Where("name", "a")}), int32(0))
	same(t, "sorted", first(store.Query{Sort: []store.Sort{{Field: "name", Type: store.String, Desc: true}}}), int32(2))
	same(t, "skipped", first(store.Query{Skip: 1, Limit: 9}), int32(1))
	wants(t, "none", s.FindOne(t.Context(), things, store.Query{Filter: store.Where("name", "c")}, &bson.D{}), store.ErrNotFound)
}

func distinctSortsScalars(t *testing.T, s store.Store) {
	var docs []bson.D
	for _, v := range []any{"b", "a", "b", "B", int32(2), int64(2), 2.0, 2.5, int64(-1), true, false, moment, nil, bson.D{{Key: "x", Value: 1}}, "a\x00"} {
		docs = append(docs, bson.D{{Key: "name", Value: v}, {Key: "spec", Value: bson.D{{Key: "owner", Value: v}}}})
	}
	docs = append(docs, bson.D{{Key: "other", Value: 1}})
	numbered(t, s, docs...)
	want := []any{false, true, int64(-1), int64(2), 2.5, moment, "B", "a", "a\x00", "b"}
	for _, field := range []string{"name", "spec.owner"} {
		got, err := s.Distinct(t.Context(), things, field, nil)
		must(t, err)
		same(t, field, got, want)
	}
	got, err := s.Distinct(t.Context(), things, "name", is("n", store.Lt, 2))
	must(t, err)
	same(t, "filtered", got, []any{"a", "b"})
	got, err = s.Distinct(t.Context(), things, "nothing", nil)
	must(t, err)
	same(t, "nothing", got, []any{})
}
