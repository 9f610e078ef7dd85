package gateway

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/huin/goupnp"
	"github.com/huin/goupnp/dcps/internetgateway2"
	"github.com/huin/goupnp/soap"
)

const (
	// maxDescription bounds a device's description, maxAnswer the answer to
	// one call, in bytes. Real ones have some 5 KiB and 1 KiB.
	maxDescription = 256 << 10
	maxAnswer      = 64 << 10
	// maxHeader bounds the header of an HTTP response, in bytes.
	maxHeader = 16 << 10
	// maxServices bounds how many services of one device are tried.
	maxServices = 8
)

// connection is what the services that map ports have in common; the types
// that goupnp generates from the service descriptions satisfy it.
type connection interface {
	AddPortMappingCtx(ctx context.Context, remote string, port uint16, protocol string, internalPort uint16, client string, enabled bool, description string, lease uint32) error
	DeletePortMappingCtx(ctx context.Context, remote string, port uint16, protocol string) error
	GetSpecificPortMappingEntryCtx(ctx context.Context, remote string, port uint16, protocol string) (internalPort uint16, client string, enabled bool, description string, lease uint32, err error)
	GetGenericPortMappingEntryCtx(ctx context.Context, index uint16) (remote string, port uint16, protocol string, internalPort uint16, client string, enabled bool, description string, lease uint32, err error)
	GetExternalIPAddressCtx(ctx context.Context) (string, error)
}

// connectionServices are the services that map ports, best first.
var connectionServices = [...]string{
	internetgateway2.URN_WANIPConnection_2,
	internetgateway2.URN_WANIPConnection_1,
	internetgateway2.URN_WANPPPConnection_1,
}

func newConnection(service string, client goupnp.ServiceClient) connection {
	switch service {
	case internetgateway2.URN_WANIPConnection_2:
		return &internetgateway2.WANIPConnection2{ServiceClient: client}
	case internetgateway2.URN_WANIPConnection_1:
		return &internetgateway2.WANIPConnection1{ServiceClient: client}
	}
	return &internetgateway2.WANPPPConnection1{ServiceClient: client}
}

// errTooLong means that a device sent more than it may.
var errTooLong = errors.New("the answer is too long")

// newHTTPClient returns a client that can reach nothing but the router: it
// dials no other address, knows no proxy and follows no redirect, and no body
// it returns is longer than limit.
func newHTTPClient(router, local netip.Addr, limit int64) http.Client {
	dialer := net.Dialer{
		LocalAddr: net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0)),
		Control: func(_, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			if to.Addr().Unmap() != router {
				return fmt.Errorf("refusing to dial %v: it is not the router %v", to.Addr(), router)
			}
			return nil
		},
	}
	return http.Client{
		Transport: limited{&http.Transport{
			DialContext:            dialer.DialContext,
			DisableKeepAlives:      true, // routers serve few connections
			DisableCompression:     true, // what is read is what was sent
			MaxResponseHeaderBytes: maxHeader,
		}, limit},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return errors.New("the device redirects, which is refused")
		},
	}
}

// limited fails the reading of a body after limit bytes.
type limited struct {
	http.RoundTripper
	limit int64
}

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if resp.ContentLength > l.limit {
		resp.Body.Close()
		return nil, errTooLong
	}
	resp.Body = &limitedBody{resp.Body, l.limit}
	return resp, nil
}

type limitedBody struct {
	io.ReadCloser
	left int64
}

func (b *limitedBody) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.ReadCloser.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	return n, err
}

// fetchDevice returns the description of the device at a URL that was checked.
func fetchDevice(ctx context.Context, at *url.URL, router, local netip.Addr, callTime time.Duration) (*goupnp.RootDevice, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("fetch the description of %v: %w", router, err)
	}
	client := newHTTPClient(router, local, maxDescription)
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("fetch the description of %v: %w", router, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("fetch the description of %v: status %d", router, resp.StatusCode)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("fetch the description of %v: %w", router, err)
	}
	root, err := parseDevice(body, at)
	if err != nil {
		return nil, fmt.Errorf("description of %v: %w", router, err)
	}
	return root, nil
}

