package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fluxosd/fluxosd/internal/api"
	"github.com/fluxosd/fluxosd/internal/config/importer"
	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/logs"
	"github.com/fluxosd/fluxosd/internal/version"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// importFluxOS turns FluxOS's own files into ours.
func (p *process) importFluxOS(_ context.Context, args []string) error {
	fs := p.flags("import")
	userconfig := fs.String("userconfig", "", "FluxOS userconfig.js `file`")
	conf := fs.String("daemon-conf", "", "the chain daemon's flux.conf `file`")
	output := fs.String("output", "", "write to this `file`, which must not exist (default: standard output)")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if *userconfig == "" && *conf == "" {
		return usagef("import wants --userconfig, --daemon-conf or both")
	}
	var in importer.Input
	for _, f := range []struct {
		path string
		into *[]byte
	}{{*userconfig, &in.UserConfig}, {*conf, &in.DaemonConf}} {
		if f.path == "" {
			continue
		}
		raw, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		*f.into = raw
	}
	yaml, report, err := importer.Import(in)
	if err != nil {
		return err
	}
	for _, line := range report {
		fmt.Fprintln(p.err, line)
	}
	if *output == "" {
		_, err = p.out.Write(yaml)
		return err
	}
	f, err := os.OpenFile(*output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(yaml)
	return errors.Join(err, f.Close())
}

// clientTime bounds one request of the command line's own.
const clientTime = 30 * time.Second

// login logs in over the API and prints the header for later calls.
func (p *process) login(ctx context.Context, args []string) error {
	fs := p.flags("login")
	keyFile := fs.String("key-file", "", "`file` with the wallet's private key: WIF, or 64 hex digits")
	base := fs.String("url", "http://127.0.0.1:16127", "address of the API")
	ethereum := fs.Bool("ethereum", false, "log in as the key's Ethereum address")
	insecure := fs.Bool("insecure", false, "accept any certificate: a node's own one is self-signed")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if *keyFile == "" {
		return usagef("login wants --key-file")
	}
	raw, err := os.ReadFile(*keyFile)
	if err != nil {
		return err
	}
	key, err := readKey(strings.TrimSpace(string(raw)))
	if err != nil {
		return fmt.Errorf("%s: %w", *keyFile, err)
	}
	c := apiClient{base: strings.TrimSuffix(*base, "/"), http: &http.Client{Timeout: clientTime,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: *insecure}}}}
	var phrase string
	if err := c.call(ctx, http.MethodGet, "/id/loginphrase", nil, &phrase); err != nil {
		// A node that is unfit gives no ordinary phrase; its owner comes to mend it.
		if emergency := c.call(ctx, http.MethodGet, "/id/emergencyphrase", nil, &phrase); emergency != nil {
			return err
		}
		fmt.Fprintln(p.err, "Note: logged in with an emergency phrase:", err)
	}
	id, sign := key.FluxID(), key.SignMessage
	if *ethereum {
		id, sign = key.EthereumAddress(), key.SignEthereum
	}
	sig := sign(phrase)
	var l struct {
		Privilege string `json:"privilage"`
		ExpireAt  string `json:"expireAt"`
	}
	if err := c.call(ctx, http.MethodPost, "/id/verifylogin", map[string]string{"zelid": id, "loginPhrase": phrase, "signature": sig}, &l); err != nil {
		return err
	}
	fmt.Fprintf(p.err, "Logged in as %s, privilege %s, until %s\n", id, l.Privilege, l.ExpireAt)
	fmt.Fprintln(p.out, "zelidauth: "+zelidauth(id, phrase, sig))
	return nil
}

func readKey(text string) (*wallet.Key, error) {
	if key, err := wallet.ParsePrivateKeyHex(text); err == nil {
		return key, nil
	}
	return wallet.ParseWIF(text)
}

// apiClient calls the API of a node.
type apiClient struct {
	base string
	http *http.Client
}

