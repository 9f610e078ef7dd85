package place

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestMemoryThatComesLateTellsSinceWhen(t *testing.T) {
	m := new(memory[AddressRecord])
	since := time.Unix(1000, 0)
	if err := m.Save(t.Context(), AddressRecord{V4: Known{Addr: ip(addrA), Since: since}}); err != nil {
		t.Fatal(err)
	}
	m.fail(errors.New("store is locked"))
	h := &host{benchmark: ip(addrA)}
	f := mustFind(t, FinderConfig{Benchmark: h.Benchmark, Memory: m})
	f.look(t.Context())
	m.fail(nil)
	f.look(t.Context())
	if a := f.Address(); !a.Since.Equal(since) || len(f.Changes()) != 0 {
		t.Errorf("got %+v and changes %v", a, f.Changes())
	}
}

func TestFinderRemembersOverRestarts(t *testing.T) {
	m := new(memory[AddressRecord])
	h := &host{benchmark: ip(addrA)}
	config := FinderConfig{Benchmark: h.Benchmark, Memory: m}
	f := mustFind(t, config)
	f.look(t.Context())
	before := f.Address()

	h.set(func(h *host) { h.err = errors.New("no Internet") })
	f = mustFind(t, config)
	f.look(t.Context())
	if a := f.Address(); a.V4 != ip(addrA) || a.Source != Benchmark || !a.Since.Equal(before.Since) {
		t.Errorf("after a restart without Internet: %+v, want %+v", a, before)
	}

	h.set(func(h *host) { h.err, h.benchmark = nil, ip(addrB) })
	f = mustFind(t, config)
	f.look(t.Context())
	if a := f.Address(); a.V4 != ip(addrA) {
		t.Errorf("one finding after a restart changed the address to %s", a.V4)
	}
	f.look(t.Context())
	if n := len(m.record(t).Changes); n != 1 || f.Address().V4 != ip(addrB) {
		t.Errorf("address %s and %d changes saved, want %s and 1", f.Address().V4, n, addrB)
	}
}

func TestFinderJoinsAMemoryThatComesLate(t *testing.T) {
	old := AddressRecord{
		V4:      Known{Addr: ip(addrA), Source: Service, Since: time.Unix(1000, 0), Checked: time.Unix(2000, 0)},
		Changes: []Change{{Old: ip("198.18.9.9"), New: ip(addrA), At: time.Unix(1000, 0)}},
	}
	m := new(memory[AddressRecord])
	if err := m.Save(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	m.fail(errors.New("store is locked"))
	h := &host{benchmark: ip(addrB)}
	f := mustFind(t, FinderConfig{Benchmark: h.Benchmark, Memory: m})
	f.look(t.Context())
	h.set(func(h *host) { h.benchmark = ip("198.18.3.3") })
	f.look(t.Context())
	f.look(t.Context())
	if n := m.saves; n != 1 {
		t.Fatalf("saved %d times over a memory that couldn't be read", n-1)
	}
	m.fail(nil)
	f.look(t.Context())
	var got []string
	for _, c := range m.record(t).Changes {
		got = append(got, c.Old.String()+" "+c.New.String())
	}
	want := []string{"198.18.9.9 " + addrA, addrA + " " + addrB, addrB + " 198.18.3.3"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if a := f.Address(); a.V4 != ip("198.18.3.3") {
		t.Errorf("got %+v", a)
	}
}

func TestFinderSavesAgainWhatItCouldNotSave(t *testing.T) {
	m := new(memory[AddressRecord])
	h := &host{benchmark: ip(addrA)}
	f := mustFind(t, FinderConfig{Benchmark: h.Benchmark, Memory: m})
	f.restore(t.Context())
	m.fail(errors.New("disk full"))
	f.look(t.Context())
	m.fail(nil)
	f.look(t.Context())
	f.look(t.Context())
	if got := m.record(t).V4.Addr; got != ip(addrA) || m.saves != 1 {
		t.Errorf("saved %s, %d times, want once", got, m.saves)
	}
}

func TestMemoryThatFailsIsLoggedOnce(t *testing.T) {
	var out strings.Builder
	m := new(memory[AddressRecord])
	m.fail(errors.New("store is locked"))
	f := mustFind(t, FinderConfig{Memory: m, Logger: slog.New(slog.NewTextHandler(&out, nil))})
	for range 3 {
		f.look(t.Context())
	}
	if n := strings.Count(out.String(), "store is locked"); n != 1 {
		t.Errorf("logged %d times:\n%s", n, &out)
	}
	m.fail(errors.New("store is gone"))
	f.look(t.Context())
	if !strings.Contains(out.String(), "store is gone") {
		t.Errorf("another failure isn't logged:\n%s", &out)
	}
}

func TestFinderSavesAnAddressThatStaysOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(memory[AddressRecord])
		h := &host{benchmark: ip(addrA)}
		f := mustFind(t, FinderConfig{Benchmark: h.Benchmark, Memory: m})
		start(t, f.Serve)
		past(3*time.Hour + time.Minute)
		if checked := m.record(t).V4.Checked; m.saves != 4 || time.Since(checked) > 2*time.Minute {
			t.Errorf("saved %d times in 3 hours, want 4; checked %v", m.saves, checked)
		}
	})
}

func TestFinderIgnoresARememberedAddressThatCannotBe(t *testing.T) {
	m := new(memory[AddressRecord])
	bad := AddressRecord{V4: Known{Addr: ip("2a01:4f8::1")}, V6: Known{Addr: ip("fd00::1")}}
	if err := m.Save(t.Context(), bad); err != nil {
		t.Fatal(err)
	}
	f := mustFind(t, FinderConfig{Memory: m})
	f.look(t.Context())
	if a := f.Address(); a.V4.IsValid() || a.V6.IsValid() {
		t.Errorf("got %+v", a)
	}
}

func TestFinderRemembersNoMoreChangesThanItMay(t *testing.T) {
	h := &host{benchmark: ip(addrA)}
	f := mustFind(t, FinderConfig{Benchmark: h.Benchmark})
	f.look(t.Context())
	a := ip("198.18.100.0")
	for range changesKept + 5 {
		a = a.Next()
		h.set(func(h *host) { h.benchmark = a })
		f.look(t.Context())
		f.look(t.Context())
	}
	if got := f.Changes(); len(got) != changesKept || got[changesKept-1].New != a {
		t.Errorf("%d changes, the last %+v", len(got), got[len(got)-1])
	}
}
