package mongo

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

// Find implements store.Store.
func (db *DB) Find(ctx context.Context, c *store.Collection, q store.Query, into any) error {
	ctx, cancel := db.bound(ctx)
	defer cancel()
	if _, err := shape.Slice(into); err != nil {
		return err
	}
	coll, match, err := db.selecting(ctx, c, q)
	if err != nil {
		return err
	}
	opts := options.Find().SetSort(order(q.Sort)).SetSkip(int64(q.Skip)).SetLimit(int64(q.Limit))
	cursor, err := coll.Find(ctx, match, opts)
	if err != nil {
		return db.wrap(ctx, "find in "+c.Name, err)
	}
	var raws []bson.Raw
	if err := cursor.All(ctx, &raws); err != nil {
		return db.wrap(ctx, "find in "+c.Name, err)
	}
	return shape.DecodeAll(raws, into)
}

// FindOne implements store.Store.
func (db *DB) FindOne(ctx context.Context, c *store.Collection, q store.Query, into any) error {
	ctx, cancel := db.bound(ctx)
	defer cancel()
	if err := shape.One(into); err != nil {
		return err
	}
	coll, match, err := db.selecting(ctx, c, q)
	if err != nil {
		return err
	}
	opts := options.FindOne().SetSort(order(q.Sort)).SetSkip(int64(q.Skip))
	raw, err := coll.FindOne(ctx, match, opts).Raw()
	if err != nil {
		return db.wrap(ctx, "find in "+c.Name, err)
	}
	return shape.Decode(raw, into)
}

// Count implements store.Store.
func (db *DB) Count(ctx context.Context, c *store.Collection, f store.Filter) (int64, error) {
	ctx, cancel := db.bound(ctx)
	defer cancel()
	coll, match, err := db.matching(ctx, c, f)
	if err != nil {
		return 0, err
	}
	n, err := coll.CountDocuments(ctx, match)
	return n, db.wrap(ctx, "count in "+c.Name, err)
}

// Distinct implements store.Store.
func (db *DB) Distinct(ctx context.Context, c *store.Collection, field string, f store.Filter) ([]any, error) {
	ctx, cancel := db.bound(ctx)
	defer cancel()
	if err := shape.DistinctField(field); err != nil {
		return nil, err
	}
	coll, match, err := db.matching(ctx, c, f)
	if err != nil {
		return nil, err
	}
	cursor, err := coll.Aggregate(ctx, bson.A{
		bson.D{{Key: "$match", Value: match}},
		bson.D{{Key: "$group", Value: bson.D{{Key: shape.ID, Value: "$" + field}}}},
	})
	if err != nil {
		return nil, db.wrap(ctx, "distinct values in "+c.Name, err)
	}
	var groups []struct {
		Value any `bson:"_id"`
	}
	if err := cursor.All(ctx, &groups); err != nil {
		return nil, db.wrap(ctx, "distinct values in "+c.Name, err)
	}
	found := make([]any, len(groups))
	for i, group := range groups {
		found[i] = group.Value
	}
	return shape.Distinct(found), nil
}
