package gateway

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// ledger remembers the mappings that this process made and has not removed. It
// is how they are renewed, how they are listed where the router can't, and a
// proof of ownership where the router keeps no descriptions.
type ledger struct {
	mu   sync.Mutex
	held map[key]held
}

// held is a mapping with what was asked for.
type held struct {
	asked   Mapping
	made    Mapping   // as read back from the router
	at      time.Time // when it was made or last renewed
	expires time.Time // zero: never
}

func (l *ledger) put(asked, made Mapping, now time.Time) {
	h := held{asked: asked, made: made, at: now}
	if made.Lease > 0 {
		h.expires = now.Add(made.Lease)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.held[asked.key()] = h
}

func (l *ledger) get(k key) (held, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, ok := l.held[k]
	return h, ok
}

func (l *ledger) drop(k key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.held, k)
}

// all returns what is held, by port.
func (l *ledger) all() []held {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.SortedFunc(maps.Values(l.held), func(a, b held) int { return compareMappings(a.asked, b.asked) })
}
