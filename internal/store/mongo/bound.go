package mongo

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxosd/fluxosd/internal/store"
)

// errSilent is the cause of a call's end when its own time limit was reached,
// rather than one of its caller.
var errSilent = fmt.Errorf("%w: the server did not answer in time", store.ErrUnavailable)

// bound is the one deadline of a call: everything it asks of the server, again
// and again if need be, ends with it.
func (db *DB) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, db.timeout, errSilent)
}

// attended bounds long work not by its length but by the server's silence: it
// pings the server beside the work, and ends the work when there is
// no answer. The caller must call stop, which waits for the last ping.
func (db *DB) attended(ctx context.Context, limit time.Duration) (work context.Context, stop func()) {
	work, timeUp := context.WithTimeoutCause(ctx, limit, errSilent)
	work, cancel := context.WithCancelCause(work)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(attendEvery)
		defer tick.Stop()
		for work.Err() == nil {
			if err := db.Ping(work); errors.Is(err, store.ErrUnavailable) {
				cancel(err)
				return
			}
			select {
			case <-work.Done():
			case <-tick.C:
			}
		}
	}()
	return work, func() {
		cancel(nil)
		<-ended
		timeUp()
	}
}
