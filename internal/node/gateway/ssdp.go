package gateway

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	// maxReply bounds one reply to a search; the specification's replies fit
	// in a packet of 1500 bytes.
	maxReply = 2048
	// maxCandidates bounds how many devices one search looks at, at the
	// preferred address and elsewhere, so that nobody crowds the router out.
	maxCandidates = 16
	// searchRounds is how often a search is sent, because UDP loses packets.
	searchRounds = 3
	// searchTTL is how many routers a search may cross (UPnP Device
	// Architecture 1.1, section 1.3.2).
	searchTTL = 2
)

// searchTargets are what a router may announce itself as: as a whole, or by
// one of the services that map ports.
var searchTargets = [...]string{
	"urn:schemas-upnp-org:device:InternetGatewayDevice:1",
	"urn:schemas-upnp-org:device:InternetGatewayDevice:2",
	"urn:schemas-upnp-org:service:WANIPConnection:1",
	"urn:schemas-upnp-org:service:WANIPConnection:2",
	"urn:schemas-upnp-org:service:WANPPPConnection:1",
}

// candidate is a device that says it is a router.
type candidate struct {
	from     netip.Addr // who sent the reply
	location *url.URL   // of its description, at the same address
}

// search asks for routers (SSDP, UPnP Device Architecture 1.1, section 1.3) and
// hands those that may be ours to try, which returns nil for one that is good.
// A device at the preferred address is tried at once, the others when
// SearchTime is over; without a preferred address all are tried at once. The
// error tells why there was no good one.
func (c Config) search(ctx context.Context, local, preferred netip.Addr, try func(context.Context, candidate) error) error {
	conn, err := c.listenForReplies(ctx, local)
	if err != nil {
		return err
	}
	defer conn.Close()
	end := time.Now().Add(c.SearchTime)
	if d, ok := ctx.Deadline(); ok && d.Before(end) {
		end = d
	}
	// A cancelled search ends at once, not at its deadline.
	defer context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })()

	var (
		failures []error
		tried    []candidate
		later    []candidate // all at the address in location, so that it tells them apart
		buf      [maxReply]byte
		sent     int
		next     = time.Now()
	)
	for {
		if sent < searchRounds && !time.Now().Before(next) {
			if err := c.sendSearch(conn); err != nil {
				return err
			}
			sent++
			next = next.Add(c.SearchTime / (searchRounds + 1))
		}
		wait := end
		if sent < searchRounds && next.Before(end) {
			wait = next
		}
		if err := conn.SetReadDeadline(wait); err != nil {
			return fmt.Errorf("wait for replies to the search: %w", err)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, from, err := conn.ReadFromUDPAddrPort(buf[:])
		if err != nil {
			if !time.Now().Before(end) {
				break
			}
			if errors.Is(err, syscall.ECONNREFUSED) || isTimeout(err) {
				continue
			}
			return fmt.Errorf("wait for replies to the search: %w", err)
		}
		location, err := parseReply(buf[:n])
		if err != nil {
			continue
		}
		found := candidate{from.Addr().Unmap(), location}
		same := func(other candidate) bool { return other.location.String() == location.String() }
		if err := c.checkCandidate(found, local); err != nil {
			if len(failures) < maxCandidates {
				failures = append(failures, err)
			}
			continue
		}
		if preferred.IsValid() && found.from != preferred {
			if len(later) < maxCandidates && !slices.ContainsFunc(later, same) {
				later = append(later, found)
			}
			continue
		}
		if len(tried) >= maxCandidates || slices.ContainsFunc(tried, same) {
			continue
		}
		tried = append(tried, found)
		if err := try(ctx, found); err != nil {
			failures = append(failures, err)
			continue
		}
		return nil
	}
	for _, found := range later {
		if err := try(ctx, found); err != nil {
			failures = append(failures, err)
			continue
		}
		return nil
	}
	if len(failures) == 0 {
		return errors.New("no device answered the search")
	}
	return errors.Join(failures...)
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// listenForReplies opens a socket whose multicasts leave by the interface of
// the local address.
func (c Config) listenForReplies(ctx context.Context, local netip.Addr) (*net.UDPConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		if err := raw.Control(func(fd uintptr) {
			failed = errors.Join(
				syscall.SetsockoptInet4Addr(int(fd), syscall.IPPROTO_IP, syscall.IP_MULTICAST_IF, local.As4()),
				syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_MULTICAST_TTL, searchTTL))
		}); err != nil {
			return err
		}
		return failed
	}}
	conn, err := lc.ListenPacket(ctx, "udp4", netip.AddrPortFrom(local, 0).String())
	if err != nil {
		return nil, fmt.Errorf("open a socket for the search at %v: %w", local, err)
	}
	return conn.(*net.UDPConn), nil
}

// sendSearch sends one search for each target, and to the configured router
// itself too: it may be out of reach of a multicast.
func (c Config) sendSearch(conn *net.UDPConn) error {
	to := []netip.AddrPort{c.SSDP}
	if c.Router.IsValid() && c.Router != c.SSDP.Addr() {
		to = append(to, netip.AddrPortFrom(c.Router, c.SSDP.Port()))
	}
	// Devices spread their replies over MX seconds, 1 at least.
	mx := max(1, int(c.SearchTime/time.Second)-1)
	for _, target := range searchTargets {
		for _, addr := range to {
			message := fmt.Sprintf("M-SEARCH * HTTP/1.1\r\nHOST: %s\r\nMAN: \"ssdp:discover\"\r\nMX: %d\r\nST: %s\r\n\r\n", addr, mx, target)
			_, err := conn.WriteToUDPAddrPort([]byte(message), addr)
			// The kernel reports the refusal of an earlier packet here.
			if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
				return fmt.Errorf("search at %v: %w", addr, err)
			}
		}
	}
	return nil
}

// parseReply reads a reply to a search and returns where the device describes
// itself. Replies of devices that aren't routers are errors.
func parseReply(packet []byte) (*url.URL, error) {
	reply, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(packet)), nil)
	if err != nil {
		return nil, fmt.Errorf("no reply to a search: %w", err)
	}
	defer reply.Body.Close()
	if reply.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("reply with status %d", reply.StatusCode)
	}
	if target := reply.Header.Get("ST"); !slices.Contains(searchTargets[:], target) {
		return nil, fmt.Errorf("reply for %.80q, which wasn't asked for", target)
	}
	location, err := url.Parse(strings.TrimSpace(reply.Header.Get("LOCATION")))
	if err != nil {
		return nil, fmt.Errorf("location of the description: %w", err)
	}
	return location, nil
}

// checkCandidate refuses a device that can't be our router or that describes
// itself somewhere else.
func (c Config) checkCandidate(found candidate, local netip.Addr) error {
	if err := c.checkRouter(found.from, local); err != nil {
		return fmt.Errorf("refused a device: %w", err)
	}
	return checkURL(found.location, found.from)
}

// checkURL refuses URLs that aren't plain HTTP on the router itself.
func checkURL(u *url.URL, router netip.Addr) error {
	host, err := netip.ParseAddr(u.Hostname())
	if u.Scheme != "http" || u.User != nil || err != nil || host.Unmap() != router {
		return fmt.Errorf("refused the URL %q of the device at %v: only http on that address is allowed", foreign(u.Redacted()), router)
	}
	return nil
}
