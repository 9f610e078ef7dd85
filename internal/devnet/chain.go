package devnet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Defaults of Config.
const (
	defaultBlocks   = 300
	defaultInterval = 30 * time.Second
	defaultNodes    = 12
	maxNodes        = 5000
	maxBlocks       = 100_000
)

// Config describes a devnet. The zero Config is valid. Equal Seed, Start,
// FirstHeight, Height, BlockInterval, Nodes, Own and Endow give equal hashes.
type Config struct {
	// Seed names the chain; every key of the devnet follows from it.
	Seed string
	// FirstHeight is the height of the first block kept, as if everything
	// below had been pruned. Rules of the network that begin at a height can
	// be met by starting above it. 0 is a chain from its beginning.
	FirstHeight int64
	// Height is the tip New builds; 0 is FirstHeight + 300. At most 100000
	// blocks can be built at once.
	Height int64
	// Start is the time of the first block. The zero time puts the tip at
	// the present, and so gives new hashes on each run.
	Start time.Time
	// BlockInterval is the time between blocks; 0 is 30 s. Negative: blocks
	// come by hand only (times still advance by 30 s).
	BlockInterval time.Duration
	// Nodes is how many FluxNodes there are, the own one included; 0 is 12.
	Nodes int
	// Own is the node this devnet serves.
	Own Own
	// Endow pays addresses (t1… or t3…) in the first block; amounts in
	// satoshi. Such outputs can be spent by PayFrom without a key.
	Endow map[string]int64

	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil is time.Now
}

// Own describes the node a devnet belongs to. Every field may be left out.
type Own struct {
	IP             string // an address, with ":port" when the API port is not 16127; default 198.18.0.1
	Tier           Tier   // default Cumulus
	Key            string // WIF of the node's key; default from the seed
	PaymentAddress string // t1…; default an address of the devnet wallet
}

// Chain is a simulated chain daemon. All methods may be called concurrently.
type Chain struct {
	log      *slog.Logger
	now      func() time.Time
	seed     string
	interval time.Duration // 0: by hand only
	spacing  int64         // seconds between blocks mined by hand
	commands map[string]*command
	faults   faults
	stopped  chan struct{} // closed by the stop call
	stopOnce sync.Once

	mu sync.Mutex // guards what follows
	*ledger
	pool     *mempool
	wallet   *keyring
	miner    *key
	faucet   *key
	bench    *key
	citizens []*key
	branch   uint32   // how many reorganisations there were
	stale    []*block // tips left behind
	stalled  bool
	behind   int64 // blocks the network has and this daemon doesn't, while stalled
	network  network
	started  time.Time
}

