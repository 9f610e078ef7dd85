package devnet

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/fluxosd/fluxosd/internal/testproc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func testConfig() Config {
	return Config{Seed: "test", Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), BlockInterval: -1}
}

func newChain(t testing.TB, change func(*Config)) *Chain {
	t.Helper()
	cfg := testConfig()
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// goldenBest is the tip of testConfig at height 300. It changes only when the
// simulated chain itself is changed on purpose.
const goldenBest = "0c72d8f8be8d5c355923c932f434d6512a2f24d723470a68eb0db207abacfe5e"

func TestSameConfigGivesTheSameHashes(t *testing.T) {
	a, b := newChain(t, nil), newChain(t, nil)
	if a.BestHash() != b.BestHash() {
		t.Errorf("two chains of one config end in %s and %s", a.BestHash(), b.BestHash())
	}
	if got := a.BestHash(); got != goldenBest {
		t.Errorf("best hash: got %s, want %s", got, goldenBest)
	}
	other := newChain(t, func(c *Config) { c.Seed = "another" })
	if other.BestHash() == a.BestHash() {
		t.Error("another seed gave the same chain")
	}
}

func TestChainReachesTheHeightAskedFor(t *testing.T) {
	for _, tc := range []struct{ first, height, want int64 }{
		{0, 0, 300}, {0, 5, 5}, {2_200_000, 0, 2_200_300}, {2_200_000, 2_200_000, 2_200_000},
	} {
		c := newChain(t, func(cfg *Config) { cfg.FirstHeight, cfg.Height = tc.first, tc.height })
		if got := c.Height(); got != tc.want {
			t.Errorf("FirstHeight %d, Height %d: got %d, want %d", tc.first, tc.height, got, tc.want)
		}
	}
}

func TestBadConfigIsRefusedWithEveryReason(t *testing.T) {
	_, err := New(Config{
		FirstHeight: -1, Height: -5, Nodes: 6000, Own: Own{IP: "nowhere", Tier: 9}, Endow: map[string]int64{"1abc": 0},
	})
	if err == nil {
		t.Fatal("a config with six mistakes was accepted")
	}
	for _, want := range []string{"FirstHeight -1", "Height -5", "Nodes 6000", "Own.IP", "Own.Tier 9", "t1… or t3…", "0 satoshi"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q does not mention %q", err, want)
		}
	}
	for name, own := range map[string]Own{"Own.Key": {Key: "5J"}, "Own.PaymentAddress": {PaymentAddress: "1abc"}} {
		if _, err := New(Config{Own: own}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("bad %s: got error %v", name, err)
		}
	}
}

func TestOwnNodeIsWhatTheConfigSays(t *testing.T) {
	k := deriveKey("elsewhere", "k")
	c := newChain(t, func(cfg *Config) {
		cfg.Own = Own{IP: "203.0.113.9:16137", Tier: Stratus, Key: k.wif(), PaymentAddress: k.address}
	})
	got := c.Own()
	want := Node{CollateralTxID: got.CollateralTxID, CollateralIndex: got.CollateralIndex, IP: "203.0.113.9:16137", Tier: Stratus,
		PaymentAddress: k.address, PublicKey: hex.EncodeToString(k.pub), PrivateKey: k.wif(), CollateralAmount: 40000 * coin}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if out, ok := c.coins[c.nodes.own().collateral]; !ok || out.Value != 40000*coin {
		t.Errorf("collateral output: got %+v, %v", out, ok)
	}
}

func TestServeGrowsByTheIntervalAndEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChain(t, func(cfg *Config) { cfg.BlockInterval, cfg.Start = 30*time.Second, time.Time{} })
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- c.Serve(ctx) }()
		time.Sleep(91 * time.Second) // the bubble's clock, not the wall's
		synctest.Wait()
		if got := c.Height(); got != 303 {
			t.Errorf("height after 91 s: got %d, want 303", got)
		}
		if err := c.Stall(true); err != nil {
			t.Error(err)
		}
		time.Sleep(60 * time.Second)
		synctest.Wait()
		var info struct{ Blocks, Headers int64 }
		decode(t, mustCall(t, c, "getblockchaininfo"), &info)
		if info.Blocks != 303 || info.Headers != 305 {
			t.Errorf("stalled: got %+v, want 303 blocks and 305 headers", info)
		}
		if err := c.Stall(false); err != nil {
			t.Error(err)
		}
		if got := c.Height(); got != 305 {
			t.Errorf("after the stall: got height %d, want 305", got)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestAdvanceRefusesToGoBack(t *testing.T) {
	c := newChain(t, func(c *Config) { c.Height = 4 })
	for _, n := range []int{-1, maxBlocks + 1} {
		if err := c.Advance(n); err == nil || !strings.Contains(err.Error(), "want 0 to") {
			t.Errorf("Advance(%d): got error %v", n, err)
		}
	}
	if got := c.Height(); got != 4 {
		t.Errorf("height: got %d, want 4", got)
	}
}

func TestStopEndsServe(t *testing.T) {
	c := newChain(t, nil)
	done := make(chan error)
	go func() { done <- c.Serve(context.Background()) }()
	mustCall(t, c, "stop")
	mustCall(t, c, "stop")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestReorgLeavesTheOldBranchBehind(t *testing.T) {
	c := newChain(t, nil)
	old := c.BestHash()
	if err := c.Reorg(3); err != nil {
		t.Fatal(err)
	}
	if got := c.Height(); got != 301 {
		t.Errorf("height: got %d, want 301", got)
	}
	var tips []struct {
		Height    int64
		Hash      string
		BranchLen int
		Status    string
	}
	decode(t, mustCall(t, c, "getchaintips"), &tips)
	if len(tips) != 2 || tips[1].Hash != old || tips[1].BranchLen != 3 || tips[1].Status != "valid-fork" || tips[0].Hash != c.BestHash() {
		t.Errorf("tips: got %+v", tips)
	}
	var b struct{ Confirmations int }
	decode(t, mustCall(t, c, "getblock", old), &b)
	if b.Confirmations != -1 {
		t.Errorf("confirmations of a block left behind: got %d, want -1", b.Confirmations)
	}
	if got := string(mustCall(t, c, "verifychain", 3, 0)); got != "true" {
		t.Errorf("verifychain after a reorganisation: got %s", got)
	}
	for _, depth := range []int{0, -1, 302} {
		if err := c.Reorg(depth); err == nil || !strings.Contains(err.Error(), "want 1 to 301") {
			t.Errorf("Reorg(%d): got error %v", depth, err)
		}
	}
}

// TestLedgerEqualsReplay is the property that the indexes are what a fresh
// reading of the blocks gives, whatever was done before.
func TestLedgerEqualsReplay(t *testing.T) {
	testproc.FewChecks(t, 20)
	rapid.Check(t, func(t *rapid.T) {
		cfg := testConfig()
		cfg.Height, cfg.Nodes, cfg.Seed = 8, 3, rapid.StringN(1, 4, -1).Draw(t, "seed")
		c, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		must := func(err error) {
			if err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 10).Draw(t, "steps") {
			switch rapid.SampledFrom([]string{"advance", "reorg", "pay"}).Draw(t, "step") {
			case "advance":
				must(c.Advance(rapid.IntRange(1, 5).Draw(t, "blocks")))
			case "reorg":
				must(c.Reorg(rapid.IntRange(1, len(c.blocks)-1).Draw(t, "depth")))
			case "pay":
				to := rapid.SampledFrom(c.citizens).Draw(t, "to")
				_, err := c.Pay(to.address, rapid.Int64Range(1, 1000*coin).Draw(t, "amount"), "m")
				must(err)
			}
			checkReplay(t, c)
		}
	})
}

func checkReplay(t *rapid.T, c *Chain) {
	coins := make(map[outPoint]txOut)
	balance := make(map[string]int64)
	for _, b := range c.blocks {
		for _, x := range b.txs {
			for _, in := range x.In {
				if x.isCoinbase() {
					continue
				}
				out, ok := coins[in.Prev]
				if !ok {
					t.Fatalf("block %d spends %s, which is not unspent", b.height, in.Prev)
				}
				delete(coins, in.Prev)
				balance[string(out.Script)] -= out.Value
			}
			for n, out := range x.Out {
				if out.Script[0] != opReturn {
					coins[outPoint{x.id, uint32(n)}] = out
					balance[string(out.Script)] += out.Value
				}
			}
		}
	}
	got := make(map[outPoint]txOut)
	sums := make(map[string]int64)
	for op, u := range c.coins {
		got[op] = u.txOut
		sums[string(u.Script)] += u.Value
	}
	if !maps.EqualFunc(coins, got, sameOut) {
		t.Fatalf("unspent outputs differ from the replay:\n%s", cmp.Diff(coins, got))
	}
	index := make(map[string]int64)
	for script, list := range c.deltas {
		for _, d := range list {
			index[script] += d.value
		}
	}
	maps.DeleteFunc(balance, func(_ string, v int64) bool { return v == 0 })
	maps.DeleteFunc(index, func(_ string, v int64) bool { return v == 0 })
	if !maps.Equal(balance, index) {
		t.Fatalf("address index differs from the replay:\n%s", cmp.Diff(balance, index))
	}
	if !maps.Equal(balance, sums) {
		t.Fatalf("sums of unspent outputs differ from the replay:\n%s", cmp.Diff(balance, sums))
	}
}

func sameOut(a, b txOut) bool { return a.Value == b.Value && string(a.Script) == string(b.Script) }

func TestNodesAreListedPaidAndMoved(t *testing.T) {
	c := newChain(t, nil)
	type row struct {
		IP, Tier, Status string
		LastPaid         int64 `json:"last_paid_height"`
		Confirmed        int64 `json:"last_confirmed_height"`
	}
	list := func() (out []row) {
		decode(t, mustCall(t, c, "viewdeterministicfluxnodelist"), &out)
		return out
	}
	rows := list()
	if len(rows) != 12 {
		t.Fatalf("got %d nodes, want 12", len(rows))
	}
	for _, r := range rows {
		if r.LastPaid < 270 || r.Confirmed < 170 {
			t.Errorf("node %s: last paid at %d, last confirmed at %d", r.IP, r.LastPaid, r.Confirmed)
		}
	}
	own := c.Own()
	if err := c.Move(own.IP, "203.0.113.1"); err != nil {
		t.Fatal(err)
	}
	if err := c.Expire("203.0.113.1", true); err != nil {
		t.Fatal(err)
	}
	var status row
	decode(t, mustCall(t, c, "getzelnodestatus"), &status)
	if status.Status != "expired" || status.IP != "203.0.113.1" || len(list()) != 11 {
		t.Errorf("expired node: got %+v with %d nodes listed", status, len(list()))
	}
	if err := c.Expire("203.0.113.1", false); err != nil {
		t.Fatal(err)
	}
	decode(t, mustCall(t, c, "getfluxnodestatus"), &status)
	if status.Status != "CONFIRMED" {
		t.Errorf("node put back: got %s", status.Status)
	}
	if err := c.Move("198.51.100.1", "203.0.113.2"); err == nil || !strings.Contains(err.Error(), "no node at") {
		t.Errorf("moving an unknown node: got %v", err)
	}
	if err := c.Move("203.0.113.1", "house"); err == nil {
		t.Error("a node moved to an address that is none")
	}
}

func decode(t testing.TB, raw json.RawMessage, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("decode %s: %v", raw, err)
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		newChain(b, nil)
	}
}
