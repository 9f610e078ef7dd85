package benchmark

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
)

// speedServer speaks the protocol of network measurements and counts requests.
func speedServer(t *testing.T) (url string, requests *atomic.Int64) {
	t.Helper()
	requests = new(atomic.Int64)
	block := make([]byte, 64<<10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		if r.Method == http.MethodPost {
			io.Copy(io.Discard, r.Body)
			return
		}
		for r.Method == http.MethodGet && r.URL.Path == "/download" {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

// tiny measures as little as possible in dir.
func tiny(dir string, servers ...string) MeterConfig {
	return MeterConfig{
		Dirs: []string{dir}, OwnDisksOnly: true,
		CPU:     measure.CPUOptions{PrimeLimit: 1000, Time: 20 * time.Millisecond, Runs: 2},
		Disk:    measure.DiskOptions{Size: 1 << 20, Runs: 1},
		Memory:  measure.MemoryOptions{Size: 64 << 20, Time: 10 * time.Millisecond, Runs: 1},
		Network: measure.NetworkOptions{Servers: servers, Time: 100 * time.Millisecond, Streams: 1},
	}
}

func newMeter(t *testing.T, cfg MeterConfig) *HostMeter {
	t.Helper()
	m, err := NewHostMeter(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestThisMachineIsMeasuredThroughTheRunner(t *testing.T) {
	url, _ := speedServer(t)
	dir := t.TempDir()
	r := start(t, RunnerConfig{Meter: newMeter(t, tiny(dir, url)), History: NewHistory(openStore(t))})
	deadline := time.After(time.Minute)
	await := func(met func() bool) {
		t.Helper()
		for {
			changed := r.Changed()
			if met() {
				return
			}
			select {
			case <-changed:
			case <-deadline:
				t.Fatalf("no result in time: %+v", r.State())
			}
		}
	}
	await(func() bool { return r.Request(t.Context(), "test") == nil })
	await(func() bool { return r.Latest() != nil || r.State().LastError != "" })
	got := r.Latest()
	if got == nil {
		t.Fatal(r.State().LastError)
	}
	if got.Host.Cores < 1 || got.RAM() <= 0 || got.EPS() <= 0 || got.DiskWrite() <= 0 || got.Memory.Copy.Median <= 0 || got.SSD()+got.HDD() <= 0 {
		t.Errorf("figures missing: %+v", got)
	}
	// Speeds in so short a time may be anything.
	if !got.NetworkMeasured() || got.Network.Server != url || got.Network.DownloadBytes <= 0 || got.Network.UploadBytes <= 0 {
		t.Errorf("network %+v", got.Network)
	}
	if got.Time.IsZero() || got.Took <= 0 || got.By != "test" {
		t.Errorf("time %v, took %v, by %q", got.Time, got.Took, got.By)
	}
	for _, note := range got.Notes {
		if !strings.HasSuffix(note, "not used for applications") {
			t.Errorf("note %q", note)
		}
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) > 0 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

func TestProgressOfTheWholeNeverGoesBack(t *testing.T) {
	url, _ := speedServer(t)
	last, step := 0.0, ""
	_, err := newMeter(t, tiny(t.TempDir(), url)).Measure(t.Context(), nil, func(s string, done float64) {
		if done < last {
			t.Errorf("%s: %v after %s: %v", s, done, step, last)
		}
		last, step = done, s
	})
	if err != nil {
		t.Fatal(err)
	}
	// Sums of shares are exact to some digits only.
	if math.Abs(last-1) > 1e-9 || step != measure.StepUpload {
		t.Errorf("ended at %v with %q", last, step)
	}
}

func TestNetworkFiguresStandForADay(t *testing.T) {
	url, requests := speedServer(t)
	m := newMeter(t, tiny(t.TempDir(), url))
	last := &Result{Network: measure.Network{Server: "before", Download: constant(99)}, NetworkTime: time.Now().Add(-23 * time.Hour)}
	r, err := m.Measure(t.Context(), last, nil)
	if err != nil || r.Network.Server != "before" || !r.NetworkTime.Equal(last.NetworkTime) || requests.Load() != 0 {
		t.Errorf("within a day: %+v, %v, %d requests", r.Network, err, requests.Load())
	}
	if m.keepsNetwork(nil) || m.keepsNetwork(&Result{}) {
		t.Error("figures that were not measured stand")
	}
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "from the future": -time.Hour} {
		last.NetworkTime = time.Now().Add(-age)
		if m.keepsNetwork(last) {
			t.Errorf("%s: stands", name)
		}
	}
	off := newMeter(t, tiny(t.TempDir()))
	if r, err := off.Measure(t.Context(), last, nil); err != nil || r.NetworkMeasured() || len(r.Network.Server) > 0 || Reply(r, "").Download != 0 {
		t.Errorf("switched off: %+v, %v", r.Network, err)
	}
}

func TestPartsThatCannotBeMeasuredAreNoted(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	cfg := tiny(t.TempDir(), dead.URL)
	cfg.Memory.Runs = -1
	cfg.Disk.Runs = -1
	log := &logText{}
	cfg.Logger = log.logger()
	r, err := newMeter(t, cfg).Measure(t.Context(), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	notes := strings.Join(r.Notes, "\n")
	for _, part := range []string{"disk ", "memory not measured: ", "network not measured: "} {
		if !strings.Contains(notes, part) {
			t.Errorf("no note on %s in:\n%s", part, notes)
		}
	}
	if r.NetworkMeasured() || r.DiskWrite() != 0 || r.EPS() <= 0 || !strings.Contains(log.String(), "Part of the benchmark is missing") {
		t.Errorf("result %+v, log %s", r, log)
	}
}

func TestRunWithoutTheEssentialsFails(t *testing.T) {
	gone := tiny(filepath.Join(t.TempDir(), "gone"))
	if _, err := newMeter(t, gone).Measure(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "gone") {
		t.Errorf("folder that is gone: %v", err)
	}
	noCPU := tiny(t.TempDir())
	noCPU.CPU.Runs = -1
	if _, err := newMeter(t, noCPU).Measure(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "CPU") {
		t.Errorf("CPU: %v", err)
	}
	ctx, stop := context.WithCancelCause(t.Context())
	_, err := newMeter(t, tiny(t.TempDir())).Measure(ctx, nil, func(step string, _ float64) {
		if step == measure.StepMemory {
			stop(errHeld)
		}
	})
	if !errors.Is(err, errHeld) {
		t.Errorf("stopped at its last part: %v", err)
	}
}

func TestMeterNeedsAFolder(t *testing.T) {
	for _, dirs := range [][]string{nil, {""}} {
		if _, err := NewHostMeter(MeterConfig{Dirs: dirs}); err == nil || !strings.Contains(err.Error(), "folders of the applications' data") {
			t.Errorf("%q: %v", dirs, err)
		}
	}
}

func TestDisksOfOthersAreLeftAloneWhenTheyMustBe(t *testing.T) {
	for name, tt := range map[string]struct {
		d       Disk
		ownOnly bool
		want    string
	}{
		"of applications":           {Disk{Apps: true}, true, ""},
		"of others":                 {Disk{Disk: measure.Disk{Usable: minFree}}, false, ""},
		"of others, only own":       {Disk{Disk: measure.Disk{Usable: minFree}}, true, "not used for applications"},
		"of others, read-only":      {Disk{Disk: measure.Disk{Usable: minFree, ReadOnly: true}}, false, "mounted read-only"},
		"of others, nearly no room": {Disk{Disk: measure.Disk{Usable: minFree - 1}}, false, "less than 2 GiB free"},
	} {
		got := ""
		if err := tt.d.refusal(tt.ownOnly); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}
