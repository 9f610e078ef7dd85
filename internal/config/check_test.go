package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRulesBetweenKeys(t *testing.T) {
	dir := t.TempDir()
	pem := filepath.Join(dir, "x.pem")
	if err := os.WriteFile(pem, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		flags []string
		want  []string // keys with problems
	}{
		{"certificate and key", []string{"api.tls_cert=" + pem, "api.tls_key=" + pem}, nil},
		{"certificate alone", []string{"api.tls_cert=" + pem}, []string{"api.tls_key"}},
		{"key alone", []string{"api.tls_key=" + pem}, []string{"api.tls_cert"}},
		{"missing certificate", []string{"api.tls_cert=" + pem + "x", "api.tls_key=" + pem}, []string{"api.tls_cert"}},
		{"a folder as key", []string{"api.tls_cert=" + pem, "api.tls_key=" + dir}, []string{"api.tls_key"}},
		{"same port", []string{"api.listen=:5", "api.tls_listen=:5"}, []string{"api.tls_listen"}},
		{"wildcard and loopback", []string{"api.listen=0.0.0.0:16120"}, []string{"api.private_listen"}},
		{"both wildcards", []string{"api.listen=0.0.0.0:5", "api.tls_listen=[::]:5"}, []string{"api.tls_listen"}},
		{"different addresses", []string{"api.listen=10.0.0.1:16120"}, nil},
		{"ports that the system chooses", []string{"api.listen=:0", "api.tls_listen=:0", "api.private_listen=127.0.0.1:0"}, nil},
		{"nothing but the API", []string{"api.tls_listen=", "api.private_listen="}, nil},
		{"all three", []string{"api.listen=:5", "api.tls_listen=:5", "api.private_listen=127.0.0.1:5"},
			[]string{"api.tls_listen", "api.private_listen", "api.private_listen"}},
		{"a bad listener only once", []string{"api.listen=x", "api.tls_listen=:16127"}, []string{"api.listen"}},
		{"test controls on the main network", []string{"node.test_controls=true"}, []string{"node.test_controls"}},
		{"test controls on the test network", []string{"node.test_controls=true", "node.testnet=true"}, nil},
		{"a single time server", []string{"network.time_servers=pool.ntp.org"}, []string{"network.time_servers"}},
		{"no time server", []string{"network.time_servers="}, nil},
		{"password without user", []string{"daemon.password=x", "benchmark.password=x"}, []string{"daemon.user", "benchmark.user"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			if _, err := Load(Options{Demo: true, Flags: tt.flags}); err != nil {
				for _, p := range err.(*Error).Problems {
					got = append(got, p.Key)
				}
			}
			if strings.Join(got, " ") != strings.Join(tt.want, " ") {
				t.Errorf("problems with %v, want %v", got, tt.want)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	ports := strings.TrimSuffix(strings.Repeat("1,", 101), ",")
	tests := []struct {
		name  string
		flags []string
		want  string // "" for none
	}{
		{"known port", []string{"api.listen=:16197", "api.tls_listen=:16198"}, ""},
		{"port outside the rule", []string{"api.listen=:16128", "api.tls_listen=:16129"}, "api.listen: other nodes only look"},
		{"TLS elsewhere", []string{"api.tls_listen=:443"}, "api.tls_listen: other nodes expect TLS on port 16128"},
		{"any port", []string{"api.listen=:0", "api.tls_listen=:0"}, ""},
		{"socket in /run", []string{"api.private_listen=unix:/run/fluxosd/p.sock"}, ""},
		{"socket in /tmp", []string{"api.private_listen=unix:/tmp/p.sock"}, "outside /run"},
		{"daemon elsewhere", []string{"daemon.url=http://10.0.0.5:16124"}, "daemon.url: http://10.0.0.5:16124 leaves this machine"},
		{"daemon elsewhere, TLS", []string{"daemon.url=https://10.0.0.5:16124"}, ""},
		{"daemon by name", []string{"daemon.url=http://localhost:16124"}, ""},
		{"daemon on ::1", []string{"daemon.url=http://[::1]:16124"}, ""},
		{"engine elsewhere", []string{"docker.host=tcp://10.0.0.5:2375"}, "docker.host"},
		{"everybody is a proxy", []string{"api.trusted_proxies=0.0.0.0/0"}, "api.trusted_proxies: 0.0.0.0/0 is every address"},
		{"missing flux.conf", []string{"daemon.conf=/nonexistent/flux.conf"}, "daemon.conf: open /nonexistent/flux.conf"},
		{"many ports", []string{"node.blocked_ports=" + ports}, "node.blocked_ports: 101 ports"},
		{"many repositories", []string{"node.blocked_repositories=a,b,c,d,e,f,g,h,i,j,k"}, "node.blocked_repositories: 11"},
		{"half a key pair", []string{"node.pgp_public_key=-----BEGIN PGP PUBLIC KEY BLOCK-----\n-----END PGP PUBLIC KEY BLOCK-----"}, "node.pgp_public_key and"},
		{"no team", []string{"team.flux_ids="}, "team.flux_ids"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := mustLoad(t, Options{Demo: true, Flags: tt.flags}).Warnings()
			switch {
			case tt.want == "" && len(got) != 0:
				t.Errorf("got %q, want none", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("got %q, want one with %q", got, tt.want)
			}
		})
	}
}

func TestReadableFilesWithSecretsAreWarnedOf(t *testing.T) {
	tests := []struct {
		name, text string
		mode       os.FileMode
		want       bool
	}{
		{"secret, readable", "daemon: {user: a, password: " + daemonSecret + "}", 0o644, true},
		{"secret, owner and group only", "daemon: {user: a, password: " + daemonSecret + "}", 0o640, false},
		{"store password", "store: {uri: 'mongodb://a:" + storeSecret + "@h'}", 0o604, true},
		{"store without password", "store: {uri: 'mongodb://h'}", 0o644, false},
		{"no secret", "node: {testnet: true}", 0o644, false},
		{"empty password", "daemon: {password: ''}", 0o644, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := writeFile(t, tt.text)
			if err := os.Chmod(file, tt.mode); err != nil {
				t.Fatal(err)
			}
			got := mustLoad(t, Options{Demo: true, File: file}).Warnings()
			if (len(got) == 1) != tt.want {
				t.Errorf("got %q, want a warning: %v", got, tt.want)
			}
			noSecrets(t, "the warning", strings.Join(got, ""))
		})
	}
}
