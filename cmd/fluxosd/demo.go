package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/api"
	"github.com/fluxosd/fluxosd/internal/config"
	"github.com/fluxosd/fluxosd/internal/daemonrpc"
	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/node/reach"
	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/secret"
	"github.com/fluxosd/fluxosd/internal/version"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// demo is what --demo adds: a temporary folder, an admin key and, unless the
// configuration names a chain daemon, a simulated one in this process.
type demo struct {
	temporary string // folder to remove at the end, "" for none
	key       *wallet.Key

	chain               *devnet.Chain // nil when a chain daemon is configured
	neighbour           *devnet.Neighbour
	daemonURL, benchURL string
	user, password      string
	servers             []*http.Server
}

// demoHeight is where the simulated chain begins: above the heights at which
// the network's rules changed, so that the node counts as synced.
const demoHeight = 2_200_000

// demoAddress is the demo node's own on the simulated network.
const demoAddress = "198.18.0.1"

// newDemo replaces the defaults that a demo needs to be other ones. What was
// set explicitly stays.
func newDemo(cfg *config.Config, keyFile string, log *slog.Logger) (*demo, error) {
	d := &demo{}
	if !cfg.IsSet("node.data_dir") {
		dir, err := os.MkdirTemp("", "fluxosd-demo-")
		if err != nil {
			return nil, fmt.Errorf("demo folder: %w", err)
		}
		d.temporary = dir
		if _, err := cfg.ReplaceDefault("node.data_dir", dir); err != nil {
			return nil, err
		}
	}
	if err := d.prepare(cfg, keyFile, log); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *demo) prepare(cfg *config.Config, keyFile string, log *slog.Logger) error {
	if err := os.MkdirAll(cfg.Node.DataDir, 0o700); err != nil {
		return fmt.Errorf("node.data_dir: %w", err)
	}
	if keyFile != "" || !cfg.IsSet("node.flux_id") {
		if err := d.adminKey(cfg.Node.DataDir, keyFile); err != nil {
			return err
		}
	}
	replace := map[string]string{"api.listen": "127.0.0.1:16127", "api.tls_listen": "127.0.0.1:16128", "log.level": "info",
		// A demo asks nobody outside, and leaves router and firewall alone.
		"network.gateway": "off", "network.firewall": "off", "network.address_services": "", "network.geolocation_services": "", "network.time_servers": ""}
	if d.key != nil {
		replace["node.flux_id"] = d.key.FluxID()
	}
	for key, value := range replace {
		if _, err := cfg.ReplaceDefault(key, value); err != nil {
			return err
		}
	}
	if d.key != nil && cfg.Node.FluxID != d.key.FluxID() {
		d.key = nil // node.flux_id was set: the key isn't the admin's
	}
	if cfg.IsSet("daemon.url") || cfg.IsSet("daemon.conf") {
		return nil
	}
	return d.simulate(cfg, log)
}

// adminKey reads the key from a file, or makes one. In a given data folder it
// is kept for the next start.
func (d *demo) adminKey(dir, keyFile string) error {
	kept := filepath.Join(dir, "demo-admin.wif")
	if keyFile == "" {
		keyFile = kept
	}
	raw, err := os.ReadFile(keyFile)
	switch {
	case err == nil:
		d.key, err = wallet.ParseWIF(strings.TrimSpace(string(raw)))
		if err != nil {
			return fmt.Errorf("demo key file %s: %w", keyFile, err)
		}
		return nil
	case keyFile != kept || !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("demo key file: %w", err)
	}
	if d.key, err = wallet.GenerateKey(); err != nil {
		return err
	}
	return os.WriteFile(kept, []byte(d.key.WIF()+"\n"), 0o600)
}

// simulate starts the simulated daemons on loopback ports of their own.
func (d *demo) simulate(cfg *config.Config, log *slog.Logger) error {
	var err error
	address := demoAddress // the network writes the port only where it isn't the usual one
	if port := portOf(cfg.API.Listen); port != reach.DefaultAPIPort && slices.Contains(reach.APIPorts(), uint16(port)) {
		address = net.JoinHostPort(address, strconv.Itoa(port))
	}
	if d.chain, err = devnet.New(devnet.Config{Seed: "demo", FirstHeight: demoHeight, Own: devnet.Own{IP: address}, Logger: log.With("sub", "devnet")}); err != nil {
		return fmt.Errorf("simulated chain daemon: %w", err)
	}
	var random [16]byte
	rand.Read(random[:])
	d.user, d.password = "demo", hex.EncodeToString(random[:])
	if d.daemonURL, err = d.serveLocal(d.chain.Handler(d.user, d.password)); err != nil {
		return err
	}
	bench, err := devnet.NewBench(d.chain, devnet.BenchConfig{User: d.user, Password: d.password})
	if err != nil {
		return fmt.Errorf("simulated benchmark daemon: %w", err)
	}
	if d.benchURL, err = d.serveLocal(bench); err != nil {
		return err
	}
	d.neighbour = devnet.NewNeighbour(devnet.NeighbourConfig{Resolve: func(ip, port string) string {
		if ip != demoAddress {
			return ""
		}
		return net.JoinHostPort("127.0.0.1", port)
	}})
	neighbour, err := d.serveLocal(d.neighbour)
	if err != nil {
		return err
	}
	if _, err := cfg.ReplaceDefault("node.public_ip", demoAddress); err != nil {
		return err
	}
	_, err = cfg.ReplaceDefault("network.probe_nodes", strings.TrimPrefix(neighbour, "http://"))
	return err
}

