package node

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/health"
)

// Codes of the chain daemon's problems.
const (
	ProblemDaemonDown         = "daemon-unreachable"
	ProblemDaemonWarmingUp    = "daemon-warming-up"
	ProblemDaemonUnauthorised = "daemon-unauthorised"
	ProblemDaemonGarbage      = "daemon-garbled"
	ProblemDaemonSyncing      = "daemon-syncing"
)

// syncLag is how many blocks the chain daemon may be behind its best header
// and still counts as synced.
const syncLag = 5

// ChainWatch asks the chain daemon how it is and keeps its health problems.
type ChainWatch struct {
	daemon Caller
	every  time.Duration
	known  *health.Condition
	states map[daemonrpc.State]*health.Reporter
	lag    *health.Reporter
}

// NewChainWatch registers the chain daemon's problems and the start condition
// that its state is known. every is the time between two looks.
func NewChainWatch(daemon Caller, registry *health.Registry, every time.Duration) (*ChainWatch, error) {
	w := &ChainWatch{daemon: daemon, every: every, states: make(map[daemonrpc.State]*health.Reporter)}
	var err error
	if w.known, err = registry.Await("chain daemon's first state"); err != nil {
		return nil, err
	}
	for _, p := range []struct {
		state daemonrpc.State
		health.Problem
	}{
		{daemonrpc.StateDown, health.Problem{Code: ProblemDaemonDown, Severity: health.Critical, Title: "The chain daemon doesn't answer",
			Advice: "Start it (systemctl status of its unit tells why it stopped) and compare daemon.url with rpcport in its flux.conf."}},
		{daemonrpc.StateWarmingUp, health.Problem{Code: ProblemDaemonWarmingUp, Severity: health.Warning, Title: "The chain daemon is still starting",
			Advice: "Wait: it loads its block index or reindexes. Its debug.log shows the progress."}},
		{daemonrpc.StateUnauthorised, health.Problem{Code: ProblemDaemonUnauthorised, Severity: health.Critical, Title: "The chain daemon refuses our credentials",
			Advice: "Set daemon.user and daemon.password, or daemon.conf, to rpcuser and rpcpassword of its flux.conf."}},
		{daemonrpc.StateGarbage, health.Problem{Code: ProblemDaemonGarbage, Severity: health.Critical, Title: "What answers at daemon.url is no chain daemon",
			Advice: "Check daemon.url: another program may listen on that port."}},
	} {
		if w.states[p.state], err = registry.Register(p.Problem); err != nil {
			return nil, err
		}
	}
	w.lag, err = registry.Register(health.Problem{Code: ProblemDaemonSyncing, Severity: health.Warning, Title: "The chain daemon is behind the network",
		Advice: "Wait for it to catch up. If its height doesn't grow, look at its connections and its debug.log."})
	return w, err
}

// Serve looks until ctx ends.
func (w *ChainWatch) Serve(ctx context.Context) error {
	tick := time.NewTicker(w.every)
	defer tick.Stop()
	for {
		w.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (w *ChainWatch) look(ctx context.Context) {
	raw, err := w.daemon.Call(ctx, "getblockchaininfo", nil)
	if ctx.Err() != nil {
		return
	}
	now := daemonrpc.Classify(err)
	for state, r := range w.states {
		if state == now {
			r.Set(err.Error())
		} else {
			r.Clear()
		}
	}
	w.known.Met()
	var chain struct {
		Blocks  int64 `json:"blocks"`
		Headers int64 `json:"headers"`
	}
	if err != nil || json.Unmarshal(raw, &chain) != nil || chain.Blocks > chain.Headers-syncLag {
		w.lag.Clear()
		return
	}
	w.lag.Set(fmt.Sprintf("height %d of %d", chain.Blocks, chain.Headers))
}
