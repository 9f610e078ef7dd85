package place

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Flags of a route in the kernel's tables (linux/route.h).
const (
	routeUp     = 0x1
	routeReject = 0x200
)

// DefaultRouteAddrs returns the public addresses on the interfaces that the
// default routes of IPv4 and IPv6 leave through, of each family only those on
// its own one. It reads the kernel's tables and asks nobody. A host without a
// default route has none. With an error come the addresses that could be read.
func DefaultRouteAddrs() ([]netip.Addr, error) {
	var out []netip.Addr
	var errs []error
	for _, t := range []struct {
		file   string
		parse  func(string) string
		family family
	}{
		{"/proc/net/route", defaultRoute4, v4},
		{"/proc/net/ipv6_route", defaultRoute6, v6},
	} {
		table, err := os.ReadFile(t.file)
		if os.IsNotExist(err) {
			continue // the family is switched off
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("read the routes: %w", err))
			continue
		}
		name := t.parse(string(table))
		if name == "" {
			continue
		}
		ifc, err := net.InterfaceByName(name)
		if err != nil {
			errs = append(errs, fmt.Errorf("look up interface %s: %w", name, err))
			continue
		}
		addrs, err := ifc.Addrs()
		if err != nil {
			errs = append(errs, fmt.Errorf("read the addresses of interface %s: %w", name, err))
			continue
		}
		for _, a := range addrs {
			p, err := netip.ParsePrefix(a.String())
			if err == nil && familyOf(p.Addr().Unmap()) == t.family && Unroutable(p.Addr()) == "" {
				out = append(out, p.Addr().Unmap())
			}
		}
	}
	return out, errors.Join(errs...)
}

// defaultRoute4 returns the interface of the default route with the lowest
// metric in the text of /proc/net/route; "" when there is none.
func defaultRoute4(table string) string {
	return bestRoute(table, func(f []string) (string, string, string, bool) {
		if len(f) < 8 || f[1] != "00000000" || f[7] != "00000000" {
			return "", "", "", false
		}
		return f[0], f[3], f[6], true
	}, 10)
}

// defaultRoute6 is defaultRoute4 for the text of /proc/net/ipv6_route.
func defaultRoute6(table string) string {
	zero := strings.Repeat("0", 32)
	return bestRoute(table, func(f []string) (string, string, string, bool) {
		if len(f) < 10 || f[0] != zero || f[1] != "00" || f[9] == "lo" {
			return "", "", "", false
		}
		return f[9], f[8], f[5], true
	}, 16)
}

// bestRoute returns the interface of the usable route with the lowest metric
// among those that pick names. Metrics are written to base.
func bestRoute(table string, pick func([]string) (name, flags, metric string, ok bool), base int) string {
	best, lowest := "", uint64(0)
	for s := bufio.NewScanner(strings.NewReader(table)); s.Scan(); {
		name, flags, metric, ok := pick(strings.Fields(s.Text()))
		if !ok {
			continue
		}
		fl, err := strconv.ParseUint(flags, 16, 32)
		if err != nil || fl&routeUp == 0 || fl&routeReject != 0 {
			continue
		}
		m, err := strconv.ParseUint(metric, base, 32)
		if err == nil && (best == "" || m < lowest) {
			best, lowest = name, m
		}
	}
	return best
}
