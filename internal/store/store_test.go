package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/store"
)

// scripted is a store whose calls answer the error of the moment.
type scripted struct {
	store.Store

	mu    sync.Mutex // guards the fields below against a sweeper
	err   error
	swept []time.Time
}

func (s *scripted) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *scripted) sweeps() []time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.swept)
}

func (s *scripted) DeleteExpired(_ context.Context, _ *store.Collection, now time.Time) (int64, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.swept = append(s.swept, now)
	return 1, s.err
}

func (s *scripted) Declare(context.Context, ...*store.Collection) error { return s.err }

func (s *scripted) Insert(context.Context, *store.Collection, ...any) error { return s.err }

func (s *scripted) Upsert(context.Context, *store.Collection, store.Filter, any) error { return s.err }

func (s *scripted) Update(context.Context, *store.Collection, store.Filter, store.Set) (int64, error) {
	return 2, s.err
}

func (s *scripted) Find(context.Context, *store.Collection, store.Query, any) error { return s.err }

func (s *scripted) FindOne(context.Context, *store.Collection, store.Query, any) error { return s.err }

func (s *scripted) Take(context.Context, *store.Collection, store.Filter, any) error { return s.err }

func (s *scripted) Count(context.Context, *store.Collection, store.Filter) (int64, error) {
	return 3, s.err
}

func (s *scripted) Distinct(context.Context, *store.Collection, string, store.Filter) ([]any, error) {
	return []any{"a"}, s.err
}

func (s *scripted) Delete(context.Context, *store.Collection, store.Filter) (int64, error) {
	return 4, s.err
}

func (s *scripted) Clear(context.Context, *store.Collection) (int64, error) { return 5, s.err }

func (s *scripted) Bulk(context.Context, *store.Collection, []store.Write) (store.BulkResult, error) {
	return store.BulkResult{Inserted: 6}, s.err
}

func TestSweeperGoesOnAndLogsChangesOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := &scripted{}
		sweeper := store.Sweeper{Store: s, Collections: []*store.Collection{store.LoggedUsers}, Logger: slog.New(slog.NewTextHandler(&log, nil))}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- sweeper.Serve(ctx) }()
		synctest.Wait()
		if n := len(s.sweeps()); n != 1 {
			t.Fatalf("%d sweeps at once, want 1", n)
		}
		for _, err := range []error{nil, store.ErrUnavailable, nil} {
			s.fail(err)
			time.Sleep(10 * time.Minute) // of the bubble's clock
			synctest.Wait()
		}
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Serve: %v", err)
		}
		swept := s.sweeps()
		if n := len(swept); n < 27 || n > 34 {
			t.Errorf("%d sweeps in half an hour, want about 31", n)
		}
		for i := 1; i < len(swept); i++ {
			if pause := swept[i].Sub(swept[i-1]); pause < 54*time.Second || pause > 66*time.Second {
				t.Errorf("a pause of %v", pause)
			}
		}
		if lines := strings.Count(log.String(), "\n"); lines != 2 {
			t.Errorf("want one line for the failure and one for its end, got:\n%s", log.String())
		}
	})
}

func TestSweeperWantsAStore(t *testing.T) {
	if err := new(store.Sweeper).Serve(t.Context()); err == nil {
		t.Error("served without a store")
	}
}

func TestInstrumentReportsEachCall(t *testing.T) {
	for _, want := range []error{nil, errors.New("broken")} {
		var calls []string
		s := store.Instrument(&scripted{err: want}, func(collection, operation string, took time.Duration, err error) {
			calls = append(calls, collection+" "+operation)
			if took < 0 || err != want {
				t.Errorf("%s: took %v, error %v, want %v", operation, took, err, want)
			}
		})
		ctx, c := t.Context(), store.LoggedUsers
		update, err1 := s.Update(ctx, c, nil, nil)
		count, err2 := s.Count(ctx, c, nil)
		distinct, err3 := s.Distinct(ctx, c, "", nil)
		deleted, err4 := s.Delete(ctx, c, nil)
		cleared, err5 := s.Clear(ctx, c)
		bulk, err6 := s.Bulk(ctx, c, nil)
		expired, err7 := s.DeleteExpired(ctx, c, time.Time{})
		for i, err := range []error{
			s.Declare(ctx, c, store.LocalApps), s.Insert(ctx, c), s.Upsert(ctx, c, nil, nil), s.Find(ctx, c, store.Query{}, nil),
			s.FindOne(ctx, c, store.Query{}, nil), s.Take(ctx, nil, nil, nil), err1, err2, err3, err4, err5, err6, err7,
		} {
			if err != want {
				t.Errorf("call %d: got error %v, want %v", i, err, want)
			}
		}
		if got, want := fmt.Sprint(update, count, distinct, deleted, cleared, bulk.Inserted, expired), "2 3 [a] 4 5 6 1"; got != want {
			t.Errorf("results %s, want %s", got, want)
		}
		wantCalls := []string{
			"loggedusers update", "loggedusers count", "loggedusers distinct", "loggedusers delete", "loggedusers clear",
			"loggedusers bulk", "loggedusers delete_expired", "loggedusers declare", "zelappsinformation declare",
			"loggedusers insert", "loggedusers upsert", "loggedusers find", "loggedusers find_one", "none take",
		}
		if diff := cmp.Diff(wantCalls, calls); diff != "" {
			t.Error(diff)
		}
	}
}

func TestAndLeavesTheFilterAlone(t *testing.T) {
	base := store.Where("a", 1).And("b", store.Gt, 2)
	one, two := base.And("c", store.Eq, 3), base.And("d", store.Eq, 4)
	if one[2].Field != "c" || two[2].Field != "d" || len(base) != 2 {
		t.Errorf("filters share memory: %v %v %v", base, one, two)
	}
}

func TestCollectionsHaveFluxOSNames(t *testing.T) {
	life := map[string]time.Duration{}
	for _, c := range store.All() {
		life[c.Database+"."+c.Name] = -1
		if c.Expiry != nil {
			life[c.Database+"."+c.Name] = c.Expiry.After
		}
	}
	want := map[string]time.Duration{
		"zelfluxlocal.loggedusers":         14 * 24 * time.Hour,
		"zelfluxlocal.activeloginphrases":  15 * time.Minute,
		"zelfluxlocal.activesignatures":    15 * time.Minute,
		"zelfluxlocal.geolocation":         -1,
		"zelfluxlocal.fluxosdmemory":       -1,
		"globalzelapps.zelappsinformation": -1,
		"localzelapps.zelappsinformation":  -1,
	}
	if diff := cmp.Diff(want, life); diff != "" {
		t.Error(diff)
	}
}
