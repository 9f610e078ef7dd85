package sqlite

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

var anywhere = &store.Collection{Database: "text", Name: "documents"}

func encode(t testing.TB, doc any) string {
	t.Helper()
	d, err := shape.New(anywhere, doc)
	if err != nil {
		t.Fatal(err)
	}
	text, err := appendDocument(nil, d.Raw)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTextOfDocuments(t *testing.T) {
	doc := bson.D{
		{Key: "s", Value: "a\"\\\x00é"}, {Key: "i", Value: int32(-7)}, {Key: "l", Value: int64(7)}, {Key: "L", Value: int64(1) << 40},
		{Key: "d", Value: 7.0}, {Key: "z", Value: math.Copysign(0, -1)}, {Key: "e", Value: 1e300}, {Key: "inf", Value: math.Inf(-1)},
		{Key: "t", Value: bson.DateTime(5)}, {Key: "b", Value: bson.Binary{Subtype: 4, Data: []byte{1}}}, {Key: "n", Value: nil},
		{Key: "o", Value: bson.ObjectID{1, 2}}, {Key: "m", Value: bson.NewDecimal128(1, 2)}, {Key: "a", Value: bson.A{true, bson.D{}, bson.A{false}}},
	}
	want := `{"s":"a\"\\\u0000é","i":-7,"l": 7,"L":1099511627776,"d":7.0,"z":-0.0,"e":1e+300,"inf":{"$double":"fff0000000000000"},` +
		`"t":{"$date":5},"b":{"$binary":"AQ==","$type":4},"n":null,"o":{"$oid":"010200000000000000000000"},` +
		`"m":{"$decimal":"00000000000000010000000000000002"},"a":[true,{},[false]]}`
	got := encode(t, doc)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatal(diff)
	}
	raw, err := decodeDocument(got)
	if err != nil {
		t.Fatal(err)
	}
	if marshalled, err := bson.Marshal(doc); err != nil || string(marshalled) != string(raw) {
		t.Errorf("round trip: got %v, want %v (%v)", raw, bson.Raw(marshalled), err)
	}
}

func TestDamagedTextIsRefused(t *testing.T) {
	for _, text := range []string{
		"", "[]", "{", `{"a"`, `{"a":`, `{"a":1`, `{"a":1}x`, `{"a":1,}`, `{"a":01x}`, `{"a":+1}`, `{"a":1.0.0}`, `{"a": 1.5}`, `{"":1}`,
		`{"$a":1}`, `{"a":{"$date":"x"}}`, `{"a":{"$date":1`, `{"a":{"$oid":"00"}}`, `{"a":{"$what":"00"}}`, `{"a":{"$binary":"!"}}`,
		`{"a":{"$binary":"","$type":256}}`, `{"a":"\x"}`, `{"a":"\u0041"}`, "{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}", `{"a\u0000":1}`,
		`{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}",
	} {
		if _, err := decodeDocument(text); !errors.Is(err, errText) {
			t.Errorf("%.40q: got %v, want an error", text, err)
		}
	}
}

// FuzzDecodeText: whatever is accepted is a valid document that comes back.
func FuzzDecodeText(f *testing.F) {
	f.Add(encode(f, bson.D{{Key: "a", Value: bson.A{int32(1), int64(1), 1.5, "x\x00", nil, time.Unix(1, 0), bson.NewObjectID()}}}))
	f.Add(`{"a":{"$double":"7ff8000000000001"},"b":{"$binary":"AQ==","$type":2},"c":{"$decimal":"00000000000000010000000000000002"}}`)
	f.Add(`{"a": 5,"b":-0.0}`)
	f.Fuzz(func(t *testing.T, text string) {
		raw, err := decodeDocument(text)
		if err != nil {
			return
		}
		if err := raw.Validate(); err != nil {
			t.Fatalf("%q gave malformed BSON: %v", text, err)
		}
		again, err := appendDocument(nil, raw)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decodeDocument(string(again)); err != nil || string(back) != string(raw) {
			t.Fatalf("%q became %q: %v", text, again, err)
		}
	})
}

// FuzzEncodeDocument: bytes that pass for a document survive being stored.
func FuzzEncodeDocument(f *testing.F) {
	raw, err := bson.Marshal(bson.D{{Key: "a", Value: bson.D{{Key: "b", Value: "c"}}}, {Key: "x", Value: bson.Binary{Subtype: 2, Data: []byte{1}}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(raw))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := shape.New(anywhere, bson.Raw(data))
		if err != nil {
			return
		}
		text, err := appendDocument(nil, d.Raw)
		if err != nil {
			t.Fatal(err)
		}
		back, err := decodeDocument(string(text))
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if again, err := appendDocument(nil, back); err != nil || string(again) != string(text) {
			t.Fatalf("%q became %q: %v", text, again, err)
		}
	})
}
