package privileged

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/fault"
)

func TestDetect(t *testing.T) {
	active := runnerFunc(func([]string) (string, error) { return "Status: active\n", nil })
	inactive := runnerFunc(func([]string) (string, error) { return "Status: inactive\n", nil })
	missing := runnerFunc(func([]string) (string, error) { return "", exec.ErrNotFound })
	broken := runnerFunc(func([]string) (string, error) { return "", errors.New("ERROR: You need to be root") })
	for _, c := range []struct {
		name, mode string
		run        Runner
		want       string // a name, or
		err        string // a part of the error
		log        string // a part of what is logged
	}{
		{"active", "auto", active, "ufw", "", "Firewall found"},
		{"inactive", "auto", inactive, "none", "", "Firewall found"},
		{"missing", "auto", missing, "none", "", "Firewall found"},
		{"broken", "auto", broken, "none", "", "level=WARN"},
		{"wanted and active", "ufw", active, "ufw", "", ""},
		{"wanted and inactive", "ufw", inactive, "", "ufw enable", ""},
		{"wanted and missing", "ufw", missing, "", "not found", ""},
		{"nftables", "nftables", broken, "nftables", "", ""},
		{"off", "off", broken, "none", "", ""},
		{"unknown", "iptables", active, "", "want auto, ufw, nftables or off", ""},
		{"empty", "", active, "", "want auto, ufw, nftables or off", ""},
	} {
		for _, dry := range []bool{false, true} {
			var log bytes.Buffer
			fw, err := Detect(t.Context(), FirewallConfig{Mode: c.mode, DryRun: dry, Run: c.run, Log: slog.New(slog.NewTextHandler(&log, nil))})
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%s: %v, want %q", c.name, err, c.err)
				}
				continue
			}
			if err != nil || fw.Name() != c.want || !strings.Contains(log.String(), c.log) {
				t.Errorf("%s: %v, %v, log\n%s", c.name, fw, err, log.String())
			}
			if c.log != "level=WARN" && strings.Contains(log.String(), "level=WARN") {
				t.Errorf("%s: warned of nothing:\n%s", c.name, log.String())
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if fw, err := Detect(ctx, FirewallConfig{Mode: "auto"}); !errors.Is(err, context.Canceled) && !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("cancelled: %v, %v", fw, err)
	}
}

func TestNoFirewallHasNothingToDo(t *testing.T) {
	fw, err := Detect(t.Context(), FirewallConfig{Mode: "off", DryRun: true})
	if err != nil {
		t.Fatal(err)
	}
	rules := []Rule{{Port: 80}}
	report, err := fw.Allow(t.Context(), rules)
	if diff := cmp.Diff(Report{Existing: rules}, report, comparePrefixes); err != nil || diff != "" {
		t.Errorf("Allow: %v (-want +got):\n%s", err, diff)
	}
	for _, call := range []func() (Report, error){
		func() (Report, error) { return fw.Remove(t.Context(), rules) },
		func() (Report, error) { return fw.Clear(t.Context()) },
		func() (Report, error) { return None{}.Clear(t.Context()) },
	} {
		report, err := call()
		if diff := cmp.Diff(Report{}, report); err != nil || diff != "" {
			t.Errorf("%v (-want +got):\n%s", err, diff)
		}
	}
	if got, err := fw.List(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("List: %v, %v", got, err)
	}
}

// foreignFirewall isn't one of this package.
type foreignFirewall struct{ Firewall }

func TestDryRefusesAFirewallThatCannotPlan(t *testing.T) {
	if _, err := Dry(foreignFirewall{}); err == nil || !strings.Contains(err.Error(), "foreignFirewall") {
		t.Errorf("%v", err)
	}
}

// answering is a firewall with a fixed report.
type answering struct {
	None
	report Report
	err    error
	got    []Rule
}

func (a *answering) Name() string { return "ufw" }

func (a *answering) Allow(_ context.Context, rules []Rule) (Report, error) {
	a.got = rules
	return a.report, a.err
}

