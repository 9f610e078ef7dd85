package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

// table is where a collection lives. It is immutable.
//
//	id   the order of insertion
//	key  the document's own _id, or NULL
//	doc  the document as text
//
// and a virtual column for each way in which a declared field is compared:
// its value if the document has it with the declared type, else NULL.
type table struct {
	name    string // quoted
	columns map[column]bool
	indexes []string // the statements that create them
	expiry  *store.Expiry
	unique  bool // there is a unique index
	// volatile tables need no fsync before an insert is acknowledged.
	volatile bool
	inserts  [len(rowsPerInsert)]string
}

// column is one way to look at a field.
type column struct {
	field string
	kind  kind
}

type kind uint8

const (
	asString = kind(store.String)
	asInt    = kind(store.Int)
	asTime   = kind(store.Time)
	asBool   = kind(store.Bool)
	asFolded = kind(store.Bool + 1) // a string in lower case (ASCII)
)

// name is the quoted name of the column.
func (c column) name() string {
	return `"` + c.field + ":" + [...]string{"string", "int", "time", "bool", "folded"}[c.kind] + `"`
}

// expression computes the column from doc. Fields are checked identifiers and
// need no escaping.
func (c column) expression() string {
	path := jsonPath(c.field)
	switch c.kind {
	case asString:
		return "CASE json_type(doc," + path + ") WHEN 'text' THEN doc->>" + path + " END"
	case asFolded:
		return "CASE json_type(doc," + path + ") WHEN 'text' THEN lower(doc->>" + path + ") END"
	case asInt:
		return "CASE json_type(doc," + path + ") WHEN 'integer' THEN doc->>" + path + " WHEN 'real' THEN doc->>" + path + " END"
	case asBool:
		return "CASE json_type(doc," + path + ") WHEN 'true' THEN 1 WHEN 'false' THEN 0 END"
	}
	return "doc->>" + jsonPath(c.field+"."+tagDate)
}

// jsonPath is the SQL literal of the path of a dotted field.
func jsonPath(field string) string {
	return `'$."` + strings.ReplaceAll(field, ".", `"."`) + `"'`
}

func newTable(c *store.Collection) *table {
	plain := c.Database + "." + c.Name
	t := &table{
		name:    `"` + plain + `"`,
		columns: map[column]bool{},
		expiry:  c.Expiry, volatile: c.Volatile,
	}
	t.inserts = insertTexts(t.name)
	indexes := c.Indexes
	if c.Expiry != nil {
		indexes = append(slices.Clip(indexes), store.Index{Fields: []store.Field{{Name: c.Expiry.Field, Type: store.Time}}})
	}
	for _, index := range indexes {
		label, terms := plain, []string{}
		for _, field := range index.Fields {
			col := column{field.Name, kind(field.Type)}
			if field.Fold {
				col.kind = asFolded
			}
			t.columns[col] = true
			term := col.name()
			if field.Desc {
				term += " DESC"
			}
			terms = append(terms, term)
			label += "/" + strings.Trim(strings.ReplaceAll(term, `"`, ""), " ")
		}
		unique := ""
		if index.Unique {
			unique, label = "UNIQUE ", label+"/unique"
			t.unique = true
		}
		t.indexes = append(t.indexes, fmt.Sprintf(`CREATE %sINDEX IF NOT EXISTS "%s" ON %s(%s)`, unique, label, t.name, strings.Join(terms, ",")))
	}
	return t
}

// create makes what is missing of the table, in the transaction of conn.
func (t *table) create(ctx context.Context, conn *sql.Conn) error {
	statements := []string{
		"CREATE TABLE IF NOT EXISTS " + t.name + "(id INTEGER PRIMARY KEY, key BLOB, doc TEXT NOT NULL)",
		"CREATE UNIQUE INDEX IF NOT EXISTS " + strings.TrimSuffix(t.name, `"`) + `/_id" ON ` + t.name + "(key) WHERE key IS NOT NULL",
	}
	for _, statement := range statements {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	present, err := t.present(ctx, conn)
	if err != nil {
		return err
	}
	for col := range t.columns {
		if present[strings.Trim(col.name(), `"`)] {
			continue
		}
		// A virtual column costs nothing to add; its index reads every document.
		statement := "ALTER TABLE " + t.name + " ADD COLUMN " + col.name() + " AS (" + col.expression() + ") VIRTUAL"
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	for _, statement := range t.indexes {
		if _, err := conn.ExecContext(ctx, statement); err != nil {
			return err
		}
	}
	return nil
}

// present returns the names of the columns that the table has in the file.
func (t *table) present(ctx context.Context, conn *sql.Conn) (map[string]bool, error) {
	rows, err := conn.QueryContext(ctx, "SELECT name FROM pragma_table_xinfo(?)", strings.Trim(t.name, `"`))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	names := map[string]bool{}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names[name] = true
	}
	return names, rows.Err()
}

// place names a collection whatever declaration the caller holds.
type place struct{ database, name string }

// Declare creates what is missing of the collections' tables, all or nothing.
// A unique index over documents that are not unique answers ErrDuplicate.
func (db *DB) Declare(ctx context.Context, cs ...*store.Collection) error {
	tables := make([]*table, len(cs))
	for i, c := range cs {
		if err := shape.Collection(c); err != nil {
			return err
		}
		tables[i] = newTable(c)
	}
	err := db.writer.do(ctx, &job{alone: true, run: func(w *writer) error {
		return inTransaction(w.ctx, w.conn, func() error {
			for i, t := range tables {
				if err := t.create(w.ctx, w.conn); err != nil {
					return fmt.Errorf("declare %s in %s: %w", cs[i].Name, cs[i].Database, wrap(err))
				}
			}
			return nil
		})
	}})
	if err != nil {
		return err
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	for i, c := range cs {
		db.tables[place{c.Database, c.Name}] = tables[i]
	}
	return nil
}

// table returns the table of a declared collection.
func (db *DB) table(c *store.Collection) (*table, error) {
	if c == nil {
		return nil, shape.Invalid("no collection given")
	}
	db.mu.RLock()
	defer db.mu.RUnlock()
	if t := db.tables[place{c.Database, c.Name}]; t != nil {
		return t, nil
	}
	return nil, shape.Invalid("collection %.80q in database %.80q was not declared", c.Name, c.Database)
}

// matching returns the table of a declared collection and the conditions of f, checked.
func (db *DB) matching(c *store.Collection, f store.Filter) (*table, []shape.Cond, error) {
	t, err := db.table(c)
	if err != nil {
		return nil, nil, err
	}
	conds, err := shape.Filter(f)
	return t, conds, err
}
