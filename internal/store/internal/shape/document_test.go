package shape

import (
	"bytes"
	"encoding/hex"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
)

var (
	plain = &store.Collection{Database: "db", Name: "plain"}
	keyed = &store.Collection{Database: "db", Name: "keyed", Indexes: []store.Index{
		{Unique: true, Fields: []store.Field{{Name: "name"}, {Name: "at.height", Type: store.Int}}},
		{Fields: []store.Field{{Name: "free", Type: store.Int}}},
	}}
)

// member is a document with one member.
func member(name string, value any) bson.D { return bson.D{{Key: name, Value: value}} }

// nested has so many levels of documents.
func nested(levels int) bson.D {
	doc := bson.D{}
	for range levels - 1 {
		doc = member("a", doc)
	}
	return doc
}

func TestDocumentsOfAllowedTypesAreKept(t *testing.T) {
	doc := bson.D{{Key: "s", Value: "é\x00"}, {Key: "i", Value: int32(1)}, {Key: "l", Value: int64(1)}, {Key: "d", Value: math.Inf(1)}, {Key: "b", Value: true},
		{Key: "n", Value: nil}, {Key: "t", Value: bson.NewDateTimeFromTime(time.UnixMilli(5))}, {Key: "o", Value: bson.NewObjectID()},
		{Key: "bin", Value: bson.Binary{Data: []byte{1}}}, {Key: "dec", Value: bson.NewDecimal128(0, 1)},
		{Key: "doc", Value: bson.D{{Key: "x", Value: bson.A{1, bson.D{}}}}}, {Key: "a b'\"", Value: ""}}
	d, err := New(plain, doc)
	if err != nil {
		t.Fatal(err)
	}
	want, err := bson.Marshal(doc)
	if err != nil || !bytes.Equal(d.Raw, want) || d.ID != nil {
		t.Errorf("got %v with _id %v, error %v", d.Raw, d.ID, err)
	}
	_, err = New(plain, nested(maxDepth))
	accepted(t, "100 levels", err)
	_, err = New(plain, struct {
		A int `bson:"a"`
	}{1})
	accepted(t, "a struct", err)
}

func TestDocumentsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		doc  any
		want string
	}{
		{"number", 7, "document of type int"},
		{"nothing", nil, "document of type <nil>"},
		{"channel", member("a", make(chan int)), "document of type bson.D"},
		{"operator", member("$set", 1), "does not start with $"},
		{"dotted name", member("a.b", 1), "has no dot"},
		{"no name", member("", 1), "not empty"},
		{"name not UTF-8", member("\xff", 1), "want UTF-8"},
		{"operator inside", member("a", bson.A{member("$x", 1)}), "does not start with $"},
		{"text not UTF-8", member("a", "\xff"), "not valid UTF-8"},
		{"regular expression", member("a", bson.Regex{Pattern: ".*"}), "member of BSON type regex"},
		{"JavaScript", member("a", bson.JavaScript("1")), "member of BSON type"},
		{"timestamp", member("a", bson.Timestamp{T: 1}), "member of BSON type"},
		{"smallest key", member("a", bson.MinKey{}), "member of BSON type"},
		{"101 levels", nested(maxDepth + 1), "more than 100 levels"},
		{"101 levels of arrays", func() any {
			list := bson.A{}
			for range maxDepth {
				list = bson.A{list}
			}
			return member("a", list)
		}(), "more than 100 levels"},
		{"too large", member("a", strings.Repeat("x", maxDocument)), "at most 16777216 are allowed"},
		{"_id of another type", member(ID, 1.5), "want a string or an integer"},
		{"_id that is a document", member(ID, bson.D{}), "want a string or an integer"},
		{"ObjectID of the caller", member(ID, bson.NewObjectID()), "want a string or an integer"},
	} {
		_, err := New(plain, tt.doc)
		refused(t, tt.name, err, tt.want)
	}
}

