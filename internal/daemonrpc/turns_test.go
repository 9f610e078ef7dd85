package daemonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestOneMethodGetsHalfOfTheTurns(t *testing.T) {
	tests := []struct{ concurrency, want int }{{0, 4}, {1, 1}, {2, 1}, {3, 1}, {4, 2}, {9, 4}}
	for _, tt := range tests {
		for _, method := range []string{"getblock", "sendtoaddress"} { // shared and sent each time
			synctest.Test(t, func(t *testing.T) {
				var requests atomic.Int64
				c := newSimulated(t, Config{Concurrency: tt.concurrency}, func(r *http.Request, _ fakeCall) (string, error) {
					requests.Add(1)
					return hang(r)
				})
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				for i := range 20 {
					go c.Call(ctx, method, []any{i})
				}
				synctest.Wait()
				if n := int(requests.Load()); n != tt.want || len(c.slots) != tt.want {
					t.Errorf("concurrency %d: %d requests of %s with %d slots, want %d", tt.concurrency, n, method, len(c.slots), tt.want)
				}
				leave()
				synctest.Wait()
				if own := len(c.methods[method].slots); own != 0 || len(c.slots) != 0 {
					t.Errorf("concurrency %d: %d own and %d shared slots are still held", tt.concurrency, own, len(c.slots))
				}
			})
		}
	}
}

func TestAllMethodsTogetherKeepTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		under, most, served := 0, 0, 0
		var mu sync.Mutex
		c := newSimulated(t, Config{Concurrency: 5}, func(*http.Request, fakeCall) (string, error) {
			mu.Lock()
			under++
			most = max(most, under)
			mu.Unlock()
			time.Sleep(time.Millisecond) // simulated
			mu.Lock()
			under--
			served++
			mu.Unlock()
			return "1", nil
		})
		var wg sync.WaitGroup
		for _, method := range []string{"getblock", "getrawtransaction", "sendtoaddress", "getbalance"} {
			for i := range 50 {
				wg.Go(func() {
					if _, err := c.CallFresh(t.Context(), method, []any{i}); err != nil {
						t.Errorf("%s: %v", method, err)
					}
				})
			}
		}
		wg.Wait()
		if most != 5 || served != 200 {
			t.Errorf("%d requests at one time and %d in all, want 5 and 200", most, served)
		}
	})
}

func TestWaitingBehindAMethodEndsWithTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newSimulated(t, Config{Concurrency: 2, Timeout: 3 * time.Second}, func(r *http.Request, _ fakeCall) (string, error) { return hang(r) })
		begin := time.Now()
		go c.Call(t.Context(), "getblock", []any{0})
		synctest.Wait()
		time.Sleep(time.Second) // simulated
		var wg sync.WaitGroup
		wg.Go(func() {
			ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errAny)
			defer cancel()
			if _, err := c.Call(ctx, "getblock", []any{1}); !errors.Is(err, errAny) || time.Since(begin) != 2*time.Second {
				t.Errorf("caller with a deadline: %v after %v", err, time.Since(begin))
			}
		})
		wg.Go(func() {
			_, err := c.Call(t.Context(), "getblock", []any{2})
			if code, _, _ := Envelope(err); code != "ECONNABORTED" || time.Since(begin) != 4*time.Second {
				t.Errorf("caller without one: %v after %v", err, time.Since(begin))
			}
		})
		wg.Wait()
	})
}

