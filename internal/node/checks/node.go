package checks

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

const (
	// collateralDepth is how many blocks a collateral must lie under before its
	// node can be started.
	collateralDepth = 100
	// A confirmation is renewed from 500 blocks after the last one on, and must
	// be by 640 blocks after it.
	confirmLate, confirmEnd = 600, 640
)

// NodeConfig is what the checks of the node's own entry on the chain look at.
type NodeConfig struct {
	Daemon Caller
	// Conf reads the chain daemon's configuration file. An error that is
	// fs.ErrNotExist or fs.ErrPermission leaves what it says unknown.
	Conf func() (daemonrpc.Conf, error)
}

// Node returns the checks of key and collateral.
func Node(c NodeConfig) []doctor.Check {
	return []doctor.Check{
		{Name: nodeKey, Title: "Node key and collateral set", Every: 5 * time.Minute, Look: c.key, Problems: []health.Problem{
			problem("node-not-configured", health.Critical, "The chain daemon isn't told to run a node",
				"Put zelnode=1, zelnodeprivkey, zelnodeoutpoint and zelnodeindex into its flux.conf and restart it."),
			problem("node-key-missing", health.Critical, "The chain daemon has no node key",
				"Put zelnodeprivkey, the key that the wallet gave for this node, into its flux.conf and restart it."),
			problem("node-key-invalid", health.Critical, "The node key in flux.conf is no key",
				"Copy zelnodeprivkey again from the wallet: it is a private key in wallet import format (WIF)."),
			problem("collateral-not-configured", health.Critical, "flux.conf doesn't name the node's collateral",
				"Put zelnodeoutpoint, the transaction, and zelnodeindex, its output, into flux.conf and restart the chain daemon."),
			problem("flux-conf-broken", health.Critical, "The chain daemon's configuration file can't be understood",
				"Mend the line that is named; daemon.conf says which file is read."),
		}},
		{Name: collateral, Title: "Collateral", Needs: []string{chainSync, nodeKey}, Every: time.Minute, Timeout: rpcTime, Look: c.collateral, Problems: []health.Problem{
			problem("collateral-spent", health.Critical, "The node's collateral was spent or never existed",
				"Send a new collateral to yourself, put its transaction and output into flux.conf, and start the node again from the wallet."),
			problem("collateral-wrong-amount", health.Critical, "The node's collateral isn't the amount of any tier",
				"A collateral is one output of exactly 1000, 12500 or 40000 FLUX."),
			problem("collateral-young", health.Warning, "The node's collateral is too young to start with",
				"Wait until it has 100 confirmations, then start the node from the wallet."),
		}},
		{Name: keyMatch, Title: "Node key on the network", Needs: []string{chainSync, nodeKey}, Every: time.Minute, Timeout: rpcTime, Look: c.match, Problems: []health.Problem{
			problem("node-key-wrong", health.Critical, "The network knows this node under another key",
				"Put the key with which the node was started into zelnodeprivkey of flux.conf, or start the node again from the wallet."),
		}},
	}
}

// Confirmation returns the check of the node's standing on the chain, which what
// all other checks look at may have caused.
func Confirmation(c NodeConfig) doctor.Check {
	return doctor.Check{Name: confirmation, Title: "Confirmation", Needs: []string{collateral, keyMatch}, Timeout: rpcTime, Look: c.confirmation, Problems: []health.Problem{
		problem("node-expired", health.Critical, "The network has dropped this node",
			"Start it again from the wallet (zelcore or the wallet's startfluxnode). It was not confirmed in time: the checks below tell what kept it."),
		problem("node-in-dos", health.Critical, "The chain refuses this node for a time",
			"It wasn't confirmed in time after its start. Wait for 720 blocks (6 hours), mend what the checks tell, and start it again."),
		problem("node-unconfirmed", health.Warning, "The node is started and waits to be confirmed",
			"It needs the benchmark daemon and some blocks. If this lasts, look at the checks of benchmark and tier."),
		problem("confirmation-late", health.Warning, "The node's confirmation is overdue",
			"Confirmations come from the chain daemon with the benchmark daemon's signature: look at both."),
		problem("node-status-strange", health.Critical, "The chain daemon doesn't call this node confirmed",
			"Compare collateral and key in flux.conf with the wallet; getfluxnodestatus of the daemon has the whole answer."),
	}}
}

var txID = regexp.MustCompile(`^[0-9a-fA-F]{64}$`)

func (c NodeConfig) key(context.Context) doctor.Finding {
	conf, err := c.Conf()
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
		return doctor.Unknown("the chain daemon's flux.conf can't be read: %v", err).
			Advising("Set daemon.conf to the file, and let fluxosd read it.")
	case err != nil:
		return doctor.Bad("flux-conf-broken", "%v", err)
	case !conf.Node:
		return doctor.Bad("node-not-configured", "zelnode isn't 1")
	case conf.NodeKey.IsEmpty():
		return doctor.Bad("node-key-missing", "zelnodeprivkey is empty")
	}
	if _, err := wallet.ParseWIF(conf.NodeKey.Reveal()); err != nil {
		return doctor.Bad("node-key-invalid", "zelnodeprivkey isn't a key in wallet import format")
	}
	if !txID.MatchString(conf.NodeOutpoint) || conf.NodeIndex < 0 {
		return doctor.Bad("collateral-not-configured", "zelnodeoutpoint has to be 64 hex digits, zelnodeindex a number from 0")
	}
	return doctor.Fine("key set, collateral %s…:%d", conf.NodeOutpoint[:12], conf.NodeIndex)
}

