package sqlite

import (
	"database/sql"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
)

// Inserts of volatile documents alone don't wait for the disk; whatever comes
// with or after them does.
func TestOnlyVolatileInsertsAreRelaxed(t *testing.T) {
	durable, loose := &table{}, &table{volatile: true}
	insert := func(t *table) *job { return &job{table: t, rows: []row{{}}} }
	for name, c := range map[string]struct {
		batch []*job
		want  bool
	}{
		"volatile":           {[]*job{insert(loose), insert(loose)}, true},
		"durable":            {[]*job{insert(durable)}, false},
		"mixed":              {[]*job{insert(loose), insert(durable)}, false},
		"with another write": {[]*job{insert(loose), {table: loose, run: func(*writer) error { return nil }}}, false},
	} {
		if got := volatile(c.batch); got != c.want {
			t.Errorf("%s: relaxed=%v, want %v", name, got, c.want)
		}
	}
	db := openTemp(t)
	volatileOnes := &store.Collection{Database: "x", Name: "loose", Volatile: true}
	durableOnes := &store.Collection{Database: "x", Name: "durable"}
	if err := db.Declare(t.Context(), volatileOnes, durableOnes); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		into *store.Collection
		want int // PRAGMA synchronous: 1 is NORMAL, 2 is FULL
	}{{durableOnes, 2}, {volatileOnes, 1}, {volatileOnes, 1}, {durableOnes, 2}} {
		if err := db.Insert(t.Context(), c.into, bson.D{{Key: "a", Value: 1}}); err != nil {
			t.Fatal(err)
		}
		var mode int
		err := db.writer.do(t.Context(), &job{alone: true, run: func(w *writer) error {
			return w.query("PRAGMA synchronous", nil, func(r *sql.Rows) error { return r.Scan(&mode) })
		}})
		if err != nil || mode != c.want {
			t.Errorf("after an insert into %s: synchronous=%d, want %d (%v)", c.into.Name, mode, c.want, err)
		}
	}
}
