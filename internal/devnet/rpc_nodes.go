package devnet

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// nodeCommands are about FluxNodes. Every command has its older zelnode name.
func nodeCommands() map[string]*command {
	all := map[string]*command{
		"getfluxnodestatus": {run: (*Chain).rpcNodeStatus, about: "State of the own node."},
		"viewdeterministicfluxnodelist": {max: 1, args: `( "filter" )`, run: (*Chain).rpcNodeList,
			about: "Confirmed nodes by tier in order of pay. A filter is part of a collateral, address, tier, key or payment address."},
		"getfluxnodecount":      {run: (*Chain).rpcNodeCount, about: "Number of nodes."},
		"getdoslist":            {about: "Nodes that did not confirm after their start in time.", run: func(*Chain, params) (any, error) { return []object{}, nil }},
		"getstartlist":          {run: (*Chain).rpcStartList, about: "Nodes that started and have not confirmed yet."},
		"fluxnodecurrentwinner": {run: (*Chain).rpcWinners, about: "The next node of each tier to be paid."},
		"createfluxnodekey":     {run: (*Chain).rpcNodeKey, about: "A new node private key. Devnet keys can be guessed: never use them elsewhere."},
		"listfluxnodeconf":      {max: 1, args: `( "filter" )`, run: (*Chain).rpcNodeConf, about: "Nodes this wallet can start: the own one."},
		"getfluxnodeoutputs":    {run: (*Chain).rpcNodeOutputs, about: "Outputs of the wallet that can be collateral."},
		"startfluxnode":         {min: 2, max: 3, args: `"set" "lockwallet" ( "alias" )`, run: (*Chain).rpcStartNode, about: "Start nodes of this wallet."},
		"startdeterministicfluxnode": {min: 1, max: 2, args: `"alias" ( lockwallet )`, about: "Start a node of this wallet.",
			run: func(c *Chain, p params) (any, error) {
				name, err := p.str(0, "")
				if err != nil {
					return nil, err
				}
				if _, err := p.boolean(1, false); err != nil {
					return nil, err
				}
				return c.startNode(name), nil
			}},
		"createconfirmationtransaction": {run: (*Chain).rpcConfirm, about: "The confirm transaction of the own node. Devnet mines its confirmations itself."},
		"getbenchmarks":                 {run: (*Chain).rpcBenchmarks, about: "Answer of the benchmark daemon, as text."},
		"getbenchstatus":                {run: (*Chain).rpcBenchStatus, about: "State of the benchmark daemon, as text."},
		"startfluxbenchd":               {about: "Start the benchmark daemon.", run: func(*Chain, params) (any, error) { return "Already running", nil }},
		"stopfluxbenchd":                refused(0, 0, "", "Stopping the benchmark daemon"),
	}
	for name, cmd := range all {
		if old := strings.Replace(name, "flux", "zel", 1); old != name {
			all[old] = cmd
		}
	}
	alias(all, "viewdeterministicfluxnodelist", "listfluxnodes", "listzelnodes")
	return inGroup("FluxNode", all)
}

func (c *Chain) rpcNodeStatus(params) (any, error) {
	n := c.nodes.own()
	o := n.entry()
	o["status"] = n.state(c.height())
	if _, status, _ := c.faults.pretended(); status != "" {
		o["status"] = status
	}
	// Here, unlike in the list, the daemon writes times as text.
	for _, k := range []string{"activesince", "lastpaid"} {
		o[k] = fmt.Sprint(o[k])
	}
	for i, other := range c.nodes.queue(n.tier, c.height()) {
		if other == n {
			o["rank"] = i
		}
	}
	return o, nil
}

func (c *Chain) rpcNodeList(p params) (any, error) {
	filter, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	out := []object{}
	for _, t := range tiers() {
		for rank, n := range c.nodes.queue(t, c.height()) {
			if n.matches(filter) {
				out = append(out, n.listEntry(rank))
			}
		}
	}
	return out, nil
}

func (n *node) matches(filter string) bool {
	text := strings.Join([]string{n.collateral.String(), n.ip, n.tier.String(), n.payAddress, hex.EncodeToString(n.key.pub), n.alias}, "\n")
	return strings.Contains(strings.ToLower(text), strings.ToLower(filter))
}

