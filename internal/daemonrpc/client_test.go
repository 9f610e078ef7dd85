package daemonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/secret"
)

// fake is a daemon with faults. It answers each call with handle and counts calls.
type fake struct {
	*httptest.Server
	calls atomic.Int64
}

type fakeCall struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Method  string          `json:"method"`
	Params  json.RawMessage `json:"params"`
}

func newFake(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, call fakeCall)) *fake {
	t.Helper()
	f := &fake{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.calls.Add(1)
		var call fakeCall
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			t.Errorf("request body: %v", err)
		}
		io.Copy(io.Discard, r.Body)
		handle(w, r, call)
	}))
	t.Cleanup(f.Close)
	return f
}

// answer writes a reply with this result.
func answer(w io.Writer, call fakeCall, result string) {
	fmt.Fprintf(w, `{"result":%s,"error":null,"id":%s}`, result, call.ID)
}

func newClient(t *testing.T, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCallSendsOneRequest(t *testing.T) {
	type sent struct{ Method, Path, Type, User, Password, Idempotency, Version, RPC, Params string }
	var got sent
	f := newFake(t, func(w http.ResponseWriter, r *http.Request, call fakeCall) {
		user, password, _ := r.BasicAuth()
		got = sent{r.Method, r.URL.Path, r.Header.Get("Content-Type"), user, password, r.Header.Get("Idempotency-Key"), call.Version, call.Method, string(call.Params)}
		answer(w, call, `{"z":1.10, "a":[0.00000001]}`)
	})
	c := newClient(t, Config{URL: f.URL, User: "u", Password: secret.New("p:w")})
	result, err := c.Call(t.Context(), "getblock", []any{"aa", json.Number("2"), nil, json.RawMessage(`{"b":1.10,"a":2}`)})
	if err != nil {
		t.Fatal(err)
	}
	if string(result) != `{"z":1.10, "a":[0.00000001]}` {
		t.Errorf("result %s is not what the daemon wrote", result)
	}
	want := sent{"POST", "/", "application/json", "u", "p:w", "", "2.0", "getblock", `["aa",2,null,{"b":1.10,"a":2}]`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	if _, err := c.Call(t.Context(), "getinfo", nil); err != nil || got.Params != "[]" {
		t.Errorf("without arguments: %v, params %s", err, got.Params)
	}
}

func TestMethodOutsideTheListIsRefusedWithoutACall(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) { answer(w, call, "1") })
	c := newClient(t, Config{URL: f.URL})
	for _, method := range []string{"generate", "", "GetInfo"} {
		_, err := c.Call(t.Context(), method, nil)
		if _, _, message := Envelope(err); message != "Invalid Method: "+method {
			t.Errorf("%q: message %q", method, message)
		}
	}
	if n := f.calls.Load(); n != 0 {
		t.Errorf("%d calls were made", n)
	}
	own := newClient(t, Config{URL: f.URL, Methods: map[string]Sharing{"getstatus": ShareNothing}})
	if _, err := own.Call(t.Context(), "getstatus", nil); err != nil {
		t.Errorf("a listed method: %v", err)
	}
	if _, err := own.Call(t.Context(), "getblock", nil); err == nil {
		t.Error("a method of another daemon was called")
	}
}

func TestArgumentsThatAreNoJSONAreAnError(t *testing.T) {
	c := newClient(t, Config{URL: "http://127.0.0.1:1"})
	if _, err := c.Call(t.Context(), "getblock", []any{func() {}}); err == nil || !strings.Contains(err.Error(), "call getblock: encode arguments") {
		t.Errorf("error %v", err)
	}
}

