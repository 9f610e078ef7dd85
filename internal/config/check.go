package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/fluxosd/fluxosd/internal/secret"
)

// check applies the rules between keys and those that look at files. It leaves
// alone keys that are bad already.
func (c *Config) check(demo bool, bad map[string]bool) []Problem {
	var problems []Problem
	add := func(key, reason, example string) {
		problems = append(problems, Problem{Key: key, Source: c.sources[key], Reason: reason, Example: example})
	}
	if c.Node.FluxID == "" && !demo && !bad["node.flux_id"] {
		add("node.flux_id", "required: without it nobody is this node's owner", exampleID)
	}
	if !bad["api.tls_cert"] && !bad["api.tls_key"] {
		switch {
		case (c.API.TLSCert == "") != (c.API.TLSKey == ""):
			given, missing := "api.tls_cert", "api.tls_key"
			if c.API.TLSCert == "" {
				given, missing = missing, given
			}
			add(missing, "required together with "+given, `"/etc/fluxosd/tls.pem"`)
		case c.API.TLSCert != "":
			for _, f := range []struct{ key, path string }{{"api.tls_cert", c.API.TLSCert}, {"api.tls_key", c.API.TLSKey}} {
				if err := readable(f.path); err != nil {
					add(f.key, err.Error()+": want a readable PEM file", "")
				}
			}
		}
	}
	problems = append(problems, c.checkListeners(bad)...)
	if c.Node.TestControls && !c.Node.Testnet && !bad["node.test_controls"] && !bad["node.testnet"] {
		add("node.test_controls", "needs node.testnet: the DOS state of a node of the main network is nobody's to set", "false")
	}
	if n := len(c.Network.TimeServers); (n == 1 || n > 8) && !bad["network.time_servers"] {
		add("network.time_servers", "needs 2 to 8 servers, or none: what one alone says can't be checked", `["pool.ntp.org", "time.cloudflare.com"]`)
	}
	for _, d := range []struct{ key, user, password string }{
		{"daemon", c.Daemon.User, c.Daemon.Password.Reveal()},
		{"benchmark", c.Benchmark.User, c.Benchmark.Password.Reveal()},
	} {
		if d.user == "" && d.password != "" && !bad[d.key+".user"] {
			add(d.key+".user", "required together with "+d.key+".password", `"rpcuser"`)
		}
	}
	return problems
}

// readable opens a regular file without waiting for a writer of a pipe.
func readable(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() {
		return fmt.Errorf("%s isn't a file", path)
	}
	return nil
}

// checkListeners wants an own address for every listener.
func (c *Config) checkListeners(bad map[string]bool) []Problem {
	listeners := []struct{ key, address string }{
		{"api.listen", c.API.Listen}, {"api.tls_listen", c.API.TLSListen}, {"api.private_listen", c.API.PrivateListen},
	}
	var problems []Problem
	for i, b := range listeners {
		for _, a := range listeners[:i] {
			if !bad[a.key] && !bad[b.key] && overlap(a.address, b.address) {
				problems = append(problems, Problem{Key: b.key, Source: c.sources[b.key], Found: shown(b.address),
					Reason: "needs a port of its own, " + a.key + " listens on " + shown(a.address) + " already"})
			}
		}
	}
	return problems
}

// overlap reports whether two listeners can't be open together: the same port
// on the same address, or on one of two of which one is the wildcard.
func overlap(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil { // switched off, or a unix socket
		return false
	}
	nA, _ := strconv.Atoi(portA)
	nB, _ := strconv.Atoi(portB)
	if nA != nB || nA == 0 {
		return false
	}
	ipA, ipB := hostAddr(hostA), hostAddr(hostB)
	return ipA == ipB || ipA.IsUnspecified() || ipB.IsUnspecified()
}

func hostAddr(host string) netip.Addr {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return netip.IPv6Unspecified() // no host at all
	}
	return a.Unmap()
}

// The ports that the network probes: the first of them, and their distance.
const (
	firstPort, lastPort, portStep = 16127, 16197, 10
)

// More blocked ports or repositories put the node into the DOS state.
const (
	maxBlockedPorts        = 100
	maxBlockedRepositories = 10
)

