package privileged

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

var comparePrefixes = cmpopts.EquateComparable(netip.Prefix{})

// sampleRules has each kind of rule.
func sampleRules() []Rule {
	return []Rule{
		{Port: 16126, EndPort: 16128, Note: "console, API, HTTPS"},
		{Port: 16129, Protocol: Both, Note: "Syncthing"},
		{Port: 53, Protocol: UDP, Direction: Out},
		{Port: 443, From: netip.MustParsePrefix("10.1.0.0/16")},
		{Port: 444, From: netip.MustParsePrefix("192.0.2.7/32")},
		{Port: 445, EndPort: 446, Protocol: Both, From: netip.MustParsePrefix("fd00:1::/33")},
		{Port: 1900, Protocol: UDP, Direction: Out, From: netip.MustParsePrefix("239.255.255.250/32"), Note: "UPnP discovery"},
		{Port: 1, EndPort: 65535, Direction: Out, From: netip.MustParsePrefix("2001:db8::1/128")},
	}
}

// What nft shows is what the rules say.
func TestNFTRulesInTheKernel(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	fw := NewNFT()
	if got, err := fw.List(t.Context()); err != nil || len(got) != 0 {
		t.Fatalf("before: %v, %v", got, err)
	}
	report, err := fw.Allow(t.Context(), sampleRules())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Report{Added: sampleRules()}, report, comparePrefixes, cmpopts.IgnoreFields(Report{}, "Commands")); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}
	const want = `table inet fluxosd {
	chain input {
		type filter hook input priority filter - 10; policy accept;
		tcp dport 16126-16128 accept comment "in tcp 16126-16128 # console, API, HTTPS"
		tcp dport 16129 accept comment "in both 16129 # Syncthing"
		udp dport 16129 accept comment "in both 16129 # Syncthing"
		ip saddr 10.1.0.0/16 tcp dport 443 accept comment "in tcp 443 from 10.1.0.0/16"
		ip saddr 192.0.2.7 tcp dport 444 accept comment "in tcp 444 from 192.0.2.7/32"
		ip6 saddr fd00:1::/33 tcp dport 445-446 accept comment "in both 445-446 from fd00:1::/33"
		ip6 saddr fd00:1::/33 udp dport 445-446 accept comment "in both 445-446 from fd00:1::/33"
	}

	chain output {
		type filter hook output priority filter - 10; policy accept;
		udp dport 53 accept comment "out udp 53"
		ip daddr 239.255.255.250 udp dport 1900 accept comment "out udp 1900 to 239.255.255.250/32 # UPnP discovery"
		ip6 daddr 2001:db8::1 tcp dport 1-65535 accept comment "out tcp 1-65535 to 2001:db8::1/128"
	}
}
`
	ruleset := func() string { return tool(t, "nft", "list", "ruleset") }
	if diff := cmp.Diff(want, ruleset()); diff != "" {
		t.Errorf("ruleset (-want +got):\n%s", diff)
	}
	bySide := func(a, b Rule) int { return int(a.Direction) - int(b.Direction) }
	sorted := sampleRules()
	slices.SortStableFunc(sorted, bySide)
	got, err := fw.List(t.Context())
	slices.SortStableFunc(got, bySide)
	if diff := cmp.Diff(sorted, got, comparePrefixes); err != nil || diff != "" {
		t.Errorf("List: %v (-want +got):\n%s", err, diff)
	}

	again, err := fw.Allow(t.Context(), sampleRules())
	if err != nil || len(again.Added) != 0 || len(again.Existing) != len(sampleRules()) || len(again.Commands) != 0 {
		t.Errorf("the second time: %+v, %v", again, err)
	}
	if diff := cmp.Diff(want, ruleset()); diff != "" {
		t.Errorf("ruleset after the second time (-want +got):\n%s", diff)
	}

	gone := sampleRules()[:2]
	report, err = fw.Remove(t.Context(), append(gone, Rule{Port: 9}))
	if diff := cmp.Diff(gone, report.Removed, comparePrefixes); err != nil || diff != "" {
		t.Errorf("Remove: %v (-want +got):\n%s", err, diff)
	}
	if text := ruleset(); strings.Contains(text, "1612") || !strings.Contains(text, "dport 443") {
		t.Errorf("after Remove:\n%s", text)
	}
	if report, err := fw.Clear(t.Context()); err != nil || len(report.Removed) != len(sampleRules())-2 {
		t.Errorf("Clear: %+v, %v", report, err)
	}
	if text := ruleset(); text != "" {
		t.Errorf("after Clear:\n%s", text)
	}
	for name, call := range map[string]func() (Report, error){
		"Clear":  func() (Report, error) { return fw.Clear(t.Context()) },
		"Remove": func() (Report, error) { return fw.Remove(t.Context(), gone) },
		"Allow":  func() (Report, error) { return fw.Allow(t.Context(), nil) },
	} {
		if report, err := call(); err != nil || len(report.Removed)+len(report.Added)+len(report.Commands) != 0 || tool(t, "nft", "list", "ruleset") != "" {
			t.Errorf("%s of nothing: %+v, %v", name, report, err)
		}
	}
}

