package mongo

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

// Declare creates the indexes that are missing. The server creates a collection
// with its first index or document.
func (db *DB) Declare(ctx context.Context, cs ...*store.Collection) error {
	for _, c := range cs {
		if err := shape.Collection(c); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	// Building an index over many documents takes longer than a call may.
	ctx, stop := db.attended(ctx, buildTimeout)
	defer stop()
	for _, c := range cs {
		for _, index := range c.Indexes {
			var keys bson.D
			for _, field := range index.Fields {
				keys = append(keys, bson.E{Key: field.Name, Value: direction(field.Desc)})
			}
			opts := options.Index()
			if index.Name != "" {
				opts.SetName(index.Name)
			}
			if index.Unique {
				opts.SetUnique(true)
			}
			if err := db.createIndex(ctx, c, driver.IndexModel{Keys: keys, Options: opts}); err != nil {
				return err
			}
		}
		if c.Expiry != nil {
			if err := db.createExpiry(ctx, c); err != nil {
				return err
			}
		}
	}
	db.mu.Lock()
	defer db.mu.Unlock()
	for _, c := range cs {
		db.declared[place{c.Database, c.Name}] = true
	}
	return nil
}

// createExpiry makes a TTL index, or a plain one where the server has no TTL:
// the daemon deletes expired documents itself and wants to find them.
func (db *DB) createExpiry(ctx context.Context, c *store.Collection) error {
	keys := bson.D{{Key: c.Expiry.Field, Value: 1}}
	ttl := options.Index().SetExpireAfterSeconds(int32(c.Expiry.After / time.Second))
	_, err := db.handle(c).Indexes().CreateOne(ctx, driver.IndexModel{Keys: keys, Options: ttl})
	if hasCode(err, codeNotImplemented, codeCannotCreate, codeInvalidOptions, codeCommandNotFound) {
		db.log.Info("Server has no TTL indexes, documents are expired by fluxosd alone", "collection", c.Name)
		return db.createIndex(ctx, c, driver.IndexModel{Keys: keys})
	}
	return db.indexed(ctx, c, err)
}

func (db *DB) createIndex(ctx context.Context, c *store.Collection, index driver.IndexModel) error {
	_, err := db.handle(c).Indexes().CreateOne(ctx, index)
	return db.indexed(ctx, c, err)
}

// indexed judges the outcome of making an index. One that exists in another form
// is somebody's choice and stays.
func (db *DB) indexed(ctx context.Context, c *store.Collection, err error) error {
	if hasCode(err, codeIndexOptions, codeIndexKeySpecs) {
		db.log.Warn("An index exists with other options and was left alone", "database", c.Database, "collection", c.Name, "err", err)
		return nil
	}
	return db.wrap(ctx, "declare "+c.Name+" in "+c.Database, err)
}
