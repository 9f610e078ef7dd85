package reach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/secret"
)

// scripted answers each call with what the test says now, and notes when.
type scripted struct {
	mu    sync.Mutex
	raw   string
	err   error
	calls []time.Time
}

func (s *scripted) Call(_ context.Context, method string, _ []any) (json.RawMessage, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, time.Now())
	if method != "listfluxnodes" {
		return nil, fmt.Errorf("unexpected method %s", method)
	}
	return json.RawMessage(s.raw), s.err
}

func (s *scripted) answer(raw string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raw, s.err = raw, err
}

func (s *scripted) called() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

func txid(i int) string { return fmt.Sprintf("%064x", i) }

// wire is an entry as the daemon writes it.
func wire(i int, ip, pubkey string) string {
	return fmt.Sprintf(`{"collateral":"COutPoint(%s, 1)","txhash":"%s","outidx":"1","ip":"%s","network":"","added_height":%d,"confirmed_height":%d,"last_confirmed_height":%d,`+
		`"last_paid_height":%d,"tier":"CUMULUS","payment_address":"t1x","pubkey":"%s","activesince":"1700000000","lastpaid":1700000001,"amount":"1000.00","rank":%d}`,
		txid(i), txid(i), ip, i, i+1, i+2, i+3, pubkey, i)
}

func wireList(entries ...string) string { return "[" + strings.Join(entries, ",") + "]" }

func newList(t testing.TB, raw string) *List {
	t.Helper()
	l, err := NewList(ListConfig{Daemon: &scripted{raw: raw}})
	if err != nil {
		t.Fatal(err)
	}
	l.fetch(t.Context())
	return l
}

