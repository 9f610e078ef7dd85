package gatewaytest

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Entry is one mapping of a simulated router.
type Entry struct {
	Remote      string
	Port        uint16
	Protocol    string // TCP or UDP
	Internal    uint16
	Client      string
	Disabled    bool
	Description string
	Lease       uint32 // seconds, 0 for ever
}

// IGDOptions are fixed when an IGD is started. The zero value is a device of
// version 1 on 127.0.0.1 with free ports.
type IGDOptions struct {
	Addr netip.Addr // of the device, 127.0.0.1 by default
	// SSDP is where searches are taken: a multicast group, joined on
	// Interface, or an address of this machine. By default a free port of Addr.
	SSDP      netip.AddrPort
	Interface string
	Version   int  // of the device and its service: 1 (default) or 2
	PPP       bool // offer WANPPPConnection instead of WANIPConnection
	External  netip.Addr
}

// Behaviour is what a test may change while an IGD runs. The zero value follows
// the specification.
type Behaviour struct {
	Silent            bool         // answers no search
	Location          string       // announced instead of the true one
	Describe          http.Handler // answers for the description instead
	Control           http.Handler // answers for every call instead
	RefusePermanent   int          // error code for a lease of 0, 0 accepts it
	OnlyPermanent     bool         // refuses other leases with 725
	OverwriteSilently bool         // gives a port of another host away
	NeverReplace      bool         // refuses with 718 even to renew
	NoSpecific        bool         // doesn't know GetSpecificPortMappingEntry
	BlindSpecific     bool         // answers it with 714 for every port
	DropDescriptions  bool         // keeps none
	Forgetful         bool         // accepts mappings and keeps none
	RepeatList        bool         // answers every index with the first entry
	ErrorInList       int          // error code past the end, 713 by default
}

// IGD is a simulated UPnP router.
type IGD struct {
	options IGDOptions
	udp     *net.UDPConn
	http    *http.Server
	listen  net.Listener
	running sync.WaitGroup

	mu        sync.Mutex // guards what follows
	behaviour Behaviour
	external  netip.Addr
	entries   []Entry
	calls     []string
	inFlight  int
	most      int
}

// StartIGD starts a router. The caller closes it.
func StartIGD(o IGDOptions) (*IGD, error) {
	if !o.Addr.IsValid() {
		o.Addr = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if !o.SSDP.IsValid() {
		o.SSDP = netip.AddrPortFrom(o.Addr, 0)
	}
	if !o.External.IsValid() {
		o.External = netip.AddrFrom4([4]byte{198, 51, 100, 7})
	}
	if o.Version == 0 {
		o.Version = 1
	}
	d := &IGD{options: o, external: o.External}
	var err error
	if d.listen, err = net.Listen("tcp4", netip.AddrPortFrom(o.Addr, 0).String()); err != nil {
		return nil, fmt.Errorf("listen for HTTP: %w", err)
	}
	if d.udp, err = listenSSDP(o); err != nil {
		d.listen.Close()
		return nil, fmt.Errorf("listen for searches: %w", err)
	}
	d.http = &http.Server{Handler: d.count(d.handler()), ReadTimeout: time.Minute}
	d.running.Go(func() { _ = d.http.Serve(d.listen) })
	d.running.Go(d.answerSearches)
	return d, nil
}

func listenSSDP(o IGDOptions) (*net.UDPConn, error) {
	addr := net.UDPAddrFromAddrPort(o.SSDP)
	if !o.SSDP.Addr().IsMulticast() {
		return net.ListenUDP("udp4", addr)
	}
	ifi, err := net.InterfaceByName(o.Interface)
	if err != nil {
		return nil, err
	}
	return net.ListenMulticastUDP("udp4", ifi, addr)
}

// Close stops the router, ends its connections and waits for its goroutines.
func (d *IGD) Close() error {
	err := errors.Join(d.udp.Close(), d.http.Close())
	d.running.Wait()
	return err
}

// SSDP is where searches have to be sent.
func (d *IGD) SSDP() netip.AddrPort {
	if d.options.SSDP.Addr().IsMulticast() {
		return d.options.SSDP
	}
	return d.udp.LocalAddr().(*net.UDPAddr).AddrPort()
}

// URL is where the router describes itself.
func (d *IGD) URL() string { return "http://" + d.listen.Addr().String() + descriptionPath }

// Service is the type of the service that maps ports.
func (d *IGD) Service() string {
	if d.options.PPP {
		return "urn:schemas-upnp-org:service:WANPPPConnection:1"
	}
	return fmt.Sprintf("urn:schemas-upnp-org:service:WANIPConnection:%d", d.options.Version)
}

// Set changes the behaviour.
func (d *IGD) Set(change func(*Behaviour)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	change(&d.behaviour)
}

func (d *IGD) behave() Behaviour {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.behaviour
}

// SetExternal changes the external address; the zero Addr is a router that
// isn't connected.
func (d *IGD) SetExternal(a netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.external = a
}

// Restart loses all mappings.
func (d *IGD) Restart() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = nil
}

// Put adds a mapping, as another host would.
func (d *IGD) Put(e Entry) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, e)
}

// Entries returns the mappings, by port.
func (d *IGD) Entries() []Entry {
	d.mu.Lock()
	defer d.mu.Unlock()
	sorted := slices.Clone(d.entries)
	slices.SortFunc(sorted, func(a, b Entry) int {
		if a.Port != b.Port {
			return int(a.Port) - int(b.Port)
		}
		return strings.Compare(a.Protocol, b.Protocol)
	})
	return sorted
}

// Calls returns the names of the calls so far.
func (d *IGD) Calls() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.calls)
}

// MostAtOnce returns how many HTTP requests were served at the same time at
// most.
func (d *IGD) MostAtOnce() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.most
}

func (d *IGD) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		d.mu.Lock()
		d.inFlight++
		d.most = max(d.most, d.inFlight)
		d.mu.Unlock()
		defer func() {
			d.mu.Lock()
			d.inFlight--
			d.mu.Unlock()
		}()
		next.ServeHTTP(w, r)
	})
}

// answerSearches replies to searches until the socket is closed.
func (d *IGD) answerSearches() {
	device := fmt.Sprintf("urn:schemas-upnp-org:device:InternetGatewayDevice:%d", d.options.Version)
	buf := make([]byte, 2048)
	for {
		n, from, err := d.udp.ReadFromUDPAddrPort(buf)
		if err != nil {
			return
		}
		b := d.behave()
		text := string(buf[:n])
		if b.Silent || !strings.HasPrefix(text, "M-SEARCH * HTTP/1.1\r\n") || !strings.Contains(text, `MAN: "ssdp:discover"`) {
			continue
		}
		location := b.Location
		if location == "" {
			location = d.URL()
		}
		for _, target := range []string{device, d.Service()} {
			if !strings.Contains(text, "\r\nST: "+target+"\r\n") {
				continue
			}
			reply := fmt.Sprintf("HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nEXT:\r\nLOCATION: %s\r\nSERVER: simulated UPnP/1.1\r\nST: %s\r\nUSN: uuid:simulated::%s\r\n\r\n", location, target, target)
			d.reply([]byte(reply), from)
		}
	}
}

// reply sends from the router's own address, also where searches are taken at
// a multicast group.
func (d *IGD) reply(packet []byte, to netip.AddrPort) {
	if !d.options.SSDP.Addr().IsMulticast() {
		_, _ = d.udp.WriteToUDPAddrPort(packet, to)
		return
	}
	conn, err := net.DialUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(d.options.Addr, 0)), net.UDPAddrFromAddrPort(to))
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = conn.Write(packet)
}
