package benchmark

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/store"
)

// answer is a fluxbenchd that gives one answer.
type answer string

func (a answer) Call(context.Context, string, []any) (json.RawMessage, error) {
	return json.RawMessage(a), nil
}

// A node that changes from FluxOS finds what FluxOS has stored, numbers as
// JavaScript writes them.
func TestStoredResultOfFluxOS(t *testing.T) {
	docs := openStore(t)
	doc := bson.D{
		{Key: "_id", Value: storedID},
		{Key: "benchmark", Value: bson.D{{Key: "status", Value: "CUMULUS"}, {Key: "ssd", Value: 222.99}, {Key: "cores", Value: int32(4)}, {Key: "disksinfo", Value: bson.A{}}}},
		{Key: "tier", Value: "CUMULUS"},
		{Key: "updatedAt", Value: float64(time.Now().Add(-time.Hour).UnixMilli())},
	}
	if err := docs.Insert(t.Context(), storedCollection(), doc); err != nil {
		t.Fatal(err)
	}
	s := newService(t, Config{Remote: answer(`{"status":"NIMBUS","ssd":1}`), Store: docs})
	if _, err := s.GetBenchmarks(t.Context()); err != nil { // younger than a day: not replaced
		t.Fatal(err)
	}
	got, err := s.GetStoredBenchmark(t.Context())
	if want := `{"status":"CUMULUS","ssd":222.99,"cores":4,"disksinfo":[]}`; err != nil || string(got.Benchmark) != want || got.Tier != "CUMULUS" {
		t.Errorf("stored %s %s, %v", got.Benchmark, got.Tier, err)
	}
}

func TestOnlyResultsWithATierAreStored(t *testing.T) {
	for reply, stored := range map[string]bool{
		`{"status":"NIMBUS","cores":8}`: true, `{"status":"failed"}`: false, `{"status":"running"}`: false, `{"cores":8}`: false, `"Benchmark not running"`: false,
		`{"status":"NIMBUS","figure":{"$oid":"x"}}`: false, // not what the store can hold
	} {
		s := newService(t, Config{Remote: answer(reply)})
		if got, err := s.GetBenchmarks(t.Context()); err != nil || string(got) != reply {
			t.Errorf("%s: answered %s, %v", reply, got, err)
		}
		if _, err := s.GetStoredBenchmark(t.Context()); (err == nil) != stored {
			t.Errorf("%s: stored %v, want %v", reply, err == nil, stored)
		}
	}
}

// countingStore counts what is written.
type countingStore struct {
	store.Store
	mu      sync.Mutex // guards upserts
	upserts int
}

func (c *countingStore) Upsert(ctx context.Context, in *store.Collection, key store.Filter, doc any) error {
	c.mu.Lock()
	c.upserts++
	c.mu.Unlock()
	return c.Store.Upsert(ctx, in, key, doc)
}

func TestManyAtOnceStoreOnce(t *testing.T) {
	docs := &countingStore{Store: openStore(t)}
	s := newService(t, Config{Remote: answer(`{"status":"NIMBUS"}`), Store: docs})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if _, err := s.GetBenchmarks(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if docs.upserts != 1 {
		t.Errorf("stored %d times", docs.upserts)
	}
}

func TestReplyIsAnsweredWithoutAStore(t *testing.T) {
	log := &logText{}
	s := newService(t, Config{Remote: answer(`{"status":"NIMBUS"}`), Store: brokenStore{}, Logger: log.logger()})
	for range 3 {
		if got, err := s.GetBenchmarks(t.Context()); err != nil || string(got) != `{"status":"NIMBUS"}` {
			t.Errorf("answered %s, %v", got, err)
		}
	}
	if n := strings.Count(log.String(), "Benchmark reply is not kept"); n != 1 {
		t.Errorf("logged %d times within a minute:\n%s", n, log)
	}
	if _, err := s.GetStoredBenchmark(t.Context()); err == nil || strings.Contains(err.Error(), "No stored benchmark") {
		t.Errorf("stored benchmark of a broken store: %v", err)
	}
}
