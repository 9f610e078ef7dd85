package chaincopy

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"syscall"
)

// link is an interface of the host.
type link struct {
	kind     string // of its driver: bridge, veth, vlan, …; "" for a device
	prefixes []netip.Prefix
}

// onPrivateNetwork reports whether another host has that address, on a private
// network (RFC 1918, RFC 4193) that an interface of this one belongs to. The
// networks of containers aren't meant: a bridge counts only if the host reaches
// the world through it.
func onPrivateNetwork(from netip.Addr) bool {
	if !from.Unmap().IsPrivate() {
		return false // without a look at the interfaces
	}
	links, err := hostLinks()
	return err == nil && reaches(links, sources(), from)
}

// reaches is onPrivateNetwork for a host with these links, which sends to the
// world from the addresses in out.
func reaches(links []link, out []netip.Addr, from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	if !from.IsPrivate() {
		return false
	}
	for _, l := range links {
		for _, p := range l.prefixes {
			if p.Addr() == from {
				return false // this host: who is behind a proxy isn't known
			}
		}
	}
	for _, l := range links {
		if l.kind == "bridge" && !slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return slices.Contains(out, p.Addr()) }) {
			continue
		}
		if slices.ContainsFunc(l.prefixes, func(p netip.Prefix) bool { return p.Addr().IsPrivate() && p.Contains(from) }) {
			return true
		}
	}
	return false
}

// hostLinks returns the interfaces that are up, except loopback and
// point-to-point ones.
func hostLinks() ([]link, error) {
	kinds, err := linkKinds()
	if err != nil {
		return nil, err
	}
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var out []link
	for _, i := range all {
		kind, known := kinds[i.Index]
		if !known || i.Flags&net.FlagUp == 0 || i.Flags&(net.FlagLoopback|net.FlagPointToPoint) != 0 {
			continue
		}
		addrs, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		l := link{kind: kind}
		for _, a := range addrs {
			if p, err := netip.ParsePrefix(a.String()); err == nil {
				l.prefixes = append(l.prefixes, netip.PrefixFrom(p.Addr().Unmap(), p.Bits()))
			}
		}
		out = append(out, l)
	}
	return out, nil
}

// sources are the addresses from which the host would send to the world. No
// packet is sent: connecting a UDP socket only chooses the route.
func sources() (out []netip.Addr) {
	for _, to := range []string{"192.0.2.1:9", "[2001:db8::1]:9"} { // reserved for documentation
		conn, err := net.Dial("udp", to)
		if err != nil {
			continue // no route
		}
		if a, ok := conn.LocalAddr().(*net.UDPAddr); ok {
			out = append(out, a.AddrPort().Addr().Unmap().WithZone(""))
		}
		conn.Close()
	}
	return out
}

// Attributes of a link in netlink's answer (linux/if_link.h).
const (
	iflaLinkInfo = 18
	iflaInfoKind = 1
)

// linkKinds returns the kinds of the host's interfaces by index.
func linkKinds() (map[int]string, error) {
	table, err := syscall.NetlinkRIB(syscall.RTM_GETLINK, syscall.AF_UNSPEC)
	if err != nil {
		return nil, err
	}
	messages, err := syscall.ParseNetlinkMessage(table)
	if err != nil {
		return nil, err
	}
	kinds := map[int]string{}
	for _, m := range messages {
		if m.Header.Type != syscall.RTM_NEWLINK || len(m.Data) < syscall.SizeofIfInfomsg {
			continue
		}
		attrs, err := syscall.ParseNetlinkRouteAttr(&m)
		if err != nil {
			return nil, err
		}
		kind := ""
		for _, a := range attrs {
			if a.Attr.Type&^nested == iflaLinkInfo {
				kind = infoKind(a.Value)
			}
		}
		kinds[int(int32(binary.NativeEndian.Uint32(m.Data[4:8])))] = kind
	}
	return kinds, nil
}

// nested marks an attribute that holds others (NLA_F_NESTED).
const nested = 0x8000

// infoKind finds the kind among the attributes of IFLA_LINKINFO.
func infoKind(b []byte) string {
	const head = 4 // length and type, two bytes each
	for len(b) >= head {
		length, typ := int(binary.NativeEndian.Uint16(b)), binary.NativeEndian.Uint16(b[2:])
		if length < head || length > len(b) {
			return ""
		}
		if typ&^nested == iflaInfoKind {
			kind := b[head:length]
			for len(kind) > 0 && kind[len(kind)-1] == 0 {
				kind = kind[:len(kind)-1]
			}
			return string(kind)
		}
		b = b[min((length+3)&^3, len(b)):]
	}
	return ""
}
