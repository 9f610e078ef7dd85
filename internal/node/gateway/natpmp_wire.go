package gateway

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"
)

// Operations and sizes of NAT-PMP, RFC 6886 section 3.
const (
	opExternal   = 0
	opMapUDP     = 1
	opMapTCP     = 2
	opReply      = 128
	sizeExternal = 12
	sizeMap      = 16
)

// natpmpResults are the words for the result codes of RFC 6886 section 3.5.
var natpmpResults = [...]string{"", "unsupported version", "not authorised", "network failure", "out of resources", "unsupported operation"}

// pmpReply is a reply of any kind; the fields of the other kind are zero.
type pmpReply struct {
	epoch    time.Duration // since the router lost its table
	external netip.Addr
	internal uint16
	mapped   uint16
	lease    time.Duration
}

func mapOperation(p Protocol) byte {
	if p == UDP {
		return opMapUDP
	}
	return opMapTCP
}

func operationName(op byte) string {
	if op == opExternal {
		return "NAT-PMP external address"
	}
	return "NAT-PMP mapping"
}

func externalRequest() []byte { return []byte{0, opExternal} }

// mapRequest asks for a mapping; a lease of 0 removes it.
func mapRequest(op byte, internal, suggested uint16, lease time.Duration) []byte {
	b := make([]byte, 12)
	b[1] = op
	binary.BigEndian.PutUint16(b[4:], internal)
	binary.BigEndian.PutUint16(b[6:], suggested)
	binary.BigEndian.PutUint32(b[8:], uint32(lease/time.Second))
	return b
}

// errNotReply means that a packet doesn't answer the request.
var errNotReply = errors.New("not a reply to this request")

// parseNATPMP reads the reply to an operation. A reply with a result code is an
// *ErrRefused, whatever its length; RFC 6886 allows it to be cut.
func parseNATPMP(op byte, packet []byte) (pmpReply, error) {
	if len(packet) < 4 || packet[0] != 0 || packet[1] != opReply|op {
		return pmpReply{}, errNotReply
	}
	if code := int(binary.BigEndian.Uint16(packet[2:])); code != 0 {
		text := ""
		if code < len(natpmpResults) {
			text = natpmpResults[code]
		}
		return pmpReply{}, &ErrRefused{Call: operationName(op), Code: code, Text: text}
	}
	size := sizeMap
	if op == opExternal {
		size = sizeExternal
	}
	if len(packet) != size {
		return pmpReply{}, fmt.Errorf("%w: %d bytes, not %d", errNotReply, len(packet), size)
	}
	r := pmpReply{epoch: time.Duration(binary.BigEndian.Uint32(packet[4:])) * time.Second}
	if op == opExternal {
		r.external = netip.AddrFrom4([4]byte(packet[8:12]))
		return r, nil
	}
	r.internal = binary.BigEndian.Uint16(packet[8:])
	r.mapped = binary.BigEndian.Uint16(packet[10:])
	r.lease = time.Duration(binary.BigEndian.Uint32(packet[12:])) * time.Second
	return r, nil
}
