package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// plan says how much is measured.
type plan struct {
	rounds     int           // of every rate
	coldStarts int           // each with an empty store
	idle       time.Duration // from ready to the first look at the memory
	mixed      int           // requests before the second look, over all routes in turn
	presigned  int           // login requests prepared for each round
	loginTime  time.Duration // of one measurement of logins, at most
}

// defaultPlan takes about three minutes with measurements of 5 s.
func defaultPlan() plan {
	return plan{rounds: 3, coldStarts: 9, idle: 3 * time.Second, mixed: 200_000, presigned: 8000, loginTime: 2 * time.Second}
}

// The promises that are not those of a route.
const (
	maxColdStart   = 150 // ms
	maxIdleMemory  = 60  // MB
	maxMixedMemory = 100 // MB
	maxBinarySize  = 60  // MB
)

// route is a request whose rate is promised.
type route struct {
	path    string
	login   bool    // sent with the credentials of a session
	atLeast float64 // of the baseline's rate
}

func routes() []route {
	return []route{
		{path: "/flux/version", atLeast: 0.8},
		{path: "/daemon/getinfo", atLeast: 0.7},
		{path: "/id/loggedsessions", login: true, atLeast: 0.5},
		{path: "/id/loginphrase", atLeast: 0.35},
	}
}

// bench is a run.
type bench struct {
	options
	plan
	dir      string // temporary, for everything
	progress io.Writer
	rep      report

	baseline, fluxosd *child
	requests          [][]byte // of routes(), in their order
}

// measure does a whole run.
func measure(ctx context.Context, o options, p plan, progress io.Writer) (rep *report, err error) {
	dir, err := os.MkdirTemp("", "fluxosd-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{options: o, plan: p, dir: dir, progress: progress}
	b.rep = report{Time: time.Now().UTC(), Machine: thisMachine(), Seconds: o.seconds, Connections: o.conns, Rounds: p.rounds}
	if b.binary == "" {
		b.say("Building fluxosd")
		b.binary, err = build(ctx, dir)
	} else {
		b.binary, err = filepath.Abs(o.binary)
	}
	if err != nil {
		return nil, err
	}
	if b.rep.Binary, err = inspect(b.binary); err != nil {
		return nil, err
	}
	for _, part := range []func(context.Context) error{b.coldStart, b.running} {
		if err := part(ctx); err != nil {
			return nil, err
		}
	}
	b.rep.add(single("binary size", megabytes, inMegabytes(b.rep.Binary.Bytes)).against(target{AtMost: maxBinarySize}))
	return &b.rep, nil
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.progress, format+"\n", args...) }

// build makes the binary as the project's releases are made. It must be called
// inside the module.
func build(ctx context.Context, dir string) (string, error) {
	out := filepath.Join(dir, "fluxosd")
	cmd := exec.CommandContext(ctx, "go", "build", "-tags", "nomsgpack", "-trimpath", "-ldflags", "-s -w", "-o", out, "github.com/fluxosd/fluxosd/cmd/fluxosd")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	cmd.WaitDelay = killAfter
	if text, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build fluxosd: %w\n%s", err, text)
	}
	return out, nil
}

