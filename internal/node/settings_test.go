package node

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fluxosd/fluxosd/internal/config"
	"github.com/fluxosd/fluxosd/internal/config/edit"
	"github.com/fluxosd/fluxosd/internal/fault"
)

var sameAddr = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

// before is what the settings of a test begin with.
func before() Values {
	return Values{Kadena: "kadena:k:old?chainid=1", RouterIP: netip.MustParseAddr("192.168.0.1"), BlockedPorts: []int{1, 2},
		BlockedRepositories: []string{"old/"}, UpdateChannel: "stable", APIPort: 16127}
}

const fileBefore = `# by hand
node:
  kadena: "kadena:k:old?chainid=1"
  router_ip: 192.168.0.1
  blocked_ports: [1, 2]
  blocked_repositories: [old/]
`

// newSettings returns settings over a real file, and the file.
func newSettings(t *testing.T, change func(*SettingsConfig)) (*Settings, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(fileBefore), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := edit.New(edit.Config{Path: path, Check: func(raw []byte) error { return config.Check(raw, config.Options{File: path, Demo: true}) }})
	if err != nil {
		t.Fatal(err)
	}
	cfg := SettingsConfig{Now: before(), File: file, SetBy: func(string) string { return "" }, Listen: "10.0.0.1:16127", TLSListen: "[::]:16128"}
	if change != nil {
		change(&cfg)
	}
	return NewSettings(cfg), path
}

// written loads the file as the next start of the daemon would.
func written(t *testing.T, path string) *config.Config {
	t.Helper()
	cfg, err := config.Load(config.Options{File: path, FileRequired: true, Demo: true})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestSettingsCountAtOnceAndAfterARestart(t *testing.T) {
	ctx := t.Context()
	for _, c := range []struct {
		name string
		set  func(*Settings) error
		want func(*Values)
		file func(*config.Config) any
		held any
	}{
		{"kadena", func(s *Settings) error { return s.SetKadena(ctx, "k:0123abc", "20") },
			func(v *Values) { v.Kadena = "kadena:k:0123abc?chainid=20" },
			func(c *config.Config) any { return c.Node.Kadena }, "kadena:k:0123abc?chainid=20"},
		{"kadena of 256 letters", func(s *Settings) error { return s.SetKadena(ctx, strings.Repeat("é", 256), "0") },
			func(v *Values) { v.Kadena = "kadena:" + strings.Repeat("é", 256) + "?chainid=0" },
			func(c *config.Config) any { return c.Node.Kadena }, "kadena:" + strings.Repeat("é", 256) + "?chainid=0"},
		{"router", func(s *Settings) error { return s.SetRouterIP(ctx, "10.1.2.3") },
			func(v *Values) { v.RouterIP = netip.MustParseAddr("10.1.2.3") },
			func(c *config.Config) any { return c.Node.RouterIP.String() }, "10.1.2.3"},
		{"no router", func(s *Settings) error { return s.SetRouterIP(ctx, "") },
			func(v *Values) { v.RouterIP = netip.Addr{} },
			func(c *config.Config) any { return c.Node.RouterIP.IsValid() }, false},
		{"ports", func(s *Settings) error { return s.SetBlockedPorts(ctx, []int{1, 65535}) },
			func(v *Values) { v.BlockedPorts = []int{1, 65535} },
			func(c *config.Config) any { return c.Node.BlockedPorts }, []int{1, 65535}},
		{"no ports", func(s *Settings) error { return s.SetBlockedPorts(ctx, nil) },
			func(v *Values) { v.BlockedPorts = []int{} },
			func(c *config.Config) any { return len(c.Node.BlockedPorts) }, 0},
		{"repositories", func(s *Settings) error { return s.SetBlockedRepositories(ctx, []string{"evil/", "ghcr.io/x/y:latest"}) },
			func(v *Values) { v.BlockedRepositories = []string{"evil/", "ghcr.io/x/y:latest"} },
			func(c *config.Config) any { return c.Node.BlockedRepositories }, []string{"evil/", "ghcr.io/x/y:latest"}},
		{"no repositories", func(s *Settings) error { return s.SetBlockedRepositories(ctx, []string{}) },
			func(v *Values) { v.BlockedRepositories = []string{} },
			func(c *config.Config) any { return len(c.Node.BlockedRepositories) }, 0},
		{"channel", func(s *Settings) error { return s.SetUpdateChannel(ctx, "development") },
			func(v *Values) { v.UpdateChannel = "development" },
			func(c *config.Config) any { return c.Node.UpdateChannel }, "development"},
		{"port", func(s *Settings) error { return s.SetAPIPort(ctx, "16197") },
			func(v *Values) { v.APIPort, v.APIPortSet = 16197, true },
			func(c *config.Config) any { return c.API.Listen + " " + c.API.TLSListen }, "10.0.0.1:16197 [::]:16198"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, path := newSettings(t, nil)
			if err := c.set(s); err != nil {
				t.Fatal(err)
			}
			want := before()
			c.want(&want)
			if diff := cmp.Diff(want, s.Values(), sameAddr); diff != "" {
				t.Errorf("values (-want +got):\n%s", diff)
			}
			if got := c.file(written(t, path)); !cmp.Equal(got, c.held) {
				t.Errorf("the file says %v, want %v", got, c.held)
			}
			if raw, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(raw), "# by hand\n") {
				t.Errorf("%v, the operator's comment is gone:\n%s", err, raw)
			}
		})
	}
}

