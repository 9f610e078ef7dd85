package place

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// whereabouts is a fake of the Finder.
type whereabouts struct {
	mu      sync.Mutex
	address Address
	last    time.Time
	changed chan struct{}
}

func at(addr string) *whereabouts {
	w := &whereabouts{changed: make(chan struct{})}
	if addr != "" {
		w.address.V4 = ip(addr)
	}
	return w
}

func (w *whereabouts) set(a Address, last time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.address, w.last = a, last
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *whereabouts) Address() Address {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.address
}

func (w *whereabouts) Changed() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *whereabouts) LastChange() (time.Time, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.last, !w.last.IsZero()
}

const day = 24 * time.Hour

var twoProviders = []string{"http://first.test/json/{ip}?fields=x", "http://second.test/loc/{ip}"}

func mustLocate(t *testing.T, c LocatorConfig) *Locator {
	t.Helper()
	c.Random = noRandom
	l, err := NewLocator(c)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// about is ipAPI for another address.
func about(addr string) string { return strings.ReplaceAll(ipAPI, addrA, addr) }

func TestLocatorAsksOncePerAddressAndEveryFourthTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, where := newWire(), at(addrA)
		w.says("tcp first.test", ipAPI)
		l := mustLocate(t, LocatorConfig{Where: where, Providers: twoProviders, Dial: w.dial})
		start(t, l.Serve)
		asked := func(when string, want int) {
			t.Helper()
			synctest.Wait()
			if n := len(w.requests()); n != want {
				t.Errorf("%s: asked %d times, want %d", when, n, want)
			}
		}
		asked("at the start", 1)
		past(11 * day)
		asked("after 11 days", 1)
		past(day + time.Minute)
		asked("after 12 days", 2)
		w.says("tcp first.test", about(addrB))
		where.set(Address{V4: ip(addrB)}, time.Now())
		asked("after a change", 3)
		if g := l.Geolocation(); g == nil || g.IP != addrB {
			t.Errorf("got %+v", g)
		}
		r := w.requests()[0]
		want := http.Header{"User-Agent": {"fluxosd"}, "Connection": {"close"}}
		if diff := cmp.Diff(want, r.Header); r.RequestURI != "/json/198.18.1.1?fields=x" || diff != "" {
			t.Errorf("asked %s\n%s", r.RequestURI, diff)
		}
	})
}

func TestLocatorTriesTheNextProviderAndAgainAfter5Minutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.says("tcp first.test", "<html>")
		w.hangs("tcp second.test")
		l := mustLocate(t, LocatorConfig{Where: at(addrA), Providers: twoProviders, Dial: w.dial})
		start(t, l.Serve)
		past(geoTimeout + time.Second)
		if g, p := l.Geolocation(), l.Problem(); g != nil || !strings.HasPrefix(p, "the location of 198.18.1.1 isn't known: first.test: answered with no JSON object; second.test: ") {
			t.Errorf("got %+v, Problem() = %q", g, p)
		}
		w.says("tcp second.test", nodeStats)
		past(4 * time.Minute)
		if l.Geolocation() != nil {
			t.Error("asked again too early")
		}
		past(time.Minute)
		if g, p := l.Geolocation(), l.Problem(); g == nil || p != "" {
			t.Errorf("got %+v, Problem() = %q", g, p)
		}
	})
}

func TestLocatorWaitsForTheAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, where := newWire(), at("")
		w.says("tcp first.test", ipAPI)
		l := mustLocate(t, LocatorConfig{Where: where, Providers: twoProviders, Dial: w.dial})
		start(t, l.Serve)
		past(time.Minute)
		if len(w.requests()) != 0 || l.Geolocation() != nil || l.Static() || l.DataCenter() || l.Problem() != "" {
			t.Error("did something without an address")
		}
		where.set(Address{V4: ip(addrA)}, time.Time{})
		synctest.Wait()
		if l.Geolocation() == nil || !l.Static() || !l.DataCenter() {
			t.Errorf("got %+v, Problem() = %q", l.Geolocation(), l.Problem())
		}
	})
}

func TestLocatorNeverTellsAPrivateAddress(t *testing.T) {
	w := newWire()
	w.says("tcp first.test", ipAPI)
	l := mustLocate(t, LocatorConfig{Where: at("192.168.1.9"), Providers: twoProviders, Dial: w.dial})
	if wait := l.look(t.Context()); wait != geoEvery {
		t.Errorf("waits %v", wait)
	}
	if len(w.requests()) != 0 || !strings.Contains(l.Problem(), "it is private") {
		t.Errorf("%d requests, Problem() = %q", len(w.requests()), l.Problem())
	}
}

