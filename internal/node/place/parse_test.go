package place

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnroutableFollowsTheNetworksRule(t *testing.T) {
	var rows []struct {
		IP          string `json:"ip"`
		NonRoutable bool   `json:"nonRoutable"`
	}
	readJSON(t, "testdata/nonroutable.json", &rows)
	if len(rows) < 10 {
		t.Fatalf("only %d vectors", len(rows))
	}
	for _, r := range rows {
		addr, err := netip.ParseAddr(r.IP)
		if err != nil {
			if r.IP != "not an ip" {
				t.Errorf("%s: %v", r.IP, err)
			}
			continue
		}
		if got := Unroutable(addr) != ""; got != r.NonRoutable {
			t.Errorf("Unroutable(%s) = %q, want refused %v", r.IP, Unroutable(addr), r.NonRoutable)
		}
	}
}

func TestUnroutableSaysWhy(t *testing.T) {
	for addr, want := range map[string]string{
		"0.1.2.3":              "this network",
		"169.254.1.1":          "link-local",
		"100.127.255.255":      "provider's NAT",
		"192.0.2.1":            "documentation",
		"198.51.100.1":         "documentation",
		"203.0.113.7":          "documentation",
		"192.0.0.8":            "protocols",
		"224.0.0.1":            "multicast",
		"255.255.255.255":      "reserved",
		"::ffff:10.0.0.1":      "private",
		"::1":                  "global unicast",
		"::":                   "global unicast",
		"fe80::1":              "global unicast",
		"fe80::1%eth0":         "one link",
		"fd00::1":              "global unicast",
		"ff02::1":              "global unicast",
		"2001:db8::1":          "documentation",
		"3fff::1":              "documentation",
		"2001:0:1::1":          "Teredo",
		"64:ff9b::1":           "global unicast",
		"8.8.8.8":              "",
		"198.18.1.0":           "",
		"2a01:4f8::1":          "",
		"2001:4860:4860::8888": "",
	} {
		got := Unroutable(ip(addr))
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("Unroutable(%s) = %q, want %q in it", addr, got, want)
		}
	}
	if Unroutable(netip.Addr{}) == "" {
		t.Error("the zero address is routable")
	}
}

func TestEchoAnswers(t *testing.T) {
	for _, c := range []struct {
		body string
		fam  family
		want string // "" is an error
	}{
		{"1.2.3.4", v4, "1.2.3.4"},
		{" 1.2.3.4\r\n", v4, "1.2.3.4"},
		{`{"ip":"1.2.3.4"}`, v4, "1.2.3.4"},
		{"\n" + `{"ip":"1.2.3.4","country":"X"}`, v4, "1.2.3.4"},
		{"::ffff:1.2.3.4", v4, "1.2.3.4"},
		{"2a01:4f8::1", v6, "2a01:4f8::1"},
		{"2a01:4f8::1", v4, ""},
		{"1.2.3.4", v6, ""},
		{"", v4, ""},
		{"{}", v4, ""},
		{`{"ip":5}`, v4, ""},
		{`{"ip":"1.2.3.4"`, v4, ""},
		{`{"ip":"1.2.3.4"} extra`, v4, ""},
		{`["1.2.3.4"]`, v4, ""},
		{"1.2.3.4 5.6.7.8", v4, ""},
		{"1.2.3", v4, ""},
		{"01.2.3.4", v4, ""},
		{"<html>1.2.3.4</html>", v4, ""},
		{"1.2.3.4\x00", v4, ""},
	} {
		got, err := parseEcho([]byte(c.body), c.fam)
		if (err != nil) != (c.want == "") || err == nil && got.String() != c.want {
			t.Errorf("parseEcho(%q, %v) = %v, %v, want %q", c.body, c.fam, got, err, c.want)
		}
	}
}

func FuzzParseEcho(f *testing.F) {
	for _, s := range []string{"1.2.3.4", `{"ip":"1.2.3.4"}`, "2a01::1%x", "{", "\xff", `{"ip":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, fam := range []family{v4, v6} {
			a, err := parseEcho(body, fam)
			if err == nil && (familyOf(a) != fam || a.Is4In6() || Unroutable(a) == "" && a.Zone() != "") {
				t.Errorf("parseEcho(%q, %v) = %v", body, fam, a)
			}
		}
	})
}

func TestEchoServicesAreChecked(t *testing.T) {
	got, err := parseEchoes([]string{"ip.example.com", "http://a.example.com/x?y=z", "https://b.example.com:8443"})
	want := []echo{
		{"https://ip.example.com", "ip.example.com"},
		{"http://a.example.com/x?y=z", "a.example.com"},
		{"https://b.example.com:8443", "b.example.com:8443"},
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(echo{})); err != nil || diff != "" {
		t.Errorf("parseEchoes: %v\n%s", err, diff)
	}
	_, err = parseEchoes([]string{"ftp://a.example.com", "https://u:p@b.example.com", "", "https://c.example.com", "https://C.example.com/2", "https://d.example.com#x"})
	for _, part := range []string{`"ftp://a.example.com": want an http`, `b.example.com": want`, `"": want`, `"https://C.example.com/2": its host is listed twice`, `d.example.com#x": want`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error %v lacks %q", err, part)
		}
	}
}