func TestAPIPortWithoutTLSLeavesTLSOff(t *testing.T) {
	for _, port := range []string{"16127", "16137", "16147", "16157", "16167", "16177", "16187", "16197"} {
		s, path := newSettings(t, func(c *SettingsConfig) { c.Listen, c.TLSListen = ":16127", "" })
		if err := s.SetAPIPort(t.Context(), port); err != nil {
			t.Fatal(err)
		}
		if raw, err := os.ReadFile(path); err != nil || strings.Contains(string(raw), "tls_listen") || written(t, path).API.Listen != ":"+port {
			t.Errorf("%s: %v\n%s", port, err, raw)
		}
	}
}

// refusals are calls that must change nothing.
func refusals(ctx context.Context) []refusal {
	ports := make([]int, maxListed+1)
	names := make([]string, maxListed+1)
	for i := range ports {
		ports[i], names[i] = 1, "x"
	}
	kadena := func(account, chain string) func(*Settings) error {
		return func(s *Settings) error { return s.SetKadena(ctx, account, chain) }
	}
	router := func(text string) func(*Settings) error {
		return func(s *Settings) error { return s.SetRouterIP(ctx, text) }
	}
	api := func(text string) func(*Settings) error {
		return func(s *Settings) error { return s.SetAPIPort(ctx, text) }
	}
	blocked := func(p ...int) func(*Settings) error {
		return func(s *Settings) error { return s.SetBlockedPorts(ctx, p) }
	}
	repos := func(r ...string) func(*Settings) error {
		return func(s *Settings) error { return s.SetBlockedRepositories(ctx, r) }
	}
	channel := func(text string) func(*Settings) error {
		return func(s *Settings) error { return s.SetUpdateChannel(ctx, text) }
	}
	return []refusal{
		{"no account", kadena("", "1"), fault.Invalid, "No Kadena Account provided"},
		{"no chain", kadena("k:a", ""), fault.Invalid, "No Kadena Chain ID provided"},
		{"chain 21", kadena("k:a", "21"), fault.Invalid, `Invalid Chain ID "21"`},
		{"chain -1", kadena("k:a", "-1"), fault.Invalid, `Invalid Chain ID "-1"`},
		{"chain 01", kadena("k:a", "01"), fault.Invalid, `Invalid Chain ID "01"`},
		{"chain +1", kadena("k:a", "+1"), fault.Invalid, `Invalid Chain ID "+1"`},
		{"chain of words", kadena("k:a", "1&x=2"), fault.Invalid, "Invalid Chain ID"},
		{"long chain", kadena("k:a", strings.Repeat("9", 500)), fault.Invalid, `"` + strings.Repeat("9", 32) + `…"`},
		{"account with a question mark", kadena("k:a?chainid=2", "1"), fault.Invalid, "Invalid Kadena Account"},
		{"account with a blank", kadena("k a", "1"), fault.Invalid, "Invalid Kadena Account"},
		{"account with a line end", kadena("k:a\nnode:", "1"), fault.Invalid, "Invalid Kadena Account"},
		{"account with a zero byte", kadena("k:a\x00", "1"), fault.Invalid, "Invalid Kadena Account"},
		{"account of 257", kadena(strings.Repeat("a", 257), "1"), fault.Invalid, "1 to 256 characters"},

		{"router by name", router("router.lan"), fault.Invalid, `Invalid router IP "router.lan"`},
		{"router of IPv6", router("fe80::1"), fault.Invalid, "IPv4"},
		{"router of mapped IPv4", router("::ffff:10.0.0.1"), fault.Invalid, "IPv4"},
		{"router with a port", router("10.0.0.1:80"), fault.Invalid, "IPv4"},
		{"router nowhere", router("0.0.0.0"), fault.Invalid, "IPv4"},
		{"router everywhere", router("255.255.255.255"), fault.Invalid, "IPv4"},
		{"router for many", router("224.0.0.1"), fault.Invalid, "IPv4"},
		{"router at home", router("127.0.0.1"), fault.Invalid, "IPv4"},

		{"no port", api(""), fault.Invalid, "API Port not valid"},
		{"port of TLS", api("16128"), fault.Invalid, "API Port not valid"},
		{"port beyond", api("16207"), fault.Invalid, "API Port not valid"},
		{"port +16127", api("+16127"), fault.Invalid, "API Port not valid"},
		{"port 016127", api("016127"), fault.Invalid, "API Port not valid"},

		{"blocked 0", blocked(80, 0), fault.Invalid, "0 is no port"},
		{"blocked -1", blocked(-1), fault.Invalid, "-1 is no port"},
		{"blocked 65536", blocked(65536), fault.Invalid, "65536 is no port"},
		{"too many blocked", blocked(ports...), fault.TooLarge, "at most 1000"},

		{"empty repository", repos("a", ""), fault.Invalid, "Blocked Repositories are invalid"},
		{"repository with a comma", repos("a,b"), fault.Invalid, "Blocked Repositories are invalid"},
		{"repository with a blank", repos("a b"), fault.Invalid, "Blocked Repositories are invalid"},
		{"repository of 256", repos(strings.Repeat("a", 256)), fault.Invalid, "Blocked Repositories are invalid"},
		{"too many repositories", repos(names...), fault.TooLarge, "at most 1000"},

		{"no channel", channel(""), fault.Invalid, "stable or development"},
		{"channel beta", channel("beta"), fault.Invalid, "stable or development"},
	}
}

