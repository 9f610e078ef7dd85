package benchmark

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/fluxosd/fluxosd/internal/fault"
)

// NotMeasured is the error of a machine that was never measured, and won't be
// before somebody asks.
const NotMeasured = "This machine has not been measured yet"

// native answers from the own measurement, in the shapes of fluxbenchd. Every
// object names its source.
type native struct {
	runner  *Runner
	address func() string
}

func (native) name() string { return SourceNative }

// nativeStatus is the answer to getstatus.
type nativeStatus struct {
	Status       string `json:"status"`
	Benchmarking string `json:"benchmarking"`
	Flux         string `json:"flux"`
	SystemSecure bool   `json:"systemsecure"`
	Source       string `json:"source"`
}

// nativeInfo is the answer to getinfo. There is no RPC port, hence 0.
type nativeInfo struct {
	Version string `json:"version"`
	RPCPort int    `json:"rpcport"`
	Source  string `json:"source"`
}

func (n native) status(context.Context) (json.RawMessage, error) {
	benchmarking := n.current().Status
	if n.runner.State().Running {
		benchmarking = StatusRunning
	}
	return json.Marshal(nativeStatus{"online", benchmarking, "connected", false, SourceNative})
}

func (n native) benchmarks(context.Context) (json.RawMessage, error) {
	return json.Marshal(n.current())
}

// current is the last good result, whatever happened since. Before there is
// one it is "running" as long as one may come.
func (n native) current() Benchmarks {
	state, latest, address := n.runner.State(), n.runner.Latest(), n.address()
	switch {
	case latest != nil:
		return Reply(*latest, address)
	case !state.Ready || state.Running || state.LastError == "" && !state.Next.IsZero():
		return unmeasured(address, StatusRunning, "")
	case state.LastError != "":
		return unmeasured(address, StatusFailed, state.LastError)
	}
	return unmeasured(address, StatusFailed, NotMeasured)
}

func (native) info(context.Context) (json.RawMessage, error) {
	return json.Marshal(nativeInfo{Version: BenchVersion, Source: SourceNative})
}

// nativeHelp lists what a native benchmark can do, each with its arguments.
func nativeHelp() [][2]string {
	return [][2]string{
		{"getbenchmarks", "Figures of this machine, measured by fluxosd."},
		{"getinfo", "Version of the measurement."},
		{"getstatus", "Tier, running or failed."},
		{`help ( "command" )`, "These lines, or one of them."},
		{"restartnodebenchmarks", "Measure again."},
	}
}

func (native) help(_ context.Context, command string) (json.RawMessage, error) {
	text := "== Benchmark (" + BenchVersion + ", measured by fluxosd itself) =="
	for _, line := range nativeHelp() {
		name, _, _ := strings.Cut(line[0], " ")
		if command == name {
			return json.Marshal(line[0] + "\n" + line[1])
		}
		text += "\n" + line[0]
	}
	if command != "" {
		const longest = 64
		return json.Marshal(fmt.Sprintf("help: unknown command: %.*s", longest, command))
	}
	return json.Marshal(text)
}

func (native) sign(context.Context, string) (json.RawMessage, error) {
	return nil, fault.New(fault.Conflict, "Signing needs the benchmark daemon (fluxbenchd), whose signature the network checks: "+
		"install it and set benchmark.url, benchmark.user and benchmark.password")
}

func (native) stop(context.Context) (json.RawMessage, error) {
	return nil, fault.New(fault.Conflict, "The native benchmark is part of fluxosd and has no daemon to stop: set benchmark.every to 0 to stop measuring")
}

func (n native) measure(ctx context.Context, by string) (json.RawMessage, error) {
	if err := n.runner.Request(ctx, by); err != nil {
		return nil, err
	}
	return json.Marshal(restartText)
}

func (native) start(context.Context) (string, error) { return startedText, nil }

func (n native) restart(ctx context.Context, by string) (string, error) {
	return restartText, n.runner.Request(ctx, by)
}
