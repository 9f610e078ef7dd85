package daemonrpc

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fluxosd/fluxosd/internal/secret"
)

func TestParseConf(t *testing.T) {
	defaults := Conf{User: "rpcuser", Password: secret.New("rpcpassword"), Host: "127.0.0.1", Port: 16124, NodeIndex: -1}
	with := func(change func(*Conf)) Conf {
		c := defaults
		change(&c)
		return c
	}
	tests := []struct {
		name, text string
		want       Conf
		url        string
	}{
		{"empty", "", defaults, "http://127.0.0.1:16124"},
		{"node", "rpcuser=u\nrpcpassword=p=w\nserver=1\ndaemon=1\ntxindex=1\nrpcport=17000\nzelnode=1\nzelnodeprivkey=5Kabc\nzelnodeoutpoint=aa\nzelnodeindex=1\ndatadir=/data\naddnode=a\naddnode=b\n", with(func(c *Conf) {
			c.User, c.Password, c.Port, c.Node, c.NodeKey, c.NodeOutpoint, c.NodeIndex, c.DataDir = "u", secret.New("p=w"), 17000, true, secret.New("5Kabc"), "aa", 1, "/data"
		}), "http://127.0.0.1:17000"},
		{"new names", "fluxnode=1\nfluxnodeprivkey=L1\nfluxnodeoutpoint=bb\nfluxnodeindex=0\n", with(func(c *Conf) {
			c.Node, c.NodeKey, c.NodeOutpoint, c.NodeIndex = true, secret.New("L1"), "bb", 0
		}), "http://127.0.0.1:16124"},
		{"testnet", "testnet=1\n", with(func(c *Conf) { c.Testnet, c.Port = true, 26124 }), "http://127.0.0.1:26124"},
		{"testnet off", "testnet=0\n", defaults, "http://127.0.0.1:16124"},
		{"testnet without value", "testnet=\n", with(func(c *Conf) { c.Testnet, c.Port = true, 26124 }), "http://127.0.0.1:26124"},
		{"testnet in words is off", "testnet=yes\n", defaults, "http://127.0.0.1:16124"},
		{"comments, spaces, CRLF, byte order mark", "\uFEFF# flux\r\n  rpcuser = u  # name\r\n\r\n\trpcpassword=p#w\r\n", with(func(c *Conf) { c.User, c.Password = "u", secret.New("p") }), "http://127.0.0.1:16124"},
		{"first value counts", "rpcuser=a\nrpcuser=b\n", with(func(c *Conf) { c.User = "a" }), "http://127.0.0.1:16124"},
		{"sections are not read", "[test]\nrpcuser=a\nrpcport=1\n", defaults, "http://127.0.0.1:16124"},
		{"connect", "rpcconnect=10.0.0.5\nrpcport=17\n", with(func(c *Conf) { c.Host, c.Port = "10.0.0.5", 17 }), "http://10.0.0.5:17"},
		{"connect to IPv6", "rpcconnect=[::1]\n", with(func(c *Conf) { c.Host = "::1" }), "http://[::1]:16124"},
		{"bind alone is not used by the daemon", "rpcbind=10.0.0.5\n", defaults, "http://127.0.0.1:16124"},
		{"bind", "rpcbind=10.0.0.5\nrpcallowip=10.0.0.0/8\n", with(func(c *Conf) { c.Host = "10.0.0.5" }), "http://10.0.0.5:16124"},
		{"bind with port", "rpcbind=10.0.0.5:99\nrpcallowip=::/0\nrpcport=5\n", with(func(c *Conf) { c.Host, c.Port = "10.0.0.5", 99 }), "http://10.0.0.5:99"},
		{"bind to everything", "rpcbind=0.0.0.0\nrpcallowip=0.0.0.0/0\n", defaults, "http://127.0.0.1:16124"},
		{"bind to everything with port", "rpcbind=[::]:98\nrpcallowip=0.0.0.0/0\n", with(func(c *Conf) { c.Port = 98 }), "http://127.0.0.1:98"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ParseConf(strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(Conf{}, "Values")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if url := got.URL(); url != tt.url {
				t.Errorf("url %s, want %s", url, tt.url)
			}
		})
	}
}

func TestParseConfKeepsEveryValue(t *testing.T) {
	got, err := ParseConf(strings.NewReader("addnode=a\nzelnode=1\naddnode=b\n[test]\naddnode=c\nempty=\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]secret.Text{"addnode": {secret.New("a"), secret.New("b")}, "zelnode": {secret.New("1")}, "test.addnode": {secret.New("c")}, "test.empty": {{}}}
	if diff := cmp.Diff(want, got.Values); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseConfRefusesWithAdvice(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"no key", "rpcuser=u\nhunter2\n", "line 2: want key=value, [section] or # comment"},
		{"empty key", "=hunter2\n", "line 1: want key=value"},
		{"NUL", "rpcuser=hunter2\x00\n", "line 1: want key=value"},
		{"port", "rpcport=hunter2\n", "rpcport: want a port from 1 to 65535, for example 16124"},
		{"port zero", "rpcport=0\n", "rpcport: want a port"},
		{"port too large", "rpcport=65536\n", "rpcport: want a port"},
		{"bind port", "rpcbind=10.0.0.1:x\nrpcallowip=::/0\n", "rpcbind: want a port"},
		{"index", "zelnodeindex=hunter2\n", "zelnodeindex: want the number of a transaction output"},
		{"negative index", "zelnodeindex=-1\n", "zelnodeindex: want"},
		{"too large", strings.Repeat("# 345678\n", maxConfBytes/9+1), "larger than 1048576 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseConf(strings.NewReader(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("error quotes the file: %v", err)
			}
		})
	}
	if _, err := ParseConf(errReader{}); !errors.Is(err, errAny) {
		t.Errorf("error %v, want that of the reader", err)
	}
}

func TestDefaultConfPathsPreferThePresentName(t *testing.T) {
	want := []string{"/home/flux/.flux/flux.conf", "/home/flux/.zelcash/zelcash.conf"}
	if diff := cmp.Diff(want, DefaultConfPaths("/home/flux")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func FuzzParseConf(f *testing.F) {
	for _, seed := range []string{"", "rpcuser=a\r\nrpcpassword=b#c\n[test]\nx=1\n", "rpcport=1\nrpcbind=[::]:2\nrpcallowip=x\n", "zelnodeindex=1\n", "a", "\x00=", "[]\n=", "rpcconnect=a b\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		conf, err := ParseConf(strings.NewReader(text))
		if err != nil {
			return
		}
		if conf.Port < 1 || conf.Port > 65535 || conf.Host == "" || conf.NodeIndex < -1 {
			t.Fatalf("%q gives host %q port %d index %d", text, conf.Host, conf.Port, conf.NodeIndex)
		}
	})
}