func TestFaultsOfTheDaemon(t *testing.T) {
	huge := strings.Repeat("x", 5000)
	tests := []struct {
		name    string
		handle  func(w http.ResponseWriter, r *http.Request, call fakeCall)
		code    any
		message string
		state   State
	}{
		{"warming up", func(w http.ResponseWriter, _ *http.Request, call fakeCall) {
			w.WriteHeader(500)
			fmt.Fprintf(w, `{"result":null,"error":{"code":-28,"message":"Loading block index..."},"id":%s}`, call.ID)
		}, -28, "Loading block index...", StateWarmingUp},
		{"unknown method", func(w http.ResponseWriter, _ *http.Request, call fakeCall) {
			w.WriteHeader(404)
			fmt.Fprintf(w, `{"result":null,"error":{"code":-32601,"message":"Method not found"},"id":%s}`, call.ID)
		}, -32601, "Method not found", StateOK},
		{"error with status 200", func(w http.ResponseWriter, _ *http.Request, call fakeCall) {
			fmt.Fprintf(w, `{"result":null,"error":{"code":-5,"message":"nope"},"id":%s}`, call.ID)
		}, -5, "nope", StateOK},
		{"wrong password, empty", func(w http.ResponseWriter, _ *http.Request, _ fakeCall) { w.WriteHeader(401) },
			500, "Request failed with status code 401", StateUnauthorised},
		{"wrong password, page", func(w http.ResponseWriter, _ *http.Request, _ fakeCall) {
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(401)
			io.WriteString(w, "<html>")
		}, 500, "Request failed with status code 401", StateUnauthorised},
		{"text", func(w http.ResponseWriter, _ *http.Request, _ fakeCall) {
			http.Error(w, "Work queue depth exceeded", 500)
		}, 500, "Work queue depth exceeded", StateGarbage},
		{"long text", func(w http.ResponseWriter, _ *http.Request, _ fakeCall) {
			http.Error(w, huge, http.StatusServiceUnavailable)
		}, 500, huge[:maxErrorText], StateGarbage},
		{"text that is not UTF-8", func(w http.ResponseWriter, _ *http.Request, _ fakeCall) { http.Error(w, "a\xffb", 500) },
			500, "a\uFFFDb", StateGarbage},
		{"JSON that is no reply", func(w http.ResponseWriter, _ *http.Request, _ fakeCall) {
			http.Error(w, `{"detail":"x"}`, http.StatusBadGateway)
		}, 500, "Request failed with status code 502", StateGarbage},
		{"result with an error status", func(w http.ResponseWriter, _ *http.Request, call fakeCall) { w.WriteHeader(500); answer(w, call, "1") },
			500, "Request failed with status code 500", StateGarbage},
		{"garbage", func(w http.ResponseWriter, _ *http.Request, _ fakeCall) { io.WriteString(w, "hello") },
			500, "Invalid response from the daemon", StateGarbage},
		{"empty", func(http.ResponseWriter, *http.Request, fakeCall) {},
			500, "Invalid response from the daemon", StateGarbage},
		{"reply to another call", func(w http.ResponseWriter, _ *http.Request, _ fakeCall) {
			io.WriteString(w, `{"result":1,"error":null,"id":987654}`)
		}, 500, "Invalid response from the daemon", StateGarbage},
		{"redirect", func(w http.ResponseWriter, r *http.Request, _ fakeCall) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, 500, "Request failed with status code 307", StateGarbage},
		{"too large", func(w http.ResponseWriter, _ *http.Request, call fakeCall) {
			answer(w, call, `"`+strings.Repeat("x", 1<<16)+`"`)
		}, 500, "Invalid response from the daemon", StateGarbage},
		{"half a body", func(w http.ResponseWriter, _ *http.Request, _ fakeCall) {
			w.Header().Set("Content-Length", "100")
			io.WriteString(w, `{"result":`)
		}, "ECONNRESET", "socket hang up", StateDown},
		{"hang up", func(http.ResponseWriter, *http.Request, fakeCall) { panic(http.ErrAbortHandler) },
			"ECONNRESET", "socket hang up", StateDown},
		{"no HTTP", func(w http.ResponseWriter, _ *http.Request, _ fakeCall) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err == nil {
				io.WriteString(conn, "220 mail.example ESMTP\r\n\r\n")
				conn.Close()
			}
		}, 500, "Invalid response from the daemon", StateGarbage},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t, tt.handle)
			c := newClient(t, Config{URL: f.URL, MaxReply: 1 << 16})
			for _, method := range []string{"getinfo", "sendtoaddress"} {
				result, err := c.Call(t.Context(), method, nil)
				code, _, message := Envelope(err)
				if err == nil || result != nil || code != tt.code || message != tt.message {
					t.Errorf("%s: result %s, error %v: %v %q, want %v %q", method, result, err, code, message, tt.code, tt.message)
				}
				if state := Classify(err); state != tt.state {
					t.Errorf("%s: state %v, want %v", method, state, tt.state)
				}
			}
			if n := f.calls.Load(); n != 2 {
				t.Errorf("%d requests for two failing calls", n)
			}
		})
	}
}

