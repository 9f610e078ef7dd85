package importer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxosd/fluxosd/internal/config"
	"github.com/google/go-cmp/cmp"
)

const owner = "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// load writes an imported configuration and loads it.
func load(t *testing.T, yaml []byte) *config.Config {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, yaml, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(config.Options{File: path, FileRequired: true, Demo: true})
	if err != nil {
		t.Fatalf("the imported configuration isn't accepted: %v\n%s", err, yaml)
	}
	return c
}

func mustImport(t *testing.T, in Input) (*config.Config, string) {
	t.Helper()
	yaml, report, err := Import(in)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(yaml), "chmod 0600") {
		t.Errorf("the file doesn't say how it should be protected:\n%s", yaml)
	}
	return load(t, yaml), strings.Join(report, "\n")
}

func TestImportOfAnInstalledNode(t *testing.T) {
	c, report := mustImport(t, Input{UserConfig: read(t, "userconfig-installed.js"), DaemonConf: read(t, "flux.conf")})
	type summary struct {
		ID, IP, Kadena, Router, Listen, TLS, URL, User, Password string
		Ports                                                    []int
		Repositories                                             []string
		Testnet, Development                                     bool
	}
	got := summary{c.Node.FluxID, c.Node.PublicIP.String(), c.Node.Kadena, c.Node.RouterIP.String(), c.API.Listen, c.API.TLSListen,
		c.Daemon.URL, c.Daemon.User, c.Daemon.Password.Reveal(), c.Node.BlockedPorts, c.Node.BlockedRepositories, c.Node.Testnet, c.Node.Development}
	want := summary{owner, "203.0.113.7", "kadena:k:28f9b5ffb0a1?chainid=15", "192.168.1.1", ":16137", ":16138",
		"http://127.0.0.1:16124", "fluxuser", "s3cret#1=x", []int{27017, 5432}, []string{"mysql", "docker.io/library"}, false, false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if !strings.Contains(c.Node.PGPPrivateKey.Reveal(), "\nxcMGBGXVqGsBCAC2\n") || !strings.HasPrefix(c.Node.PGPPublicKey, "-----BEGIN PGP PUBLIC") {
		t.Errorf("the keys didn't survive: %q", c.Node.PGPPublicKey)
	}
	for _, line := range []string{
		"initial.zelid: taken over as node.flux_id",
		"initial.apiport: taken over as api.listen",
		"initial.cruxid: fluxosd has no such setting; left out",
		"flux.conf rpcpassword: taken over as daemon.password",
		"flux.conf: zelnode, zelnodeprivkey, zelnodeoutpoint, zelnodeindex: not copied",
		"flux.conf: 4 other settings",
	} {
		if !strings.Contains(report, line) {
			t.Errorf("the report lacks %q:\n%s", line, report)
		}
	}
	for _, secret := range []string{"s3cret", "xcMGBGXVqGsBCAC2", "5KzelnodePrivateKey"} {
		if strings.Contains(report, secret) {
			t.Errorf("the report shows %s:\n%s", secret, report)
		}
	}
}

func TestImportOfAFreshNode(t *testing.T) {
	c, report := mustImport(t, Input{UserConfig: read(t, "userconfig-fresh.js")})
	for _, key := range []string{"node.kadena", "node.pgp_private_key", "node.blocked_ports", "node.testnet", "daemon.url", "node.public_ip"} {
		if c.IsSet(key) {
			t.Errorf("%s is set though the node had its default", key)
		}
	}
	if c.Node.FluxID != owner || c.API.Listen != ":16127" || c.API.TLSListen != ":16128" {
		t.Errorf("got %s, %s, %s", c.Node.FluxID, c.API.Listen, c.API.TLSListen)
	}
	if strings.Contains(report, "left out") {
		t.Errorf("nothing should be left out:\n%s", report)
	}
}

func TestImportReportsWhatItCannotTake(t *testing.T) {
	tests := []struct{ name, initial, want string }{
		{"bad ID", "zelid: 'me'", `initial.zelid: left out: node.flux_id: "me": isn't a Flux ID`},
		{"no ID", "", "node.flux_id: the owner's Flux ID isn't in the input"},
		{"bad address", "ipaddress: 'home'", "initial.ipaddress: left out"},
		{"address with port", "ipaddress: '1.2.3.4:16137'", "the port 16137 isn't part of node.public_ip"},
		{"bad port", "apiport: 'x'", "initial.apiport: left out: want a port"},
		{"last port", "apiport: 65535", "initial.apiport: left out: want a port"},
		{"fraction", "apiport: 16127.5", "initial.apiport: left out: want a port"},
		{"bad flag", "testnet: 'maybe'", "initial.testnet: left out: want true or false"},
		{"flag as object", "testnet: {}", "initial.testnet: left out: want true or false"},
		{"list for text", "kadena: []", "initial.kadena: left out: want a string"},
		{"text for list", "blockedPorts: 'x'", "initial.blockedPorts: left out: want a list"},
		{"bad item", "blockedPorts: [80, 99999, 'x', {}]", "initial.blockedPorts[1]: left out"},
		{"comma", "blockedRepositories: ['a,b']", "initial.blockedRepositories[0]: left out: has a comma"},
		{"secret that isn't a key", "pgpPrivateKey: 's3cret'", "initial.pgpPrivateKey: left out: node.pgp_private_key: isn't an armoured key"},
		{"twice", "zelid: 'x', zelid: '" + owner + "'", "initial.zelid: stands there twice"},
		{"strange name", `"a\nb": 1`, `initial."a\nb": fluxosd has no such setting`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, report := mustImport(t, Input{UserConfig: []byte("module.exports = {initial: {" + tt.initial + "}};")})
			if !strings.Contains(report, tt.want) {
				t.Errorf("the report lacks %q:\n%s", tt.want, report)
			}
			if strings.Contains(report, "s3cret") {
				t.Errorf("the report shows a secret:\n%s", report)
			}
		})
	}
}

