package mongo

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	driver "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

// upsertAttempts is how often an Upsert is tried when other calls insert the same
// unique key, or remove the document, between its search and its write.
const upsertAttempts = 10

// Insert implements store.Store.
func (db *DB) Insert(ctx context.Context, c *store.Collection, docs ...any) error {
	ctx, cancel := db.bound(ctx)
	defer cancel()
	coll, err := db.collection(ctx, c)
	if err != nil || len(docs) == 0 {
		return err
	}
	raws := make([]bson.Raw, len(docs))
	for i, doc := range docs {
		d, err := shape.New(c, doc)
		if err != nil {
			return err
		}
		raws[i] = d.Raw
	}
	if len(raws) == 1 {
		_, err = coll.InsertOne(ctx, raws[0])
	} else {
		_, err = coll.InsertMany(ctx, raws)
	}
	return db.wrap(ctx, "insert into "+c.Name, err)
}

// Upsert implements store.Store.
func (db *DB) Upsert(ctx context.Context, c *store.Collection, key store.Filter, doc any) error {
	ctx, cancel := db.bound(ctx)
	defer cancel()
	coll, err := db.collection(ctx, c)
	if err != nil {
		return err
	}
	conds, d, err := upsert(c, key, doc)
	if err != nil {
		return err
	}
	for range upsertAttempts {
		if err = replaceOrInsert(ctx, coll, filter(conds), d.Raw); !errors.Is(err, errRaced) && !isDuplicate(err) {
			break
		}
	}
	return db.wrap(ctx, "upsert into "+c.Name, err)
}

// errRaced says that a document was removed between being found and being used.
var errRaced = errors.New("the document was removed meanwhile")

// replaceOrInsert replaces the oldest match. It finds before it writes, because
// an upsert of the server would number the document in an order of its own.
func replaceOrInsert(ctx context.Context, coll *driver.Collection, match bson.D, doc bson.Raw) error {
	found, err := coll.FindOne(ctx, match, options.FindOne().SetSort(order(nil)).SetProjection(bson.D{{Key: shape.ID, Value: 1}})).Raw()
	if errors.Is(err, driver.ErrNoDocuments) {
		_, err = coll.InsertOne(ctx, doc)
		return err
	}
	if err != nil {
		return err
	}
	result, err := coll.ReplaceOne(ctx, identity(found), doc)
	if err == nil && result.MatchedCount == 0 {
		return errRaced
	}
	return err
}

// identity matches the one document that was found.
func identity(found bson.Raw) bson.D {
	return bson.D{{Key: shape.ID, Value: bson.D{{Key: "$eq", Value: found.Lookup(shape.ID)}}}}
}

func upsert(c *store.Collection, key store.Filter, doc any) ([]shape.Cond, shape.Document, error) {
	conds, err := shape.Key(key)
	if err != nil {
		return nil, shape.Document{}, err
	}
	d, err := shape.New(c, doc)
	if err != nil {
		return nil, shape.Document{}, err
	}
	if id := shape.KeyID(conds); id != nil {
		d, err = d.WithID(c, id, true)
	}
	return conds, d, err
}

// Update implements store.Store.
func (db *DB) Update(ctx context.Context, c *store.Collection, f store.Filter, set store.Set) (int64, error) {
	ctx, cancel := db.bound(ctx)
	defer cancel()
	coll, match, err := db.matching(ctx, c, f)
	if err != nil {
		return 0, err
	}
	members, err := shape.Members(c, set)
	if err != nil {
		return 0, err
	}
	result, err := coll.UpdateMany(ctx, match, assignment(members))
	if err != nil {
		return 0, db.wrap(ctx, "update "+c.Name, err)
	}
	return result.MatchedCount, nil
}

func assignment(members bson.D) bson.D { return bson.D{{Key: "$set", Value: members}} }