func TestNobodyListens(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, err = newClient(t, Config{URL: "http://" + addr}).Call(t.Context(), "getinfo", nil)
	if code, _, message := Envelope(err); code != "ECONNREFUSED" || message != "connect ECONNREFUSED "+addr {
		t.Errorf("got %v, %q", code, message)
	}
}

func TestSilentDaemonTimesOut(t *testing.T) {
	release := make(chan struct{})
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, _ fakeCall) {
		io.WriteString(w, `{"result":`) // half an answer does not count
		http.NewResponseController(w).Flush()
		<-release
	})
	t.Cleanup(func() { close(release) })
	c := newClient(t, Config{URL: f.URL, Timeout: 50 * time.Millisecond})
	for _, method := range []string{"getinfo", "sendtoaddress"} {
		_, err := c.Call(t.Context(), method, nil)
		if code, _, message := Envelope(err); code != "ECONNABORTED" || message != "timeout of 50ms exceeded" {
			t.Errorf("%s: %v, %q", method, code, message)
		}
	}
}

// gate is a fake that answers only when told to, each call with its number.
func gate(t *testing.T) (f *fake, arrived chan string, release chan struct{}) {
	arrived, release = make(chan string, 100), make(chan struct{})
	var n atomic.Int64
	f = newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) {
		mine := n.Add(1)
		arrived <- call.Method
		<-release
		answer(w, call, fmt.Sprint(mine))
	})
	return f, arrived, release
}

func TestIdenticalReadsShareOneRequest(t *testing.T) {
	f, arrived, release := gate(t)
	c := newClient(t, Config{URL: f.URL})
	const callers = 50
	results := make([]string, callers)
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			result, err := c.Call(t.Context(), "getinfo", nil)
			results[i] = fmt.Sprint(string(result), err)
		})
	}
	<-arrived
	close(release)
	wg.Wait()
	for i, got := range results {
		if got != "1<nil>" {
			t.Errorf("caller %d got %s, want 1", i, got)
		}
	}
	if n := f.calls.Load(); n != 1 {
		t.Errorf("%d requests, want 1", n)
	}
}

func TestOtherArgumentsAreAnotherCall(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) { answer(w, call, string(call.Params)) })
	c := newClient(t, Config{URL: f.URL})
	for _, arg := range []any{"1", 1, "2"} {
		if got, err := c.Call(t.Context(), "getblock", []any{arg}); err != nil || string(got) != asText([]any{arg}) {
			t.Errorf("%v: %s, %v", arg, got, err)
		}
	}
}

func TestEffectsAreSentEachTime(t *testing.T) {
	for _, method := range []string{"sendtoaddress", "getnewaddress", "sendrawtransaction", "getbalance", "gettransaction"} {
		f, arrived, release := gate(t)
		c := newClient(t, Config{URL: f.URL})
		var wg sync.WaitGroup
		results := make(chan string, 2)
		for range 2 {
			wg.Go(func() {
				result, err := c.Call(t.Context(), method, []any{"same"})
				results <- fmt.Sprint(string(result), err)
			})
		}
		<-arrived
		<-arrived // both are at the daemon at the same time
		close(release)
		wg.Wait()
		if a, b := <-results, <-results; a == b {
			t.Errorf("%s: two calls got one answer %s", method, a)
		}
		if got, err := c.Call(t.Context(), method, []any{"same"}); string(got) != "3" {
			t.Errorf("%s: a later call got %s, %v", method, got, err)
		}
	}
}

