package config

import (
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fluxosd/fluxosd/internal/secret"
)

const ownerID = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"

// sameValues compares addresses, whose types have unexported fields.
var sameValues = cmp.Options{
	cmp.Comparer(func(a, b netip.Addr) bool { return a == b }),
	cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }),
	cmpopts.IgnoreUnexported(Config{}),
}

// writeFile writes a configuration file that only its owner reads.
func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustLoad(t *testing.T, o Options) *Config {
	t.Helper()
	c, err := Load(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// problemsOf loads, wants a failure and returns its problems.
func problemsOf(t *testing.T, o Options) []Problem {
	t.Helper()
	c, err := Load(o)
	e, ok := errors.AsType[*Error](err)
	if !ok {
		t.Fatalf("Load: got error %v, want an *Error", err)
	}
	if c != nil {
		t.Error("Load returned a configuration together with an error")
	}
	return e.Problems
}

func TestDefaults(t *testing.T) {
	got := mustLoad(t, Options{Demo: true})
	want := &Config{
		Node: Node{DataDir: "/var/lib/fluxosd", UpdateChannel: "stable"},
		Network: Network{
			Gateway: "auto", Firewall: "auto",
			AddressServices: []string{"https://api.ipify.org", "https://icanhazip.com", "https://ifconfig.me/ip"},
			GeolocationServices: []string{"http://ip-api.com/json/{ip}?fields=status%2Ccontinent%2CcontinentCode%2Ccountry%2CcountryCode%2Cregion%2CregionName%2Clat%2Clon%2Cquery%2Corg%2Cisp%2Cproxy%2Chosting",
				"https://stats.runonflux.io/fluxlocation/{ip}"},
			TimeServers: []string{"pool.ntp.org", "time.cloudflare.com", "time.google.com"},
		},
		Benchmark: Benchmark{Source: BenchmarkAuto, Every: 24 * time.Hour, TimeLimit: 10 * time.Minute, CPUTime: 10 * time.Second, DiskSize: 1 << 30},
		API: API{
			Listen: ":16127", TLSListen: ":16128", PrivateListen: "127.0.0.1:16120", ErrorStatus: "documented",
			BodyLimit: 1 << 20, MaxConnections: 10000, AccessLog: true, ShutdownTimeout: 30 * time.Second,
			RateLimit: RateLimit{RequestsPerSecond: 200, Burst: 1000,
				Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}},
		},
		Store:     Store{URI: NewURI("sqlite:/var/lib/fluxosd/fluxosd.db")},
		Daemon:    Daemon{URL: "http://127.0.0.1:16124", Unit: "zelcash.service", Timeout: 40 * time.Second, Concurrency: 8},
		Docker:    Docker{Host: "unix:///var/run/docker.sock"},
		Syncthing: Syncthing{URL: "http://127.0.0.1:8384"},
		Team:      Team{FluxIDs: []string{"1hjy4bCYBJr4mny4zCE85J94RXa8W6q37", "16iJqiVbHptCx87q6XQwNpKdgEZnFtKcyP"}},
		Permissions: Permissions{OperatorMayManageApps: true, SignatureCache: 5 * time.Minute,
			SIWEDomains: []string{"home.runonflux.io", "cloud.runonflux.io"}},
		Log: Log{Buffer: 1 << 20, Level: slog.LevelInfo, Format: "auto", Levels: map[string]slog.Level{}},
	}
	if diff := cmp.Diff(want, got, sameValues); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	for _, k := range keys {
		if got.IsSet(k.path) {
			t.Errorf("IsSet(%s) = true without any source", k.path)
		}
	}
	if w := got.Warnings(); len(w) != 0 {
		t.Errorf("the defaults give warnings: %q", w)
	}
}

func TestLaterSourcesWin(t *testing.T) {
	file := writeFile(t, "node:\n  flux_id: "+ownerID+"\napi:\n  listen: ':16137'\n  tls_listen: ''\n  rate_limit:\n    burst: 1\nlog:\n  level: warn\n")
	c := mustLoad(t, Options{
		File:  file,
		Env:   []string{"PATH=/bin", "FLUXOSD_API_RATE_LIMIT_BURST=2", "FLUXOSD_LOG_LEVEL=error", "FLUXOSD_CONFIG=/x", "FLUXOSD_TEST_ANYTHING=1"},
		Flags: []string{"log.level=debug", "log.levels=api=warn,store=error", "team.flux_ids=" + ownerID},
	})
	if got := []any{c.Node.FluxID, c.API.Listen, c.API.TLSListen, c.API.RateLimit.Burst, c.Log.Level, c.API.MaxConnections}; !cmp.Equal(got,
		[]any{ownerID, ":16137", "", 2, slog.LevelDebug, 10000}) {
		t.Errorf("got %v", got)
	}
	if diff := cmp.Diff(map[string]slog.Level{"api": slog.LevelWarn, "store": slog.LevelError}, c.Log.Levels); diff != "" {
		t.Errorf("log.levels (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{ownerID}, c.Team.FluxIDs); diff != "" {
		t.Errorf("a list replaces the default (-want +got):\n%s", diff)
	}
	for key, want := range map[string]bool{"api.listen": true, "api.tls_listen": true, "api.rate_limit.burst": true,
		"log.level": true, "api.access_log": false, "store.uri": false, "no.such.key": false} {
		if got := c.IsSet(key); got != want {
			t.Errorf("IsSet(%s) = %v, want %v", key, got, want)
		}
	}
}

func TestDerivedDefaults(t *testing.T) {
	tests := []struct {
		name       string
		flags      []string
		store, rpc string
	}{
		{"data dir", []string{"node.data_dir=/srv/x/"}, "sqlite:/srv/x/fluxosd.db", "http://127.0.0.1:16124"},
		{"explicit store", []string{"node.data_dir=/srv/x", "store.uri=sqlite:/y.db"}, "sqlite:/y.db", "http://127.0.0.1:16124"},
		{"testnet", []string{"node.testnet=true"}, "sqlite:/var/lib/fluxosd/fluxosd.db", "http://127.0.0.1:26124"},
		{"testnet, explicit URL", []string{"node.testnet=true", "daemon.url=http://127.0.0.1:16124"},
			"sqlite:/var/lib/fluxosd/fluxosd.db", "http://127.0.0.1:16124"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := mustLoad(t, Options{Demo: true, Flags: tt.flags})
			if got := c.Store.URI.Reveal(); got != tt.store {
				t.Errorf("store.uri = %s, want %s", got, tt.store)
			}
			if c.Daemon.URL != tt.rpc {
				t.Errorf("daemon.url = %s, want %s", c.Daemon.URL, tt.rpc)
			}
		})
	}
}

func TestReplaceDefaultHonoursWhatIsSet(t *testing.T) {
	c := mustLoad(t, Options{Demo: true, Flags: []string{"api.listen=:16147"}})
	for _, tt := range []struct {
		key, value string
		want       bool
	}{{"api.listen", ":0", false}, {"node.data_dir", "/tmp/demo", true}, {"daemon.url", "http://127.0.0.1:9", true}} {
		if got, err := c.ReplaceDefault(tt.key, tt.value); err != nil || got != tt.want {
			t.Errorf("ReplaceDefault(%s) = %v, %v, want %v", tt.key, got, err, tt.want)
		}
	}
	if c.API.Listen != ":16147" || c.Store.URI.Reveal() != "sqlite:/tmp/demo/fluxosd.db" || c.Daemon.URL != "http://127.0.0.1:9" {
		t.Errorf("got listen %s, store %s, daemon %s", c.API.Listen, c.Store.URI, c.Daemon.URL)
	}
	if c.IsSet("node.data_dir") {
		t.Error("a replaced default counts as set")
	}
	d := mustLoad(t, Options{Demo: true})
	for value, want := range map[string]string{"true": "http://127.0.0.1:26124", "false": "http://127.0.0.1:16124"} {
		if _, err := d.ReplaceDefault("node.testnet", value); err != nil || d.Daemon.URL != want {
			t.Errorf("node.testnet %s: daemon.url = %s, %v, want %s", value, d.Daemon.URL, err, want)
		}
	}
	for _, bad := range []struct{ key, value string }{{"api.listn", ":1"}, {"daemon.timeout", "soon"}} {
		if _, err := c.ReplaceDefault(bad.key, bad.value); err == nil {
			t.Errorf("ReplaceDefault(%s, %s) gave no error", bad.key, bad.value)
		}
	}
	if c.Daemon.Timeout != 40*time.Second {
		t.Errorf("a refused default changed daemon.timeout to %v", c.Daemon.Timeout)
	}
}

func TestEveryProblemIsReportedAtOnce(t *testing.T) {
	file := writeFile(t, `node:
  flux_id: me
  testnet: "yes"
api:
  lisen: ":1"
  listen: 16127
  trusted_proxies: 10.0.0.1
  rate_limit: fast
daemon:
  password: [hunter2]
  timeout: 1h
`)
	got := problemsOf(t, Options{File: file,
		Env:   []string{"FLUXOSD_API_LISEN=:1", "FLUXOSD_DAEMON_CONCURRENCY=many"},
		Flags: []string{"hunter2", "api=1", "log.levl=debug", "docker.host=here"}})
	in := func(line string) string { return "line " + line + " of " + file }
	want := []Problem{
		{Key: "node.flux_id", Source: in("2"), Found: `"me"`},
		{Key: "node.testnet", Source: in("3"), Found: `"yes"`},
		{Key: "api.lisen", Source: in("5")},
		{Key: "api.listen", Source: in("6"), Found: `"16127"`},
		{Key: "api.trusted_proxies", Source: in("7"), Found: `"10.0.0.1"`},
		{Key: "api.rate_limit", Source: in("8")},
		{Key: "daemon.password", Source: in("10")},
		{Key: "daemon.timeout", Source: in("11"), Found: `"1h"`},
		{Source: "environment"},
		{Key: "daemon.concurrency", Source: "variable FLUXOSD_DAEMON_CONCURRENCY", Found: `"many"`},
		{Source: "--set"},
		{Key: "api", Source: "--set"},
		{Key: "log.levl", Source: "--set"},
		{Key: "docker.host", Source: "--set", Found: `"here"`},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Problem{}, "Reason", "Example")); diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
	text := (&Error{Problems: got}).Error()
	for _, part := range []string{
		"14 problems",
		`api.lisen: unknown key, did you mean api.listen?`,
		`unknown variable FLUXOSD_API_LISEN, did you mean FLUXOSD_API_LISTEN?`,
		`log.levl: unknown key, did you mean log.level?`,
		`daemon.timeout: "1h": want a duration with its unit (ms, s, m, h) from 1s to 5m, for example 20s (line 11 of `,
		`node.testnet: "yes": is a text, want true or false, for example true`,
		`api.listen: "16127": is a number, want a text (in quotes), for example ":16127"`,
	} {
		if !strings.Contains(text, part) {
			t.Errorf("the error doesn't say %q:\n%s", part, text)
		}
	}
	if strings.Contains(text, "hunter2") {
		t.Errorf("the error shows a secret:\n%s", text)
	}
}

