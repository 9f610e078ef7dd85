package daemonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// patience is longer than anything here takes, and shorter than DefaultTimeout:
// what lasts as long hangs.
const patience = 10 * time.Second

// roundTrip serves as the client's transport, so that time can be simulated.
type roundTrip func(r *http.Request, call fakeCall) (string, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) {
	var call fakeCall
	if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
		return nil, err
	}
	result, err := f(r, call)
	if err != nil {
		return nil, err
	}
	var body strings.Builder
	answer(&body, call, result)
	return &http.Response{StatusCode: http.StatusOK, ContentLength: -1, Body: io.NopCloser(strings.NewReader(body.String()))}, nil
}

// hang waits until the request is cancelled.
func hang(r *http.Request) (string, error) {
	<-r.Context().Done()
	return "", r.Context().Err()
}

func newSimulated(t *testing.T, cfg Config, f roundTrip) *Client {
	t.Helper()
	cfg.URL = "http://127.0.0.1:1"
	c := newClient(t, cfg)
	c.http.Transport = f
	return c
}

func TestTheLastWaiterToLeaveEndsTheRequest(t *testing.T) {
	arrived, ended := make(chan string, 10), make(chan string, 10)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request, call fakeCall) {
		arrived <- call.Method
		hang(r)
		ended <- call.Method
	})
	c := newClient(t, Config{URL: f.URL})
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 3)
	for range 3 {
		go func() {
			_, err := c.Call(ctx, "getinfo", nil)
			left <- err
		}()
	}
	<-arrived
	leave()
	for range 3 {
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("a caller who left got %v", err)
		}
	}
	select {
	case <-ended:
	case <-time.After(patience):
		t.Error("the request goes on though nobody waits for it")
	}
}

func TestOneWaiterLeavesAndTheOthersStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		requests := 0
		c := newSimulated(t, Config{}, func(r *http.Request, _ fakeCall) (string, error) {
			requests++
			select {
			case <-release:
				return fmt.Sprint(requests), nil
			case <-r.Context().Done():
				return "", r.Context().Err()
			}
		})
		first, leave := context.WithCancel(t.Context())
		left, stayed := make(chan error, 1), make(chan string, 2)
		go func() {
			_, err := c.Call(first, "getinfo", nil)
			left <- err
		}()
		synctest.Wait() // the request of the first caller is under way
		for range 2 {
			go func() {
				result, err := c.Call(t.Context(), "getinfo", nil)
				stayed <- fmt.Sprint(string(result), err)
			}()
		}
		synctest.Wait()
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("the caller who left got %v", err)
		}
		close(release)
		for range 2 {
			if got := <-stayed; got != "1<nil>" {
				t.Errorf("a caller who stayed got %s", got)
			}
		}
	})
}

func TestWaitersLeaveOneByOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		requests, cancelled := 0, 0
		c := newSimulated(t, Config{}, func(r *http.Request, _ fakeCall) (string, error) {
			requests++
			_, err := hang(r)
			cancelled++
			return "", err
		})
		const waiters = 5
		var leave [waiters]context.CancelFunc
		ended := 0
		for i := range waiters {
			var ctx context.Context
			ctx, leave[i] = context.WithCancel(t.Context())
			go func() {
				if _, err := c.Call(ctx, "getinfo", nil); !errors.Is(err, context.Canceled) {
					t.Errorf("waiter %d got %v", i, err)
				}
				ended++
			}()
			synctest.Wait()
		}
		for i := range waiters {
			leave[i]()
			synctest.Wait()
			wantCancelled := 0
			if i == waiters-1 {
				wantCancelled = 1
			}
			if ended != i+1 || requests != 1 || cancelled != wantCancelled {
				t.Errorf("after %d left: %d calls ended, %d requests, %d cancelled, want %d", i+1, ended, requests, cancelled, wantCancelled)
			}
		}
		if flights, slots := len(c.flights), len(c.slots); flights != 0 || slots != 0 {
			t.Errorf("%d flights and %d slots are still held", flights, slots)
		}
	})
}

func TestWhoComesAfterTheLastWaiterStartsAnotherRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		linger, release := make(chan struct{}), make(chan struct{})
		requests := 0
		c := newSimulated(t, Config{}, func(r *http.Request, _ fakeCall) (string, error) {
			requests++
			if requests == 1 {
				<-linger // outlives its cancellation
				return hang(r)
			}
			<-release
			return fmt.Sprint(requests), nil
		})
		ctx, leave := context.WithCancel(t.Context())
		go c.Call(ctx, "getinfo", nil)
		synctest.Wait()
		leave()
		synctest.Wait()

		results := make(chan string, 2)
		call := func() {
			result, err := c.Call(t.Context(), "getinfo", nil)
			results <- fmt.Sprint(string(result), err)
		}
		go call()
		synctest.Wait()
		close(linger) // the abandoned request ends while the second is under way
		synctest.Wait()
		go call() // joins the second
		synctest.Wait()
		close(release)
		for range 2 {
			if got := <-results; got != "2<nil>" {
				t.Errorf("got %s, want the answer of the second request", got)
			}
		}
		if requests != 2 {
			t.Errorf("%d requests, want 2", requests)
		}
	})
}

func TestAbandonedRequestSaysNothingAboutTheDaemon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen []error
		c := newSimulated(t, Config{Observe: func(_ string, _ time.Duration, err error) { seen = append(seen, err) }},
			func(r *http.Request, _ fakeCall) (string, error) { return hang(r) })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		c.Call(ctx, "getinfo", nil)
		synctest.Wait()
		if len(seen) != 1 || !errors.Is(seen[0], errAbandoned) || Classify(seen[0]) != StateUnknown {
			t.Errorf("observed %v, want that every caller left", seen)
		}
	})
}

func TestCloseWaitsForAbandonedRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		linger := make(chan struct{})
		c := newSimulated(t, Config{}, func(r *http.Request, _ fakeCall) (string, error) {
			<-linger
			return hang(r)
		})
		ctx, leave := context.WithCancel(t.Context())
		go c.Call(ctx, "getinfo", nil)
		synctest.Wait()
		leave()
		synctest.Wait()
		closed := false
		go func() { c.Close(); closed = true }()
		synctest.Wait()
		if closed {
			t.Error("Close did not wait")
		}
		close(linger)
		synctest.Wait()
		if !closed {
			t.Error("Close did not return")
		}
	})
}
