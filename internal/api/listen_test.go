package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/metrics"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/permissions"
)

func TestTLSWithAnOwnCertificate(t *testing.T) {
	w := newWorld(t, nil)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	res, err := client.Get(w.tls + "/flux/version")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if string(body) != `{"status":"success","data":"8.17.0"}` || res.ProtoMajor != 2 {
		t.Errorf("%s over %s", body, res.Proto)
	}
	dir := t.TempDir()
	first, err := Certificate("", "", dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Certificate("", "", dir)
	if err != nil || !bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Errorf("the certificate isn't kept: %v", err)
	}
}

// Clients that drip headers or bodies don't keep others from being served.
func TestSlowClientsDoNotStopOthers(t *testing.T) {
	w := newWorld(t, nil)
	address := strings.TrimPrefix(w.base, "http://")
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range 1000 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		start := "GET /flux/version HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 1 {
			start = "POST /id/verifylogin HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
		}
		if _, err := io.WriteString(c, start); err != nil {
			t.Fatal(err)
		}
	}
	var worst time.Duration
	for range 200 {
		start := time.Now()
		if a := w.request("GET", "/flux/version", ""); a.Status != "success" {
			t.Fatalf("%s", a.raw)
		}
		worst = max(worst, time.Since(start))
		for _, c := range conns[:50] { // they go on dripping
			io.WriteString(c, "x")
		}
	}
	if worst > 2*time.Second {
		t.Errorf("a normal client waited %v", worst)
	}
	t.Logf("1000 slow clients; slowest of 200 normal requests: %v", worst)
}

// Requests in flight end with their answer when the daemon stops.
func TestShutdownFinishesRequestsInFlight(t *testing.T) {
	w := newWorld(t, nil)
	started, release := make(chan struct{}), make(chan struct{})
	w.handle("/flux/ip", func(context.Context, *Request) (any, error) { close(started); <-release; return "done", nil })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- w.server.ServeListeners(ctx, Listeners{API: ln, MaxConnections: 10, Shutdown: 10 * time.Second}, http.NotFoundHandler())
	}()
	got := make(chan string, 1)
	client := &http.Client{}
	defer client.CloseIdleConnections()
	go func() {
		res, err := client.Get("http://" + ln.Addr().String() + "/flux/ip")
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		got <- string(b)
	}()
	<-started
	cancel()
	for { // wait until nobody new gets in
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			break
		}
		c.Close()
	}
	close(release)
	if s := <-got; s != `{"status":"success","data":"done"}` {
		t.Errorf("the request in flight got %s", s)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestConnectionLimit(t *testing.T) {
	w := newWorld(t, nil)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	limit := newConnLimit(2, 2, w.server.metrics.Connections, func(netip.Addr) bool { return false })
	ln := limit.wrap(inner)
	var accepted atomic.Int32
	conns := make(chan net.Conn, 8)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			conns <- c
		}
	}()
	for range 3 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-conns
	<-conns
	select {
	case <-conns:
		t.Error("a third connection was accepted")
	case <-time.After(100 * time.Millisecond):
	}
	first.Close()
	<-conns // now there is room
	limit.stop()
	inner.Close()
	<-done
	if accepted.Load() != 3 {
		t.Errorf("accepted %d", accepted.Load())
	}
}

// One address can't take all connections; the one too many is closed at once.
func TestConnectionLimitOfOneAddress(t *testing.T) {
	w := newWorld(t, nil)
	for _, exempt := range []bool{false, true} {
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		limit := newConnLimit(10, 2, w.server.metrics.Connections, func(netip.Addr) bool { return exempt })
		ln := limit.wrap(inner)
		accepted := make(chan net.Conn, 10)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				accepted <- c
			}
		}()
		var clients []net.Conn
		for range 4 {
			c, err := net.Dial("tcp", inner.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
		}
		clients[3].SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		_, err = clients[3].Read(make([]byte, 1))
		if closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET); closed == exempt {
			t.Errorf("exempt=%v: the fourth connection: %v", exempt, err)
		}
		(<-accepted).Close() // makes room for one more
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		for range 2 {
			<-accepted
		}
		limit.stop()
		inner.Close()
		<-done
		for _, c := range clients {
			c.Close()
		}
	}
}