func TestSuggestions(t *testing.T) {
	for path, want := range map[string]string{
		"listen":                 "did you mean api.listen?",
		"deamon":                 "did you mean daemon?",
		"api.rate_limt":          "did you mean api.rate_limit?",
		"api.burst":              "did you mean api.rate_limit.burst?",
		"node.fluxid":            "did you mean node.flux_id?",
		"completely.unrelated1":  "",
		strings.Repeat("x", 1e5): "",
	} {
		got := unknownKey(path, "").Reason
		if want == "" && strings.Contains(got, "did you mean") || !strings.Contains(got, want) {
			t.Errorf("%.40s: got %q, want %q", path, got, want)
		}
	}
}

func TestFluxIDIsRequiredOutsideADemo(t *testing.T) {
	got := problemsOf(t, Options{})
	if len(got) != 1 || got[0].Key != "node.flux_id" || got[0].Example == "" {
		t.Errorf("got %v, want one problem of node.flux_id with an example", got)
	}
	mustLoad(t, Options{Env: []string{"FLUXOSD_NODE_FLUX_ID=" + ownerID}})
}

func TestMissingAndUnreadableFiles(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "none.yaml")
	mustLoad(t, Options{Demo: true, File: missing})
	if got := problemsOf(t, Options{Demo: true, File: missing, FileRequired: true}); len(got) != 1 || got[0].Source != missing {
		t.Errorf("a required file that is missing: got %v", got)
	}
	if got := problemsOf(t, Options{Demo: true, File: t.TempDir()}); len(got) != 1 {
		t.Errorf("a folder instead of a file: got %v", got)
	}
	large := writeFile(t, strings.Repeat("#", maxFile+1))
	if got := problemsOf(t, Options{Demo: true, File: large}); len(got) != 1 || !strings.Contains(got[0].Reason, "larger") {
		t.Errorf("a file that is too large: got %v", got)
	}
}

