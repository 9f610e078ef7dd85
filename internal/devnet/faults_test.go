package devnet

import (
	"encoding/json"
	"testing"
)

// Each pretence shows in the calls that others look at, and its end takes it away.
func TestPretences(t *testing.T) {
	c := newChain(t, func(c *Config) { c.Height = 300 })
	h := c.Handler(testUser, testPassword)
	ask := func(method string, args ...any) string {
		reply, status := call(t, h, method, args...)
		if reply.Error != nil || status != 200 {
			t.Fatalf("%s: HTTP %d %+v", method, status, reply.Error)
		}
		return string(reply.Result)
	}
	member := func(method, name string) string {
		var o map[string]json.RawMessage
		if err := json.Unmarshal([]byte(ask(method)), &o); err != nil {
			t.Fatal(err)
		}
		return string(o[name])
	}
	own := c.Own()
	unspent := func() string {
		if ask("gettxout", own.CollateralTxID, own.CollateralIndex) == "null" {
			return "spent"
		}
		return "unspent"
	}
	looks := map[string]func() string{
		"chain":       func() string { return member("getblockchaininfo", "chain") },
		"testnet":     func() string { return member("getinfo", "testnet") },
		"connections": func() string { return ask("getconnectioncount") },
		"status":      func() string { return member("getfluxnodestatus", "status") },
		"collateral":  unspent,
	}
	truth := map[string]string{}
	for name, look := range looks {
		truth[name] = look()
	}
	for name, p := range map[string]struct {
		begin, end func()
		want       string
	}{
		"chain":       {func() { c.Pretend("test") }, func() { c.Pretend("") }, `"test"`},
		"testnet":     {func() { c.Pretend("test") }, func() { c.Pretend("") }, "true"},
		"connections": {func() { c.Isolate(true) }, func() { c.Isolate(false) }, "0"},
		"status":      {func() { c.SetOwnStatus("DOS") }, func() { c.SetOwnStatus("") }, `"DOS"`},
		"collateral": {func() { c.Spend(own.CollateralTxID, own.CollateralIndex, true) },
			func() { c.Spend(own.CollateralTxID, own.CollateralIndex, false) }, "spent"},
	} {
		p.begin()
		if got := looks[name](); got != p.want || got == truth[name] {
			t.Errorf("%s: got %s, want %s, in truth %s", name, got, p.want, truth[name])
		}
		p.end()
		if got := looks[name](); got != truth[name] {
			t.Errorf("%s afterwards: got %s, want %s", name, got, truth[name])
		}
	}
}