func TestRepliesServeForAWhile(t *testing.T) {
	var n atomic.Int64
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) { answer(w, call, fmt.Sprint(n.Add(1))) })
	clock := newClock()
	c := newClient(t, Config{URL: f.URL, Now: clock.now})
	call := func(want string) {
		t.Helper()
		if got, err := c.Call(t.Context(), "getblockcount", nil); err != nil || string(got) != want {
			t.Errorf("got %s, %v, want %s", got, err, want)
		}
	}
	call("1")
	clock.advance(19 * time.Second)
	call("1")
	clock.advance(time.Second)
	call("2")
	if got, err := c.CallFresh(t.Context(), "getblockcount", nil); err != nil || string(got) != "3" {
		t.Errorf("fresh: %s, %v", got, err)
	}
	call("3") // a fresh answer serves the others, too
	for _, want := range []string{"4", "5"} {
		if got, err := c.Call(t.Context(), "getzelnodestatus", nil); err != nil || string(got) != want {
			t.Errorf("node status: %s, %v, want %s", got, err, want)
		}
	}
}

func TestErrorsAreNotKept(t *testing.T) {
	var n atomic.Int64
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) {
		if n.Add(1) == 1 {
			http.Error(w, "busy", http.StatusServiceUnavailable)
			return
		}
		answer(w, call, "2")
	})
	c := newClient(t, Config{URL: f.URL})
	if _, err := c.Call(t.Context(), "getinfo", nil); err == nil {
		t.Error("the first call succeeded")
	}
	if got, err := c.Call(t.Context(), "getinfo", nil); err != nil || string(got) != "2" {
		t.Errorf("the second call: %s, %v", got, err)
	}
}

func TestOnlyReadsAreSentAgainOnAConnectionThatClosed(t *testing.T) {
	tests := []struct {
		method string
		code   any
		calls  int64
	}{
		{"getblockcount", nil, 3},
		{"sendtoaddress", "ECONNRESET", 2},
	}
	for _, tt := range tests {
		var n atomic.Int64
		f := newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) {
			if n.Add(1) == 2 { // the first request on a kept connection
				panic(http.ErrAbortHandler)
			}
			answer(w, call, "1")
		})
		c := newClient(t, Config{URL: f.URL})
		if _, err := c.Call(t.Context(), "getinfo", nil); err != nil {
			t.Fatal(err)
		}
		_, err := c.Call(t.Context(), tt.method, nil)
		if code, _, _ := Envelope(err); code != tt.code || (err == nil) != (tt.code == nil) {
			t.Errorf("%s: error %v, want code %v", tt.method, err, tt.code)
		}
		if got := f.calls.Load(); got != tt.calls {
			t.Errorf("%s: %d requests in all, want %d", tt.method, got, tt.calls)
		}
	}
}

func TestHeightIsANumber(t *testing.T) {
	tests := []struct {
		reply string
		want  int64
		state State
	}{
		{"2100000", 2100000, StateOK},
		{`"x"`, 0, StateGarbage},
		{"null", 0, StateGarbage},
		{"1.5", 0, StateGarbage},
	}
	for _, tt := range tests {
		f := newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) { answer(w, call, tt.reply) })
		got, err := newClient(t, Config{URL: f.URL}).Height(t.Context())
		if got != tt.want || Classify(err) != tt.state {
			t.Errorf("%s: %d, %v, want %d and state %v", tt.reply, got, err, tt.want, tt.state)
		}
	}
	down := newClient(t, Config{URL: "http://" + freeAddress(t)})
	if _, err := down.Height(t.Context()); Classify(err) != StateDown {
		t.Errorf("without a daemon: %v", err)
	}
}

func TestAppendingToAReplyDoesNotReachOthers(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) { answer(w, call, "[1]") })
	c := newClient(t, Config{URL: f.URL})
	first, err := c.Call(t.Context(), "getchaintips", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = append(first, "garbage"...)
	second, err := c.Call(t.Context(), "getchaintips", nil)
	if err != nil || string(second) != "[1]" || cap(second) != len(second) {
		t.Errorf("got %s (capacity %d), %v", second, cap(second), err)
	}
}

func TestWaitingForATurnEndsWithTheWaiter(t *testing.T) {
	f, arrived, release := gate(t)
	c := newClient(t, Config{URL: f.URL, Concurrency: 4})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() { c.Call(t.Context(), "sendtoaddress", nil) })
	}
	<-arrived
	<-arrived // both turns are taken
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, errAny)
	defer cancel()
	if _, err := c.Call(ctx, "sendtoaddress", nil); !errors.Is(err, errAny) {
		t.Errorf("waiting caller got %v, want the cause of its context", err)
	}
	if n := f.calls.Load(); n != 2 {
		t.Errorf("%d requests at the daemon, want 2", n)
	}
	close(release)
	wg.Wait()
	if _, err := c.Call(t.Context(), "sendtoaddress", nil); err != nil {
		t.Errorf("after turns came free: %v", err)
	}
}

