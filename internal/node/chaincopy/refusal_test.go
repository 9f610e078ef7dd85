package chaincopy

import (
	"context"
	"errors"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/secret"
)

func TestRefusals(t *testing.T) {
	with := func(f func(*unit)) func(*testing.T, *world) {
		return func(_ *testing.T, w *world) { w.unit.change(f) }
	}
	answer := func(method, text string) func(*testing.T, *world) {
		return with(func(u *unit) { u.answers[method] = text })
	}
	down := with(func(u *unit) { u.up = false })
	stranger, nobody := netip.MustParseAddr("192.168.8.9"), netip.Addr{}
	for _, c := range []struct {
		name   string
		before func(*testing.T, *world)
		from   netip.Addr
		stream *Options // nil prepares
		status int      // 0 is success
		reason string
	}{
		{"prepare", nil, neighbour, nil, 0, ""},
		{"prepare, mapped address", nil, netip.MustParseAddr("::ffff:192.168.7.9"), nil, 0, ""},
		{"prepare, 30 blocks left", with(func(u *unit) { u.confirmed = u.blocks - 450 }), neighbour, nil, 0, ""},
		{"prepare, tip of 10 minutes", with(func(u *unit) { u.tip = time.Now().Add(-10*time.Minute + 5*time.Second) }), neighbour, nil, 0, ""},
		{"prepare, disabled", func(_ *testing.T, w *world) { w.disabled = true }, neighbour, nil, 422, "Failed minimium throughput criteria. Disabled."},
		{"prepare twice", func(t *testing.T, w *world) { must(t, w.Prepare(t.Context(), neighbour)) }, neighbour, nil, 503, "Streaming of chain already in progress, server busy."},
		{"prepare during a stream", func(t *testing.T, w *world) { w.stream(t, Options{Unsafe: true}) }, neighbour, nil, 503, "Streaming of chain already in progress, server busy."},
		{"prepare, no address", nil, nobody, nil, 400, "Socket closed."},
		{"prepare, other network", nil, stranger, nil, 403, "Request must be from an address on the same private network as the host."},
		{"prepare, not served", func(_ *testing.T, w *world) { w.end() }, neighbour, nil, 503, "Service is starting or stopping, unable to stream chain."},
		{"prepare, daemon down", down, neighbour, nil, 503, "Unable to get block count of the local chain."},
		{"prepare, no height", answer("getblockchaininfo", `{"bestblockhash":"beef"}`), neighbour, nil, 503, "Unable to get block count of the local chain."},
		{"prepare, broken height", answer("getblockchaininfo", `{"blocks":"many"}`), neighbour, nil, 503, "Unable to get block count of the local chain."},
		{"prepare, no tip", answer("getblockheader", ""), neighbour, nil, 503, "Unable to get the newest block of the local chain."},
		{"prepare, tip without time", answer("getblockheader", "{}"), neighbour, nil, 503, "Unable to get the newest block of the local chain."},
		{"prepare, old tip", with(func(u *unit) { u.tip = time.Now().Add(-10*time.Minute - 2*time.Second) }), neighbour, nil, 503, "Daemon is not synced with the network."},
		{"prepare, no status", answer("getzelnodestatus", ""), neighbour, nil, 503, "Unable to get status of the local node."},
		{"prepare, status of no node", answer("getzelnodestatus", `{"status":"expired"}`), neighbour, nil, 503, "Unable to get status of the local node."},
		{"prepare, started only", answer("getzelnodestatus", `{"status":"STARTED","last_confirmed_height":2099990}`), neighbour, nil, 503, "Node is not in maintenance window."},
		{"prepare, 29 blocks left", with(func(u *unit) { u.confirmed = u.blocks - 451 }), neighbour, nil, 503, "Node is not in maintenance window."},
		{"prepare, not ours to stop", with(func(u *unit) { u.runningErr = errors.New("no such unit") }), neighbour, nil, 503, "Unable to stop the daemon."},
		{"prepare, won't stop", with(func(u *unit) { u.stopErr = errors.New("no") }), neighbour, nil, 503, "Unable to stop the daemon."},
		{"prepare, nowhere to record it", func(t *testing.T, w *world) { must(t, os.RemoveAll(w.state)) }, neighbour, nil, 503, "Unable to stop the daemon."},

		{"stream", down, neighbour, &Options{}, 0, ""},
		{"stream, compressed", down, neighbour, &Options{Compress: true}, 0, ""},
		{"stream, unsafe", nil, neighbour, &Options{Unsafe: true}, 0, ""},
		{"stream, disabled", func(_ *testing.T, w *world) { w.disabled = true }, neighbour, &Options{}, 422, "Failed minimium throughput criteria. Disabled."},
		{"stream twice", func(t *testing.T, w *world) { w.stream(t, Options{Unsafe: true}) }, neighbour, &Options{Unsafe: true}, 503, "Streaming of chain already in progress, server busy."},
		{"stream, no address", down, nobody, &Options{}, 400, "Socket closed."},
		{"stream, other network", down, stranger, &Options{}, 403, "Request must be from an address on the same private network as the host."},
		{"stream, not served", func(_ *testing.T, w *world) { w.end() }, neighbour, &Options{}, 503, "Service is starting or stopping, unable to stream chain."},
		{"stream, no data folder", func(_ *testing.T, w *world) { w.dir += "/nowhere" }, neighbour, &Options{}, 500, "Unable to find chain"},
		{"stream, a folder missing", func(t *testing.T, w *world) { must(t, os.RemoveAll(w.dir+"/chainstate")) }, neighbour, &Options{}, 500, "Unable to find chain"},
		{"stream, a folder that is a file", func(t *testing.T, w *world) {
			must(t, errors.Join(os.RemoveAll(w.dir+"/blocks"), os.WriteFile(w.dir+"/blocks", nil, 0o600)))
		}, neighbour, &Options{}, 500, "Unable to find chain"},
		{"stream, a folder that is a link", func(t *testing.T, w *world) {
			must(t, errors.Join(os.Rename(w.dir+"/blocks", w.dir+"/elsewhere"), os.Symlink("elsewhere", w.dir+"/blocks")))
		}, neighbour, &Options{}, 500, "Unable to find chain"},
		{"stream, compressed and unsafe", nil, neighbour, &Options{Unsafe: true, Compress: true}, 422, "Unable to compress blockchain in unsafe mode, it will corrupt new db."},
		{"stream, daemon up", nil, neighbour, &Options{}, 503, "Flux daemon still running, unable to clone blockchain."},
		{"stream, state of the daemon unknown", func(t *testing.T, w *world) {
			down(t, w)
			w.unit.change(func(u *unit) { u.runningErr = errors.New("no answer") })
		}, neighbour, &Options{}, 503, "Flux daemon still running, unable to clone blockchain."},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if c.before != nil {
				c.before(t, w)
			}
			before := strings.Count(w.unit.history(), "stop")
			var err error
			if c.stream == nil {
				err = w.Prepare(t.Context(), c.from)
			} else {
				var tr *Transfer
				if tr, err = w.Stream(t.Context(), c.from, *c.stream); err == nil {
					tr.Close()
				}
			}
			if c.status == 0 {
				must(t, err)
			} else {
				refusal(t, err, c.status, c.reason)
			}
			stops := strings.Count(w.unit.history(), "stop") - before
			if want := c.stream == nil && (c.status == 0 || c.name == "prepare, won't stop"); (stops == 1) != want {
				t.Errorf("stopped %d times", stops)
			}
			w.end()
			w.unit.change(func(u *unit) {
				if stopped := strings.Contains(strings.Join(u.did, " "), "stop"); stopped && !u.up {
					t.Errorf("left down after %v", u.did)
				}
			})
			if w.recorded(t) {
				t.Error("a record is left behind")
			}
		})
	}
}

