package benchmark

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
	"github.com/fluxosd/fluxosd/internal/logattr"
)

// Meter measures this machine once.
type Meter interface {
	// Measure returns a result without Took and By. last is the last good
	// result, nil for none: figures that need not be measured each time may be
	// taken from it. progress may be nil. The measurement stops soon after ctx
	// ends.
	Measure(ctx context.Context, last *Result, progress Progress) (Result, error)
}

// Progress hears what is being measured, and how much of the whole is done, 0 to 1.
type Progress func(step string, done float64)

const (
	// networkEvery is how long network figures stand: measuring them costs volume.
	networkEvery = 24 * time.Hour
	// minFree is how much must be free on a disk of others to be written to, in bytes.
	minFree = 2 << 30
)

// MeterConfig says what a HostMeter measures. The zero value of an option is
// the default of package measure.
type MeterConfig struct {
	// Dirs are folders of fluxosd on the disks that applications use; at least one.
	Dirs []string
	// OwnDisksOnly leaves disks alone that hold none of Dirs. They count as HDD.
	OwnDisksOnly bool

	CPU     measure.CPUOptions  // Nice is always set: applications come first
	Disk    measure.DiskOptions // Dir and Mode are set by the meter
	Memory  measure.MemoryOptions
	Network measure.NetworkOptions // without Servers the network is not measured

	Logger *slog.Logger // nil discards
}

// HostMeter measures the machine it runs on, with package measure.
type HostMeter struct {
	cfg MeterConfig
	log *slog.Logger
}

// NewHostMeter checks the configuration. It measures nothing.
func NewHostMeter(cfg MeterConfig) (*HostMeter, error) {
	if len(cfg.Dirs) == 0 || slices.Contains(cfg.Dirs, "") {
		return nil, errors.New("benchmark meter: no folder to measure the disk in: want the folders of the applications' data")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	cfg.CPU.Nice = true
	return &HostMeter{cfg: cfg, log: cfg.Logger}, nil
}

// Measure measures everything, one thing after the other. Without the host's
// facts or the CPU's speed there is no result; whatever else can't be measured
// is left zero, with a note.
func (m *HostMeter) Measure(ctx context.Context, last *Result, progress Progress) (Result, error) {
	var r Result
	var err error
	if r.Host, err = measure.ReadHost(ctx); err != nil {
		return Result{}, fmt.Errorf("read host: %w", err)
	}
	if r.Disks, err = m.disks(ctx); err != nil {
		return Result{}, err
	}
	network := len(m.cfg.Network.Servers) > 0 && !m.keepsNetwork(last)
	p := newPlan(progress, len(r.Disks), network)

	if r.CPU, err = measure.MeasureCPU(ctx, m.cfg.CPU, p.next("", cpuParts())); err != nil {
		return Result{}, fmt.Errorf("measure CPU: %w", err)
	}
	for i := range r.Disks {
		m.measureDisk(ctx, &r, &r.Disks[i], p.next("disk "+r.Disks[i].Name, diskParts()))
	}
	if r.Memory, err = measure.MeasureMemory(ctx, m.cfg.Memory, p.next("", memoryParts())); err != nil {
		m.note(&r, "memory", err)
	}
	switch {
	case network:
		if r.Network, err = measure.MeasureNetwork(ctx, m.cfg.Network, p.next("", networkParts())); err != nil {
			r.Network = measure.Network{}
			m.note(&r, "network", err)
		} else {
			r.NetworkTime = time.Now()
		}
	case len(m.cfg.Network.Servers) > 0:
		r.Network, r.NetworkTime = last.Network, last.NetworkTime
	}
	if ctx.Err() != nil {
		return Result{}, context.Cause(ctx) // notes would blame the measurements for it
	}
	r.Time = time.Now()
	return r, nil
}

// keepsNetwork reports whether the network figures of the last result still stand.
func (m *HostMeter) keepsNetwork(last *Result) bool {
	if last == nil || !last.NetworkMeasured() {
		return false
	}
	age := time.Since(last.NetworkTime)
	return age >= 0 && age < networkEvery
}

// disks lists the host's disks and marks those that applications use. A volume
// of theirs that is on none of these disks is listed too.
func (m *HostMeter) disks(ctx context.Context) ([]Disk, error) {
	found, err := measure.ReadDisks(ctx)
	if err != nil {
		return nil, fmt.Errorf("read disks: %w", err)
	}
	disks := make([]Disk, 0, len(found)+1)
	for _, d := range found {
		disks = append(disks, Disk{Disk: d})
	}
	for _, dir := range m.cfg.Dirs {
		volume, err := measure.VolumeOf(ctx, dir)
		if err != nil {
			return nil, fmt.Errorf("find the disk of %s: %w", dir, err)
		}
		i := slices.IndexFunc(disks, func(d Disk) bool { return d.Name == volume.Name || d.Mount == volume.Mount })
		if i < 0 {
			i, disks = len(disks), append(disks, Disk{Disk: volume})
		}
		disks[i].Apps = true
		if disks[i].Speed.Dir == "" {
			disks[i].Speed.Dir = dir
		}
	}
	return disks, nil
}

// measureDisk measures the write speed of one disk, or notes why not.
func (m *HostMeter) measureDisk(ctx context.Context, r *Result, d *Disk, progress measure.Progress) {
	o := m.cfg.Disk
	o.Mode, o.Dir = measure.Synced, d.Speed.Dir
	if o.Dir == "" {
		o.Dir = d.Mount
	}
	d.Speed = measure.DiskSpeed{}
	err := d.refusal(m.cfg.OwnDisksOnly)
	if err == nil {
		d.Speed, err = measure.MeasureDisk(ctx, o, progress)
	}
	if err != nil {
		d.Speed = measure.DiskSpeed{}
		m.note(r, "disk "+d.Name, err)
	}
}

// refusal says why a disk is not measured, or nil. Disks that applications use
// are always tried.
func (d *Disk) refusal(ownOnly bool) error {
	switch {
	case d.Apps:
		return nil
	case ownOnly:
		return errors.New("not used for applications")
	case d.ReadOnly:
		return errors.New("mounted read-only")
	case d.Usable < minFree:
		return errors.New("less than 2 GiB free")
	}
	return nil
}

func (m *HostMeter) note(r *Result, what string, err error) {
	r.Notes = append(r.Notes, what+" not measured: "+err.Error())
	m.log.Warn("Part of the benchmark is missing", slog.String("part", what), logattr.Err(err))
}
