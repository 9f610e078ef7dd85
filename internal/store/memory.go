package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// Memory keeps one record in a document of its own. The document has the
// members that encoding/json gives the record, beside its _id.
type Memory[T any] struct {
	Store      Store
	Collection *Collection
	ID         string
}

// Load returns the record, or the zero record when none was saved yet.
func (m Memory[T]) Load(ctx context.Context) (record T, err error) {
	var doc bson.D
	err = m.Store.FindOne(ctx, m.Collection, Query{Filter: Where("_id", m.ID)}, &doc)
	if errors.Is(err, ErrNotFound) {
		return record, nil
	}
	if err == nil {
		var raw []byte
		if raw, err = bson.MarshalExtJSON(whole(doc), false, false); err == nil {
			err = json.Unmarshal(raw, &record)
		}
	}
	if err != nil {
		return record, fmt.Errorf("load %s: %w", m.ID, err)
	}
	return record, nil
}

// exact is the number up to which every whole number has a double of its own.
const exact = 1 << 53

// whole turns doubles without a fraction into integers: programs that know one
// kind of number only keep times in milliseconds as doubles.
func whole(v any) any {
	switch v := v.(type) {
	case float64:
		if v == math.Trunc(v) && math.Abs(v) <= exact {
			return int64(v)
		}
	case bson.D:
		out := make(bson.D, 0, len(v))
		for _, e := range v {
			out = append(out, bson.E{Key: e.Key, Value: whole(e.Value)})
		}
		return out
	case bson.A:
		out := make(bson.A, 0, len(v))
		for _, e := range v {
			out = append(out, whole(e))
		}
		return out
	}
	return v
}

// Save keeps the record instead of the one before.
func (m Memory[T]) Save(ctx context.Context, record T) error {
	raw, err := json.Marshal(record)
	var doc bson.D
	if err == nil {
		err = bson.UnmarshalExtJSON(raw, false, &doc)
	}
	if err == nil {
		err = m.Store.Upsert(ctx, m.Collection, Where("_id", m.ID), doc)
	}
	if err != nil {
		return fmt.Errorf("save %s: %w", m.ID, err)
	}
	return nil
}
