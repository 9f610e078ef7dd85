package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fluxosd/fluxosd/internal/config"
	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/metrics"
	"github.com/fluxosd/fluxosd/internal/node/checks"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/sdnotify"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/sqlite"
)

const (
	// examineTime bounds a whole examination; the slowest check asks nodes all
	// over the world.
	examineTime = 75 * time.Second
	// settleTime is how long a doctor without a daemon waits for what services
	// find out: the address, the list of nodes.
	settleTime = 8 * time.Second
)

// doctor prints what keeps this node from earning: what the running daemon
// finds, or, when none answers, what this process finds in its place. It fails
// with errProblems when there are problems, with errCannot when nothing could be
// found out.
func (p *process) doctor(ctx context.Context, args []string) error {
	fs := p.flags("doctor")
	var s settings
	s.register(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	cfg, err := p.load(s)
	if err != nil {
		return fmt.Errorf("%w: %w", errCannot, err)
	}
	report, err := askDaemon(ctx, cfg.API.PrivateListen)
	if err != nil {
		if report, err = p.examineAlone(ctx, cfg, s, err); err != nil {
			return fmt.Errorf("%w: %w", errCannot, err)
		}
	}
	if *asJSON || !terminal(p.out) {
		raw, err := jsonReport(report)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(p.out, "%s\n", raw); err != nil {
			return err
		}
	} else if err := report.Print(p.out, p.getenv("NO_COLOR") == "", time.Now()); err != nil {
		return err
	}
	if !report.Healthy() {
		return errProblems
	}
	return nil
}

// askDaemon asks the running daemon's private listener. One that hangs is
// known by its silence to the simplest question, long before an examination
// would have to be over.
func askDaemon(ctx context.Context, address string) (doctor.Report, error) {
	var report doctor.Report
	if address == "" {
		return report, errors.New("api.private_listen is off, so the daemon can't be asked")
	}
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	client, base := privateClient(address)
	if err := answersAtAll(ctx, client, base); err != nil {
		return report, fmt.Errorf("no answer at %s: %w", address, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/doctor", nil)
	if err != nil {
		return report, err
	}
	res, err := client.Do(req)
	if err != nil {
		return report, fmt.Errorf("no answer at %s: %w", address, errors.Unwrap(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return report, fmt.Errorf("what answers at %s says %s", address, res.Status)
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&report); err != nil {
		return report, fmt.Errorf("what answers at %s is no fluxosd: %w", address, err)
	}
	return report, nil
}

func answersAtAll(ctx context.Context, client *http.Client, base string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/healthz", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return errors.Unwrap(err)
	}
	return res.Body.Close()
}

// privateClient returns a client for the private listener, and its base URL.
func privateClient(address string) (*http.Client, string) {
	path, ok := strings.CutPrefix(address, "unix:")
	if !ok {
		return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}, "http://" + address
	}
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", path)
	}}}, "http://unix"
}

// examineAlone runs the checks in this process. down is why the daemon could
// not be asked, which is the first finding.
func (p *process) examineAlone(ctx context.Context, cfg *config.Config, s settings, down error) (doctor.Report, error) {
	ctx, end := context.WithTimeout(ctx, settleTime+examineTime)
	defer end()
	quiet := *p
	quiet.err = io.Discard
	d, err := quiet.newDaemon(cfg, s)
	if err != nil {
		return doctor.Report{}, err
	}
	d.process = p
	defer d.close()
	d.metrics, d.health, d.notify = metrics.New(), health.New(health.Config{}), &sdnotify.Notifier{}
	d.alone, d.firstChecks = true, []doctor.Check{checks.Running(down)}
	docs, err := d.storeForReading(ctx)
	if err != nil {
		return doctor.Report{}, err
	}
	chain, err := d.chainDaemon()
	if err != nil {
		return doctor.Report{}, err
	}
	me, err := d.buildSelf(docs, chain, portOf(cfg.API.Listen))
	if err != nil {
		return doctor.Report{}, err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	var g errgroup.Group
	defer g.Wait()
	defer stop()
	for _, s := range []service{me.finder, me.list, me.runner} {
		g.Go(func() error { return s.Serve(ctx) })
	}
	settled, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	me.settle(settled)
	return me.doctor.Examine(ctx)
}

// settle waits until address, list of nodes and last benchmark are known, or ctx ends.
func (s *self) settle(ctx context.Context) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for !s.finder.Address().V4.IsValid() || s.list.Len() == 0 || !s.runner.State().Ready {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// storeForReading opens the store as it is. One that can't be opened, or was
// never made, is replaced by an empty one in memory, and is a finding.
func (d *daemon) storeForReading(ctx context.Context) (store.Store, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	path, isFile := d.cfg.Store.URI.SQLitePath()
	if isFile {
		if _, err := os.Stat(path); err != nil {
			d.storeErr = fmt.Errorf("%s: %w", path, errors.Unwrap(err))
			if errors.Is(err, fs.ErrNotExist) {
				d.storeErr = fmt.Errorf("%s isn't there: fluxosd makes it at its first start", path)
			}
		}
	}
	if d.storeErr == nil {
		docs, err := d.connectStore(ctx)
		if err == nil {
			d.closers = append(d.closers, func() { docs.Close() })
			return docs, docs.Declare(ctx, collections()...)
		}
		d.storeErr = err
	}
	dir, err := os.MkdirTemp("", "fluxosd-doctor-")
	if err != nil {
		return nil, err
	}
	docs, err := sqlite.Open(ctx, sqlite.Config{Path: filepath.Join(dir, "empty.db")})
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	d.closers = append(d.closers, func() { os.RemoveAll(dir) }, func() { docs.Close() })
	return docs, docs.Declare(ctx, collections()...)
}

// terminal reports whether a writer is a terminal.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
