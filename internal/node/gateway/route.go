package gateway

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Flags of a line of /proc/net/route, from the kernel's route.h.
const (
	routeUp      = 0x1
	routeGateway = 0x2
)

// maxRoutes bounds how much of a routing table is read, in bytes. A full table
// of the Internet has its default route first or doesn't need one.
const maxRoutes = 1 << 20

// errNoRoute means that there is no default route over a gateway.
var errNoRoute = errors.New("there is no default route")

// defaultRoute returns the gateway of the default route with the lowest metric
// from a table in the form of /proc/net/route: a line of titles, then lines of
// fields separated by blanks, with addresses in hexadecimal and in the byte
// order of the machine. Lines that can't be read are passed over.
func defaultRoute(table io.Reader) (netip.Addr, error) {
	best, lowest := netip.Addr{}, uint64(math.MaxUint64)
	lines := bufio.NewScanner(io.LimitReader(table, maxRoutes))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 8 {
			continue
		}
		destination, err1 := strconv.ParseUint(f[1], 16, 32)
		via, err2 := strconv.ParseUint(f[2], 16, 32)
		flags, err3 := strconv.ParseUint(f[3], 16, 16)
		metric, err4 := strconv.ParseUint(f[6], 10, 32)
		mask, err5 := strconv.ParseUint(f[7], 16, 32)
		if errors.Join(err1, err2, err3, err4, err5) != nil {
			continue
		}
		if destination != 0 || mask != 0 || via == 0 || flags&routeUp == 0 || flags&routeGateway == 0 || metric >= lowest {
			continue
		}
		var b [4]byte
		binary.NativeEndian.PutUint32(b[:], uint32(via))
		best, lowest = netip.AddrFrom4(b), metric
	}
	if err := lines.Err(); err != nil {
		return netip.Addr{}, fmt.Errorf("read the routing table: %w", err)
	}
	if !best.IsValid() {
		return netip.Addr{}, errNoRoute
	}
	return best, nil
}

// router returns the address where a router is expected: the configured one,
// else the default route's.
func (c Config) router() (netip.Addr, error) {
	if c.Router.IsValid() {
		return c.Router, nil
	}
	f, err := os.Open(c.Routes)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("read the routing table: %w", err)
	}
	defer f.Close()
	return defaultRoute(f)
}

// localTowards returns the configured address of this node, else the one that
// packets to an address leave from. It sends nothing.
func (c Config) localTowards(to netip.AddrPort) (netip.Addr, error) {
	if c.LocalIP.IsValid() {
		return c.LocalIP, nil
	}
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return netip.Addr{}, fmt.Errorf("find the local address towards %v: %w", to.Addr(), err)
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}

// carrierNAT is RFC 6598's range for routers of carriers.
var carrierNAT = netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64, 0, 0}), 10)

// public reports whether an address is one of the Internet's.
func public(a netip.Addr) bool {
	return a.IsGlobalUnicast() && !a.IsPrivate() && !carrierNAT.Contains(a)
}

// checkRouter refuses addresses where no router of ours can be: anything but
// the configured one, else anything that isn't on a local network. Loopback is
// a local network only for a node that lives on loopback.
func (c Config) checkRouter(a, local netip.Addr) error {
	switch {
	case c.Router.IsValid() && a != c.Router:
		return fmt.Errorf("%v is not the configured router %v", a, c.Router)
	case c.Router.IsValid():
		return nil
	case !a.Is4() || !a.IsPrivate() && !a.IsLinkLocalUnicast() && !a.IsLoopback() && !carrierNAT.Contains(a):
		return fmt.Errorf("%v is not an address of a local network", a)
	case a.IsLoopback() && !local.IsLoopback():
		return fmt.Errorf("%v is this machine", a)
	}
	return nil
}
