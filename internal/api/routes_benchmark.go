package api

import (
	"time"

	"github.com/fluxosd/fluxosd/internal/permissions"
)

// benchmarkRoutes are the rows of /benchmark: the benchmark daemon.
func (s *Server) benchmarkRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/benchmark/getstatus", Level: permissions.Public, Cache: 30 * time.Second,
			Summary: "State of the benchmark daemon", Result: "object {status, benchmarking, flux or zelback}"},
		{Method: "GET", Path: "/benchmark/getbenchmarks", Level: permissions.Public, Cache: 30 * time.Second,
			Summary: "Benchmark results of this node",
			Result: "object {ipaddress, architecture, status, time, real_cores, cores, ram, ssd, hdd, ddwrite, totalstorage, " +
				"disksinfo[], eps, ping, download_speed, upload_speed, bench_version, flux_version, systemsecure, error, ...}"},
		{Method: "GET", Path: "/benchmark/getstoredbenchmark", Level: permissions.Public, Cache: time.Hour,
			Summary: "Last benchmark results kept by this node", Result: "object {benchmark, tier}"},
		{Method: "GET", Path: "/benchmark/getinfo", Level: permissions.Public, Cache: 30 * time.Second,
			Summary: "Version and port of the benchmark daemon", Result: "object {version, rpcport}"},
		{Method: "GET", Path: "/benchmark/help/:command?", Level: permissions.Public, Cache: time.Hour,
			Summary: "Commands of the benchmark daemon",
			Params:  []Param{Path("command", "string")},
			Result:  "string: help text"},
		{Method: "GET", Path: "/benchmark/signfluxnodetransaction/:hexstring?", Level: permissions.Admin,
			Summary: "Sign a node transaction with benchmark results",
			Params:  []Param{Path("hexstring", "string")},
			Result:  "object {status, tier, hex}"},
		{Method: "POST", Path: "/benchmark/signfluxnodetransaction", Level: permissions.Admin,
			Summary: "Sign a node transaction with benchmark results",
			Params:  []Param{Body("hexstring", "string")},
			Result:  "object {status, tier, hex}"},
		{Method: "GET", Path: "/benchmark/signzelnodetransaction/:hexstring?", Level: permissions.Admin,
			Alias: "/benchmark/signfluxnodetransaction/:hexstring?", Deprecated: true,
			Summary: "Sign a node transaction, old name",
			Params:  []Param{Path("hexstring", "string")},
			Result:  "object {status, tier, hex}"},
		{Method: "POST", Path: "/benchmark/signzelnodetransaction", Level: permissions.Admin,
			Alias: "/benchmark/signfluxnodetransaction", Deprecated: true,
			Summary: "Sign a node transaction, old name",
			Params:  []Param{Body("hexstring", "string")},
			Result:  "object {status, tier, hex}"},
		{Method: "GET", Path: "/benchmark/start", Level: permissions.AdminAndFluxTeam,
			Summary: "Start the benchmark daemon", Result: "message: Benchmark successfully started"},
		{Method: "GET", Path: "/benchmark/restart", Level: permissions.AdminAndFluxTeam,
			Summary: "Restart the benchmark daemon", Result: "message: Benchmark successfully restarted"},
		{Method: "GET", Path: "/benchmark/stop", Level: permissions.Admin,
			Summary: "Stop the benchmark daemon", Result: "string: stop notice"},
		{Method: "GET", Path: "/benchmark/restartnodebenchmarks", Level: permissions.AdminAndFluxTeam,
			Summary: "Run the benchmarks again", Result: "string or object: result"},
	}
}
