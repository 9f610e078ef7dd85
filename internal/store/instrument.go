package store

import (
	"context"
	"time"
)

// Observer hears of every call that an instrumented store has carried out. It is
// called by the caller's goroutine, must be safe for concurrent use, and must
// not block. The names are constants of the program and fit metric labels.
type Observer func(collection, operation string, took time.Duration, err error)

// Instrument returns a Store that does what s does and tells observe about it.
// Ping, Version and Close are not reported. Declare is reported for each of its
// collections.
func Instrument(s Store, observe Observer) Store { return observed{s, observe} }

type observed struct {
	Store
	observe Observer
}

// report is deferred with the time of the start and the place of the error.
func (o observed) report(c *Collection, operation string, start time.Time, err *error) {
	name := "none"
	if c != nil {
		name = c.Name
	}
	o.observe(name, operation, time.Since(start), *err)
}

func (o observed) Declare(ctx context.Context, cs ...*Collection) (err error) {
	start := time.Now()
	defer func() {
		for _, c := range cs {
			o.report(c, "declare", start, &err)
		}
	}()
	return o.Store.Declare(ctx, cs...)
}

func (o observed) Insert(ctx context.Context, c *Collection, docs ...any) (err error) {
	defer o.report(c, "insert", time.Now(), &err)
	return o.Store.Insert(ctx, c, docs...)
}

func (o observed) Upsert(ctx context.Context, c *Collection, key Filter, doc any) (err error) {
	defer o.report(c, "upsert", time.Now(), &err)
	return o.Store.Upsert(ctx, c, key, doc)
}

func (o observed) Update(ctx context.Context, c *Collection, f Filter, set Set) (n int64, err error) {
	defer o.report(c, "update", time.Now(), &err)
	return o.Store.Update(ctx, c, f, set)
}

func (o observed) Find(ctx context.Context, c *Collection, q Query, into any) (err error) {
	defer o.report(c, "find", time.Now(), &err)
	return o.Store.Find(ctx, c, q, into)
}

func (o observed) FindOne(ctx context.Context, c *Collection, q Query, into any) (err error) {
	defer o.report(c, "find_one", time.Now(), &err)
	return o.Store.FindOne(ctx, c, q, into)
}

func (o observed) Take(ctx context.Context, c *Collection, f Filter, into any) (err error) {
	defer o.report(c, "take", time.Now(), &err)
	return o.Store.Take(ctx, c, f, into)
}

func (o observed) Count(ctx context.Context, c *Collection, f Filter) (n int64, err error) {
	defer o.report(c, "count", time.Now(), &err)
	return o.Store.Count(ctx, c, f)
}

func (o observed) Distinct(ctx context.Context, c *Collection, field string, f Filter) (vs []any, err error) {
	defer o.report(c, "distinct", time.Now(), &err)
	return o.Store.Distinct(ctx, c, field, f)
}

func (o observed) Delete(ctx context.Context, c *Collection, f Filter) (n int64, err error) {
	defer o.report(c, "delete", time.Now(), &err)
	return o.Store.Delete(ctx, c, f)
}

func (o observed) Clear(ctx context.Context, c *Collection) (n int64, err error) {
	defer o.report(c, "clear", time.Now(), &err)
	return o.Store.Clear(ctx, c)
}

func (o observed) Bulk(ctx context.Context, c *Collection, ws []Write) (r BulkResult, err error) {
	defer o.report(c, "bulk", time.Now(), &err)
	return o.Store.Bulk(ctx, c, ws)
}

func (o observed) DeleteExpired(ctx context.Context, c *Collection, now time.Time) (n int64, err error) {
	defer o.report(c, "delete_expired", time.Now(), &err)
	return o.Store.DeleteExpired(ctx, c, now)
}
