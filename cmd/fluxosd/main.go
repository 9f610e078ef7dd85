// Command fluxosd runs a Flux node's API: the daemon, and the tools of its
// operator. This package is the command line and the wiring; every promise is
// kept by a package under internal.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), stopSignals(os.Getenv)...)
	p := process{args: os.Args[1:], env: os.Environ(), out: os.Stdout, err: os.Stderr}
	err := p.run(ctx)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errAgain):
		startAgain()
	case errors.Is(err, errProblems):
		os.Exit(1) // the report has been printed
	case errors.Is(err, errUsage), errors.Is(err, errCannot):
		fmt.Fprintln(os.Stderr, "fluxosd:", err)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "fluxosd:", err)
		os.Exit(1)
	}
}

// stopSignals end the process in order. A closed terminal does so too; under a
// service manager nobody's terminal can close, and a hangup is ignored.
func stopSignals(getenv func(string) string) []os.Signal {
	if getenv("NOTIFY_SOCKET") != "" {
		signal.Ignore(syscall.SIGHUP)
		return []os.Signal{os.Interrupt, syscall.SIGTERM}
	}
	return []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}
}

// errAgain ends a daemon that shall start again.
var errAgain = errors.New("restart asked for")

// exitAgain is the status that makes a service manager start the daemon again.
const exitAgain = 75

// startAgain starts this program anew: by the service manager where there is
// one, else in place, with the same arguments and environment.
func startAgain() {
	if os.Getenv("NOTIFY_SOCKET") != "" || os.Getenv("INVOCATION_ID") != "" {
		os.Exit(exitAgain)
	}
	path, err := os.Executable()
	if err == nil {
		err = syscall.Exec(path, os.Args, os.Environ())
	}
	fmt.Fprintln(os.Stderr, "fluxosd: restart:", err)
	os.Exit(1)
}

// errProblems says that a report with problems was printed; errCannot marks
// what keeps a command from finding out.
var (
	errProblems = errors.New("there are problems")
	errCannot   = errors.New("nothing could be found out")
)

// errUsage marks errors of the command line itself.
var errUsage = errors.New("see fluxosd help")

func usagef(format string, args ...any) error {
	return fmt.Errorf("%s; %w", fmt.Sprintf(format, args...), errUsage)
}

// process is what the outside world gives a command, so that tests can be it.
type process struct {
	args     []string
	env      []string
	out, err io.Writer
}

// getenv returns a variable of the process's environment.
func (p *process) getenv(name string) string {
	for _, kv := range slices.Backward(p.env) {
		if v, ok := strings.CutPrefix(kv, name+"="); ok {
			return v
		}
	}
	return ""
}

// command is one verb of the command line.
type command struct {
	name, args, summary string
	run                 func(p *process, ctx context.Context, args []string) error
}

func commands() []command {
	return []command{
		{"serve", "[--config FILE] [--demo] [--set key=value]", "run the daemon", (*process).serve},
		{"config", "check|sample [--config FILE]", "check the configuration, or print a commented sample", (*process).config},
		{"import", "--userconfig FILE [--daemon-conf FILE]", "turn a FluxOS userconfig.js and a flux.conf into our file", (*process).importFluxOS},
		{"login", "--key-file FILE [--url URL]", "log in with a wallet key and print a zelidauth header", (*process).login},
		{"status", "[--config FILE]", "tell what the running daemon says of itself", (*process).status},
		{"doctor", "[--config FILE] [--json]", "tell what keeps this node from earning, and what to do", (*process).doctor},
		{"bench", "[--config FILE] [--quick] [--json]", "measure this machine, and compare it with the tiers", (*process).bench},
		{"routes", "[--missing] [--json]", "list the routes, or those not built yet", (*process).routes},
		{"devnet", "[--listen ADDRESS]", "serve a simulated chain daemon and benchmark daemon", (*process).devnet},
		{"version", "[--json]", "print what this binary is", (*process).version},
	}
}

func (p *process) run(ctx context.Context) error {
	if len(p.args) == 0 || p.args[0] == "help" || p.args[0] == "-h" || p.args[0] == "--help" {
		p.usage(p.out)
		if len(p.args) == 0 {
			return usagef("no command given")
		}
		return nil
	}
	for _, c := range commands() {
		if c.name == p.args[0] {
			return c.run(p, ctx, p.args[1:])
		}
	}
	return usagef("unknown command %q", p.args[0])
}

func (p *process) usage(w io.Writer) {
	fmt.Fprint(w, "fluxosd runs a Flux node's API.\n\nUsage: fluxosd COMMAND [FLAGS]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-8s %-45s %s\n", c.name, c.args, c.summary)
	}
	fmt.Fprint(w, "\nfluxosd COMMAND -h tells the flags of a command.\n")
}

// flags returns a flag set that reports errors as usage errors.
func (p *process) flags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet("fluxosd "+name, flag.ContinueOnError)
	fs.SetOutput(p.err)
	return fs
}

func parse(fs *flag.FlagSet, args []string, operands int) error {
	if err := fs.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w; %w", err, errUsage)
	}
	if fs.NArg() > operands {
		return usagef("%s takes no argument %q", fs.Name(), fs.Arg(operands))
	}
	return nil
}

// list is a flag that may be given several times.
type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }
