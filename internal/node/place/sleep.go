package place

import (
	"context"
	"time"
)

// sleep returns true after d, or as soon as wake is ready; false when ctx ends.
// A nil wake never is.
func sleep(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-wake:
	case <-timer.C:
	}
	return ctx.Err() == nil
}
