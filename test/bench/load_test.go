package main

import (
	"context"
	"errors"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeAPI is a fake node on a real socket, and its address.
func fakeAPI(t *testing.T) string {
	t.Helper()
	srv := httptest.NewServer(newFakeNode())
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

func TestLoadEndsByCount(t *testing.T) {
	addr := fakeAPI(t)
	request := get(addr, "/flux/version")
	send := sends(request)
	seen := make([]atomic.Int64, 100)
	l := load{addr: addr, conns: 7, first: request, time: time.Minute, count: len(seen), step: func(c *client, n int) error {
		seen[n].Add(1)
		return send(c, n)
	}}
	got, err := l.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for n := range seen {
		if times := seen[n].Load(); times != 1 {
			t.Errorf("step %d was done %d times", n, times)
		}
	}
	if got.steps != len(seen) || len(got.latencies) != len(seen) || got.elapsed <= 0 || !slices.IsSorted(got.latencies) {
		t.Errorf("got %d steps, %d latencies in %v", got.steps, len(got.latencies), got.elapsed)
	}
}

func TestLoadEndsByTime(t *testing.T) {
	addr := fakeAPI(t)
	request := get(addr, "/flux/version")
	got, err := load{addr: addr, conns: 2, first: request, time: 30 * time.Millisecond, step: sends(request)}.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.elapsed < 30*time.Millisecond || got.elapsed > answerTime || got.steps == 0 {
		t.Errorf("%d steps in %v", got.steps, got.elapsed)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	addr := fakeAPI(t)
	ctx, cancel := context.WithCancel(t.Context())
	l := load{addr: addr, conns: 2, first: get(addr, "/flux/version"), time: time.Minute, step: func(c *client, _ int) error {
		cancel()
		_, err := c.Read(make([]byte, 1)) // of a server that says nothing
		return err
	}}
	start := time.Now()
	if _, err := l.run(ctx); err == nil {
		t.Error("a sample of half a run")
	}
	if took := time.Since(start); took > answerTime/2 {
		t.Errorf("ended after %v", took)
	}
}

func TestLoadEndsWithTheFirstFailure(t *testing.T) {
	addr := fakeAPI(t)
	request := get(addr, "/flux/version")
	broken := errors.New("broken")
	l := load{addr: addr, conns: 4, first: request, time: time.Minute, step: func(c *client, n int) error {
		if n == 10 {
			return broken
		}
		return sends(request)(c, n)
	}}
	if _, err := l.run(t.Context()); !errors.Is(err, broken) {
		t.Errorf("got %v, want %v", err, broken)
	}
}

func TestLoadRefusesAServerThatRefuses(t *testing.T) {
	addr := fakeAPI(t)
	request := get(addr, "/id/loggedsessions")
	_, err := load{addr: addr, conns: 2, first: request, time: time.Minute, step: sends(request)}.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "no session") {
		t.Errorf("got %v", err)
	}
}

func TestSendsTakesTurns(t *testing.T) {
	addr := fakeAPI(t)
	c, err := dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(answerTime))
	step := sends(get(addr, "/flux/version"), get(addr, "/nowhere"))
	var failed []bool
	for n := range 4 {
		failed = append(failed, step(c, n) != nil)
	}
	if diff := cmp.Diff([]bool{false, true, false, true}, failed); diff != "" {
		t.Error(diff)
	}
}

func TestLoginsAreGoodOnce(t *testing.T) {
	addr := fakeAPI(t)
	l, err := newLogins(addr, 2)
	if err != nil {
		t.Fatal(err)
	}
	c, err := dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(answerTime))
	requests := make([][]byte, 3)
	for n := range requests {
		if err := l.signInto(requests)(c, n); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range requests {
		if _, err := c.succeed(r); err != nil {
			t.Error(err)
		}
		if _, err := c.succeed(r); err == nil {
			t.Error("the same login was good twice")
		}
	}
	session, err := l.login(c, 5)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.succeed(get(addr, "/id/loggedsessions", session.header())); err != nil {
		t.Error(err)
	}
}
