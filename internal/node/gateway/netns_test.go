package gateway_test

import (
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/fluxosd/fluxosd/internal/node/gateway"
	"github.com/fluxosd/fluxosd/internal/node/gateway/gatewaytest"
	"github.com/fluxosd/fluxosd/internal/testproc"
)

// The network of the namespace: one interface with the addresses of the router
// and of the node, made to carry multicasts. It is the loopback interface
// because every kernel has that one.
const (
	namespaceInterface = "lo"
	namespaceRouter    = "192.168.77.1"
	namespaceNode      = "192.168.77.2"
	namespaceMoved     = "192.168.77.3"
)

// routeFrom is the command that makes an address the one that packets to the
// router leave from.
func routeFrom(address string) string {
	return "route replace local " + namespaceRouter + " dev " + namespaceInterface + " table local src " + address
}

// TestMulticastInANetworkNamespace finds a router by a true multicast at the
// true group and port, and follows the node to another address. It needs root,
// or a kernel that lets users make namespaces, and the ip command.
func TestMulticastInANetworkNamespace(t *testing.T) {
	if testproc.InNamespaces(t, unix.CLONE_NEWNET) {
		insideNamespace(t)
	}
}

func insideNamespace(t *testing.T) {
	ip := func(args string) {
		t.Helper()
		if out, err := exec.CommandContext(t.Context(), "ip", strings.Fields(args)...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", args, err, out)
		}
	}
	for _, args := range []string{
		"addr add " + namespaceRouter + "/24 dev " + namespaceInterface,
		"addr add " + namespaceNode + "/24 dev " + namespaceInterface,
		"link set " + namespaceInterface + " multicast on up",
		"addr add " + namespaceMoved + "/24 dev " + namespaceInterface,
		"route add 239.0.0.0/8 dev " + namespaceInterface,
		routeFrom(namespaceNode),
	} {
		ip(args)
	}
	d, err := gatewaytest.StartIGD(gatewaytest.IGDOptions{
		Addr: netip.MustParseAddr(namespaceRouter), SSDP: netip.MustParseAddrPort("239.255.255.250:1900"), Interface: namespaceInterface, Version: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	c := gateway.Config{APIPort: apiPort, Router: netip.MustParseAddr(namespaceRouter), Spacing: time.Millisecond, CheckEvery: 10 * time.Millisecond}
	g := open(t, c)
	info, err := g.Detect(t.Context())
	if err != nil || info.Router.String() != namespaceRouter || info.LocalIP.String() != namespaceNode || info.Protocol != gateway.ProtocolUPnP {
		t.Fatalf("%+v, %v", info, err)
	}
	k, _ := serve(t, g)
	eventually(t, "available", func() bool { return k.Status().Available })
	if diff := cmp.Diff(nodePorts, ports(d.Entries())); diff != "" {
		t.Error(diff)
	}
	ip(routeFrom(namespaceMoved))
	eventually(t, "moved", func() bool {
		all := d.Entries()
		return len(all) == len(nodePorts) && !slices.ContainsFunc(all, func(e gatewaytest.Entry) bool { return e.Client != namespaceMoved })
	})

	// NAT-PMP where RFC 6886 has it.
	s, err := gatewaytest.StartNATPMP(netip.MustParseAddrPort(namespaceRouter + ":5351"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	c.Mode = gateway.NATPMP
	if err := open(t, c).Map(t.Context(), api()); err != nil {
		t.Fatal(err)
	}
	if all := s.Entries(); len(all) != 1 || all[0].Client != namespaceMoved {
		t.Errorf("NAT-PMP mappings %v", all)
	}
}
