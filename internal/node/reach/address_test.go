package reach

import (
	"net/netip"
	"strings"
	"testing"
)

func TestAddressesReadAsTheNetworkReadsThem(t *testing.T) {
	for _, v := range readVectors(t).SocketAddress {
		got, err := ParseAddress(v.Text)
		if v.Parsed == nil {
			if err == nil {
				t.Errorf("%q: got %v, want an error", v.Text, got)
			}
			continue
		}
		want := Address{netip.MustParseAddr(v.Parsed.IP), v.Parsed.Port}
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", v.Text, got, err, want)
		}
	}
}

func TestOneNodeHasOneAddress(t *testing.T) {
	for text, want := range map[string][2]string{
		"1.2.3.4":       {"1.2.3.4", "1.2.3.4:16127"},
		"1.2.3.4:16127": {"1.2.3.4", "1.2.3.4:16127"},
		"1.2.3.4:16147": {"1.2.3.4:16147", "1.2.3.4:16147"},
	} {
		a, err := ParseAddress(text)
		if err != nil || a.String() != want[0] || a.Full() != want[1] {
			t.Errorf("%s: %s, %s, %v", text, a, a.Full(), err)
		}
	}
	for _, bad := range []string{"", "01.2.3.4", "1.2.3.4.", "::1", "::ffff:1.2.3.4", "1.2.3.4:+5", "1.2.3.4:16127 ", "0x7f.1", "2130706433", "localhost", "1.2.3.4%eth0"} {
		if a, err := ParseAddress(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, a)
		}
	}
}

func TestOutpointsReadBack(t *testing.T) {
	text := "COutPoint(" + strings.Repeat("0f", 32) + ", 4294967295)"
	o, err := ParseOutpoint(text)
	if err != nil || o.String() != text {
		t.Errorf("%v, %v", o, err)
	}
	for _, bad := range []string{"", "COutPoint(ab, 0)", strings.ToUpper(text), strings.TrimSuffix(text, ")"), strings.Replace(text, "4294967295", "4294967296", 1), strings.Replace(text, ", ", " ", 1)} {
		if o, err := ParseOutpoint(bad); err == nil {
			t.Errorf("%q: got %v, want an error", bad, o)
		}
	}
}

func TestOnlyPublicIPv4IsRoutable(t *testing.T) {
	for _, v := range readVectors(t).NonRoutable {
		ip, err := netip.ParseAddr(v.IP)
		if err != nil {
			continue // "not an ip" is never dialled: it doesn't parse
		}
		want := !v.NonRoutable && v.IP != "198.18.0.1" // stricter: the benchmark range is no address of a host
		if got := Routable(ip); got != want {
			t.Errorf("%s: routable=%v, want %v", ip, got, want)
		}
	}
	for text, want := range map[string]bool{
		"8.8.8.8": true, "::ffff:8.8.8.8": true, "::ffff:127.0.0.1": false, "2001:4860:4860::8888": false, "169.254.169.254": false,
		"0.0.0.0": false, "224.0.0.1": false, "255.255.255.255": false, "192.0.2.1": false, "198.51.100.1": false, "203.0.113.1": false,
	} {
		if got := Routable(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: routable=%v, want %v", text, got, want)
		}
	}
	if Routable(netip.Addr{}) {
		t.Error("no address is routable")
	}
}

func TestVersionsCompareByTheirNumbers(t *testing.T) {
	for _, v := range readVectors(t).Versions {
		if got := AtLeast(v.Version, v.Minimum); got != v.OK {
			t.Errorf("%s against %s: %v, want %v", v.Version, v.Minimum, got, v.OK)
		}
	}
	for _, bad := range []string{"", "9", "9.0", "9.0.0.0", "9.0.x", "9.0.-1", "9.0.99999999999999999999"} {
		if AtLeast(bad, "1.0.0") {
			t.Errorf("%q passes for a version", bad)
		}
	}
}

func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "1.2.3.4:16147", "1.2.3.4:", "::1", "1.2.3.4:16127:1", "0.1.2.3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			return
		}
		for _, form := range []string{a.String(), a.Full()} {
			if again, err := ParseAddress(form); err != nil || again != a {
				t.Errorf("%q reads as %v, its form %q as %v, %v", text, a, form, again, err)
			}
		}
	})
}

func FuzzParseOutpoint(f *testing.F) {
	f.Add("COutPoint(" + strings.Repeat("0f", 32) + ", 1)")
	f.Add("COutPoint(,)")
	f.Fuzz(func(t *testing.T, text string) {
		o, err := ParseOutpoint(text)
		if err != nil {
			return
		}
		if again, err := ParseOutpoint(o.String()); err != nil || again != o {
			t.Errorf("%q reads as %v, its form as %v, %v", text, o, again, err)
		}
	})
}