func TestAllowPort(t *testing.T) {
	rule := []Rule{{Port: 30000, Protocol: Both}}
	for _, c := range []struct {
		name   string
		report Report
		err    error
		want   Opened
		kind   fault.Kind
		text   string
	}{
		{"new", Report{Added: rule}, nil, Opened{Port: 30000, Message: "Rule added"}, 0, ""},
		{"half new", Report{Added: rule, Existing: rule}, nil, Opened{Port: 30000, Message: "Rule added"}, 0, ""},
		{"there", Report{Existing: rule}, nil, Opened{Port: 30000, Message: "existing", Existing: true}, 0, ""},
		{"of no effect", Report{Added: rule, Advice: []string{"chain x drops"}}, nil, Opened{Port: 30000, Message: "Rule added", Advice: []string{"chain x drops"}}, 0, ""},
		{"held", Report{Added: rule, Held: rule, Advice: []string{"because of ufw deny 30000"}}, nil, Opened{Port: 30000}, fault.Conflict, "ufw deny 30000"},
		{"failed", Report{}, ErrInactive, Opened{Port: 30000}, fault.Internal, "not active"},
	} {
		fw := &answering{report: c.report, err: c.err}
		got, err := AllowPort(t.Context(), fw, 30000)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if (err == nil) != (c.text == "") || err != nil && (fault.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.text)) {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(fw.got) != 2 || fw.got[0].Direction != In || fw.got[1].Direction != Out || fw.got[0].Protocol != Both || fw.got[1].Protocol != Both {
			t.Errorf("%s: rules %v", c.name, fw.got)
		}
	}
	got, err := AllowPort(t.Context(), None{}, 80)
	if err != nil || !got.Existing || !strings.Contains(got.Message, "No firewall") {
		t.Errorf("none: %+v, %v", got, err)
	}
	if _, err := AllowPort(t.Context(), None{}, 0); err == nil || !strings.Contains(err.Error(), "1 to 65535") {
		t.Errorf("port 0: %v", err)
	}
}

func TestRulesOfANode(t *testing.T) {
	lines := func(n NodeNeeds) []string {
		t.Helper()
		rules, err := NodeRules(n)
		if err != nil {
			t.Fatal(err)
		}
		valid, err := validRules(rules)
		if err != nil || len(valid) != len(rules) {
			t.Errorf("%d rules, %d of them different and valid: %v", len(rules), len(valid), err)
		}
		var list []string
		for _, r := range rules {
			r.Note = ""
			list = append(list, r.String())
		}
		return list
	}
	plain := lines(NodeNeeds{APIPort: 16137, Gateway: netip.MustParseAddr("203.0.113.1")})
	want := strings.Split(`in tcp 16136-16138
in both 16139
in tcp 80
in tcp 443
in tcp 16125
in tcp 16127
in tcp 16147
in tcp 16157
in tcp 16167
in tcp 16177
in tcp 16187
in tcp 16197
out tcp 16136-16138
out both 16139
out tcp 80
out tcp 443
out tcp 16125
out tcp 16127
out tcp 16147
out tcp 16157
out tcp 16167
out tcp 16177
out tcp 16187
out tcp 16197
out both 53
out both 5060
out both 8080`, "\n")
	if diff := cmp.Diff(want, plain); diff != "" {
		t.Errorf("public gateway (-want +got):\n%s", diff)
	}
	router := []string{"out tcp 1-65535 to 192.168.1.1/32", "in udp 1-65535 from 192.168.1.1/32", "out udp 5351 to 192.168.1.1/32"}
	discovery := []string{"out udp 1900 to 239.255.255.250/32"}
	for _, c := range []struct {
		name string
		need NodeNeeds
		want []string // beside plain
	}{
		{"no gateway", NodeNeeds{APIPort: 16137}, nil},
		{"private gateway", NodeNeeds{APIPort: 16137, Gateway: netip.MustParseAddr("192.168.1.1")}, router},
		{"router", NodeNeeds{APIPort: 16137, Router: netip.MustParseAddr("192.168.1.1")}, slices.Concat(discovery, router)},
		{"router is the gateway", NodeNeeds{APIPort: 16137, Router: netip.MustParseAddr("192.168.1.1"), Gateway: netip.MustParseAddr("::ffff:192.168.1.1")}, slices.Concat(discovery, router)},
	} {
		if diff := cmp.Diff(slices.Concat(plain, c.want), lines(c.need)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
	for want, n := range map[string]NodeNeeds{
		"want one of [16127":   {APIPort: 16128},
		"16197]":               {},
		"want an IPv4 address": {APIPort: 16127, Router: netip.MustParseAddr("fd00::1")},
		"or none":              {APIPort: 16127, Router: netip.IPv4Unspecified()},
	} {
		if _, err := NodeRules(n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", n, err)
		}
	}
}
