package dos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/node/reach"
	"github.com/fluxosd/fluxosd/internal/secret"
)

// world is everything outside a Score, as the test wants it. It notes what
// was asked of it, and when.
type world struct {
	mu       sync.Mutex
	t0       time.Time
	log      []string
	own      reach.Address
	synced   bool
	daemon   error // of getzelnodestatus
	status   string
	entries  []reach.Entry
	size     int
	answer   func(n int) reach.Verdict // of the nth question of a test
	asked    int
	answers  bool // the node elsewhere answers
	onAsk    func()
	settings struct{ changes, ports int }
}

func newWorld() *world {
	return &world{t0: time.Now(), own: own, synced: true, status: "CONFIRMED", entries: []reach.Entry{entry(1, own, 100)}, size: 20,
		answer: func(int) reach.Verdict { return reach.Reachable }}
}

func (w *world) note(format string, args ...any) {
	w.log = append(w.log, fmt.Sprintf("%v ", time.Since(w.t0))+fmt.Sprintf(format, args...))
}

func (w *world) Call(_ context.Context, method string, _ []any) (json.RawMessage, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch method {
	case "getblockchaininfo":
		if w.synced {
			return json.RawMessage(`{"blocks":96,"headers":100}`), nil
		}
		return json.RawMessage(`{"blocks":95,"headers":100}`), nil
	case "getzelnodestatus":
		return fmt.Appendf(nil, `{"status":%q,"collateral":%q}`, w.status, collateral(1)), w.daemon
	}
	w.note("%s", method)
	return nil, nil
}

func (w *world) Len() int { w.mu.Lock(); defer w.mu.Unlock(); return w.size }

func (w *world) At(a reach.Address) []reach.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []reach.Entry
	for _, e := range w.entries {
		if e.Address == a {
			out = append(out, e)
		}
	}
	return out
}

func (w *world) ByCollateral(o reach.Outpoint) (reach.Entry, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.entries {
		if e.Collateral == o {
			return e, true
		}
	}
	return reach.Entry{}, false
}

func (w *world) Ask(ctx context.Context, who reach.Address, avoid []reach.Address) (reach.Answer, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.onAsk != nil {
		w.onAsk()
	}
	n := w.asked
	w.asked++
	w.note("ask %d for %s", len(avoid), who.Full())
	return reach.Answer{Node: reach.Address{IP: netip.AddrFrom4([4]byte{9, 9, 9, byte(n)}), Port: 16127}, Verdict: w.answer(n)}, ctx.Err()
}

func (w *world) Version(_ context.Context, a reach.Address) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("version of %s", a.Full())
	if w.answers {
		return "8.17.0", nil
	}
	return "", errors.New("refused")
}

func (w *world) change(f func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f()
}

// took returns what was noted since the last call.
func (w *world) took() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	log := w.log
	w.log = nil
	return log
}

func (w *world) config() Config {
	locked := func(f func() int) func() int {
		return func() int { w.mu.Lock(); defer w.mu.Unlock(); return f() }
	}
	return Config{Nodes: w, Daemon: w, Asker: w,
		Own: func() (reach.Address, bool) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.own, w.own != (reach.Address{})
		},
		AddressChanges: locked(func() int { return w.settings.changes }), BlockedPorts: locked(func() int { return w.settings.ports })}
}

// serve runs a Score in a bubble until the test ends.
func serve(t *testing.T, cfg Config) *Score {
	t.Helper()
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Serve(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return s
}

func wantState(t *testing.T, s *Score, score float64, message string) {
	t.Helper()
	if diff := cmp.Diff(newState(score, message), s.State()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestRoundsAreAMinuteApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := serve(t, w.config())
		pass(59 * time.Second)
		wantState(t, s, 0, "")
		if got := w.took(); got != nil {
			t.Errorf("before the first minute: %v", got)
		}
		pass(2*time.Minute + time.Second)
		want := []string{"1m0s ask 0 for 1.2.3.4:16147", "2m0s ask 0 for 1.2.3.4:16147", "3m0s ask 0 for 1.2.3.4:16147"}
		if diff := cmp.Diff(want, w.took()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}

func TestARoundThatCannotBeHeldIsTwoMinutesLate(t *testing.T) {
	for what, spoil := range map[string]func(*world){
		"not synced":    func(w *world) { w.synced = false },
		"daemon silent": func(w *world) { w.daemon = errors.New("refused") },
		"no list yet":   func(w *world) { w.size = 0 },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				spoil(w)
				s := serve(t, w.config())
				if err := s.Set(7, ""); err != nil {
					t.Fatal(err)
				}
				pass(time.Minute)
				w.change(func() { w.synced, w.daemon, w.size = true, nil, 20 })
				pass(2*time.Minute - time.Second)
				wantState(t, s, 7, "")
				pass(time.Second)
				wantState(t, s, 0, "")
				if diff := cmp.Diff([]string{"3m0s ask 0 for 1.2.3.4:16147"}, w.took()); diff != "" {
					t.Errorf("(-want +got)\n%s", diff)
				}
			})
		})
	}
}

