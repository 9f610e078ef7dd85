package devnet

import (
	"cmp"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
)

// Tier is a class of FluxNode; it decides collateral and pay.
type Tier uint8

// Tiers, numbered as in confirm transactions. The zero Tier means Cumulus
// where a Config may leave it out.
const (
	Cumulus Tier = 1
	Nimbus  Tier = 2
	Stratus Tier = 3
)

// tiers lists them in order of pay.
func tiers() []Tier { return []Tier{Cumulus, Nimbus, Stratus} }

// String is the daemon's name of the tier.
func (t Tier) String() string {
	switch t {
	case Cumulus:
		return "CUMULUS"
	case Nimbus:
		return "NIMBUS"
	case Stratus:
		return "STRATUS"
	}
	return "UNKNOWN"
}

// collateral in satoshi.
func (t Tier) collateral() int64 {
	return map[Tier]int64{Cumulus: 1000 * coin, Nimbus: 12500 * coin, Stratus: 40000 * coin}[t]
}

// oldName is the tier's name in the counts of getzelnodecount.
func (t Tier) oldName() string {
	return map[Tier]string{Cumulus: "basic", Nimbus: "super", Stratus: "bamf"}[t]
}

const (
	// confirmEvery is how many blocks pass between two confirm transactions
	// of one node; after twice as many without one a node has expired.
	confirmEvery = 120
	// Heights above the first block at which nodes start and confirm.
	startsAt, confirmsAt = 1, 2
)

// Node is one FluxNode of the devnet, with the secrets a test needs to act
// as that node.
type Node struct {
	CollateralTxID   string
	CollateralIndex  uint32
	IP               string // with ":port" when the API port is not 16127
	Tier             Tier
	PaymentAddress   string // t1…
	PublicKey        string // hexadecimal
	PrivateKey       string // WIF; signs messages to other nodes
	CollateralAmount int64  // satoshi
}

// node is the chain's view of a FluxNode. Heights grow; the last is current.
type node struct {
	alias      string
	tier       Tier
	ip         string
	owner      *key // of the collateral
	key        *key // signs start, confirm and peer messages
	payAddress string
	payScript  []byte
	collateral outPoint
	expired    bool // by hand, see Chain.Expire

	added    []int64
	addTimes []int64
	confirms []int64
	paid     []int64
	payTimes []int64
}

func last(list []int64) int64 {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1]
}

// nodeList follows start and confirm transactions and pay.
type nodeList struct {
	all          []*node // own node first
	byCollateral map[outPoint]*node
	byPayScript  map[string]*node
}

func newNodeList(all []*node) *nodeList {
	l := &nodeList{all: all, byCollateral: make(map[outPoint]*node), byPayScript: make(map[string]*node)}
	for _, n := range all {
		l.byPayScript[string(n.payScript)] = n
	}
	return l
}

// own is the node this devnet belongs to.
func (l *nodeList) own() *node { return l.all[0] }

func (l *nodeList) connect(t *tx, b *block) {
	n := l.byCollateral[t.Node.Collateral]
	if n == nil {
		return
	}
	if t.Node.Kind == nodeStart {
		n.added = append(n.added, b.height)
		n.addTimes = append(n.addTimes, b.time)
		return
	}
	n.confirms = append(n.confirms, b.height)
}

func (l *nodeList) disconnect(t *tx) {
	n := l.byCollateral[t.Node.Collateral]
	if n == nil {
		return
	}
	if t.Node.Kind == nodeStart {
		n.added = n.added[:len(n.added)-1]
		n.addTimes = n.addTimes[:len(n.addTimes)-1]
		return
	}
	n.confirms = n.confirms[:len(n.confirms)-1]
}

func (l *nodeList) pay(coinbase *tx, b *block) {
	for _, n := range l.payees(coinbase) {
		n.paid = append(n.paid, b.height)
		n.payTimes = append(n.payTimes, b.time)
	}
}

func (l *nodeList) unpay(coinbase *tx) {
	for _, n := range l.payees(coinbase) {
		if len(n.paid) > 0 {
			n.paid = n.paid[:len(n.paid)-1]
			n.payTimes = n.payTimes[:len(n.payTimes)-1]
		}
	}
}