// New builds the chain up to its first tip.
func New(cfg Config) (*Chain, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Chain{
		log: cfg.Logger, now: cfg.Now, seed: cfg.Seed, spacing: int64(defaultInterval / time.Second),
		stopped: make(chan struct{}), started: cfg.Now(),
		pool: newMempool(), miner: deriveKey(cfg.Seed, "miner"), faucet: deriveKey(cfg.Seed, "faucet"), bench: deriveKey(cfg.Seed, "benchmark"),
	}
	if cfg.BlockInterval > 0 {
		c.interval = cfg.BlockInterval
		c.spacing = max(1, int64(cfg.BlockInterval/time.Second))
	}
	c.commands = commandTable()
	c.wallet = newKeyring(cfg.Seed)
	for i := range 4 {
		c.citizens = append(c.citizens, deriveKey(cfg.Seed, "citizen/"+strconv.Itoa(i)))
	}
	nodes, err := c.makeNodes(cfg)
	if err != nil {
		return nil, err
	}
	c.network = newNetwork(nodes)
	if c.ledger, err = newLedger(cfg.FirstHeight, newNodeList(nodes)); err != nil {
		return nil, err
	}
	start := cfg.Start.Unix()
	if cfg.Start.IsZero() {
		start = c.started.Unix() - (cfg.Height-cfg.FirstHeight)*c.spacing
	}
	if err := c.mineFirst(start, cfg.Endow); err != nil {
		return nil, err
	}
	for c.height() < cfg.Height {
		if err := c.mine(c.tip().time + c.spacing); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// withDefaults fills in what was left out and reports every bad field.
func (cfg Config) withDefaults() (Config, error) {
	cfg.Height = cmp.Or(cfg.Height, cfg.FirstHeight+defaultBlocks)
	cfg.BlockInterval = cmp.Or(cfg.BlockInterval, defaultInterval)
	cfg.Nodes = cmp.Or(cfg.Nodes, defaultNodes)
	cfg.Own.IP = cmp.Or(cfg.Own.IP, "198.18.0.1")
	cfg.Own.Tier = cmp.Or(cfg.Own.Tier, Cumulus)
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	var errs []error
	if cfg.FirstHeight < 0 {
		errs = append(errs, fmt.Errorf("FirstHeight %d: want 0 or more", cfg.FirstHeight))
	}
	if blocks := cfg.Height - cfg.FirstHeight; blocks < 0 || blocks > maxBlocks {
		errs = append(errs, fmt.Errorf("Height %d: want FirstHeight (%d) to FirstHeight + %d", cfg.Height, cfg.FirstHeight, maxBlocks))
	}
	if cfg.Nodes < 1 || cfg.Nodes > maxNodes {
		errs = append(errs, fmt.Errorf("Nodes %d: want 1 to %d", cfg.Nodes, maxNodes))
	}
	if cfg.Own.Tier > Stratus {
		errs = append(errs, fmt.Errorf("Own.Tier %d: want Cumulus, Nimbus or Stratus", cfg.Own.Tier))
	}
	if err := checkIP(cfg.Own.IP); err != nil {
		errs = append(errs, fmt.Errorf("Own.IP: %w", err))
	}
	for address, amount := range cfg.Endow {
		if _, err := addressScript(address); err != nil {
			errs = append(errs, fmt.Errorf("field Endow: %w", err))
		}
		if amount <= 0 || amount > maxMoney {
			errs = append(errs, fmt.Errorf("field Endow: %d satoshi for %s: want 1 to %d", amount, clip(address), int64(maxMoney)))
		}
	}
	return cfg, errors.Join(errs...)
}

// checkIP accepts an IP address, alone or with a port.
func checkIP(s string) error {
	if _, err := netip.ParseAddr(s); err == nil {
		return nil
	}
	if _, err := netip.ParseAddrPort(s); err == nil {
		return nil
	}
	return fmt.Errorf("%q: want an address such as 198.18.0.1 or 198.18.0.1:16137", clip(s))
}

// makeNodes derives the FluxNodes: of six, three are Cumulus, two Nimbus and
// one Stratus; the first is the own node.
func (c *Chain) makeNodes(cfg Config) ([]*node, error) {
	pattern := []Tier{Cumulus, Nimbus, Cumulus, Stratus, Cumulus, Nimbus}
	nodes := make([]*node, cfg.Nodes)
	for i := range nodes {
		name := "node/" + strconv.Itoa(i)
		n := &node{
			alias: "devnet" + strconv.Itoa(i), tier: pattern[i%len(pattern)], key: deriveKey(cfg.Seed, name+"/key"),
			ip: fmt.Sprintf("198.18.%d.%d", 1+i/250, 1+i%250),
		}
		if i == 0 {
			n.alias, n.tier, n.ip, n.owner = "own", cfg.Own.Tier, cfg.Own.IP, c.wallet.collateral
			n.payAddress, n.payScript = c.wallet.payout.address, c.wallet.payout.script
			if cfg.Own.Key != "" {
				k, err := parseWIF(cfg.Own.Key)
				if err != nil {
					return nil, fmt.Errorf("Own.Key: %w", err)
				}
				n.key = k
			}
			if cfg.Own.PaymentAddress != "" {
				script, err := addressScript(cfg.Own.PaymentAddress)
				if err != nil {
					return nil, fmt.Errorf("Own.PaymentAddress: %w", err)
				}
				n.payAddress, n.payScript = cfg.Own.PaymentAddress, script
			}
		} else {
			n.owner = deriveKey(cfg.Seed, name+"/owner")
			n.payAddress, n.payScript = n.owner.address, n.owner.script
		}
		nodes[i] = n
	}
	return nodes, nil
}

// Serve adds a block each interval until ctx ends or the daemon is told to
// stop by an RPC call, and returns nil then. Without an interval it only waits.
func (c *Chain) Serve(ctx context.Context) error {
	var tick <-chan time.Time
	if c.interval > 0 {
		t := time.NewTicker(c.interval)
		defer t.Stop()
		tick = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-c.stopped:
			return nil
		case <-tick:
			if err := c.grow(c.now().Unix()); err != nil {
				return fmt.Errorf("grow the devnet chain: %w", err)
			}
		}
	}
}

func (c *Chain) grow(now int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stalled {
		c.behind++
		return nil
	}
	return c.mine(max(now, c.tip().time+1))
}

// Advance adds n blocks at once, each BlockInterval after the one before.
// While the chain is stalled only the headers run ahead.
func (c *Chain) Advance(n int) error {
	if n < 0 || n > maxBlocks {
		return fmt.Errorf("advance by %d blocks: want 0 to %d", n, maxBlocks)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stalled {
		c.behind += int64(n)
		return nil
	}
	for range n {
		if err := c.mine(c.tip().time + c.spacing); err != nil {
			return err
		}
	}
	return nil
}

// Stall stops the chain's growth while its headers run on, as in a daemon
// that lost its peers' blocks. Ending it mines the missing blocks.
func (c *Chain) Stall(on bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = on
	for ; !on && c.behind > 0; c.behind-- {
		if err := c.mine(c.tip().time + c.spacing); err != nil {
			return err
		}
	}
	return nil
}

// Reorg replaces the last depth blocks by depth + 1 others. Transactions of
// the blocks left behind return to the mempool and are mined again; those
// that spent a coinbase left behind are dropped.
func (c *Chain) Reorg(depth int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if depth < 1 || depth >= len(c.blocks) {
		return fmt.Errorf("reorganisation of %d blocks: want 1 to %d", depth, len(c.blocks)-1)
	}
	c.stale = append(c.stale, c.tip())
	c.branch++
	var back []*tx
	time := c.tip().time
	for range depth {
		b := c.disconnect()
		time = b.time
		var txs []*tx
		for _, t := range b.txs {
			if !t.isCoinbase() && t.Node == nil {
				txs = append(txs, t)
			}
		}
		back = append(txs, back...)
	}
	c.refill(back)
	for range depth + 1 {
		if err := c.mine(time); err != nil {
			return err
		}
		time += c.spacing
	}
	c.log.Info("Devnet chain reorganised", "depth", depth, "height", c.height())
	return nil
}

// Height is the height of the tip.
func (c *Chain) Height() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.height()
}

// BestHash is the hash of the tip in display order.
func (c *Chain) BestHash() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tip().hash.String()
}

