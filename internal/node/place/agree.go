package place

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// family is an address family.
type family uint8

const (
	_ family = iota
	v4
	v6
)

// String returns IPv4 or IPv6.
func (f family) String() string {
	if f == v4 {
		return "IPv4"
	}
	return "IPv6"
}

// familyOf returns the family of an address that isn't an IPv4 one in disguise.
func familyOf(a netip.Addr) family {
	if a.Is4() {
		return v4
	}
	return v6
}

// Source says who told an address.
type Source string

// The sources, the most telling first.
const (
	Configured Source = "configured" // the operator
	Interface  Source = "interface"  // the interface of the default route
	Gateway    Source = "gateway"    // the router, by UPnP or NAT-PMP
	Benchmark  Source = "benchmark"  // the benchmark daemon
	Service    Source = "service"    // echo services
)

// sourceOrder is the order above.
var sourceOrder = []Source{Configured, Interface, Gateway, Benchmark, Service}

// finding is what one voice says.
type finding struct {
	source Source
	voice  string // who of the source; the host of a service
	addr   netip.Addr
}

// errSilence says that no source told a usable address.
var errSilence = errors.New("no source tells an address")

// agree returns the address that two voices agree on, and the most telling
// source among them. When several are agreed on, known is preferred, then the
// one with the most voices, then the one with the most telling source. With
// alone set, which is for nodes that may ask no echo service, one address that
// nobody contradicts is enough.
func agree(findings []finding, known netip.Addr, alone bool) (netip.Addr, Source, error) {
	type candidate struct {
		addr   netip.Addr
		voices []string
		source int // index in sourceOrder
	}
	var all []*candidate
	for _, f := range findings {
		i := slices.IndexFunc(all, func(c *candidate) bool { return c.addr == f.addr })
		if i < 0 {
			i = len(all)
			all = append(all, &candidate{addr: f.addr, source: len(sourceOrder)})
		}
		c := all[i]
		if !slices.Contains(c.voices, f.voice) {
			c.voices = append(c.voices, f.voice)
		}
		c.source = min(c.source, slices.Index(sourceOrder, f.source))
	}
	if len(all) == 0 {
		return netip.Addr{}, "", errSilence
	}
	enough := 2
	if alone && len(all) == 1 {
		enough = 1
	}
	best := slices.MinFunc(all, func(a, b *candidate) int {
		return cmp.Or(
			cmp.Compare(min(len(b.voices), enough), min(len(a.voices), enough)),
			cmp.Compare(b2i(b.addr == known), b2i(a.addr == known)),
			cmp.Compare(len(b.voices), len(a.voices)),
			cmp.Compare(a.source, b.source),
			a.addr.Compare(b.addr),
		)
	})
	if len(best.voices) < enough {
		var said []string
		for _, c := range all {
			said = append(said, fmt.Sprintf("%s says %s", strings.Join(c.voices, " and "), c.addr))
		}
		return netip.Addr{}, "", fmt.Errorf("no two sources agree: %s", strings.Join(said, ", "))
	}
	return best.addr, sourceOrder[best.source], nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
