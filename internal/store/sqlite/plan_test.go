package sqlite

import (
	"strings"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

// plan returns SQLite's plan for a statement, one step a line.
func plan(t *testing.T, db *DB, text string, args ...any) string {
	t.Helper()
	rows, err := db.reads.db.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	defer rows.Close()
	var steps strings.Builder
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		steps.WriteString(step + "\n")
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return steps.String()
}

// sample is a value of a declared type.
func sample(t store.Type) any {
	return map[store.Type]any{store.String: "Text", store.Int: 7, store.Time: time.UnixMilli(7), store.Bool: true}[t]
}

func TestQueriesByDeclaredKeysUseTheirIndex(t *testing.T) {
	db := openTemp(t)
	mixed := &store.Collection{
		Database: "plans", Name: "mixed",
		Indexes: []store.Index{
			{Fields: []store.Field{{Name: "spec.owner", Type: store.String}}},
			{Fields: []store.Field{{Name: "seen", Type: store.Time}}},
			{Fields: []store.Field{{Name: "live", Type: store.Bool}}},
			{Unique: true, Fields: []store.Field{{Name: "txid", Type: store.String}, {Name: "vout", Type: store.Int}}},
		},
	}
	cs := append(store.All(), mixed)
	if err := db.Declare(t.Context(), cs...); err != nil {
		t.Fatal(err)
	}
	for _, c := range cs {
		table, err := db.table(c)
		if err != nil {
			t.Fatal(err)
		}
		filters := []store.Filter{store.Where("_id", "x"), store.Where("_id", 5)}
		for _, index := range c.Indexes {
			field := index.Fields[0]
			v := sample(field.Type)
			ops := []store.Op{store.Eq}
			if field.Fold {
				ops = append(ops, store.EqFold)
			} else if field.Type != store.Bool {
				ops = append(ops, store.Gt, store.Gte, store.Lt, store.Lte)
			}
			for _, op := range ops {
				filters = append(filters, store.Filter{{Field: field.Name, Op: op, Value: v}})
			}
			if !field.Fold {
				filters = append(filters, store.Filter{{Field: field.Name, Op: store.In, Value: []any{v, v}}})
			}
			whole := store.Filter{}
			for _, field := range index.Fields {
				whole = whole.And(field.Name, store.Eq, sample(field.Type))
			}
			filters = append(filters, whole)
		}
		for _, f := range filters {
			conds, err := shape.Filter(f)
			if err != nil {
				t.Fatal(err)
			}
			first := selection(table, "id", conds, store.Query{Limit: 1})
			for _, s := range []*statement{
				selection(table, "doc", conds, store.Query{}),
				selection(table, "doc", conds, store.Query{Limit: 1}),
				selection(table, "doc", conds, store.Query{Sort: []store.Sort{{Field: f[0].Field, Type: store.String, Desc: true}}, Limit: 50}),
			} {
				wantsIndex(t, f, plan(t, db, s.String(), s.args...))
			}
			wantsIndex(t, f, plan(t, db, "DELETE FROM "+table.name+" WHERE id=("+first.String()+") RETURNING doc", first.args...))
			deletion := &statement{}
			deletion.WriteString("DELETE FROM " + table.name)
			deletion.where(table, conds)
			wantsIndex(t, f, plan(t, db, deletion.String(), deletion.args...))
		}
		if c.Expiry != nil {
			wantsIndex(t, "expiry of "+c.Name, plan(t, db, table.expired(), 0, 10))
		}
	}
}

func wantsIndex(t *testing.T, what any, steps string) {
	t.Helper()
	if strings.Contains(steps, "SCAN") || !strings.Contains(steps, "USING") || !strings.Contains(steps, "INDEX") {
		t.Errorf("%v: no index is used:\n%s", what, steps)
	}
}
