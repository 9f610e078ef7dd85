package place

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// wire is an Internet in memory, so that it works in synctest's time. Its
// services are named by the network they are reachable over and their host.
type wire struct {
	mu       sync.Mutex
	services map[string]http.HandlerFunc
	asked    []*http.Request
}

func newWire() *wire { return &wire{services: make(map[string]http.HandlerFunc)} }

// set puts a service at "tcp4 host" (or tcp6, tcp). A nil one refuses
// connections.
func (w *wire) set(at string, h http.HandlerFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.services[at] = h
}

// says makes the service at the place answer with a text.
func (w *wire) says(at, text string) {
	w.set(at, func(rw http.ResponseWriter, _ *http.Request) { io.WriteString(rw, text) })
}

// hangs makes the service take questions and never answer.
func (w *wire) hangs(at string) {
	w.set(at, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
}

// requests returns what was asked so far.
func (w *wire) requests() []*http.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*http.Request(nil), w.asked...)
}

func (w *wire) dial(_ context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	h := w.services[network+" "+host]
	w.mu.Unlock()
	if h == nil {
		return nil, errors.New("connection refused")
	}
	client, server := net.Pipe()
	go w.serve(server, h)
	return client, nil
}

func (w *wire) serve(conn net.Conn, h http.HandlerFunc) {
	defer conn.Close()
	req, err := http.ReadRequest(bufio.NewReader(conn))
	if err != nil {
		return
	}
	w.mu.Lock()
	w.asked = append(w.asked, req)
	w.mu.Unlock()
	rec := httptest.NewRecorder()
	hung := func() (hung bool) {
		defer func() { hung = recover() != nil }()
		h(rec, req)
		return
	}()
	if hung {
		io.Copy(io.Discard, conn) // until the caller gives up
		return
	}
	rec.Result().Write(conn)
	if rec.Header().Get("Content-Length") != "" {
		io.Copy(io.Discard, conn) // the rest of what was promised never comes
	}
}

// memory is a Memory that really goes through JSON.
type memory[T any] struct {
	mu               sync.Mutex
	data             []byte
	loadErr, saveErr error
	saves            int
}

func (m *memory[T]) Load(context.Context) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var record T
	if m.loadErr != nil || m.data == nil {
		return record, m.loadErr
	}
	return record, json.Unmarshal(m.data, &record)
}

func (m *memory[T]) Save(_ context.Context, record T) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.saveErr != nil {
		return m.saveErr
	}
	m.saves++
	var err error
	m.data, err = json.Marshal(record)
	return err
}

// fail makes loading and saving fail with err, or work when it's nil.
func (m *memory[T]) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.loadErr, m.saveErr = err, err
}

func (m *memory[T]) record(t *testing.T) T {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	var record T
	if m.data == nil {
		t.Fatal("nothing was saved")
	}
	if err := json.Unmarshal(m.data, &record); err != nil {
		t.Fatal(err)
	}
	return record
}

// start runs a service until the test, or its bubble, ends; it is waited for.
func start(t *testing.T, serve func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
}

func noRandom() float64 { return 0 }

func ip(s string) netip.Addr { return netip.MustParseAddr(s) }

func readJSON(t *testing.T, file string, into any) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(fmt.Errorf("%s: %w", file, err))
	}
}