// findWarnings looks for what is allowed but unwise.
func (c *Config) findWarnings(file string) []string {
	var out []string
	warn := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }

	if port := listenPort(c.API.Listen); port != 0 {
		if port < firstPort || port > lastPort || (port-firstPort)%portStep != 0 {
			warn("api.listen: other nodes only look for the API on the ports 16127, 16137, … 16197, not on %d", port)
		}
		if tls := listenPort(c.API.TLSListen); tls != 0 && tls != port+1 {
			warn("api.tls_listen: other nodes expect TLS on port %d, the one after api.listen, not on %d", port+1, tls)
		}
	}
	if p := c.API.PrivateListen; strings.HasPrefix(p, "unix:") && !strings.HasPrefix(p, "unix:/run/") && !strings.HasPrefix(p, "unix:"+c.Node.DataDir+"/") {
		warn("api.private_listen: %s is outside /run and node.data_dir; make sure that only the node's operator can reach it", p)
	}
	for _, u := range []struct{ key, url string }{
		{"daemon.url", c.Daemon.URL}, {"benchmark.url", c.Benchmark.URL}, {"syncthing.url", c.Syncthing.URL}, {"docker.host", c.Docker.Host},
	} {
		if exposed(u.url) {
			warn("%s: %s leaves this machine without encryption, credentials included", u.key, u.url)
		}
	}
	for _, n := range []struct {
		key  string
		bits []netip.Prefix
	}{{"api.trusted_proxies", c.API.TrustedProxies}, {"api.rate_limit.exempt", c.API.RateLimit.Exempt}} {
		for _, p := range n.bits {
			if p.Bits() == 0 {
				warn("%s: %v is every address there is", n.key, p)
			}
		}
	}
	for _, p := range []struct{ key, path string }{{"daemon.conf", c.Daemon.Conf}, {"syncthing.config", c.Syncthing.Config}} {
		if p.path == "" {
			continue
		}
		if err := readable(p.path); err != nil {
			warn("%s: %v", p.key, err)
		}
	}
	if n := len(c.Node.BlockedPorts); n > maxBlockedPorts {
		warn("node.blocked_ports: %d ports, with more than %d other nodes refuse this one", n, maxBlockedPorts)
	}
	if n := len(c.Node.BlockedRepositories); n > maxBlockedRepositories {
		warn("node.blocked_repositories: %d entries, with more than %d other nodes refuse this one", n, maxBlockedRepositories)
	}
	if c.Node.PGPPrivateKey.IsEmpty() != (c.Node.PGPPublicKey == "") {
		warn("node.pgp_public_key and node.pgp_private_key: one is of no use without the other")
	}
	if len(c.Team.FluxIDs) == 0 {
		warn("team.flux_ids: the list is empty, nobody has the privilege fluxteam")
	}
	if w := c.exposedFile(file); w != "" {
		out = append(out, w)
	}
	return out
}

func listenPort(address string) int {
	_, port, _ := net.SplitHostPort(address)
	n, _ := strconv.Atoi(port)
	return n
}

// exposed reports whether a URL without encryption leads to another machine.
func exposed(rawURL string) bool {
	u, err := url.Parse(rawURL)
	if err != nil || u.Scheme != "http" && u.Scheme != "tcp" {
		return false
	}
	if u.Hostname() == "localhost" {
		return false
	}
	a, err := netip.ParseAddr(u.Hostname())
	return err != nil || !a.Unmap().IsLoopback()
}

// exposedFile warns of a file with secrets that every user may read.
func (c *Config) exposedFile(file string) string {
	const othersRead = 0o004
	st, err := os.Stat(file)
	if err != nil || st.Mode().Perm()&othersRead == 0 {
		return ""
	}
	var found []string
	for _, k := range keys {
		fromFile := strings.HasSuffix(c.sources[k.path], " of "+file)
		if k.secret && fromFile && strings.Contains(k.bind(c).show(), secret.Mask) {
			found = append(found, k.path)
		}
	}
	if len(found) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: every user of this machine may read it, and it holds %s: chmod 0640 it", file, strings.Join(found, ", "))
}
