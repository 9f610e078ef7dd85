package privileged

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fluxosd/fluxosd/internal/fault"
)

func TestRulesThatMakeNoSense(t *testing.T) {
	for want, r := range map[string]Rule{
		"1 to 65535":         {},
		"below the first":    {Port: 10, EndPort: 9},
		"tcp, udp or both":   {Port: 1, Protocol: 3},
		"in or out":          {Port: 1, Direction: 2},
		"none for everybody": {Port: 1, From: netip.MustParsePrefix("0.0.0.0/0")},
		"a network such as":  {Port: 1, From: netip.MustParsePrefix("::ffff:10.0.0.0/104")},
		"192.0.2.0/24":       {Port: 1, From: netip.PrefixFrom(netip.MustParseAddr("10.0.0.1"), 33)},
		"at most 40":         {Port: 1, Note: strings.Repeat("n", 41)},
		"letters, digits":    {Port: 1, Note: `a "quote"`},
		"spaces and":         {Port: 1, Note: "a\nb"},
		"port 0: want 1":     {EndPort: 5},
		"note \" a\"":        {Port: 1, Note: " a"},
		"characters":         {Port: 1, Note: "a # b"},
		`note "ö"`:           {Port: 1, Note: "ö"},
	} {
		if err := r.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", r, err, want)
		}
		for name, fw := range map[string]Firewall{"none": None{}, "ufw": NewUFW(fixed{}), "nft": NewNFT()} {
			if _, err := fw.Allow(t.Context(), []Rule{r}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s allows %+v: %v", name, r, err)
			}
			if _, err := fw.Remove(t.Context(), []Rule{r}); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s removes %+v: %v", name, r, err)
			}
		}
	}
}

