package config

import (
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/secret"
)

// The parsers of single values. Their errors say what is allowed and never
// repeat the value, since it may hold a password.

var (
	bitcoinID  = regexp.MustCompile(`^1[1-9A-HJ-NP-Za-km-z]{24,33}$`)
	ethereumID = regexp.MustCompile(`^0x[0-9a-fA-F]{40}$`)
	kadenaForm = regexp.MustCompile(`^kadena:[^?\s]{1,256}\?chainid=([0-9]|1[0-9]|20)$`)
	hostForm   = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)
	unitForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:_.@-]{0,120}\.service$`)
	subForm    = regexp.MustCompile(`^[a-z][a-z0-9_./-]{0,63}$`)
)

func parseFluxID(text string) (string, error) {
	if !bitcoinID.MatchString(text) && !ethereumID.MatchString(text) {
		return "", errors.New("isn't a Flux ID: want 25 to 34 base58 characters that begin with 1, or 0x and 40 hex digits")
	}
	return text, nil
}

// optional lets parse accept the empty text as the zero value.
func optional[T any](parse func(string) (T, error)) func(string) (T, error) {
	return func(text string) (T, error) {
		if text == "" {
			var zero T
			return zero, nil
		}
		return parse(text)
	}
}

func parseAddr(text string) (netip.Addr, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" || a.IsUnspecified() || a.IsMulticast() {
		return netip.Addr{}, errors.New("isn't the IP address of a host: want one without port or mask")
	}
	return a.Unmap(), nil
}

func parseIPv4(text string) (netip.Addr, error) {
	a, err := parseAddr(text)
	if err != nil || !a.Is4() {
		return netip.Addr{}, errors.New("isn't an IPv4 address of a host")
	}
	return a, nil
}

func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("isn't an IP address or a network in CIDR form")
	}
	return p.Masked(), nil
}

// parseListen accepts [IP]:port; port 0 lets the system choose.
func parseListen(text string) (string, error) {
	host, port, err := net.SplitHostPort(text)
	if err == nil && host != "" {
		_, err = netip.ParseAddr(host)
	}
	if err == nil {
		_, err = parsePort(port, 0)
	}
	if err != nil {
		return "", errors.New("isn't a listen address: want IP:port, or :port for all addresses, ports 0 to 65535")
	}
	return text, nil
}

func parsePort(text string, least int) (int, error) { return intRange(least, 65535)(text) }

// maxUnixPath is the longest path that a unix socket address holds on Linux,
// in bytes, less the terminating zero.
const maxUnixPath = 107

// parsePrivateListen accepts what only this machine can reach: probes, metrics
// and profiles have no permission check.
func parsePrivateListen(text string) (string, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if !filepath.IsAbs(path) || len(path) > maxUnixPath {
			return "", fmt.Errorf("isn't a usable socket: want unix: and an absolute path of at most %d bytes", maxUnixPath)
		}
		return text, nil
	}
	if _, err := parseListen(text); err != nil {
		return "", errors.New("isn't a loopback address with a port, nor a unix:/path")
	}
	host, _, _ := net.SplitHostPort(text)
	if a, err := netip.ParseAddr(host); err != nil || !a.Unmap().IsLoopback() {
		return "", errors.New("is reachable from other machines, and what it serves (metrics, profiles, probes) asks nobody who they are: want a loopback address or a unix:/path")
	}
	return text, nil
}

func parsePath(text string) (string, error) {
	if !filepath.IsAbs(text) || strings.ContainsRune(text, 0) {
		return "", errors.New("isn't an absolute path")
	}
	return filepath.Clean(text), nil
}

// parseHTTPURL accepts scheme and host only: credentials have their own keys.
func parseHTTPURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("isn't a URL of the form http://host:port or https://host:port")
	}
	if u.User != nil {
		return "", errors.New("has credentials in it: put them under their own keys (user, password)")
	}
	if port := u.Port(); port != "" {
		if _, err := parsePort(port, 1); err != nil {
			return "", errors.New("has a port that isn't between 1 and 65535")
		}
	}
	return strings.TrimSuffix(text, "/"), nil
}

// parseServiceURL accepts the address of a web service, path and query included.
func parseServiceURL(text string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.Fragment != "" || strings.ContainsAny(text, " ,\t\r\n") {
		return "", errors.New("isn't the address of a web service: want http:// or https://, without credentials, spaces or commas")
	}
	return text, nil
}

// parseServer accepts the name or the address of a host, with or without port.
func parseServer(text string) (string, error) {
	host := text
	if h, port, err := net.SplitHostPort(text); err == nil {
		if _, err := parsePort(port, 1); err != nil {
			return "", errors.New("has a port that isn't between 1 and 65535")
		}
		host = h
	}
	if _, err := netip.ParseAddr(host); err != nil {
		if _, err := parseHost(host); err != nil {
			return "", errors.New("isn't a server: want a host name or an IP address, with :port if it isn't the usual one")
		}
	}
	return text, nil
}

// parseNodeAddress accepts the API address of a node.
func parseNodeAddress(text string) (string, error) {
	a, err := netip.ParseAddrPort(text)
	if err != nil || a.Port() == 0 || a.Addr().Zone() != "" || a.Addr().IsUnspecified() {
		return "", errors.New("isn't the address of a node: want IP:port")
	}
	return text, nil
}

func parseDockerHost(text string) (string, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	switch scheme {
	case "unix":
		if filepath.IsAbs(rest) && len(rest) <= maxUnixPath {
			return text, nil
		}
	case "tcp", "http", "https":
		if host, port, err := net.SplitHostPort(rest); err == nil && host != "" {
			if _, err := parsePort(port, 1); err == nil && !strings.ContainsAny(host, "/@?#") {
				return text, nil
			}
		}
	}
	return "", errors.New("isn't the address of a container engine: want unix:///path, or tcp://host:port")
}

func parseStoreURI(text string) (URI, error) {
	if strings.Contains(text, secret.Mask) {
		return URI{}, errMasked
	}
	if path, ok := strings.CutPrefix(text, "sqlite:"); ok {
		if !filepath.IsAbs(path) || strings.HasSuffix(path, "/") || strings.ContainsAny(path, "?#\x00") {
			return URI{}, errors.New("isn't a usable database file: want sqlite: and an absolute path without ? and #")
		}
		return NewURI("sqlite:" + filepath.Clean(path)), nil
	}
	for _, scheme := range []string{"mongodb://", "mongodb+srv://"} {
		if rest, ok := strings.CutPrefix(text, scheme); ok && rest != "" && !strings.HasPrefix(rest, "/") {
			return NewURI(text), nil
		}
	}
	return URI{}, errors.New("isn't a store: want sqlite:/path, mongodb://host:port or mongodb+srv://host")
}

func parseKadena(text string) (string, error) {
	if !kadenaForm.MatchString(text) {
		return "", errors.New("isn't a Kadena address: want kadena:<account>?chainid=<0 to 20>")
	}
	return text, nil
}

// parseArmour accepts an ASCII armoured OpenPGP key (RFC 9580 section 6.2) of
// the given kind, PUBLIC or PRIVATE. It doesn't look inside.
func parseArmour(kind string) func(string) (string, error) {
	begin, end := "-----BEGIN PGP "+kind+" KEY BLOCK-----", "-----END PGP "+kind+" KEY BLOCK-----"
	return func(text string) (string, error) {
		t := strings.TrimSpace(text)
		if !strings.HasPrefix(t, begin) || !strings.HasSuffix(t, end) {
			return "", errors.New("isn't an armoured key: want the lines from " + begin + " to " + end)
		}
		return t + "\n", nil
	}
}

// errMasked refuses what was copied from a printed configuration.
var errMasked = errors.New("is the " + secret.Mask + " that stands for a secret where one is printed: want the secret itself")

func parseSecret(check func(string) (string, error)) func(string) (secret.Text, error) {
	return func(text string) (secret.Text, error) {
		if text == secret.Mask {
			return secret.Text{}, errMasked
		}
		t, err := check(text)
		return secret.New(t), err
	}
}

func parseUser(text string) (string, error) {
	if strings.ContainsRune(text, ':') {
		return "", errors.New("has a colon in it, which HTTP basic authentication (RFC 7617) can't carry")
	}
	return text, nil
}

func parseUnit(text string) (string, error) {
	if !unitForm.MatchString(text) || strings.HasSuffix(text, "@.service") {
		return "", errors.New("isn't the name of a service: want a plain name that ends in .service, and of a template an instance")
	}
	return text, nil
}

// parseUpdateUnit accepts a template as well: the channel becomes its instance.
func parseUpdateUnit(text string) (string, error) {
	if unitForm.MatchString(text) && strings.HasSuffix(text, "@.service") {
		return text, nil
	}
	return parseUnit(text)
}

func parseHost(text string) (string, error) {
	if len(text) > 253 || !hostForm.MatchString(text) {
		return "", errors.New("isn't a domain name: want one without scheme, port or path")
	}
	return strings.ToLower(text), nil
}

func parseRepository(text string) (string, error) {
	if text == "" || len(text) > 255 || strings.ContainsAny(text, " \t\r\n,") {
		return "", errors.New("isn't the beginning of an image name: want 1 to 255 characters without spaces or commas")
	}
	return text, nil
}

func parseBool(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("want true or false")
}

func intRange(low, high int) func(string) (int, error) {
	return func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < low || n > high {
			return 0, fmt.Errorf("want a whole number from %d to %d", low, high)
		}
		return n, nil
	}
}

func durationRange(low, high time.Duration) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		d, err := time.ParseDuration(text)
		if err != nil || d < low || d > high {
			return 0, fmt.Errorf("want a duration with its unit (ms, s, m, h) from %s to %s", showDuration(low), showDuration(high))
		}
		return d, nil
	}
}

// zeroOr lets a duration be 0 where its range begins above it.
func zeroOr(parse func(string) (time.Duration, error)) func(string) (time.Duration, error) {
	return func(text string) (time.Duration, error) {
		if d, err := time.ParseDuration(text); err == nil && d == 0 {
			return 0, nil
		}
		d, err := parse(text)
		if err != nil {
			return 0, fmt.Errorf("%w, or 0s", err)
		}
		return d, nil
	}
}

// showDuration writes a duration without its zero minutes and seconds: 5m, not 5m0s.
func showDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func oneOf(allowed ...string) func(string) (string, error) {
	return func(text string) (string, error) {
		for _, a := range allowed {
			if text == a {
				return text, nil
			}
		}
		return "", errors.New("want one of " + strings.Join(allowed, ", "))
	}
}

func parseLevel(text string) (slog.Level, error) {
	switch text {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, errors.New("want one of debug, info, warn, error")
}

func showLevel(l slog.Level) string { return strings.ToLower(l.String()) }

func checkSub(name string) error {
	if !subForm.MatchString(name) {
		return errors.New("isn't the name of a subsystem: want lower-case letters")
	}
	return nil
}

// Bytes is a size in bytes.
type Bytes int64

var byteUnits = []struct {
	name string
	size int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"KB", 1e3}, {"B", 1},
}

// String writes the size in the largest binary unit that divides it: 1MiB, 1500B.
func (b Bytes) String() string {
	for _, u := range byteUnits[:3] {
		if b != 0 && int64(b)%u.size == 0 {
			return strconv.FormatInt(int64(b)/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(int64(b), 10) + "B"
}

// parseBytes reads a whole number with a unit, binary (KiB, MiB, GiB) or
// decimal (kB, MB, GB) as in IEC 80000-13; without one it counts bytes.
func parseBytes(low, high Bytes) func(string) (Bytes, error) {
	return func(text string) (Bytes, error) {
		number, size := text, int64(1)
		for _, u := range byteUnits {
			if n, ok := strings.CutSuffix(text, u.name); ok {
				number, size = strings.TrimSpace(n), u.size
				break
			}
		}
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64/size || Bytes(n*size) < low || Bytes(n*size) > high {
			return 0, fmt.Errorf("want a size with its unit (B, KiB, MiB, GiB) from %v to %v", low, high)
		}
		return Bytes(n * size), nil
	}
}
