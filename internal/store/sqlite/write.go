package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

// expiredPerTransaction bounds how long a sweep keeps other writes waiting.
const expiredPerTransaction = 2000

// Insert implements store.Store.
func (db *DB) Insert(ctx context.Context, c *store.Collection, docs ...any) error {
	t, err := db.table(c)
	if err != nil || len(docs) == 0 {
		return err
	}
	rows := make([]row, len(docs))
	for i, doc := range docs {
		if rows[i], err = newRow(c, doc); err != nil {
			return err
		}
	}
	return named("insert into", c, db.writer.do(ctx, &job{table: t, rows: rows}))
}

// Upsert implements store.Store.
func (db *DB) Upsert(ctx context.Context, c *store.Collection, key store.Filter, doc any) error {
	return db.bulk(ctx, "upsert into", c, []store.Write{{Upsert: &store.Upsert{Key: key, Doc: doc}}}, &store.BulkResult{})
}

// Update implements store.Store.
func (db *DB) Update(ctx context.Context, c *store.Collection, f store.Filter, set store.Set) (int64, error) {
	var result store.BulkResult
	err := db.bulk(ctx, "update", c, []store.Write{{Update: &store.Update{Filter: f, Set: set}}}, &result)
	return result.Updated, err
}

// Delete implements store.Store.
func (db *DB) Delete(ctx context.Context, c *store.Collection, f store.Filter) (int64, error) {
	if f == nil {
		f = store.Filter{}
	}
	var result store.BulkResult
	err := db.bulk(ctx, "delete from", c, []store.Write{{Delete: f}}, &result)
	return result.Deleted, err
}

// Bulk implements store.Store.
func (db *DB) Bulk(ctx context.Context, c *store.Collection, ws []store.Write) (store.BulkResult, error) {
	var result store.BulkResult
	err := db.bulk(ctx, "bulk write to", c, ws, &result)
	return result, err
}

// Clear implements store.Store.
func (db *DB) Clear(ctx context.Context, c *store.Collection) (n int64, err error) {
	t, err := db.table(c)
	if err != nil {
		return 0, err
	}
	err = db.writer.do(ctx, &job{run: func(w *writer) (err error) {
		n, err = w.change("DELETE FROM " + t.name)
		return err
	}})
	return count(n, err), named("clear", c, err)
}

// Take implements store.Store.
func (db *DB) Take(ctx context.Context, c *store.Collection, f store.Filter, into any) error {
	if into != nil {
		if err := shape.One(into); err != nil {
			return err
		}
	}
	t, conds, err := db.matching(c, f)
	if err != nil {
		return err
	}
	first := selection(t, "id", conds, store.Query{})
	text := "DELETE FROM " + t.name + " WHERE id=(" + first.String() + " LIMIT 1) RETURNING doc"
	var doc sql.NullString
	err = db.writer.do(ctx, &job{run: func(w *writer) error {
		return w.query(text, first.args, func(rows *sql.Rows) error { return rows.Scan(&doc) })
	}})
	if err == nil && !doc.Valid {
		err = store.ErrNotFound
	}
	if err != nil || into == nil {
		return named("take from", c, err)
	}
	raw, err := decodeDocument(doc.String)
	if err != nil {
		return named("take from", c, wrap(err))
	}
	return shape.Decode(raw, into)
}

// DeleteExpired implements store.Store.
func (db *DB) DeleteExpired(ctx context.Context, c *store.Collection, now time.Time) (int64, error) {
	t, err := db.table(c)
	if err != nil || t.expiry == nil {
		return 0, err
	}
	text, end := t.expired(), now.Add(-t.expiry.After).UnixMilli()
	var total int64
	for {
		var n int64
		err := db.writer.do(ctx, &job{run: func(w *writer) (err error) {
			n, err = w.change(text, end, expiredPerTransaction)
			return err
		}})
		if err != nil {
			return total, named("expire documents of", c, err)
		}
		if total += n; n < expiredPerTransaction {
			return total, nil
		}
	}
}

// expired deletes documents that have ended; it binds the time and a limit.
func (t *table) expired() string {
	return "DELETE FROM " + t.name + " WHERE id IN (SELECT id FROM " + t.name + " WHERE " +
		t.operand(column{t.expiry.Field, asTime}) + "<=? LIMIT ?)"
}

