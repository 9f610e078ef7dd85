package shape

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/store"
)

// refused fails the test unless err wraps ErrInvalid and has want in it.
func refused(t *testing.T, what string, err error, want string) {
	t.Helper()
	if !errors.Is(err, store.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got error %v, want ErrInvalid with %q", what, err, want)
	}
}

// accepted fails the test at an error.
func accepted(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: got error %v, want none", what, err)
	}
}

func TestFieldNamesArePlainIdentifiersJoinedByDots(t *testing.T) {
	part := strings.Repeat("a", maxPart)
	for _, name := range []string{"a", "_", "_id", "A9", "a-b", "a_b", "a.b.c", part, strings.Repeat("abcd.", 50) + "abcde"} {
		accepted(t, name, Field(name))
	}
	for what, name := range map[string]string{
		"empty": "", "digit first": "9a", "dash first": "-a", "operator": "$ne", "operator inside": "a.$ne", "dot first": ".a", "dot last": "a.",
		"two dots": "a..b", "space": "a b", "quote": `a"`, "apostrophe": "a'", "NUL": "a\x00", "not ASCII": "é", "bracket": "a[0]", "star": "*",
		"part of 65 bytes": part + "a", "256 bytes": strings.Repeat("abcd.", 50) + "abcdef",
	} {
		refused(t, what, Field(name), "want parts of letters, digits, _ and -, joined by dots")
	}
	long := Field(strings.Repeat("x", 1<<20))
	if n := len(long.Error()); n > 500 {
		t.Errorf("the refusal of a long name has %d bytes", n)
	}
}

func TestDistinctDoesNotLookAtID(t *testing.T) {
	accepted(t, "a.b", DistinctField("a.b"))
	accepted(t, "_idle", DistinctField("_idle"))
	refused(t, "_id", DistinctField("_id"), "not available to Distinct")
	refused(t, "_id.x", DistinctField("_id.x"), "not available to Distinct")
	refused(t, "$", DistinctField("$"), "field name")
}

func TestCollectionsThatCannotBeDeclared(t *testing.T) {
	one := func(f store.Field) []store.Index { return []store.Index{{Fields: []store.Field{f}}} }
	name := store.Field{Name: "name"}
	good := store.Collection{Database: "db", Name: "things", Indexes: []store.Index{
		{Fields: []store.Field{{Name: "name", Fold: true}, {Name: "n", Type: store.Bool, Desc: true}}}, {Unique: true, Fields: []store.Field{name}},
	}, Expiry: &store.Expiry{Field: "at", After: time.Hour}}
	accepted(t, "a collection with everything", Collection(&good))
	accepted(t, "a collection without indexes", Collection(&store.Collection{Database: "db", Name: "x"}))
	accepted(t, "an expiry at the time itself", Collection(&store.Collection{Database: "db", Name: "x", Expiry: &store.Expiry{Field: "at"}}))
	refused(t, "none", Collection(nil), "no collection given")
	for _, tt := range []struct {
		name, want string
		change     func(*store.Collection)
	}{
		{"no database", "want names of letters", func(c *store.Collection) { c.Database = "" }},
		{"no name", "want names of letters", func(c *store.Collection) { c.Name = "" }},
		{"dotted name", "want names of letters", func(c *store.Collection) { c.Name = "a.b" }},
		{"long name", "want names of letters", func(c *store.Collection) { c.Name = strings.Repeat("a", maxPart+1) }},
		{"index without fields", `index "x" has no fields`, func(c *store.Collection) { c.Indexes = []store.Index{{Name: "x"}} }},
		{"index on _id", "_id needs no index", func(c *store.Collection) { c.Indexes = one(store.Field{Name: ID}) }},
		{"index on a bad name", "field name", func(c *store.Collection) { c.Indexes = one(store.Field{Name: "a b"}) }},
		{"unknown type", "unknown type", func(c *store.Collection) { c.Indexes = one(store.Field{Name: "a", Type: store.Bool + 1}) }},
		{"folded number", "Fold is for strings", func(c *store.Collection) { c.Indexes = one(store.Field{Name: "a", Type: store.Int, Fold: true}) }},
		{"folded unique key", "not for unique indexes", func(c *store.Collection) {
			c.Indexes = []store.Index{{Unique: true, Fields: []store.Field{{Name: "a", Fold: true}}}}
		}},
		{"names that differ in case", "differ only in case", func(c *store.Collection) { c.Indexes = append(one(store.Field{Name: "NAME"}), one(name)...) }},
		{"expiry that differs in case", "differ only in case", func(c *store.Collection) { c.Expiry = &store.Expiry{Field: "Name"} }},
		{"expiry on _id", "_id needs no index", func(c *store.Collection) { c.Expiry = &store.Expiry{Field: ID} }},
		{"negative expiry", "is negative", func(c *store.Collection) { c.Expiry = &store.Expiry{Field: "at", After: -1} }},
	} {
		c := good
		tt.change(&c)
		refused(t, tt.name, Collection(&c), tt.want)
	}
}
