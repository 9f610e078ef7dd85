package config

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/secret"
)

// keySpec is a row of the table of keys: everything that is to be known of one.
type keySpec struct {
	path    string
	def     string // as written in a variable: list items separated by commas
	example string // as YAML
	doc     string // sentences with units and bounds
	secret  bool   // the value is shown in no message
	bind    func(*Config) binding
}

// envPrefix begins the variables that set keys.
const envPrefix = "FLUXOSD_"

// envName returns the variable of a key.
func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// sectionSpec describes a mapping that holds keys.
type sectionSpec struct {
	path, doc string
}

var sections = []sectionSpec{
	{"node", "This node and its owner."},
	{"api", "The HTTP API."},
	{"api.rate_limit", "Requests of one remote address. A request over the limit is answered with 429."},
	{"network", "How the node finds out what it is from outside, and how it is reached from there."},
	{"store", "Where the node keeps its documents."},
	{"daemon", "The chain daemon (fluxd)."},
	{"benchmark", "The benchmark daemon (fluxbenchd), and the measuring that stands in for it."},
	{"docker", "The container engine."},
	{"syncthing", "Syncthing, which replicates application data."},
	{"team", "The Flux team."},
	{"permissions", "Who may do what."},
	{"log", "What is logged, to standard error."},
	{"metrics", "What the metrics show beyond the usual."},
}

const (
	fluxTeamID    = "1hjy4bCYBJr4mny4zCE85J94RXa8W6q37"
	supportTeamID = "16iJqiVbHptCx87q6XQwNpKdgEZnFtKcyP"

	// exampleID has the form of a Flux ID and can't be anybody's.
	exampleID = `"1YourFLuxAddressHereXXXXXXXXXXXXX"`

	dataDirKey = "node.data_dir"
	storeFile  = "fluxosd.db"
	daemonURL  = "http://127.0.0.1:16124"
	testnetURL = "http://127.0.0.1:26124"

	// The commas of the first are written %2C: a comma separates items.
	defaultGeolocation = "http://ip-api.com/json/{ip}?fields=status%2Ccontinent%2CcontinentCode%2Ccountry%2CcountryCode%2Cregion%2CregionName%2Clat%2Clon%2Cquery%2Corg%2Cisp%2Cproxy%2Chosting,https://stats.runonflux.io/fluxlocation/{ip}"
)

