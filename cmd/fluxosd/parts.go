package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/api"
	"github.com/fluxosd/fluxosd/internal/benchmark"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/node/privileged"
	"github.com/fluxosd/fluxosd/internal/secret"
	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/mongo"
	"github.com/fluxosd/fluxosd/internal/store/sqlite"
)

// probeTime is how long a look at an outside system may take.
const probeTime = 6 * time.Second

// openStore opens the configured store, declares the collections and registers
// what watches over it.
func (d *daemon) openStore(ctx context.Context) (store.Store, error) {
	ready, err := d.health.Await("store")
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	docs, err := d.connectStore(ctx)
	if err != nil {
		return nil, err
	}
	d.closers = append(d.closers, func() { docs.Close() })
	docs = store.Instrument(docs, func(collection, op string, took time.Duration, err error) {
		d.metrics.ObserveStore(collection, op, took, err, store.ErrNotFound, store.ErrDuplicate)
	})
	if err := docs.Declare(ctx, collections()...); err != nil {
		return nil, fmt.Errorf("store.uri: prepare the collections: %w", err)
	}
	ready.Met()
	err = d.health.AddLoginCheck("store", probeTime, func(ctx context.Context) error {
		if err := docs.Ping(ctx); err != nil {
			return fault.Wrap(fault.Unavailable, err, "The node's database can't be reached. Please try again.")
		}
		return nil
	})
	d.services = append(d.services, &store.Sweeper{Store: docs, Collections: collections(), Logger: d.log.With("sub", "store")})
	return docs, err
}

// collections are all that this node keeps documents in.
func collections() []*store.Collection { return append(store.All(), benchmark.Collections()...) }

func (d *daemon) connectStore(ctx context.Context) (store.Store, error) {
	log := d.log.With("sub", "store")
	if path, ok := d.cfg.Store.URI.SQLitePath(); ok {
		if !d.cfg.IsSet("store.uri") {
			if err := os.MkdirAll(d.cfg.Node.DataDir, 0o700); err != nil {
				return nil, fmt.Errorf("node.data_dir: %w", err)
			}
		}
		db, err := sqlite.Open(ctx, sqlite.Config{Path: path, Logger: log})
		if err != nil {
			return nil, fmt.Errorf("store.uri: %w", err)
		}
		return db, nil
	}
	db, err := mongo.Open(ctx, mongo.Config{URI: d.cfg.Store.URI.Reveal(), AppName: "fluxosd", Logger: log})
	if err != nil {
		return nil, fmt.Errorf("store.uri: %w", err)
	}
	return db, nil
}

// chainDaemon returns the client of the chain daemon: the demo's own, or the
// configured one with credentials from its flux.conf where the configuration
// has none.
func (d *daemon) chainDaemon() (*daemonrpc.Client, error) {
	c := d.cfg.Daemon
	rc := daemonrpc.Config{URL: c.URL, User: c.User, Password: c.Password, Timeout: c.Timeout, Concurrency: c.Concurrency,
		Logger: d.log.With("sub", "daemon"), Observe: d.metrics.ObserveRPC, ObserveCached: d.metrics.RPC.Cached.Inc}
	if d.demo != nil && d.demo.chain != nil {
		rc.URL, rc.User, rc.Password = d.demo.daemonURL, d.demo.user, secret.New(d.demo.password)
		d.services = append(d.services, d.demo.chain)
	} else if err := d.fromConf(&rc); err != nil {
		return nil, err
	}
	client, err := daemonrpc.New(rc)
	if err != nil {
		return nil, fmt.Errorf("daemon: %w", err)
	}
	d.closers = append(d.closers, client.Close)
	return client, nil
}

// fromConf fills in what only the chain daemon's own file says. The file that
// the configuration names must be readable; the usual ones may be missing.
func (d *daemon) fromConf(rc *daemonrpc.Config) error {
	conf, err := d.conf()
	switch {
	case err == nil:
		if !d.cfg.IsSet("daemon.url") {
			rc.URL = conf.URL()
		}
	case d.cfg.Daemon.Conf == "" && errors.Is(err, fs.ErrNotExist):
		conf = daemonrpc.Conf{User: "rpcuser", Password: secret.New("rpcpassword")} // the daemon's own defaults
	default:
		return fmt.Errorf("daemon.conf: %w", err)
	}
	if rc.User == "" {
		rc.User = conf.User
	}
	if rc.Password.IsEmpty() {
		rc.Password = conf.Password
	}
	return nil
}

// control returns what starts and stops the chain daemon.
func (d *daemon) control() (api.DaemonControl, error) {
	if d.demo != nil && d.demo.chain != nil {
		return d.demo, nil
	}
	unit, err := privileged.NewUnit(d.cfg.Daemon.Unit)
	if err != nil {
		return nil, fmt.Errorf("daemon.unit: %w", err)
	}
	return daemonUnit{unit}, nil
}

// daemonUnit controls the chain daemon as a unit of the host's systemd.
type daemonUnit struct{ privileged.Unit }

// Reindex implements api.DaemonControl.
func (u daemonUnit) Reindex(ctx context.Context) error { return u.RestartOnceWith(ctx, "-reindex") }

// alive returns what the service manager's watchdog asks: whether the private
// listener answers. Without one, running is all there is to know.
func alive(private net.Listener) func(context.Context) error {
	if private == nil {
		return func(context.Context) error { return nil }
	}
	address := "tcp://" + private.Addr().String()
	if private.Addr().Network() == "unix" {
		address = "unix://" + private.Addr().String()
	}
	return probe(address, "/healthz")
}

// probe returns a function that asks an HTTP service, at a URL or at a
// unix:///path or tcp://host:port, whether it answers at all.
func probe(address, path string) func(context.Context) error {
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	base := strings.Replace(address, "tcp://", "http://", 1)
	if socket, ok := strings.CutPrefix(address, "unix://"); ok {
		base = "http://unix"
		client.Transport = &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var dialer net.Dialer
			return dialer.DialContext(ctx, "unix", socket)
		}}
	}
	return func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+path, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		res.Body.Close()
		if res.StatusCode >= http.StatusInternalServerError {
			return fmt.Errorf("%s answered %s", address, res.Status)
		}
		return nil
	}
}
