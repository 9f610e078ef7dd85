package privileged

import (
	"encoding/binary"
	"net"
	"net/netip"
	"reflect"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"
)

// register is the one netfilter register that our expressions use.
const register = unix.NFT_REG_1

// expressions returns what the kernel executes for a rule of one protocol:
// address, protocol, port, accept.
func expressions(r Rule, p Protocol) []expr.Any {
	var list []expr.Any
	if r.From.IsValid() {
		list = append(list, addressIs(r.From.Masked(), r.Direction)...)
	}
	number := byte(unix.IPPROTO_TCP)
	if p == UDP {
		number = unix.IPPROTO_UDP
	}
	list = append(list,
		&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{number}},
		// The destination port: octets 2 and 3 of a TCP and of a UDP header.
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseTransportHeader, Offset: 2, Len: 2})
	first, last := binary.BigEndian.AppendUint16(nil, r.Port), binary.BigEndian.AppendUint16(nil, r.last())
	if r.Port == r.last() {
		list = append(list, &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: first})
	} else {
		list = append(list, &expr.Range{Op: expr.CmpOpEq, Register: register, FromData: first, ToData: last})
	}
	return append(list, &expr.Verdict{Kind: expr.VerdictAccept})
}

// addressIs compares the source address of what comes in, or the destination
// of what goes out.
func addressIs(p netip.Prefix, d Direction) []expr.Any {
	family, length := byte(unix.NFPROTO_IPV4), uint32(net.IPv4len)
	source, destination := uint32(12), uint32(16) // RFC 791
	if p.Addr().Is6() {
		family, length = unix.NFPROTO_IPV6, net.IPv6len
		source, destination = 8, 24 // RFC 8200
	}
	offset := source
	if d == Out {
		offset = destination
	}
	list := []expr.Any{
		&expr.Meta{Key: expr.MetaKeyNFPROTO, Register: register},
		&expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: []byte{family}},
		&expr.Payload{DestRegister: register, Base: expr.PayloadBaseNetworkHeader, Offset: offset, Len: length},
	}
	if !p.IsSingleIP() {
		list = append(list, &expr.Bitwise{SourceRegister: register, DestRegister: register, Len: length,
			Mask: net.CIDRMask(p.Bits(), int(length)*8), Xor: make([]byte, length)})
	}
	return append(list, &expr.Cmp{Op: expr.CmpOpEq, Register: register, Data: p.Addr().AsSlice()})
}

// protocols returns the protocols for which a rule needs a rule of the kernel.
func (r Rule) protocols() []Protocol {
	if r.Protocol == Both {
		return []Protocol{TCP, UDP}
	}
	return []Protocol{r.Protocol}
}

// commentType is the type of a comment in a rule's user data, as nft writes it.
const commentType = 0

// maxComment is the longest comment that nft prints (NFTNL_UDATA_COMMENT_MAXLEN).
const maxComment = 128

// withComment returns user data that nft shows as the rule's comment.
func withComment(text string) []byte {
	data := append([]byte(text), 0)
	return append([]byte{commentType, byte(len(data))}, data...)
}

// comment returns the comment in user data: a sequence of type, length, value.
func comment(data []byte) (string, bool) {
	for len(data) >= 2 && len(data) >= 2+int(data[1]) {
		kind, value := data[0], data[2:2+int(data[1])]
		if kind == commentType {
			if n := len(value); n > 0 && value[n-1] == 0 {
				value = value[:n-1]
			}
			return string(value), true
		}
		data = data[2+len(value):]
	}
	return "", false
}

// fromKernel returns the rule that a rule of our chain was made from: its
// comment says which, and its expressions have to agree.
func fromKernel(k *nftables.Rule) (Rule, bool) {
	text, ok := comment(k.UserData)
	if !ok {
		return Rule{}, false
	}
	r, err := ParseRule(text)
	if err != nil {
		return Rule{}, false
	}
	for _, p := range r.protocols() {
		if reflect.DeepEqual(k.Exprs, expressions(r, p)) {
			return r, true
		}
	}
	return Rule{}, false
}
