package reach

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// maxAnswer bounds what is read of an answer, head and body each, in bytes.
const maxAnswer = 64 << 10

// errRefusedAddress is an address that must not be dialled.
var errRefusedAddress = errors.New("not a routable IPv4 address")

// outbound makes every connection of this package.
type outbound struct {
	allow func(netip.Addr) bool
	http  *http.Client
	// open is how a connection is made once its address has been checked.
	open func(ctx context.Context, network, address string) (net.Conn, error)
}

func newOutbound(allow func(netip.Addr) bool) *outbound {
	if allow == nil {
		allow = Routable
	}
	o := &outbound{allow: allow}
	// The check sits where the socket is made: no spelling, name or redirect
	// leads past it.
	d := &net.Dialer{Resolver: noResolver(), ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return o.check(ap.Addr())
	}}
	o.open = d.DialContext
	o.http = &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				return o.open(ctx, network, address)
			},
			DisableKeepAlives:      true, // a target is asked once
			DisableCompression:     true, // so that a small answer stays small
			MaxResponseHeaderBytes: maxAnswer,
		},
	}
	return o
}

// noResolver fails every look-up of a name.
func noResolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		return nil, errRefusedAddress
	}}
}

func (o *outbound) check(ip netip.Addr) error {
	if ip = ip.Unmap(); !o.allow(ip) {
		return fmt.Errorf("%s: %w", ip, errRefusedAddress)
	}
	return nil
}

// touch opens a connection of network "tcp4" or "udp4" within d, writes send
// to it, and closes it.
func (o *outbound) touch(ctx context.Context, network string, to netip.AddrPort, d time.Duration, send string) error {
	if err := o.check(to.Addr()); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	c, err := o.open(ctx, network, to.String())
	if err != nil {
		return err
	}
	defer c.Close()
	if send == "" {
		return nil
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := c.SetDeadline(deadline); err != nil {
			return err
		}
	}
	_, err = io.WriteString(c, send)
	return err
}

// get returns the body of a 2xx answer of at most maxAnswer bytes within d.
// path begins with a slash and may have a query.
func (o *outbound) get(ctx context.Context, from netip.AddrPort, path string, d time.Duration) ([]byte, error) {
	if err := o.check(from.Addr()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+from.String()+path, nil)
	if err != nil {
		return nil, err
	}
	res, err := o.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return nil, fmt.Errorf("answer %d", res.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("answer longer than %d bytes", maxAnswer)
	}
	return body, nil
}
