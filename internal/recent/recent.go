// Package recent keeps values for a short time in bounded memory. It is the
// one cache by key of the daemon; what it drops was only ever a saving.
package recent

import (
	"sync"
	"time"
)

// Map keeps values for a short time and never more than about twice max of
// them: when the young generation is full it becomes the old one, and the old
// one is dropped. Safe for concurrent use.
type Map[K comparable, V any] struct {
	ttl time.Duration
	max int
	now func() time.Time

	mu         sync.Mutex
	young, old map[K]timed[V]
	// epoch counts removals. A value that was read from the store before a
	// removal may be stale and is not kept after it.
	epoch uint64
}

type timed[V any] struct {
	value V
	until time.Time
}

// New returns a Map whose values live for ttl by the clock now.
func New[K comparable, V any](ttl time.Duration, max int, now func() time.Time) *Map[K, V] {
	return &Map[K, V]{ttl: ttl, max: max, now: now, young: make(map[K]timed[V])}
}

// Get returns the value of key while it is fresh.
func (r *Map[K, V]) Get(key K) (V, bool) {
	now := r.now()
	r.mu.Lock()
	defer r.mu.Unlock()
	t, ok := r.young[key]
	if !ok {
		t, ok = r.old[key]
	}
	if !ok || now.After(t.until) {
		var none V
		return none, false
	}
	return t.value, true
}

// Begin returns the epoch to hand to Put after a read from the store.
func (r *Map[K, V]) Begin() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epoch
}

// Put keeps value unless something was removed since epoch.
func (r *Map[K, V]) Put(key K, value V, epoch uint64) {
	until := r.now().Add(r.ttl)
	r.mu.Lock()
	defer r.mu.Unlock()
	if epoch != r.epoch {
		return
	}
	if len(r.young) >= r.max {
		r.old, r.young = r.young, make(map[K]timed[V])
	}
	r.young[key] = timed[V]{value, until}
}

// Remove forgets the given keys, or everything when there are none.
func (r *Map[K, V]) Remove(keys ...K) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch++
	if len(keys) == 0 {
		r.young, r.old = make(map[K]timed[V]), nil
		return
	}
	for _, k := range keys {
		delete(r.young, k)
		delete(r.old, k)
	}
}
