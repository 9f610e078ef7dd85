package devnet

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
)

// Ports and versions the simulated benchmark daemon reports.
const (
	benchPort      = 16224
	benchVersion   = "6.2.0"
	defaultAPIPort = "16127"
)

// BenchConfig describes a simulated benchmark daemon.
type BenchConfig struct {
	User, Password string // of basic authentication
	// Tier is what the machine passes for; 0 is the own node's.
	Tier Tier
}

// Bench is a simulated benchmark daemon (fluxbenchd) on a devnet's own node.
// Its figures are constants of the tier, not measurements. It signs node
// transactions with the devnet's benchmark key, which no real chain accepts.
type Bench struct {
	chain   *Chain
	tier    Tier
	handler http.Handler

	mu     sync.Mutex // guards what follows
	status string     // instead of the tier, when set
	reason string
}

// NewBench serves the benchmark of c's own node as an http.Handler.
func NewBench(c *Chain, cfg BenchConfig) (*Bench, error) {
	if cfg.Tier > Stratus {
		return nil, fmt.Errorf("BenchConfig.Tier %d: want 0, Cumulus, Nimbus or Stratus", cfg.Tier)
	}
	b := &Bench{chain: c, tier: cfg.Tier}
	if b.tier == 0 {
		b.tier = c.Own().Tier
	}
	b.handler = rpcHandler(cfg.User, cfg.Password, func() bool { return false }, b.call)
	return b, nil
}

// ServeHTTP answers JSON-RPC like the chain daemon.
func (b *Bench) ServeHTTP(w http.ResponseWriter, r *http.Request) { b.handler.ServeHTTP(w, r) }

// SetStatus makes the benchmark report a state such as "running" or "failed"
// with an error text; an empty status returns to the tier.
func (b *Bench) SetStatus(status, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status, b.reason = status, reason
}

// benchHelp lists the methods with their arguments.
func benchHelp() map[string]string {
	return map[string]string{
		"help": `( "command" )`, "getinfo": "", "getstatus": "( light )", "getbenchmarks": "", "getpublicip": "", "stop": "",
		"restartnodebenchmarks": "", "startmultiportbench": "", "signzelnodetransaction": `"hex"`, "signfluxnodetransaction": `"hex"`,
		"getpublickey": "…", "encryptmessage": "…", "decryptmessage": "…", "decryptrsamessage": "…",
	}
}

func (b *Bench) call(_ *http.Request, method string, args []json.RawMessage) (any, error) {
	p := params{args}
	if _, known := benchHelp()[method]; !known {
		return nil, &RPCError{codeMethod, "Method not found"}
	}
	switch method {
	case "help":
		return b.help(p)
	case "getinfo":
		return object{"version": benchVersion, "rpcport": benchPort}, nil
	case "getstatus":
		o := benchStatus(b.tier)
		if status, _ := b.state(); status != "" {
			o["benchmarking"] = status
		}
		return o, nil
	case "getbenchmarks":
		o := b.locked(func() object { return b.chain.benchmarks(b.tier) })
		if status, reason := b.state(); status != "" {
			o["status"], o["error"] = status, reason
		}
		return o, nil
	case "getpublicip":
		host, _, _ := strings.Cut(b.chain.Own().IP, ":")
		return host, nil
	case "startmultiportbench":
		return "Benchmarks will restart in the next couple minutes", nil
	case "restartnodebenchmarks":
		b.SetStatus("", "")
		return "Benchmarks will restart in the next couple minutes", nil
	case "stop":
		return "Fluxbench server stopping", nil
	case "signzelnodetransaction", "signfluxnodetransaction":
		return b.sign(p)
	}
	return nil, &RPCError{codeMisc, method + " is not available on devnet: it needs a machine attested by the real benchmark daemon"}
}

func (b *Bench) state() (status, reason string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.status, b.reason
}

// locked reads the chain.
func (b *Bench) locked(read func() object) object {
	b.chain.mu.Lock()
	defer b.chain.mu.Unlock()
	return read()
}

func (b *Bench) help(p params) (any, error) {
	name, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	all := benchHelp()
	if name != "" {
		args, known := all[name]
		if !known {
			return "help: unknown command: " + clip(name), nil
		}
		return strings.TrimSpace(name + " " + args), nil
	}
	var lines []string
	for _, n := range sortedKeys(all) {
		lines = append(lines, strings.TrimSpace(n+" "+all[n]))
	}
	return "== Benchmark ==\n" + strings.Join(lines, "\n"), nil
}

// sign adds the benchmark's signature to a confirm transaction.
func (b *Bench) sign(p params) (any, error) {
	t, err := p.transaction(0)
	if err != nil {
		return nil, err
	}
	if t.Node == nil || t.Node.Kind != nodeConfirm {
		return nil, &RPCError{codeParameter, "Only confirm transactions (version 5, type 4) are signed"}
	}
	if status, _ := b.state(); status != "" {
		return object{"status": status, "tier": "", "hex": ""}, nil
	}
	t.Node.Tier = byte(b.tier)
	t.Node.BenchTime = t.Node.SigTime
	t.Node.BenchSig = b.chain.bench.signMessage(benchmarkText(t.Node))
	return object{"status": "complete", "tier": b.tier.String(), "hex": hex.EncodeToString(t.encode(true))}, nil
}

// benchStatus is the answer to getstatus.
func benchStatus(t Tier) object {
	return object{"status": "online", "benchmarking": t.String(), "flux": "connected", "systemsecure": false}
}

// benchmarks are typical figures of a machine that just passes for a tier.
func (c *Chain) benchmarks(t Tier) object {
	type machine struct{ cores, realCores, ram, ssd, write, eps, net float64 }
	m := map[Tier]machine{
		Cumulus: {4, 2, 7.8, 232.9, 412.4, 391.36, 210},
		Nimbus:  {8, 4, 31.3, 465.8, 655.1, 1012.08, 420},
		Stratus: {16, 8, 62.7, 931.5, 1480.3, 2210.5, 910},
	}[t]
	ip := c.nodes.own().ip
	if !strings.Contains(ip, ":") {
		ip += ":" + defaultAPIPort
	}
	return object{
		"ipaddress": ip, "architecture": runtime.GOARCH, "armboard": "", "status": t.String(), "time": c.blocks[0].time,
		"real_cores": m.realCores, "cores": m.cores, "ram": m.ram, "ssd": m.ssd, "hdd": 0, "ddwrite": m.write, "totalstorage": m.ssd,
		"disksinfo": []object{{"disk": "vda", "size": m.ssd, "writespeed": m.write}}, "eps": m.eps,
		"eps_singlethread": m.eps / m.cores, "eps_multithread": m.eps * 0.96, "ping": 7.2, "download_speed": m.net, "upload_speed": m.net / 2,
		"bench_version": benchVersion, "speed_version": "1.2.0", "flux_version": "8.0.0", "speed": 3000, "systemsecure": false,
		"thunder": false, "error": "",
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