func TestAMethodThatHangsLeavesTheOthersTheirTurns(t *testing.T) {
	arrived := make(chan struct{}, 1000)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request, call fakeCall) {
		if call.Method == "getblock" {
			arrived <- struct{}{}
			hang(r)
			return
		}
		answer(w, call, "1")
	})
	c := newClient(t, Config{URL: f.URL})
	stop, end := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() { // a caller who gives up and comes back
			for n := 0; stop.Err() == nil; n++ {
				ctx, cancel := context.WithTimeout(stop, 200*time.Millisecond)
				c.Call(ctx, "getblock", []any{i, n})
				cancel()
			}
		})
	}
	for range DefaultConcurrency/2 + 1 { // one request ended and gave its turn to another
		select {
		case <-arrived:
		case <-time.After(patience):
			t.Fatal("turns of callers who left did not come free")
		}
	}
	var slowest time.Duration
	for range 50 {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		begin := time.Now()
		if _, err := c.CallFresh(ctx, "getblockcount", nil); err != nil {
			t.Fatalf("another method: %v", err)
		}
		cancel()
		slowest = max(slowest, time.Since(begin))
	}
	end()
	wg.Wait()
	t.Logf("another method took %v at most", slowest)
	if slowest > time.Second {
		t.Errorf("another method took %v", slowest)
	}
}

// unread is a transport that hangs before it looks at the request.
type unread struct{ arrived chan<- struct{} }

func (u unread) RoundTrip(r *http.Request) (*http.Response, error) {
	u.arrived <- struct{}{}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestLargeArgumentsAreHeldOnce(t *testing.T) {
	const size, calls = 1 << 20, 16
	large := json.RawMessage(`"` + strings.Repeat("x", size) + `"`)
	tests := []struct {
		name    string
		method  string
		callers int // of each call
		calls   int
		want    float64 // copies
	}{
		{"sent and waiting reads", "getblock", 1, calls, calls},
		{"joined reads", "getblock", 10, 1, 1},
		{"effects", "sendrawtransaction", 1, calls, calls},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			arrived := make(chan struct{}, calls)
			c := newClient(t, Config{URL: "http://127.0.0.1:1"})
			c.http.Transport = unread{arrived}
			before := heap()
			ctx, leave := context.WithCancel(t.Context())
			var wg sync.WaitGroup
			entered := make(chan struct{}, tt.calls*tt.callers)
			for i := range tt.calls {
				for range tt.callers {
					wg.Go(func() { c.Call(ctx, tt.method, []any{i, large, last{entered}}) })
				}
			}
			for range tt.calls * tt.callers {
				<-entered
			}
			for range min(tt.calls, DefaultConcurrency/2) {
				<-arrived
			}
			copies := settle(func() float64 { return float64(heap()-before) / size }, tt.want)
			t.Logf("%.2f copies for %d calls of %d callers", copies, tt.calls, tt.callers)
			if copies < 0.5*tt.want || copies > 1.5*tt.want {
				t.Errorf("%.2f copies of the arguments are held, want %v", copies, tt.want)
			}
			leave()
			wg.Wait()
			if copies := settle(func() float64 { return float64(heap()-before) / size }, 0); copies > 0.5 {
				t.Errorf("%.2f copies are held after all callers left", copies)
			}
		})
	}
}

func TestAKeptReplyHoldsNoArguments(t *testing.T) {
	const size = 1 << 20
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) { answer(w, call, "1") })
	c := newClient(t, Config{URL: f.URL})
	before := heap()
	for i := range 16 {
		if _, err := c.Call(t.Context(), "getblock", []any{i, strings.Repeat("x", size)}); err != nil {
			t.Fatal(err)
		}
	}
	if copies := settle(func() float64 { return float64(heap()-before) / size }, 0); copies > 1 {
		t.Errorf("%.2f copies of the arguments are held by kept replies", copies)
	}
	runtime.KeepAlive(c)
}

// last is an argument that tells when it is encoded.
type last struct{ entered chan<- struct{} }

func (l last) MarshalJSON() ([]byte, error) {
	l.entered <- struct{}{}
	return []byte("0"), nil
}

// heap gives the bytes in use. It collects twice, because pools keep what they
// hold over one collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// settle measures until the figure falls to want or does not for two seconds.
func settle(measure func() float64, want float64) float64 {
	deadline := time.Now().Add(2 * time.Second)
	for {
		got := measure()
		if got <= want*1.2+0.2 || time.Now().After(deadline) {
			return got
		}
	}
}
