package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"sync"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

// maxCachedText keeps statements with long lists of values out of the caches.
const maxCachedText = 4096

// reader holds the connections that read.
type reader struct {
	db *sql.DB

	mu         sync.RWMutex         // guards the fields below
	statements map[string]*sql.Stmt // fixed once closed
	closed     bool
}

// rows runs a statement and hands each row to scan.
func (r *reader) rows(ctx context.Context, s *statement, scan func(*sql.Rows) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	stmt, done, err := r.prepare(ctx, s.String())
	if err != nil {
		return r.fail(ctx, "read", err)
	}
	defer done()
	if err := each(ctx, stmt, s.args, scan); err != nil {
		return r.fail(ctx, "read", err)
	}
	return nil
}

// each runs a prepared statement and hands each row to scan.
func each(ctx context.Context, stmt *sql.Stmt, args []any, scan func(*sql.Rows) error) error {
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// prepare returns the statement for a text, cached as long as there is room.
func (r *reader) prepare(ctx context.Context, text string) (stmt *sql.Stmt, done func(), err error) {
	r.mu.RLock()
	stmt = r.statements[text]
	r.mu.RUnlock()
	if stmt != nil {
		return stmt, func() {}, nil
	}
	if stmt, err = r.db.PrepareContext(ctx, text); err != nil {
		return nil, nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	_, present := r.statements[text]
	if present || r.closed || len(r.statements) >= maxStatements || len(text) > maxCachedText {
		return stmt, func() { stmt.Close() }, nil
	}
	r.statements[text] = stmt
	return stmt, func() {}, nil
}

// fail says what an error of the engine means to the caller.
func (r *reader) fail(ctx context.Context, what string, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.closed {
		return errClosed
	}
	return fmt.Errorf("%s: %w", what, wrap(err))
}

// close ends the reads; those that run are finished first.
func (r *reader) close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	for _, stmt := range r.statements {
		stmt.Close()
	}
	return r.db.Close()
}

// Find implements store.Store.
func (db *DB) Find(ctx context.Context, c *store.Collection, q store.Query, into any) error {
	if _, err := shape.Slice(into); err != nil {
		return err
	}
	raws, err := db.find(ctx, c, q)
	if err != nil {
		return err
	}
	return shape.DecodeAll(raws, into)
}

// FindOne implements store.Store.
func (db *DB) FindOne(ctx context.Context, c *store.Collection, q store.Query, into any) error {
	if err := shape.One(into); err != nil {
		return err
	}
	if q.Limit >= 0 {
		q.Limit = 1
	}
	raws, err := db.find(ctx, c, q)
	if err != nil {
		return err
	}
	if len(raws) == 0 {
		return fmt.Errorf("find in %s: %w", c.Name, store.ErrNotFound)
	}
	return shape.Decode(raws[0], into)
}

func (db *DB) find(ctx context.Context, c *store.Collection, q store.Query) ([]bson.Raw, error) {
	t, err := db.table(c)
	if err != nil {
		return nil, err
	}
	conds, err := shape.Query(q)
	if err != nil {
		return nil, err
	}
	var raws []bson.Raw
	err = db.reads.rows(ctx, selection(t, "doc", conds, q), func(rows *sql.Rows) error {
		var text sql.RawBytes
		if err := rows.Scan(&text); err != nil {
			return err
		}
		raw, err := decodeDocument(string(text))
		raws = append(raws, raw)
		return err
	})
	return raws, err
}

// Count implements store.Store.
func (db *DB) Count(ctx context.Context, c *store.Collection, f store.Filter) (int64, error) {
	t, conds, err := db.matching(c, f)
	if err != nil {
		return 0, err
	}
	s := &statement{}
	s.WriteString("SELECT count(*) FROM " + t.name)
	s.where(t, conds)
	var n int64
	err = db.reads.rows(ctx, s, func(rows *sql.Rows) error { return rows.Scan(&n) })
	return n, err
}

// Distinct implements store.Store.
func (db *DB) Distinct(ctx context.Context, c *store.Collection, field string, f store.Filter) ([]any, error) {
	if err := shape.DistinctField(field); err != nil {
		return nil, err
	}
	t, conds, err := db.matching(c, f)
	if err != nil {
		return nil, err
	}
	path := jsonPath(field)
	s := &statement{}
	s.WriteString("SELECT DISTINCT json_type(doc," + path + "), doc->>" + path + ", doc->>" + jsonPath(field+"."+tagDate) + " FROM " + t.name)
	s.where(t, conds)
	var found []any
	err = db.reads.rows(ctx, s, func(rows *sql.Rows) error {
		var kind sql.NullString
		var value any
		var date sql.NullInt64
		if err := rows.Scan(&kind, &value, &date); err != nil {
			return err
		}
		switch {
		case kind.String == "true" || kind.String == "false":
			found = append(found, kind.String == "true")
		case kind.String == "text" || kind.String == "integer" || kind.String == "real":
			found = append(found, value)
		case date.Valid:
			found = append(found, bson.DateTime(date.Int64))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return shape.Distinct(found), nil
}