func TestPrivateListener(t *testing.T) {
	registry := health.New(health.Config{})
	cond, err := registry.Await("store")
	if err != nil {
		t.Fatal(err)
	}
	problem, err := registry.Register(health.Problem{Code: "disk-full", Severity: health.Critical, Title: "Full", Advice: "Make room", BlocksReady: true})
	if err != nil {
		t.Fatal(err)
	}
	metricsHandler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "metrics here") })
	examiner := must(doctor.New(doctor.Config{Health: registry, Checks: []doctor.Check{
		{Name: "patient", Title: "Patient", Look: func(context.Context) doctor.Finding { return doctor.Fine("well") }}}}))
	h := Private(registry, metricsHandler, examiner)
	get := func(path, host string) (int, string) {
		req, _ := http.NewRequest("GET", path, nil)
		req.Host = host
		rec := &recorder{header: http.Header{}}
		h.ServeHTTP(rec, req)
		return rec.code, rec.body.String()
	}
	if code, body := get("/readyz", "localhost:1"); code != 503 || !strings.Contains(body, `"store"`) {
		t.Errorf("not ready: %d %s", code, body)
	}
	cond.Met()
	if code, body := get("/readyz", "127.0.0.1"); code != 200 || !strings.Contains(body, `"ready": true`) {
		t.Errorf("ready: %d %s", code, body)
	}
	problem.Set("0 bytes left")
	if code, body := get("/readyz", "[::1]:99"); code != 503 || !strings.Contains(body, "0 bytes left") || !strings.Contains(body, "Make room") {
		t.Errorf("with a problem: %d %s", code, body)
	}
	for _, path := range []string{"/healthz", "/metrics", "/debug/pprof/"} {
		if code, _ := get(path, "localhost"); code != 200 {
			t.Errorf("%s: %d", path, code)
		}
	}
	for _, host := range []string{"evil.example", "192.0.2.1", "localhost.evil.example:80"} {
		if code, _ := get("/metrics", host); code != http.StatusForbidden {
			t.Errorf("Host %s: %d, want 403", host, code)
		}
	}
}

type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }

func (r *recorder) WriteHeader(c int) { r.code = c }

func (r *recorder) Write(p []byte) (int, error) {
	if r.code == 0 {
		r.code = 200
	}
	return r.body.Write(p)
}

// An address that the operator spared stays spared when its network is what
// counts, and the limit of connections holds with the rate limit switched off.
func TestSparedAddressesAndTheConnectionLimit(t *testing.T) {
	w := newWorld(t, func(ac *Config, _ *permissions.Config) {
		ac.Limits = Limits{Exempt: []netip.Prefix{netip.MustParsePrefix("::1/128")}}
	})
	limit := newConnLimit(10, 1, w.server.metrics.Connections, w.server.exemptFromConnLimit)
	for _, c := range []struct {
		address string
		want    bool
	}{{"::1", true}, {"::1", true}, {"192.0.2.1", true}, {"192.0.2.1", false}, {"2001:db8::1", true}, {"2001:db8::2", false}, {"2001:db8:0:1::1", true}} {
		if _, ok := limit.enter(netip.MustParseAddr(c.address)); ok != c.want {
			t.Errorf("%s: %v, want %v", c.address, ok, c.want)
		}
	}
}

// Headers and bodies that drip end at their deadlines, however long they go on.
func TestDrippingRequestsEnd(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		start string
		limit time.Duration
	}{
		"headers": {"GET /flux/version HTTP/1.1\r\nHost: x\r\nX-Slow: ", headerTime},
		"body":    {"POST /id/verifylogin HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{", bodyTime},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, nil)
			conn, err := net.Dial("tcp", strings.TrimPrefix(w.base, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, c.start); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			stop := make(chan struct{})
			dripping := make(chan struct{})
			go func() {
				defer close(dripping)
				drip := time.NewTicker(time.Second)
				defer drip.Stop()
				for {
					select {
					case <-stop:
						return
					case <-drip.C:
						io.WriteString(conn, "x")
					}
				}
			}()
			conn.SetReadDeadline(began.Add(c.limit + 15*time.Second))
			_, err = io.Copy(io.Discard, conn)
			took := time.Since(began)
			close(stop)
			<-dripping
			if ne, ok := errors.AsType[net.Error](err); (ok && ne.Timeout()) || took < c.limit-time.Second {
				t.Errorf("the connection ended after %v with %v, want about %v", took, err, c.limit)
			}
		})
	}
}

// Stopping is no failure at whatever moment it comes, the first included.
func TestStopAtAnyMoment(t *testing.T) {
	for range 100 {
		w := newListeners(t)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.server.ServeListeners(ctx, w.listeners, http.NotFoundHandler()) }()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// served is a server with listeners of its own.
type served struct {
	server    *Server
	listeners Listeners
}

func newListeners(t *testing.T) served {
	t.Helper()
	m := metrics.New()
	s := &Server{metrics: m.HTTP, log: slog.New(slog.DiscardHandler), limits: newLimiters(Limits{}, time.Now), endLife: func() {}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return served{s, Listeners{API: ln, MaxConnections: 10, Shutdown: time.Second}}
}
