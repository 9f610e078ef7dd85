// Package measure answers two questions: what is this machine, and how fast is
// it?
//
// It promises figures of repeated runs with their spread, taken by methods that
// established tools use too (the CPU event of sysbench, the sequential write of
// fio and dd), and it says what disturbed them: CPU time that the hypervisor
// took, other processes, other disk traffic, a throttled processor. Every
// measurement ends soon after its context does, leaves no file, goroutine, thread
// or lowered priority behind, and bounds what it uses: time, disk space, memory
// and network volume.
//
// It refuses to keep results, to schedule anything, to mount or format
// anything, to touch any file but its own in the folder it was given, and
// to correct a figure. It knows nothing of tiers. It works on Linux only.
package measure

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// Reasons why a measurement did not take place. They are wrapped in errors
// that say what was needed.
var (
	ErrNoSpace  = errors.New("not enough free disk space")
	ErrNoMemory = errors.New("not enough available memory")
	// ErrNoDirect: the file system refuses O_DIRECT, as many that live in
	// memory do.
	ErrNoDirect = errors.New("the file system does not support direct writes")
)

// Progress is told how far a step is: done goes from 0 to 1 and never back.
// It is called by one goroutine at a time and should return quickly. A nil
// Progress is not called.
type Progress func(step string, done float64)

func (p Progress) report(step string, done float64) {
	if p != nil {
		p(step, min(max(done, 0), 1))
	}
}

// Figure is a measured quantity: the median of repeated runs, with the lowest
// and the highest. Its unit is said where it is used. The zero Figure means
// "not measured".
type Figure struct {
	Median float64   `json:"median"`
	Low    float64   `json:"low"`
	High   float64   `json:"high"`
	Runs   []float64 `json:"runs"` // in the order in which they were made
}

// Spread is the distance of the extremes as a share of the median: 0 for equal
// runs and for what was not measured.
func (f Figure) Spread() float64 {
	if f.Median == 0 {
		return 0
	}
	return (f.High - f.Low) / f.Median
}

// figure summarises runs, which it keeps.
func figure(runs []float64) Figure {
	if len(runs) == 0 {
		return Figure{}
	}
	sorted := slices.Sorted(slices.Values(runs))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + median) / 2
	}
	return Figure{Median: median, Low: sorted[0], High: sorted[len(sorted)-1], Runs: runs}
}

// Disturbance is something besides the measurement that used the machine while
// it ran, and its share, 0 to 1, in the run that it disturbed most.
type Disturbance struct {
	Reason string  `json:"reason"`
	Share  float64 `json:"share"`
}

// The reasons of a Disturbance, and what Share is a share of.
const (
	Steal     = "cpu steal"          // of all processors' time: given by the hypervisor to others
	OtherLoad = "other load"         // of all processors' time: used by anything but the measuring threads
	OtherDisk = "other disk traffic" // of the bytes that the device moved
	Throttled = "thermal/frequency"  // of all cores' time: spent throttled for heat, counted by the processor
)

// worst keeps the highest share of each reason.
type worst map[string]float64

// note remembers share when it is above floor, below which every machine is at
// any time.
func (w worst) note(reason string, share, floor float64) {
	if share > floor {
		w[reason] = min(max(share, w[reason]), 1)
	}
}

// list returns the disturbances, the largest first.
func (w worst) list() []Disturbance {
	var list []Disturbance
	for reason, share := range w {
		list = append(list, Disturbance{reason, share})
	}
	slices.SortFunc(list, func(a, b Disturbance) int {
		return cmp.Or(cmp.Compare(b.Share, a.Share), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

// Kind is the kind of a disk. Its text is "unknown", "hdd", "ssd" or "nvme".
type Kind uint8

// The kinds of disk. A virtual disk is what its host says it is, which is often
// HDD whatever lies below.
const (
	Unknown Kind = iota
	HDD          // rotates
	SSD          // does not
	NVMe
)

// Mode is a way to write. Its text is "synced" or "direct".
type Mode uint8

const (
	// Synced writes 64 KiB blocks of zeros through the page cache and syncs the
	// data once at the end, inside the timed part: the network's method.
	Synced Mode = iota
	// Direct writes 1 MiB blocks past the page cache (O_DIRECT), as fio's
	// direct=1 does.
	Direct
)

// Texts of Kind and Mode, by value.
func kindTexts() []string { return []string{"unknown", "hdd", "ssd", "nvme"} }
func modeTexts() []string { return []string{"synced", "direct"} }

// String returns the text of k.
func (k Kind) String() string { return textOf(kindTexts(), uint8(k)) }

// MarshalText returns the text of k, or an error when k is none of the kinds.
func (k Kind) MarshalText() ([]byte, error) { return marshal("kind of disk", kindTexts(), uint8(k)) }

// UnmarshalText accepts what MarshalText returns.
func (k *Kind) UnmarshalText(text []byte) error {
	v, err := unmarshal("kind of disk", kindTexts(), text)
	*k = Kind(v)
	return err
}

// String returns the text of m.
func (m Mode) String() string { return textOf(modeTexts(), uint8(m)) }

// MarshalText returns the text of m, or an error when m is none of the modes.
func (m Mode) MarshalText() ([]byte, error) { return marshal("write mode", modeTexts(), uint8(m)) }

// UnmarshalText accepts what MarshalText returns.
func (m *Mode) UnmarshalText(text []byte) error {
	v, err := unmarshal("write mode", modeTexts(), text)
	*m = Mode(v)
	return err
}

func textOf(texts []string, v uint8) string {
	if int(v) >= len(texts) {
		return fmt.Sprintf("invalid(%d)", v)
	}
	return texts[v]
}

func marshal(what string, texts []string, v uint8) ([]byte, error) {
	if int(v) >= len(texts) {
		return nil, fmt.Errorf("%s %d: want 0 to %d", what, v, len(texts)-1)
	}
	return []byte(texts[v]), nil
}

func unmarshal(what string, texts []string, text []byte) (uint8, error) {
	i := slices.Index(texts, string(text))
	if i < 0 {
		return 0, fmt.Errorf("%s %q: want one of %q", what, text, texts)
	}
	return uint8(i), nil
}
