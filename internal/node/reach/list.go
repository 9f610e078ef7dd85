package reach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

// Times of the node list.
const (
	listEvery = 2 * time.Minute  // default of ListConfig.Every
	listRetry = 15 * time.Second // while there is no list yet
	listPause = 30 * time.Second // shortest time between two fetches
	listTime  = time.Minute      // for one answer
)

// Caller calls the chain daemon. *daemonrpc.Client is one.
type Caller interface {
	Call(ctx context.Context, method string, params []any) (json.RawMessage, error)
}

// ListConfig is what a List needs.
type ListConfig struct {
	Daemon Caller
	Every  time.Duration // between two fetches without news; 0 means 2 minutes, at least 30 s
	Logger *slog.Logger  // nil discards
}

// List is the deterministic node list. Until the first answer it is empty;
// an empty or failed answer keeps the previous list. Its methods may be used
// from many goroutines.
type List struct {
	daemon Caller
	every  time.Duration
	log    *slog.Logger
	wake   chan struct{}
	now    atomic.Pointer[snapshot]
	// trouble is what the last fetch complained of; only Serve uses it.
	trouble string
}

// snapshot is one list with its look-ups. It never changes.
type snapshot struct {
	entries      []Entry
	byAddress    map[Address][]int32
	byCollateral map[Outpoint]int32
	byKey        map[string][]int32
	fetched      time.Time
}

// NewList returns an empty List; Serve fills it.
func NewList(cfg ListConfig) (*List, error) {
	if cfg.Daemon == nil {
		return nil, errors.New("reach.NewList: Daemon is required")
	}
	if cfg.Every == 0 {
		cfg.Every = listEvery
	}
	if cfg.Every < listPause {
		return nil, fmt.Errorf("reach.NewList: Every is %v, at least %v is needed", cfg.Every, listPause)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	l := &List{daemon: cfg.Daemon, every: cfg.Every, log: cfg.Logger, wake: make(chan struct{}, 1)}
	l.now.Store(newSnapshot(nil, time.Time{}))
	return l, nil
}

func newSnapshot(entries []Entry, fetched time.Time) *snapshot {
	s := &snapshot{entries: entries, fetched: fetched,
		byAddress: make(map[Address][]int32, len(entries)), byCollateral: make(map[Outpoint]int32, len(entries)), byKey: make(map[string][]int32, len(entries))}
	for i, e := range entries {
		at := int32(i)
		if e.Address != (Address{}) {
			s.byAddress[e.Address] = append(s.byAddress[e.Address], at)
		}
		s.byCollateral[e.Collateral] = at
		if e.Pubkey != "" {
			s.byKey[e.Pubkey] = append(s.byKey[e.Pubkey], at)
		}
	}
	return s
}

// Serve keeps the list until ctx ends: every 15 s while it is empty, then when
// Refresh says that there is a new block and otherwise every Every, fetches
// never less than 30 s apart.
func (l *List) Serve(ctx context.Context) error {
	for {
		l.fetch(ctx)
		wait, pause := l.every, listPause
		if l.Len() == 0 {
			wait, pause = listRetry, listRetry
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait - pause):
		case <-l.wake:
		}
	}
}

// Refresh says that a block came, so that the list may have changed. It
// returns at once.
func (l *List) Refresh() {
	select {
	case l.wake <- struct{}{}:
	default: // one is pending already
	}
}

func (l *List) fetch(ctx context.Context) {
	call, cancel := context.WithTimeout(ctx, listTime)
	defer cancel()
	raw, err := l.daemon.Call(call, "listfluxnodes", nil)
	if ctx.Err() != nil {
		return
	}
	var entries []Entry
	var skipped int
	if err == nil {
		entries, skipped, err = decodeList(raw)
	}
	if err == nil && len(entries) == 0 {
		err = fmt.Errorf("the list is empty, and %d entries are unreadable", skipped)
	}
	if err != nil {
		l.complain("Node list not refreshed", err.Error(), slog.Int("kept", l.Len()))
		return
	}
	l.now.Store(newSnapshot(entries, time.Now()))
	l.log.Debug("Node list refreshed", slog.Int("nodes", len(entries)))
	if skipped > 0 {
		l.complain("Node list has unreadable entries", "unreadable entries", slog.Int("entries", skipped))
		return
	}
	l.trouble = ""
}

// complain logs a trouble when it begins, not while it lasts.
func (l *List) complain(msg, trouble string, attr slog.Attr) {
	if trouble != l.trouble {
		l.log.Warn(msg, slog.String("trouble", trouble), attr)
	}
	l.trouble = trouble
}

// Len is the number of entries, those without an address included.
func (l *List) Len() int { return len(l.now.Load().entries) }

// Fetched is when the list was last refreshed; zero before the first answer.
func (l *List) Fetched() time.Time { return l.now.Load().fetched }

// Entries are all nodes in the daemon's order. The slice is shared: it must
// not be changed.
func (l *List) Entries() []Entry { return l.now.Load().entries }

// At are the entries at an address, in the daemon's order. More than one is a
// collision.
func (l *List) At(a Address) []Entry {
	s := l.now.Load()
	return s.pick(s.byAddress[a])
}

// ByAddress is the node at an address; of several, the later one in the list.
func (l *List) ByAddress(a Address) (Entry, bool) {
	s := l.now.Load()
	at := s.byAddress[a]
	if len(at) == 0 {
		return Entry{}, false
	}
	return s.entries[at[len(at)-1]], true
}

// ByCollateral is the node that a collateral belongs to.
func (l *List) ByCollateral(o Outpoint) (Entry, bool) {
	s := l.now.Load()
	at, ok := s.byCollateral[o]
	if !ok {
		return Entry{}, false
	}
	return s.entries[at], true
}

// ByKey are the nodes with a public key, given in the daemon's lower-case hex.
func (l *List) ByKey(pubkey string) []Entry {
	s := l.now.Load()
	return s.pick(s.byKey[pubkey])
}

// HasKey reports whether some node has this public key.
func (l *List) HasKey(pubkey string) bool { return len(l.now.Load().byKey[pubkey]) > 0 }

// Random is a node with an address that admit accepts, each with the same
// chance; nil admits all.
func (l *List) Random(admit func(Entry) bool) (Entry, bool) {
	entries := l.now.Load().entries
	fits := func(e Entry) bool { return e.Address != (Address{}) && (admit == nil || admit(e)) }
	if len(entries) == 0 {
		return Entry{}, false
	}
	const tries = 16 // most nodes fit, so that a scan is rarely needed
	for range tries {
		if e := entries[rand.IntN(len(entries))]; fits(e) {
			return e, true
		}
	}
	var left []int
	for i, e := range entries {
		if fits(e) {
			left = append(left, i)
		}
	}
	if len(left) == 0 {
		return Entry{}, false
	}
	return entries[left[rand.IntN(len(left))]], true
}

func (s *snapshot) pick(at []int32) []Entry {
	out := make([]Entry, 0, len(at))
	for _, i := range at {
		out = append(out, s.entries[i])
	}
	return slices.Clip(out)
}
