package place

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Two public addresses: the node has the one or the other.
const (
	addrA = "198.18.1.1"
	addrB = "198.18.2.2"
)

// host is a fake of the host's own interface and of the benchmark daemon.
type host struct {
	mu        sync.Mutex
	addrs     []netip.Addr
	benchmark netip.Addr
	err       error
}

func (h *host) set(change func(*host)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(h)
}

func (h *host) Interface() ([]netip.Addr, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.addrs, h.err
}

func (h *host) Benchmark(context.Context) (netip.Addr, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.benchmark, h.err
}

func mustFind(t *testing.T, c FinderConfig) *Finder {
	t.Helper()
	if c.Random == nil {
		c.Random = noRandom
	}
	if c.Interface == nil {
		c.Interface = new(host).Interface
	}
	f, err := NewFinder(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// twoServices is an Internet with two echo services and the configuration that
// asks them.
func twoServices() (*wire, FinderConfig) {
	w := newWire()
	return w, FinderConfig{Echoes: []string{"http://one.test/", "http://two.test/"}, Dial: w.dial}
}

func (w *wire) bothSay(text string) {
	w.says("tcp4 one.test", text)
	w.says("tcp4 two.test", `{"ip":"`+text+`"}`)
}

// past lets the bubble's time pass, and everything happen that is due.
func past(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func TestFinderFindsWhatTwoServicesSay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := twoServices()
		w.bothSay(addrA)
		w.says("tcp6 one.test", "2a01:4f8::1")
		w.says("tcp6 two.test", "2a01:4f8::1")
		f := mustFind(t, c)
		changed := f.Changed()
		began := time.Now()
		start(t, f.Serve)
		synctest.Wait()
		want := Address{V4: ip(addrA), V6: ip("2a01:4f8::1"), Source: Service, Since: began, Checked: began}
		if diff := cmp.Diff(want, f.Address(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Error(diff)
		}
		if !isClosed(changed) {
			t.Error("the first finding isn't announced")
		}
		if p := f.Problem(); p != "" {
			t.Errorf("Problem() = %q", p)
		}
		if n := len(f.Changes()); n != 0 {
			t.Errorf("finding it for the first time counts as %d changes", n)
		}
		if _, ok := f.LastChange(); ok {
			t.Error("there is a last change")
		}
		for _, r := range w.requests() {
			want := http.Header{"User-Agent": {"fluxosd"}, "Connection": {"close"}}
			if diff := cmp.Diff(want, r.Header); r.Method != "GET" || r.RequestURI != "/" || diff != "" {
				t.Errorf("asked %s %s\n%s", r.Method, r.RequestURI, diff)
			}
		}
	})
}

func TestFinderLooksEvery5To15Minutes(t *testing.T) {
	for name, c := range map[string]struct {
		random float64
		gap    time.Duration
	}{"at least": {0, 5 * time.Minute}, "at most": {0.999999, 15*time.Minute - time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, fc := twoServices()
				fc.Random = func() float64 { return c.random }
				w.bothSay(addrA)
				f := mustFind(t, fc)
				start(t, f.Serve)
				synctest.Wait()
				first := f.Address().Checked
				past(c.gap - time.Second)
				if !f.Address().Checked.Equal(first) {
					t.Error("looked too early")
				}
				past(3 * time.Second)
				if f.Address().Checked.Equal(first) {
					t.Error("looked too late")
				}
				if !f.Address().Since.Equal(first) {
					t.Error("Since moved although the address is the same")
				}
			})
		})
	}
}

func TestFinderHurriesWhileTheAddressIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks []time.Duration
		began := time.Now()
		f := mustFind(t, FinderConfig{Benchmark: func(context.Context) (netip.Addr, error) {
			looks = append(looks, time.Since(began))
			return netip.Addr{}, errors.New("down")
		}})
		start(t, f.Serve)
		past(21 * time.Minute)
		want := []time.Duration{0, 10 * time.Second, 30 * time.Second, 70 * time.Second, 150 * time.Second, 310 * time.Second,
			610 * time.Second, 910 * time.Second, 1210 * time.Second}
		if diff := cmp.Diff(want, looks); diff != "" {
			t.Error(diff)
		}
		if p := f.Problem(); p != "no public IPv4 address is known: no source tells an address; the benchmark: down" {
			t.Errorf("Problem() = %q", p)
		}
	})
}

func TestFinderTakesAChangeThatItFindsTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := twoServices()
		m := new(memory[AddressRecord])
		c.Memory = m
		w.bothSay(addrA)
		f := mustFind(t, c)
		start(t, f.Serve)
		synctest.Wait()
		changed := f.Changed()

		w.bothSay(addrB)
		past(5*time.Minute + time.Second)
		if got := f.Address().V4; got != ip(addrA) {
			t.Fatalf("one finding changed the address to %s", got)
		}
		w.bothSay(addrA)
		past(time.Minute)
		w.bothSay(addrB)
		past(5 * time.Minute)
		if got := f.Address().V4; got != ip(addrA) || isClosed(changed) {
			t.Fatalf("two findings with another one between them changed the address to %s", got)
		}
		past(time.Minute)
		if got := f.Address().V4; got != ip(addrB) || !isClosed(changed) {
			t.Fatalf("two findings in a row left %s", got)
		}
		at, ok := f.LastChange()
		if !ok || time.Since(at) > time.Minute || f.RecentChanges() > 1 {
			t.Errorf("LastChange() = %v, %v; RecentChanges() = %v", at, ok, f.RecentChanges())
		}
		want := []Change{{Old: ip(addrA), New: ip(addrB), At: at}}
		same := cmp.Comparer(func(a, b netip.Addr) bool { return a == b })
		if diff := cmp.Diff(want, f.Changes(), same); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff(want, m.record(t).Changes, same); diff != "" {
			t.Errorf("saved: %s", diff)
		}

		past(2 * time.Hour)
		w.bothSay(addrA)
		past(7 * time.Minute)
		if f.Address().V4 != ip(addrA) || f.RecentChanges() != 2 {
			t.Errorf("after a second change within 20 hours: %v, RecentChanges() = %v", f.Address().V4, f.RecentChanges())
		}
		past(ChangeWindow)
		if f.RecentChanges() > 1 {
			t.Error("changes of yesterday still count")
		}
	})
}

func TestFinderKeepsWhatItKnowsThroughSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, c := twoServices()
		w.bothSay(addrA)
		w.says("tcp6 one.test", "2a01:4f8::1")
		w.says("tcp6 two.test", "2a01:4f8::1")
		f := mustFind(t, c)
		start(t, f.Serve)
		synctest.Wait()
		for at := range w.services {
			w.hangs(at)
		}
		past(30 * time.Minute)
		if p := f.Problem(); p != "" {
			t.Errorf("half an hour of silence is a problem: %q", p)
		}
		past(20 * time.Hour)
		a := f.Address()
		if a.V4 != ip(addrA) || !a.V6.IsValid() || len(f.Changes()) != 0 {
			t.Errorf("silence changed the address: %+v", a)
		}
		if p := f.Problem(); !strings.HasPrefix(p, "the address 198.18.1.1 was last confirmed at 2000-01-01T00:00:00Z: no source tells an address; one.test: ") {
			t.Errorf("Problem() = %q", p)
		}
		past(5 * time.Hour)
		if a := f.Address(); a.V4 != ip(addrA) || a.V6.IsValid() {
			t.Errorf("after a day want the IPv4 address and no IPv6 one, got %+v", a)
		}
	})
}

func TestConfiguredAddressWins(t *testing.T) {
	w, c := twoServices()
	w.bothSay(addrB)
	c.Configured = ip(addrA)
	c.Benchmark = func(context.Context) (netip.Addr, error) { t.Error("asked the benchmark"); return ip(addrB), nil }
	f := mustFind(t, c)
	f.look(t.Context())
	f.look(t.Context())
	if a := f.Address(); a.V4 != ip(addrA) || a.Source != Configured {
		t.Errorf("got %+v", a)
	}
	for _, r := range w.requests() {
		t.Errorf("asked %s over IPv4", r.Host)
	}
	if p := f.Problem(); p != "" {
		t.Errorf("Problem() = %q", p)
	}
}