func TestMalformedBSONIsRefused(t *testing.T) {
	good, err := bson.Marshal(bson.D{{Key: "s", Value: "text"}, {Key: "b", Value: true}})
	if err != nil {
		t.Fatal(err)
	}
	broken := func(at int, b byte) []byte {
		raw := bytes.Clone(good)
		raw[at] = b
		return raw
	}
	for name, raw := range map[string][]byte{
		"nothing": nil, "no end": good[:len(good)-1], "wrong length": broken(0, 1), "length of a text": broken(7, 0x7f), "bool of 2": broken(len(good)-2, 2),
		"unknown type": broken(4, 0x42), "text without its end": broken(7+4+4, 'x'), "name without its end": {6, 0, 0, 0, 2, 0}, "cut length": {8, 0, 0, 0, 2, 'a', 0, 0},
		"negative length": broken(10, 0xff),
	} {
		refused(t, name+" "+hex.EncodeToString(raw), check(raw, 1, false), "BSON")
	}
	accepted(t, "the document itself", check(good, 1, false))
}

func TestUniqueKeysNeedTheirFields(t *testing.T) {
	at := func(height any) bson.D { return member("height", height) }
	for _, height := range []any{int32(1), int64(1), 1.5} {
		_, err := New(keyed, bson.D{{Key: "name", Value: "x"}, {Key: "at", Value: at(height)}})
		accepted(t, "a document with its keys", err)
	}
	for want, doc := range map[string]bson.D{
		"member name is part of a unique key and must be a string":      {{Key: "at", Value: at(1)}},
		"member at.height is part of a unique key and must be a number": {{Key: "name", Value: "x"}, {Key: "at", Value: at("1")}},
		"member at.height": {{Key: "name", Value: "x"}, {Key: "at", Value: 1}},
		"must be a string": {{Key: "name", Value: nil}, {Key: "at", Value: at(1)}},
	} {
		_, err := New(keyed, doc)
		refused(t, want, err, want)
	}
}

func TestOwnIDComesFirst(t *testing.T) {
	d, err := New(plain, bson.D{{Key: "a", Value: 1}, {Key: ID, Value: "x"}, {Key: "b", Value: 2}})
	accepted(t, "New", err)
	var got bson.D
	accepted(t, "Decode", Decode(d.Raw, &got))
	want := bson.D{{Key: ID, Value: "x"}, {Key: "a", Value: int32(1)}, {Key: "b", Value: int32(2)}}
	if diff := cmp.Diff(want, got); diff != "" || d.ID != "x" {
		t.Errorf("_id %v (-want +got):\n%s", d.ID, diff)
	}
	for _, id := range []any{int32(5), int64(5)} {
		if d, err := New(plain, member(ID, id)); err != nil || d.ID != int64(5) {
			t.Errorf("%T: got _id %v, %v", id, d.ID, err)
		}
	}
}

func TestReplacementsKeepTheID(t *testing.T) {
	for _, tt := range []struct {
		name      string
		own, id   any
		replaces  bool
		want, err any
	}{
		{"none on either side", nil, nil, true, nil, nil},
		{"the same", "x", "x", true, "x", nil},
		{"taken over", nil, "x", true, "x", nil},
		{"brought by an insertion", "x", nil, false, "x", nil},
		{"brought by a replacement", "x", nil, true, nil, "can't be changed"},
		{"another", "x", "y", true, nil, "can't be changed"},
	} {
		doc := bson.D{{Key: "a", Value: 1}}
		if tt.own != nil {
			doc = append(doc, bson.E{Key: ID, Value: tt.own})
		}
		d, err := New(plain, doc)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.WithID(plain, tt.id, tt.replaces)
		if tt.err != nil {
			refused(t, tt.name, err, tt.err.(string))
		} else if err != nil || got.ID != tt.want {
			t.Errorf("%s: got _id %v, %v, want %v", tt.name, got.ID, err, tt.want)
		}
	}
}

func TestAssignmentsThatAreRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  store.Set
		want string
	}{
		{"none", store.Set{}, "without assignments"},
		{"operator", store.Set{"$inc": 1}, "field name"},
		{"_id", store.Set{ID: 1}, "_id can't be changed"},
		{"inside _id", store.Set{"_id.a": 1}, "_id can't be changed"},
		{"a member and its inside", store.Set{"a": 1, "a.b.c": 1}, "an update of both a and a.b.c"},
		{"channel", store.Set{"a": make(chan int)}, "value of type chan int for a"},
		{"operator inside a value", store.Set{"a": member("$x", 1)}, "does not start with $"},
		{"too deep", store.Set{"a.b": nested(maxDepth - 1)}, "more than 100 levels"},
		{"key to another type", store.Set{"name": 1}, "must be a string"},
		{"key to null", store.Set{"at.height": nil}, "must be a number"},
		{"key's parent to a document without it", store.Set{"at": bson.D{}}, "member at.height"},
		{"key's parent to a text", store.Set{"at": "x"}, "member at.height"},
	} {
		_, err := Members(keyed, tt.set)
		refused(t, tt.name, err, tt.want)
	}
	got, err := Members(keyed, store.Set{"z": 1, "at": member("height", 2), "ab": 1, "a.b": 1})
	accepted(t, "several", err)
	var names []string
	for _, m := range got {
		names = append(names, m.Key)
	}
	if diff := cmp.Diff([]string{"a.b", "ab", "at", "z"}, names); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}

func TestAssignKeepsPlacesAndAppendsTheRest(t *testing.T) {
	raw, err := bson.Marshal(bson.D{{Key: "a", Value: 1}, {Key: "in", Value: bson.D{{Key: "p", Value: 1}}}, {Key: "z", Value: 1}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := Assign(raw, bson.D{{Key: "a", Value: "x"}, {Key: "in.p", Value: "y"}, {Key: "in.q.r", Value: true}, {Key: "new", Value: nil}})
	want := bson.D{{Key: "a", Value: "x"}, {Key: "in", Value: bson.D{{Key: "p", Value: "y"}, {Key: "q", Value: bson.D{{Key: "r", Value: true}}}}},
		{Key: "z", Value: int32(1)}, {Key: "new", Value: nil}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
	_, err = Assign(raw, bson.D{{Key: "a.b", Value: 1}})
	refused(t, "inside a number", err, "no embedded document")
}

func TestResultsGoIntoPointers(t *testing.T) {
	raw, err := bson.Marshal(bson.D{{Key: ID, Value: bson.NewObjectID()}, {Key: "n", Value: 1}})
	if err != nil {
		t.Fatal(err)
	}
	docs := []bson.D{{}, {}, {}}
	accepted(t, "DecodeAll", DecodeAll([]bson.Raw{raw}, &docs))
	if diff := cmp.Diff([]bson.D{{{Key: "n", Value: int32(1)}}}, docs); diff != "" {
		t.Errorf("the engine's _id is left out (-want +got):\n%s", diff)
	}
	accepted(t, "no documents", DecodeAll(nil, &docs))
	if docs == nil || len(docs) != 0 {
		t.Errorf("no documents: got %#v, want an empty list", docs)
	}
	var none *[]bson.D
	for what, into := range map[string]any{"nil": nil, "slice": docs, "nil pointer": none, "pointer to a document": &bson.M{}} {
		refused(t, what, DecodeAll([]bson.Raw{raw}, into), "a pointer to a slice")
	}
	for what, into := range map[string]any{"nil": nil, "document": bson.D{}, "nil pointer": none} {
		refused(t, what, One(into), "a non-nil pointer")
	}
	accepted(t, "a pointer", One(&bson.D{}))
}

func TestWritesOfABulkAreOfOneKind(t *testing.T) {
	accepted(t, "an insertion", OneKind(store.Write{Insert: 1}))
	accepted(t, "a deletion", OneKind(store.Write{Delete: store.Filter{}}))
	refused(t, "none", OneKind(store.Write{}), "not 0")
	refused(t, "two", OneKind(store.Write{Insert: 1, Update: &store.Update{}}), "not 2")
}

func FuzzCheck(f *testing.F) {
	for _, doc := range []any{bson.D{}, bson.D{{Key: "s", Value: "text"}, {Key: "b", Value: true}}, nested(5), member("a", bson.A{1, nil, bson.Binary{Data: []byte{1}}}), member("a", bson.Regex{})} {
		raw, err := bson.Marshal(doc)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte{8, 0, 0, 0, 2, 'a', 0, 0})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if check(raw, 1, false) != nil {
			return
		}
		var doc bson.D
		if err := bson.Unmarshal(raw, &doc); err != nil {
			t.Errorf("%x is kept, and can't be decoded: %v", raw, err)
		}
	})
}
