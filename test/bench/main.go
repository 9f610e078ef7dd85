// Command bench measures a fluxosd binary against a bare net/http server on the
// same machine, and says whether the figures that the project promises hold.
//
// It promises to compare like with like: the same lean client, connections and
// duration for both servers, the baseline measured before and after every
// figure, medians of several rounds with their spread. It starts every server
// itself, on loopback, with a temporary folder and fluxosd's default settings,
// leaves no process and no file behind, also when it is interrupted, and gives
// up after five minutes. (SIGKILL leaves the folder, but no process.) It works
// on Linux only, where it reads /proc.
//
// It refuses to measure a server that it has not started, a reply that is not a
// success, and anything but loopback.
//
// Exit status: 0 all targets met, 1 a target missed, 2 it could not measure.
// (go run turns every failure into 1.)
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Exit statuses.
const (
	exitMet    = 0
	exitMissed = 1
	exitFailed = 2
)

// wholeTime bounds the program from start to end.
const wholeTime = 5 * time.Minute

func main() {
	if len(os.Args) == 3 && os.Args[1] == baselineFlag {
		if err := serveBaseline(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "bench: baseline:", err)
			os.Exit(exitFailed)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeoutCause(ctx, wholeTime, fmt.Errorf("gave up after %v", wholeTime))
	status := run(ctx, os.Args[1:], defaultPlan(), os.Stdout, os.Stderr)
	cancel()
	stop()
	os.Exit(status)
}

// options are what the command line says.
type options struct {
	binary  string // "": build one
	seconds float64
	conns   int
	json    string // file for the figures; "": none
}

// parseOptions reads the command line. Usage and errors go to stderr.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.binary, "binary", "", "fluxosd `file` to measure; without it one is built")
	flags.Float64Var(&o.seconds, "seconds", 5, "length of one measurement, 0.1 to 7 `s`")
	flags.IntVar(&o.conns, "conns", 128, "`connections`, 1 to 1000")
	flags.StringVar(&o.json, "json", "", "`file` for all figures as JSON")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if !(o.seconds >= 0.1 && o.seconds <= 7) { // so written, NaN is refused too
		return o, fmt.Errorf("-seconds: %v is outside 0.1 to 7: the whole run must end in %v", o.seconds, wholeTime)
	}
	if o.conns < 1 || o.conns > 1000 {
		return o, fmt.Errorf("-conns: %d is outside 1 to 1000", o.conns)
	}
	return o, nil
}

// run measures, prints and returns the exit status. Progress and errors go to stderr.
func run(ctx context.Context, args []string, p plan, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return exitMet
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	rep, err := measure(ctx, o, p, stderr)
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx) // what failed is only its consequence
		}
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	if err := rep.print(stdout); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return exitFailed
	}
	if o.json != "" {
		if err := rep.writeJSON(o.json); err != nil {
			fmt.Fprintln(stderr, "bench:", err)
			return exitFailed
		}
	}
	if rep.missed() > 0 {
		return exitMissed
	}
	return exitMet
}