const routes4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n" +
	"wlan0\t00000000\t0102A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n" +
	"eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n" +
	"tun0\t00000000\t010200C0\t0002\t0\t0\t0\t00000000\t0\t0\t0\n" + // not up
	"tun1\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n" + // half of the Internet
	"eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"

const routes6 = "fd000000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000002 00000000 00000001     eth0\n" +
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000400 00000003 00000000 00000003     wlan0\n" +
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 fd000000000000000000000000000001 00000064 00000003 00000000 00000003     eth1\n" +
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 00000001 00000003 00000000 00000201     eth2\n" +
	"00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n"

func TestDefaultRouteIsTheUsableOneWithTheLowestMetric(t *testing.T) {
	for _, c := range []struct {
		name, table, want string
		parse             func(string) string
	}{
		{"IPv4", routes4, "eth0", defaultRoute4},
		{"IPv4 without one", "Iface\tDestination\n", "", defaultRoute4},
		{"IPv4 garbage", "eth0 00000000 x zz 0 0 100 00000000\neth1 00000000 x 0001 0 0 many 00000000\n", "", defaultRoute4},
		{"IPv6", routes6, "eth1", defaultRoute6},
		{"IPv6 switched off", "", "", defaultRoute6},
	} {
		if got := c.parse(c.table); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

func FuzzDefaultRoute(f *testing.F) {
	f.Add(routes4)
	f.Add(routes6)
	f.Fuzz(func(t *testing.T, table string) {
		for _, parse := range []func(string) string{defaultRoute4, defaultRoute6} {
			if name := parse(table); !strings.Contains(table, name) || strings.ContainsAny(name, " \t\n") {
				t.Errorf("interface %q", name)
			}
		}
	})
}

func TestDefaultRouteAddrsOfThisHostArePublic(t *testing.T) {
	addrs, err := DefaultRouteAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if why := Unroutable(a); why != "" {
			t.Errorf("%s: %s", a, why)
		}
	}
}

func TestAgree(t *testing.T) {
	a, b, c := ip("1.1.1.1"), ip("2.2.2.2"), ip("3.3.3.3")
	svc := func(voice string, addr netip.Addr) finding { return finding{Service, voice, addr} }
	gw := finding{Gateway, "the gateway", a}
	bench := finding{Benchmark, "the benchmark", a}
	for _, tc := range []struct {
		name     string
		findings []finding
		known    netip.Addr
		alone    bool
		want     netip.Addr // invalid is an error
		source   Source
	}{
		{name: "silence"},
		{name: "one service", findings: []finding{svc("x", a)}},
		{name: "one service twice", findings: []finding{svc("x", a), svc("x", a)}},
		{name: "two services", findings: []finding{svc("x", a), svc("y", a)}, want: a, source: Service},
		{name: "two services that differ", findings: []finding{svc("x", a), svc("y", b)}},
		{name: "a service and the gateway", findings: []finding{svc("x", a), gw}, want: a, source: Gateway},
		{name: "the gateway and the benchmark", findings: []finding{bench, gw}, want: a, source: Gateway},
		{name: "a liar among three", findings: []finding{svc("x", b), svc("y", a), gw}, want: a, source: Gateway},
		{name: "known is preferred", findings: []finding{svc("x", a), svc("y", a), svc("z", a), svc("v", b), svc("w", b)}, known: b, want: b, source: Service},
		{name: "known needs two too", findings: []finding{svc("x", a), svc("y", a), svc("z", b)}, known: b, want: a, source: Service},
		{name: "more voices win", findings: []finding{svc("x", b), svc("y", b), svc("z", b), svc("v", a), svc("w", a)}, want: b, source: Service},
		{name: "the more telling source wins a draw", findings: []finding{svc("x", c), svc("y", c), svc("z", a), gw}, known: b, want: a, source: Gateway},
		{name: "alone", findings: []finding{bench}, alone: true, want: a, source: Benchmark},
		{name: "alone but contradicted", findings: []finding{bench, {Interface, "the interface", b}}, alone: true},
		{name: "alone and agreed on", findings: []finding{bench, gw, {Interface, "the interface", b}}, alone: true, want: a, source: Gateway},
	} {
		got, source, err := agree(tc.findings, tc.known, tc.alone)
		if got != tc.want || source != tc.source || (err != nil) == tc.want.IsValid() {
			t.Errorf("%s: agree = %v, %q, %v, want %v, %q", tc.name, got, source, err, tc.want, tc.source)
		}
	}
	_, _, err := agree([]finding{svc("x", a), svc("y", b)}, netip.Addr{}, false)
	if want := "no two sources agree: x says 1.1.1.1, y says 2.2.2.2"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %q", err, want)
	}
}
