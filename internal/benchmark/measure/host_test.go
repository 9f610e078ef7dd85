package measure

import (
	"context"
	"errors"
	"path/filepath"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"
)

func TestThisHostIsPlausible(t *testing.T) {
	h, err := ReadHost(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var uname unix.Utsname
	if err := unix.Uname(&uname); err != nil {
		t.Fatal(err)
	}
	if want := unix.ByteSliceToString(uname.Release[:]); h.Kernel != want {
		t.Errorf("got kernel %q, want %q", h.Kernel, want)
	}
	if h.Hostname == "" || h.Architecture != runtime.GOARCH {
		t.Errorf("got host name %q, architecture %q", h.Hostname, h.Architecture)
	}
	if h.Cores < 1 || h.RealCores < 1 || h.RealCores > h.Cores {
		t.Errorf("got %d cores, %d of them real", h.Cores, h.RealCores)
	}
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		t.Fatal(err)
	}
	if want := uint64(info.Totalram) * uint64(info.Unit); h.RAM < want*9/10 || h.RAM > want*11/10 {
		t.Errorf("got %d bytes of memory, want about %d", h.RAM, want)
	}
	if age := time.Since(h.BootTime); age < 0 || age > 100*365*24*time.Hour {
		t.Errorf("got boot time %v", h.BootTime)
	}
}

func TestThisHostsDisksArePlausible(t *testing.T) {
	disks, err := ReadDisks(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(disks) == 0 {
		t.Fatal("got no disk, want one or more")
	}
	root, err := VolumeOf(t.Context(), "/")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range append(disks, root) {
		if d.Name == "" || d.Mount == "" || d.FileSystem == "" || d.Size == 0 || d.Usable > d.Free {
			t.Errorf("got %+v", d)
		}
	}
	if root.Mount != "/" {
		t.Errorf("got %s as volume of /", root.Mount)
	}
}

func TestVolumeOfWhatDoesNotExistIsAnError(t *testing.T) {
	_, err := VolumeOf(t.Context(), filepath.Join(t.TempDir(), "none"))
	wantError(t, err, "none")
}

func TestOSNameAndBoard(t *testing.T) {
	root := t.TempDir()
	if got := osName(root) + board(root); got != "" {
		t.Errorf("got %q from nothing", got)
	}
	writeFile(t, filepath.Join(root, "usr/lib/os-release"), "NAME=x\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n")
	if got, want := osName(root), "Debian GNU/Linux 12 (bookworm)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	writeFile(t, filepath.Join(root, "etc/os-release"), "PRETTY_NAME='Other'\n")
	if got, want := osName(root), "Other"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	writeFile(t, filepath.Join(root, "proc/device-tree/model"), "Raspberry Pi 5 Model B Rev 1.0\x00")
	if got, want := board(root), "Raspberry Pi 5 Model B Rev 1.0"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestUptimeGrows(t *testing.T) {
	first, err := Uptime(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	second, err := Uptime(t.Context())
	if err != nil || first <= 0 || second < first {
		t.Errorf("got %v, then %v, %v", first, second, err)
	}
}

func TestLoadIsPlausible(t *testing.T) {
	for _, window := range []time.Duration{0, 50 * time.Millisecond} {
		l, err := ReadLoad(t.Context(), window)
		if err != nil {
			t.Fatal(err)
		}
		if l.CPUBusy < 0 || l.CPUBusy > 1 || l.CPUSteal < 0 || l.CPUSteal > 1 || window == 0 && l.CPUBusy+l.CPUSteal != 0 {
			t.Errorf("window %v: got %+v", window, l)
		}
		if l.MemTotal == 0 || l.MemAvailable > l.MemTotal || l.SwapFree > l.SwapTotal || l.Load1 < 0 {
			t.Errorf("window %v: got %+v", window, l)
		}
	}
	_, err := ReadLoad(t.Context(), -time.Second)
	wantError(t, err, "want 0 or more")
}

func TestWatchingTheLoadEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := ReadLoad(ctx, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if err := wait(t.Context(), time.Hour); err != nil || time.Since(start) != time.Hour {
			t.Errorf("waited %v, %v; want 1h", time.Since(start), err)
		}
	})
}

func TestMemoryIsMeasuredWithinItsBounds(t *testing.T) {
	var s steps
	got, err := MeasureMemory(t.Context(), MemoryOptions{Size: minMemorySize, Time: 30 * time.Millisecond, Runs: 3}, s.watch(t))
	if err != nil {
		t.Fatal(err)
	}
	s.complete(t, StepMemory)
	if got.Bytes != minMemorySize || len(got.Copy.Runs) != 3 || got.Copy.Low < 0.01 || got.Copy.High > 10_000 {
		t.Errorf("got %+v, want 3 plausible runs in GB/s", got)
	}
}

func TestMemoryMeasurementEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := MeasureMemory(ctx, MemoryOptions{Size: minMemorySize}, func(string, float64) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}

func TestMemoryThatIsNotThereIsNotTaken(t *testing.T) {
	if err := enoughMemory(100<<20, 400<<20); err != nil {
		t.Errorf("400 MiB for 100: got %v", err)
	}
	err := enoughMemory(100<<20, 399<<20)
	if !errors.Is(err, ErrNoMemory) {
		t.Errorf("got %v, want %v", err, ErrNoMemory)
	}
	wantError(t, err, "399 MiB are available, want 400 MiB")
	for want, o := range map[string]MemoryOptions{
		"size 1: want 67108864": {Size: 1},
		"size 268435457":        {Size: maxMemorySize + 1},
		"time -1s":              {Time: -time.Second},
		"runs 101":              {Runs: 101},
	} {
		_, err := MeasureMemory(t.Context(), o, nil)
		wantError(t, err, want)
	}
}