type refusal struct {
	name string
	set  func(*Settings) error
	kind fault.Kind
	text string
}

func TestWhatIsNoSettingChangesNothing(t *testing.T) {
	for _, c := range refusals(t.Context()) {
		t.Run(c.name, func(t *testing.T) {
			s, path := newSettings(t, nil)
			unchanged(t, s, path, c.set(s), c.kind, c.text)
		})
	}
}

// unchanged wants a failure for the caller, and everything as it was.
func unchanged(t *testing.T, s *Settings, path string, err error, kind fault.Kind, text string) {
	t.Helper()
	if e, ok := errors.AsType[*fault.Error](err); !ok || e.Kind != kind || !strings.Contains(e.Msg, text) || strings.Contains(e.Msg, "\n") {
		t.Errorf("got %v, want a failure of kind %v with %q in one line", err, kind, text)
	}
	if diff := cmp.Diff(before(), s.Values(), sameAddr); diff != "" {
		t.Errorf("values changed (-want +got):\n%s", diff)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != fileBefore {
		t.Errorf("%v, the file changed:\n%s", err, raw)
	}
}

// setters are good calls of every setter, by the first of the keys that they write.
func setters(ctx context.Context) map[string]func(*Settings) error {
	return map[string]func(*Settings) error{
		"node.kadena":               func(s *Settings) error { return s.SetKadena(ctx, "k:new", "2") },
		"node.router_ip":            func(s *Settings) error { return s.SetRouterIP(ctx, "10.9.9.9") },
		"node.blocked_ports":        func(s *Settings) error { return s.SetBlockedPorts(ctx, []int{9}) },
		"node.blocked_repositories": func(s *Settings) error { return s.SetBlockedRepositories(ctx, []string{"new/"}) },
		"node.update_channel":       func(s *Settings) error { return s.SetUpdateChannel(ctx, "development") },
		"api.listen":                func(s *Settings) error { return s.SetAPIPort(ctx, "16137") },
	}
}

// A variable or a flag wins over the file: a change there would be lost at the
// next start, so it is refused, with the name of what wins.
func TestWhatAVariableSetsIsNotChangedInTheFile(t *testing.T) {
	all := setters(t.Context())
	all["api.tls_listen"] = all["api.listen"]
	for key, set := range all {
		s, path := newSettings(t, func(c *SettingsConfig) {
			c.SetBy = func(k string) string {
				if k == key {
					return "variable FLUXOSD_X"
				}
				return ""
			}
		})
		unchanged(t, s, path, set(s), fault.Conflict, key+" is set by variable FLUXOSD_X")
	}
	s, path := newSettings(t, func(c *SettingsConfig) { c.SetBy = func(string) string { return "--set" } })
	for range 20 { // always the same key of two
		unchanged(t, s, path, s.SetAPIPort(t.Context(), "16137"), fault.Conflict, "api.listen is set by --set")
	}
}

// failing is an Editor that fails.
type failing struct{ err error }

func (f failing) Set(context.Context, map[string]any) error { return f.err }

func TestAFileThatCannotBeChangedChangesNothing(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		kind fault.Kind
		text string
	}{
		{"no file", fmt.Errorf("x: %w", edit.ErrNoFile), fault.Conflict, "without a configuration file"},
		{"busy", fmt.Errorf("edit x: %w", edit.ErrBusy), fault.Unavailable, "being changed by somebody else. Please try again."},
		{"refused", fmt.Errorf("%w: %w", edit.ErrRefused, &config.Error{Problems: []config.Problem{{Key: "a.b", Reason: "bad"}, {Key: "c.d", Reason: "worse"}}}),
			fault.Unavailable, "could not be changed: the configuration file is unchanged: configuration: 2 problems: - a.b: bad - c.d: worse"},
		{"disk full", errors.New("no space left on device"), fault.Unavailable, "could not be changed: no space left on device"},
		{"cancelled", context.Canceled, fault.Unavailable, "could not be changed: context canceled"},
	} {
		for key, set := range setters(t.Context()) {
			t.Run(c.name+"/"+key, func(t *testing.T) {
				s, path := newSettings(t, func(sc *SettingsConfig) { sc.File = failing{c.err} })
				err := set(s)
				unchanged(t, s, path, err, c.kind, c.text)
				if !errors.Is(err, c.err) {
					t.Errorf("%v hides its cause", err)
				}
			})
		}
	}
}

