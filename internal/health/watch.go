package health

import (
	"context"
	"math/rand/v2"
	"time"
)

// Watch keeps one problem true to a probe: it sets the problem while the probe
// fails and clears it when it succeeds.
type Watch struct {
	Problem *Reporter
	Every   time.Duration // time between two probes, with a tenth of jitter
	Timeout time.Duration // of one probe
	Probe   func(ctx context.Context) error
	// First is met after the first probe, however it ended; nil for none.
	First *Condition
}

// Serve probes until ctx ends.
func (w Watch) Serve(ctx context.Context) error {
	for {
		probe, cancel := context.WithTimeout(ctx, w.Timeout)
		err := w.Probe(probe)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			w.Problem.Set(err.Error())
		} else {
			w.Problem.Clear()
		}
		if w.First != nil {
			w.First.Met()
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(w.Every + rand.N(w.Every/10+1)):
		}
	}
}
