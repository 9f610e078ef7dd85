package measure

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/shirou/gopsutil/v3/cpu"
	"github.com/shirou/gopsutil/v3/host"
	"github.com/shirou/gopsutil/v3/load"
	"github.com/shirou/gopsutil/v3/mem"
	"golang.org/x/sys/unix"
)

// Host is what this machine is. A text that the machine does not tell is empty.
type Host struct {
	Hostname       string    `json:"hostname"`
	OS             string    `json:"os"`             // of the distribution: "Debian GNU/Linux 12 (bookworm)"
	Kernel         string    `json:"kernel"`         // release: "6.1.0-30-amd64"
	Virtualisation string    `json:"virtualisation"` // in which it runs as guest: "kvm", "docker", …; empty on bare metal
	Architecture   string    `json:"architecture"`   // of this program: "amd64" or "arm64"
	Board          string    `json:"board"`          // model in the device tree, as on ARM boards; else empty
	CPUModel       string    `json:"cpu_model"`
	CPUVendor      string    `json:"cpu_vendor"`
	CPUMHz         float64   `json:"cpu_mhz"`    // the highest clock when the kernel knows it, else the present one; 0 unknown
	RealCores      int       `json:"real_cores"` // physical cores; equal to Cores when unknown
	Cores          int       `json:"cores"`      // online logical processors
	RAM            uint64    `json:"ram_bytes"`
	Swap           uint64    `json:"swap_bytes"`
	BootTime       time.Time `json:"boot_time"`
}

// ReadHost reads what this machine is. Only memory and processors must be
// readable; everything else is left empty when it is not.
func ReadHost(ctx context.Context) (Host, error) {
	h := Host{Architecture: runtime.GOARCH, OS: osName(root), Board: board(root)}
	h.Hostname, _ = os.Hostname()
	h.Kernel, _ = host.KernelVersionWithContext(ctx)
	if system, role, err := host.VirtualizationWithContext(ctx); err == nil && role == "guest" {
		h.Virtualisation = system
	}
	if up, err := Uptime(ctx); err == nil {
		h.BootTime = time.Now().Add(-up).Truncate(time.Second)
	}
	if infos, err := cpu.InfoWithContext(ctx); err == nil && len(infos) > 0 {
		h.CPUModel, h.CPUVendor, h.CPUMHz = infos[0].ModelName, infos[0].VendorID, infos[0].Mhz
	}
	var err error
	if h.Cores, err = cpu.CountsWithContext(ctx, true); err != nil || h.Cores < 1 {
		return Host{}, fmt.Errorf("count processors: found %d: %w", h.Cores, err)
	}
	h.RealCores = h.Cores
	if n, err := cpu.CountsWithContext(ctx, false); err == nil && n > 0 && n < h.Cores {
		h.RealCores = n
	}
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return Host{}, fmt.Errorf("read memory: %w", err)
	}
	h.RAM, h.Swap = memory.Total, memory.SwapTotal
	return h, ctx.Err()
}

// osName returns PRETTY_NAME of os-release(5), or "".
func osName(root string) string {
	for _, path := range []string{"etc/os-release", "usr/lib/os-release"} {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
				return strings.Trim(name, `"'`)
			}
		}
	}
	return ""
}

// board returns the device tree's model, a text that ends in a zero byte, or "".
func board(root string) string {
	text, err := os.ReadFile(filepath.Join(root, "proc/device-tree/model"))
	if err != nil {
		return ""
	}
	return strings.Trim(string(text), "\x00 \n")
}

// Uptime is the time since this machine was started.
func Uptime(ctx context.Context) (time.Duration, error) {
	// CLOCK_BOOTTIME counts suspended time too and is not cut to seconds.
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &ts); err != nil {
		return 0, fmt.Errorf("read the time since start: %w", err)
	}
	return time.Duration(ts.Nano()), ctx.Err()
}

// Load is how busy this machine is.
type Load struct {
	Load1, Load5, Load15   float64 // mean number of processes that run or wait, over 1, 5, 15 minutes
	CPUBusy, CPUSteal      float64 // share of all processors' time in the window, 0 to 1
	MemTotal, MemAvailable uint64  // bytes
	SwapTotal, SwapFree    uint64  // bytes
}

// ReadLoad reads the load, watching the processors for window. With window 0
// it returns at once, without CPUBusy and CPUSteal.
func ReadLoad(ctx context.Context, window time.Duration) (Load, error) {
	if window < 0 {
		return Load{}, fmt.Errorf("window %v: want 0 or more", window)
	}
	var l Load
	if window > 0 {
		before, err := readProcessors(ctx)
		if err != nil {
			return Load{}, err
		}
		if err := wait(ctx, window); err != nil {
			return Load{}, err
		}
		after, err := readProcessors(ctx)
		if err != nil {
			return Load{}, err
		}
		l.CPUBusy, l.CPUSteal = after.since(before).shares()
	}
	average, err := load.AvgWithContext(ctx)
	if err != nil {
		return Load{}, fmt.Errorf("read load average: %w", err)
	}
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return Load{}, fmt.Errorf("read memory: %w", err)
	}
	l.Load1, l.Load5, l.Load15 = average.Load1, average.Load5, average.Load15
	l.MemTotal, l.MemAvailable = memory.Total, memory.Available
	l.SwapTotal, l.SwapFree = memory.SwapTotal, memory.SwapFree
	return l, ctx.Err()
}

// wait returns after d, or when ctx ends with its error.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// processors is time of all processors together, in seconds since the start.
type processors struct {
	busy, steal, total float64
}

func readProcessors(ctx context.Context) (processors, error) {
	all, err := cpu.TimesWithContext(ctx, false)
	if err != nil {
		return processors{}, fmt.Errorf("read processor times: %w", err)
	}
	if len(all) == 0 {
		return processors{}, fmt.Errorf("read processor times: the kernel tells none")
	}
	t := all[0]
	// User and Nice contain the guests' time.
	busy := t.User + t.Nice + t.System + t.Irq + t.Softirq
	return processors{busy: busy, steal: t.Steal, total: busy + t.Steal + t.Idle + t.Iowait}, nil
}

// since returns the time that passed from before to p. The kernel's counters
// may step back a little; nothing is below zero here.
func (p processors) since(before processors) processors {
	return processors{
		busy:  max(p.busy-before.busy, 0),
		steal: max(p.steal-before.steal, 0),
		total: max(p.total-before.total, 0),
	}
}

// shares are busy and stolen time as shares of the total.
func (p processors) shares() (busy, steal float64) {
	if p.total == 0 {
		return 0, 0
	}
	return min(p.busy/p.total, 1), min(p.steal/p.total, 1)
}