func TestHostileProvidersAreBounded(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"too long": func(rw http.ResponseWriter, _ *http.Request) { rw.Write([]byte(ipAPI + strings.Repeat(" ", geoLimit))) },
		"redirects": func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "http://second.test/", http.StatusMovedPermanently)
		},
		"status": func(rw http.ResponseWriter, _ *http.Request) {
			rw.WriteHeader(http.StatusTooManyRequests)
			rw.Write([]byte(ipAPI))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWire()
			w.set("tcp first.test", answer)
			l := mustLocate(t, LocatorConfig{Where: at(addrA), Providers: []string{"http://first.test/{ip}?key=hunter2"}, Dial: w.dial})
			if wait := l.look(t.Context()); wait != geoRetry {
				t.Errorf("waits %v", wait)
			}
			if g := l.Geolocation(); g != nil || len(w.requests()) != 1 {
				t.Errorf("%d requests gave %+v", len(w.requests()), g)
			}
			if p := l.Problem(); p == "" || strings.Contains(p, "hunter2") {
				t.Errorf("Problem() = %q", p)
			}
		})
	}
}

func TestProviderThatStopsInTheMiddleIsLeftAfter10Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWire()
		w.set("tcp first.test", func(rw http.ResponseWriter, _ *http.Request) {
			rw.Header().Set("Content-Length", "1000000000")
			io.WriteString(rw, ipAPI)
		})
		l := mustLocate(t, LocatorConfig{Where: at(addrA), Providers: twoProviders, Dial: w.dial})
		began := time.Now()
		l.look(t.Context())
		if took := time.Since(began); took != geoTimeout || l.Geolocation() != nil {
			t.Errorf("took %v and got %+v", took, l.Geolocation())
		}
	})
}

func TestLocatorServesTheMemoryWithoutInternet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, m := newWire(), new(memory[GeoRecord])
		c := LocatorConfig{Where: at(addrA), Providers: twoProviders, Dial: w.dial, Memory: m}
		w.says("tcp first.test", ipAPI)
		mustLocate(t, c).look(t.Context())
		if r := m.record(t); !r.StaticIP || !r.DataCenter || r.LastIPChange != nil || r.UpdatedAt != time.Now().UnixMilli() {
			t.Errorf("saved %+v", r)
		}
		w.set("tcp first.test", nil)
		l := mustLocate(t, c)
		start(t, l.Serve)
		past(20 * day)
		if got, err := json.Marshal(l.Geolocation()); err != nil || string(got) != shown {
			t.Errorf("got %s, %v", got, err)
		}
		if p := l.Problem(); !strings.Contains(p, "first.test: connection refused") {
			t.Errorf("a location of 20 days ago is no problem: %q", p)
		}
		if !l.Static() || !l.DataCenter() {
			t.Error("what followed from the location is forgotten")
		}
	})
}

func TestLocatorWithoutProvidersOnlyRemembers(t *testing.T) {
	m := &memory[GeoRecord]{data: []byte(`{"_id":"nodeGeolocation","geolocation":` + shown + `,"staticIp":true,"dataCenter":true,"lastIpChangeDate":null,"updatedAt":1}`)}
	l := mustLocate(t, LocatorConfig{Where: at(addrA), Memory: m})
	if wait := l.look(t.Context()); wait != geoEvery || l.Geolocation() == nil || l.Problem() != "" || m.saves != 0 {
		t.Errorf("waits %v, got %+v, Problem() = %q, saved %d times", wait, l.Geolocation(), l.Problem(), m.saves)
	}
}

func TestLocatorDoesNotSaveOverAMemoryItCouldNotRead(t *testing.T) {
	w := newWire()
	w.says("tcp first.test", ipAPI)
	change := int64(1700000000000)
	m := new(memory[GeoRecord])
	if err := m.Save(t.Context(), GeoRecord{Geolocation: &Geolocation{IP: addrB}, LastIPChange: &change}); err != nil {
		t.Fatal(err)
	}
	m.fail(errors.New("store is locked"))
	l := mustLocate(t, LocatorConfig{Where: at(addrA), Providers: twoProviders, Dial: w.dial, Memory: m})
	if wait := l.look(t.Context()); wait != geoRetry || l.Geolocation() == nil || m.saves != 1 {
		t.Fatalf("waits %v, got %+v, saved %d times", wait, l.Geolocation(), m.saves-1)
	}
	m.fail(nil)
	l.look(t.Context())
	r := m.record(t)
	if r.Geolocation.IP != addrA || r.LastIPChange == nil || *r.LastIPChange != change || len(w.requests()) != 1 {
		t.Errorf("saved %+v after %d requests", r, len(w.requests()))
	}
}

func TestLocationFromTheFutureIsAskedForAgain(t *testing.T) {
	w := newWire()
	w.says("tcp first.test", ipAPI)
	m := new(memory[GeoRecord])
	if err := m.Save(t.Context(), GeoRecord{Geolocation: &Geolocation{IP: addrA}, UpdatedAt: time.Now().Add(time.Hour).UnixMilli()}); err != nil {
		t.Fatal(err)
	}
	l := mustLocate(t, LocatorConfig{Where: at(addrA), Providers: twoProviders, Dial: w.dial, Memory: m})
	l.look(t.Context())
	if g := l.Geolocation(); g.CountryCode != "DE" {
		t.Errorf("got %+v", g)
	}
}

func TestGeolocationIsACopy(t *testing.T) {
	w := newWire()
	w.says("tcp first.test", ipAPI)
	l := mustLocate(t, LocatorConfig{Where: at(addrA), Providers: twoProviders, Dial: w.dial})
	l.look(t.Context())
	l.Geolocation().IP = ""
	if l.Geolocation().IP != addrA {
		t.Error("a caller changed the record")
	}
}

