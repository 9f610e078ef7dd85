package benchmark

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/store"
)

// Texts that API clients know.
const (
	restartText   = "Benchmarks will restart in the next couple minutes"
	startedText   = "Benchmark successfully started"
	restartedText = "Benchmark successfully restarted"
	startError    = "Error starting Benchmark: "
	restartError  = "Error restarting Benchmark: "
)

// Caller calls fluxbenchd. *daemonrpc.Client is one, with RPCMethods.
type Caller interface {
	Call(ctx context.Context, method string, params []any) (json.RawMessage, error)
}

// Control controls the process of fluxbenchd.
type Control interface {
	Start(ctx context.Context) error
	Restart(ctx context.Context) error
}

// Config is what a Service needs.
type Config struct {
	// Remote is fluxbenchd; nil means that this node measures itself.
	Remote Caller
	// Control is of fluxbenchd's process; nil means that it is not ours to control.
	Control Control
	// Runner measures; required without Remote, not used with it.
	Runner *Runner
	// Store keeps the result that getstoredbenchmark answers.
	Store store.Store
	// Address returns this node's public address, with ":port" unless the API
	// port is 16127, or "" while it is not known. Required without Remote.
	Address func() string

	Logger *slog.Logger // nil discards
}

// Service answers for the benchmark of this node. All answers come from one
// source, which is chosen once. Replies are JSON; with fluxbenchd they are its
// own bytes, which must not be changed, and its errors are those of daemonrpc.
type Service struct {
	source source
	kept   *keeper
	log    *slog.Logger
}

// source is where answers come from.
type source interface {
	name() string
	status(ctx context.Context) (json.RawMessage, error)
	benchmarks(ctx context.Context) (json.RawMessage, error)
	info(ctx context.Context) (json.RawMessage, error)
	help(ctx context.Context, command string) (json.RawMessage, error)
	sign(ctx context.Context, hex string) (json.RawMessage, error)
	stop(ctx context.Context) (json.RawMessage, error)
	measure(ctx context.Context, by string) (json.RawMessage, error)
	start(ctx context.Context) (string, error)
	restart(ctx context.Context, by string) (string, error)
}

// NewService checks the configuration. It asks nobody yet.
func NewService(cfg Config) (*Service, error) {
	if cfg.Store == nil {
		return nil, errors.New("benchmark service: no store")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	s := &Service{kept: newKeeper(cfg.Store), log: cfg.Logger}
	switch {
	case cfg.Remote != nil:
		s.source = remote{cfg.Remote, cfg.Control}
	case cfg.Runner == nil || cfg.Address == nil:
		return nil, errors.New("benchmark service: want a benchmark daemon, or a runner and the node's address")
	default:
		s.source = native{cfg.Runner, cfg.Address}
	}
	return s, nil
}

// Source returns SourceDaemon or SourceNative.
func (s *Service) Source() string { return s.source.name() }

// GetStatus answers {status, benchmarking, flux, …}; benchmarking is a tier,
// "running" or "failed".
func (s *Service) GetStatus(ctx context.Context) (json.RawMessage, error) {
	return s.source.status(ctx)
}

// GetBenchmarks answers the figures: Benchmarks, or what fluxbenchd says. A
// result that passes for a tier is kept for GetStoredBenchmark, at most once a day.
func (s *Service) GetBenchmarks(ctx context.Context) (json.RawMessage, error) {
	reply, err := s.source.benchmarks(ctx)
	if err != nil {
		return nil, err
	}
	s.keep(ctx, reply)
	return reply, nil
}

// GetInfo answers {version, rpcport}.
func (s *Service) GetInfo(ctx context.Context) (json.RawMessage, error) { return s.source.info(ctx) }

// Help answers a text: the commands, or one of them when command is not "".
func (s *Service) Help(ctx context.Context, command string) (json.RawMessage, error) {
	return s.source.help(ctx, command)
}

// Sign answers {status, tier, hex}: the node transaction with fluxbenchd's
// signature. Natively it is refused.
func (s *Service) Sign(ctx context.Context, hex string) (json.RawMessage, error) {
	return s.source.sign(ctx, hex)
}

// Stop stops fluxbenchd and answers its notice. Natively it is refused.
func (s *Service) Stop(ctx context.Context) (json.RawMessage, error) {
	return s.source.stop(ctx)
}

// RestartNodeBenchmarks asks for a new run and answers a text; by names who asks.
func (s *Service) RestartNodeBenchmarks(ctx context.Context, by string) (json.RawMessage, error) {
	return s.source.measure(ctx, by)
}

// Start starts fluxbenchd's process and returns the text for the caller.
// Natively there is nothing to start, which is success.
func (s *Service) Start(ctx context.Context) (string, error) {
	text, err := s.source.start(ctx)
	return text, prefixed(startError, err)
}

// Restart restarts fluxbenchd's process, or asks for a native run, and returns
// the text for the caller; by names who asks.
func (s *Service) Restart(ctx context.Context, by string) (string, error) {
	text, err := s.source.restart(ctx, by)
	return text, prefixed(restartError, err)
}

// prefixed gives a failure the text that API clients know.
func prefixed(prefix string, err error) error {
	if err == nil {
		return nil
	}
	kind := fault.Unavailable
	if f, ok := errors.AsType[*fault.Error](err); ok {
		kind = f.Kind
	}
	return fault.Wrap(kind, err, prefix+err.Error())
}
