package benchmark

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxosd/fluxosd/internal/store"
)

// keptResults is how many results the history holds.
const keptResults = 100

// historyCollection holds the native results: Result.
func historyCollection() *store.Collection {
	return &store.Collection{
		Database: "zelfluxlocal", Name: "fluxosdbenchmarks",
		Indexes: []store.Index{{Fields: []store.Field{{Name: "time", Type: store.Time}}}},
	}
}

// storedCollection holds the one result that getstoredbenchmark answers:
// {_id: "nodeBenchmark", benchmark, tier, updatedAt}.
func storedCollection() *store.Collection {
	return &store.Collection{Database: "zelfluxlocal", Name: "benchmark"}
}

// Collections returns the declarations of the collections that this package uses.
func Collections() []*store.Collection {
	return []*store.Collection{historyCollection(), storedCollection()}
}

// History keeps the last results of this machine, newest first.
type History struct {
	docs    store.Store
	results *store.Collection
}

// NewHistory returns the history in a store.
func NewHistory(docs store.Store) *History {
	return &History{docs: docs, results: historyCollection()}
}

// newestFirst orders results.
func newestFirst() []store.Sort { return []store.Sort{{Field: "time", Type: store.Time, Desc: true}} }

// Add keeps a result and removes those beyond the last hundred.
func (h *History) Add(ctx context.Context, r Result) error {
	if err := h.docs.Insert(ctx, h.results, r); err != nil {
		return fmt.Errorf("keep benchmark result: %w", err)
	}
	var first struct {
		Time time.Time `bson:"time"`
	}
	err := h.docs.FindOne(ctx, h.results, store.Query{Sort: newestFirst(), Skip: keptResults}, &first)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err == nil {
		_, err = h.docs.Delete(ctx, h.results, store.Filter{{Field: "time", Op: store.Lte, Value: first.Time}})
	}
	if err != nil {
		return fmt.Errorf("trim benchmark history: %w", err)
	}
	return nil
}

// Latest returns the newest result, or nil when there is none.
func (h *History) Latest(ctx context.Context) (*Result, error) {
	var r Result
	err := h.docs.FindOne(ctx, h.results, store.Query{Sort: newestFirst()}, &r)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read last benchmark result: %w", err)
	}
	return &r, nil
}

// List returns the newest results, at most n of them; all for n < 1.
func (h *History) List(ctx context.Context, n int) ([]Result, error) {
	var list []Result
	if err := h.docs.Find(ctx, h.results, store.Query{Sort: newestFirst(), Limit: max(n, 0)}, &list); err != nil {
		return nil, fmt.Errorf("read benchmark history: %w", err)
	}
	return list, nil
}
