package store_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/sqlite"
)

type remembered struct {
	Place *struct {
		Lat  float64 `json:"lat"`
		City string  `json:"city"`
	} `json:"place"`
	Static  bool     `json:"static"`
	Changed *int64   `json:"changed"`
	At      int64    `json:"at"`
	List    []string `json:"list,omitempty"`
}

func TestMemoryKeepsARecordOverRestarts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	open := func() (*sqlite.DB, store.Memory[remembered]) {
		db, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Declare(t.Context(), store.All()...); err != nil {
			t.Fatal(err)
		}
		return db, store.Memory[remembered]{Store: db, Collection: store.Geolocation, ID: "nodeGeolocation"}
	}
	db, m := open()
	got, err := m.Load(t.Context())
	if err != nil || !cmp.Equal(got, remembered{}) {
		t.Fatalf("before the first save: %+v, %v", got, err)
	}
	want := remembered{Static: true, At: 1_790_000_000_123, List: []string{"a", ""}}
	want.Place = &struct {
		Lat  float64 `json:"lat"`
		City string  `json:"city"`
	}{50, "Prague"}
	for range 2 { // the second replaces the first
		if err := m.Save(t.Context(), want); err != nil {
			t.Fatal(err)
		}
		want.At++
	}
	want.At--
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db, m = open()
	defer db.Close()
	got, err = m.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A record that another program kept has doubles where ours has integers.
func TestMemoryReadsWholeDoublesAsIntegers(t *testing.T) {
	db, err := sqlite.Open(t.Context(), sqlite.Config{Path: filepath.Join(t.TempDir(), "x.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Declare(t.Context(), store.All()...); err != nil {
		t.Fatal(err)
	}
	doc := bson.D{{Key: "_id", Value: "nodeGeolocation"}, {Key: "place", Value: bson.D{{Key: "lat", Value: 50.5}, {Key: "city", Value: "Prague"}}},
		{Key: "static", Value: true}, {Key: "changed", Value: float64(1_777_465_644_000)}, {Key: "at", Value: float64(1_790_000_000_123)}, {Key: "list", Value: bson.A{"a"}}}
	if err := db.Insert(t.Context(), store.Geolocation, doc); err != nil {
		t.Fatal(err)
	}
	got, err := store.Memory[remembered]{Store: db, Collection: store.Geolocation, ID: "nodeGeolocation"}.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.At != 1_790_000_000_123 || got.Changed == nil || *got.Changed != 1_777_465_644_000 || got.Place.Lat != 50.5 || len(got.List) != 1 {
		t.Errorf("%+v", got)
	}
}