func TestACallerWhoLeftStopsNothing(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	refusal(t, w.Prepare(ctx, neighbour), 400, "Socket closed.")
	_, err := w.Stream(ctx, neighbour, Options{Unsafe: true})
	refusal(t, err, 400, "Socket closed.")
	if did := w.unit.history(); did != "" {
		t.Errorf("did %s", did)
	}
}

func TestRefusalsNameTheirCauseForTheLog(t *testing.T) {
	cause := errors.New("disk on fire")
	r := refuse(500, reasonNoChain, cause)
	if got := r.Error(); got != "Unable to find chain: disk on fire" || !errors.Is(r, cause) {
		t.Errorf("got %q", got)
	}
	if got := refuse(500, reasonNoChain, nil).Error(); got != reasonNoChain {
		t.Errorf("got %q", got)
	}
}

func TestOneOfManyCallersGetsTheChain(t *testing.T) {
	w := newWorld(t)
	must(t, w.Prepare(t.Context(), neighbour))
	const callers = 50
	var mu sync.Mutex
	var got []*Transfer
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			if i%2 == 0 {
				if err := w.Prepare(t.Context(), neighbour); err == nil {
					t.Error("prepared twice")
				}
				return
			}
			if tr, err := w.Stream(t.Context(), neighbour, Options{}); err == nil {
				mu.Lock()
				got = append(got, tr)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(got) != 1 {
		t.Fatalf("%d transfers, want 1", len(got))
	}
	got[0].Close()
	got[0].Close()
	eventually(t, "started again", func() bool { return w.unit.history() == "stop start" })
}

func TestNewNamesAllThatIsMissing(t *testing.T) {
	_, err := New(Config{})
	for _, what := range []string{"DataDir", "StateDir", "Control", "Chain"} {
		if err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%v doesn't name %s", err, what)
		}
	}
	if c, err := New(Config{DataDir: os.Getwd, StateDir: t.TempDir(), Control: newUnit(), Chain: newUnit()}); err != nil || c.Problem() != "" {
		t.Errorf("got %v", err)
	}
}

