package chaincopy

import (
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/fluxosd/fluxosd/internal/testproc"
)

func TestWhoIsOnAPrivateNetworkOfTheHost(t *testing.T) {
	prefix := netip.MustParsePrefix
	lan := link{prefixes: []netip.Prefix{prefix("192.168.1.10/24"), prefix("fd00:1::10/64"), prefix("fe80::1/64"), prefix("2001:db8:1::10/64")}}
	public := link{prefixes: []netip.Prefix{prefix("203.0.113.5/24")}}
	docker := link{kind: "bridge", prefixes: []netip.Prefix{prefix("172.17.0.1/16"), prefix("10.9.0.1/24")}}
	vlan := link{kind: "vlan", prefixes: []netip.Prefix{prefix("10.1.0.2/16")}}
	all := []link{lan, public, docker, vlan}
	world := []netip.Addr{netip.MustParseAddr("192.168.1.10")}
	for _, c := range []struct {
		from  string
		links []link
		out   []netip.Addr
		want  bool
	}{
		{"192.168.1.77", all, world, true},
		{"::ffff:192.168.1.77", all, world, true},
		{"fd00:1::77", all, world, true},
		{"fd00:1::77%eth0", all, world, true},
		{"10.1.255.1", all, world, true},
		{"192.168.2.77", all, world, false},             // another network
		{"fd00:2::77", all, world, false},               //
		{"192.168.1.10", all, world, false},             // this host
		{"172.17.0.1", all, world, false},               //
		{"172.17.0.2", all, world, false},               // a container
		{"10.9.0.2", all, world, false},                 //
		{"203.0.113.6", all, world, false},              // not private
		{"2001:db8:1::77", all, world, false},           //
		{"fe80::77", all, world, false},                 //
		{"127.0.0.1", all, world, false},                //
		{"100.64.0.1", all, world, false},               //
		{"169.254.0.9", all, world, false},              //
		{"192.168.1.77", nil, world, false},             // no network
		{"192.168.1.77", []link{public}, world, false},  //
		{"192.168.1.77", []link{docker}, world, false},  //
		{"172.17.0.2", []link{docker}, nil, false},      //
		{"172.17.0.2", []link{docker}, docker1(), true}, // a bridge that is the way out
		{"10.9.0.2", []link{docker}, docker1(), true},   //
		{"10.9.0.1", []link{docker}, docker1(), false},  // this host
	} {
		if got := reaches(c.links, c.out, netip.MustParseAddr(c.from)); got != c.want {
			t.Errorf("%s on %v: %v, want %v", c.from, c.links, got, c.want)
		}
	}
	if reaches(all, world, netip.Addr{}) || onPrivateNetwork(netip.Addr{}) {
		t.Error("no address is on a network")
	}
}

func docker1() []netip.Addr { return []netip.Addr{netip.MustParseAddr("172.17.0.1")} }

func TestKindOfALink(t *testing.T) {
	for _, c := range []struct{ name, b, want string }{
		{"kind", "\x0b\x00\x01\x00bridge\x00\x00", "bridge"},
		{"no end", "\x08\x00\x01\x00veth", "veth"},
		{"after another", "\x05\x00\x02\x00x\x00\x00\x00\x08\x00\x01\x00veth", "veth"},
		{"nothing", "", ""},
		{"short head", "\x0b\x00\x01", ""},
		{"too long", "\x0c\x00\x01\x00veth", ""},
		{"too short", "\x03\x00\x01\x00veth", ""},
		{"unpadded end", "\x05\x00\x02\x00x", ""},
	} {
		if got := infoKind([]byte(c.b)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestNetworksOfTheHost asks a true kernel. It needs root, or a kernel that
// lets users make namespaces, and the ip command.
func TestNetworksOfTheHost(t *testing.T) {
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
	expect := func(when string, want map[string]bool) {
		t.Helper()
		for from, is := range want {
			if got := onPrivateNetwork(netip.MustParseAddr(from)); got != is {
				t.Errorf("%s: %s: %v, want %v", when, from, got, is)
			}
		}
	}
	expect("no network", map[string]bool{"192.168.77.5": false, "127.0.0.1": false})
	ip("link add containers type bridge")
	ip("addr add 172.31.0.1/16 dev containers")
	ip("link set containers up")
	ip("link add lan0 type veth peer name lan1")
	ip("addr add 192.168.77.2/24 dev lan0")
	expect("down", map[string]bool{"192.168.77.5": false, "172.31.0.5": false})
	ip("link set lan0 up")
	expect("up", map[string]bool{"192.168.77.5": true, "192.168.77.2": false, "192.168.78.5": false, "172.31.0.5": false, "172.31.0.1": false})
	ip("route add default via 192.168.77.1")
	expect("with a default route", map[string]bool{"192.168.77.5": true, "172.31.0.5": false})
	ip("route del default")
	ip("route add default via 172.31.0.254")
	expect("out through the bridge", map[string]bool{"192.168.77.5": true, "172.31.0.5": true, "172.31.0.1": false})
}