// Take implements store.Store. It finds a document and deletes it by its _id, and
// owns it if that deleted something: this has one winner on every server, while
// FerretDB's findAndModify may have several.
func (db *DB) Take(ctx context.Context, c *store.Collection, f store.Filter, into any) error {
	ctx, cancel := db.bound(ctx)
	defer cancel()
	if into != nil {
		if err := shape.One(into); err != nil {
			return err
		}
	}
	coll, match, err := db.matching(ctx, c, f)
	if err != nil {
		return err
	}
	for {
		raw, err := coll.FindOne(ctx, match, options.FindOne().SetSort(order(nil))).Raw()
		if err != nil {
			return db.wrap(ctx, "take from "+c.Name, err)
		}
		result, err := coll.DeleteOne(ctx, identity(raw))
		if err != nil {
			return db.wrap(ctx, "take from "+c.Name, err)
		}
		if result.DeletedCount == 0 {
			continue // another caller was faster; there may be a next one
		}
		if into == nil {
			return nil
		}
		return shape.Decode(raw, into)
	}
}

// Delete implements store.Store.
func (db *DB) Delete(ctx context.Context, c *store.Collection, f store.Filter) (int64, error) {
	conds, err := shape.NonEmpty(f)
	if err != nil {
		return 0, err
	}
	return db.deleteMany(ctx, c, "delete from ", conds)
}

// Clear implements store.Store.
func (db *DB) Clear(ctx context.Context, c *store.Collection) (int64, error) {
	return db.deleteMany(ctx, c, "clear ", nil)
}

// DeleteExpired implements store.Store.
func (db *DB) DeleteExpired(ctx context.Context, c *store.Collection, now time.Time) (int64, error) {
	if c == nil || c.Expiry == nil {
		_, err := db.collection(ctx, c)
		return 0, err
	}
	end := now.Add(-c.Expiry.After).UTC().Truncate(time.Millisecond)
	return db.deleteMany(ctx, c, "expire documents of ", []shape.Cond{{Field: c.Expiry.Field, Op: store.Lte, Values: []any{end}}})
}

func (db *DB) deleteMany(ctx context.Context, c *store.Collection, what string, conds []shape.Cond) (int64, error) {
	ctx, cancel := db.bound(ctx)
	defer cancel()
	coll, err := db.collection(ctx, c)
	if err != nil {
		return 0, err
	}
	result, err := coll.DeleteMany(ctx, filter(conds))
	if err != nil {
		return 0, db.wrap(ctx, what+c.Name, err)
	}
	return result.DeletedCount, nil
}

// Bulk implements store.Store. Where several documents match the key of an
// Upsert, the server chooses which it replaces.
func (db *DB) Bulk(ctx context.Context, c *store.Collection, ws []store.Write) (store.BulkResult, error) {
	ctx, cancel := db.bound(ctx)
	defer cancel()
	coll, err := db.collection(ctx, c)
	if err != nil || len(ws) == 0 {
		return store.BulkResult{}, err
	}
	models := make([]driver.WriteModel, len(ws))
	for i, write := range ws {
		if models[i], err = model(c, write); err != nil {
			return store.BulkResult{}, err
		}
	}
	done, err := coll.BulkWrite(ctx, models)
	var result store.BulkResult
	if done != nil {
		result = store.BulkResult{
			Inserted: done.InsertedCount + done.UpsertedCount,
			Updated:  done.MatchedCount,
			Deleted:  done.DeletedCount,
		}
	}
	return result, db.wrap(ctx, "bulk write to "+c.Name, err)
}

func model(c *store.Collection, write store.Write) (driver.WriteModel, error) {
	if err := shape.OneKind(write); err != nil {
		return nil, err
	}
	switch {
	case write.Insert != nil:
		d, err := shape.New(c, write.Insert)
		return driver.NewInsertOneModel().SetDocument(d.Raw), err
	case write.Upsert != nil:
		conds, d, err := upsert(c, write.Upsert.Key, write.Upsert.Doc)
		return driver.NewReplaceOneModel().SetUpsert(true).SetFilter(filter(conds)).SetReplacement(d.Raw), err
	case write.Update != nil:
		conds, err := shape.Filter(write.Update.Filter)
		if err != nil {
			return nil, err
		}
		members, err := shape.Members(c, write.Update.Set)
		return driver.NewUpdateManyModel().SetFilter(filter(conds)).SetUpdate(assignment(members)), err
	}
	conds, err := shape.NonEmpty(write.Delete)
	return driver.NewDeleteManyModel().SetFilter(filter(conds)), err
}
