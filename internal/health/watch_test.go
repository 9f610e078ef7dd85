package health

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestWatchKeepsAProblemTrue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Config{})
		p, err := r.Register(Problem{Code: "thing-down", Severity: Warning, Title: "Down", Advice: "Up"})
		if err != nil {
			t.Fatal(err)
		}
		first, err := r.Await("thing")
		if err != nil {
			t.Fatal(err)
		}
		type state struct {
			failing error
			slow    bool
		}
		var now atomic.Pointer[state]
		now.Store(&state{})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		w := Watch{Problem: p, First: first, Every: time.Minute, Timeout: time.Second, Probe: func(ctx context.Context) error {
			if now.Load().slow {
				<-ctx.Done()
				return ctx.Err()
			}
			return now.Load().failing
		}}
		go func() { done <- w.Serve(ctx) }()
		look := func(want bool, detail string) {
			t.Helper()
			time.Sleep(2 * time.Minute) // of the bubble's clock
			synctest.Wait()
			if st := r.List()[0]; st.Active != want || st.Detail != detail {
				t.Errorf("active=%v %q, want %v %q", st.Active, st.Detail, want, detail)
			}
		}
		look(false, "")
		if !r.Readiness().Ready {
			t.Error("the first look isn't reported")
		}
		now.Store(&state{failing: errors.New("no answer")})
		look(true, "no answer")
		now.Store(&state{})
		look(false, "")
		now.Store(&state{slow: true})
		look(true, context.DeadlineExceeded.Error())
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}
