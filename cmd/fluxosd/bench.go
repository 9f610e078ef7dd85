package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
)

// Measurements of bench --quick: good for a look, not for a comparison.
const (
	quickCPU  = 2 * time.Second
	quickDisk = 128 << 20
)

// bench measures this machine and prints what it found. It needs no daemon and
// keeps nothing.
func (p *process) bench(ctx context.Context, args []string) error {
	fs := p.flags("bench")
	s := settings{demo: true} // the owner's Flux ID is of no interest here
	s.register(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	quick := fs.Bool("quick", false, "measure for seconds instead of a minute, less exactly")
	dir := fs.String("dir", "", "`folder` whose disk is measured (default node.data_dir, or the folder for temporary files when that isn't there)")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	s.demo = s.file == "" && p.getenv("FLUXOSD_CONFIG") == "" && !exists(defaultConfig)
	cfg, err := p.load(s)
	if err != nil {
		return fmt.Errorf("%w: %w", errCannot, err)
	}
	mc := benchmark.MeterConfig{Dirs: []string{*dir},
		CPU:     measure.CPUOptions{Time: cfg.Benchmark.CPUTime},
		Disk:    measure.DiskOptions{Size: int64(cfg.Benchmark.DiskSize)},
		Network: measure.NetworkOptions{Servers: cfg.Benchmark.SpeedServers},
	}
	if *dir != "" {
		if err := writable(*dir); err != nil {
			return fmt.Errorf("%w: --dir: %w", errCannot, err)
		}
	} else {
		if mc.Dirs[0] = cfg.Node.DataDir; !exists(mc.Dirs[0]) {
			mc.Dirs[0] = os.TempDir()
		}
	}
	if *quick {
		mc.CPU.Time, mc.Disk.Size, mc.OwnDisksOnly = quickCPU, quickDisk, true
	}
	meter, err := benchmark.NewHostMeter(mc)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, cfg.Benchmark.TimeLimit)
	defer cancel()
	bar, begun := p.progress("measuring"), time.Now()
	result, err := meter.Measure(ctx, nil, bar.set)
	bar.done()
	if err != nil {
		return fmt.Errorf("%w: %w", errCannot, err)
	}
	result.Time = time.Now()
	result.Took = result.Time.Sub(begun)
	if *asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		return enc.Encode(struct {
			benchmark.Benchmarks
			Host      measure.Host          `json:"host"`
			Volumes   []volume              `json:"volumes"`
			ForApps   uint64                `json:"usable_for_apps_bytes"`
			Took      float64               `json:"took"` // seconds
			Memory    measure.Figure        `json:"memory_copy"`
			Single    measure.Figure        `json:"events_single"`
			Multi     measure.Figure        `json:"events_multi"`
			Notes     []string              `json:"notes"`
			Disturbed []measure.Disturbance `json:"disturbed"`
			Tiers     []benchmark.Verdict   `json:"tiers"`
		}{benchmark.Reply(result, ""), result.Host, volumesOf(result), forApps(result), result.Took.Seconds(), result.Memory.Copy, result.CPU.Single, result.CPU.Multi,
			append([]string{}, result.Notes...), append([]measure.Disturbance{}, result.Disturbances()...), benchmark.Tiers(result)})
	}
	return printBench(p.out, result)
}

// volume is a file system with what was measured on it.
type volume struct {
	measure.Disk
	Write measure.Figure `json:"write"` // MiB/s
}

func volumesOf(r benchmark.Result) []volume {
	out := []volume{}
	for _, d := range r.Disks {
		out = append(out, volume{d.Disk, d.Speed.MiBps})
	}
	return out
}

// forApps is how many bytes the disks of the applications still take.
func forApps(r benchmark.Result) (sum uint64) {
	for _, d := range r.Disks {
		if d.Apps {
			sum += d.Usable
		}
	}
	return sum
}

// writable fails unless files can be made in a folder, and leaves none there.
func writable(dir string) error {
	f, err := os.CreateTemp(dir, ".fluxosd-bench-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// bar shows how far a long command is, on a terminal only.
type bar struct{ *progressbar.ProgressBar }

func (p *process) progress(what string) bar {
	out := io.Discard
	if terminal(p.err) {
		out = p.err
	}
	const steps = 1000
	return bar{progressbar.NewOptions(steps, progressbar.OptionSetWriter(out), progressbar.OptionSetDescription(what),
		progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())}
}

// set implements benchmark.Progress.
func (b bar) set(step string, done float64) {
	b.Describe(step)
	b.Set(int(done * float64(b.GetMax()))) // a terminal that can't be written shows nothing
}

func (b bar) done() { b.Finish() }

func printBench(out io.Writer, r benchmark.Result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(w, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	figure := func(f measure.Figure, unit string) string {
		if f.Median == 0 {
			return "not measured"
		}
		return fmt.Sprintf("%.1f %s (%.1f to %.1f)", f.Median, unit, f.Low, f.High)
	}
	h := r.Host
	row("Processor", "%s (%s), %d cores, %d threads, %s", h.CPUModel, h.CPUVendor, h.RealCores, h.Cores, h.Architecture)
	row("Memory", "%.1f GiB, %.1f GiB of swap", float64(h.RAM)/(1<<30), float64(h.Swap)/(1<<30))
	for _, d := range r.Disks {
		row("Disk "+d.Name, "%s at %s, %s, %.1f GiB, %.1f GiB free; write %s", d.Kind, d.Mount, d.FileSystem,
			float64(d.Size)/(1<<30), float64(d.Usable)/(1<<30), figure(d.Speed.MiBps, "MiB/s"))
	}
	row("Usable for apps", "%.1f GiB", float64(forApps(r))/(1<<30))
	row("Events, one thread", "%s", figure(r.CPU.Single, "per second"))
	row("Events, all threads", "%s", figure(r.CPU.Multi, "per second"))
	row("Memory copy", "%s", figure(r.Memory.Copy, "GB/s"))
	if r.NetworkMeasured() {
		row("Network", "ping %s, down %s, up %s, at %s", figure(r.Network.Ping, "ms"), figure(r.Network.Download, "Mbit/s"), figure(r.Network.Upload, "Mbit/s"), r.Network.Server)
	} else {
		row("Network", "not measured: benchmark.speed_servers is empty")
	}
	row("Took", "%v", r.Took.Round(time.Second))
	if err := w.Flush(); err != nil {
		return err
	}
	for _, d := range r.Disturbances() {
		fmt.Fprintf(out, "Disturbed by %s: %.0f %%\n", d.Reason, 100*d.Share)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(out, "Note:", n)
	}
	for _, v := range benchmark.Tiers(r) {
		verdict := "not reached"
		if v.Passed {
			verdict = "reached"
		}
		fmt.Fprintf(out, "\n%s: %s\n", v.Tier, verdict)
		for _, q := range v.Requirements {
			mark := "ok  "
			switch {
			case q.Advisory:
				mark = "?   "
			case !q.Passed:
				mark = "MISS"
			}
			fmt.Fprintf(out, "  %s  %s\n", mark, strings.TrimPrefix(q.Text, string(v.Tier)+": "))
		}
	}
	return nil
}
