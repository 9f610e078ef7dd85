package benchmark

import (
	"context"
	"encoding/json"

	"github.com/fluxosd/fluxosd/internal/fault"
)

// remote answers with the words of fluxbenchd, errors included.
type remote struct {
	daemon  Caller
	control Control // nil for none
}

func (remote) name() string { return SourceDaemon }

func (r remote) status(ctx context.Context) (json.RawMessage, error) {
	return r.daemon.Call(ctx, "getstatus", nil)
}

func (r remote) benchmarks(ctx context.Context) (json.RawMessage, error) {
	return r.daemon.Call(ctx, "getbenchmarks", nil)
}

func (r remote) info(ctx context.Context) (json.RawMessage, error) {
	return r.daemon.Call(ctx, "getinfo", nil)
}

func (r remote) help(ctx context.Context, command string) (json.RawMessage, error) {
	return r.daemon.Call(ctx, "help", []any{command})
}

// sign uses the old name, which every release knows. Without a transaction
// fluxbenchd answers its usage.
func (r remote) sign(ctx context.Context, hex string) (json.RawMessage, error) {
	var params []any
	if hex != "" {
		params = []any{hex}
	}
	return r.daemon.Call(ctx, "signzelnodetransaction", params)
}

func (r remote) stop(ctx context.Context) (json.RawMessage, error) {
	return r.daemon.Call(ctx, "stop", nil)
}

func (r remote) measure(ctx context.Context, _ string) (json.RawMessage, error) {
	return r.daemon.Call(ctx, "restartnodebenchmarks", nil)
}

func (r remote) start(ctx context.Context) (string, error) {
	if r.control == nil {
		return "", noControl()
	}
	return startedText, r.control.Start(ctx)
}

func (r remote) restart(ctx context.Context, _ string) (string, error) {
	if r.control == nil {
		return "", noControl()
	}
	return restartedText, r.control.Restart(ctx)
}

func noControl() error {
	return fault.New(fault.Unavailable, "fluxosd doesn't know which systemd unit runs the benchmark daemon: set benchmark.unit, or use systemctl")
}
