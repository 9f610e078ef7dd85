package measure

import (
	"context"
	"errors"
	"math"
	"os"
	"testing"
	"time"
)

// empty fails when something is left in dir.
func empty(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left", e.Name())
	}
}

func TestDiskIsMeasuredInBothModes(t *testing.T) {
	for _, mode := range []Mode{Synced, Direct} {
		t.Run(mode.String(), func(t *testing.T) {
			var s steps
			dir := t.TempDir()
			got, err := MeasureDisk(t.Context(), DiskOptions{Dir: dir, Size: 40 << 20, Runs: 2, Mode: mode}, s.watch(t))
			if mode == Direct && errors.Is(err, ErrNoDirect) {
				return // a file system in memory; the refusal is what is promised
			}
			if err != nil {
				t.Fatal(err)
			}
			s.complete(t, StepDisk)
			empty(t, dir)
			if got.Mode != mode || got.Dir != dir || got.Bytes != 40<<20 || len(got.Write.Runs) != 2 {
				t.Errorf("got %+v, want 2 runs of 40 MiB", got)
			}
			for i, v := range got.Write.Runs {
				if v < 0.01 || v > 1e6 {
					t.Errorf("got %v MB/s", v)
				}
				if want := v * 1e6 / (1 << 20); math.Abs(got.MiBps.Runs[i]-want) > want/1e9 {
					t.Errorf("got %v MiB/s for %v MB/s, want %v", got.MiBps.Runs[i], v, want)
				}
			}
		})
	}
}

func TestCancelledDiskMeasurementLeavesNoFile(t *testing.T) {
	for _, mode := range []Mode{Synced, Direct} {
		// At the start, while writing, and (synced) while syncing.
		for _, at := range []float64{0, 0.1, 0.5} {
			ctx, cancel := context.WithCancel(t.Context())
			dir := t.TempDir()
			_, err := MeasureDisk(ctx, DiskOptions{Dir: dir, Size: 128 << 20, Runs: 1, Mode: mode}, func(_ string, done float64) {
				if done >= at {
					cancel()
				}
			})
			cancel()
			if errors.Is(err, ErrNoDirect) {
				continue
			}
			// Direct writes end at half the progress: the last word may come too late.
			if !errors.Is(err, context.Canceled) && !(mode == Direct && at == 0.5 && err == nil) {
				t.Errorf("%v at %v: got %v, want %v", mode, at, err, context.Canceled)
			}
			empty(t, dir)
		}
	}
}

func TestSlowDiskWritesLessThanItsSize(t *testing.T) {
	for _, mode := range []Mode{Synced, Direct} {
		dir := t.TempDir()
		got, err := MeasureDisk(t.Context(), DiskOptions{Dir: dir, Size: 512 << 20, Runs: 1, TimeLimit: time.Nanosecond, Mode: mode}, nil)
		if errors.Is(err, ErrNoDirect) {
			continue
		}
		if err != nil || got.Write.Median <= 0 {
			t.Errorf("%v: got %+v, %v; want the speed of what was written", mode, got, err)
		}
		empty(t, dir)
	}
}

func TestSizeIsCutToWhatIsFree(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		name               string
		size, usable, want int64 // MiB; want 0: ErrNoSpace
	}{
		{"plenty", 1024, 100_000, 1024},
		{"a quarter", 1024, 3072, 768},
		{"2 GiB stay free", 1024, 2348, 300},
		{"small runs need little", 8, 2056, 8},
		{"less than measures the disk", 1024, 2048 + 63, 0},
		{"nothing", 1024, 0, 0},
		{"2 GiB would not stay free", 8, 2055, 0},
	} {
		got, err := affordable(c.size*mib, c.usable*mib)
		if got != c.want*mib || errors.Is(err, ErrNoSpace) != (c.want == 0) {
			t.Errorf("%s: got %d MiB, %v; want %d MiB", c.name, got/mib, err, c.want)
		}
	}
	_, err := affordable(1024*mib, 2100*mib)
	wantError(t, err, "2100 MiB are free", "needs 2112 MiB", "leave 2048 MiB")
}

// A process that is killed in the middle leaves nothing: the file has no name
// while it is written.
func TestFileHasNoNameWhileItIsWritten(t *testing.T) {
	dir := t.TempDir()
	looks := 0
	_, err := MeasureDisk(t.Context(), DiskOptions{Dir: dir, Size: 128 << 20, Runs: 1}, func(string, float64) {
		entries, err := os.ReadDir(dir)
		if err != nil || len(entries) > 0 {
			t.Errorf("%v, %v", entries, err)
		}
		looks++
	})
	if err != nil {
		t.Fatal(err)
	}
	if looks < 3 {
		t.Errorf("looked %d times only", looks)
	}
}

func TestDiskOptionsThatAreRefused(t *testing.T) {
	for want, o := range map[string]DiskOptions{
		"no folder given":           {},
		"size 1048577":              {Dir: "/", Size: 1<<20 + 1},
		"want bytes in whole MiB":   {Dir: "/", Size: -1 << 20},
		"runs 101: want 1 to 100":   {Dir: "/", Runs: 101},
		"time limit -1s":            {Dir: "/", TimeLimit: -time.Second},
		"want synced or direct":     {Dir: "/", Mode: 7},
		"no such file or directory": {Dir: "/does/not/exist"},
	} {
		_, err := MeasureDisk(t.Context(), o, nil)
		wantError(t, err, want)
	}
}