// parseDevice reads a device description (UPnP Device Architecture 1.1,
// section 2.3) and resolves its URLs.
func parseDevice(body []byte, at *url.URL) (*goupnp.RootDevice, error) {
	decoder := xml.NewDecoder(bytes.NewReader(body))
	decoder.DefaultSpace = goupnp.DeviceXMLNamespace
	decoder.CharsetReader = latin1
	root := new(goupnp.RootDevice)
	if err := decoder.Decode(root); err != nil {
		return nil, err
	}
	base := at
	if root.URLBaseStr != "" {
		var err error
		if base, err = url.Parse(strings.TrimSpace(root.URLBaseStr)); err != nil {
			return nil, fmt.Errorf("URLBase: %w", err)
		}
	}
	root.SetURLBase(base)
	return root, nil
}

// latin1 reads the one character set other than UTF-8 that routers declare.
func latin1(charset string, in io.Reader) (io.Reader, error) {
	switch strings.ToLower(charset) {
	case "iso-8859-1", "us-ascii", "windows-1252":
	default:
		return nil, fmt.Errorf("character set %.40q is not known", charset)
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return nil, err
	}
	wide := make([]rune, len(b))
	for i, c := range b {
		wide[i] = rune(c)
	}
	return strings.NewReader(string(wide)), nil
}

// openIGD fetches the description of a candidate and returns it as a router
// when one of its services maps ports. Of several it takes the one that is
// connected, which is the one with an external address.
func (c Config) openIGD(ctx context.Context, found candidate, local netip.Addr, l *ledger) (*igd, error) {
	root, err := fetchDevice(ctx, found.location, found.from, local, c.CallTime)
	if err != nil {
		return nil, err
	}
	var (
		fallback *igd
		failures []error
		tried    int
	)
	for _, kind := range connectionServices {
		for _, service := range root.Device.FindService(kind) {
			if tried++; tried > maxServices {
				break
			}
			control := service.ControlURL.URL
			if !service.ControlURL.Ok {
				failures = append(failures, fmt.Errorf("the control URL of %s can't be read", kind))
				continue
			}
			if err := checkURL(&control, found.from); err != nil {
				failures = append(failures, err)
				continue
			}
			r := &igd{
				local: local, device: describeIGD(root, found, local), callTime: c.CallTime, finite: c.finiteLease(), ledger: l,
				wan: newConnection(kind, goupnp.ServiceClient{
					SOAPClient: &soap.SOAPClient{EndpointURL: control, HTTPClient: newHTTPClient(found.from, local, maxAnswer)},
					RootDevice: root, Location: found.location, Service: service,
				}),
			}
			_, err := r.external(ctx)
			if err == nil {
				return r, nil
			}
			failures = append(failures, err)
			if fallback == nil && !errors.Is(err, ErrUnreachable) {
				fallback = r
			}
		}
	}
	switch {
	case fallback != nil:
		return fallback, nil
	case len(failures) > 0:
		return nil, errors.Join(failures...)
	}
	return nil, fmt.Errorf("the device at %v has no service that maps ports", found.from)
}

func describeIGD(root *goupnp.RootDevice, found candidate, local netip.Addr) Device {
	d := Device{
		Protocol: ProtocolUPnP, Router: found.from, LocalIP: local, URL: foreign(found.location.String()), Services: []string{},
		Name: foreign(root.Device.FriendlyName), Manufacturer: foreign(root.Device.Manufacturer), Model: foreign(root.Device.ModelName),
	}
	for _, kind := range connectionServices {
		if len(root.Device.FindService(kind)) > 0 {
			d.Services = append(d.Services, kind)
		}
	}
	return d
}