func TestEndedContextMakesNoCall(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) { answer(w, call, "1") })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newClient(t, Config{URL: f.URL}).Call(ctx, "getinfo", nil); !errors.Is(err, context.Canceled) || f.calls.Load() != 0 {
		t.Errorf("error %v after %d calls", err, f.calls.Load())
	}
}

func TestCloseEndsCallsInFlight(t *testing.T) {
	f, arrived, release := gate(t)
	defer close(release)
	c := newClient(t, Config{URL: f.URL})
	ended := make(chan error, 2)
	for _, method := range []string{"getinfo", "sendtoaddress"} {
		go func() {
			_, err := c.Call(t.Context(), method, nil)
			ended <- err
		}()
		<-arrived
	}
	c.Close()
	for range 2 {
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("call in flight got %v", err)
		}
	}
	for _, method := range []string{"getinfo", "sendtoaddress"} {
		if _, err := c.Call(t.Context(), method, nil); !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close got %v", method, err)
		}
	}
	c.Close()
}

func TestObserverSeesRequestsOnly(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) {
		if call.Method == "getbalance" {
			http.Error(w, "", http.StatusUnauthorized)
			return
		}
		answer(w, call, "1")
	})
	var seen []string
	c := newClient(t, Config{URL: f.URL, Observe: func(method string, d time.Duration, err error) {
		seen = append(seen, fmt.Sprintf("%s %v %v", method, d > 0, Classify(err)))
	}})
	for _, method := range []string{"getinfo", "getinfo", "getbalance", "generate"} {
		c.Call(t.Context(), method, nil)
	}
	if diff := cmp.Diff([]string{"getinfo true ok", "getbalance true unauthorised"}, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStateChangesAreLoggedOnce(t *testing.T) {
	var up atomic.Bool
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request, call fakeCall) {
		if !up.Load() {
			w.WriteHeader(401)
			return
		}
		answer(w, call, "1")
	})
	var log strings.Builder
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "err" {
			return slog.Attr{}
		}
		return a
	}}))
	c := newClient(t, Config{URL: f.URL, Logger: logger})
	for range 3 {
		c.Call(t.Context(), "getbalance", nil)
	}
	up.Store(true)
	for range 3 {
		c.Call(t.Context(), "getbalance", nil)
	}
	want := "level=WARN msg=\"Daemon does not answer as it should\" state=unauthorised\n" +
		"level=INFO msg=\"Daemon answers\" before=unauthorised\n"
	if diff := cmp.Diff(want, log.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestNewRefusesWithAdvice(t *testing.T) {
	tests := []struct {
		name string
		cfg  Config
		want []string
	}{
		{"no URL", Config{}, []string{`scheme "" is not allowed; want http://host:port, for example http://127.0.0.1:16124`}},
		{"scheme", Config{URL: "ftp://127.0.0.1"}, []string{`scheme "ftp" is not allowed`}},
		{"no host", Config{URL: "http://:16124"}, []string{"no host"}},
		{"credentials", Config{URL: "http://u:hunter2@127.0.0.1"}, []string{"credentials belong in user and password"}},
		{"not a URL", Config{URL: "http://u:hunter2@127.0.0.1:x"}, []string{"not a URL"}},
		{"all problems at once", Config{URL: "http://h", Timeout: -1, Concurrency: -1, MaxReply: -1}, []string{"timeout -1ns: want a positive duration", "concurrency -1: want", "reply limit -1: want"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.cfg)
			for _, want := range tt.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error shows the password: %v", err)
			}
		})
	}
}

func BenchmarkCachedCall(b *testing.B) {
	f := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var call fakeCall
		if err := json.NewDecoder(r.Body).Decode(&call); err != nil {
			b.Error(err)
		}
		answer(w, call, `{"blocks":1}`)
	}))
	defer f.Close()
	c, err := New(Config{URL: f.URL})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	for b.Loop() {
		if _, err := c.Call(b.Context(), "getinfo", nil); err != nil {
			b.Fatal(err)
		}
	}
}
