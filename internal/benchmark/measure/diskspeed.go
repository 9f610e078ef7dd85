package measure

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Units of disk speed.
const (
	megabyte = 1e6
	mebibyte = 1 << 20
)

// Defaults and limits of DiskOptions.
const (
	defaultDiskSize  = 1 << 30
	defaultDiskRuns  = 3
	defaultDiskLimit = 25 * time.Second
	maxDiskLimit     = 10 * time.Minute
	// keepFree bytes stay free whatever is asked for.
	keepFree = 2 << 30
	// leastSize: a run that the free space cuts below this many bytes measures
	// the disk's own cache rather than the disk.
	leastSize = 64 << 20
)

// filePrefix begins the name of a file that a measurement writes, for the moment
// that it has a name.
const filePrefix = ".fluxosd-measure-"

// DiskOptions say how to measure. Zero values stand for the defaults.
type DiskOptions struct {
	Dir       string        // an existing folder on the disk
	Size      int64         // bytes per run, whole MiB; default 1 GiB; less when the disk is nearly full
	Runs      int           // 1 to 100, default 3
	TimeLimit time.Duration // of one run, up to 10 min, default 25 s; a slower disk writes less
	Mode      Mode
}

func (o DiskOptions) complete() (DiskOptions, error) {
	if o.Size == 0 {
		o.Size = defaultDiskSize
	}
	if o.Runs == 0 {
		o.Runs = defaultDiskRuns
	}
	if o.TimeLimit == 0 {
		o.TimeLimit = defaultDiskLimit
	}
	switch {
	case o.Dir == "":
		return o, errors.New("no folder given: want one on the disk to measure")
	case o.Size < mebibyte || o.Size%mebibyte != 0:
		return o, fmt.Errorf("size %d: want bytes in whole MiB, 1048576 or more", o.Size)
	case o.Runs < 1 || o.Runs > maxRuns:
		return o, fmt.Errorf("runs %d: want 1 to %d", o.Runs, maxRuns)
	case o.TimeLimit < 0 || o.TimeLimit > maxDiskLimit:
		return o, fmt.Errorf("time limit %v: want more than 0 and at most %v", o.TimeLimit, maxDiskLimit)
	case o.Mode > Direct:
		return o, fmt.Errorf("mode %v: want %v or %v", o.Mode, Synced, Direct)
	}
	return o, nil
}

// DiskSpeed is how fast a folder's disk takes a sequential write.
type DiskSpeed struct {
	Write     Figure // MB/s: 10^6 bytes
	MiBps     Figure // MiB/s: 2^20 bytes, of the same runs
	Mode      Mode
	Dir       string
	Bytes     int64 // of one run; a run that met the time limit wrote less
	Disturbed []Disturbance
}

// StepDisk is the step of MeasureDisk, as told to Progress.
const StepDisk = "disk write"

// MeasureDisk measures the disk that holds options.Dir by writing a new file
// there, one for each run, which is gone when it returns. A run takes no more
// than a quarter of what is free, and leaves 2 GiB; the error is ErrNoSpace
// when that is not enough. Files that a killed process left are removed.
//
// When ctx ends it returns within one write, or 32 MiB of syncing.
func MeasureDisk(ctx context.Context, options DiskOptions, progress Progress) (DiskSpeed, error) {
	o, err := options.complete()
	if err != nil {
		return DiskSpeed{}, fmt.Errorf("measure disk: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(o.Dir, &st); err != nil {
		return DiskSpeed{}, fmt.Errorf("measure disk: free space of %s: %w", o.Dir, err)
	}
	if o.Size, err = affordable(o.Size, int64(st.Bavail*blockSize(&st))); err != nil {
		return DiskSpeed{}, fmt.Errorf("measure disk: %s: %w", o.Dir, err)
	}

	result := DiskSpeed{Mode: o.Mode, Dir: o.Dir, Bytes: o.Size}
	disturbed := make(worst)
	var decimal, binary []float64
	progress.report(StepDisk, 0)
	for i := range o.Runs {
		within := func(done float64) { progress.report(StepDisk, (float64(i)+done)/float64(o.Runs)) }
		rate, err := observedRun(ctx, o, within, disturbed)
		if err != nil {
			return DiskSpeed{}, fmt.Errorf("measure disk: %w", err)
		}
		decimal = append(decimal, rate/megabyte)
		binary = append(binary, rate/mebibyte)
		within(1)
	}
	result.Write, result.MiBps, result.Disturbed = figure(decimal), figure(binary), disturbed.list()
	return result, nil
}

// affordable cuts size to what usable bytes allow.
func affordable(size, usable int64) (int64, error) {
	allowed := min(size, usable/4, usable-keepFree) / mebibyte * mebibyte
	if least := min(size, leastSize); allowed < least {
		return 0, fmt.Errorf("%w: %d MiB are free, a run needs %d MiB of which it may use a quarter and must leave %d MiB",
			ErrNoSpace, usable/mebibyte, max(4*least, least+keepFree)/mebibyte, keepFree/mebibyte)
	}
	return allowed, nil
}

// observedRun makes one run and notes what disturbed it. It returns bytes per
// second.
func observedRun(ctx context.Context, o DiskOptions, within func(float64), disturbed worst) (rate float64, err error) {
	file, err := create(o)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()

	var st unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &st); err != nil {
		return 0, fmt.Errorf("stat %s: %w", file.Name(), err)
	}
	number := fmt.Sprintf("%d:%d", unix.Major(st.Dev), unix.Minor(st.Dev))
	here := system{root: root}
	read, written, known := here.moved(number)
	before, err := readProcessors(ctx)
	if err != nil {
		return 0, err
	}

	w := writer{file: file, size: o.Size, limit: o.TimeLimit, within: within}
	rate, err = w.run(ctx, o.Mode)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		err = fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	if err != nil {
		return 0, err
	}

	if after, err := readProcessors(ctx); err == nil {
		_, steal := after.since(before).shares()
		disturbed.note(Steal, steal, stealFloor)
	}
	if readNow, writtenNow, ok := here.moved(number); known && ok {
		all := float64(readNow-read) + float64(writtenNow-written)
		if all > 0 {
			disturbed.note(OtherDisk, (all-float64(w.written))/all, diskFloor)
		}
	}
	return rate, nil
}

// create makes a new file of ours and takes its name away, so that it is gone
// with its descriptor, also when the process is killed. In mode Direct its space is reserved, as fio
// does, so that a run measures the disk and not the search for free blocks.
func create(o DiskOptions) (*os.File, error) {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL | unix.O_NOFOLLOW
	if o.Mode == Direct {
		flags |= unix.O_DIRECT
	}
	name := filepath.Join(o.Dir, filePrefix+rand.Text())
	file, err := os.OpenFile(name, flags, 0o600)
	if err != nil {
		// Some file systems create the file before they refuse the flag.
		if o.Mode == Direct && errors.Is(err, unix.EINVAL) {
			os.Remove(name)
			return nil, fmt.Errorf("create %s: %w", name, ErrNoDirect)
		}
		return nil, fmt.Errorf("create test file: %w", err)
	}
	if err := os.Remove(name); err != nil {
		return nil, errors.Join(fmt.Errorf("take the name of the test file away: %w", err), file.Close())
	}
	if o.Mode == Direct {
		err := unix.Fallocate(int(file.Fd()), 0, 0, o.Size)
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) && !errors.Is(err, unix.ENOSYS) {
			file.Close()
			if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
				err = fmt.Errorf("%w: %w", ErrNoSpace, err)
			}
			return nil, fmt.Errorf("reserve %d bytes: %w", o.Size, err)
		}
	}
	return file, nil
}
