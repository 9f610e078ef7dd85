package gateway

import (
	"encoding/json"
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/node/gateway/gatewaytest"
)

const routeTitles = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"

var routeTables = map[string]struct {
	table, want string
}{
	"one":                    {"eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", "192.0.2.1"},
	"lowest metric":          {"wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\neth0\t00000000\tFE01A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n", "192.168.1.254"},
	"first of equals":        {"eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\neth1\t00000000\t0201A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", "192.168.1.1"},
	"networks only":          {"eth0\t0001A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n", ""},
	"half of the Internet":   {"tun0\t00000000\t0100000A\t0003\t0\t0\t0\t00000080\t0\t0\t0\n", ""},
	"down":                   {"eth0\t00000000\t0101A8C0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n", ""},
	"without a gateway":      {"ppp0\t00000000\t00000000\t0001\t0\t0\t0\t00000000\t0\t0\t0\n", ""},
	"bad lines passed over":  {"x\ny 1 2\nz\tzz\tzz\tzz\t0\t0\t-1\tzz\neth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", "192.168.1.1"},
	"nothing":                {"", ""},
	"a number out of bounds": {"eth0\t00000000\t1FFFFFFFF\t0003\t0\t0\t0\t00000000\t0\t0\t0\n", ""},
}

func TestDefaultRoute(t *testing.T) {
	for name, tt := range routeTables {
		t.Run(name, func(t *testing.T) {
			got, err := defaultRoute(strings.NewReader(routeTitles + tt.table))
			if tt.want == "" {
				if !errors.Is(err, errNoRoute) {
					t.Errorf("%v, %v; want errNoRoute", got, err)
				}
				return
			}
			if err != nil || got != netip.MustParseAddr(tt.want) {
				t.Errorf("%v, %v; want %s", got, err, tt.want)
			}
		})
	}
}

func FuzzDefaultRoute(f *testing.F) {
	for _, tt := range routeTables {
		f.Add(routeTitles + tt.table)
	}
	f.Fuzz(func(t *testing.T, table string) {
		a, err := defaultRoute(strings.NewReader(table))
		if (err == nil) != (a.IsValid() && a.Is4() && !a.IsUnspecified()) {
			t.Errorf("%v, %v", a, err)
		}
	})
}

const goodReply = "HTTP/1.1 200 OK\r\nLOCATION: http://192.168.1.1:5000/rootDesc.xml\r\nST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nUSN: uuid:1\r\n\r\n"

func TestRepliesToASearch(t *testing.T) {
	for name, tt := range map[string]struct {
		reply string
		ok    bool
	}{
		"router":           {goodReply, true},
		"lower-case names": {strings.NewReplacer("LOCATION", "location", "ST:", "st:").Replace(goodReply), true},
		"a television":     {strings.Replace(goodReply, "InternetGatewayDevice", "MediaRenderer", 1), false},
		"an error":         {strings.Replace(goodReply, "200 OK", "500 No", 1), false},
		"a search":         {"M-SEARCH * HTTP/1.1\r\n\r\n", false},
		"a bad location":   {strings.Replace(goodReply, "http://", "http://%", 1), false},
		"cut":              {goodReply[:40], false},
		"empty":            {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			u, err := parseReply([]byte(tt.reply))
			if (err == nil) != tt.ok || tt.ok && u.String() != "http://192.168.1.1:5000/rootDesc.xml" {
				t.Errorf("%v, %v", u, err)
			}
		})
	}
}

func FuzzReplyToASearch(f *testing.F) {
	f.Add([]byte(goodReply))
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffff\r\n"))
	f.Fuzz(func(t *testing.T, packet []byte) {
		u, err := parseReply(packet)
		if (u == nil) == (err == nil) {
			t.Fatalf("%v, %v", u, err)
		}
		if err != nil {
			return
		}
		if checkURL(u, netip.MustParseAddr("192.168.1.1")) != nil {
			return
		}
		// What passes is still that address when it is written and read again.
		again, err := url.Parse(u.String())
		if err != nil || again.Hostname() != u.Hostname() || again.Scheme != "http" {
			t.Errorf("%q became %v, %v", u, again, err)
		}
	})
}

