package place

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
)

// hearing is what the sources said in one look.
type hearing struct {
	findings []finding
	refused  []string // answers that can't be public addresses, and why
	failed   []string // sources that didn't answer, and why
	// interfaceRead says that the host's own addresses could be read.
	interfaceRead bool
}

// of returns the findings of one family.
func (h hearing) of(fam family) []finding {
	return slices.DeleteFunc(slices.Clone(h.findings), func(f finding) bool { return familyOf(f.addr) != fam })
}

// says reports whether source told addr.
func (h hearing) says(source Source, addr netip.Addr) bool {
	return slices.ContainsFunc(h.findings, func(f finding) bool { return f.source == source && f.addr == addr })
}

// ask asks all sources at the same time, outside ones about the families that
// the operator hasn't settled. It returns when all have answered or run out of
// time.
func (f *Finder) ask(ctx context.Context) hearing {
	ctx, cancel := context.WithTimeout(ctx, echoTimeout)
	defer cancel()
	var (
		asking sync.WaitGroup
		mu     sync.Mutex // guards h
		h      hearing
	)
	heard := func(source Source, voice string, addr netip.Addr, err error) {
		mu.Lock()
		defer mu.Unlock()
		addr = addr.Unmap()
		switch why := Unroutable(addr); {
		case err != nil:
			h.failed = append(h.failed, voice+": "+clip(err.Error()))
		case !addr.IsValid():
			h.failed = append(h.failed, voice+": told no address")
		case why != "":
			h.refused = append(h.refused, fmt.Sprintf("%s says %s, which can't be reached from outside: %s", voice, addr, why))
		default:
			h.findings = append(h.findings, finding{source: source, voice: voice, addr: addr})
		}
	}
	open := func(fam family) bool {
		return !f.c.Configured.IsValid() || familyOf(f.c.Configured) != fam
	}
	for source, ask := range map[Source]func(context.Context) (netip.Addr, error){Gateway: f.c.Gateway, Benchmark: f.c.Benchmark} {
		if ask != nil && open(v4) {
			asking.Go(func() {
				addr, err := ask(ctx)
				heard(source, "the "+string(source), addr, err)
			})
		}
	}
	for _, e := range f.echoes {
		for fam, fetch := range f.fetch {
			if !open(fam) {
				continue
			}
			asking.Go(func() {
				body, err := fetch.get(ctx, e.url)
				var addr netip.Addr
				if err == nil {
					addr, err = parseEcho(body, fam)
				}
				if err != nil && fam == v6 {
					return // most nodes have no IPv6
				}
				heard(Service, e.host, addr, err)
			})
		}
	}
	addrs, err := f.c.Interface()
	if err != nil {
		heard(Interface, "the interface", netip.Addr{}, err)
	}
	for _, a := range addrs {
		if Unroutable(a) == "" {
			heard(Interface, "the interface", a, nil)
		}
	}
	asking.Wait()
	h.interfaceRead = err == nil
	slices.Sort(h.refused)
	slices.Sort(h.failed)
	return h
}

// textLimit is the most bytes of an outside text in a problem or a log line.
const textLimit = 200

// clip shortens a text that outsiders may have a hand in.
func clip(s string) string {
	if len(s) <= textLimit {
		return s
	}
	return strings.ToValidUTF8(s[:textLimit], "") + "…"
}
