package privileged

import (
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The lines are those of ufw 0.36.2.
func TestLinesOfUFW(t *testing.T) {
	foreign := ufwRule{foreign: true}
	for line, want := range map[string]ufwRule{
		"ufw allow 16127/tcp comment 'fluxosd'":                                     {action: "allow", comment: "fluxosd", Rule: Rule{Port: 16127}},
		"ufw allow 16127":                                                           {action: "allow", Rule: Rule{Port: 16127, Protocol: Both}},
		"ufw allow out 16128/udp comment 'fluxosd'":                                 {action: "allow", comment: "fluxosd", Rule: Rule{Port: 16128, Protocol: UDP, Direction: Out}},
		"ufw deny 6000:6010/tcp":                                                    {action: "deny", Rule: Rule{Port: 6000, EndPort: 6010}},
		"ufw limit 22/tcp comment 'a b'":                                            {action: "limit", comment: "a b", Rule: Rule{Port: 22}},
		"ufw allow from 10.0.0.0/8 to any port 16100:16110 proto tcp":               {action: "allow", Rule: Rule{Port: 16100, EndPort: 16110, From: netip.MustParsePrefix("10.0.0.0/8")}},
		"ufw allow from 192.168.1.1 to any port 16129 proto tcp comment 'fluxosd'":  {action: "allow", comment: "fluxosd", Rule: Rule{Port: 16129, From: netip.MustParsePrefix("192.168.1.1/32")}},
		"ufw allow out to 239.255.255.250 port 1900 proto udp comment 'fluxosd: x'": {action: "allow", comment: "fluxosd: x", Rule: Rule{Port: 1900, Protocol: UDP, Direction: Out, From: netip.MustParsePrefix("239.255.255.250/32")}},
		"ufw allow from fe80::/10 to any port 443 proto tcp":                        {action: "allow", Rule: Rule{Port: 443, From: netip.MustParsePrefix("fe80::/10")}},
		"ufw reject from 192.0.2.1 to any port 80":                                  {action: "reject", Rule: Rule{Port: 80, Protocol: Both, From: netip.MustParsePrefix("192.0.2.1/32")}},

		"ufw allow from 192.168.1.1":                                       {action: "allow", foreign: true},
		"ufw route allow in on eth0 out on eth1":                           foreign,
		"ufw allow in on eth0 to any port 80 comment 'fluxosd'":            {action: "allow", comment: "fluxosd", foreign: true},
		"ufw allow 80,443/tcp comment 'fluxosd'":                           {action: "allow", comment: "fluxosd", foreign: true},
		"ufw allow from 192.168.1.1 port 1900 proto udp comment 'fluxosd'": {action: "allow", comment: "fluxosd", foreign: true},
		"ufw allow OpenSSH":                                                {action: "allow", foreign: true},
		"ufw allow log 80":                                                 {action: "allow", foreign: true},
		"ufw allow 80/esp":                                                 {action: "allow", foreign: true},
		"ufw allow to 192.0.2.1 port 80":                                   {action: "allow", foreign: true},
		"ufw allow out from 192.0.2.1 to any port 80":                      {action: "allow", foreign: true},
		"ufw allow from 0.0.0.0/0 to any port 80":                          {action: "allow", foreign: true},
		"ufw allow from 10.0.0.0/8 to any port 0":                          {action: "allow", foreign: true},
		"ufw allow from 10.0.0.0/8 to any port 80 proto":                   {action: "allow", foreign: true},
		"ufw allow from 10.0.0.0/8 to any port 80 port 81":                 {action: "allow", foreign: true},
		"ufw allow": {action: "allow", foreign: true},
		"ufw ":      foreign,
	} {
		want.line = line
		if want.foreign && want.action == "" && strings.HasPrefix(line, "ufw route") {
			want.action = "route"
		}
		if diff := cmp.Diff(want, parseUFW(line), comparePrefixes, cmp.AllowUnexported(ufwRule{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", line, diff)
		}
	}
}

// A line that isn't understood is never removed, and never counts as open.
func TestForeignRulesAreNotOurs(t *testing.T) {
	for _, line := range []string{"ufw allow in on eth0 to any port 80 comment 'fluxosd'", "ufw allow 80,443/tcp comment 'fluxosd'",
		"ufw deny 80/tcp comment 'fluxosd'", "ufw allow 80/tcp comment 'fluxosd '", "ufw allow 80/tcp comment 'Fluxosd'", "ufw allow 80/tcp"} {
		if parseUFW(line).own() {
			t.Errorf("%s counts as fluxosd's", line)
		}
	}
	if parseUFW("ufw allow in on eth0 to any port 80").allows(Rule{Port: 80}) {
		t.Error("a rule for one interface counts as open")
	}
}

func FuzzAdded(f *testing.F) {
	raw, err := os.ReadFile(recording)
	if err != nil {
		f.Fatal(err)
	}
	for _, block := range strings.Split(string(raw), "$ ") {
		if command, answer, _ := strings.Cut(block, "\n"); command == "ufw show added" {
			f.Add(strings.ReplaceAll(answer, "\t", ""))
		}
	}
	f.Add("Added user rules\nufw allow from 10.0.0.0/8 to any port 16100:16110 proto tcp comment 'fluxosd'\n")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := parseAdded(text)
		if err != nil {
			return
		}
		for _, a := range all {
			if a.foreign {
				continue
			}
			if err := a.Validate(); err != nil {
				t.Errorf("%q: %v", a.line, err)
			}
			// What fluxosd would pass to ufw delete means the same rule.
			again := parseUFW("ufw " + strings.Join(a.arguments(), " "))
			if again.foreign || again.action != a.action || again.key() != a.key() {
				t.Errorf("%q became %q", a.line, again.line)
			}
		}
	})
}
