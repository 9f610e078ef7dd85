// Package config answers one question: with which settings does this node run?
//
// Settings come from defaults in the code, then the configuration file, then
// FLUXOSD_… variables, then --set flags; the later one wins. One table (see
// keys.go) says for every key what it means, how it is read and what its
// default is; the variables, the sample file, the suggestions for misspelt
// keys and the printed configuration are all made from it.
//
// Load either returns a configuration in which every value was checked, or an
// *Error that lists all problems at once, each with its key, where it was
// found and an example. The package refuses keys it doesn't know, values of
// the wrong type, YAML beyond plain mappings, lists and scalars (no anchors,
// tags or merges), and it never prints a secret. It opens no connection,
// writes no file and keeps no state: loading again is how a running daemon
// looks at a changed file, and a failed Load leaves the old one in force.
package config

import (
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/secret"
)

// Config is the effective configuration of a node. Every field is the key of
// the same name in lower case with underscores: Config.API.TLSListen is
// api.tls_listen. Treat it as read-only once it is shared.
type Config struct {
	Node        Node
	API         API
	Network     Network
	Store       Store
	Daemon      Daemon
	Benchmark   Benchmark
	Docker      Docker
	Syncthing   Syncthing
	Team        Team
	Permissions Permissions
	Log         Log
	Metrics     Metrics

	sources  map[string]string // key → where it was set; no entry for a default
	warnings []string
}

// Node says which node this is and who owns it.
type Node struct {
	FluxID              string     // the owner's Flux ID: 1… or 0x…; "" only in a demo
	PublicIP            netip.Addr // the zero Addr: found out at run time
	Testnet             bool
	DataDir             string // absolute
	Development         bool
	Kadena              string      // kadena:<account>?chainid=<0…20> or ""
	RouterIP            netip.Addr  // IPv4 or the zero Addr
	PGPPublicKey        string      // ASCII armoured or ""
	PGPPrivateKey       secret.Text // ASCII armoured or empty
	BlockedPorts        []int       // ports that applications may not use
	BlockedRepositories []string    // image name prefixes that are not run
	UpdateUnit          string      // systemd service that updates fluxosd; "" for none
	UpdateChannel       string      // stable or development
	TestControls        bool
}

// Network says how the node learns what it is from outside.
type Network struct {
	Gateway             string // auto, upnp, nat-pmp or off
	Firewall            string // auto, ufw, nftables or off
	FirewallDryRun      bool
	AddressServices     []string // URLs
	GeolocationServices []string // URLs with {ip}
	TimeServers         []string // host or host:port
	ProbeNodes          []string // IP:port
	ChainStreaming      bool
}

// API says where and how the HTTP API is served.
type API struct {
	Listen          string // [IP]:port
	TLSListen       string // [IP]:port; "" switches TLS off
	TLSCert, TLSKey string // paths of PEM files; both or neither
	PrivateListen   string // loopback IP:port or unix:/path; "" switches it off
	TrustedProxies  []netip.Prefix
	ErrorStatus     string // one of the ErrorStatus… constants
	BodyLimit       Bytes
	MaxConnections  int
	AccessLog       bool
	RateLimit       RateLimit
	ShutdownTimeout time.Duration
}

// The values of api.error_status: which HTTP status accompanies an error envelope.
const (
	// ErrorStatusDocumented follows the API description.
	ErrorStatusDocumented = "documented"
	// ErrorStatusCompat answers what FluxOS answers: mostly 200.
	ErrorStatusCompat = "compat"
	// ErrorStatusFull derives the status from the kind of every error.
	ErrorStatusFull = "full"
)

// RateLimit bounds the requests of one remote address.
type RateLimit struct {
	RequestsPerSecond int // 0 switches the limit off
	Burst             int // requests that may come at once
	Exempt            []netip.Prefix
}

// Store names the document store.
type Store struct {
	URI URI
}

// Daemon says how the chain daemon is reached.
type Daemon struct {
	URL         string // http(s)://host:port, without user information
	User        string
	Password    secret.Text
	Conf        string // path of flux.conf; "" means that it is looked for
	Unit        string // systemd service that runs the daemon
	UpdateUnit  string // systemd service that updates it; "" for none
	DebugLog    string // path; "" means that it is looked for
	Timeout     time.Duration
	Concurrency int // calls at the same time
}

// The values of benchmark.source: whose figures count.
const (
	BenchmarkAuto   = "auto"
	BenchmarkDaemon = "fluxbenchd"
	BenchmarkNative = "native"
)

