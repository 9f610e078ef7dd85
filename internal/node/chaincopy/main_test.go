package chaincopy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(crashVariable); dir != "" {
		crash(dir)
	}
	goleak.VerifyTestMain(m)
}

var neighbour = netip.MustParseAddr("192.168.7.9")

// unit is a chain daemon under control, and what it says of the chain.
type unit struct {
	mu         sync.Mutex
	up         bool
	did        []string
	stopErr    error
	startErr   error
	runningErr error
	stillborn  bool          // it starts and dies
	hold       chan struct{} // non-nil: Stop waits for it or its context

	blocks, confirmed int64
	tip               time.Time
	answers           map[string]string // instead of the true ones; "" is an error
}

func newUnit() *unit {
	return &unit{up: true, blocks: 2100014, confirmed: 2099990, tip: time.Now(), answers: map[string]string{}}
}

func (u *unit) Stop(ctx context.Context) error {
	u.mu.Lock()
	hold := u.hold
	u.did = append(u.did, "stop")
	u.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.stopErr != nil {
		return u.stopErr
	}
	u.up = false
	return nil
}

func (u *unit) Start(ctx context.Context) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.did = append(u.did, "start")
	if _, limited := ctx.Deadline(); !limited {
		return errors.New("no deadline")
	}
	if u.startErr != nil {
		return u.startErr
	}
	u.up = !u.stillborn
	return ctx.Err()
}

func (u *unit) Running(ctx context.Context) (bool, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, limited := ctx.Deadline(); !limited {
		return false, errors.New("no deadline")
	}
	return u.up, errors.Join(u.runningErr, ctx.Err())
}

func (u *unit) Call(ctx context.Context, method string, params []any) (json.RawMessage, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if _, limited := ctx.Deadline(); !limited {
		return nil, errors.New("no deadline")
	}
	if !u.up {
		return nil, errors.New("connection refused")
	}
	if text, ok := u.answers[method]; ok {
		if text == "" {
			return nil, errors.New("method failed")
		}
		return json.RawMessage(text), nil
	}
	switch method {
	case "getblockchaininfo":
		return json.Marshal(map[string]any{"blocks": u.blocks, "bestblockhash": "beef"})
	case "getblockheader":
		if len(params) != 1 || params[0] != "beef" {
			return nil, errors.New("no such block")
		}
		return json.Marshal(map[string]any{"time": u.tip.Unix()})
	case "getzelnodestatus":
		return json.Marshal(map[string]any{"status": "CONFIRMED", "last_confirmed_height": u.confirmed})
	}
	return nil, errors.New("no such method " + method)
}

// change changes the unit under its lock.
func (u *unit) change(f func(*unit)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	f(u)
}

func (u *unit) history() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return strings.Join(u.did, " ")
}

// chainFiles are a small chain: names and content.
var chainFiles = map[string]string{
	"determ_zelnodes/CURRENT":    "MANIFEST-000001\n",
	"determ_zelnodes/000003.log": strings.Repeat("node", 5000),
	"chainstate/000005.ldb":      strings.Repeat("coin", 300_000),
	"chainstate/LOCK":            "",
	"blocks/blk00000.dat":        strings.Repeat("block", 200_000),
	"blocks/index/000001.ldb":    strings.Repeat("i", 511),
}

// others lie in the data folder and are nobody's business.
var others = map[string]string{"flux.conf": "rpcpassword=hush\n", "wallet.dat": "keys"}

func makeChain(t *testing.T, files ...map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for _, m := range files {
		for name, text := range m {
			file := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(text), 0o644)); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

type world struct {
	*Copier
	unit  *unit
	dir   string // of the chain
	state string
	end   func() // ends Serve and waits for it
}

// newWorld serves a Copier for the small chain.
func newWorld(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	w := &world{unit: newUnit(), dir: makeChain(t, chainFiles, others), state: t.TempDir()}
	cfg := Config{DataDir: func() (string, error) { return w.dir, nil }, StateDir: w.state, Control: w.unit, Chain: w.unit,
		Local: func(a netip.Addr) bool { return a == neighbour }}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.Copier = c
	w.serve(t)
	return w
}

func (w *world) serve(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Serve(ctx) }()
	w.end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	t.Cleanup(w.end)
	eventually(t, "served", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.life != nil
	})
}

func (w *world) recorded(t *testing.T) bool {
	t.Helper()
	is, err := w.record.exists()
	if err != nil {
		t.Fatal(err)
	}
	return is
}

// eventually polls for at most 10 seconds, of a bubble's time if in one.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(10 * time.Second); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// pass lets the bubble's time pass and everything settle.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) stream(t *testing.T, o Options) *Transfer {
	t.Helper()
	tr, err := w.Stream(t.Context(), neighbour, o)
	must(t, err)
	return tr
}

// refusal fails unless err refuses with that status and reason.
func refusal(t *testing.T, err error, status int, reason string) {
	t.Helper()
	r, ok := errors.AsType[*Refusal](err)
	if !ok || r.Status != status || r.Reason != reason {
		t.Fatalf("got %v, want %d %s", err, status, reason)
	}
}

// untar unpacks an archive with the tar program, as a neighbour does, and
// returns the files by name.
func untar(t *testing.T, archive []byte, flags ...string) map[string]string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "tar", append(flags, "-x", "-f", "-", "-C", dir)...)
	cmd.Stdin = bytes.NewReader(archive)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	files := map[string]string{}
	must(t, filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		short, _ := filepath.Rel(dir, name)
		files[short] = string(text)
		return err
	}))
	return files
}

// same compares files, and names those that differ rather than their content.
func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	names := slices.Sorted(maps.Keys(want))
	if g := slices.Sorted(maps.Keys(got)); !slices.Equal(g, names) {
		t.Fatalf("got files %q, want %q", g, names)
	}
	for _, name := range names {
		if got[name] != want[name] {
			t.Errorf("%s: %d bytes differ from the %d", name, len(got[name]), len(want[name]))
		}
	}
}

// writerFunc is an io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// paced takes a number of bytes a second.
func paced(rate float64) io.Writer {
	return writerFunc(func(p []byte) (int, error) {
		<-time.After(time.Duration(float64(len(p)) / rate * float64(time.Second)))
		return len(p), nil
	})
}