// The commands of a dry run, typed by an operator, make the same table.
func TestNFTDryRunTellsTheCommands(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	fw := NewNFT()
	d, err := Dry(fw)
	if err != nil {
		t.Fatal(err)
	}
	report, err := d.Allow(t.Context(), sampleRules())
	if err != nil || len(report.Added) != len(sampleRules()) {
		t.Fatalf("%+v, %v", report, err)
	}
	if text := tool(t, "nft", "list", "ruleset"); text != "" {
		t.Fatalf("the dry run did something:\n%s", text)
	}
	for _, line := range report.Commands {
		command := strings.TrimPrefix(line, "nft ")
		tool(t, "nft", strings.ReplaceAll(command, "'", "")) // what a shell would do with the quotes
	}
	typed := tool(t, "nft", "list", "ruleset")
	if _, err := fw.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := fw.Allow(t.Context(), sampleRules()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tool(t, "nft", "list", "ruleset"), typed); diff != "" {
		t.Errorf("typed by hand (-fluxosd +hand):\n%s", diff)
	}
	if report, err := d.Remove(t.Context(), sampleRules()[:1]); err != nil || len(report.Removed) != 1 || report.Commands[0] != "nft flush table inet fluxosd" {
		t.Errorf("dry Remove: %+v, %v", report, err)
	}
	if report, err := d.Clear(t.Context()); err != nil || !slices.Equal(report.Commands, []string{"nft delete table inet fluxosd"}) {
		t.Errorf("dry Clear: %+v, %v", report, err)
	}
	if got, err := d.List(t.Context()); err != nil || len(got) != len(sampleRules()) {
		t.Errorf("after the dry runs: %v, %v", got, err)
	}
}

// The tables of others stay as they are, to the last handle.
func TestNFTTouchesNoOtherTable(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	tool(t, "nft", "add table inet other; add chain inet other input { type filter hook input priority 0; policy accept; }; add rule inet other input tcp dport 22 counter accept; "+
		"add table ip fluxosd; add chain ip fluxosd input; add rule ip fluxosd input tcp dport 23 drop")
	others := func() string {
		return tool(t, "nft", "-j", "list", "table", "inet", "other") + tool(t, "nft", "-j", "list", "table", "ip", "fluxosd")
	}
	before := others()
	fw := NewNFT()
	if _, err := fw.Allow(t.Context(), sampleRules()); err != nil {
		t.Fatal(err)
	}
	if _, err := fw.Remove(t.Context(), sampleRules()[:3]); err != nil {
		t.Fatal(err)
	}
	if _, err := fw.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, others()); diff != "" {
		t.Errorf("tables of others (-before +after):\n%s", diff)
	}
}