// coldStart measures the time from the start of the process to ready.
func (b *bench) coldStart(ctx context.Context) error {
	b.say("Starting fluxosd %d times", b.coldStarts)
	took := make([]float64, b.coldStarts)
	for i := range took {
		dir := filepath.Join(b.dir, "start")
		if err := os.Mkdir(dir, 0o700); err != nil {
			return err
		}
		c, err := startFluxosd(ctx, b.binary, dir)
		if err != nil {
			return fmt.Errorf("start fluxosd: %w", err)
		}
		d, err := c.ready(ctx)
		c.stop()
		if err != nil {
			return fmt.Errorf("fluxosd: %w", err)
		}
		took[i] = inMillis(d)
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	f := figure{Name: "cold start to ready", Unit: millis, Value: spreadOf(took)}
	b.rep.add(f.against(target{AtMost: maxColdStart}))
	return nil
}

// running measures what a running node does.
func (b *bench) running(ctx context.Context) (err error) {
	dir := filepath.Join(b.dir, "node")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if b.baseline, err = startBaseline(ctx, self, b.dir); err != nil {
		return fmt.Errorf("start the baseline: %w", err)
	}
	defer b.baseline.stop()
	if _, err := b.baseline.ready(ctx); err != nil {
		return fmt.Errorf("baseline: %w", err)
	}
	if b.fluxosd, err = startFluxosd(ctx, b.binary, dir); err != nil {
		return fmt.Errorf("start fluxosd: %w", err)
	}
	defer b.fluxosd.stop()
	if _, err := b.fluxosd.ready(ctx); err != nil {
		return fmt.Errorf("fluxosd: %w", err)
	}
	for _, part := range []func(context.Context) error{b.memory, b.rates, b.loginRates, b.lastMemory} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// memory measures the idle node, logs a user in, and measures again after many
// requests of all kinds, which also warm the node up for what follows.
func (b *bench) memory(ctx context.Context) error {
	b.say("Leaving fluxosd alone for %v", b.idle)
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(b.idle):
	}
	idle, err := b.fluxosd.memory()
	if err != nil {
		return err
	}
	b.rep.add(single("memory, idle", megabytes, inMegabytes(idle)).against(target{AtMost: maxIdleMemory}))

	if b.requests, err = b.prepare(ctx); err != nil {
		return err
	}
	b.say("Sending %d requests of all kinds", b.mixed)
	mixed := load{conns: b.conns, first: b.requests[0], time: wholeTime, count: b.mixed, step: sends(b.requests...)}
	if _, err := b.fluxosd.run(ctx, mixed); err != nil {
		return err
	}
	after, err := b.fluxosd.memory()
	if err != nil {
		return err
	}
	b.rep.add(single(fmt.Sprintf("memory after %d requests", b.mixed), megabytes, inMegabytes(after)).against(target{AtMost: maxMixedMemory}))
	return nil
}

// lastMemory looks once more when everything is done.
func (b *bench) lastMemory(context.Context) error {
	end, err := b.fluxosd.memory()
	if err == nil {
		b.rep.add(single("memory at the end", megabytes, inMegabytes(end)))
	}
	return err
}

// prepare logs a user in and makes the request of each route.
func (b *bench) prepare(ctx context.Context) ([][]byte, error) {
	user, err := newLogins(b.fluxosd.api, 1)
	if err != nil {
		return nil, err
	}
	c, err := dial(ctx, b.fluxosd.api)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(answerTime))
	session, err := user.login(c, 0)
	if err != nil {
		return nil, b.fluxosd.explain(fmt.Errorf("log in: %w", err))
	}
	var requests [][]byte
	for _, r := range routes() {
		var header []string
		if r.login {
			header = append(header, session.header())
		}
		requests = append(requests, get(b.fluxosd.api, r.path, header...))
	}
	return requests, nil
}

// rates measures the routes, each between two measurements of the baseline.
func (b *bench) rates(ctx context.Context) error {
	length := time.Duration(b.seconds * float64(time.Second))
	bare := get(b.baseline.api, "/flux/version")
	baseline := load{conns: b.conns, first: bare, time: length, step: sends(bare)}
	var base series
	all := make([]series, len(routes()))
	before, err := b.baseline.run(ctx, baseline)
	if err != nil {
		return err
	}
	base.add(before, 0)
	for round := range b.rounds {
		b.say("Measuring routes, round %d of %d", round+1, b.rounds)
		for i, request := range b.requests {
			if err := b.fluxosd.emptyLog(); err != nil {
				return err
			}
			l := load{conns: b.conns, first: request, time: length, step: sends(request)}
			got, err := b.fluxosd.run(ctx, l)
			if err != nil {
				return err
			}
			after, err := b.baseline.run(ctx, baseline)
			if err != nil {
				return err
			}
			all[i].add(got, (before.rate()+after.rate())/2)
			base.add(after, 0)
			before = after
		}
	}
	b.rep.add(base.figure("bare net/http"))
	for i, r := range routes() {
		b.rep.add(all[i].figure("GET " + r.path).against(target{AtLeast: r.atLeast}))
	}
	return nil
}

// loginRates measures logins: the last request alone, with phrases that were
// fetched and signed before, and whole ones with the client's signature.
func (b *bench) loginRates(ctx context.Context) error {
	users, err := newLogins(b.fluxosd.api, b.conns)
	if err != nil {
		return err
	}
	var verified, whole series
	for round := range b.rounds {
		b.say("Measuring logins, round %d of %d", round+1, b.rounds)
		if err := b.fluxosd.emptyLog(); err != nil {
			return err
		}
		signed := make([][]byte, b.presigned)
		l := load{conns: b.conns, first: b.requests[0], time: wholeTime, count: len(signed), step: users.signInto(signed)}
		if _, err := b.fluxosd.run(ctx, l); err != nil {
			return err
		}
		l.time, l.step = b.loginTime, sends(signed...)
		got, err := b.fluxosd.run(ctx, l)
		if err != nil {
			return err
		}
		verified.add(got, 0)
		l.count, l.step = 0, users.whole
		if got, err = b.fluxosd.run(ctx, l); err != nil {
			return err
		}
		whole.add(got, 0)
	}
	b.rep.add(verified.figure("POST /id/verifylogin"))
	b.rep.add(whole.figure("whole login with signing"))
	return nil
}
