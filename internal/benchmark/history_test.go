package benchmark

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
)

// everything is a result without a zero member.
func everything() Result {
	r := nimbus().result()
	figure := measure.Figure{Median: 2, Low: 1, High: 3, Runs: []float64{1, 2, 3}}
	disturbed := []measure.Disturbance{{Reason: measure.Steal, Share: 0.25}}
	r.Host = measure.Host{Hostname: "node", OS: "Debian", Kernel: "6.1", Virtualisation: "kvm", Architecture: "amd64", Board: "Rock 5", CPUModel: "EPYC",
		CPUVendor: "AMD", CPUMHz: 2700, RealCores: 4, Cores: 8, RAM: 32 * gibibyte, Swap: gibibyte, BootTime: at()}
	r.CPU.Disturbed = disturbed
	r.Disks[0] = Disk{
		Disk:  measure.Disk{Name: "sda", Kind: measure.SSD, Size: 500e9, Free: 400e9, Usable: 300e9, Mount: "/", FileSystem: "ext4", ReadOnly: true},
		Speed: measure.DiskSpeed{Write: figure, MiBps: figure, Mode: measure.Direct, Dir: "/var/lib/fluxosd", Bytes: gibibyte, Disturbed: disturbed},
		Apps:  true,
	}
	r.Memory = measure.Memory{Copy: figure, Bytes: 128 << 20, Disturbed: disturbed}
	r.Network = measure.Network{Server: "http://192.0.2.1", Ping: figure, Download: figure, Upload: figure, DownloadBytes: 1e9, UploadBytes: 5e8}
	r.NetworkTime = at()
	r.Notes = []string{"disk sdb not measured: mounted read-only"}
	return r
}

func TestResultSurvivesTheStoreWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	first := openStoreAt(t, path)
	want := everything()
	if err := NewHistory(first).Add(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := NewHistory(openStoreAt(t, path)).Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("result changed (-want +got):\n%s", diff)
	}
}

func TestEmptyResultStaysEmpty(t *testing.T) {
	h := NewHistory(openStore(t))
	if err := h.Add(t.Context(), Result{Time: at()}); err != nil {
		t.Fatal(err)
	}
	got, err := h.Latest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got.NetworkMeasured() || !got.Host.BootTime.IsZero() || len(got.Notes) != 0 {
		t.Errorf("got %+v", got)
	}
}

// Members of package measure become members of documents: one that is renamed
// there would be lost for every node that upgrades.
func TestStoredFormStaysAsItIs(t *testing.T) {
	doc, err := bson.Marshal(everything())
	if err != nil {
		t.Fatal(err)
	}
	relaxed, err := bson.MarshalExtJSON(bson.Raw(doc), false, false)
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(relaxed, &got); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile("testdata/history.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stored form differs (-want +got):\n%s", diff)
	}
}

func TestHistoryKeepsTheLastHundred(t *testing.T) {
	h := NewHistory(openStore(t))
	if latest, err := h.Latest(t.Context()); latest != nil || err != nil {
		t.Fatalf("latest of nothing: %v, %v", latest, err)
	}
	for i := range keptResults + 7 {
		if err := h.Add(t.Context(), Result{Time: at().Add(time.Duration(i) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	newest := at().Add((keptResults + 6) * time.Hour)
	all, err := h.List(t.Context(), 0)
	if err != nil || len(all) != keptResults {
		t.Fatalf("%d results, %v, want %d", len(all), err, keptResults)
	}
	if first, last := all[0].Time, all[keptResults-1].Time; !first.Equal(newest) || !last.Equal(at().Add(7*time.Hour)) {
		t.Errorf("from %v to %v", first, last)
	}
	three, err := h.List(t.Context(), 3)
	if err != nil || len(three) != 3 || !three[0].Time.Equal(newest) {
		t.Errorf("three newest: %v, %v", three, err)
	}
}