func TestConfiguredAddressThatIsPrivateIsAProblem(t *testing.T) {
	f := mustFind(t, FinderConfig{Configured: ip("::ffff:192.168.1.9")})
	f.look(t.Context())
	if a := f.Address(); a.V4 != ip("192.168.1.9") {
		t.Errorf("got %+v", a)
	}
	if p, want := f.Problem(), "the configured address 192.168.1.9 can't be reached from outside: it is private (RFC 1918)"; p != want {
		t.Errorf("Problem() = %q, want %q", p, want)
	}
}

func TestNewFinderRefusesBadConfiguration(t *testing.T) {
	for want, c := range map[string]FinderConfig{
		"configured address fe80::1%eth0": {Configured: ip("fe80::1%eth0")},
		"configured address 0.0.0.0":      {Configured: ip("0.0.0.0")},
		"configured address ::":           {Configured: ip("::")},
		`echo service "gopher://x"`:       {Echoes: []string{"gopher://x"}},
	} {
		if _, err := NewFinder(c); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	_, err := NewFinder(FinderConfig{Configured: ip("0.0.0.0"), Echoes: []string{"gopher://x"}})
	if err == nil || strings.Count(err.Error(), "want") != 2 {
		t.Errorf("two mistakes gave %v", err)
	}
}

func TestFinderKnowsWhetherTheAddressIsOnTheInterface(t *testing.T) {
	h := &host{addrs: []netip.Addr{ip(addrA), ip("2a01:4f8::1")}, benchmark: ip(addrA)}
	f := mustFind(t, FinderConfig{Interface: h.Interface, Benchmark: h.Benchmark})
	f.look(t.Context())
	if a := f.Address(); a.V4 != ip(addrA) || !a.OnInterface || a.Source != Interface || a.V6 != ip("2a01:4f8::1") {
		t.Errorf("got %+v", a)
	}
	changed := f.Changed()
	h.set(func(h *host) { h.err = errors.New("out of files") })
	f.look(t.Context())
	if !f.Address().OnInterface || isClosed(changed) {
		t.Error("an interface that can't be read moved the address from it")
	}
	h.set(func(h *host) { h.err, h.addrs = nil, nil })
	f.look(t.Context())
	if f.Address().OnInterface || !isClosed(changed) {
		t.Error("the address still is on the interface, or nobody was told")
	}
}

func TestKnownIPv6AddressHoldsWhileTheHostHasIt(t *testing.T) {
	w, c := twoServices()
	leaveThrough := func(addr string) {
		w.says("tcp6 one.test", addr)
		w.says("tcp6 two.test", addr)
	}
	h := &host{addrs: []netip.Addr{ip("2a01:4f8::1")}}
	c.Interface = h.Interface
	f := mustFind(t, c)
	leaveThrough("2a01:4f8::1")
	f.look(t.Context())
	h.set(func(h *host) { h.addrs = []netip.Addr{ip("2a01:4f8::2"), ip("2a01:4f8::1")} })
	leaveThrough("2a01:4f8::2")
	f.look(t.Context())
	f.look(t.Context())
	if a := f.Address(); a.V6 != ip("2a01:4f8::1") {
		t.Errorf("leaving through a second address changed it: %+v", a)
	}
	h.set(func(h *host) { h.addrs = h.addrs[:1] })
	f.look(t.Context())
	f.look(t.Context())
	if a := f.Address(); a.V6 != ip("2a01:4f8::2") || len(f.Changes()) != 0 {
		t.Errorf("got %+v and changes %v", a, f.Changes())
	}
}

func TestRecheckLooksSoonButNotAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &host{benchmark: ip(addrA)}
		f := mustFind(t, FinderConfig{Benchmark: h.Benchmark})
		start(t, f.Serve)
		synctest.Wait()
		first := f.Address().Checked
		for range 100 {
			f.Recheck()
		}
		past(9 * time.Second)
		if !f.Address().Checked.Equal(first) {
			t.Error("a recheck within 10 seconds of a look")
		}
		past(2 * time.Second)
		if f.Address().Checked.Equal(first) {
			t.Error("no recheck")
		}
	})
}