func TestURLsOnTheRouterOnly(t *testing.T) {
	for raw, ok := range map[string]bool{
		"http://192.168.1.1/":                true,
		"http://192.168.1.1:49152/desc.xml":  true,
		"https://192.168.1.1/":               false,
		"http://192.168.1.2/":                false,
		"http://8.8.8.8/":                    false,
		"http://router.lan/":                 false,
		"http://admin:admin@192.168.1.1/":    false,
		"http://192.168.1.1.evil.example/":   false,
		"http://192.168.1.1@evil.example/":   false,
		"//192.168.1.1/":                     false,
		"":                                   false,
		"http://[fe80::1%25eth0]/":           false,
		"http://[::ffff:192.168.1.1]/x":      true,
		"http://0300.0250.0001.0001/":        false,
		"http://192.168.1.1:99999/desc.xml":  true, // fails when it is dialled
		"file://192.168.1.1/etc/passwd":      false,
		"HTTP://192.168.1.1/upper-case.html": true,
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkURL(u, netip.MustParseAddr("192.168.1.1")); (err == nil) != ok {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestWhereARouterMayBe(t *testing.T) {
	node := netip.MustParseAddr("192.168.1.5")
	for _, tt := range []struct {
		configured, router string
		local              netip.Addr
		ok                 bool
	}{
		{"", "192.168.1.1", node, true},
		{"", "10.0.0.1", node, true},
		{"", "100.64.0.1", node, true},
		{"", "169.254.1.1", node, true},
		{"", "203.0.113.1", node, false},
		{"", "127.0.0.1", node, false},
		{"", "127.0.0.1", netip.MustParseAddr("127.0.0.1"), true},
		{"", "0.0.0.0", node, false},
		{"", "224.0.0.1", node, false},
		{"", "255.255.255.255", node, false},
		{"", "fe80::1", node, false},
		{"192.168.1.1", "192.168.1.1", node, true},
		{"192.168.1.1", "192.168.1.2", node, false},
		{"203.0.113.1", "203.0.113.1", node, true}, // the operator says so
	} {
		var c Config
		if tt.configured != "" {
			c.Router = netip.MustParseAddr(tt.configured)
		}
		if err := c.checkRouter(netip.MustParseAddr(tt.router), tt.local); (err == nil) != tt.ok {
			t.Errorf("configured %q, router %s: %v", tt.configured, tt.router, err)
		}
	}
}

func FuzzDeviceDescription(f *testing.F) {
	d, err := gatewaytest.StartIGD(gatewaytest.IGDOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(d.Description()))
	if err := d.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><friendlyName>Caf\xe9</friendlyName></device></root>"))
	f.Add([]byte("<root><URLBase>http://[</URLBase></root>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		at := &url.URL{Scheme: "http", Host: "192.168.1.1"}
		root, err := parseDevice(body, at)
		if (root == nil) == (err == nil) {
			t.Fatalf("%v, %v", root, err)
		}
		if err != nil {
			return
		}
		found := describeIGD(root, candidate{netip.MustParseAddr("192.168.1.1"), at}, netip.MustParseAddr("192.168.1.5"))
		if _, err := json.Marshal(found); err != nil || len(found.Name) > maxForeign {
			t.Errorf("%+v, %v", found, err)
		}
	})
}

func TestDescriptionInLatin1(t *testing.T) {
	root, err := parseDevice([]byte("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device><friendlyName>Caf\xe9</friendlyName></device></root>"), new(url.URL))
	if err != nil || root.Device.FriendlyName != "Café" {
		t.Errorf("%+v, %v", root, err)
	}
	if _, err := parseDevice([]byte(`<?xml version="1.0" encoding="EBCDIC"?><root/>`), new(url.URL)); err == nil {
		t.Error("an unknown character set is read")
	}
}

func TestNATPMPWire(t *testing.T) {
	if diff := cmp.Diff([]byte{0, 2, 0, 0, 0x3e, 0xff, 0x3f, 0x00, 0, 0, 0x0e, 0x10}, mapRequest(opMapTCP, 16127, 16128, time.Hour)); diff != "" {
		t.Error(diff)
	}
	for name, tt := range map[string]struct {
		op     byte
		packet []byte
		want   pmpReply
		code   int
		bad    bool
	}{
		"external":       {op: opExternal, packet: []byte{0, 128, 0, 0, 0, 0, 0, 9, 198, 51, 100, 7}, want: pmpReply{epoch: 9 * time.Second, external: netip.MustParseAddr("198.51.100.7")}},
		"mapping":        {op: opMapUDP, packet: []byte{0, 129, 0, 0, 0, 0, 0, 9, 0x3e, 0xff, 0x3f, 0x00, 0, 0, 0, 60}, want: pmpReply{epoch: 9 * time.Second, internal: 16127, mapped: 16128, lease: time.Minute}},
		"refusal":        {op: opMapTCP, packet: []byte{0, 130, 0, 4, 0, 0, 0, 9}, code: 4},
		"unknown code":   {op: opMapTCP, packet: []byte{0, 130, 1, 0}, code: 256},
		"of another":     {op: opMapTCP, packet: []byte{0, 129, 0, 0, 0, 0, 0, 9, 0, 1, 0, 1, 0, 0, 0, 60}, bad: true},
		"PCP":            {op: opMapTCP, packet: []byte{2, 130, 0, 0}, bad: true},
		"short":          {op: opExternal, packet: []byte{0, 128, 0, 0, 0, 0, 0, 9, 198, 51, 100}, bad: true},
		"long":           {op: opExternal, packet: []byte{0, 128, 0, 0, 0, 0, 0, 9, 198, 51, 100, 7, 0}, bad: true},
		"our own echoed": {op: opExternal, packet: []byte{0, 0}, bad: true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseNATPMP(tt.op, tt.packet)
			if errors.Is(err, errNotReply) != tt.bad || refusal(err) != tt.code || got != tt.want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func FuzzNATPMPReply(f *testing.F) {
	f.Add(byte(0), []byte{0, 128, 0, 0, 0, 0, 0, 9, 198, 51, 100, 7})
	f.Add(byte(2), []byte{0, 130, 0, 4})
	f.Fuzz(func(t *testing.T, op byte, packet []byte) {
		op %= 3
		r, err := parseNATPMP(op, packet)
		if err == nil && (op == opExternal) != r.external.IsValid() {
			t.Errorf("%+v", r)
		}
		if err != nil && r != (pmpReply{}) {
			t.Errorf("%+v with %v", r, err)
		}
	})
}

func TestRestartOfANATPMPRouterIsHeard(t *testing.T) {
	now := time.Unix(1000, 0)
	for name, tt := range map[string]struct {
		epoch time.Duration
		lost  bool
	}{
		"on time":           {200 * time.Second, false},
		"a slow clock":      {100*time.Second + 86*time.Second, false},
		"a far slower one":  {100*time.Second + 84*time.Second, true},
		"started from zero": {3 * time.Second, true},
		"ahead":             {500 * time.Second, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := &natpmp{now: func() time.Time { return now }, epoch: 100 * time.Second, heard: now.Add(-100 * time.Second)}
			r.hear(tt.epoch)
			if got := !r.lost.IsZero(); got != tt.lost {
				t.Errorf("lost %v, want %v", got, tt.lost)
			}
		})
	}
}

func TestMapRefusesBadInput(t *testing.T) {
	g, err := New(Config{APIPort: 16127, Mode: Off})
	if err != nil {
		t.Fatal(err)
	}
	good := Mapping{Port: 1, Protocol: TCP, Description: "Flux_x"}
	for name, change := range map[string]func(*Mapping){
		"port 0":               func(m *Mapping) { m.Port = 0 },
		"no protocol":          func(m *Mapping) { m.Protocol = "" },
		"upper-case protocol":  func(m *Mapping) { m.Protocol = "TCP" },
		"foreign description":  func(m *Mapping) { m.Description = "mine" },
		"prefix alone":         func(m *Mapping) { m.Description = Prefix },
		"long description":     func(m *Mapping) { m.Description = Prefix + strings.Repeat("x", 124) },
		"markup":               func(m *Mapping) { m.Description = "Flux_<x>" },
		"negative lease":       func(m *Mapping) { m.Lease = -time.Second },
		"part of a second":     func(m *Mapping) { m.Lease = time.Millisecond },
		"lease over a week":    func(m *Mapping) { m.Lease = maxLease + time.Second },
		"protocol with spaces": func(m *Mapping) { m.Protocol = " tcp" },
	} {
		m := good
		change(&m)
		if err := g.Map(t.Context(), m); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if err := g.Map(t.Context(), good); err != ErrOff {
		t.Errorf("good one: %v", err)
	}
	if err := g.Unmap(t.Context(), 0, TCP); fault.KindOf(err) != fault.Invalid {
		t.Errorf("Unmap of port 0: %v", err)
	}
}

func TestNewNamesEveryMistake(t *testing.T) {
	for name, tt := range map[string]struct {
		c    Config
		want []string
	}{
		"nothing set":  {Config{}, []string{"APIPort 0"}},
		"a port apart": {Config{APIPort: 65533}, []string{"APIPort 65533", "2..65532"}},
		"all at once": {Config{APIPort: 16127, Mode: 9, SearchTime: -1, CallTime: time.Hour, Router: netip.IPv6Loopback(), LocalIP: netip.IPv4Unspecified()},
			[]string{"Mode mode(9)", "SearchTime", "CallTime", "Router ::1", "LocalIP 0.0.0.0"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := New(tt.c)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q is not in %q", w, err)
				}
			}
		})
	}
}

func TestModeAsText(t *testing.T) {
	for _, want := range []Mode{Auto, UPnP, NATPMP, Off} {
		text, err := want.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var got Mode
		if err := got.UnmarshalText(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	var m Mode
	if err := m.UnmarshalText([]byte("UPNP")); err == nil || !strings.Contains(err.Error(), "auto, upnp, natpmp or off") {
		t.Errorf("%v", err)
	}
}

func TestForeignTextsAreCutAndCleaned(t *testing.T) {
	got := foreign("  a\x00b\x1b[31m\n\xff" + strings.Repeat("é", 200))
	if len(got) > maxForeign || strings.ContainsAny(got, "\x00\x1b\n") || !utf8.ValidString(got) || !strings.HasPrefix(got, "a b [31m") {
		t.Errorf("%q", got)
	}
}
