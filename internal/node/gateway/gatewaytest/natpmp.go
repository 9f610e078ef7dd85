package gatewaytest

import (
	"encoding/binary"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// NATPMPBehaviour is what a test may change while a NATPMP server runs. The
// zero value follows RFC 6886.
type NATPMPBehaviour struct {
	Silent     bool
	ResultCode uint16            // of every reply
	Garbage    []byte            // sent before every reply
	Taken      map[uint16]uint16 // ports of others, and what is offered instead
	DropFirst  int               // requests to lose
}

// NATPMP is a simulated NAT-PMP router (RFC 6886).
type NATPMP struct {
	conn    *net.UDPConn
	running sync.WaitGroup

	mu        sync.Mutex // guards what follows
	behaviour NATPMPBehaviour
	external  netip.Addr
	entries   []Entry
	started   time.Time
	requests  int
}

// StartNATPMP starts a router at an address of this machine, 127.0.0.1 and a
// free port by default. The caller closes it.
func StartNATPMP(at netip.AddrPort) (*NATPMP, error) {
	if !at.IsValid() {
		at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0)
	}
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
	if err != nil {
		return nil, err
	}
	// A router that has been up for a while.
	s := &NATPMP{conn: conn, external: netip.AddrFrom4([4]byte{198, 51, 100, 7}), started: time.Now().Add(-time.Hour)}
	s.running.Go(s.serve)
	return s, nil
}

// Close stops the router and waits for its goroutine.
func (s *NATPMP) Close() error {
	err := s.conn.Close()
	s.running.Wait()
	return err
}

// Addr is where the router listens.
func (s *NATPMP) Addr() netip.AddrPort { return s.conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// Set changes the behaviour.
func (s *NATPMP) Set(change func(*NATPMPBehaviour)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&s.behaviour)
}

// SetExternal changes the external address.
func (s *NATPMP) SetExternal(a netip.Addr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.external = a
}

// Restart loses all mappings and starts the router's clock at 0.
func (s *NATPMP) Restart() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entries, s.started = nil, time.Now()
}

// Entries returns the mappings, in the order in which they were made.
func (s *NATPMP) Entries() []Entry {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.entries)
}

// Requests returns how many requests came.
func (s *NATPMP) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

func (s *NATPMP) serve() {
	buf := make([]byte, 64)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		reply, garbage := s.answer(buf[:n], from.Addr().Unmap())
		if garbage != nil {
			_, _ = s.conn.WriteToUDPAddrPort(garbage, from)
		}
		if reply != nil {
			_, _ = s.conn.WriteToUDPAddrPort(reply, from)
		}
	}
}

func (s *NATPMP) answer(request []byte, from netip.Addr) (reply, garbage []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	b := s.behaviour
	if b.DropFirst > 0 {
		s.behaviour.DropFirst--
		return nil, nil
	}
	if b.Silent || len(request) < 2 || request[0] != 0 || request[1] > 2 {
		return nil, nil
	}
	reply = binary.BigEndian.AppendUint16([]byte{0, 128 | request[1]}, b.ResultCode)
	reply = binary.BigEndian.AppendUint32(reply, uint32(time.Since(s.started)/time.Second))
	switch {
	case request[1] == 0:
		a := s.external.As4()
		return append(reply, a[:]...), b.Garbage
	case len(request) != 12:
		return nil, b.Garbage
	}
	internal, port, lease := binary.BigEndian.Uint16(request[4:]), binary.BigEndian.Uint16(request[6:]), binary.BigEndian.Uint32(request[8:])
	protocol := "UDP"
	if request[1] == 2 {
		protocol = "TCP"
	}
	if other, ok := b.Taken[port]; ok && lease > 0 {
		port = other
	}
	s.entries = slices.DeleteFunc(s.entries, func(e Entry) bool {
		return e.Internal == internal && e.Protocol == protocol && e.Client == from.String()
	})
	if lease > 0 && b.ResultCode == 0 {
		s.entries = append(s.entries, Entry{Port: port, Protocol: protocol, Internal: internal, Client: from.String(), Lease: lease})
	}
	reply = binary.BigEndian.AppendUint16(reply, internal)
	reply = binary.BigEndian.AppendUint16(reply, port)
	return binary.BigEndian.AppendUint32(reply, lease), b.Garbage
}