func TestFilesThatAreNotConfigurations(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"broken", "node: [", "isn't YAML"},
		{"tab", "node:\n\tflux_id: x", "isn't YAML"},
		{"duplicate key", "node:\n  testnet: true\n  testnet: false\n", "already defined"},
		{"list", "- node\n", "want sections"},
		{"text", "hello\n", "want sections"},
		{"two documents", "node:\n---\nnode:\n", "several YAML documents"},
		{"anchor", "node:\n  flux_id: &a x\n", "anchor"},
		{"alias", "node: &a\n  testnet: true\napi: *a\n", "want only"},
		{"tag", "node:\n  flux_id: !!str x\n", "tag"},
		{"merge", "node:\n  <<: {testnet: true}\n", "want only"},
		{"deep", "a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}", "nested too deep"},
		{"null value", "node:\n  flux_id:\n", "has no value"},
		{"list in a list", "team:\n  flux_ids: [[x]]\n", "is a list, want a single value"},
		{"mapping for a value", "api:\n  listen: {port: 1}\n", "is a section, want a single value"},
		{"list for a mapping", "log:\n  levels: [api]\n", "want a mapping"},
		{"bool for a text", "daemon:\n  user: true\n", "is true or false, want a text"},
		{"text for a number", "api:\n  max_connections: '5'\n", "is a text, want a number"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := problemsOf(t, Options{Demo: true, File: writeFile(t, tt.text)})
			if text := (&Error{Problems: got}).Error(); len(got) != 1 || !strings.Contains(text, tt.want) {
				t.Errorf("got %d problems: %s\nwant one with %q", len(got), text, tt.want)
			}
		})
	}
}

