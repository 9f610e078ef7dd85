package store

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"
)

const (
	defaultSweepInterval = time.Minute
	// sweepTimeout bounds the work on one collection.
	sweepTimeout = 30 * time.Second
)

// Sweeper removes expired documents. Its fields are set before Serve and not
// changed afterwards.
type Sweeper struct {
	Store       Store
	Collections []*Collection
	// Every is the mean time between sweeps, one minute if zero. Each pause is
	// up to a tenth shorter or longer.
	Every time.Duration
	// Now is the clock, time.Now if nil.
	Now func() time.Time
	// Logger hears when a collection can't be swept, once, and when it can be
	// again; nil for silence.
	Logger *slog.Logger
}

// Serve sweeps at once and then again and again until ctx ends. It returns nil
// then, or an error at once if there is no store. Errors of the store don't end it.
func (s *Sweeper) Serve(ctx context.Context) error {
	if s.Store == nil {
		return errors.New("sweeper: no store given")
	}
	every, now, log := s.Every, s.Now, s.Logger
	if every <= 0 {
		every = defaultSweepInterval
	}
	if now == nil {
		now = time.Now
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	failing := map[*Collection]bool{}
	for {
		for _, c := range s.Collections {
			err := s.sweep(ctx, c, now())
			if ctx.Err() != nil {
				return nil
			}
			if err != nil && !failing[c] {
				log.Warn("Expired documents can't be removed", "database", c.Database, "collection", c.Name, "err", err)
			} else if err == nil && failing[c] {
				log.Info("Expired documents are removed again", "database", c.Database, "collection", c.Name)
			}
			failing[c] = err != nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(every + time.Duration((rand.Float64()-0.5)*float64(every)/5)):
		}
	}
}

func (s *Sweeper) sweep(ctx context.Context, c *Collection, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, sweepTimeout)
	defer cancel()
	_, err := s.Store.DeleteExpired(ctx, c, now)
	return err
}
