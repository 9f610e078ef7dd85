package storetest

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
)

// moment has whole milliseconds, as dates in the store do.
var moment = time.Date(2026, 7, 1, 12, 30, 0, 123e6, time.UTC)

func keepsTypesAndOrder(t *testing.T, s store.Store) {
	id, err := bson.ObjectIDFromHex("0123456789abcdef01234567")
	must(t, err)
	doc := bson.D{
		{Key: "zebra", Value: "text with \" \\ / \u2028 \x7f é 🙂 and \t"},
		{Key: "empty", Value: ""},
		{Key: "int32", Value: int32(7)},
		{Key: "small", Value: int64(7)},
		{Key: "negative", Value: int64(-1)},
		{Key: "large", Value: int64(1) << 60},
		{Key: "limits", Value: bson.A{int32(math.MinInt32), int32(math.MaxInt32), int64(math.MinInt64), int64(math.MaxInt64)}},
		{Key: "whole", Value: 7.0},
		{Key: "double", Value: 0.1},
		{Key: "tiny", Value: 5e-324},
		{Key: "huge", Value: math.MaxFloat64},
		{Key: "yes", Value: true},
		{Key: "no", Value: false},
		{Key: "null", Value: nil},
		{Key: "date", Value: bson.NewDateTimeFromTime(moment)},
		{Key: "before", Value: bson.DateTime(-1)},
		{Key: "oid", Value: id},
		{Key: "binary", Value: bson.Binary{Subtype: 0, Data: []byte{0, 1, 255}}},
		{Key: "uuid", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}},
		{Key: "inner", Value: bson.D{{Key: "b", Value: int64(1)}, {Key: "a", Value: bson.D{{Key: "c d/é", Value: bson.A{}}}}}},
		{Key: "list", Value: bson.A{int32(1), int64(1), 1.0, "1", bson.D{}, bson.D{{Key: "x", Value: bson.A{nil, true}}}}},
		{Key: "apple", Value: "last"},
	}
	insert(t, s, things, doc)
	same(t, "document", all(t, s, things), []bson.D{doc})
}

func refusesForeignDocuments(t *testing.T, s store.Store) {
	deep := bson.D{}
	for range 101 {
		deep = bson.D{{Key: "d", Value: deep}}
	}
	for what, doc := range map[string]any{
		"operator as name":        bson.D{{Key: "$date", Value: int64(5)}},
		"operator as inner name":  bson.D{{Key: "a", Value: bson.D{{Key: "$date", Value: int64(5)}}}},
		"operator in an array":    bson.D{{Key: "a", Value: bson.A{bson.D{{Key: "$ne", Value: 1}}}}},
		"dot in a name":           bson.D{{Key: "a.b", Value: 1}},
		"empty name":              bson.D{{Key: "", Value: 1}},
		"name that is not UTF-8":  bson.D{{Key: "a\xff", Value: 1}},
		"text that is not UTF-8":  bson.D{{Key: "a", Value: "\xff"}},
		"too many levels":         deep,
		"too large":               bson.D{{Key: "a", Value: strings.Repeat("x", 16<<20)}},
		"regular expression":      bson.D{{Key: "a", Value: bson.Regex{Pattern: "x"}}},
		"script":                  bson.D{{Key: "a", Value: bson.JavaScript("x")}},
		"timestamp":               bson.D{{Key: "a", Value: bson.Timestamp{T: 1}}},
		"ObjectID as _id":         bson.D{{Key: "_id", Value: bson.NewObjectID()}},
		"document as _id":         bson.D{{Key: "_id", Value: bson.D{}}},
		"not a document":          7,
		"nothing":                 nil,
		"malformed BSON":          bson.Raw{9, 0, 0, 0, 1, 'a', 0, 1, 0},
		"what bson can't marshal": map[string]any{"c": make(chan int)},
	} {
		wants(t, "Insert of "+what, s.Insert(t.Context(), things, doc), store.ErrInvalid)
		wants(t, "Upsert of "+what, s.Upsert(t.Context(), things, store.Where("a", 1), doc), store.ErrInvalid)
	}
	for what, set := range map[string]store.Set{
		"nothing":         {},
		"operator":        {"$inc": 1},
		"operator inside": {"a": bson.D{{Key: "$inc", Value: 1}}},
		"bad text":        {"a": "\xff"},
		"the _id":         {"_id": "x"},
		"regex":           {"a": bson.Regex{Pattern: "x"}},
		"parent and part": {"a": bson.D{}, "a.b": 1},
		"a channel":       {"a": make(chan int)},
	} {
		_, err := s.Update(t.Context(), things, nil, set)
		wants(t, "Update with "+what, err, store.ErrInvalid)
	}
	same(t, "documents", all(t, s, things), []bson.D{})
}

