package privileged

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
)

// nftTable is the only table that NFT touches, of family inet.
const nftTable = "fluxosd"

// nftTime is how long the kernel may take for one exchange.
const nftTime = 10 * time.Second

// nftBuffer is room for the kernel's answers to a batch of maxRules rules,
// which it sends before the first of them is read: two messages of up to a
// kilobyte each.
const nftBuffer = 4 << 20

// nftPriority is where our chains stand at their hook: a little before those of
// priority filter (0), where operators have theirs.
const nftPriority = -10

// NFT is a firewall of nftables with a table of its own, inet fluxosd: chain
// input and chain output, each with policy accept and rules that accept. It
// talks to the kernel (nf_tables over netlink) and runs no program.
//
// Its limit is one of nftables, not of fluxosd: accepting a packet in one base
// chain ends that chain only, and the packet goes on to the next chain at the
// hook; a drop, anywhere, is final. So these rules open nothing that another
// table, ufw, or iptables drops. Each Allow looks for such chains and names them
// in the report's Advice. What the table is good for: the ports of the node are
// in one place, to look at and to take over.
//
// A change replaces the whole table in one transaction: no packet meets half of
// it. What somebody added to the table by hand is gone then. Two processes that
// change it at the same time each write what they know; the later one wins.
type NFT struct {
	mu sync.Mutex // held from reading the table to replacing it
}

// NewNFT returns the nftables firewall of this process's network namespace.
func NewNFT() *NFT { return &NFT{} }

// Name implements Firewall.
func (*NFT) Name() string { return "nftables" }

// Allow implements Firewall.
func (n *NFT) Allow(ctx context.Context, rules []Rule) (Report, error) {
	return n.change(ctx, allow, rules)
}

// Remove implements Firewall.
func (n *NFT) Remove(ctx context.Context, rules []Rule) (Report, error) {
	return n.change(ctx, remove, rules)
}

// Clear removes the table.
func (n *NFT) Clear(ctx context.Context) (Report, error) { return n.change(ctx, clearAll, nil) }

func (n *NFT) change(ctx context.Context, v verb, rules []Rule) (Report, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p, err := n.plan(ctx, v, rules)
	if err != nil {
		return Report{}, err
	}
	return p.apply(ctx)
}

// List implements Firewall.
func (n *NFT) List(ctx context.Context) ([]Rule, error) {
	k, err := n.read(ctx)
	return k.rules, err
}

// dial returns a connection whose exchanges end with ctx's deadline or after
// nftTime.
func (*NFT) dial(ctx context.Context) (*nftables.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(nftTime)
	if d, ok := ctx.Deadline(); ok && d.Before(deadline) {
		deadline = d
	}
	return nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error {
		return errors.Join(c.SetDeadline(deadline), c.SetReadBuffer(nftBuffer), c.SetWriteBuffer(nftBuffer))
	}))
}

// kernel is what nftables holds of our concern.
type kernel struct {
	table    bool              // our table is there
	rules    []Rule            // ours, in it
	dropping []*nftables.Chain // base chains of others that drop what they don't accept
}

// read asks the kernel.
func (n *NFT) read(ctx context.Context) (kernel, error) {
	conn, err := n.dial(ctx)
	if err != nil {
		return kernel{}, fmt.Errorf("read nftables: %w", err)
	}
	chains, err := conn.ListChains()
	if err != nil {
		return kernel{}, fmt.Errorf("list chains of nftables: %w", forPeople(err))
	}
	var k kernel
	for _, c := range chains {
		if c.Table.Name != nftTable || c.Table.Family != nftables.TableFamilyINet {
			if drops(c) {
				k.dropping = append(k.dropping, c)
			}
			continue
		}
		k.table = true
		inChain, err := conn.GetRules(c.Table, c)
		if err != nil {
			return kernel{}, fmt.Errorf("list rules of table inet %s: %w", nftTable, forPeople(err))
		}
		halves := make(map[Rule]int) // a rule for both protocols is two of the kernel's
		for _, one := range inChain {
			r, ok := fromKernel(one)
			if !ok || c.Name != chainNames[r.Direction] {
				continue
			}
			if halves[r.key()]++; halves[r.key()] == len(r.protocols()) {
				k.rules = append(k.rules, r)
			}
		}
	}
	return k, nil
}

// forPeople adds what to do about a refusal.
func forPeople(err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("%w: fluxosd needs CAP_NET_ADMIN for firewall rules", err)
	}
	return err
}

// drops reports whether a chain decides about traffic to or from this host and
// drops it by default.
func drops(c *nftables.Chain) bool {
	switch c.Table.Family {
	case nftables.TableFamilyINet, nftables.TableFamilyIPv4, nftables.TableFamilyIPv6:
	default: // bridge, netdev and arp give the same numbers to other hooks
		return false
	}
	return c.Hooknum != nil && c.Policy != nil && *c.Policy == nftables.ChainPolicyDrop &&
		(*c.Hooknum == *nftables.ChainHookInput || *c.Hooknum == *nftables.ChainHookOutput)
}

var chainNames = [...]string{In: "input", Out: "output"}

