package benchmark

import (
	"encoding/json"
	"os"
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
)

// A reply has fluxbenchd's members in their order, and the source.
func TestReplyOfEveryKindOfResult(t *testing.T) {
	full := nimbus()
	full.net = 210.1234567
	r := full.result()
	r.Disks = append(r.Disks, Disk{Disk: measure.Disk{Name: "sdb", Size: 1000 * gibibyte}})
	small := machine{realCores: 1, cores: 2, ram: 1.94, ssd: 20, single: 96.123, write: 300, arch: "arm64", board: "Rock 5"}
	waiting := unmeasured("198.51.100.7", StatusRunning, "")
	if waiting.Architecture != runtime.GOARCH {
		t.Errorf("architecture %q before a result", waiting.Architecture)
	}
	waiting.Architecture = "amd64"
	golden := map[string]Benchmarks{
		"nimbus":  Reply(r, "198.51.100.7:16137"),
		"failed":  Reply(small.result(), ""),
		"waiting": waiting,
	}
	got, err := json.MarshalIndent(golden, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/replies.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
		t.Errorf("replies differ (-want +got):\n%s", diff)
	}
}