// The real client against the simulated chain daemon.
func TestPrepareOnADevnet(t *testing.T) {
	chain, err := devnet.New(devnet.Config{Seed: "copy", Nodes: 4, BlockInterval: -1})
	must(t, err)
	srv := httptest.NewServer(chain.Handler("u", "p"))
	t.Cleanup(srv.Close)
	client, err := daemonrpc.New(daemonrpc.Config{URL: srv.URL, User: "u", Password: secret.New("p")})
	must(t, err)
	t.Cleanup(client.Close)
	var late time.Duration
	w := newWorld(t, func(c *Config) {
		c.Chain, c.Now = client, func() time.Time { return time.Now().Add(late) }
	})
	must(t, w.Prepare(t.Context(), neighbour))
	w.end()

	late = 11 * time.Minute
	w.serve(t)
	refusal(t, w.Prepare(t.Context(), neighbour), 503, "Daemon is not synced with the network.")
	w.end()

	late = 0
	must(t, chain.Expire(chain.Own().IP, true))
	w.serve(t)
	refusal(t, w.Prepare(t.Context(), neighbour), 503, "Node is not in maintenance window.")
	if did := w.unit.history(); did != "stop start" {
		t.Errorf("did %q", did)
	}
}

func TestTheStateFolderMustBeReadable(t *testing.T) {
	u := newUnit()
	c, err := New(Config{DataDir: os.Getwd, StateDir: filepath.Join(makeChain(t, others), "flux.conf"), Control: u, Chain: u})
	must(t, err)
	if err := c.Serve(t.Context()); err == nil || u.history() != "" {
		t.Errorf("got %v, did %q", err, u.history())
	}
}
