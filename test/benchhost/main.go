// Command benchhost compares the figures of package measure with those of
// sysbench and fio on the same machine, and says whether they agree as well as
// the project promises: processor events within 15 %, direct disk writes within
// 25 %.
//
// It promises to compare like with like: the same work, size and duration, the
// tool and fluxosd in turn, medians of several rounds. Rounds whose figures
// spread too far prove nothing and are repeated up to twice, whatever they say;
// of all attempts the one that spread least counts, and the output tells how
// many there were. It leaves no file behind.
//
// It refuses to judge without the tools, to correct a figure, and to repeat a
// quiet comparison because of its outcome.
//
// Exit status: 0 all targets met, 1 a target missed, 2 it could not measure, also
// because the machine was too busy.
// (go run turns every failure into 1.)
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/fluxosd/fluxosd/internal/benchmark/measure"
)

// Exit statuses.
const (
	exitMet    = 0
	exitMissed = 1
	exitFailed = 2
)

// Targets: how far our figure may be from the tool's.
const (
	cpuTarget  = 0.15
	diskTarget = 0.25
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status, err := run(ctx, os.Args[1:], exec.LookPath, os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		status = exitMet
	} else if err != nil {
		fmt.Fprintln(os.Stderr, "benchhost:", err)
	}
	os.Exit(status)
}

// options are what the command line says.
type options struct {
	json   bool
	time   time.Duration // of each processor figure in each round
	size   int64         // bytes of each disk write
	dir    string
	rounds int
}

// parseOptions reads the command line. Usage and errors go to stderr.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{size: 1 << 30}
	flags := flag.NewFlagSet("benchhost", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&o.json, "json", false, "print JSON instead of a table")
	flags.DurationVar(&o.time, "time", 10*time.Second, "length of a processor measurement in each round, 1s to 60s")
	flags.Func("size", "size of a disk write, such as 256MiB or 1GiB (default 1GiB)", func(s string) (err error) {
		o.size, err = parseSize(s)
		return err
	})
	flags.StringVar(&o.dir, "dir", os.TempDir(), "`folder` on the disk to measure")
	flags.IntVar(&o.rounds, "rounds", 3, "rounds of each comparison, 1 to 20")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.time < time.Second || o.time > time.Minute || o.time%time.Second != 0:
		return o, fmt.Errorf("-time %v: want whole seconds from 1s to 60s", o.time)
	case o.rounds < 1 || o.rounds > 20:
		return o, fmt.Errorf("-rounds %d: want 1 to 20", o.rounds)
	}
	return o, nil
}

// parseSize reads whole MiB or GiB, 16 MiB to 64 GiB, and returns bytes.
func parseSize(s string) (int64, error) {
	var n int64
	var unit string
	if _, err := fmt.Sscanf(s, "%d%s", &n, &unit); err == nil && n > 0 && n <= 64<<10 {
		switch unit {
		case "MiB":
			n <<= 20
		case "GiB":
			n <<= 30
		default:
			n = 0
		}
		if n >= 16<<20 && n <= 64<<30 {
			return n, nil
		}
	}
	return 0, fmt.Errorf("size %q: want 16MiB to 64GiB in whole MiB or GiB", s)
}

// run makes all comparisons, prints them, and returns the exit status.
func run(ctx context.Context, args []string, look func(string) (string, error), stdout, stderr io.Writer) (int, error) {
	o, err := parseOptions(args, stderr)
	if err != nil {
		return exitFailed, err
	}
	t := tools{}
	if t.sysbench, err = look("sysbench"); err != nil {
		return exitFailed, missing("sysbench")
	}
	if t.fio, err = look("fio"); err != nil {
		return exitFailed, missing("fio")
	}
	r := report{Rounds: o.rounds, Time: o.time.String(), Size: o.size, Dir: o.dir}
	if r.Host, err = measure.ReadHost(ctx); err != nil {
		return exitFailed, err
	}
	if r.Volume, err = measure.VolumeOf(ctx, o.dir); err != nil {
		return exitFailed, err
	}
	for _, c := range comparisons(t, o, runtime.NumCPU()) {
		fmt.Fprintln(stderr, "comparing", c.title)
		rows, err := c.judge(ctx, o.rounds)
		if err != nil {
			return exitFailed, fmt.Errorf("%s: %w", c.title, err)
		}
		r.Rows = append(r.Rows, rows...)
	}
	if o.json {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(r)
	} else {
		err = r.print(stdout)
	}
	if err != nil {
		return exitFailed, fmt.Errorf("print the report: %w", err)
	}
	return r.status(), nil
}

func missing(tool string) error {
	return fmt.Errorf("%s is not installed; on Debian and Ubuntu: apt-get install sysbench fio", tool)
}
