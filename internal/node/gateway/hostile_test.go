package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/gateway/gatewaytest"
)

// short is for searches and calls that fail by running out of time.
const short = 150 * time.Millisecond

// endless sends until the reader goes away.
func endless(start, repeated string) http.Handler {
	chunk := strings.Repeat(repeated, 1+(32<<10)/len(repeated))
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, err := io.WriteString(w, start)
		for err == nil {
			_, err = io.WriteString(w, chunk)
		}
	})
}

// hanging answers nothing until the client goes away.
var hanging = http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // the server notices a close only after the body
	<-r.Context().Done()
})

// dripping sends a byte at a time until the client goes away.
var dripping = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-r.Context().Done():
			return
		case <-tick.C:
			_, _ = io.WriteString(w, " ")
			_ = http.NewResponseController(w).Flush()
		}
	}
})

func answering(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

// within fails when do takes longer than limit.
func within(t *testing.T, limit time.Duration, do func()) {
	t.Helper()
	started := time.Now()
	do()
	if took := time.Since(started); took > limit {
		t.Errorf("took %v, want at most %v", took, limit)
	}
}

func TestEndlessAnswersTakeLittleMemory(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	c.SearchTime = short
	g := open(t, c)
	eventually(t, "mapped", func() bool { return g.Map(t.Context(), api()) == nil })
	d.Set(func(b *gatewaytest.Behaviour) {
		b.Control = endless("<x>", "y")
		b.Describe = endless("<device>", "<friendlyName></friendlyName>")
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := g.Map(t.Context(), api()); err == nil {
		t.Error("mapped")
	}
	runtime.ReadMemStats(&after)
	// Allocated in all, freed or not; the simulated router's share is in it.
	if used := (after.TotalAlloc - before.TotalAlloc) >> 20; used > 16 {
		t.Errorf("allocated %d MiB", used)
	}
}

func TestHostileDescriptionsAreRefusedInTime(t *testing.T) {
	const page = `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">`
	for name, h := range map[string]http.Handler{
		"endless text":    endless(page+"<device><friendlyName>", "x"),
		"endless nesting": endless(page, "<device>"),
		"endless devices": endless(page+"<device><deviceList>", "<device></device>"),
		"hanging":         hanging,
		"dripping":        dripping,
		"garbage":         answering("\x00\xff\xfe not XML"),
		"empty":           answering(""),
		"no services":     answering(page + "<device></device></root>"),
		"announces 1 GB": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", fmt.Sprint(1<<30))
			_, _ = io.WriteString(w, page)
		}),
		"endless header": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Long", strings.Repeat("x", 1<<20))
		}),
		"error status": http.NotFoundHandler(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, c := startIGD(t, gatewaytest.IGDOptions{})
			d.Set(func(b *gatewaytest.Behaviour) { b.Describe = h })
			c.SearchTime, c.CallTime = short, short
			g := open(t, c)
			within(t, 5*time.Second, func() {
				if _, err := g.Detect(t.Context()); !errors.Is(err, gateway.ErrNotFound) {
					t.Errorf("%v, want ErrNotFound", err)
				}
			})
		})
	}
}

func TestHostileAnswersEndInTime(t *testing.T) {
	const envelope = `<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>`
	for name, h := range map[string]http.Handler{
		"endless text":    endless(envelope+"<x>", "y"),
		"endless nesting": endless(envelope, "<x>"),
		"hanging":         hanging,
		"dripping":        dripping,
		"garbage":         answering("\x00\xff"),
		"empty":           answering(""),
		"no answer in it": answering(envelope + "</s:Body></s:Envelope>"),
		"long refusal": http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, envelope+"<s:Fault><detail><UPnPError><errorCode>501</errorCode><errorDescription>"+strings.Repeat("no\x7f ", 10000)+"</errorDescription></UPnPError></detail></s:Fault></s:Body></s:Envelope>")
		}),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, c := startIGD(t, gatewaytest.IGDOptions{})
			c.SearchTime, c.CallTime = short, short
			g := open(t, c)
			eventually(t, "mapped", func() bool { return g.Map(t.Context(), api()) == nil })
			d.Set(func(b *gatewaytest.Behaviour) { b.Control = h })
			within(t, 6*time.Second, func() {
				err := g.Map(t.Context(), api())
				if err == nil || fault.KindOf(err) != fault.Unavailable {
					t.Errorf("Map: %v, want the gateway unavailable", err)
				}
				if n := len(err.Error()); n > 1000 {
					t.Errorf("the error has %d bytes", n)
				}
			})
			d.Set(func(b *gatewaytest.Behaviour) { b.Control = nil })
			eventually(t, "mapped by a router that came to its senses", func() bool { return g.Map(t.Context(), api()) == nil })
		})
	}
}

