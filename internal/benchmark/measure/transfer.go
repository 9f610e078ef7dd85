package measure

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// warmShare of a direction's time is not counted: 2 s of 10, in which TCP
	// finds its pace.
	warmShare = 0.2
	// samples are taken so often in a direction's time.
	samples = 50
	// parts of the counted time are the runs of a figure.
	parts = 4
	// smallestAnswer: a server that sends less in bytes than this, and less
	// than it was asked for, lets us measure round trips only.
	smallestAnswer = 1 << 20
)

// errOver ends the streams of a direction whose time is over.
var errOver = errors.New("time is over")

// sample is how much had been moved at a time.
type sample struct {
	at    time.Duration // since the start
	bytes int64
}

// transfer moves data by one for o.Time on o.Streams streams, until o.MaxBytes
// are moved or a stream fails. It returns Mbit/s and the bytes moved.
func transfer(ctx context.Context, o NetworkOptions, step string, one request, progress Progress) (Figure, int64, error) {
	timed, end := context.WithCancelCause(ctx)
	defer end(nil)
	var moved atomic.Int64
	var streams sync.WaitGroup
	progress.report(step, 0)
	start := time.Now()
	for range o.Streams {
		streams.Go(func() {
			if err := stream(timed, o.MaxBytes/int64(o.Streams), one, &moved); err != nil {
				end(err)
			}
		})
	}
	finished := make(chan struct{})
	go func() {
		streams.Wait()
		close(finished)
	}()

	ticker := time.NewTicker(max(o.Time/samples, time.Millisecond))
	defer ticker.Stop()
	list := []sample{{}}
	take := func() time.Duration {
		s := sample{at: time.Since(start), bytes: moved.Load()}
		list = append(list, s)
		return s.at
	}
	for running := true; running; {
		select {
		case <-finished: // all streams moved their part, or one failed and ended the others
			take()
			running = false
		case <-ticker.C:
			at := take()
			progress.report(step, float64(at)/float64(o.Time))
			if at >= o.Time {
				end(errOver)
				<-finished
				running = false
			}
		}
	}
	if err := context.Cause(timed); err != nil && !errors.Is(err, errOver) {
		return Figure{}, 0, err
	}
	rates := rates(list, time.Duration(warmShare*float64(o.Time)))
	if len(rates) == 0 {
		return Figure{}, 0, fmt.Errorf("nothing was moved in %v", o.Time)
	}
	progress.report(step, 1)
	return figure(rates), moved.Load(), nil
}

// stream makes one request after the other until volume bytes are moved or ctx
// ends, which is no error.
func stream(ctx context.Context, volume int64, one request, moved *atomic.Int64) error {
	for volume > 0 {
		var part atomic.Int64
		err := one(ctx, volume, func(n int) {
			part.Add(int64(n))
			moved.Add(int64(n))
		})
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		n := part.Load()
		if least := min(volume, smallestAnswer); n < least {
			return fmt.Errorf("the server took or sent %d bytes, want %d or more", n, least)
		}
		volume -= n
	}
	return nil
}

// rates returns Mbit/s of the equal parts into which the samples after warmUp
// are divided. When everything was over before or soon after warmUp, nothing
// is left out; when nothing was moved there are no rates.
func rates(list []sample, warmUp time.Duration) []float64 {
	last := list[len(list)-1]
	if last.bytes == 0 {
		return nil
	}
	from := 0
	for i, s := range list {
		if s.at >= warmUp {
			if len(list)-1-i >= parts && s.bytes < last.bytes {
				from = i
			}
			break
		}
	}
	counted := list[from:]
	n := min(parts, len(counted)-1)
	var mbits []float64
	for i := range n {
		a, b := counted[i*(len(counted)-1)/n], counted[(i+1)*(len(counted)-1)/n]
		if b.at > a.at {
			mbits = append(mbits, float64(b.bytes-a.bytes)*8/1e6/(b.at-a.at).Seconds())
		}
	}
	return mbits
}
