package reach

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// DefaultAPIPort is the API port of an address that names none.
const DefaultAPIPort = 16127

// The other ports of a node, seen from its API port.
const (
	uiOffset        = -1
	syncthingOffset = 2
)

// APIPorts are the API ports the network knows.
func APIPorts() []uint16 {
	return []uint16{16127, 16137, 16147, 16157, 16167, 16177, 16187, 16197}
}

// Address is the API address of a node. Two texts that mean the same node give
// equal Addresses, so they can be compared with == and be keys. The zero
// Address is no node.
type Address struct {
	IP   netip.Addr // IPv4
	Port uint16
}

// ParseAddress reads "ip" or "ip:port"; no port, or an empty one, means
// DefaultAPIPort. The IP is IPv4 in dotted decimal whose first octet isn't 0.
func ParseAddress(text string) (Address, error) {
	host, port, _ := strings.Cut(text, ":")
	ip, err := parseIPv4(host)
	if err != nil {
		return Address{}, fmt.Errorf("node address %.64q: %w", text, err)
	}
	a := Address{IP: ip, Port: DefaultAPIPort}
	if port != "" {
		n, err := parsePort(port)
		if err != nil {
			return Address{}, fmt.Errorf("node address %.64q: %w", text, err)
		}
		a.Port = n
	}
	return a, nil
}

// String is the short form that the chain daemon uses: without the port when
// it is DefaultAPIPort. ParseAddress reads it back.
func (a Address) String() string {
	if a.Port == DefaultAPIPort {
		return a.IP.String()
	}
	return a.Full()
}

// Full is "ip:port", always with the port.
func (a Address) Full() string { return netip.AddrPortFrom(a.IP, a.Port).String() }

// at is the address of another port of the node.
func (a Address) at(offset int) netip.AddrPort {
	return netip.AddrPortFrom(a.IP, uint16(int(a.Port)+offset))
}

func (a Address) hasAPIPort() bool { return slices.Contains(APIPorts(), a.Port) }

// parseIPv4 takes digits and dots only: what it refuses might be resolved as a
// name elsewhere, or be another spelling of an address that is refused.
func parseIPv4(text string) (netip.Addr, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil || !ip.Is4() || ip.As4()[0] == 0 {
		return netip.Addr{}, fmt.Errorf("%.64q is not an IPv4 address such as 203.0.113.7", text)
	}
	return ip, nil
}

func parsePort(text string) (uint16, error) {
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("port %.16q is not a number from 1 to 65535", text)
	}
	return uint16(n), nil
}

// Outpoint names the transaction output that is a node's collateral.
type Outpoint struct {
	Hash  string // transaction id, 64 lower-case hex digits
	Index uint32
}

// ParseOutpoint reads the chain daemon's form, "COutPoint(<txid>, <index>)".
func ParseOutpoint(text string) (Outpoint, error) {
	inner, ok := strings.CutPrefix(text, "COutPoint(")
	inner, closed := strings.CutSuffix(inner, ")")
	hash, index, two := strings.Cut(inner, ",")
	n, err := strconv.ParseUint(strings.TrimSpace(index), 10, 32)
	if !ok || !closed || !two || err != nil || !isTxID(hash) {
		return Outpoint{}, fmt.Errorf("collateral %.120q is not of the form COutPoint(<64 hex digits>, <index>)", text)
	}
	return Outpoint{Hash: hash, Index: uint32(n)}, nil
}

func isTxID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// String writes the chain daemon's form.
func (o Outpoint) String() string {
	return "COutPoint(" + o.Hash + ", " + strconv.FormatUint(uint64(o.Index), 10) + ")"
}