func TestNothingElseIsAsked(t *testing.T) {
	// Whoever connects here was lured.
	trap, err := net.Listen("tcp4", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer trap.Close()
	lured := make(chan struct{}, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if conn, err := trap.Accept(); err == nil {
			conn.Close()
			lured <- struct{}{}
		}
	}()
	elsewhere := "http://" + trap.Addr().String() + "/"

	t.Run("lures", func(t *testing.T) {
		for name, lure := range map[string]func(*gatewaytest.IGD, *gatewaytest.Behaviour){
			"location elsewhere": func(_ *gatewaytest.IGD, b *gatewaytest.Behaviour) { b.Location = elsewhere },
			"location by name":   func(_ *gatewaytest.IGD, b *gatewaytest.Behaviour) { b.Location = "http://localhost/" },
			"location of a file": func(_ *gatewaytest.IGD, b *gatewaytest.Behaviour) { b.Location = "file:///etc/passwd" },
			"location not a URL": func(_ *gatewaytest.IGD, b *gatewaytest.Behaviour) { b.Location = "%zz" },
			"public location":    func(_ *gatewaytest.IGD, b *gatewaytest.Behaviour) { b.Location = "http://198.51.100.1/" },
			"redirect of the page": func(_ *gatewaytest.IGD, b *gatewaytest.Behaviour) {
				b.Describe = http.RedirectHandler(elsewhere, http.StatusFound)
			},
			"redirect of the calls": func(_ *gatewaytest.IGD, b *gatewaytest.Behaviour) {
				b.Control = http.RedirectHandler(elsewhere, http.StatusTemporaryRedirect)
			},
			"control elsewhere": func(d *gatewaytest.IGD, b *gatewaytest.Behaviour) {
				b.Describe = answering(strings.Replace(d.Description(), "<controlURL>", "<controlURL>"+elsewhere, 1))
			},
			"base elsewhere": func(d *gatewaytest.IGD, b *gatewaytest.Behaviour) {
				b.Describe = answering(strings.Replace(d.Description(), "<device>", "<URLBase>"+elsewhere+"</URLBase><device>", 1))
			},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				d, c := startIGD(t, gatewaytest.IGDOptions{})
				d.Set(func(b *gatewaytest.Behaviour) { lure(d, b) })
				c.SearchTime = short
				if _, err := open(t, c).Detect(t.Context()); !errors.Is(err, gateway.ErrNotFound) {
					t.Errorf("%v, want ErrNotFound", err)
				}
			})
		}
	})
	trap.Close()
	<-done
	select {
	case <-lured:
		t.Error("another host was asked")
	default:
	}
}

func TestDeviceThatIsNotTheConfiguredRouterIsRefused(t *testing.T) {
	_, c := startIGD(t, gatewaytest.IGDOptions{})
	c.Router, c.SearchTime = netip.MustParseAddr("127.0.0.77"), short
	if _, err := open(t, c).Detect(t.Context()); !errors.Is(err, gateway.ErrNotFound) || !strings.Contains(err.Error(), "not the configured router") {
		t.Errorf("%v, want a refusal", err)
	}
}

func TestNoRouterIsSaidInTheWordsClientsKnow(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	d.Set(func(b *gatewaytest.Behaviour) { b.Silent = true })
	c.Mode, c.SearchTime, c.CallTime = gateway.Auto, short, short
	_, err := open(t, c).ExternalIP(t.Context())
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Msg != "Connection timed out while searching for the gateway." || f.Name != "Error" {
		t.Errorf("%v", err)
	}
}

func TestCancelledCallEndsAtOnce(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	d.Set(func(b *gatewaytest.Behaviour) { b.Silent = true })
	c.SearchTime = time.Minute
	g := open(t, c)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 2)
	for range 2 { // one searches, one waits for its turn
		go func() {
			_, err := g.Detect(ctx)
			result <- err
		}()
	}
	cancel()
	for range 2 {
		select {
		case err := <-result:
			if !errors.Is(err, context.Canceled) {
				t.Errorf("%v, want cancelled", err)
			}
		case <-time.After(5 * time.Second):
			t.Fatal("still searching")
		}
	}
}

func TestCallersThatWaitedShareAFailedSearch(t *testing.T) {
	d, c := startIGD(t, gatewaytest.IGDOptions{})
	d.Set(func(b *gatewaytest.Behaviour) { b.Silent = true })
	c.SearchTime = 300 * time.Millisecond
	g := open(t, c)
	started := time.Now()
	result := make(chan error, 20)
	for range cap(result) {
		go func() {
			_, err := g.Detect(t.Context())
			result <- err
		}()
	}
	for range cap(result) {
		if err := <-result; !errors.Is(err, gateway.ErrNotFound) {
			t.Error(err)
		}
	}
	if took := time.Since(started); took > 3*time.Second {
		t.Errorf("20 callers took %v, want about one search of 300 ms", took)
	}
}
