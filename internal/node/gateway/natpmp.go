package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// natpmpFirstWait is the wait before a request is repeated, which doubles each
// time (RFC 6886 section 3.1).
const natpmpFirstWait = 250 * time.Millisecond

// epochSlack is how much a router's clock may be behind its promise before it
// counts as restarted (RFC 6886 section 3.6).
const epochSlack = 2 * time.Second

// natpmp is a router that speaks NAT-PMP. It shows no mapping but those that it
// is asked for, so what is ours is what the ledger holds. Its calls are made
// one at a time by the Gateway that owns it.
type natpmp struct {
	at       netip.AddrPort
	local    netip.Addr
	callTime time.Duration
	finite   time.Duration
	ledger   *ledger
	now      func() time.Time

	epoch time.Duration // of the last reply, at heard
	heard time.Time     // zero: no reply yet
	lost  time.Time     // mappings made before are gone
}

// openNATPMP returns the router at an address if it answers.
func (c Config) openNATPMP(ctx context.Context, router, local netip.Addr, l *ledger) (*natpmp, error) {
	if err := c.checkRouter(router, local); err != nil {
		return nil, err
	}
	r := &natpmp{at: netip.AddrPortFrom(router, c.NATPMPPort), local: local, callTime: c.CallTime, finite: c.finiteLease(), ledger: l, now: c.Now}
	if _, err := r.external(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// exchange sends a request until a reply comes, callTime at most.
func (r *natpmp) exchange(ctx context.Context, request []byte) (pmpReply, error) {
	op := request[1]
	ctx, cancel := context.WithTimeout(ctx, r.callTime)
	defer cancel()
	// A connected socket takes packets of the router's address and port only.
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.local, 0)), net.UDPAddrFromAddrPort(r.at))
	if err != nil {
		return pmpReply{}, unreachable(operationName(op), err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()

	var buf [64]byte
	for wait := natpmpFirstWait; ; wait *= 2 {
		if _, err := conn.Write(request); err != nil {
			return pmpReply{}, unreachable(operationName(op), err)
		}
		if err := conn.SetReadDeadline(time.Now().Add(wait)); err != nil {
			return pmpReply{}, unreachable(operationName(op), err)
		}
		for {
			if ctx.Err() != nil {
				return pmpReply{}, unreachable(operationName(op), context.Cause(ctx))
			}
			n, err := conn.Read(buf[:])
			if isTimeout(err) {
				break
			}
			if err != nil {
				return pmpReply{}, unreachable(operationName(op), err)
			}
			reply, err := parseNATPMP(op, buf[:n])
			if errors.Is(err, errNotReply) {
				continue
			}
			if err == nil {
				r.hear(reply.epoch)
			}
			return reply, err
		}
	}
}

// hear compares the router's clock with what it should say by now; one that
// is behind has lost its mappings (RFC 6886 section 3.6).
func (r *natpmp) hear(epoch time.Duration) {
	now := r.now()
	if !r.heard.IsZero() && epoch+epochSlack < r.epoch+now.Sub(r.heard)*7/8 {
		r.lost = now
	}
	r.epoch, r.heard = epoch, now
}

func (r *natpmp) describe() Device {
	return Device{Protocol: ProtocolNATPMP, Router: r.at.Addr(), LocalIP: r.local, URL: "nat-pmp://" + r.at.String(), Services: []string{}}
}

func (r *natpmp) external(ctx context.Context) (netip.Addr, error) {
	reply, err := r.exchange(ctx, externalRequest())
	if err != nil {
		return netip.Addr{}, err
	}
	return parseExternal(reply.external.String())
}

// add maps a port. A router that offers another port than the one asked for
// has given that one to somebody; its offer is returned to it.
func (r *natpmp) add(ctx context.Context, want Mapping) (Mapping, error) {
	lease := want.Lease
	if lease == 0 {
		lease = r.finite // 0 would remove the mapping
	}
	op := mapOperation(want.Protocol)
	reply, err := r.exchange(ctx, mapRequest(op, want.Port, want.Port, lease))
	if err != nil {
		return Mapping{}, err
	}
	if reply.internal != want.Port || reply.lease == 0 {
		return Mapping{}, fmt.Errorf("%w (%s)", ErrNotVerified, want.key())
	}
	if reply.mapped != want.Port {
		if _, err := r.exchange(ctx, mapRequest(op, want.Port, 0, 0)); err != nil {
			return Mapping{}, errors.Join(taken(want.key(), "the gateway doesn't say whom"), err)
		}
		return Mapping{}, taken(want.key(), "the gateway doesn't say whom")
	}
	return Mapping{
		Port: want.Port, Protocol: want.Protocol, Description: want.Description, Lease: reply.lease,
		Client: r.local, InternalPort: want.Port, Enabled: true, Local: true,
	}, nil
}

// remove removes a mapping that this process made. Others may be those of
// another program on this host, and end by themselves with their lease.
func (r *natpmp) remove(ctx context.Context, k key) error {
	if _, ok := r.ledger.get(k); !ok {
		return nil
	}
	_, err := r.exchange(ctx, mapRequest(mapOperation(k.protocol), k.port, 0, 0))
	return err
}

// list returns what this process made and what has not run out.
func (r *natpmp) list(context.Context) ([]Mapping, error) {
	all, now := []Mapping{}, r.now()
	for _, h := range r.ledger.all() {
		left := h.expires.Sub(now)
		if h.expires.IsZero() || left <= 0 {
			continue
		}
		m := h.made
		m.Lease = left
		all = append(all, m)
	}
	return all, nil
}

// has asks for the router's clock, which tells whether it was restarted.
func (r *natpmp) has(ctx context.Context, k key) (bool, error) {
	if _, err := r.exchange(ctx, externalRequest()); err != nil {
		return false, err
	}
	h, ok := r.ledger.get(k)
	return ok && !h.at.Before(r.lost) && r.now().Before(h.expires), nil
}