// status is the own entry as getfluxnodestatus shows it. Before a node was ever
// started most members are missing.
type status struct {
	Status        string `json:"status"`
	Collateral    string `json:"collateral"`
	TxHash        string `json:"txhash"`
	OutIdx        any    `json:"outidx"` // a number or text
	IP            string `json:"ip"`
	PubKey        string `json:"pubkey"`
	LastConfirmed int64  `json:"last_confirmed_height"`
}

var outPoint = regexp.MustCompile(`^COutPoint\(([0-9a-f]{64}), (\d+)\)$`)

// output is the collateral that the daemon speaks of, else the configured one.
func (c NodeConfig) output(s status) (id string, index int, ok bool) {
	if m := outPoint.FindStringSubmatch(s.Collateral); m != nil {
		n, err := strconv.Atoi(m[2])
		return m[1], n, err == nil
	}
	conf, err := c.Conf()
	if err != nil || !txID.MatchString(conf.NodeOutpoint) || conf.NodeIndex < 0 {
		return "", 0, false
	}
	return strings.ToLower(conf.NodeOutpoint), conf.NodeIndex, true
}

func (c NodeConfig) collateral(ctx context.Context) doctor.Finding {
	var s status
	if err := ask(ctx, c.Daemon, &s, "getzelnodestatus"); err != nil {
		return doctor.Unknown("%v", err)
	}
	id, index, ok := c.output(s)
	if !ok {
		return doctor.Unknown("neither the chain daemon nor flux.conf names a collateral")
	}
	var out *struct {
		Value         float64 `json:"value"`
		Confirmations int64   `json:"confirmations"`
	}
	if err := ask(ctx, c.Daemon, &out, "gettxout", id, index); err != nil {
		return doctor.Unknown("gettxout: %v", err)
	}
	name := fmt.Sprintf("%s…:%d", id[:12], index)
	if out == nil {
		return doctor.Bad("collateral-spent", "there is no unspent output %s", name)
	}
	worth, err := benchmark.CollateralTier(int64(out.Value*1e8 + .5))
	if err != nil {
		return doctor.Bad("collateral-wrong-amount", "output %s holds %v FLUX", name, out.Value)
	}
	if out.Confirmations < collateralDepth {
		return doctor.Bad("collateral-young", "output %s has %d of %d confirmations", name, out.Confirmations, collateralDepth)
	}
	return doctor.Fine("%v FLUX in %s: %s", out.Value, name, worth.Public)
}

func (c NodeConfig) match(ctx context.Context) doctor.Finding {
	conf, err := c.Conf()
	if err != nil {
		return doctor.Unknown("the node's key can't be read")
	}
	key, err := wallet.ParseWIF(conf.NodeKey.Reveal())
	if err != nil {
		return doctor.Unknown("the node's key can't be read")
	}
	var list []struct {
		Collateral string `json:"collateral"`
		PubKey     string `json:"pubkey"`
	}
	if err := ask(ctx, c.Daemon, &list, "listfluxnodes", strings.ToLower(conf.NodeOutpoint)); err != nil {
		return doctor.Unknown("%v", err)
	}
	own := fmt.Sprintf("COutPoint(%s, %d)", strings.ToLower(conf.NodeOutpoint), conf.NodeIndex)
	public := hex.EncodeToString(key.PublicKey())
	for _, e := range list {
		if e.Collateral != own {
			continue
		}
		if !strings.EqualFold(e.PubKey, public) {
			return doctor.Bad("node-key-wrong", "the network has %.12s…, the key in flux.conf is %.12s…", cmp.Or(e.PubKey, "none"), public)
		}
		return doctor.Fine("%.12s…, as the network has it", public)
	}
	return doctor.Unknown("the network doesn't list this node's collateral yet")
}

func (c NodeConfig) confirmation(ctx context.Context) doctor.Finding {
	var s status
	if err := ask(ctx, c.Daemon, &s, "getzelnodestatus"); err != nil {
		if _, refused := errors.AsType[*daemonrpc.RPCError](err); refused {
			return doctor.Bad("node-status-strange", "%s", words(err))
		}
		return doctor.Unknown("%v", err)
	}
	var height int64
	if err := ask(ctx, c.Daemon, &height, "getblockcount"); err != nil {
		return doctor.Unknown("%v", err)
	}
	age := height - s.LastConfirmed
	switch strings.ToUpper(s.Status) {
	case "CONFIRMED":
		if age > confirmLate {
			return doctor.Bad("confirmation-late", "last at height %d, %d blocks ago; the node is dropped after %d", s.LastConfirmed, age, confirmEnd)
		}
		return doctor.Fine("confirmed, last at height %d, %d blocks ago", s.LastConfirmed, age)
	case "STARTED":
		return doctor.Bad("node-unconfirmed", "status STARTED at height %d", height)
	case "EXPIRED":
		return doctor.Bad("node-expired", "status %s at height %d", s.Status, height)
	case "DOS":
		return doctor.Bad("node-in-dos", "status DOS at height %d", height)
	}
	return doctor.Bad("node-status-strange", "status %q at height %d", s.Status, height)
}
