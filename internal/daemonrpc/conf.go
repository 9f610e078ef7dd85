package daemonrpc

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/fluxosd/fluxosd/internal/secret"
)

const (
	defaultPort        = 16124
	defaultTestnetPort = 26124
	defaultUser        = "rpcuser"
	defaultPassword    = "rpcpassword"

	// maxConfBytes bounds a configuration file; regular ones are below 4 kB.
	maxConfBytes = 1 << 20
)

// Conf is what the chain daemon's configuration file says about how to reach
// the daemon and about the node it runs.
type Conf struct {
	User     string      // rpcuser, or the daemon's default
	Password secret.Text // rpcpassword, or the daemon's default
	Host     string      // where the daemon listens for RPC, as seen from this machine
	Port     int         // rpcport, or the network's default
	Testnet  bool
	DataDir  string // datadir; empty means the daemon's default

	Node         bool        // zelnode=1 or fluxnode=1: the daemon runs a node
	NodeKey      secret.Text // zelnodeprivkey: the node's private key (WIF)
	NodeOutpoint string      // zelnodeoutpoint: transaction of the collateral
	NodeIndex    int         // zelnodeindex: output of the collateral; -1 when not given

	// Values holds every key with its values in the order of the file, known or
	// not. Keys in a section are "section.key". Values may be secret.
	Values map[string][]secret.Text
}

// URL is the daemon's RPC address, for Config.URL.
func (c Conf) URL() string {
	return "http://" + net.JoinHostPort(c.Host, strconv.Itoa(c.Port))
}

// DefaultConfPaths lists where the daemon's configuration file may be for the
// user with this home directory, the present name first.
func DefaultConfPaths(home string) []string {
	return []string{
		filepath.Join(home, ".flux", "flux.conf"),
		filepath.Join(home, ".zelcash", "zelcash.conf"),
	}
}

// ParseConf reads a configuration file of the chain daemon, by the daemon's own
// rules: key=value lines, everything from # on is a comment, "[section]" puts
// the following keys into a section, which the daemon does not read, and of a
// repeated key the first value counts. Unknown keys are kept.
//
// An error names the line and never quotes it, as it may hold a secret.
func ParseConf(r io.Reader) (Conf, error) {
	values, err := parseLines(r)
	if err != nil {
		return Conf{}, err
	}
	c := Conf{
		User: defaultUser, Password: secret.New(defaultPassword), NodeIndex: -1,
		Testnet: confBool(values, "testnet"),
		Node:    confBool(values, "zelnode") || confBool(values, "fluxnode"),
		Values:  values,
	}
	if user, ok := confFirst(values, "rpcuser"); ok {
		c.User = user
	}
	if password, ok := confFirst(values, "rpcpassword"); ok {
		c.Password = secret.New(password)
	}
	c.DataDir, _ = confFirst(values, "datadir")
	key, _ := confFirst(values, "zelnodeprivkey", "fluxnodeprivkey")
	c.NodeKey = secret.New(key)
	c.NodeOutpoint, _ = confFirst(values, "zelnodeoutpoint", "fluxnodeoutpoint")

	var errs []error
	if text, ok := confFirst(values, "zelnodeindex", "fluxnodeindex"); ok {
		index, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			errs = append(errs, errors.New("zelnodeindex: want the number of a transaction output, for example 0"))
		} else {
			c.NodeIndex = int(index)
		}
	}
	c.Port = defaultPort
	if c.Testnet {
		c.Port = defaultTestnetPort
	}
	if text, ok := confFirst(values, "rpcport"); ok {
		port, err := parsePort(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("rpcport: %w", err))
		}
		c.Port = port
	}
	if c.Host, c.Port, err = confHost(values, c.Port); err != nil {
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return Conf{}, fmt.Errorf("daemon configuration: %w", err)
	}
	return c, nil
}

// parseLines reads the keys of a file.
func parseLines(r io.Reader) (map[string][]secret.Text, error) {
	values := make(map[string][]secret.Text)
	section := ""
	limited := &io.LimitedReader{R: r, N: maxConfBytes + 1}
	lines := bufio.NewScanner(limited)
	lines.Buffer(nil, maxConfBytes+1)
	for number := 1; lines.Scan(); number++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		if number == 1 {
			line = strings.TrimPrefix(line, "\uFEFF")
		}
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = strings.TrimSpace(line[1:len(line)-1]) + "."
			continue
		}
		key, value, ok := strings.Cut(line, "=")
		key = strings.TrimSpace(key)
		if !ok || key == "" || strings.ContainsRune(line, 0) {
			return nil, fmt.Errorf("daemon configuration: line %d: want key=value, [section] or # comment", number)
		}
		values[section+key] = append(values[section+key], secret.New(strings.TrimSpace(value)))
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("daemon configuration: %w", err)
	}
	if limited.N == 0 {
		return nil, fmt.Errorf("daemon configuration: larger than %d bytes", maxConfBytes)
	}
	return values, nil
}

// confFirst gives the first value of the first of these keys that is there.
func confFirst(values map[string][]secret.Text, keys ...string) (string, bool) {
	for _, key := range keys {
		if list := values[key]; len(list) > 0 {
			return list[0].Reveal(), true
		}
	}
	return "", false
}

// confBool reads a switch as the daemon does: a key without value is on, else
// every number but 0 is.
func confBool(values map[string][]secret.Text, key string) bool {
	text, ok := confFirst(values, key)
	if !ok {
		return false
	}
	n, err := strconv.Atoi(text)
	return text == "" || err == nil && n != 0
}

func parsePort(text string) (int, error) {
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil || port == 0 {
		return 0, errors.New("want a port from 1 to 65535, for example 16124")
	}
	return int(port), nil
}

// confHost finds where the daemon listens: at rpcconnect, else at the address
// of rpcbind, which may carry a port of its own, else on loopback. The daemon
// listens elsewhere than on loopback only when rpcallowip is given, too.
func confHost(values map[string][]secret.Text, port int) (string, int, error) {
	const loopback = "127.0.0.1"
	if host, ok := confFirst(values, "rpcconnect"); ok && host != "" {
		return strings.Trim(host, "[]"), port, nil
	}
	bind, ok := confFirst(values, "rpcbind")
	if _, allowed := confFirst(values, "rpcallowip"); !ok || !allowed || bind == "" {
		return loopback, port, nil
	}
	host := strings.Trim(bind, "[]")
	if h, p, err := net.SplitHostPort(bind); err == nil {
		host = h
		if port, err = parsePort(p); err != nil {
			return "", 0, fmt.Errorf("rpcbind: %w", err)
		}
	}
	addr, err := netip.ParseAddr(host)
	if err == nil && addr.IsUnspecified() || host == "" {
		return loopback, port, nil
	}
	return host, port, nil
}