// Benchmark says how the benchmark daemon is reached, and how the node measures
// itself without one.
type Benchmark struct {
	Source     string // one of the Benchmark… constants
	URL        string // "" means the usual port, where Source calls for it
	User       string
	Password   secret.Text
	Unit       string // systemd service that runs it; "" for none
	UpdateUnit string // systemd service that updates it; "" for none
	DebugLog   string // path; "" means that it is looked for

	Every        time.Duration // between two native measurements; 0 for none
	TimeLimit    time.Duration
	CPUTime      time.Duration // of each of the two measurements of the processor
	DiskSize     Bytes         // of one run
	SpeedServers []string      // URLs
}

// Docker says where the container engine listens.
type Docker struct {
	Host string // unix:///path or tcp://host:port
}

// Syncthing says how Syncthing is reached.
type Syncthing struct {
	URL    string
	Config string // path of its config.xml; "" means that it is looked for
}

// Team lists the identities that the level fluxteam admits.
type Team struct {
	FluxIDs []string
}

// Permissions tunes who may do what.
type Permissions struct {
	OperatorMayManageApps bool
	SIWEDomains           []string      // domains accepted in EIP-4361 messages
	SignatureCache        time.Duration // 0 verifies every time
}

// Log says what is logged and how.
type Log struct {
	Level  slog.Level
	Format string // text, json or auto (text on a terminal)
	Levels map[string]slog.Level
	Buffer Bytes // of each level
}

// Metrics says what is exported that is nobody's business by default.
type Metrics struct {
	WalletBalance bool
}

// Options say where Load looks.
type Options struct {
	// File is the path of the YAML file; "" means none.
	File string
	// FileRequired makes a missing File an error. Any other failure to read it
	// is always one.
	FileRequired bool
	// Env is the environment as os.Environ returns it. Only FLUXOSD_… variables
	// are looked at, FLUXOSD_CONFIG and FLUXOSD_TEST_… excepted.
	Env []string
	// Flags are key=value pairs, the values of --set.
	Flags []string
	// Demo lifts the requirement of node.flux_id.
	Demo bool
	// CheckMongoDB says what is wrong with the URI of a MongoDB server, as far
	// as that can be told without connecting; nil asks nobody. Its errors must
	// not quote the URI.
	CheckMongoDB func(uri string) error
}

// Load reads and checks the whole configuration. A failure is an *Error.
func Load(o Options) (*Config, error) {
	return load(o, func(l *loader) { l.file(o.File, o.FileRequired) })
}

func load(o Options, file func(*loader)) (*Config, error) {
	l := loader{cfg: &Config{sources: map[string]string{}}}
	l.bind()
	l.defaults()
	file(&l)
	l.environment(o.Env)
	l.flags(o.Flags)
	l.derive()
	l.problems = append(l.problems, l.cfg.check(o.Demo, l.bad)...)
	if uri := l.cfg.Store.URI; o.CheckMongoDB != nil && !l.bad["store.uri"] && strings.HasPrefix(uri.Reveal(), "mongodb") {
		if err := o.CheckMongoDB(uri.Reveal()); err != nil {
			l.problems = append(l.problems, Problem{Key: "store.uri", Source: l.cfg.sources["store.uri"], Reason: err.Error(), Example: `"mongodb://127.0.0.1:27017"`})
		}
	}
	if len(l.problems) > 0 {
		return nil, &Error{Problems: l.problems}
	}
	l.cfg.warnings = l.cfg.findWarnings(o.File)
	return l.cfg, nil
}

// SetBy names the variable or flag that sets a key over the file, "" when the
// file or the default counts. A change of the file has no effect on such a key.
func (c *Config) SetBy(key string) string {
	if source := c.sources[key]; !strings.HasPrefix(source, "line ") {
		return source
	}
	return ""
}

// IsSet reports whether the file, the environment or a flag set the key, even
// if to its default. Unknown keys are never set.
func (c *Config) IsSet(key string) bool { return c.sources[key] != "" }

// ReplaceDefault gives a key another default: it assigns the value, written as
// in the environment, unless the key was set explicitly, and then everything
// derived from it (store.uri from node.data_dir, daemon.url from node.testnet).
// It reports whether the value was assigned. Call it before the Config is
// shared; rules between keys and Warnings aren't looked at again.
func (c *Config) ReplaceDefault(key, value string) (bool, error) {
	i := slices.IndexFunc(keys, func(k keySpec) bool { return k.path == key })
	if i < 0 {
		return false, &Error{Problems: []Problem{unknownKey(key, "default")}}
	}
	if c.IsSet(key) {
		return false, nil
	}
	l := loader{cfg: c}
	l.bind()
	l.set(key, flat(value), "default")
	l.derive()
	if len(l.problems) > 0 {
		return false, &Error{Problems: l.problems}
	}
	return true, nil
}

// Warnings tells what is allowed but unwise, one sentence each, without
// secrets, in a fixed order.
func (c *Config) Warnings() []string { return slices.Clone(c.warnings) }
