// Package events keeps what happened on this node and passes it on as
// server-sent events (WHATWG HTML, section 9.2), resumable by number.
//
// It holds the last events in bounded memory: a reader that comes back too late
// starts with the oldest that is left. A slow reader delays nobody.
package events

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/health"
)

const (
	// kept is how many events a Log holds.
	kept = 1024
	// keepAlive is the time after which a silent stream gets a comment.
	keepAlive = 15 * time.Second
)

// Event is one thing that happened.
type Event struct {
	ID   uint64 // from 1 on, without gaps
	Name string
	Data json.RawMessage // one line
}

// Log holds the last events. All methods are safe for concurrent use.
type Log struct {
	mu   sync.Mutex
	last uint64
	ring []Event       // at most kept, oldest first
	news chan struct{} // closed at the next event
}

// NewLog returns an empty Log.
func NewLog() *Log { return &Log{news: make(chan struct{})} }

// Publish adds an event. data must be something that encoding/json can encode.
func (l *Log) Publish(name string, data any) error {
	raw, err := json.Marshal(data)
	if err != nil {
		return fmt.Errorf("publish %s: %w", name, err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last++
	if len(l.ring) == kept {
		l.ring = append(l.ring[:0:0], l.ring[1:]...)
	}
	l.ring = append(l.ring, Event{l.last, name, raw})
	close(l.news)
	l.news = make(chan struct{})
	return nil
}

// Since returns the events after a number, and a channel that is closed at the
// next one. A number that this Log hasn't reached counts as 0: it is of another
// life of the daemon.
func (l *Log) Since(id uint64) ([]Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id > l.last {
		id = 0
	}
	first := l.last - uint64(len(l.ring)) // the number before the oldest that is left
	skip := max(id, first) - first
	return append([]Event(nil), l.ring[skip:]...), l.news
}

// Follow writes the events after a number, and then every new one, until ctx
// ends or w fails.
func (l *Log) Follow(ctx context.Context, w io.Writer, id uint64) error {
	silence := time.NewTimer(keepAlive)
	defer silence.Stop()
	for {
		list, news := l.Since(id)
		var b strings.Builder
		for _, e := range list {
			fmt.Fprintf(&b, "event: %s\ndata: %s\nid: %d\n\n", e.Name, e.Data, e.ID)
			id = e.ID
		}
		if b.Len() > 0 {
			if _, err := io.WriteString(w, b.String()); err != nil {
				return err
			}
			silence.Reset(keepAlive)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-news:
		case <-silence.C:
			if _, err := io.WriteString(w, ": keepalive\n\n"); err != nil {
				return err
			}
			silence.Reset(keepAlive)
		}
	}
}

// Health publishes the beginning and the end of every health problem, as
// problem_began and problem_ended with health.State as data.
type Health struct {
	Registry *health.Registry
	Log      *Log
}

// Serve publishes until ctx ends.
func (h Health) Serve(ctx context.Context) error {
	active := map[string]bool{}
	for {
		changed := h.Registry.Changed()
		for _, st := range h.Registry.List() {
			if st.Active == active[st.Code] {
				continue
			}
			active[st.Code] = st.Active
			name := "problem_ended"
			if st.Active {
				name = "problem_began"
			}
			if err := h.Log.Publish(name, st); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
		}
	}
}
