package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/permissions"
)

// benchmarkRoutes are the rows of /benchmark: the benchmark daemon.
func (s *Server) benchmarkRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/benchmark/getstatus", Level: permissions.Public, Cache: 30 * time.Second,
			Summary: "State of the benchmark daemon", Result: "object {status, benchmarking, flux or zelback}",
			Handle: s.benchmarkCall((*benchmark.Service).GetStatus)},
		{Method: "GET", Path: "/benchmark/getbenchmarks", Level: permissions.Public, Cache: 30 * time.Second,
			Summary: "Benchmark results of this node",
			Result: "object {ipaddress, architecture, status, time, real_cores, cores, ram, ssd, hdd, ddwrite, totalstorage, " +
				"disksinfo[], eps, ping, download_speed, upload_speed, bench_version, flux_version, systemsecure, error, ...}",
			Handle: s.benchmarkCall((*benchmark.Service).GetBenchmarks)},
		{Method: "GET", Path: "/benchmark/getstoredbenchmark", Level: permissions.Public, Cache: time.Hour,
			Summary: "Last benchmark results kept by this node", Result: "object {benchmark, tier}",
			Handle: s.storedBenchmark},
		{Method: "GET", Path: "/benchmark/getinfo", Level: permissions.Public, Cache: 30 * time.Second,
			Summary: "Version and port of the benchmark daemon", Result: "object {version, rpcport}",
			Handle: s.benchmarkCall((*benchmark.Service).GetInfo)},
		{Method: "GET", Path: "/benchmark/help/:command?", Level: permissions.Public, Cache: time.Hour,
			Summary: "Commands of the benchmark daemon",
			Params:  []Param{Path("command", "string")},
			Result:  "string: help text",
			Handle:  s.benchmarkHelp},
		{Method: "GET", Path: "/benchmark/signfluxnodetransaction/:hexstring?", Level: permissions.Admin,
			Summary: "Sign a node transaction with benchmark results",
			Params:  []Param{Path("hexstring", "string")},
			Result:  "object {status, tier, hex}",
			Handle:  s.signTransaction},
		{Method: "POST", Path: "/benchmark/signfluxnodetransaction", Level: permissions.Admin,
			Summary: "Sign a node transaction with benchmark results",
			Params:  []Param{Body("hexstring", "string")},
			Result:  "object {status, tier, hex}",
			Handle:  s.signTransaction},
		{Method: "GET", Path: "/benchmark/signzelnodetransaction/:hexstring?", Level: permissions.Admin,
			Alias: "/benchmark/signfluxnodetransaction/:hexstring?", Deprecated: true,
			Summary: "Sign a node transaction, old name",
			Params:  []Param{Path("hexstring", "string")},
			Result:  "object {status, tier, hex}",
			Handle:  s.signTransaction},
		{Method: "POST", Path: "/benchmark/signzelnodetransaction", Level: permissions.Admin,
			Alias: "/benchmark/signfluxnodetransaction", Deprecated: true,
			Summary: "Sign a node transaction, old name",
			Params:  []Param{Body("hexstring", "string")},
			Result:  "object {status, tier, hex}",
			Handle:  s.signTransaction},
		{Method: "GET", Path: "/benchmark/start", Level: permissions.AdminAndFluxTeam,
			Summary: "Start the benchmark daemon", Result: "message: Benchmark successfully started",
			Handle: s.startBenchmark},
		{Method: "GET", Path: "/benchmark/restart", Level: permissions.AdminAndFluxTeam,
			Summary: "Restart the benchmark daemon", Result: "message: Benchmark successfully restarted",
			Handle: s.restartBenchmark},
		{Method: "GET", Path: "/benchmark/stop", Level: permissions.Admin,
			Summary: "Stop the benchmark daemon", Result: "string: stop notice",
			Handle: s.benchmarkCall((*benchmark.Service).Stop)},
		{Method: "GET", Path: "/benchmark/restartnodebenchmarks", Level: permissions.AdminAndFluxTeam,
			Summary: "Run the benchmarks again", Result: "string or object: result",
			Handle: s.runBenchmarks},

		// What the machine reaches, and what the node measured itself.
		{Method: "GET", Path: "/benchmark/tiers", Level: permissions.Public, Cache: 30 * time.Second, Own: true,
			Summary: "What this machine reaches of every tier, by the benchmark that counts",
			Result:  "object {source, time, disturbed, tiers: array of {tier, passed, requirements: array of {name, unit, needed, recommended, measured, passed, advisory, text}}}",
			Handle:  s.benchmarkTiers},
		{Method: "GET", Path: "/benchmark/history/:count?", Level: permissions.Public, Cache: time.Minute, Own: true,
			Summary: "Last results of the node's own measurements, newest first",
			Params:  []Param{Path("count", "integer").Or("10").Says("1 to 100")},
			Result:  "array of results as getbenchmarks shows them, with by, took (seconds), events_single, events_multi, disk_write (each with median, low, high, runs) and disturbed",
			Handle:  s.benchmarkHistory},
	}
}

// benchmarkCall returns the handler of a row that has no parameters.
func (s *Server) benchmarkCall(call func(*benchmark.Service, context.Context) (json.RawMessage, error)) Handler {
	return func(ctx context.Context, _ *Request) (any, error) { return call(s.benchmark, ctx) }
}

func (s *Server) benchmarkHelp(ctx context.Context, r *Request) (any, error) {
	return s.benchmark.Help(ctx, r.Text("command"))
}

func (s *Server) storedBenchmark(ctx context.Context, _ *Request) (any, error) {
	return s.benchmark.GetStoredBenchmark(ctx)
}

// signTransaction takes the hexadecimal text from path, query or body.
func (s *Server) signTransaction(ctx context.Context, r *Request) (any, error) {
	hex := r.Text("hexstring")
	if hex == "" {
		hex, _, _ = r.BodyText("hexstring")
	}
	return s.benchmark.Sign(ctx, hex)
}

func (s *Server) startBenchmark(ctx context.Context, _ *Request) (any, error) {
	return said(s.benchmark.Start(ctx))
}

func (s *Server) restartBenchmark(ctx context.Context, r *Request) (any, error) {
	return said(s.benchmark.Restart(ctx, r.Caller.FluxID))
}

func (s *Server) runBenchmarks(ctx context.Context, r *Request) (any, error) {
	return s.benchmark.RestartNodeBenchmarks(ctx, r.Caller.FluxID)
}

// said turns a text for the caller into a message.
func said(text string, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return Message{Message: text}, nil
}