// conf is what the simulated chain daemon's configuration file would say.
func (d *demo) conf() daemonrpc.Conf {
	own := d.chain.Own()
	return daemonrpc.Conf{User: d.user, Password: secret.New(d.password), Node: true, NodeKey: secret.New(own.PrivateKey),
		NodeOutpoint: own.CollateralTxID, NodeIndex: int(own.CollateralIndex)}
}

func (d *demo) serveLocal(h http.Handler) (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("simulated daemon: %w", err)
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: probeTime}
	d.servers = append(d.servers, srv)
	go srv.Serve(ln) // ends with close
	return "http://" + ln.Addr().String(), nil
}

func (d *demo) close() {
	for _, s := range d.servers {
		s.Close()
	}
	if d.temporary != "" {
		os.RemoveAll(d.temporary)
	}
}

// Start implements api.DaemonControl for the simulated chain daemon.
func (d *demo) Start(context.Context) error {
	d.chain.WarmUp(false)
	return d.chain.Stall(false)
}

// Restart implements api.DaemonControl: the simulated daemon warms up for a moment.
func (d *demo) Restart(ctx context.Context) error {
	d.chain.WarmUp(true)
	defer d.chain.WarmUp(false)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(time.Second):
		return nil
	}
}

// Reindex implements api.DaemonControl: a simulated chain has nothing to build anew.
func (d *demo) Reindex(ctx context.Context) error { return d.Restart(ctx) }

// greet prints what a newcomer needs: addresses, the admin, and a line to paste.
func (d *demo) greet(ctx context.Context, out io.Writer, perms *permissions.Service, l api.Listeners) error {
	base := "http://" + l.API.Addr().String()
	fmt.Fprintf(out, "\nfluxosd %s is ready: a demo node with the API of FluxOS %s\n\n", version.Version, version.FluxOS)
	fmt.Fprintf(out, "  API       %s\n", base)
	if l.TLS != nil {
		fmt.Fprintf(out, "            https://%s (self-signed)\n", l.TLS.Addr())
	}
	fmt.Fprintf(out, "  Docs      %s/docs\n", base)
	if l.Private != nil {
		fmt.Fprintf(out, "  Metrics   http://%s/metrics\n", l.Private.Addr())
	}
	if d.key == nil {
		fmt.Fprintf(out, "\n  Try       curl %s/flux/info\n\n", base)
		return nil
	}
	header, err := d.signIn(ctx, perms)
	if err != nil {
		return fmt.Errorf("sign the demo's admin in: %w", err)
	}
	fmt.Fprintf(out, "  Admin     %s\n", d.key.FluxID())
	fmt.Fprintf(out, "  Key       %s (WIF, of this demo only)\n", d.key.WIF())
	fmt.Fprintf(out, "\nSigned in as the admin; paste this:\n\n  curl -H 'zelidauth: %s' %s/daemon/getinfo\n\n", header, base)
	return nil
}

// signIn logs the admin in and returns the value of a zelidauth header.
func (d *demo) signIn(ctx context.Context, perms *permissions.Service) (string, error) {
	phrase, err := perms.IssuePhrase(ctx)
	if err != nil {
		return "", err
	}
	id, sig := d.key.FluxID(), d.key.SignMessage(phrase)
	if _, err := perms.VerifyLogin(ctx, permissions.Claim{FluxID: &id, Message: &phrase, Signature: &sig}); err != nil {
		return "", err
	}
	return zelidauth(id, phrase, sig), nil
}

// zelidauth returns the query-string form of the header.
func zelidauth(fluxID, phrase, signature string) string {
	return "zelid=" + url.QueryEscape(fluxID) + "&signature=" + url.QueryEscape(signature) + "&loginPhrase=" + url.QueryEscape(phrase)
}