// reach reports whether a TCP connection to a listener in this namespace, or a
// datagram, arrives. What a firewall drops is silence, so no is told by time:
// a short one where no is expected.
func reach(t *testing.T, network, address string, expected bool) bool {
	t.Helper()
	patience := 200 * time.Millisecond
	if expected {
		patience = 10 * time.Second
	}
	if network == "udp" {
		at, err := net.ListenPacket(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer at.Close()
		from, err := net.Dial(network, address)
		if err != nil {
			t.Fatal(err)
		}
		defer from.Close()
		if _, err := from.Write([]byte("x")); err != nil {
			return false
		}
		if err := at.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		_, _, err = at.ReadFrom(make([]byte, 1))
		return err == nil
	}
	at, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer at.Close()
	conn, err := net.DialTimeout(network, address, patience)
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// Each rule matches what it says and nothing beside: seen by making its chain
// drop the rest.
func TestNFTRulesMatchRealTraffic(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	tool(t, "ip", "address", "add", "fd00::1/128", "dev", "lo", "nodad")
	fw := NewNFT()
	_, err := fw.Allow(t.Context(), []Rule{
		{Port: 2000, EndPort: 2002},
		{Port: 2010, Protocol: UDP},
		{Port: 2020, Protocol: Both},
		{Port: 2030, From: netip.MustParsePrefix("127.0.0.0/8")},
		{Port: 2031, From: netip.MustParsePrefix("10.0.0.0/8")},
		{Port: 2032, From: netip.MustParsePrefix("fd00::/64")},
		{Port: 2033, Direction: Out},
	})
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		network, address string
		want             bool
	}{
		{"tcp", "127.0.0.1:1999", false}, {"tcp", "127.0.0.1:2000", true}, {"tcp", "127.0.0.1:2002", true}, {"tcp", "127.0.0.1:2003", false},
		{"tcp", "[fd00::1]:2001", true}, {"udp", "127.0.0.1:2001", false},
		{"udp", "127.0.0.1:2010", true}, {"tcp", "127.0.0.1:2010", false},
		{"udp", "127.0.0.1:2020", true}, {"tcp", "[fd00::1]:2020", true},
		{"tcp", "127.0.0.1:2030", true}, {"tcp", "[fd00::1]:2030", false},
		{"tcp", "127.0.0.1:2031", false}, {"tcp", "[fd00::1]:2032", true}, {"tcp", "127.0.0.1:2032", false},
		{"tcp", "127.0.0.1:2033", false},
	}
	for _, c := range cases {
		if !reach(t, c.network, c.address, true) {
			t.Errorf("%s %s is shut although the table drops nothing", c.network, c.address)
		}
	}
	// Answers come back to any port; only the first packet is judged.
	tool(t, "nft", "insert rule inet fluxosd input ct state established,related accept; chain inet fluxosd input { policy drop; }")
	for _, c := range cases {
		if got := reach(t, c.network, c.address, c.want); got != c.want {
			t.Errorf("%s %s: reached %v, want %v", c.network, c.address, got, c.want)
		}
	}
	// Allow heals what was changed by hand: nobody stays locked out.
	if _, err := fw.Allow(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if !reach(t, "tcp", "127.0.0.1:1999", true) {
		t.Error("the chain still drops")
	}
}

// The limit that NFT documents: a drop elsewhere is final, and is reported.
func TestNFTCannotOverruleADropElsewhere(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	tool(t, "nft", "add table inet filter; add chain inet filter input { type filter hook input priority 0; policy drop; }; "+
		"add rule inet filter input ct state established,related accept; add table ip x; add chain ip x forward { type filter hook forward priority 0; policy drop; }; "+
		"add table bridge y; add chain bridge y input { type filter hook input priority 0; policy drop; }")
	fw := NewNFT()
	report, err := fw.Allow(t.Context(), []Rule{{Port: 16127}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"chain input of table inet filter drops what it doesn't accept, and a rule elsewhere can't overrule that: accept the ports there too"}
	if diff := cmp.Diff(want, report.Advice); diff != "" {
		t.Errorf("advice (-want +got):\n%s", diff)
	}
	if reach(t, "tcp", "127.0.0.1:16127", false) {
		t.Error("the port is open: the documented limit is gone")
	}
	tool(t, "nft", "add", "rule", "inet", "filter", "input", "tcp", "dport", "16127", "accept")
	if !reach(t, "tcp", "127.0.0.1:16127", true) {
		t.Error("the port is shut although both accept it")
	}
	if report, err := fw.Allow(t.Context(), []Rule{{Port: 53, Direction: Out}}); err != nil || len(report.Advice) != 0 {
		t.Errorf("a rule that the chain doesn't concern: %+v, %v", report, err)
	}
}

// Rules in our table that fluxosd didn't make, or that were changed, aren't
// listed as its own.
func TestNFTListsOnlyWhatItMade(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	fw := NewNFT()
	if _, err := fw.Allow(t.Context(), []Rule{{Port: 80}, {Port: 90, Protocol: Both}}); err != nil {
		t.Fatal(err)
	}
	for _, rule := range []string{
		`tcp dport 81 accept`, `tcp dport 82 accept comment "hello"`, `tcp dport 83 accept comment "in tcp 84"`,
		`tcp dport 85 drop comment "in tcp 85"`, `tcp dport 86 accept comment "out tcp 86"`, `udp dport 87 accept comment "in both 87"`,
	} {
		tool(t, "nft", "add rule inet fluxosd input "+rule)
	}
	got, err := fw.List(t.Context())
	if diff := cmp.Diff([]Rule{{Port: 80}, {Port: 90, Protocol: Both}}, got, comparePrefixes); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestNFTTakesAsManyRulesAsAllowed(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	var rules []Rule
	for i := range maxRules {
		rules = append(rules, Rule{Port: uint16(1000 + 2*i), EndPort: uint16(1001 + 2*i), Protocol: Both, From: netip.MustParsePrefix("2001:db8::/33"), Note: strings.Repeat("n", maxNote)})
	}
	fw := NewNFT()
	if _, err := fw.Allow(t.Context(), rules); err != nil {
		t.Fatal(err)
	}
	if got, err := fw.List(t.Context()); err != nil || len(got) != maxRules {
		t.Errorf("%d rules, %v", len(got), err)
	}
	if _, err := fw.Allow(t.Context(), []Rule{{Port: 1}}); err == nil || !strings.Contains(err.Error(), "at most 512") {
		t.Errorf("one more: %v", err)
	}
	if _, err := fw.Allow(t.Context(), append(rules, Rule{Port: 1})); err == nil || !strings.Contains(err.Error(), "at most 512") {
		t.Errorf("one more at once: %v", err)
	}
}

func TestNFTLosesNoRuleOfConcurrentCallers(t *testing.T) {
	if !inNamespace(t) {
		return
	}
	fw := NewNFT()
	const callers = 16
	errs := make([]error, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() { _, errs[i] = fw.Allow(t.Context(), []Rule{{Port: uint16(100 + i)}}) })
	}
	all.Wait()
	got, err := fw.List(t.Context())
	if err := errors.Join(append(errs, err)...); err != nil || len(got) != callers {
		t.Errorf("%d rules, %v", len(got), err)
	}
}

func TestNFTEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Allow": func() error { _, err := NewNFT().Allow(ctx, []Rule{{Port: 80}}); return err },
		"List":  func() error { _, err := NewNFT().List(ctx); return err },
		"Clear": func() error { _, err := NewNFT().Clear(ctx); return err },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNFTRefusalSaysWhatIsMissing(t *testing.T) {
	refused := &netlink.OpError{Op: "receive", Err: unix.EPERM}
	if err := forPeople(refused); !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "CAP_NET_ADMIN") {
		t.Errorf("%v", err)
	}
	other := errors.New("no such table")
	if err := forPeople(other); err != other {
		t.Errorf("%v", err)
	}
}

func FuzzNFTComment(f *testing.F) {
	f.Add(withComment("in tcp 80"))
	f.Add([]byte{0})
	f.Add([]byte{1, 200, 3})
	f.Add(append([]byte{7, 1, 9}, withComment("x")...))
	f.Fuzz(func(t *testing.T, data []byte) {
		text, ok := comment(data)
		if len(text) > 255 || !ok && text != "" {
			t.Errorf("%x: %q, %v", data, text, ok)
		}
		if len(text) < 255 && ok && !strings.HasSuffix(text, "\x00") {
			if again, _ := comment(withComment(text)); again != text {
				t.Errorf("%q came back as %q", text, again)
			}
		}
	})
}

func TestTheLongestRuleFitsIntoAComment(t *testing.T) {
	r := Rule{Port: 10000, EndPort: 65535, Protocol: Both, From: netip.MustParsePrefix("2001:db8:1111:2222:3333:4444:5555:6666/128"), Note: strings.Repeat("n", maxNote)}
	if text := fmt.Sprint(r); len(text) >= maxComment {
		t.Errorf("%d bytes: %s", len(text), text)
	}
}