func refusesUndeclaredCollections(t *testing.T, s store.Store) {
	for _, c := range []*store.Collection{nil, {Database: "storetest", Name: "nobodys"}} {
		wants(t, "Insert", s.Insert(t.Context(), c, bson.D{}), store.ErrInvalid)
		_, err := s.Count(t.Context(), c, nil)
		wants(t, "Count", err, store.ErrInvalid)
		_, err = s.DeleteExpired(t.Context(), c, moment)
		wants(t, "DeleteExpired", err, store.ErrInvalid)
	}
	field := func(name string, more ...store.Field) []store.Index {
		return []store.Index{{Fields: append(more, store.Field{Name: name})}}
	}
	for what, c := range map[string]*store.Collection{
		"nil":                 nil,
		"no name":             {Database: "storetest"},
		"quote in name":       {Database: "storetest", Name: `a"b`},
		"dot in database":     {Database: "a.b", Name: "c"},
		"quote in field":      {Database: "storetest", Name: "c", Indexes: field(`a"b`)},
		"operator as field":   {Database: "storetest", Name: "c", Indexes: field("$where")},
		"empty part":          {Database: "storetest", Name: "c", Indexes: field("a..b")},
		"index of _id":        {Database: "storetest", Name: "c", Indexes: field("_id")},
		"index of no fields":  {Database: "storetest", Name: "c", Indexes: []store.Index{{}}},
		"fields of two cases": {Database: "storetest", Name: "c", Indexes: field("IP", store.Field{Name: "ip"})},
		"unknown type":        {Database: "storetest", Name: "c", Indexes: []store.Index{{Fields: []store.Field{{Name: "a", Type: 9}}}}},
		"folded number":       {Database: "storetest", Name: "c", Indexes: []store.Index{{Fields: []store.Field{{Name: "a", Type: store.Int, Fold: true}}}}},
		"folded unique":       {Database: "storetest", Name: "c", Indexes: []store.Index{{Unique: true, Fields: []store.Field{{Name: "a", Fold: true}}}}},
		"negative expiry":     {Database: "storetest", Name: "c", Expiry: &store.Expiry{Field: "a", After: -1}},
		"bad expiry field":    {Database: "storetest", Name: "c", Expiry: &store.Expiry{Field: "a b"}},
	} {
		wants(t, "Declare with "+what, s.Declare(t.Context(), c), store.ErrInvalid)
	}
}

func decodesIntoStructs(t *testing.T, s store.Store) {
	type session struct {
		FluxID  string    `bson:"zelid"`
		Created time.Time `bson:"createdAt"`
		Spec    struct {
			Owner string `bson:"owner"`
			Ports []int  `bson:"ports"`
		} `bson:"spec"`
		Extra any `bson:"extra"`
	}
	want := session{FluxID: "1A", Created: moment.Add(456 * time.Microsecond).In(time.FixedZone("", 3600))}
	want.Spec.Owner, want.Spec.Ports = "1B", []int{1, 2}
	want.Extra = bson.D{{Key: "x", Value: bson.A{int32(1)}}}
	insert(t, s, things, &want)
	want.Created = moment
	var got session
	must(t, s.FindOne(t.Context(), things, store.Query{Filter: store.Where("zelid", "1A")}, &got))
	same(t, "struct", got, want)
	var pointers []*session
	must(t, s.Find(t.Context(), things, store.Query{}, &pointers))
	same(t, "pointers", pointers, []*session{&want})

	empty := []session{{}}
	must(t, s.Find(t.Context(), things, store.Query{Filter: store.Where("zelid", "nobody")}, &empty))
	if empty == nil || len(empty) != 0 {
		t.Errorf("no match: got %#v, want an empty slice", empty)
	}
	var wrong struct {
		FluxID int `bson:"zelid"`
	}
	if err := s.FindOne(t.Context(), things, store.Query{}, &wrong); err == nil {
		t.Error("a string was decoded into an int")
	}
	for _, into := range []any{nil, got, (*session)(nil), 7} {
		wants(t, "FindOne", s.FindOne(t.Context(), things, store.Query{}, into), store.ErrInvalid)
		wants(t, "Find", s.Find(t.Context(), things, store.Query{}, into), store.ErrInvalid)
		if into != nil {
			wants(t, "Take", s.Take(t.Context(), things, nil, into), store.ErrInvalid)
		}
	}
	same(t, "documents left", len(all(t, s, things)), 1)
}