// keys is the table. Keys of one section stand together, in the order in which
// the sample shows them.
var keys = []keySpec{
	{path: "node.flux_id", example: exampleID,
		doc:  "Flux ID of the owner, who has the privilege admin. Required.",
		bind: func(c *Config) binding { return texts(&c.Node.FluxID, optional(parseFluxID)) }},
	{path: "node.public_ip", example: `"203.0.113.7"`,
		doc: "Address under which other nodes reach this one. Empty: found out at run time.",
		bind: func(c *Config) binding {
			return scalar(&c.Node.PublicIP, optional(parseAddr), showAddr, kindText)
		}},
	{path: "node.testnet", def: "false", example: "true",
		doc:  "The node belongs to the test network. Changes the default of daemon.url.",
		bind: func(c *Config) binding { return bools(&c.Node.Testnet) }},
	{path: dataDirKey, def: "/var/lib/fluxosd", example: `"/var/lib/fluxosd"`,
		doc:  "Folder for everything that the node keeps. Changes the default of store.uri.",
		bind: func(c *Config) binding { return texts(&c.Node.DataDir, parsePath) }},
	{path: "node.development", def: "false", example: "true",
		doc:  "The node runs a development version and says so to others.",
		bind: func(c *Config) binding { return bools(&c.Node.Development) }},
	{path: "node.kadena", example: `"kadena:k:0123456789abcdef?chainid=0"`,
		doc:  "Kadena account for rewards, with a chain ID from 0 to 20. Empty: none.",
		bind: func(c *Config) binding { return texts(&c.Node.Kadena, optional(parseKadena)) }},
	{path: "node.router_ip", example: `"192.168.1.1"`,
		doc: "IPv4 address of the router that forwards ports by UPnP. Empty: looked for.",
		bind: func(c *Config) binding {
			return scalar(&c.Node.RouterIP, optional(parseIPv4), showAddr, kindText)
		}},
	{path: "node.pgp_public_key", example: `"-----BEGIN PGP PUBLIC KEY BLOCK-----\n…\n-----END PGP PUBLIC KEY BLOCK-----\n"`,
		doc:  "Armoured OpenPGP key for which enterprise applications encrypt. Empty: none.",
		bind: func(c *Config) binding { return texts(&c.Node.PGPPublicKey, optional(parseArmour("PUBLIC"))) }},
	{path: "node.pgp_private_key", secret: true, example: `"-----BEGIN PGP PRIVATE KEY BLOCK-----\n…\n-----END PGP PRIVATE KEY BLOCK-----\n"`,
		doc:  "Armoured OpenPGP key that belongs to node.pgp_public_key. Secret. Empty: none.",
		bind: func(c *Config) binding { return secrets(&c.Node.PGPPrivateKey, optional(parseArmour("PRIVATE"))) }},
	{path: "node.blocked_ports", example: "[27017, 5432]",
		doc: "Ports that applications may not use, 1 to 65535. With more than 100 other nodes refuse this one.",
		bind: func(c *Config) binding {
			return list(&c.Node.BlockedPorts, intRange(1, 65535), strconv.Itoa, kindNumber)
		}},
	{path: "node.blocked_repositories", example: `["docker.io/library"]`,
		doc:  "Beginnings of image names that aren't run. With more than 10 other nodes refuse this one.",
		bind: func(c *Config) binding { return list(&c.Node.BlockedRepositories, parseRepository, quote, kindText) }},

	{path: "node.update_unit", example: `"fluxosd-update@.service"`,
		doc:  "Service that updates fluxosd. A template is started with the channel as its instance: stable, development, or stable-reinstall. Empty: updates are left to the package manager.",
		bind: func(c *Config) binding { return texts(&c.Node.UpdateUnit, optional(parseUpdateUnit)) }},
	{path: "node.update_channel", def: "stable", example: "development",
		doc:  "Releases that node.update_unit installs: stable or development.",
		bind: func(c *Config) binding { return enum(&c.Node.UpdateChannel, "stable", "development") }},
	{path: "node.test_controls", def: "false", example: "true",
		doc:  "Lets the team set the DOS state over the API. Only with node.testnet.",
		bind: func(c *Config) binding { return bools(&c.Node.TestControls) }},

	{path: "api.listen", def: ":16127", example: `":16127"`,
		doc:  "Address and port of the HTTP API. The network knows the ports 16127, 16137, … 16197.",
		bind: func(c *Config) binding { return texts(&c.API.Listen, parseListen) }},
	{path: "api.tls_listen", def: ":16128", example: `":16128"`,
		doc:  "Address and port of the same API over TLS. Other nodes expect the port after that of api.listen. Empty: no TLS.",
		bind: func(c *Config) binding { return texts(&c.API.TLSListen, optional(parseListen)) }},
	{path: "api.tls_cert", example: `"/etc/fluxosd/tls.crt"`,
		doc:  "Certificate chain, PEM. Empty together with api.tls_key: self-signed, made at first start in node.data_dir.",
		bind: func(c *Config) binding { return texts(&c.API.TLSCert, optional(parsePath)) }},
	{path: "api.tls_key", example: `"/etc/fluxosd/tls.key"`,
		doc:  "Path of the private key of api.tls_cert, PEM.",
		bind: func(c *Config) binding { return texts(&c.API.TLSKey, optional(parsePath)) }},
	{path: "api.private_listen", def: "127.0.0.1:16120", example: `"unix:/run/fluxosd/private.sock"`,
		doc:  "Probes, metrics and profiles (/healthz, /readyz, /metrics, /debug): a loopback address or unix:/path. Empty: not served.",
		bind: func(c *Config) binding { return texts(&c.API.PrivateListen, optional(parsePrivateListen)) }},
	{path: "api.trusted_proxies", example: `["10.0.0.1", "192.168.0.0/24"]`,
		doc:  "Addresses and networks whose X-Forwarded-For is believed.",
		bind: func(c *Config) binding { return prefixes(&c.API.TrustedProxies) }},
	{path: "api.error_status", def: ErrorStatusDocumented, example: ErrorStatusCompat,
		doc: "HTTP status of error envelopes: documented (as the API description says), compat (as FluxOS answers, mostly 200), full (by the kind of error).",
		bind: func(c *Config) binding {
			return enum(&c.API.ErrorStatus, ErrorStatusDocumented, ErrorStatusCompat, ErrorStatusFull)
		}},
	{path: "api.body_limit", def: "1MiB", example: "4MiB",
		doc: "Largest request body, uploads of files excepted; 1KiB to 1GiB.",
		bind: func(c *Config) binding {
			return scalar(&c.API.BodyLimit, parseBytes(1<<10, 1<<30), stringer, kindText, kindNumber)
		}},
	{path: "api.max_connections", def: "10000", example: "2000",
		doc:  "Connections open at the same time, over all listeners of the API; 1 to 1000000.",
		bind: func(c *Config) binding { return ints(&c.API.MaxConnections, 1, 1_000_000) }},
	{path: "api.access_log", def: "true", example: "false",
		doc:  "Log a line for every request.",
		bind: func(c *Config) binding { return bools(&c.API.AccessLog) }},
	{path: "api.shutdown_timeout", def: "30s", example: "10s",
		doc:  "How long a stopping daemon waits for requests that are being served; 0s to 10m.",
		bind: func(c *Config) binding { return durations(&c.API.ShutdownTimeout, 0, 10*time.Minute) }},
	{path: "api.rate_limit.requests_per_second", def: "200", example: "50",
		doc:  "Requests per second in the long run; 0 to 1000000, 0 switches the limit off.",
		bind: func(c *Config) binding { return ints(&c.API.RateLimit.RequestsPerSecond, 0, 1_000_000) }},
	{path: "api.rate_limit.burst", def: "1000", example: "200",
		doc:  "Requests that may come at once; 1 to 1000000.",
		bind: func(c *Config) binding { return ints(&c.API.RateLimit.Burst, 1, 1_000_000) }},
	{path: "api.rate_limit.exempt", def: "127.0.0.0/8,::1/128", example: `["127.0.0.0/8", "192.168.0.0/24"]`,
		doc:  "Addresses and networks without a limit.",
		bind: func(c *Config) binding { return prefixes(&c.API.RateLimit.Exempt) }},

	{path: "network.gateway", def: "auto", example: "upnp",
		doc:  "How ports are mapped on the router: auto (when this machine has a private address), upnp, nat-pmp or off.",
		bind: func(c *Config) binding { return enum(&c.Network.Gateway, "auto", "upnp", "nat-pmp", "off") }},
	{path: "network.firewall", def: "auto", example: "nftables",
		doc:  "Which firewall of this host gets the rules of the node: auto (ufw where it is active, else none), ufw, nftables (a table of our own) or off.",
		bind: func(c *Config) binding { return enum(&c.Network.Firewall, "auto", "ufw", "nftables", "off") }},
	{path: "network.firewall_dry_run", def: "false", example: "true",
		doc:  "Log the rules instead of setting them.",
		bind: func(c *Config) binding { return bools(&c.Network.FirewallDryRun) }},
	{path: "network.address_services", def: "https://api.ipify.org,https://icanhazip.com,https://ifconfig.me/ip", example: `["https://api.ipify.org"]`,
		doc:  "URLs that answer the caller's address. Two sources must agree before an address is believed. Empty: nobody outside is asked.",
		bind: func(c *Config) binding { return list(&c.Network.AddressServices, parseServiceURL, quote, kindText) }},
	{path: "network.geolocation_services", def: defaultGeolocation, example: `["https://geo.example.org/{ip}"]`,
		doc: "URLs, with {ip} for the address, that tell where this node is. Asked in this order. Empty: nobody is asked.",
		bind: func(c *Config) binding {
			return list(&c.Network.GeolocationServices, parseServiceURL, quote, kindText)
		}},
	{path: "network.time_servers", def: "pool.ntp.org,time.cloudflare.com,time.google.com", example: `["192.168.1.1", "pool.ntp.org"]`,
		doc:  "NTP servers, host or host:port, 2 to 8, asked when neither chrony nor systemd-timesyncd knows the clock's offset. Empty: nobody is asked.",
		bind: func(c *Config) binding { return list(&c.Network.TimeServers, parseServer, quote, kindText) }},
	{path: "network.probe_nodes", example: `["203.0.113.9:16127"]`,
		doc:  "Nodes, IP:port, that are asked whether this one can be reached. Empty: nodes drawn from the network's list.",
		bind: func(c *Config) binding { return list(&c.Network.ProbeNodes, parseNodeAddress, quote, kindText) }},
	{path: "network.chain_streaming", def: "false", example: "true",
		doc:  "Neighbour nodes on the same private network may copy the chain's data from here. The chain daemon stands still meanwhile.",
		bind: func(c *Config) binding { return bools(&c.Network.ChainStreaming) }},

	{path: "store.uri", secret: true, def: "sqlite:/var/lib/fluxosd/" + storeFile, example: `"mongodb://127.0.0.1:27017"`,
		doc:  "sqlite:<absolute path>, mongodb://… or mongodb+srv://…. Default: " + storeFile + " in node.data_dir. A password in it is secret.",
		bind: func(c *Config) binding { return scalar(&c.Store.URI, parseStoreURI, quoted, kindText) }},

	{path: "daemon.url", def: daemonURL, example: quote(daemonURL),
		doc:  "JSON-RPC address. Default: rpcport of flux.conf on 127.0.0.1, else 16124 (test network 26124).",
		bind: func(c *Config) binding { return texts(&c.Daemon.URL, parseHTTPURL) }},
	{path: "daemon.user", example: `"rpcuser"`,
		doc:  "JSON-RPC user. Empty: rpcuser of flux.conf.",
		bind: func(c *Config) binding { return user(&c.Daemon.User) }},
	{path: "daemon.password", secret: true, example: `"a long random text"`,
		doc:  "JSON-RPC password. Secret. Empty: rpcpassword of flux.conf.",
		bind: func(c *Config) binding { return secrets(&c.Daemon.Password, asIs, kindNumber) }},
	{path: "daemon.conf", example: `"/home/flux/.flux/flux.conf"`,
		doc:  "Path of flux.conf. Empty: ~/.flux/flux.conf, then ~/.zelcash/zelcash.conf.",
		bind: func(c *Config) binding { return texts(&c.Daemon.Conf, optional(parsePath)) }},
	{path: "daemon.unit", def: "zelcash.service", example: `"fluxd.service"`,
		doc:  "Unit of the service manager that runs the daemon here, for starting and restarting it.",
		bind: func(c *Config) binding { return texts(&c.Daemon.Unit, parseUnit) }},
	{path: "daemon.update_unit", example: `"fluxd-update.service"`,
		doc:  "Service that updates the chain daemon. Empty: updates are left to the package manager.",
		bind: func(c *Config) binding { return texts(&c.Daemon.UpdateUnit, optional(parseUnit)) }},
	{path: "daemon.debug_log", example: `"/home/flux/.flux/debug.log"`,
		doc:  "Path of the daemon's debug.log. Empty: in the folder of its data.",
		bind: func(c *Config) binding { return texts(&c.Daemon.DebugLog, optional(parsePath)) }},
	{path: "daemon.timeout", def: "40s", example: "20s",
		doc:  "Limit of one call; 1s to 5m.",
		bind: func(c *Config) binding { return durations(&c.Daemon.Timeout, time.Second, 5*time.Minute) }},
	{path: "daemon.concurrency", def: "8", example: "4",
		doc:  "Calls at the same time; 1 to 256.",
		bind: func(c *Config) binding { return ints(&c.Daemon.Concurrency, 1, 256) }},

	{path: "benchmark.source", def: BenchmarkAuto, example: BenchmarkNative,
		doc: "Whose figures count: fluxbenchd, native (measured by fluxosd), or auto: fluxbenchd when benchmark.url is set or its folder is found (FLUXBENCH_PATH, ~/.fluxbenchmark, ~/.zelbenchmark), else native.",
		bind: func(c *Config) binding {
			return enum(&c.Benchmark.Source, BenchmarkAuto, BenchmarkDaemon, BenchmarkNative)
		}},
	{path: "benchmark.url", example: `"http://127.0.0.1:16224"`,
		doc:  "JSON-RPC address of fluxbenchd. Empty: port 16224 (test network 26224) on 127.0.0.1, where benchmark.source calls for it.",
		bind: func(c *Config) binding { return texts(&c.Benchmark.URL, optional(parseHTTPURL)) }},
	{path: "benchmark.user", example: `"fluxbenchuser"`,
		doc:  "JSON-RPC user.",
		bind: func(c *Config) binding { return user(&c.Benchmark.User) }},
	{path: "benchmark.password", secret: true, example: `"a long random text"`,
		doc:  "JSON-RPC password. Secret.",
		bind: func(c *Config) binding { return secrets(&c.Benchmark.Password, asIs, kindNumber) }},

	{path: "benchmark.unit", example: `"fluxbenchd.service"`,
		doc:  "Unit of the service manager that runs fluxbenchd here. Empty: the chain daemon starts it.",
		bind: func(c *Config) binding { return texts(&c.Benchmark.Unit, optional(parseUnit)) }},
	{path: "benchmark.update_unit", example: `"fluxbenchd-update.service"`,
		doc:  "Service that updates fluxbenchd. Empty: updates are left to the package manager.",
		bind: func(c *Config) binding { return texts(&c.Benchmark.UpdateUnit, optional(parseUnit)) }},
	{path: "benchmark.debug_log", example: `"/home/flux/.fluxbenchmark/debug.log"`,
		doc:  "Path of fluxbenchd's debug.log. Empty: in its folder.",
		bind: func(c *Config) binding { return texts(&c.Benchmark.DebugLog, optional(parsePath)) }},
	{path: "benchmark.every", def: "24h", example: "12h",
		doc: "Time between two native measurements; 0s (only when asked for) to 720h, and at least 1h.",
		bind: func(c *Config) binding {
			return scalar(&c.Benchmark.Every, zeroOr(durationRange(time.Hour, 720*time.Hour)), showDuration, kindText, kindNumber)
		}},
	{path: "benchmark.time_limit", def: "10m", example: "5m",
		doc:  "Longest that one measurement may take; 1m to 1h.",
		bind: func(c *Config) binding { return durations(&c.Benchmark.TimeLimit, time.Minute, time.Hour) }},
	{path: "benchmark.cpu_time", def: "10s", example: "20s",
		doc:  "How long the processor is measured with one thread, and again with all; 1s to 1m.",
		bind: func(c *Config) binding { return durations(&c.Benchmark.CPUTime, time.Second, time.Minute) }},
	{path: "benchmark.disk_size", def: "1GiB", example: "256MiB",
		doc: "Bytes written in each of the three runs that measure the disk of node.data_dir; 16MiB to 16GiB.",
		bind: func(c *Config) binding {
			return scalar(&c.Benchmark.DiskSize, parseBytes(16<<20, 16<<30), stringer, kindText, kindNumber)
		}},
	{path: "benchmark.speed_servers", example: `["https://speed.example.org"]`,
		doc:  "URLs of servers that the network's speed is measured with. Empty: it isn't measured.",
		bind: func(c *Config) binding { return list(&c.Benchmark.SpeedServers, parseServiceURL, quote, kindText) }},

	{path: "docker.host", def: "unix:///var/run/docker.sock", example: `"unix:///var/run/docker.sock"`,
		doc:  "unix:///path or tcp://host:port of the engine.",
		bind: func(c *Config) binding { return texts(&c.Docker.Host, parseDockerHost) }},

	{path: "syncthing.url", def: "http://127.0.0.1:8384", example: `"http://127.0.0.1:8384"`,
		doc:  "REST address.",
		bind: func(c *Config) binding { return texts(&c.Syncthing.URL, parseHTTPURL) }},
	{path: "syncthing.config", example: `"/home/flux/.config/syncthing/config.xml"`,
		doc:  "Path of Syncthing's config.xml, for its API key. Empty: looked for.",
		bind: func(c *Config) binding { return texts(&c.Syncthing.Config, optional(parsePath)) }},

	{path: "team.flux_ids", def: fluxTeamID + "," + supportTeamID, example: `["` + fluxTeamID + `"]`,
		doc:  "Flux IDs with the privilege fluxteam: the Flux team and its support team.",
		bind: func(c *Config) binding { return list(&c.Team.FluxIDs, parseFluxID, quote, kindText) }},

	{path: "permissions.operator_may_manage_apps", def: "true", example: "false",
		doc:  "The node owner may start, stop and inspect applications of others that run here.",
		bind: func(c *Config) binding { return bools(&c.Permissions.OperatorMayManageApps) }},
	{path: "permissions.siwe_domains", def: "home.runonflux.io,cloud.runonflux.io", example: `["cloud.runonflux.io"]`,
		doc:  "Domains for which sign-in messages in the form of EIP-4361 are accepted.",
		bind: func(c *Config) binding { return list(&c.Permissions.SIWEDomains, parseHost, quote, kindText) }},
	{path: "permissions.signature_cache", def: "5m", example: "1m",
		doc:  "How long a verified signature isn't verified again; 0s to 1h, 0s verifies every time.",
		bind: func(c *Config) binding { return durations(&c.Permissions.SignatureCache, 0, time.Hour) }},

	{path: "log.level", def: "info", example: "debug",
		doc:  "Least level that is logged: debug, info, warn or error.",
		bind: func(c *Config) binding { return scalar(&c.Log.Level, parseLevel, showLevel, kindText) }},
	{path: "log.format", def: "auto", example: "json",
		doc:  "text, json, or auto: text on a terminal, else json.",
		bind: func(c *Config) binding { return enum(&c.Log.Format, "text", "json", "auto") }},
	{path: "log.levels", example: "{api: debug, store: warn}",
		doc: "Levels of single subsystems. In a variable: api=debug,store=warn.",
		bind: func(c *Config) binding {
			return dict(&c.Log.Levels, checkSub, parseLevel, showLevel, kindText)
		}},
	{path: "log.buffer", def: "1MiB", example: "4MiB",
		doc: "Memory for the last lines of each level, which the log routes show; 16KiB to 64MiB.",
		bind: func(c *Config) binding {
			return scalar(&c.Log.Buffer, parseBytes(16<<10, 64<<20), stringer, kindText, kindNumber)
		}},

	{path: "metrics.wallet_balance", def: "false", example: "true",
		doc:  "Show the balance of the chain daemon's wallet.",
		bind: func(c *Config) binding { return bools(&c.Metrics.WalletBalance) }},
}

// The forms that several keys share.

func texts(p *string, parse func(string) (string, error)) binding {
	return scalar(p, parse, quote, kindText)
}

// user is a name that may look like a number.
func user(p *string) binding { return scalar(p, parseUser, quote, kindText, kindNumber) }

func secrets(p *secret.Text, check func(string) (string, error), also ...kind) binding {
	return scalar(p, parseSecret(check), quoted, append(also, kindText)...)
}

func bools(p *bool) binding { return scalar(p, parseBool, showBool, kindBool) }

func ints(p *int, low, high int) binding {
	return scalar(p, intRange(low, high), strconv.Itoa, kindNumber)
}

func durations(p *time.Duration, low, high time.Duration) binding {
	return scalar(p, durationRange(low, high), showDuration, kindText, kindNumber)
}

func enum(p *string, allowed ...string) binding {
	return scalar(p, oneOf(allowed...), asShown, kindText)
}

func prefixes(p *[]netip.Prefix) binding {
	return list(p, parsePrefix, quoted, kindText)
}

func asShown(text string) string { return text }

func showAddr(a netip.Addr) string {
	if !a.IsValid() {
		return quote("")
	}
	return quote(a.String())
}
