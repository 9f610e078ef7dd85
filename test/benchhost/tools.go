package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
)

// toolMargin bounds a tool's run beyond the time it should take.
const toolMargin = 30 * time.Second

// diskLimit bounds a disk run of the tool and of ours.
const diskLimit = 5 * time.Minute

// tools are the paths of the programs that we compare with.
type tools struct{ sysbench, fio string }

// diskRepeat: a disk write takes a second or so, too short to be trusted as
// much as a processor measurement.
const diskRepeat = 3

// comparisons lists everything that is compared, with one thread and threads.
func comparisons(t tools, o options, threads int) []comparison {
	var list []comparison
	for _, limit := range []int{10_000, 60_000} {
		list = append(list, comparison{
			title: fmt.Sprintf("processor events, primes below %d", limit),
			subjects: []subject{
				{fmt.Sprintf("CPU, 1 thread, primes below %d", limit), "sysbench", "events/s", cpuTarget},
				{fmt.Sprintf("CPU, %d threads, primes below %d", threads, limit), "sysbench", "events/s", cpuTarget},
			},
			repeat: 1,
			tool: func(ctx context.Context) ([]float64, []measure.Disturbance, error) {
				single, err := t.events(ctx, limit, 1, o.time)
				if err != nil {
					return nil, nil, err
				}
				multi, err := t.events(ctx, limit, threads, o.time)
				return []float64{single, multi}, nil, err
			},
			ours: func(ctx context.Context) ([]float64, []measure.Disturbance, error) {
				c, err := measure.MeasureCPU(ctx, measure.CPUOptions{PrimeLimit: limit, Time: o.time}, nil)
				return []float64{c.Single.Median, c.Multi.Median}, c.Disturbed, err
			},
		})
	}
	return append(list,
		t.writing(o, measure.Direct, "Disk write, direct, 1 MiB blocks", diskTarget,
			"--direct=1", "--bs=1M"),
		t.writing(o, measure.Synced, "Disk write, buffered zeros and one sync, 64 KiB blocks", 0,
			"--direct=0", "--bs=64k", "--zero_buffers", "--end_fsync=1"))
}

// writing compares a disk write of one mode with fio's of the given arguments.
func (t tools) writing(o options, mode measure.Mode, name string, target float64, arguments ...string) comparison {
	return comparison{
		title:    name,
		subjects: []subject{{name, "fio", "MB/s", target}},
		repeat:   diskRepeat,
		tool: func(ctx context.Context) ([]float64, []measure.Disturbance, error) {
			speed, err := t.write(ctx, o, arguments)
			return []float64{speed}, nil, err
		},
		ours: func(ctx context.Context) ([]float64, []measure.Disturbance, error) {
			if err := settle(o.dir); err != nil {
				return nil, nil, err
			}
			s, err := measure.MeasureDisk(ctx, measure.DiskOptions{Dir: o.dir, Size: o.size, Runs: 1, TimeLimit: diskLimit, Mode: mode}, nil)
			if err == nil && s.Bytes != o.size {
				err = fmt.Errorf("%w: only %d of %d bytes may be written", measure.ErrNoSpace, s.Bytes, o.size)
			}
			return []float64{s.Write.Median}, s.Disturbed, err
		},
	}
}

// settle writes back what earlier runs left on the file system of dir, so that
// no run pays for another.
func settle(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := unix.Syncfs(int(folder.Fd())); err != nil {
		return fmt.Errorf("sync the file system of %s: %w", dir, err)
	}
	return nil
}

// events runs sysbench and returns its events per second.
func (t tools) events(ctx context.Context, limit, threads int, d time.Duration) (float64, error) {
	out, err := output(ctx, d+toolMargin, t.sysbench, "cpu",
		fmt.Sprintf("--cpu-max-prime=%d", limit), fmt.Sprintf("--threads=%d", threads),
		fmt.Sprintf("--time=%d", int(d.Seconds())), "run")
	if err != nil {
		return 0, err
	}
	return parseSysbench(out)
}

// write runs fio once in a new folder and returns its MB/s.
func (t tools) write(ctx context.Context, o options, arguments []string) (speed float64, err error) {
	if err := settle(o.dir); err != nil {
		return 0, err
	}
	folder, err := os.MkdirTemp(o.dir, "benchhost-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	arguments = append([]string{
		"--name=benchhost", "--directory=" + filepath.Clean(folder), "--rw=write", "--ioengine=psync",
		fmt.Sprintf("--size=%d", o.size), "--unlink=1", "--output-format=json",
	}, arguments...)
	out, err := output(ctx, diskLimit, t.fio, arguments...)
	if err != nil {
		return 0, err
	}
	return parseFio(out)
}

// output runs a program and returns what it prints.
func output(ctx context.Context, limit time.Duration, program string, arguments ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var stdout, stderr bytes.Buffer
	command := exec.CommandContext(ctx, program, arguments...)
	command.Stdout, command.Stderr = &stdout, &stderr
	command.WaitDelay = time.Second
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("run %s: %w: %s", program, errors.Join(err, ctx.Err()), strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// parseSysbench finds the events per second in sysbench's report.
func parseSysbench(out []byte) (float64, error) {
	for line := range strings.Lines(string(out)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "events per second:"); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil || !(v > 0 && v < 1e12) {
				return 0, fmt.Errorf("sysbench says events per second %q: want a positive number", strings.TrimSpace(text))
			}
			return v, nil
		}
	}
	return 0, errors.New("sysbench's report has no line \"events per second\"")
}

// parseFio finds the write speed in fio's JSON and returns MB/s. fio may print
// notes before the JSON.
func parseFio(out []byte) (float64, error) {
	at := bytes.IndexByte(out, '{')
	if at < 0 {
		return 0, errors.New("fio's report has no JSON")
	}
	var r struct {
		Jobs []struct {
			Error int
			Write struct {
				IOBytes int64   `json:"io_bytes"`
				BWBytes float64 `json:"bw_bytes"`
			}
		}
	}
	if err := json.Unmarshal(out[at:], &r); err != nil {
		return 0, fmt.Errorf("fio's report: %w", err)
	}
	if len(r.Jobs) != 1 {
		return 0, fmt.Errorf("fio reports %d jobs: want 1", len(r.Jobs))
	}
	job := r.Jobs[0]
	if job.Error != 0 || job.Write.IOBytes <= 0 || job.Write.BWBytes <= 0 {
		return 0, fmt.Errorf("fio wrote %d bytes at %v bytes/s with error %d: want a finished write", job.Write.IOBytes, job.Write.BWBytes, job.Error)
	}
	return job.Write.BWBytes / 1e6, nil
}
