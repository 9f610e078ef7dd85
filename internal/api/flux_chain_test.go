package api

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/node/chaincopy"
	"github.com/fluxosd/fluxosd/internal/permissions"
)

// chainControl is the chain daemon's process, which a test has not.
type chainControl struct{ stopped atomic.Bool }

func (c *chainControl) Stop(context.Context) error  { c.stopped.Store(true); return nil }
func (c *chainControl) Start(context.Context) error { c.stopped.Store(false); return nil }

func (c *chainControl) Running(context.Context) (bool, error) { return !c.stopped.Load(), nil }

func TestChainStreamingIsOffUnlessItIsWanted(t *testing.T) {
	w := newWorld(t, nil)
	for _, call := range [][2]string{{"GET", "/flux/streamchainpreparation"}, {"POST", "/flux/streamchain"}} {
		a := w.request(call[0], call[1], "{}")
		if a.code != http.StatusUnprocessableEntity || string(a.raw) != errStreamingOff.Reason {
			t.Errorf("%s: %d %s", call[1], a.code, a.raw)
		}
	}
}

// A neighbour prepares the copy, reads the archive, and the daemon runs again.
func TestNeighbourCopiesTheChain(t *testing.T) {
	data := t.TempDir()
	for name, text := range map[string]string{"blocks/blk00000.dat": "blocks", "chainstate/1.ldb": "state", "determ_zelnodes/1.ldb": "nodes", "wallet.dat": "secret"} {
		file := filepath.Join(data, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	control := &chainControl{}
	var near atomic.Bool
	var copier *chaincopy.Copier
	w := newWorld(t, func(c *Config, _ *permissions.Config) {
		copier = must(chaincopy.New(chaincopy.Config{DataDir: func() (string, error) { return data, nil }, StateDir: t.TempDir(), Control: control, Chain: c.Daemon,
			Local: func(netip.Addr) bool { return near.Load() }, Now: func() time.Time { return time.Date(2026, 1, 1, 2, 29, 0, 0, time.UTC) }}))
		c.Host.ChainCopy = copier
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- copier.Serve(ctx) }()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if control.stopped.Load() {
			t.Error("the chain daemon is still stopped")
		}
	}()
	if a := w.request("POST", "/flux/streamchain", "{}"); a.code != http.StatusForbidden {
		t.Errorf("a stranger: %d %s", a.code, a.raw)
	}
	near.Store(true)
	if a := w.request("POST", "/flux/streamchain", `{"unsafe":"true","compress":true}`); a.code != http.StatusUnprocessableEntity {
		t.Errorf("unsafe and compressed: %d %s", a.code, a.raw)
	}
	control.Stop(ctx) // as a preparation does
	res, err := http.Post(w.base+"/flux/streamchain", "application/json", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK || res.Header.Get("Approx-Content-Length") == "" {
		body, _ := io.ReadAll(res.Body)
		t.Fatalf("%d %v %s", res.StatusCode, res.Header, body)
	}
	names := map[string]bool{}
	for r := tar.NewReader(res.Body); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names[h.Name] = true
	}
	if !names["blocks/blk00000.dat"] || !names["chainstate/1.ldb"] || !names["determ_zelnodes/1.ldb"] || names["wallet.dat"] {
		t.Errorf("%v", names)
	}
	control.Start(ctx)
}