func TestUnreachedNodesRiseAndRecover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.answer = func(int) reach.Verdict { return reach.NoAnswer }
		s := serve(t, w.config())
		pass(time.Minute)
		wantState(t, s, 12, msgLimited)
		if got := w.took(); len(got) != 6 || got[5] != "1m0s ask 5 for 1.2.3.4:16147" {
			t.Errorf("six nodes are asked, none twice: %v", got)
		}
		if got := s.Reasons(); len(got) != 6 {
			t.Errorf("reasons %v", got)
		}
		pass(time.Minute)
		wantState(t, s, 14, msgLimited)
		w.change(func() { w.answer = func(int) reach.Verdict { return reach.Reachable } })
		pass(time.Minute)
		wantState(t, s, 0, "")
		if got := s.Reasons(); len(got) != 0 {
			t.Errorf("reasons %v", got)
		}
	})
}

func TestUnknownAddressRises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.own = reach.Address{}
		s := serve(t, w.config())
		pass(10 * time.Minute)
		wantState(t, s, 10, "")
		pass(time.Minute)
		wantState(t, s, 11, msgNoAddress)
	})
}

func TestCollateralElsewhereGetsASecondLook(t *testing.T) {
	moveAway := func(w *world) { w.entries = []reach.Entry{entry(1, other, 100), entry(2, addr("7.7.7.7"), 5)} }
	t.Run("silent twice", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			moveAway(w)
			s := serve(t, w.config())
			if err := s.Set(100, msgElsewhere+"5.6.7.8:16127"+msgElsewhereEnd); err != nil {
				t.Fatal(err)
			}
			pass(3 * time.Minute)
			want := []string{"1m0s version of 5.6.7.8:16127", "2m0s version of 5.6.7.8:16127", "2m0s createconfirmationtransaction", "3m0s version of 5.6.7.8:16127"}
			if diff := cmp.Diff(want, w.took()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			wantState(t, s, 0, "")
		})
	})
	t.Run("answers the second time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			moveAway(w)
			s := serve(t, w.config())
			pass(90 * time.Second)
			wantState(t, s, 0, "")
			w.change(func() { w.answers = true })
			pass(30 * time.Second)
			wantState(t, s, 100, "Flux collision detection. Node at 5.6.7.8:16127 is confirmed and reachable on flux network with the same collateral transaction information.")
		})
	})
	t.Run("list comes right meanwhile", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			moveAway(w)
			s := serve(t, w.config())
			pass(90 * time.Second)
			w.change(func() { w.entries = []reach.Entry{entry(1, own, 100)} })
			pass(30 * time.Second)
			want := []string{"1m0s version of 5.6.7.8:16127", "2m0s ask 0 for 1.2.3.4:16147"}
			if diff := cmp.Diff(want, w.took()); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			wantState(t, s, 0, "")
		})
	})
}

func TestPublicAddressIsAskedBeforeTheNodeIsBlamed(t *testing.T) {
	moved := netip.MustParseAddr("4.4.4.4")
	for what, c := range map[string]struct {
		ip      netip.Addr
		err     error
		score   float64
		message string
		moved   []netip.Addr
	}{
		"same":    {own.IP, nil, 12, msgNotAvailable, nil},
		"other":   {moved, nil, 0, "", []netip.Addr{moved}},
		"fails":   {netip.Addr{}, errors.New("refused"), 25, msgNoPublic, nil},
		"no text": {netip.Addr{}, nil, 25, msgNoPublic, nil},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.answer = func(int) reach.Verdict { return reach.NotReachable }
				cfg := w.config()
				var told []netip.Addr
				cfg.Public = func(context.Context) (netip.Addr, error) { return c.ip, c.err }
				cfg.Moved = func(_ context.Context, ip netip.Addr) { told = append(told, ip) }
				s := serve(t, cfg)
				pass(time.Minute)
				wantState(t, s, c.score, c.message)
				if diff := cmp.Diff(c.moved, told, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

func TestTooManyChangesCountUntilRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.settings.changes = 2
		s := serve(t, w.config())
		pass(time.Minute)
		wantState(t, s, 11, msgChanges)
		w.change(func() { w.settings.changes = 0 })
		pass(9 * time.Minute)
		wantState(t, s, 110, msgChanges)
	})
}