func TestStaticAddressRule(t *testing.T) {
	home := &Geolocation{IP: addrA, Org: "Cable Ltd"}
	for _, c := range []struct {
		name         string
		address      Address
		unchanged    time.Duration
		geo          *Geolocation
		static, data bool
	}{
		{name: "nothing known", unchanged: -1},
		{name: "behind a router", address: Address{V4: ip(addrA)}, unchanged: -1, geo: home},
		{name: "behind a router for long", address: Address{V4: ip(addrA)}, unchanged: 100 * day, geo: home},
		{name: "on the interface, no change known", address: Address{V4: ip(addrA), OnInterface: true}, unchanged: -1, geo: home, static: true},
		{name: "on the interface, location unknown", address: Address{V4: ip(addrA), OnInterface: true}, unchanged: -1, static: true},
		{name: "on the interface for 10 days", address: Address{V4: ip(addrA), OnInterface: true}, unchanged: 10 * day, geo: home, static: true},
		{name: "on the interface, a bit less", address: Address{V4: ip(addrA), OnInterface: true}, unchanged: 10*day - 1, geo: home},
		{name: "just changed", address: Address{V4: ip(addrB), OnInterface: true}, geo: &Geolocation{IP: addrA, Static: true, DataCenter: true, Org: "OVH"}},
		{name: "said to be static", address: Address{V4: ip(addrA)}, geo: &Geolocation{IP: addrA, Static: true}, static: true},
		{name: "said to be in a data centre", address: Address{V4: ip(addrA)}, geo: &Geolocation{IP: addrA, DataCenter: true}, data: true},
		{name: "hoster in the middle of the name", address: Address{V4: ip(addrA)}, geo: &Geolocation{IP: addrA, Org: "The LUMEN Group"}, static: true, data: true},
	} {
		if got := isStatic(c.address, c.unchanged, c.geo); got != c.static {
			t.Errorf("%s: static %v", c.name, got)
		}
		if got := isDataCenter(c.address, c.geo); got != c.data {
			t.Errorf("%s: data centre %v", c.name, got)
		}
	}
	for _, org := range []string{"Hetzner Online", "OVH SAS", "netcup GmbH", "HostNodes", "Contabo", "HostSlim", "Zayo", "Cogent", "Lumen"} {
		if !listedHoster(org) {
			t.Errorf("%s isn't on the list", org)
		}
	}
}

func TestAddressOnTheInterfaceBecomesStaticAfter10Days(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(memory[GeoRecord])
		where := at(addrA)
		where.set(Address{V4: ip(addrA), OnInterface: true}, time.Now())
		l := mustLocate(t, LocatorConfig{Where: where, Memory: m})
		start(t, l.Serve)
		past(10*day - time.Second)
		if l.Static() {
			t.Error("static too early")
		}
		past(time.Second)
		if !l.Static() {
			t.Error("not static after 10 days")
		}
		past(geoEvery)
		if r := m.record(t); !r.StaticIP || *r.LastIPChange != time.Now().Add(-13*day).UnixMilli() {
			t.Errorf("saved %+v", r)
		}
	})
}

func TestChangeKnownToAnEarlierInstallationCounts(t *testing.T) {
	change := time.Now().Add(-day).UnixMilli()
	m := new(memory[GeoRecord])
	if err := m.Save(t.Context(), GeoRecord{LastIPChange: &change}); err != nil {
		t.Fatal(err)
	}
	where := at("")
	where.set(Address{V4: ip(addrA), OnInterface: true}, time.Time{})
	l := mustLocate(t, LocatorConfig{Where: where, Memory: m})
	l.look(t.Context())
	if l.Static() {
		t.Error("static a day after a change")
	}
}

func TestNewLocatorRefusesBadConfiguration(t *testing.T) {
	for want, c := range map[string]LocatorConfig{
		"want somebody who knows":           {},
		`"https://geo.test/": want {ip}`:    {Where: at(""), Providers: []string{"https://geo.test/"}},
		`"{ip}": want an http or https URL`: {Where: at(""), Providers: []string{"{ip}"}},
		`"file:///{ip}": want an http`:      {Where: at(""), Providers: []string{"file:///{ip}"}},
	} {
		if _, err := NewLocator(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// The Finder is the Whereabouts of real nodes.
var _ Whereabouts = (*Finder)(nil)

func TestGeoRecordHasTheNamesOfTheFluxOSDocument(t *testing.T) {
	got, err := json.Marshal(GeoRecord{Geolocation: &Geolocation{IP: netip.IPv4Unspecified().String()}})
	want := `{"geolocation":{"ip":"0.0.0.0","continent":"","continentCode":"","country":"","countryCode":"","region":"","regionName":"","lat":0,"lon":0,"org":"","static":false,"dataCenter":false},"staticIp":false,"dataCenter":false,"lastIpChangeDate":null,"updatedAt":0}`
	if err != nil || string(got) != want {
		t.Errorf("got %s, %v\nwant %s", got, err, want)
	}
}
