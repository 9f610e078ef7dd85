package benchmark

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
)

// BenchVersion names the method of the native figures.
const BenchVersion = "fluxosd-1"

// speedVersion names the method of the native network figures.
const speedVersion = "fluxosd-1"

// ssdSpeed is the write speed in MiB/s from which a disk counts as SSD.
const ssdSpeed = 180

// Result is one completed measurement of this machine. What was not measured is
// zero, and a note says why. A Result is never changed once it is complete.
type Result struct {
	Time    time.Time       `bson:"time"` // of the end
	Took    time.Duration   `bson:"took"` // in nanoseconds
	By      string          `bson:"by"`   // who asked: "schedule", or what Request was told
	Host    measure.Host    `bson:"host"`
	CPU     measure.CPU     `bson:"cpu"`
	Disks   []Disk          `bson:"disks"`
	Memory  measure.Memory  `bson:"memory"`
	Network measure.Network `bson:"network"`
	// NetworkTime is when the network was measured; it is zero when it was not,
	// and older than Time when the figures of an earlier result stand.
	NetworkTime time.Time `bson:"networktime"`
	// Notes say in words what was not measured, and why.
	Notes []string `bson:"notes"`
}

// Disk is a disk with its speed, which is zero when it was not measured.
type Disk struct {
	measure.Disk `bson:",inline"`
	Speed        measure.DiskSpeed `bson:"speed"`
	// Apps: applications keep their data on this disk.
	Apps bool `bson:"apps"`
}

// IsSSD reports whether the disk is fast enough to count as SSD, whatever it is made of.
func (d Disk) IsSSD() bool { return d.write() >= ssdSpeed }

// write is the speed in MiB/s that the network compares.
func (d Disk) write() float64 { return d.Speed.MiBps.Median }

// SSD is the size in GiB of all disks that count as SSD.
func (r Result) SSD() float64 { return r.size(true) }

// HDD is the size in GiB of all other disks.
func (r Result) HDD() float64 { return r.size(false) }

func (r Result) size(ssd bool) float64 {
	var bytes uint64
	for _, d := range r.Disks {
		if d.IsSSD() == ssd {
			bytes += d.Size
		}
	}
	return gib(bytes)
}

// DiskWrite is the speed in MiB/s of the fastest disk that applications use, or
// of the fastest of all when none of theirs was measured.
func (r Result) DiskWrite() float64 {
	var apps, any float64
	for _, d := range r.Disks {
		any = max(any, d.write())
		if d.Apps {
			apps = max(apps, d.write())
		}
	}
	if apps > 0 {
		return apps
	}
	return any
}

// RAM is the memory in GiB, not rounded.
func (r Result) RAM() float64 { return gib(r.Host.RAM) }

// EPS is the CPU's figure that the network compares: events per second of one
// thread times the processors of the highest tier that the machine is large
// enough for; times its own processors when it is smaller than every tier.
func (r Result) EPS() float64 {
	processors, f := float64(r.Host.Cores), r.figures()
	for _, t := range tierNeeds() {
		if t.largeEnough(f) {
			processors = t.threads
		}
	}
	return r.CPU.Single.Median * processors
}

// NetworkMeasured reports whether the network figures stand for a measurement.
func (r Result) NetworkMeasured() bool { return !r.NetworkTime.IsZero() }

// Disturbances lists what disturbed the figures, each reason once with its
// largest share.
func (r Result) Disturbances() []measure.Disturbance {
	all := slices.Concat(r.CPU.Disturbed, r.Memory.Disturbed)
	for _, d := range r.Disks {
		all = append(all, d.Speed.Disturbed...)
	}
	slices.SortFunc(all, func(a, b measure.Disturbance) int {
		return cmp.Or(cmp.Compare(a.Reason, b.Reason), cmp.Compare(b.Share, a.Share))
	})
	return slices.CompactFunc(all, func(a, b measure.Disturbance) bool { return a.Reason == b.Reason })
}

func gib(bytes uint64) float64 { return float64(bytes) / (1 << 30) }

// rounded keeps so many decimals.
func rounded(x float64, decimals int) float64 {
	p := math.Pow10(decimals)
	return math.Round(x*p) / p
}