func (c *Chain) rpcNodeCount(params) (any, error) {
	o := object{}
	total := 0
	for _, t := range tiers() {
		n := len(c.nodes.queue(t, c.height()))
		o[t.oldName()+"-enabled"], o[strings.ToLower(t.String())+"-enabled"] = n, n
		total += n
	}
	v6 := 0
	for _, n := range c.nodes.all {
		if strings.Count(n.ip, ":") > 1 && n.state(c.height()) == "CONFIRMED" {
			v6++
		}
	}
	for _, k := range []string{"total", "stable", "enabled"} {
		o[k] = total
	}
	o["inqueue-total"] = 0
	o["ipv4"], o["ipv4-total"] = total-v6, total-v6
	o["ipv6"], o["ipv6-total"] = v6, v6
	o["onion"], o["onion-total"] = 0, 0
	return o, nil
}

func (c *Chain) rpcStartList(params) (any, error) {
	out := []object{}
	for _, n := range c.nodes.all {
		if n.state(c.height()) == "STARTED" {
			out = append(out, object{"collateral": n.collateral.String(), "added_height": last(n.added), "payment_address": n.payAddress,
				"expires_in": last(n.added) + confirmEvery - c.height(), "amount": fmt.Sprintf("%d.00", n.tier.collateral()/coin)})
		}
	}
	return out, nil
}

func (c *Chain) rpcWinners(params) (any, error) {
	o := object{}
	for _, t := range tiers() {
		if queue := c.nodes.queue(t, c.height()); len(queue) > 0 {
			o[t.String()+" Winner"] = queue[0].entry()
		}
	}
	return o, nil
}

// rpcNodeKey derives from the tip, so that asking changes nothing.
func (c *Chain) rpcNodeKey(params) (any, error) {
	h := c.random(c.tip().hash, "node key")
	return hashKey(h, false).wif(), nil
}

func (c *Chain) rpcNodeConf(p params) (any, error) {
	filter, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	n := c.nodes.own()
	if !n.matches(filter) {
		return []object{}, nil
	}
	o := n.entry()
	o["alias"], o["status"], o["outputIndex"] = n.alias, n.state(c.height()), o["outidx"]
	o["privateKey"], o["address"] = n.key.wif(), n.ip
	return []object{o}, nil
}

func (c *Chain) rpcNodeOutputs(params) (any, error) {
	out := []object{}
	for _, k := range c.wallet.keys {
		for _, u := range c.unspentOf(k.script) {
			for _, t := range tiers() {
				if u.Value == t.collateral() {
					out = append(out, object{"txhash": u.Hash, "outputidx": u.Index})
				}
			}
		}
	}
	return out, nil
}

func (c *Chain) rpcStartNode(p params) (any, error) {
	set, err := p.str(0, "")
	if err != nil {
		return nil, err
	}
	if _, err := p.str(1, ""); err != nil {
		return nil, err
	}
	name, err := p.str(2, c.nodes.own().alias)
	if err != nil {
		return nil, err
	}
	switch set {
	case "alias", "all", "many", "missing", "disabled", "local":
		return c.startNode(name), nil
	}
	return nil, &RPCError{codeMisc, c.commands["startfluxnode"].help("startfluxnode")}
}

// startNode answers as the daemon does for a node that runs already: it
// can't be started again while it is on the list.
func (c *Chain) startNode(alias string) object {
	n := c.nodes.own()
	reason := "could not find alias in config. Verify with list-conf."
	if alias == n.alias {
		reason = "node is already started: its state is " + n.state(c.height())
	}
	if alias == n.alias && n.expired {
		n.expired = false
		return object{"overall": "Successfully started 1 fluxnodes, failed to start 0, total 1",
			"detail": []object{{"alias": alias, "result": "successful", "error": ""}}}
	}
	return object{"overall": "Successfully started 0 fluxnodes, failed to start 1, total 1",
		"detail": []object{{"alias": alias, "result": "failed", "error": reason}}}
}

func (c *Chain) rpcConfirm(params) (any, error) {
	t := c.nodes.own().confirmTx(c.now().Unix(), c.bench)
	return object{"txid": t.id, "hex": hex.EncodeToString(t.encode(true))}, nil
}

// rpcBenchmarks relays the benchmark daemon's answer as one text, which is
// what the daemon does.
func (c *Chain) rpcBenchmarks(params) (any, error) {
	b, err := json.Marshal(c.benchmarks(c.nodes.own().tier))
	return string(b), err
}

func (c *Chain) rpcBenchStatus(params) (any, error) {
	b, err := json.Marshal(benchStatus(c.nodes.own().tier))
	return string(b), err
}
