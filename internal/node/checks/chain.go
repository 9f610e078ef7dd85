package checks

import (
	"context"
	"errors"
	"time"

	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
)

const (
	// syncLag is how many blocks the chain daemon may be behind its best header
	// and still counts as synced.
	syncLag = 5
	// staleTip is the age at which the newest block shows that no blocks arrive:
	// they are half a minute apart.
	staleTip = 30 * time.Minute
	rpcTime  = 6 * time.Second
)

// ChainConfig is what the checks of the chain daemon look at.
type ChainConfig struct {
	Daemon  Caller
	Testnet bool
	Now     func() time.Time
}

// Chain returns the checks of the chain daemon: that it answers, belongs to
// the right network, knows others and is where the network is.
func Chain(c ChainConfig) []doctor.Check {
	return []doctor.Check{
		{Name: chainDaemon, Title: "Chain daemon", Every: 15 * time.Second, Timeout: rpcTime, Awaited: true, Look: c.daemon, Problems: []health.Problem{
			problem("daemon-unreachable", health.Critical, "The chain daemon doesn't answer",
				"Start it (systemctl status of its unit tells why it stopped) and compare daemon.url with rpcport in its flux.conf."),
			problem("daemon-hanging", health.Critical, "The chain daemon takes calls and doesn't answer them",
				"Look at its debug.log and at the load of the disk; restart it when it doesn't recover."),
			problem("daemon-warming-up", health.Critical, "The chain daemon is still starting",
				"Wait: it loads its block index or reindexes. Its debug.log shows the progress."),
			problem("daemon-unauthorised", health.Critical, "The chain daemon refuses our credentials",
				"Set daemon.user and daemon.password, or daemon.conf, to rpcuser and rpcpassword of its flux.conf."),
			problem("daemon-failing", health.Critical, "The chain daemon answers with errors",
				"Look at its debug.log; restart it when it doesn't recover."),
			problem("daemon-garbled", health.Critical, "What answers at daemon.url is no chain daemon",
				"Check daemon.url: another program may listen on that port."),
		}},
		{Name: chainNetwork, Title: "Chain daemon's network", Needs: []string{chainDaemon}, Every: 5 * time.Minute, Timeout: rpcTime, Look: c.network, Problems: []health.Problem{
			problem("daemon-wrong-network", health.Critical, "The chain daemon belongs to another network than this node",
				"Set node.testnet to what the daemon runs, or point daemon.url at a daemon of the right network."),
		}},
		{Name: chainPeers, Title: "Chain daemon's peers", Needs: []string{chainDaemon}, Timeout: rpcTime, Look: c.peers, Problems: []health.Problem{
			problem("daemon-isolated", health.Critical, "The chain daemon has no connection to others",
				"Check the network of this machine and that outgoing connections to port 16125 are allowed."),
		}},
		{Name: chainSync, Title: "Chain synchronisation", Needs: []string{chainNetwork, chainPeers}, Timeout: rpcTime, Look: c.sync, Problems: []health.Problem{
			problem("daemon-syncing", health.Critical, "The chain daemon is behind the network",
				"Wait for it to catch up. If its height doesn't grow, look at its connections and its debug.log."),
			problem("daemon-stale", health.Critical, "The chain daemon gets no new blocks",
				"Look at its debug.log; a reindex (fluxosd's /flux/reindexdaemon) mends a broken block database."),
		}},
	}
}

type chainInfo struct {
	Chain   string `json:"chain"`
	Blocks  int64  `json:"blocks"`
	Headers int64  `json:"headers"`
	Best    string `json:"bestblockhash"`
}

