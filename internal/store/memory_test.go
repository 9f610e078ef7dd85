package store_test

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

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