func ownIDIsUniqueAndStays(t *testing.T, s store.Store) {
	ctx := t.Context()
	insert(t, s, things, bson.D{{Key: "a", Value: int32(1)}, {Key: "_id", Value: "heartbeat"}})
	insert(t, s, things, bson.D{{Key: "_id", Value: int64(1) << 40}})
	wants(t, "second _id", s.Insert(ctx, things, bson.D{{Key: "_id", Value: "heartbeat"}}), store.ErrDuplicate)

	must(t, s.Upsert(ctx, things, store.Where("_id", "heartbeat"), bson.D{{Key: "a", Value: int32(2)}}))
	must(t, s.Upsert(ctx, things, store.Where("_id", "new"), bson.D{{Key: "a", Value: int32(3)}}))
	must(t, s.Upsert(ctx, things, store.Where("_id", "own"), bson.D{{Key: "_id", Value: "own"}}))
	wants(t, "Upsert of another _id", s.Upsert(ctx, things, store.Where("_id", "new"), bson.D{{Key: "_id", Value: "other"}}), store.ErrInvalid)
	got := map[any]bson.D{}
	for _, doc := range all(t, s, things) {
		got[doc[0].Value] = doc
	}
	same(t, "documents", got, map[any]bson.D{
		"heartbeat":    {{Key: "_id", Value: "heartbeat"}, {Key: "a", Value: int32(2)}},
		int64(1) << 40: {{Key: "_id", Value: int64(1) << 40}},
		"new":          {{Key: "_id", Value: "new"}, {Key: "a", Value: int32(3)}},
		"own":          {{Key: "_id", Value: "own"}},
	})
	n, err := s.Count(ctx, things, store.Filter{{Field: "_id", Op: store.In, Value: []string{"new", "own", "none"}}})
	must(t, err)
	same(t, "count by _id", n, int64(2))
	var doc bson.M
	wants(t, "number as text", s.FindOne(ctx, things, store.Query{Filter: store.Where("_id", "1099511627776")}, &doc), store.ErrNotFound)
	must(t, s.FindOne(ctx, things, store.Query{Filter: store.Where("_id", 1<<40)}, &doc))

	// Without an _id of its own a document shows none, in whatever form it is read.
	_, err = s.Clear(ctx, things)
	must(t, err)
	insert(t, s, things, bson.D{{Key: "a", Value: int32(1)}})
	var m bson.M
	must(t, s.FindOne(ctx, things, store.Query{}, &m))
	same(t, "map", m, bson.M{"a": int32(1)})
	var taken bson.D
	must(t, s.Take(ctx, things, nil, &taken))
	same(t, "taken", taken, bson.D{{Key: "a", Value: int32(1)}})
}

func insertsSeveral(t *testing.T, s store.Store) {
	var docs []any
	var want []bson.D
	for i := range 250 {
		doc := bson.D{{Key: "n", Value: int32(i)}}
		docs, want = append(docs, doc), append(want, doc)
	}
	insert(t, s, things)
	insert(t, s, things, docs...)
	same(t, "documents", all(t, s, things), want)
}

func uniqueKeyRefusesSecond(t *testing.T, s store.Store) {
	ctx := t.Context()
	insert(t, s, outputs, output{"a", 0, "first"}, output{"a", 1, "second"}, output{"b", 0, "third"})
	wants(t, "Insert", s.Insert(ctx, outputs, output{"a", 1, "again"}), store.ErrDuplicate)
	wants(t, "Upsert", s.Upsert(ctx, outputs, store.Where("note", "third"), output{"a", 0, "moved"}), store.ErrDuplicate)
	_, err := s.Update(ctx, outputs, store.Where("note", "third"), store.Set{"txid": "a"})
	wants(t, "Update", err, store.ErrDuplicate)
	must(t, s.Upsert(ctx, outputs, store.Where("txid", "a").And("vout", store.Eq, 1), output{"a", 1, "replaced"}))
	var got []output
	must(t, s.Find(ctx, outputs, store.Query{}, &got))
	if diff := cmp.Diff([]output{{"a", 0, "first"}, {"a", 1, "replaced"}, {"b", 0, "third"}}, got); diff != "" {
		t.Error(diff)
	}
}

func uniqueKeyNeedsItsFields(t *testing.T, s store.Store) {
	ctx := t.Context()
	for what, doc := range map[string]any{
		"a field missing": bson.D{{Key: "txid", Value: "a"}},
		"a wrong type":    bson.D{{Key: "txid", Value: "a"}, {Key: "vout", Value: "0"}},
		"a null":          bson.D{{Key: "txid", Value: nil}, {Key: "vout", Value: 0}},
	} {
		wants(t, "Insert with "+what, s.Insert(ctx, outputs, doc), store.ErrInvalid)
	}
	insert(t, s, outputs, output{TxID: "a"})
	_, err := s.Update(ctx, outputs, nil, store.Set{"vout": "text"})
	wants(t, "Update to another type", err, store.ErrInvalid)
}