func (c ChainConfig) daemon(ctx context.Context) doctor.Finding {
	var info chainInfo
	start := c.Now()
	err := ask(ctx, c.Daemon, &info, "getblockchaininfo")
	if err == nil {
		return doctor.Fine("height %d, answered within %d ms", info.Blocks, c.Now().Sub(start).Milliseconds()+1)
	}
	if late(err) || timedOut(err) {
		return doctor.Bad("daemon-hanging", "no answer within %v", rpcTime)
	}
	switch daemonrpc.Classify(err) {
	case daemonrpc.StateDown:
		return doctor.Bad("daemon-unreachable", "%s", words(err))
	case daemonrpc.StateWarmingUp:
		return doctor.Bad("daemon-warming-up", "%s", words(err))
	case daemonrpc.StateUnauthorised:
		return doctor.Bad("daemon-unauthorised", "%s", words(err))
	case daemonrpc.StateGarbage:
		return doctor.Bad("daemon-garbled", "%s", words(err))
	}
	return doctor.Bad("daemon-failing", "%s", words(err))
}

// words are what the daemon, or its client, says: without the chain of causes.
func words(err error) string {
	_, _, message := daemonrpc.Envelope(err)
	return message
}

// timedOut reports whether the client gave up waiting for an answer.
func timedOut(err error) bool {
	tr, ok := errors.AsType[*daemonrpc.TransportError](err)
	return ok && (tr.Code == "ECONNABORTED" || tr.Code == "ETIMEDOUT")
}

func (c ChainConfig) network(ctx context.Context) doctor.Finding {
	var info chainInfo
	if err := ask(ctx, c.Daemon, &info, "getblockchaininfo"); err != nil {
		return doctor.Unknown("%v", err)
	}
	want := "main"
	if c.Testnet {
		want = "test"
	}
	if info.Chain != want {
		return doctor.Bad("daemon-wrong-network", "the daemon runs %q, this node is configured for %q", info.Chain, want)
	}
	return doctor.Fine("%s", want)
}

func (c ChainConfig) peers(ctx context.Context) doctor.Finding {
	var n int
	if err := ask(ctx, c.Daemon, &n, "getconnectioncount"); err != nil {
		return doctor.Unknown("%v", err)
	}
	if n == 0 {
		return doctor.Bad("daemon-isolated", "0 connections")
	}
	return doctor.Fine("%d connections", n)
}

func (c ChainConfig) sync(ctx context.Context) doctor.Finding {
	var info chainInfo
	if err := ask(ctx, c.Daemon, &info, "getblockchaininfo"); err != nil {
		return doctor.Unknown("%v", err)
	}
	if behind := info.Headers - info.Blocks; behind >= syncLag {
		return doctor.Bad("daemon-syncing", "height %d of %d, %d blocks behind", info.Blocks, info.Headers, behind)
	}
	var tip struct {
		Time int64 `json:"time"`
	}
	if err := ask(ctx, c.Daemon, &tip, "getblockheader", info.Best); err != nil {
		return doctor.Unknown("the newest block: %v", err)
	}
	age := c.Now().Sub(time.Unix(tip.Time, 0)).Round(time.Second)
	if age > staleTip {
		return doctor.Bad("daemon-stale", "the newest block, %d, is %v old", info.Blocks, age.Round(time.Minute))
	}
	return doctor.Fine("height %d, the newest block is %v old", info.Blocks, max(age, 0))
}

// ChainCopy returns the check of a node that hands its chain to neighbours:
// trouble says why the chain daemon, stopped for that, doesn't start again.
func ChainCopy(trouble func() string) doctor.Check {
	return doctor.Check{Name: chainCopy, Title: "Chain copies for neighbours", Problems: []health.Problem{
		problem("chain-copy-stuck", health.Critical, "The chain daemon was stopped for a copy and doesn't start again",
			"Start its unit by hand (daemon.unit), and look at its log; it is tried again all the time."),
	}, Look: func(context.Context) doctor.Finding {
		if why := trouble(); why != "" {
			return doctor.Bad("chain-copy-stuck", "%s", why)
		}
		return doctor.Fine("allowed, none under way that is in trouble")
	}}
}
