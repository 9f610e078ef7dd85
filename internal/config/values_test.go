package config

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/fluxosd/fluxosd/internal/secret"
)

func TestValues(t *testing.T) {
	armour := func(kind string) string {
		return "-----BEGIN PGP " + kind + " KEY BLOCK-----\n\nxyz\n-----END PGP " + kind + " KEY BLOCK-----"
	}
	tests := map[string]struct{ good, bad []string }{
		"node.flux_id": {
			good: []string{ownerID, fluxTeamID, supportTeamID, "0x" + strings.Repeat("aF", 20), "1" + strings.Repeat("2", 24), "1" + strings.Repeat("2", 33)},
			bad: []string{"0x" + strings.Repeat("a", 39), "0x" + strings.Repeat("g", 40), "0X" + strings.Repeat("a", 40), "3" + ownerID[1:],
				"1" + strings.Repeat("2", 23), "1" + strings.Repeat("2", 34), "10" + strings.Repeat("2", 25), "1I" + strings.Repeat("2", 25), ownerID + "\n"},
		},
		"node.public_ip":            {good: []string{"", "1.2.3.4", "2001:db8::1"}, bad: []string{"1.2.3.4:16127", "1.2.3", "0.0.0.0", "fe80::1%eth0", "host", "224.0.0.1"}},
		"node.testnet":              {good: []string{"true", "false"}, bad: []string{"", "yes", "1", "True"}},
		"node.data_dir":             {good: []string{"/x", "/x/../y"}, bad: []string{"", "x", "./x", "~/x"}},
		"node.kadena":               {good: []string{"", "kadena:k:ab?chainid=0", "kadena:x?chainid=20"}, bad: []string{"k:ab", "kadena:x?chainid=21", "kadena:?chainid=1", "kadena:x?chainid=01"}},
		"node.router_ip":            {good: []string{"", "192.168.1.1"}, bad: []string{"::1", "router"}},
		"node.pgp_public_key":       {good: []string{"", armour("PUBLIC")}, bad: []string{"xyz", armour("PRIVATE")}},
		"node.pgp_private_key":      {good: []string{"", armour("PRIVATE")}, bad: []string{"xyz", armour("PUBLIC"), secret.Mask}},
		"node.blocked_ports":        {good: []string{"", "1,65535"}, bad: []string{"0", "65536", "1-5", "x"}},
		"node.blocked_repositories": {good: []string{"", "a/b,c"}, bad: []string{"a b", strings.Repeat("x", 256)}},
		"node.update_unit":          {good: []string{"", "fluxosd-update@.service"}, bad: []string{"update", "x.timer"}},
		"node.update_channel":       {good: []string{"stable", "development"}, bad: []string{"", "beta"}},
		"node.test_controls":        {good: []string{"true"}, bad: []string{"on"}},
		"network.gateway":           {good: []string{"auto", "upnp", "nat-pmp", "off"}, bad: []string{"", "UPnP", "on"}},
		"network.firewall":          {good: []string{"auto", "ufw", "nftables", "off"}, bad: []string{"", "iptables"}},
		"network.firewall_dry_run":  {good: []string{"true"}, bad: []string{"1"}},
		"network.address_services": {good: []string{"", "https://a.example,http://b.example/ip?x=1"},
			bad: []string{"a.example", "ftp://a.example", "https://u:p@a.example", "https://", "https://a b"}},
		"network.geolocation_services": {good: []string{"", "https://a.example/{ip}", "http://a.example/json/{ip}?fields=a%2Cb"}, bad: []string{"{ip}", "https://"}},
		"network.time_servers":         {good: []string{"", "pool.ntp.org", "192.0.2.1:1123,[::1]:123"}, bad: []string{"ntp://x", "a:0", "a:99999", "a b"}},
		"network.probe_nodes":          {good: []string{"", "203.0.113.9:16127,[2001:db8::1]:16137"}, bad: []string{"203.0.113.9", "node:16127", "203.0.113.9:0", "0.0.0.0:16127"}},
		"network.chain_streaming":      {good: []string{"true"}, bad: []string{"on"}},
		"daemon.update_unit":           {good: []string{"", "fluxd-update.service"}, bad: []string{"apt"}},
		"daemon.debug_log":             {good: []string{"", "/x/debug.log"}, bad: []string{"debug.log"}},
		"benchmark.source":             {good: []string{"auto", "native", "fluxbenchd"}, bad: []string{"", "both"}},
		"benchmark.unit":               {good: []string{"", "fluxbenchd.service"}, bad: []string{"fluxbenchd"}},
		"benchmark.update_unit":        {good: []string{"", "x.service"}, bad: []string{"x", "x@.service"}},
		"benchmark.debug_log":          {good: []string{"", "/x"}, bad: []string{"x"}},
		"benchmark.every":              {good: []string{"0", "0s", "1h", "720h"}, bad: []string{"59m", "721h", "-1h", "24"}},
		"benchmark.time_limit":         {good: []string{"1m", "1h"}, bad: []string{"59s", "61m"}},
		"benchmark.cpu_time":           {good: []string{"1s", "1m"}, bad: []string{"0s", "61s"}},
		"benchmark.disk_size":          {good: []string{"16MiB", "16GiB"}, bad: []string{"1MiB", "17GiB"}},
		"benchmark.speed_servers":      {good: []string{"", "https://speed.example.org/x"}, bad: []string{"speed.example.org"}},
		"log.buffer":                   {good: []string{"16KiB", "64MiB"}, bad: []string{"1KiB", "65MiB"}},
		"metrics.wallet_balance":       {good: []string{"true"}, bad: []string{"yes"}},
		"api.listen":                   {good: []string{":16127", "0.0.0.0:1", "[::]:65535", "127.0.0.1:0"}, bad: []string{"", "16127", ":", ":x", ":65536", "host:1", "::1:1", ":-1"}},
		"api.tls_listen":               {good: []string{"", ":16128"}, bad: []string{"off"}},
		"api.tls_cert":                 {good: []string{"", "/x.pem"}, bad: []string{"x.pem"}},
		"api.tls_key":                  {good: []string{"", "/x.pem"}, bad: []string{"x.pem"}},
		"api.private_listen": {good: []string{"", "127.0.0.1:0", "127.9.9.9:1", "[::1]:5", "unix:/run/x.sock"},
			bad: []string{":16120", "0.0.0.0:16120", "10.0.0.1:1", "[::]:1", "localhost:1", "unix:x.sock", "unix:/" + strings.Repeat("x", 107)}},
		"api.trusted_proxies":                {good: []string{"", "10.0.0.1", "10.0.0.0/8,::1", "::ffff:10.0.0.1"}, bad: []string{"10.0.0.0/33", "proxy", "10.0.0.1:80"}},
		"api.error_status":                   {good: []string{"documented", "compat", "full"}, bad: []string{"", "Full"}},
		"api.body_limit":                     {good: []string{"1024", "1KiB", "1GiB", "2 MB", "5MB"}, bad: []string{"1023", "1GiBB", "2GiB", "-1MiB", "1.5MiB", "MiB", "99999999999999GiB"}},
		"api.max_connections":                {good: []string{"1", "1000000"}, bad: []string{"0", "1000001", "1e3", ""}},
		"api.access_log":                     {good: []string{"true"}, bad: []string{"on"}},
		"api.shutdown_timeout":               {good: []string{"0s", "10m"}, bad: []string{"30", "-1s", "10m1s"}},
		"api.rate_limit.requests_per_second": {good: []string{"0", "5"}, bad: []string{"-1", "0.5"}},
		"api.rate_limit.burst":               {good: []string{"1"}, bad: []string{"0"}},
		"api.rate_limit.exempt":              {good: []string{""}, bad: []string{"me"}},
		"store.uri": {good: []string{"sqlite:/x/y.db", "mongodb://localhost", "mongodb://u:p@a:1,b:2/db?x=y", "mongodb+srv://host"},
			bad: []string{"", "sqlite:", "sqlite:x.db", "sqlite:/x/", "sqlite:/x?mode=ro", "mongodb://", "mongodb:///x", "postgres://x", "/x.db", "mongodb://u:***@a"}},
		"daemon.url": {good: []string{"http://127.0.0.1:16124", "https://node.example:1/", "http://[::1]:5"},
			bad: []string{"", "127.0.0.1:16124", "ftp://x", "http://", "http://u:p@x", "http://x:0", "http://x:99999", "http://x?y", "http://x#y"}},
		"daemon.user":                          {good: []string{"", "x"}, bad: []string{"a:b"}},
		"daemon.password":                      {good: []string{""}, bad: []string{secret.Mask}},
		"daemon.conf":                          {good: []string{"", "/x"}, bad: []string{"flux.conf", "/x\x00"}},
		"daemon.unit":                          {good: []string{"fluxd.service", "flux@1.service"}, bad: []string{"", "flux@.service", "fluxd", "-x.service", "a/b.service", "a b.service", "x.socket"}},
		"daemon.timeout":                       {good: []string{"1s", "5m"}, bad: []string{"999ms", "5m1s", "40"}},
		"daemon.concurrency":                   {good: []string{"1", "256"}, bad: []string{"0", "257"}},
		"benchmark.url":                        {good: []string{"", "http://127.0.0.1:16224"}, bad: []string{"x"}},
		"docker.host":                          {good: []string{"unix:///x", "tcp://1.2.3.4:2375", "tcp://[::1]:1"}, bad: []string{"", "unix://x", "tcp://x", "ssh://x:1", "tcp://u@x:1", "/var/run/docker.sock"}},
		"syncthing.url":                        {good: []string{"https://127.0.0.1:8384"}, bad: []string{""}},
		"syncthing.config":                     {good: []string{"", "/x"}, bad: []string{"x"}},
		"team.flux_ids":                        {good: []string{"", ownerID + "," + fluxTeamID}, bad: []string{"team", ownerID + ";" + ownerID}},
		"permissions.operator_may_manage_apps": {good: []string{"false"}, bad: []string{"no"}},
		"permissions.siwe_domains":             {good: []string{"", "a.b,localhost"}, bad: []string{"https://a.b", "a.b:80", "-a", "a..b", strings.Repeat("a.", 127) + "a"}},
		"permissions.signature_cache":          {good: []string{"0", "0s", "1h"}, bad: []string{"61m", "-1s"}},
		"log.level":                            {good: []string{"debug", "info", "warn", "error"}, bad: []string{"", "INFO", "trace"}},
		"log.format":                           {good: []string{"text", "json", "auto"}, bad: []string{"xml"}},
		"log.levels":                           {good: []string{"", "api=debug", "a=info, b=warn"}, bad: []string{"api", "api=loud", "API=info", "=info"}},
	}
	for _, k := range keys {
		if _, ok := tests[k.path]; ok {
			continue
		}
		// The rest: keys without a rule of their own.
		if k.path != "node.development" && k.path != "benchmark.user" && k.path != "benchmark.password" {
			t.Errorf("%s has no test", k.path)
		}
	}
	for path, tt := range tests {
		b, ok := bindingOf(path)
		if !ok {
			t.Errorf("%s isn't a key", path)
			continue
		}
		for _, text := range tt.good {
			if err := b.set(flat(text)); err != nil {
				t.Errorf("%s=%q: got error %v, want none", path, text, err)
			}
		}
		for _, text := range tt.bad {
			before := b.show()
			if err := b.set(flat(text)); err == nil {
				t.Errorf("%s=%q: accepted", path, text)
			}
			if after := b.show(); after != before {
				t.Errorf("%s=%q: refused, but the value changed from %s to %s", path, text, before, after)
			}
		}
	}
}

