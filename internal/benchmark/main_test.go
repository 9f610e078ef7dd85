package benchmark

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// published are answers of real nodes.
type published struct {
	GetBenchmarks []struct {
		Source string
		Data   json.RawMessage
	} `json:"getbenchmarks"`
	Tiers struct {
		ByCollateral []struct {
			Value  int64  `json:"outputValueFlux"`
			Tier   string `json:"tier"`
			Public string `json:"public"`
			Error  string `json:"error"`
		} `json:"byCollateral"`
	} `json:"tiers"`
}

func readPublished(t *testing.T) published {
	t.Helper()
	raw, err := os.ReadFile("testdata/fluxbenchd.json")
	if err != nil {
		t.Fatal(err)
	}
	var p published
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

const gibibyte = 1 << 30

// machine describes a machine by the figures that tiers look at.
type machine struct {
	realCores, cores int
	ram, ssd         float64 // GiB
	single, write    float64 // events/s of one thread, MiB/s
	arch, board      string
	net              float64 // Mbit/s each way, 0 not measured
}

// at is when results of tests were measured.
func at() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func (m machine) result() Result {
	if m.arch == "" {
		m.arch = "amd64"
	}
	r := Result{
		Time: at(), Took: time.Minute, By: "test",
		Host:  measure.Host{Architecture: m.arch, Board: m.board, RealCores: m.realCores, Cores: m.cores, RAM: uint64(m.ram * gibibyte)},
		CPU:   measure.CPU{Single: constant(m.single), Multi: constant(m.single * float64(m.cores)), Threads: m.cores},
		Disks: []Disk{{Disk: measure.Disk{Name: "vda", Size: uint64(m.ssd * gibibyte), Mount: "/"}, Speed: measure.DiskSpeed{MiBps: constant(m.write)}, Apps: true}},
	}
	if m.net > 0 {
		r.Network = measure.Network{Ping: constant(7.5), Download: constant(m.net), Upload: constant(m.net)}
		r.NetworkTime = at()
	}
	return r
}

func constant(x float64) measure.Figure {
	return measure.Figure{Median: x, Low: x, High: x, Runs: []float64{x}}
}

// nimbus just passes for NIMBUS.
func nimbus() machine {
	return machine{realCores: 4, cores: 8, ram: 31.3, ssd: 465.76, single: 126.5, write: 655.1}
}

// openStore opens a new store file with the package's collections.
func openStore(t *testing.T) store.Store {
	t.Helper()
	return openStoreAt(t, filepath.Join(t.TempDir(), "store.db"))
}

func openStoreAt(t *testing.T, path string) store.Store {
	t.Helper()
	docs, err := sqlite.Open(t.Context(), sqlite.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { docs.Close() })
	if err := docs.Declare(t.Context(), Collections()...); err != nil {
		t.Fatal(err)
	}
	return docs
}

// logText is a logger and what it wrote.
type logText struct {
	mu   sync.Mutex // guards text
	text strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logText) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
