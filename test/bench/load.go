package main

import (
	"context"
	"errors"
	"math"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// load is work for a server: the same step over and over, on several
// connections at once, each waiting for its answer before it asks again.
type load struct {
	addr  string
	conns int
	// first is sent once on each connection before the clock starts.
	first []byte
	// time and count bound the work; a count of 0 is no bound. Steps that have
	// begun when the time is up are finished and counted.
	time  time.Duration
	count int
	// step is the n-th piece of work, from 0. It is called concurrently, once
	// for each n, with a client of its own.
	step func(c *client, n int) error
}

// sample is what a load measured.
type sample struct {
	steps     int
	elapsed   time.Duration   // first begin to last end
	latencies []time.Duration // of each step, sorted
	cpu       time.Duration   // that the server used, if it was counted
}

// rate is steps per second.
func (s sample) rate() float64 { return float64(s.steps) / s.elapsed.Seconds() }

// sends returns a step that sends the requests in turn and wants successes.
func sends(requests ...[]byte) func(*client, int) error {
	return func(c *client, n int) error {
		_, err := c.succeed(requests[n%len(requests)])
		return err
	}
}

// run does the work until its time or count is reached, a step fails or ctx
// ends; in the last two cases there is no sample.
func (l load) run(ctx context.Context) (sample, error) {
	clients := make([]*client, l.conns)
	defer func() {
		for _, c := range clients {
			if c != nil {
				c.Close()
			}
		}
	}()
	connect, cctx := errgroup.WithContext(ctx)
	for i := range clients {
		connect.Go(func() error {
			c, err := dial(cctx, l.addr)
			if err != nil {
				return err
			}
			clients[i] = c
			c.SetDeadline(time.Now().Add(answerTime))
			_, err = c.succeed(l.first)
			return err
		})
	}
	if err := connect.Wait(); err != nil {
		return sample{}, err
	}

	count := int64(l.count)
	if l.count == 0 {
		count = math.MaxInt64
	}
	var taken atomic.Int64
	latencies := make([][]time.Duration, len(clients))
	work, wctx := errgroup.WithContext(ctx)
	start := time.Now()
	end := start.Add(l.time)
	for i, c := range clients {
		c.SetDeadline(end.Add(answerTime))
		unhook := context.AfterFunc(wctx, func() { c.SetDeadline(start) }) // ends a read that waits
		defer unhook()
		work.Go(func() error {
			took := make([]time.Duration, 0, 1<<14)
			for now := start; now.Before(end); {
				n := taken.Add(1) - 1
				if n >= count {
					break
				}
				if err := l.step(c, int(n)); err != nil {
					return err
				}
				done := time.Now()
				took = append(took, done.Sub(now))
				now = done
			}
			latencies[i] = took
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return sample{}, err
	}
	s := sample{elapsed: time.Since(start), latencies: slices.Concat(latencies...)}
	s.steps = len(s.latencies)
	if s.steps == 0 {
		return sample{}, errors.New("no step was finished")
	}
	slices.Sort(s.latencies)
	return s, nil
}