// bulk carries out the writes in order, all or nothing.
func (db *DB) bulk(ctx context.Context, what string, c *store.Collection, ws []store.Write, result *store.BulkResult) error {
	t, err := db.table(c)
	if err != nil {
		return err
	}
	steps := make([]step, len(ws))
	for i, write := range ws {
		if steps[i], err = newStep(c, t, write); err != nil {
			return err
		}
	}
	if len(steps) == 0 {
		return ctx.Err()
	}
	var done store.BulkResult
	err = db.writer.do(ctx, &job{atomic: true, run: func(w *writer) error {
		for _, step := range steps {
			if err := step(w, &done); err != nil {
				return err
			}
		}
		return nil
	}})
	if err == nil {
		*result = done
	}
	return named(what, c, err)
}

// step is one write of a bulk, checked and ready.
type step func(w *writer, done *store.BulkResult) error

func newStep(c *store.Collection, t *table, write store.Write) (step, error) {
	if err := shape.OneKind(write); err != nil {
		return nil, err
	}
	switch {
	case write.Insert != nil:
		r, err := newRow(c, write.Insert)
		return func(w *writer, done *store.BulkResult) error {
			done.Inserted++
			return w.insertRows(t, []row{r})
		}, err
	case write.Upsert != nil:
		return upsert(c, t, write.Upsert)
	case write.Update != nil:
		return update(c, t, write.Update)
	}
	conds, err := shape.NonEmpty(write.Delete)
	s := &statement{}
	s.WriteString("DELETE FROM " + t.name)
	s.where(t, conds)
	return func(w *writer, done *store.BulkResult) error {
		n, err := w.change(s.String(), s.args...)
		done.Deleted += n
		return err
	}, err
}

func upsert(c *store.Collection, t *table, u *store.Upsert) (step, error) {
	conds, err := shape.Key(u.Key)
	if err != nil {
		return nil, err
	}
	doc, err := shape.New(c, u.Doc)
	if err != nil {
		return nil, err
	}
	find := selection(t, "id,key", conds, store.Query{Limit: 1})
	return func(w *writer, done *store.BulkResult) error {
		var id int64
		var key any
		err := w.query(find.String(), find.args, func(rows *sql.Rows) error { return rows.Scan(&id, &key) })
		if err != nil {
			return err
		}
		if id == 0 {
			key = shape.KeyID(conds)
		}
		doc, err := doc.WithID(c, key, id != 0)
		if err != nil {
			return err
		}
		text, err := appendDocument(nil, doc.Raw)
		if err != nil {
			return err
		}
		if id == 0 {
			done.Inserted++
			return w.insertRows(t, []row{{doc.ID, string(text)}})
		}
		done.Updated++
		return w.exec("UPDATE "+t.name+" SET doc=? WHERE id=?", string(text), id)
	}, nil
}

func update(c *store.Collection, t *table, u *store.Update) (step, error) {
	conds, err := shape.Filter(u.Filter)
	if err != nil {
		return nil, err
	}
	members, err := shape.Members(c, u.Set)
	if err != nil {
		return nil, err
	}
	find := selection(t, "id,doc", conds, store.Query{})
	return func(w *writer, done *store.BulkResult) error {
		type match struct {
			id   int64
			text string
		}
		var matches []match
		err := w.query(find.String(), find.args, func(rows *sql.Rows) error {
			var m match
			err := rows.Scan(&m.id, &m.text)
			matches = append(matches, m)
			return err
		})
		if err != nil {
			return err
		}
		for _, m := range matches {
			text, err := assigned(c, m.text, members)
			if err != nil {
				return err
			}
			if err := w.exec("UPDATE "+t.name+" SET doc=? WHERE id=?", text, m.id); err != nil {
				return err
			}
		}
		done.Updated += int64(len(matches))
		return nil
	}, nil
}

// assigned returns the text of a document with its members set.
func assigned(c *store.Collection, text string, members bson.D) (string, error) {
	raw, err := decodeDocument(text)
	if err != nil {
		return "", err
	}
	doc, err := shape.Assign(raw, members)
	if err != nil {
		return "", err
	}
	r, err := newRow(c, doc)
	return r.text, err
}

// named adds to an error what was attempted on which collection.
func named(what string, c *store.Collection, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s: %w", what, c.Name, err)
}

// count is n unless the write that counted it failed.
func count(n int64, err error) int64 {
	if err != nil {
		return 0
	}
	return n
}