// Nodes lists the FluxNodes; the first is the own one.
func (c *Chain) Nodes() []Node {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Node, len(c.nodes.all))
	for i, n := range c.nodes.all {
		out[i] = Node{
			CollateralTxID: n.collateral.Hash.String(), CollateralIndex: n.collateral.Index, IP: n.ip, Tier: n.tier,
			PaymentAddress: n.payAddress, PublicKey: fmt.Sprintf("%x", n.key.pub), PrivateKey: n.key.wif(),
			CollateralAmount: n.tier.collateral(),
		}
	}
	return out
}

// Own is the node this devnet belongs to.
func (c *Chain) Own() Node { return c.Nodes()[0] }

// Expire takes the node at ip off the list, or puts it back.
func (c *Chain) Expire(ip string, expired bool) error {
	return c.withNode(ip, func(n *node) { n.expired = expired })
}

// Move gives the node at ip another address, which other nodes may share.
func (c *Chain) Move(ip, to string) error {
	if err := checkIP(to); err != nil {
		return err
	}
	return c.withNode(ip, func(n *node) { n.ip = to })
}

func (c *Chain) withNode(ip string, change func(*node)) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var known []string
	for _, n := range c.nodes.all {
		if n.ip == ip {
			change(n)
			return nil
		}
		known = append(known, n.ip)
	}
	return fmt.Errorf("no node at %q: nodes are at %s", clip(ip), clip(strings.Join(known, ", ")))
}

// random is a pseudo-random string that follows from the seed, a name and a
// hash.
func (c *Chain) random(after hash, name string) hash {
	return sha256.Sum256([]byte(c.seed + "\x00" + name + string(after[:])))
}