// call decodes the data of a success, and turns an error envelope into an error.
func (c apiClient) call(ctx context.Context, method, path string, body, into any) error {
	var rd io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return err
		}
		rd = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, rd)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	var env struct {
		Status string          `json:"status"`
		Data   json.RawMessage `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&env); err != nil {
		return fmt.Errorf("%s %s: %s is no answer of a node's API: %w", method, path, res.Status, err)
	}
	if env.Status != "success" {
		var m struct{ Message string }
		json.Unmarshal(env.Data, &m) // a message that can't be read is empty
		return fmt.Errorf("%s %s: %s", method, path, m.Message)
	}
	return json.Unmarshal(env.Data, into)
}

// status prints what the daemon's private listener says.
func (p *process) status(ctx context.Context, args []string) error {
	fs := p.flags("status")
	s := settings{demo: true} // the owner's Flux ID is of no interest here
	s.register(fs)
	asJSON := fs.Bool("json", false, "print JSON")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	s.demo = s.file == "" && p.getenv("FLUXOSD_CONFIG") == "" && !exists(defaultConfig)
	cfg, err := p.load(s)
	if err != nil {
		return err
	}
	address := cfg.API.PrivateListen
	if address == "" {
		return errors.New("api.private_listen is off: there is nobody to ask")
	}
	client, target := privateClient(address)
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("fluxosd doesn't answer at %s: %w", address, err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if *asJSON {
		_, err := p.out.Write(raw)
		return err
	}
	return printStatus(p.out, raw)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func printStatus(out io.Writer, raw []byte) error {
	var st struct {
		health.Readiness
		Active []struct {
			Code, Severity, Title, Detail, Advice string
			Since                                 time.Time
		} `json:"active"`
	}
	if err := json.Unmarshal(raw, &st); err != nil {
		return fmt.Errorf("read the daemon's answer: %w", err)
	}
	if st.Ready {
		fmt.Fprintln(out, "ready")
	} else {
		fmt.Fprintln(out, "not ready, missing:", strings.Join(append(st.Missing, st.Problems...), ", "))
	}
	for _, a := range st.Active {
		fmt.Fprintf(out, "\n%s  %s (since %s)\n  %s\n  %s\n", a.Severity, a.Title, a.Since.Format(time.DateTime), a.Detail, a.Advice)
	}
	return nil
}

// routes lists the table.
func (p *process) routes(_ context.Context, args []string) error {
	fs := p.flags("routes")
	missing := fs.Bool("missing", false, "only the routes that are not built yet")
	asJSON := fs.Bool("json", false, "print JSON")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	type line struct {
		Method, Path, Level, Summary string
		Built                        bool
	}
	var lines []line
	for _, r := range api.Table() {
		if !*missing || !r.Built() {
			lines = append(lines, line{r.Method, r.Path, r.Level.String(), r.Summary, r.Built()})
		}
	}
	if *asJSON {
		enc := json.NewEncoder(p.out)
		enc.SetIndent("", "  ")
		return enc.Encode(lines)
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", l.Method, l.Path, l.Level, l.Summary)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(p.err, "%d routes\n", len(lines))
	return nil
}

// devnet serves the simulated daemons until a signal comes.
func (p *process) devnet(ctx context.Context, args []string) error {
	fs := p.flags("devnet")
	listen := fs.String("listen", "127.0.0.1:16124", "address of the simulated chain daemon")
	bench := fs.String("bench-listen", "127.0.0.1:16224", "address of the simulated benchmark daemon")
	seed := fs.String("seed", "devnet", "name of the chain: the same seed makes the same keys")
	interval := fs.Duration("interval", 30*time.Second, "time between blocks")
	user := fs.String("user", "rpcuser", "RPC user")
	password := fs.String("password", "rpcpassword", "RPC password")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	log := logs.New(logs.Config{Out: p.err, Format: "text"})
	chain, err := devnet.New(devnet.Config{Seed: *seed, FirstHeight: demoHeight, BlockInterval: *interval, Logger: log})
	if err != nil {
		return err
	}
	benchmarks, err := devnet.NewBench(chain, devnet.BenchConfig{User: *user, Password: *password})
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return chain.Serve(ctx) })
	for _, s := range []struct {
		address string
		handler http.Handler
	}{{*listen, chain.Handler(*user, *password)}, {*bench, benchmarks}} {
		ln, err := net.Listen("tcp", s.address)
		if err != nil {
			return err
		}
		srv := &http.Server{Handler: s.handler, ReadHeaderTimeout: probeTime}
		g.Go(func() error {
			if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			return srv.Close()
		})
	}
	fmt.Fprintf(p.out, "chain daemon http://%s, benchmark daemon http://%s, height %d\n", *listen, *bench, chain.Height())
	log.Info("Serving", slog.String("seed", *seed), slog.Duration("interval", *interval))
	return g.Wait()
}

// version prints what this binary is.
func (p *process) version(_ context.Context, args []string) error {
	fs := p.flags("version")
	asJSON := fs.Bool("json", false, "print JSON")
	if err := parse(fs, args, 0); err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(p.out).Encode(map[string]string{"version": version.Version, "fluxos": version.FluxOS, "commit": version.Commit(), "go": version.Go()})
	}
	fmt.Fprintf(p.out, "fluxosd %s (API of FluxOS %s, commit %s, %s)\n", version.Version, version.FluxOS, version.Commit(), version.Go())
	return nil
}