// plan works out the content that the table is to have. The caller holds mu, or
// doesn't apply it.
func (n *NFT) plan(ctx context.Context, v verb, rules []Rule) (plan, error) {
	rules, err := validRules(rules)
	if err != nil {
		return plan{}, err
	}
	k, err := n.read(ctx)
	if err != nil {
		return plan{}, err
	}
	var p plan
	want := slices.Clone(k.rules)
	switch v {
	case allow:
		for _, r := range rules {
			if hasRule(k.rules, r) {
				p.report.Existing = append(p.report.Existing, r)
				continue
			}
			if !k.table && len(want) == 0 {
				p.report.Commands = nftTableCommands()
			}
			p.report.Added = append(p.report.Added, r)
			want = append(want, r)
			p.report.Commands = append(p.report.Commands, nftCommands(r)...)
		}
		for _, c := range k.dropping {
			if concerns(c, rules) {
				p.report.Advice = append(p.report.Advice, fmt.Sprintf(
					"chain %s of table %s %s drops what it doesn't accept, and a rule elsewhere can't overrule that: accept the ports there too",
					c.Name, familyName(c.Table.Family), c.Table.Name))
			}
		}
	case remove, clearAll:
		want = slices.DeleteFunc(want, func(r Rule) bool { return v == clearAll || hasRule(rules, r) })
		for _, r := range k.rules {
			if !hasRule(want, r) {
				p.report.Removed = append(p.report.Removed, r)
			}
		}
		if nothing := len(p.report.Removed) == 0; !k.table || v == remove && nothing {
			p.apply = func(context.Context) (Report, error) { return p.report, nil }
			return p, nil
		}
		if len(want) == 0 {
			p.report.Commands = []string{"nft delete table inet " + nftTable}
			break
		}
		p.report.Commands = []string{"nft flush table inet " + nftTable}
		for _, r := range want {
			p.report.Commands = append(p.report.Commands, nftCommands(r)...)
		}
	}
	if len(want) > maxRules {
		return plan{}, fmt.Errorf("%d rules in table inet %s: want at most %d", len(want), nftTable, maxRules)
	}
	// Allow writes even what is there: it heals what was changed by hand.
	p.apply = func(ctx context.Context) (Report, error) {
		if err := n.replace(ctx, want); err != nil {
			return Report{Advice: p.report.Advice}, err
		}
		return p.report, nil
	}
	return p, nil
}

// concerns reports whether a chain sees traffic of one of the rules.
func concerns(c *nftables.Chain, rules []Rule) bool {
	d := In
	if *c.Hooknum == *nftables.ChainHookOutput {
		d = Out
	}
	return slices.ContainsFunc(rules, func(r Rule) bool { return r.Direction == d })
}

// familyName returns nft's word for the family of a chain that drops.
func familyName(f nftables.TableFamily) string {
	switch f {
	case nftables.TableFamilyIPv4:
		return "ip"
	case nftables.TableFamilyIPv6:
		return "ip6"
	}
	return "inet"
}

// replace makes the table hold exactly these rules, or removes it when there
// are none, in one transaction.
func (n *NFT) replace(ctx context.Context, rules []Rule) error {
	conn, err := n.dial(ctx)
	if err != nil {
		return fmt.Errorf("change nftables: %w", err)
	}
	table := &nftables.Table{Name: nftTable, Family: nftables.TableFamilyINet}
	// Adding it first makes deleting it succeed where it isn't there yet.
	conn.AddTable(table)
	conn.DelTable(table)
	if len(rules) > 0 {
		conn.AddTable(table)
		accept := nftables.ChainPolicyAccept
		priority := nftables.ChainPriorityRef(nftPriority)
		hooks := [...]*nftables.ChainHook{In: nftables.ChainHookInput, Out: nftables.ChainHookOutput}
		var chains [len(hooks)]*nftables.Chain
		for d, hook := range hooks {
			chains[d] = conn.AddChain(&nftables.Chain{Name: chainNames[d], Table: table, Type: nftables.ChainTypeFilter,
				Hooknum: hook, Priority: priority, Policy: &accept})
		}
		for _, r := range rules {
			for _, p := range r.protocols() {
				conn.AddRule(&nftables.Rule{Table: table, Chain: chains[r.Direction], Exprs: expressions(r, p), UserData: withComment(r.String())})
			}
		}
	}
	if err := conn.Flush(); err != nil {
		return fmt.Errorf("replace table inet %s: %w", nftTable, forPeople(err))
	}
	return nil
}

// nftTableCommands returns how an operator would make the table.
func nftTableCommands() []string {
	lines := []string{"nft add table inet " + nftTable}
	for _, name := range chainNames {
		lines = append(lines, fmt.Sprintf("nft 'add chain inet %s %s { type filter hook %s priority %d ; policy accept ; }'", nftTable, name, name, nftPriority))
	}
	return lines
}

// nftCommands returns what an operator would type for the rule.
func nftCommands(r Rule) []string {
	var lines []string
	for _, p := range r.protocols() {
		var b strings.Builder
		fmt.Fprintf(&b, "nft add rule inet %s %s ", nftTable, chainNames[r.Direction])
		if r.From.IsValid() {
			family, end := "ip", "saddr"
			if r.From.Addr().Is6() {
				family = "ip6"
			}
			if r.Direction == Out {
				end = "daddr"
			}
			fmt.Fprintf(&b, "%s %s %v ", family, end, r.From.Masked())
		}
		fmt.Fprintf(&b, "%v dport %d", p, r.Port)
		if r.last() != r.Port {
			fmt.Fprintf(&b, "-%d", r.last())
		}
		fmt.Fprintf(&b, ` accept comment '"%s"'`, r)
		lines = append(lines, b.String())
	}
	return lines
}
