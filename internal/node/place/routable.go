package place

import "net/netip"

// unroutable are the ranges that no node can be reached at from outside, with
// the words that tell an operator why. 198.18.0.0/15 is missing on purpose: the
// network's own rule takes it for routable, and test networks live there.
var unroutable = []struct {
	prefix netip.Prefix
	why    string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "it means this network (RFC 1122)"},
	{netip.MustParsePrefix("10.0.0.0/8"), "it is private (RFC 1918)"},
	{netip.MustParsePrefix("100.64.0.0/10"), "it is behind a provider's NAT (RFC 6598)"},
	{netip.MustParsePrefix("127.0.0.0/8"), "it is the loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "it is link-local (RFC 3927)"},
	{netip.MustParsePrefix("172.16.0.0/12"), "it is private (RFC 1918)"},
	{netip.MustParsePrefix("192.0.0.0/24"), "it is reserved for protocols (RFC 6890)"},
	{netip.MustParsePrefix("192.0.2.0/24"), "it is for documentation (RFC 5737)"},
	{netip.MustParsePrefix("192.168.0.0/16"), "it is private (RFC 1918)"},
	{netip.MustParsePrefix("198.51.100.0/24"), "it is for documentation (RFC 5737)"},
	{netip.MustParsePrefix("203.0.113.0/24"), "it is for documentation (RFC 5737)"},
	{netip.MustParsePrefix("224.0.0.0/4"), "it is multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "it is reserved (RFC 1112)"},
	{netip.MustParsePrefix("2001::/32"), "it is a Teredo tunnel (RFC 4380)"},
	{netip.MustParsePrefix("2001:db8::/32"), "it is for documentation (RFC 3849)"},
	{netip.MustParsePrefix("3fff::/20"), "it is for documentation (RFC 9637)"},
}

// globalUnicast is the part of IPv6 that is handed out (RFC 4291).
var globalUnicast = netip.MustParsePrefix("2000::/3")

// Unroutable says why nobody outside can reach addr, as the end of a sentence
// such as "it is private (RFC 1918)"; "" when somebody can. An IPv4 address
// written as an IPv6 one (::ffff:a.b.c.d) is judged as the IPv4 address.
func Unroutable(addr netip.Addr) string {
	addr = addr.Unmap()
	switch {
	case !addr.IsValid():
		return "it is no address"
	case addr.Zone() != "":
		return "it belongs to one link only"
	}
	for _, u := range unroutable {
		if u.prefix.Contains(addr) {
			return u.why
		}
	}
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return "it is no global unicast address (RFC 4291)"
	}
	return ""
}
