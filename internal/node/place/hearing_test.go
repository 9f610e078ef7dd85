package place

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestFinderRefusesAddressesThatAreNotPublic(t *testing.T) {
	w, c := twoServices()
	w.bothSay("10.1.1.1")
	c.Gateway = func(context.Context) (netip.Addr, error) { return ip("100.64.0.9"), nil }
	c.Benchmark = func(context.Context) (netip.Addr, error) { return ip("::ffff:192.168.1.1"), nil }
	c.Interface = (&host{addrs: []netip.Addr{ip("192.168.1.1")}}).Interface
	f := mustFind(t, c)
	f.look(t.Context())
	if a := f.Address(); a != (Address{}) {
		t.Errorf("found %+v", a)
	}
	for _, want := range []string{
		"no public IPv4 address is known",
		"the gateway says 100.64.0.9, which can't be reached from outside: it is behind a provider's NAT (RFC 6598)",
		"the benchmark says 192.168.1.1, which",
		"one.test says 10.1.1.1, which",
	} {
		if p := f.Problem(); !strings.Contains(p, want) {
			t.Errorf("Problem() = %q lacks %q", p, want)
		}
	}
	if p := f.Problem(); strings.Contains(p, "the interface") {
		t.Errorf("a private address on the interface is no problem, got %q", p)
	}
}

func TestProblemNamesTheServicesThatFailOverIPv4(t *testing.T) {
	_, c := twoServices()
	f := mustFind(t, c)
	f.look(t.Context())
	want := "no public IPv4 address is known: no source tells an address; one.test: connection refused; two.test: connection refused"
	if got := f.Problem(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLongOutsideTextsAreClipped(t *testing.T) {
	f := mustFind(t, FinderConfig{Benchmark: func(context.Context) (netip.Addr, error) {
		return netip.Addr{}, errors.New(strings.Repeat("é", 10000))
	}})
	f.look(t.Context())
	if p := f.Problem(); len(p) > 2*textLimit || !utf8.ValidString(p) {
		t.Errorf("Problem() has %d bytes: %q", len(p), p)
	}
}

func TestHostileEchoServicesAreBounded(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"too long": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Write([]byte(addrA + strings.Repeat(" ", echoLimit)))
		},
		"redirects": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "http://two.test/", http.StatusFound)
		},
		"server error": func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, addrA, http.StatusInternalServerError) },
		"no address":   func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte("<html>")) },
		"wrong family": func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte("2a01:4f8::1")) },
		"endless header": func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("X", strings.Repeat("x", 2*headerLimit))
			rw.Write([]byte(addrA))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w, c := twoServices()
			w.bothSay(addrA)
			w.set("tcp4 one.test", answer)
			f := mustFind(t, c)
			f.look(t.Context())
			if a := f.Address(); a.V4.IsValid() {
				t.Errorf("a bad answer and a good one gave %+v", a)
			}
			if p := f.Problem(); !strings.Contains(p, "one.test") {
				t.Errorf("Problem() = %q", p)
			}
			if n := len(w.requests()); n != 2 {
				t.Errorf("%d requests, want 2", n)
			}
		})
	}
}

func TestServicesThatHangAreLeftAfter5Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := twoServices()
		w.hangs("tcp4 one.test")
		w.hangs("tcp4 two.test")
		c.Benchmark = func(ctx context.Context) (netip.Addr, error) { <-ctx.Done(); return netip.Addr{}, ctx.Err() }
		f := mustFind(t, c)
		began := time.Now()
		f.look(t.Context())
		if took := time.Since(began); took != echoTimeout {
			t.Errorf("a look took %v, want %v", took, echoTimeout)
		}
	})
}

func TestServeEndsInTheMiddleOfALook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := twoServices()
		w.hangs("tcp4 one.test")
		f := mustFind(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		began := time.Now()
		time.AfterFunc(time.Second, cancel)
		if err := f.Serve(ctx); err != nil || time.Since(began) != time.Second {
			t.Errorf("Serve ended after %v with %v", time.Since(began), err)
		}
		if p := f.Problem(); p != "" {
			t.Errorf("a look that was cut short left the problem %q", p)
		}
	})
}

func TestServicesAreAskedOverTLSThatIsVerified(t *testing.T) {
	t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(addrA)) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	var mu sync.Mutex
	var dialled []string
	c := FinderConfig{
		Echoes: []string{"example.com", "www.example.com:8443/ip"},
		Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
			mu.Lock()
			dialled = append(dialled, network+" "+address)
			mu.Unlock()
			if network != "tcp4" {
				return nil, errors.New("no IPv6")
			}
			return new(net.Dialer).DialContext(ctx, "tcp", srv.Listener.Addr().String())
		},
	}
	c.Roots = srv.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	f := mustFind(t, c)
	f.look(t.Context())
	if a := f.Address(); a.V4 != ip(addrA) {
		t.Errorf("got %+v, problem %q", a, f.Problem())
	}
	slices.Sort(dialled)
	want := []string{"tcp4 example.com:443", "tcp4 www.example.com:8443", "tcp6 example.com:443", "tcp6 www.example.com:8443"}
	if diff := cmp.Diff(want, dialled); diff != "" {
		t.Error(diff)
	}

	c.Roots = nil
	f = mustFind(t, c)
	f.look(t.Context())
	if a := f.Address(); a.V4.IsValid() || !strings.Contains(f.Problem(), "certificate") {
		t.Errorf("a certificate of nobody gave %+v, problem %q", a, f.Problem())
	}
}
