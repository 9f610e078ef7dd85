// Package storetest is the suite that every adapter of the store passes: what
// the words in package store mean, as tests. It knows no engine.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
)

// Collections of the suite. An opener declares nothing; the suite does.
var (
	things = &store.Collection{
		Database: "storetest", Name: "things",
		Indexes: []store.Index{
			{Fields: []store.Field{{Name: "name", Type: store.String, Fold: true}}},
			{Fields: []store.Field{{Name: "height", Type: store.Int, Desc: true}}},
			{Fields: []store.Field{{Name: "ip", Type: store.String}, {Name: "name", Type: store.String}}},
			{Fields: []store.Field{{Name: "spec.owner", Type: store.String}}},
			{Fields: []store.Field{{Name: "seen", Type: store.Time}}},
			{Fields: []store.Field{{Name: "live", Type: store.Bool}}},
		},
		Expiry: &store.Expiry{Field: "createdAt", After: time.Hour},
	}
	outputs = &store.Collection{
		Database: "storetest", Name: "outputs",
		Indexes: []store.Index{{Unique: true, Fields: []store.Field{{Name: "txid", Type: store.String}, {Name: "vout", Type: store.Int}}}},
	}
)

// output is a document of the collection with a unique key.
type output struct {
	TxID string `bson:"txid"`
	Vout int    `bson:"vout"`
	Note string `bson:"note"`
}

// Run checks an adapter. Each call of open returns an empty store that the test
// closes when it ends.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		run  func(t *testing.T, s store.Store)
	}{
		{"AnswersPingAndVersion", answersPingAndVersion},
		{"KeepsTypesAndOrder", keepsTypesAndOrder},
		{"RefusesForeignDocuments", refusesForeignDocuments},
		{"RefusesUndeclaredCollections", refusesUndeclaredCollections},
		{"DecodesIntoStructs", decodesIntoStructs},
		{"OwnIDIsUniqueAndStays", ownIDIsUniqueAndStays},
		{"InsertsSeveral", insertsSeveral},
		{"UniqueKeyRefusesSecond", uniqueKeyRefusesSecond},
		{"UniqueKeyNeedsItsFields", uniqueKeyNeedsItsFields},
		{"FindsByCondition", findsByCondition},
		{"ComparesOnlyWithinAType", comparesOnlyWithinAType},
		{"RefusesBadQueries", refusesBadQueries},
		{"HostileValuesAreOnlyValues", hostileValuesAreOnlyValues},
		{"SortsSkipsAndLimits", sortsSkipsAndLimits},
		{"FindOneAnswersFirstOrNotFound", findOneAnswersFirstOrNotFound},
		{"UpsertReplacesOldestOrInserts", upsertReplacesOldestOrInserts},
		{"UpdateAssignsMembers", updateAssignsMembers},
		{"TakeHasOneWinner", takeHasOneWinner},
		{"DistinctSortsScalars", distinctSortsScalars},
		{"DeleteWantsAFilter", deleteWantsAFilter},
		{"BulkStopsAtFailure", bulkStopsAtFailure},
		{"ExpiresByTime", expiresByTime},
		{"DeclareTwiceKeepsDocuments", declareTwiceKeepsDocuments},
		{"HonoursContext", honoursContext},
		{"ServesConcurrently", servesConcurrently},
		{"AgreesWithModel", agreesWithModel},
		{"ClosedIsUnavailable", closedIsUnavailable},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := open(t)
			t.Cleanup(func() { s.Close() })
			if err := s.Declare(t.Context(), things, outputs); err != nil {
				t.Fatalf("Declare: %v", err)
			}
			test.run(t, s)
		})
	}
}

// must fails the test at an error.
func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wants fails the test unless err is want.
func wants(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

func insert(t *testing.T, s store.Store, c *store.Collection, docs ...any) {
	t.Helper()
	must(t, s.Insert(t.Context(), c, docs...))
}

// numbered inserts documents {n: 0, …}, {n: 1, …}, each with the members given.
func numbered(t *testing.T, s store.Store, docs ...bson.D) {
	t.Helper()
	for i, doc := range docs {
		insert(t, s, things, append(bson.D{{Key: "n", Value: int32(i)}}, doc...))
	}
}

// numbers returns the members n of what a query finds.
func numbers(t *testing.T, s store.Store, q store.Query) []int32 {
	t.Helper()
	var found []struct {
		N int32 `bson:"n"`
	}
	if err := s.Find(t.Context(), things, q, &found); err != nil {
		t.Fatalf("Find(%v): %v", q, err)
	}
	ns := []int32{}
	for _, f := range found {
		ns = append(ns, f.N)
	}
	return ns
}

func all(t *testing.T, s store.Store, c *store.Collection) []bson.D {
	t.Helper()
	var docs []bson.D
	must(t, s.Find(t.Context(), c, store.Query{}, &docs))
	return docs
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func answersPingAndVersion(t *testing.T, s store.Store) {
	must(t, s.Ping(t.Context()))
	version, err := s.Version(t.Context())
	must(t, err)
	if version == "" {
		t.Error("Version is empty")
	}
}

func closedIsUnavailable(t *testing.T, s store.Store) {
	insert(t, s, things, bson.D{{Key: "n", Value: 1}})
	must(t, s.Close())
	must(t, s.Close())
	ctx := t.Context()
	var docs []bson.D
	_, countErr := s.Count(ctx, things, nil)
	_, versionErr := s.Version(ctx)
	for what, err := range map[string]error{
		"Ping":    s.Ping(ctx),
		"Insert":  s.Insert(ctx, things, bson.D{}),
		"Find":    s.Find(ctx, things, store.Query{}, &docs),
		"Take":    s.Take(ctx, things, nil, nil),
		"Count":   countErr,
		"Version": versionErr,
		"Declare": s.Declare(ctx, things),
	} {
		wants(t, what+" after Close", err, store.ErrUnavailable)
	}
}

func honoursContext(t *testing.T, s store.Store) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var docs []bson.D
	var doc bson.D
	_, update := s.Update(ctx, things, nil, store.Set{"a": 1})
	_, remove := s.Delete(ctx, things, store.Where("n", 1))
	_, clearing := s.Clear(ctx, things)
	_, bulk := s.Bulk(ctx, things, []store.Write{{Insert: bson.D{}}})
	_, count := s.Count(ctx, things, nil)
	_, distinct := s.Distinct(ctx, things, "n", nil)
	_, expired := s.DeleteExpired(ctx, things, time.Now())
	for what, err := range map[string]error{
		"Insert":        s.Insert(ctx, things, bson.D{{Key: "n", Value: 1}}),
		"Upsert":        s.Upsert(ctx, things, store.Where("n", 1), bson.D{{Key: "n", Value: 1}}),
		"Find":          s.Find(ctx, things, store.Query{}, &docs),
		"FindOne":       s.FindOne(ctx, things, store.Query{}, &doc),
		"Take":          s.Take(ctx, things, nil, nil),
		"Ping":          s.Ping(ctx),
		"Declare":       s.Declare(ctx, things),
		"Update":        update,
		"Delete":        remove,
		"Clear":         clearing,
		"Bulk":          bulk,
		"Count":         count,
		"Distinct":      distinct,
		"DeleteExpired": expired,
	} {
		wants(t, what+" with an ended context", err, context.Canceled)
	}
	same(t, "documents", all(t, s, things), []bson.D{})
}
