package benchmark

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/logattr"
	"github.com/fluxosd/fluxosd/internal/store"
)

const (
	storedID = "nodeBenchmark"
	// keepEvery is how old the kept result must be to be replaced.
	keepEvery = 24 * time.Hour
)

// StoredBenchmark is the last result that passed for a tier.
type StoredBenchmark struct {
	Benchmark json.RawMessage `json:"benchmark"` // as getbenchmarks answered it
	Tier      string          `json:"tier"`
}

// storedDocument is its form in the store, with FluxOS's names.
type storedDocument struct {
	ID        string `bson:"_id"`
	Benchmark bson.D `bson:"benchmark"`
	Tier      string `bson:"tier"`
	UpdatedAt int64  `bson:"updatedAt"` // Unix milliseconds
}

// source tells who measured: only native results say it.
func (d storedDocument) source() string {
	for _, e := range d.Benchmark {
		if e.Key == "source" && e.Value == SourceNative {
			return SourceNative
		}
	}
	return SourceDaemon
}

// keeper keeps one result per day.
type keeper struct {
	docs store.Store
	in   *store.Collection

	mu   sync.Mutex // guards what follows; no call is made under it
	busy bool       // somebody is keeping a result
	next time.Time  // until then there is nothing to do
}

func newKeeper(docs store.Store) *keeper { return &keeper{docs: docs, in: storedCollection()} }

// claim reports whether the caller is the one who keeps a result now; it must call release.
func (k *keeper) claim() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.busy || time.Now().Before(k.next) {
		return false
	}
	k.busy = true
	return true
}

func (k *keeper) release(next time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy, k.next = false, next
}

// read returns the kept result, or nil.
func (k *keeper) read(ctx context.Context) (*storedDocument, error) {
	var d storedDocument
	err := k.docs.FindOne(ctx, k.in, store.Query{Filter: store.Where("_id", storedID)}, &d)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read stored benchmark: %w", err)
	}
	return &d, nil
}

// put keeps a reply of that source unless a younger one of the same source is
// kept, and returns when to look again.
func (k *keeper) put(ctx context.Context, reply json.RawMessage, tier, source string) (next time.Time, err error) {
	now := time.Now()
	kept, err := k.read(ctx)
	if err != nil {
		return now.Add(time.Minute), err
	}
	if kept != nil && kept.source() == source {
		// A time in the future comes from a clock that was wrong.
		if age := now.Sub(time.UnixMilli(kept.UpdatedAt)); age >= 0 && age < keepEvery {
			return now.Add(keepEvery - age), nil
		}
	}
	d := storedDocument{ID: storedID, Tier: tier, UpdatedAt: now.UnixMilli()}
	if err := bson.UnmarshalExtJSON(reply, false, &d.Benchmark); err != nil {
		return now.Add(keepEvery), fmt.Errorf("read benchmark reply: %w", err)
	}
	if err := k.docs.Upsert(ctx, k.in, store.Where("_id", storedID), d); err != nil {
		return now.Add(time.Minute), fmt.Errorf("store benchmark: %w", err)
	}
	return now.Add(keepEvery), nil
}

// keep keeps a reply that names a tier. A store that doesn't take it is logged:
// the caller has the reply all the same.
func (s *Service) keep(ctx context.Context, reply json.RawMessage) {
	var r struct {
		Status string `json:"status"`
	}
	if json.Unmarshal(reply, &r) != nil || !IsTier(r.Status) || !s.kept.claim() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	next, err := s.kept.put(ctx, reply, r.Status, s.Source())
	s.kept.release(next)
	if err != nil {
		s.log.Warn("Benchmark reply is not kept", logattr.Err(err))
	}
}

// GetStoredBenchmark returns the last kept result of the present source. There
// being none is an error for the caller, without a name.
func (s *Service) GetStoredBenchmark(ctx context.Context) (StoredBenchmark, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	d, err := s.kept.read(ctx)
	if err != nil {
		return StoredBenchmark{}, err
	}
	if d == nil || d.source() != s.Source() {
		return StoredBenchmark{}, &fault.Error{Kind: fault.NotFound, Msg: "No stored benchmark data available"}
	}
	benchmark, err := bson.MarshalExtJSON(d.Benchmark, false, false)
	if err != nil {
		return StoredBenchmark{}, fmt.Errorf("write stored benchmark: %w", err)
	}
	return StoredBenchmark{Benchmark: benchmark, Tier: d.Tier}, nil
}