func TestPeersAndBenchmarkAreJudgedWhenTheyAreKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		cfg := w.config()
		cfg.Communication = func() error { return errors.New("few peers") }
		version := "6.2.0"
		var failed error
		cfg.BenchVersion = func(context.Context) (string, error) { w.mu.Lock(); defer w.mu.Unlock(); return version, failed }
		s := serve(t, cfg)
		pass(30 * time.Minute)
		wantState(t, s, 0, "") // too early to need peers
		pass(time.Minute)
		wantState(t, s, 0.13, "")
		w.change(func() { version = "6.1.0" })
		pass(time.Minute)
		wantState(t, s, 11.13, msgOldBench+"6.1.0")
		w.change(func() { failed = errors.New("refused") })
		pass(time.Minute)
		wantState(t, s, 13.13, msgNoBench)
	})
}

func TestTheStickyPairOverrides(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := serve(t, w.config())
		s.Stick("tampered")
		pass(3 * time.Minute)
		wantState(t, s, 100, "tampered")
		s.Unstick()
		wantState(t, s, 0, "")
	})
}

func TestAScoreSetByHandHoldsUntilTheNextRound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		s := serve(t, w.config())
		w.change(func() {
			w.onAsk = func() { // a round is being held
				w.onAsk = nil
				if err := s.Set(50, "test"); err != nil {
					t.Error(err)
				}
			}
		})
		pass(time.Minute)
		wantState(t, s, 50, "test")
		if diff := cmp.Diff([]string{"=50 set by hand"}, s.Reasons()); diff != "" {
			t.Error(diff)
		}
		pass(time.Minute)
		wantState(t, s, 0, "")
	})
}

func TestOnlyScoresCanBeSet(t *testing.T) {
	s, err := New(newWorld().config())
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []float64{-1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		if err := s.Set(bad, ""); err == nil || !strings.Contains(err.Error(), "a number from 0") {
			t.Errorf("%v: %v", bad, err)
		}
	}
	wantState(t, s, 0, "")
}

func TestConfigIsChecked(t *testing.T) {
	for _, spoil := range []func(*Config){
		func(c *Config) { c.Nodes = nil }, func(c *Config) { c.Daemon = nil }, func(c *Config) { c.Asker = nil }, func(c *Config) { c.Own = nil },
	} {
		cfg := newWorld().config()
		spoil(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%+v is taken", cfg)
		}
	}
}

// The real list and the real client against the simulated chain daemon.
func TestCollisionsOnADevnet(t *testing.T) {
	chain, err := devnet.New(devnet.Config{Seed: "dos", Nodes: 20, BlockInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(chain.Handler("u", "p"))
	defer srv.Close()
	w := newWorld()
	w.own = addr(chain.Own().IP)
	stranger := chain.Nodes()[1]
	for _, c := range []struct {
		what  string
		do    func() error
		score float64
	}{
		{"alone", func() error { return nil }, 0},
		{"another node at the own address", func() error { return chain.Move(stranger.IP, chain.Own().IP) }, 100},
		{"own node expired", func() error { return chain.Expire(chain.Own().IP, true) }, 100},
	} {
		if err := c.do(); err != nil {
			t.Fatal(err)
		}
		s := realScore(t, srv.URL, w)
		if err := s.round(t.Context()); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if got := s.State(); got.DosState != c.score {
			t.Errorf("%s: score %v, want %v; %v", c.what, got.DosState, c.score, s.Reasons())
		}
	}
}

// realScore has a list and a client of its own, so that nothing is cached.
func realScore(t *testing.T, url string, w *world) *Score {
	t.Helper()
	client, err := daemonrpc.New(daemonrpc.Config{URL: url, User: "u", Password: secret.New("p")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	list, err := reach.NewList(reach.ListConfig{Daemon: client})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error)
	go func() { served <- list.Serve(ctx) }()
	deadline := time.After(10 * time.Second)
	for list.Len() == 0 {
		select {
		case <-deadline:
			t.Fatal("no node list")
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	if err := <-served; err != nil {
		t.Fatal(err)
	}
	cfg := w.config()
	cfg.Nodes, cfg.Daemon = list, client
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