// bindingOf binds a key to a Config of its own.
func bindingOf(path string) (binding, bool) {
	for _, k := range keys {
		if k.path == path {
			return k.bind(&Config{}), true
		}
	}
	return binding{}, false
}

func TestListsAreBounded(t *testing.T) {
	for path, item := range map[string]string{"node.blocked_ports": "1,", "log.levels": "api=info,"} {
		b, _ := bindingOf(path)
		if err := b.set(flat(strings.Repeat(item, maxItems+1))); err == nil {
			t.Errorf("%s accepts more than %d items", path, maxItems)
		}
	}
}

func TestPrivateListenerRefusalGivesTheReason(t *testing.T) {
	_, err := parsePrivateListen("0.0.0.0:16120")
	if err == nil || !strings.Contains(err.Error(), "reachable from other machines") {
		t.Errorf("got %v", err)
	}
}

func TestDurationsAndSizesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(100*time.Hour)).Draw(t, "duration"))
		if got, err := durationRange(0, 100*time.Hour)(showDuration(d)); err != nil || got != d {
			t.Fatalf("%v shown as %s reads as %v, %v", d, showDuration(d), got, err)
		}
		b := Bytes(rapid.Int64Range(0, 1<<50).Draw(t, "size"))
		if got, err := parseBytes(0, 1<<50)(b.String()); err != nil || got != b {
			t.Fatalf("%d shown as %v reads as %d, %v", int64(b), b, int64(got), err)
		}
	})
}

func TestDurationsAreShownShort(t *testing.T) {
	for d, want := range map[time.Duration]string{0: "0s", 5 * time.Minute: "5m", time.Hour: "1h", 90 * time.Second: "1m30s", 10 * time.Second: "10s", 61 * time.Minute: "1h1m", 100 * time.Hour: "100h"} {
		if got := showDuration(d); got != want {
			t.Errorf("showDuration(%v) = %s, want %s", d, got, want)
		}
	}
}