func TestImportKeepsTheGoodItemsOfAList(t *testing.T) {
	c, _ := mustImport(t, Input{UserConfig: []byte("export default {initial: {blockedPorts: [80, 99999, '443', null]}}")})
	if diff := cmp.Diff([]int{80, 443}, c.Node.BlockedPorts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestImportReportsOtherMembers(t *testing.T) {
	_, report := mustImport(t, Input{UserConfig: []byte("module.exports = {server: {}, initial: {}, computed: 1, initial: {zelid: '" + owner + "'}}")})
	for _, line := range []string{"server: fluxosd has no such setting", "computed: fluxosd", "initial: stands there twice", "initial.zelid: taken over"} {
		if !strings.Contains(report, line) {
			t.Errorf("the report lacks %q:\n%s", line, report)
		}
	}
}

func TestImportOfTheDaemonsFile(t *testing.T) {
	tests := []struct {
		name, conf, path string
		url, user, file  string
		report           string
	}{
		{name: "credentials", conf: "rpcuser=a\r\nrpcpassword=b\r\nrpcport=26125\r\n", url: "http://127.0.0.1:26125", user: "a"},
		{name: "reference instead of credentials", conf: "rpcuser=a\nrpcpassword=b\n", path: "/home/x/.flux/flux.conf",
			url: "http://127.0.0.1:16124", file: "/home/x/.flux/flux.conf"},
		{name: "testnet", conf: "testnet=1\n", url: "http://127.0.0.1:26124"},
		{name: "first value counts", conf: "rpcuser=a\nrpcuser=b\nrpcpassword=c\n", url: "http://127.0.0.1:16124", user: "a"},
		{name: "comments and blanks", conf: "\ufeff# rpcuser=x\n\n = \nrpcuser = a \nnonsense\n", url: "http://127.0.0.1:16124", user: "a"},
		{name: "sections end it", conf: "[test]\nrpcuser=a\n", url: "http://127.0.0.1:16124", report: `the section [test] and what follows`},
		{name: "password alone", conf: "rpcpassword=b\n", url: "http://127.0.0.1:16124", report: "there is no rpcuser"},
		{name: "bad port", conf: "rpcport=x\n", url: "http://127.0.0.1:16124", report: "flux.conf rpcport: left out"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, report := mustImport(t, Input{DaemonConf: []byte(tt.conf), DaemonConfPath: tt.path})
			if c.Daemon.URL != tt.url || c.Daemon.User != tt.user || c.Daemon.Conf != tt.file {
				t.Errorf("got %s, %q, %q", c.Daemon.URL, c.Daemon.User, c.Daemon.Conf)
			}
			if !strings.Contains(report, tt.report) {
				t.Errorf("the report lacks %q:\n%s", tt.report, report)
			}
		})
	}
}

func TestUserConfigDecidesTheNetwork(t *testing.T) {
	c, report := mustImport(t, Input{UserConfig: []byte("module.exports={initial:{testnet:false}}"), DaemonConf: []byte("testnet=1\n")})
	if c.Node.Testnet || !strings.Contains(report, "testnet disagrees") {
		t.Errorf("testnet = %v, report:\n%s", c.Node.Testnet, report)
	}
}

func TestImportRefusesBadInput(t *testing.T) {
	large := []byte(strings.Repeat(" ", maxInput+1))
	for name, in := range map[string]Input{
		"nothing":          {},
		"large userconfig": {UserConfig: large},
		"large flux.conf":  {DaemonConf: large},
		"no initial":       {UserConfig: []byte("module.exports = {}")},
	} {
		if yaml, report, err := Import(in); err == nil || yaml != nil || report != nil {
			t.Errorf("%s: got %v, %v, %v", name, yaml, report, err)
		}
	}
	for _, src := range []string{"module.exports = {initial: 1}", "module.exports = {initial: f()}"} {
		_, _, err := Import(Input{UserConfig: []byte(src)})
		if _, ok := errors.AsType[*SyntaxError](err); !ok || !strings.Contains(err.Error(), "line 1, column") {
			t.Errorf("%s: got %v, want a position", src, err)
		}
	}
}

func FuzzImport(f *testing.F) {
	for _, name := range []string{"userconfig-installed.js", "userconfig-fresh.js"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), "rpcuser=a\nrpcpassword=b\nrpcport=1\n")
	}
	f.Add("export default {initial: {zelid: 'a' + `b`, blockedPorts: [0x1F, 1e1,], x: {y: [null]}}} // c", "[x]\n#\n=")
	f.Add(`module.exports={initial:{kadena:"\u{61}\x62\uD83D\uDE00"}}`, "testnet=1")
	f.Fuzz(func(t *testing.T, js, conf string) {
		if len(js)+len(conf) > 1<<12 {
			return
		}
		yaml, report, err := Import(Input{UserConfig: []byte(js), DaemonConf: []byte(conf)})
		if err != nil {
			if e, ok := errors.AsType[*SyntaxError](err); ok && (e.Line < 1 || e.Column < 1 || e.Line > len(js)+1) {
				t.Errorf("impossible position: %v", e)
			}
			return
		}
		if len(report) == 0 {
			t.Error("nothing was reported")
		}
		load(t, yaml)
	})
}