func addr(t testing.TB, text string) Address {
	t.Helper()
	a, err := ParseAddress(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestEntriesAreReadWhole(t *testing.T) {
	got, skipped, err := decodeList([]byte(wireList(wire(7, "1.2.3.4:16147", "02ab"))))
	want := []Entry{{Collateral: Outpoint{txid(7), 1}, IP: "1.2.3.4:16147", Address: addr(t, "1.2.3.4:16147"), Tier: "CUMULUS", Pubkey: "02ab", PaymentAddress: "t1x",
		AddedHeight: 7, ConfirmedHeight: 8, LastConfirmed: 9, LastPaid: 10, ActiveSince: 1700000000, LastPaidTime: 1700000001, Amount: "1000.00", Rank: 7}}
	if diff := cmp.Diff(want, got, cmpopts.EquateComparable(netip.Addr{})); diff != "" || skipped != 0 || err != nil {
		t.Errorf("skipped %d, %v, (-want +got)\n%s", skipped, err, diff)
	}
}

func TestUnreadableEntriesAreLeftOut(t *testing.T) {
	good := wire(1, "1.2.3.4", "02ab")
	for _, c := range []struct {
		what, raw      string
		entries, skips int
		fails          bool
	}{
		{"no address yet", wireList(strings.Replace(good, `"1.2.3.4"`, `""`, 1)), 1, 0, false},
		{"IPv6", wireList(strings.Replace(good, `"1.2.3.4"`, `"2001:db8::1"`, 1)), 1, 0, false},
		{"amount as a number", wireList(strings.Replace(good, `"1000.00"`, `1000`, 1)), 1, 0, false},
		{"no collateral", wireList(good, `{"ip":"1.2.3.5"}`), 1, 1, false},
		{"other types", wireList(`1`, `"a"`, `[]`, strings.Replace(good, `"02ab"`, `5`, 1), good), 1, 4, false},
		{"long text", wireList(good, strings.Replace(good, "02ab", strings.Repeat("0", maxField+1), 1)), 1, 1, false},
		{"height that is no number", wireList(strings.Replace(good, `"rank":1`, `"rank":"x"`, 1)), 0, 1, false},
		{"empty", "[]", 0, 0, false},
		{"null", "null", 0, 0, true},
		{"object", "{}", 0, 0, true},
		{"nothing", "", 0, 0, true},
		{"cut off", "[" + good, 0, 0, true},
		{"cut off inside", "[" + good[:20], 0, 0, true},
		{"too many", "[" + strings.Repeat("1,", maxEntries) + "1]", 0, 0, true},
	} {
		got, skipped, err := decodeList([]byte(c.raw))
		if len(got) != c.entries || skipped != c.skips || (err != nil) != c.fails {
			t.Errorf("%s: %d entries, %d skipped, %v", c.what, len(got), skipped, err)
		}
	}
}

func TestLookUps(t *testing.T) {
	l := newList(t, wireList(wire(1, "1.2.3.4", "02aa"), wire(2, "1.2.3.4:16137", "02bb"), wire(3, "1.2.3.4:16127", "02aa"), wire(4, "", "02cc")))
	if e, ok := l.ByAddress(addr(t, "1.2.3.4")); !ok || e.Collateral.Hash != txid(3) {
		t.Errorf("the later entry wins: got %v, %v", e.Collateral, ok)
	}
	if got := l.At(addr(t, "1.2.3.4")); len(got) != 2 || got[0].Collateral.Hash != txid(1) {
		t.Errorf("both entries at one address: got %v", got)
	}
	if got := l.ByKey("02aa"); len(got) != 2 || !l.HasKey("02cc") || l.HasKey("") || l.HasKey("02AA") {
		t.Errorf("by key: got %v", got)
	}
	if e, ok := l.ByCollateral(Outpoint{txid(4), 1}); !ok || e.Pubkey != "02cc" {
		t.Errorf("by collateral: got %v, %v", e, ok)
	}
	_, byAddress := l.ByAddress(addr(t, "9.9.9.9"))
	_, byCollateral := l.ByCollateral(Outpoint{})
	if byAddress || byCollateral || len(l.At(Address{})) != 0 || l.Len() != 4 || len(l.Entries()) != 4 || l.Fetched().IsZero() {
		t.Error("what isn't there is found, or what is there isn't")
	}
}

func TestRandomGivesEveryNodeThatIsAdmitted(t *testing.T) {
	var rows []string
	for i := range 40 {
		rows = append(rows, wire(i, fmt.Sprintf("1.2.3.%d", i), "02"))
	}
	l := newList(t, wireList(append(rows, wire(99, "", "02"))...))
	seen := make(map[Address]bool)
	for range 4000 {
		e, ok := l.Random(nil)
		if !ok || e.Address == (Address{}) {
			t.Fatalf("got %v, %v", e, ok)
		}
		seen[e.Address] = true
	}
	if len(seen) != 40 {
		t.Errorf("%d of 40 nodes were drawn", len(seen))
	}
	only := addr(t, "1.2.3.7")
	if e, ok := l.Random(func(e Entry) bool { return e.Address == only }); !ok || e.Address != only {
		t.Errorf("got %v, %v", e.Address, ok)
	}
	if e, ok := l.Random(func(Entry) bool { return false }); ok {
		t.Errorf("got %v of nobody", e.Address)
	}
	if _, ok := newList(t, "[]").Random(nil); ok {
		t.Error("a node of an empty list")
	}
}

func TestListKeepsItsLastGoodState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		daemon := &scripted{err: errors.New("refused")}
		l, err := NewList(ListConfig{Daemon: daemon})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- l.Serve(ctx) }()
		step := func(d time.Duration, calls, nodes int) {
			t.Helper()
			time.Sleep(d)
			synctest.Wait()
			if got := daemon.called(); got != calls || l.Len() != nodes {
				t.Fatalf("%d calls and %d nodes, want %d and %d", got, l.Len(), calls, nodes)
			}
		}
		step(0, 1, 0)
		step(15*time.Second, 2, 0)
		daemon.answer("[]", nil)
		step(15*time.Second, 3, 0)
		daemon.answer(wireList(wire(1, "1.2.3.4", "02")), nil)
		step(15*time.Second, 4, 1)
		daemon.answer("[]", nil)
		step(2*time.Minute, 5, 1)
		daemon.answer("", errors.New("refused"))
		step(2*time.Minute, 6, 1)
		daemon.answer(wireList(wire(1, "1.2.3.4", "02"), wire(2, "1.2.3.5", "02")), nil)
		l.Refresh() // a new block, but the last fetch was just now
		l.Refresh()
		step(29*time.Second, 6, 1)
		step(time.Second, 7, 2)
		step(2*time.Minute-time.Second, 7, 2)
		step(time.Second, 8, 2)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// The real client against the simulated chain daemon.
func TestListOfADevnet(t *testing.T) {
	chain, err := devnet.New(devnet.Config{Seed: "reach", Nodes: 20, BlockInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(chain.Handler("u", "p"))
	defer srv.Close()
	client, err := daemonrpc.New(daemonrpc.Config{URL: srv.URL, User: "u", Password: secret.New("p")})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	l, err := NewList(ListConfig{Daemon: client})
	if err != nil {
		t.Fatal(err)
	}
	l.fetch(t.Context())
	if l.Len() != 20 {
		t.Fatalf("%d nodes, want 20", l.Len())
	}
	for _, n := range chain.Nodes() {
		e, ok := l.ByCollateral(Outpoint{n.CollateralTxID, n.CollateralIndex})
		if !ok || e.Pubkey != n.PublicKey || e.Address != addr(t, n.IP) || e.Tier != n.Tier.String() || e.PaymentAddress != n.PaymentAddress || e.ConfirmedHeight == 0 {
			t.Errorf("got %+v for %+v", e, n)
		}
	}
}

func TestTroubleIsLoggedWhenItBegins(t *testing.T) {
	var log strings.Builder
	daemon := &scripted{err: errors.New("refused")}
	l, err := NewList(ListConfig{Daemon: daemon, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	good := wire(1, "1.2.3.4", "02")
	for _, c := range []struct {
		raw   string
		err   error
		lines int
	}{
		{"", errors.New("refused"), 1}, {"", errors.New("refused"), 1}, {"[]", nil, 2}, {wireList(good), nil, 2}, {wireList(good, "1"), nil, 3}, {wireList(good, "1"), nil, 3},
		{wireList(good), nil, 3}, {wireList(good, "1"), nil, 4},
	} {
		daemon.answer(c.raw, c.err)
		l.fetch(t.Context())
		if got := strings.Count(log.String(), "\n"); got != c.lines {
			t.Fatalf("after %q, %v: %d lines, want %d\n%s", c.raw, c.err, got, c.lines, log.String())
		}
	}
}

func TestListConfigIsChecked(t *testing.T) {
	if _, err := NewList(ListConfig{}); err == nil {
		t.Error("no daemon")
	}
	if _, err := NewList(ListConfig{Daemon: &scripted{}, Every: time.Second}); err == nil {
		t.Error("a list every second")
	}
}

func bigList(n int) []byte {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = wire(i, fmt.Sprintf("%d.%d.%d.%d", 1+i>>24, i>>16&255, i>>8&255, i&255), fmt.Sprintf("02%064x", i))
	}
	return []byte(wireList(rows...))
}

func BenchmarkDecode20000Nodes(b *testing.B) {
	raw := bigList(20_000)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		entries, skipped, err := decodeList(raw)
		if err != nil || skipped != 0 {
			b.Fatal(skipped, err)
		}
		newSnapshot(entries, time.Time{})
	}
}

func FuzzDecodeList(f *testing.F) {
	f.Add([]byte(wireList(wire(1, "1.2.3.4", "02"), wire(2, "", ""))))
	f.Add([]byte(`[{"collateral":null,"amount":{}},1]`))
	f.Add([]byte(`[`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		entries, _, err := decodeList(raw)
		if err != nil && entries != nil {
			t.Error("entries of a list that is refused")
		}
		for _, e := range entries {
			if len(e.Collateral.Hash) != 64 || len(e.IP) > maxField || len(e.Pubkey) > maxField {
				t.Errorf("%+v", e)
			}
		}
		newSnapshot(entries, time.Time{})
	})
}