func TestEqualRules(t *testing.T) {
	got, err := validRules([]Rule{
		{Port: 80, Note: "first"}, {Port: 80, EndPort: 80, Note: "second"}, {Port: 80, Protocol: UDP},
		{Port: 81, From: netip.MustParsePrefix("10.1.2.3/8")}, {Port: 81, From: netip.MustParsePrefix("10.0.0.0/8")},
	})
	want := []Rule{{Port: 80, Note: "first"}, {Port: 80, Protocol: UDP}, {Port: 81, From: netip.MustParsePrefix("10.1.2.3/8")}}
	if diff := cmp.Diff(want, got, comparePrefixes); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestCoverAndOverlap(t *testing.T) {
	ten := netip.MustParsePrefix("10.0.0.0/8")
	for _, c := range []struct {
		name             string
		a, b             Rule
		covers, overlaps bool
	}{
		{"the same", Rule{Port: 80}, Rule{Port: 80}, true, true},
		{"a range", Rule{Port: 80, EndPort: 90}, Rule{Port: 85}, true, true},
		{"half a range", Rule{Port: 80, EndPort: 90}, Rule{Port: 85, EndPort: 95}, false, true},
		{"beside", Rule{Port: 80, EndPort: 90}, Rule{Port: 91}, false, false},
		{"both protocols", Rule{Port: 80, Protocol: Both}, Rule{Port: 80, Protocol: UDP}, true, true},
		{"one protocol of both", Rule{Port: 80, Protocol: UDP}, Rule{Port: 80, Protocol: Both}, false, true},
		{"another protocol", Rule{Port: 80}, Rule{Port: 80, Protocol: UDP}, false, false},
		{"another direction", Rule{Port: 80}, Rule{Port: 80, Direction: Out}, false, false},
		{"everybody", Rule{Port: 80}, Rule{Port: 80, From: ten}, true, true},
		{"some", Rule{Port: 80, From: ten}, Rule{Port: 80}, false, true},
		{"a network in it", Rule{Port: 80, From: ten}, Rule{Port: 80, From: netip.MustParsePrefix("10.1.0.0/16")}, true, true},
		{"a network around it", Rule{Port: 80, From: netip.MustParsePrefix("10.1.0.0/16")}, Rule{Port: 80, From: ten}, false, true},
		{"another network", Rule{Port: 80, From: ten}, Rule{Port: 80, From: netip.MustParsePrefix("192.0.2.0/24")}, false, false},
		{"another family", Rule{Port: 80, From: ten}, Rule{Port: 80, From: netip.MustParsePrefix("fd00::/8")}, false, false},
	} {
		if got := c.a.covers(c.b); got != c.covers {
			t.Errorf("%s: covers %v", c.name, got)
		}
		if got := c.a.overlaps(c.b); got != c.overlaps {
			t.Errorf("%s: overlaps %v", c.name, got)
		}
	}
}

func TestTextOfARule(t *testing.T) {
	for want, r := range map[string]Rule{
		"in tcp 80":                              {Port: 80, EndPort: 80},
		"out both 1-65535 # all":                 {Port: 1, EndPort: 65535, Protocol: Both, Direction: Out, Note: "all"},
		"in udp 5 from 10.0.0.0/8":               {Port: 5, Protocol: UDP, From: netip.MustParsePrefix("10.1.2.3/8")},
		"out tcp 5 to fd00::1/128 # a - b (c/d)": {Port: 5, Direction: Out, From: netip.MustParsePrefix("fd00::1/128"), Note: "a - b (c/d)"},
		"direction(7) protocol(9) 1":             {Port: 1, Direction: 7, Protocol: 9},
	} {
		if got := r.String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, bad := range []string{"", "in", "in tcp", "in tcp 0", "in tcp 65536", "in tcp 5-4", "in tcp 1-", "in tcp -1", "in tcp +1", "up tcp 1", "in sctp 1", "IN tcp 1",
		"in tcp 1 from", "in tcp 1 to 10.0.0.0/8", "out tcp 1 from 10.0.0.0/8", "in tcp 1 from 10.0.0.1", "in tcp 1 from 0.0.0.0/0", "in tcp  1", "in tcp 1 # a\"b", "in tcp 1 of 10.0.0.0/8"} {
		if r, err := ParseRule(bad); err == nil {
			t.Errorf("%q is %+v", bad, r)
		}
	}
}

func TestTextOfARuleReadsBack(t *testing.T) {
	networks := []netip.Prefix{{}, netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/33")}
	rapid.Check(t, func(t *rapid.T) {
		r := Rule{
			Port:      rapid.Uint16Range(1, 65535).Draw(t, "port"),
			Protocol:  rapid.SampledFrom([]Protocol{TCP, UDP, Both}).Draw(t, "protocol"),
			Direction: rapid.SampledFrom([]Direction{In, Out}).Draw(t, "direction"),
			From:      rapid.SampledFrom(networks).Draw(t, "from"),
			Note:      rapid.StringMatching(`([A-Za-z0-9.,:+/()-]([A-Za-z0-9 .,:+/()-]{0,20}[A-Za-z0-9])?)?`).Draw(t, "note"),
		}
		if last := rapid.Uint16Range(r.Port, 65535).Draw(t, "last"); last > r.Port {
			r.EndPort = last
		}
		got, err := ParseRule(r.String())
		if diff := cmp.Diff(r, got, comparePrefixes); err != nil || diff != "" {
			t.Fatalf("%s: %v (-want +got):\n%s", r, err, diff)
		}
	})
}

func FuzzRule(f *testing.F) {
	for _, seed := range []string{"in tcp 80", "out both 1-65535 to fd00::/8 # all", "in udp 5 from 10.1.2.3/8 # # a"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseRule(text)
		if err != nil {
			return
		}
		if again, err := ParseRule(r.String()); err != nil || again != r {
			t.Errorf("%q: %+v, then %+v, %v", text, r, again, err)
		}
	})
}

func TestPortsOfCallers(t *testing.T) {
	for text, want := range map[string]uint16{"1": 1, "16127": 16127, "65535": 65535, "": 0, "0": 0, "65536": 0, "-1": 0, "+1": 0, "1.5": 0, "0x10": 0, " 1": 0, "abc": 0, "1;reboot": 0, "٣": 0, "1_0": 0} {
		got, err := ParsePort(text)
		if got != want && err == nil || (err == nil) != (want != 0) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
		if err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%q: %v is not for the caller", text, err)
		}
	}
	_, err := ParsePort("abc")
	if diff := cmp.Diff(&fault.Error{Kind: fault.Invalid, Code: "abc", Name: "abc", Msg: "Port needs to be a number"}, err); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, err = ParsePort("")
	if diff := cmp.Diff(&fault.Error{Kind: fault.Invalid, Msg: "No Port address specified."}, err); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