// payees are the nodes a coinbase pays; the first output is the miner's.
func (l *nodeList) payees(coinbase *tx) []*node {
	var out []*node
	for _, o := range coinbase.Out[1:] {
		n := l.byPayScript[string(o.Script)]
		if n != nil && len(n.confirms) > 0 {
			out = append(out, n)
		}
	}
	return out
}

// state is the daemon's word for where a node stands at a height.
func (n *node) state(height int64) string {
	switch {
	case len(n.added) == 0 || n.expired:
		return "expired"
	case len(n.confirms) == 0:
		return "STARTED"
	case height-last(n.confirms) > 2*confirmEvery:
		return "expired"
	}
	return "CONFIRMED"
}

// queue lists a tier's confirmed nodes in the order they will be paid.
func (l *nodeList) queue(t Tier, height int64) []*node {
	var out []*node
	for _, n := range l.all {
		if n.tier == t && n.state(height) == "CONFIRMED" {
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b *node) int {
		return cmp.Compare(max(last(a.paid), a.confirms[0]), max(last(b.paid), b.confirms[0]))
	})
	return out
}

// listEntry is a row of viewdeterministicfluxnodelist; rank is the place in
// its tier's queue for pay.
func (n *node) listEntry(rank int) object {
	e := n.entry()
	e["rank"] = rank
	return e
}

// entry is what every call about a node shows of it.
func (n *node) entry() object {
	return object{
		"collateral": n.collateral.String(), "txhash": n.collateral.Hash,
		"outidx": strconv.FormatUint(uint64(n.collateral.Index), 10), "ip": n.ip, "network": "",
		"added_height": last(n.added), "confirmed_height": first(n.confirms), "last_confirmed_height": last(n.confirms),
		"last_paid_height": last(n.paid), "tier": n.tier.String(), "payment_address": n.payAddress,
		"pubkey": fmt.Sprintf("%x", n.key.pub), "activesince": last(n.addTimes), "lastpaid": last(n.payTimes),
		"amount": fmt.Sprintf("%d.00", n.tier.collateral()/coin),
	}
}

func first(list []int64) int64 {
	if len(list) == 0 {
		return 0
	}
	return list[0]
}

// startTx announces a node; its owner signs.
func (n *node) startTx(time int64) *tx {
	t := &tx{Version: nodeVersion, Node: &nodeData{
		Kind: nodeStart, Collateral: n.collateral, OwnerKey: n.owner.pub, Key: n.key.pub, SigTime: uint32(time),
	}}
	t.seal()
	t.Node.Sig = n.owner.signMessage(t.id.String())
	return t.seal()
}

// confirmTx says the node is alive at its address; the node and the
// benchmark sign.
func (n *node) confirmTx(time int64, bench *key) *tx {
	t := &tx{Version: nodeVersion, Node: &nodeData{
		Kind: nodeConfirm, Collateral: n.collateral, SigTime: uint32(time), Tier: byte(n.tier),
		BenchTime: uint32(time), IP: n.ip,
	}}
	if len(n.confirms) > 0 {
		t.Node.Update = 1
	}
	t.seal()
	t.Node.Sig = n.key.signMessage(t.id.String())
	t.Node.BenchSig = bench.signMessage(benchmarkText(t.Node))
	return t.seal()
}

// benchmarkText is what the benchmark daemon vouches for.
func benchmarkText(n *nodeData) string {
	return fmt.Sprintf("%d%d%s", n.Tier, n.BenchTime, n.IP)
}

// object shows the body of a version 5 transaction.
func (n *nodeData) object() object {
	sig := base64.StdEncoding.EncodeToString(n.Sig)
	if n.Kind == nodeStart {
		return object{
			"type": "Starting a fluxnode", "collateral_output": n.Collateral.String(), "sigtime": n.SigTime, "sig": sig,
			"collateral_pubkey": fmt.Sprintf("%x", n.OwnerKey), "fluxnode_pubkey": fmt.Sprintf("%x", n.Key),
		}
	}
	kind := "Initial Confirmation Transaction"
	if n.Update > 0 {
		kind = "Update Confirmation Transaction"
	}
	return object{
		"type": "Confirming a fluxnode", "collateral_output": n.Collateral.String(), "sigtime": n.SigTime, "sig": sig,
		"benchmark_tier": Tier(n.Tier).String(), "benchmark_sigtime": n.BenchTime,
		"benchmark_sig": base64.StdEncoding.EncodeToString(n.BenchSig), "update_type": kind, "ip": n.IP,
	}
}