func TestSyntaxErrorsShowNoSecrets(t *testing.T) {
	for _, text := range []string{
		"daemon:\n  password: hunter2\n bad: [\n", "daemon:\n  password: 'hunter2\n", "daemon:\n  password: \"hunter2\\q\"\n",
		"daemon:\n  password: hunter2: x\n", "daemon:\n  password: !hunter2 x\n", "daemon:\n  password: {a: hunter2\n",
	} {
		if _, err := Load(Options{Demo: true, File: writeFile(t, text)}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got error %v", text, err)
		}
	}
}

func TestFilesWithoutKeysAreEmpty(t *testing.T) {
	want := mustLoad(t, Options{Demo: true})
	for _, text := range []string{"", "\n", "# comment\n", "---\n", "node:\napi:\n  rate_limit:\n", "{}\n", "null\n"} {
		got := mustLoad(t, Options{Demo: true, File: writeFile(t, text)})
		if diff := cmp.Diff(want, got, sameValues); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
	}
}

func TestNumbersThatAreTextsStayAsWritten(t *testing.T) {
	c := mustLoad(t, Options{Demo: true, File: writeFile(t, "daemon:\n  user: 007\n  password: 1e5\n")})
	if c.Daemon.User != "007" || c.Daemon.Password.Reveal() != "1e5" {
		t.Errorf("got %q, %q, want 007, 1e5", c.Daemon.User, c.Daemon.Password.Reveal())
	}
}

func FuzzLoadFile(f *testing.F) {
	f.Add(Sample())
	f.Add("node:\n  flux_id: " + ownerID + "\n  blocked_ports: [1, 2]\napi: {listen: ':1', rate_limit: {burst: 2}}\n")
	f.Add("daemon:\n  password: |\n    a\n    b\n  user: >-\n    x\n")
	f.Add("log: {levels: {api: debug}}\n--- # two\nnode: &a *a\n? x\n: y\n<<: !!map {}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 1<<12 {
			return
		}
		l := loader{cfg: &Config{sources: map[string]string{}}}
		l.bind()
		l.defaults()
		l.yaml([]byte(text), "file")
		l.derive()
		if len(l.problems) > 0 {
			return
		}
		// What was accepted can be printed, and read again to the same values,
		// secrets excepted.
		again := loader{cfg: &Config{sources: map[string]string{}}}
		again.bind()
		masked := l.cfg.YAML()
		if strings.Contains(masked, secret.Mask) {
			return
		}
		again.yaml([]byte(masked), "printed")
		if len(again.problems) > 0 {
			t.Fatalf("the printed configuration isn't accepted: %v\n%s", again.problems, masked)
		}
		if diff := cmp.Diff(l.cfg, again.cfg, sameValues, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("printed and read again (-first +second):\n%s", diff)
		}
	})
}