// With the editor itself: no file, and a lock that somebody holds.
func TestSettingsWithoutAFileSayHowToGetOne(t *testing.T) {
	file, err := edit.New(edit.Config{Check: func([]byte) error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	s, path := newSettings(t, func(c *SettingsConfig) { c.File = file })
	unchanged(t, s, path, s.SetUpdateChannel(t.Context(), "development"), fault.Conflict, "Start it with --config FILE.")
}

// Other parts of the configuration count too: the API's new port may be another
// listener's.
func TestAChangeThatTheDaemonCouldNotStartWithIsRefused(t *testing.T) {
	taken := fileBefore + "api:\n  private_listen: 127.0.0.1:16138\n"
	s, path := newSettings(t, nil)
	if err := os.WriteFile(path, []byte(taken), 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.SetAPIPort(t.Context(), "16137")
	if fault.KindOf(err) != fault.Unavailable || !errors.Is(err, edit.ErrRefused) || !strings.Contains(err.Error(), "api.private_listen") {
		t.Errorf("%v", err)
	}
	if raw, err := os.ReadFile(path); err != nil || string(raw) != taken {
		t.Errorf("%v, the file changed:\n%s", err, raw)
	}
	if v := s.Values(); v.APIPort != 16127 || v.APIPortSet {
		t.Errorf("values %+v", v)
	}
}

func TestValuesAreCopies(t *testing.T) {
	s, _ := newSettings(t, nil)
	v := s.Values()
	v.BlockedPorts[0], v.BlockedRepositories[0] = 99, "changed"
	ports, names := []int{5, 6}, []string{"a", "b"}
	if diff := cmp.Diff(before(), s.Values(), sameAddr); diff != "" {
		t.Errorf("a reader changed the settings (-want +got):\n%s", diff)
	}
	if err := errors.Join(s.SetBlockedPorts(t.Context(), ports), s.SetBlockedRepositories(t.Context(), names)); err != nil {
		t.Fatal(err)
	}
	ports[0], names[0] = 99, "changed"
	if v := s.Values(); v.BlockedPorts[0] != 5 || v.BlockedRepositories[0] != "a" {
		t.Errorf("the caller changed the settings: %+v", v)
	}
	empty := NewSettings(SettingsConfig{}).Values()
	if empty.BlockedPorts == nil || empty.BlockedRepositories == nil {
		t.Errorf("a list is nil: %+v", empty)
	}
}

// Whatever order concurrent changes get, none is lost, and the file says in the
// end what the settings say.
func TestConcurrentChangesAreAllKept(t *testing.T) {
	s, path := newSettings(t, nil)
	var wg sync.WaitGroup
	errs := make(chan error, 100)
	for _, set := range setters(t.Context()) {
		wg.Go(func() { errs <- set(s) })
	}
	for i := range 10 {
		wg.Go(func() { errs <- s.SetBlockedPorts(t.Context(), []int{i + 1, i + 1}) })
		wg.Go(func() {
			if v := s.Values(); len(v.BlockedPorts) == 2 && v.BlockedPorts[0] != v.BlockedPorts[1] && !cmp.Equal(v.BlockedPorts, []int{1, 2}) {
				errs <- fmt.Errorf("half a change: %v", v.BlockedPorts)
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Error(err)
		}
	}
	got, cfg := s.Values(), written(t, path)
	want := Values{Kadena: "kadena:k:new?chainid=2", RouterIP: netip.MustParseAddr("10.9.9.9"), BlockedRepositories: []string{"new/"},
		UpdateChannel: "development", APIPort: 16137, APIPortSet: true}
	if diff := cmp.Diff(want, got, sameAddr, cmpopts.IgnoreFields(Values{}, "BlockedPorts")); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	file := Values{Kadena: cfg.Node.Kadena, RouterIP: cfg.Node.RouterIP, BlockedPorts: cfg.Node.BlockedPorts, BlockedRepositories: cfg.Node.BlockedRepositories,
		UpdateChannel: cfg.Node.UpdateChannel, APIPort: 16137, APIPortSet: cfg.API.Listen == "10.0.0.1:16137"}
	if diff := cmp.Diff(got, file, sameAddr); diff != "" {
		t.Errorf("settings and file differ (-settings +file):\n%s", diff)
	}
}
