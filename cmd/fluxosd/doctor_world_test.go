package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/node/gateway/gatewaytest"
	"github.com/fluxosd/fluxosd/internal/testproc"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// patience bounds the waiting for a judgement: replies of the benchmark daemon
// are kept for 20 s.
const patience = 50 * time.Second

// door is a service of a world that can be closed and opened at its address, and whose
// answers can be changed.
type door struct {
	t       *testing.T
	address string
	handler atomic.Pointer[http.Handler]
	server  *http.Server
	done    chan struct{}
}

func newDoor(t *testing.T, h http.Handler) *door {
	t.Helper()
	d := &door{t: t, address: "127.0.0.1:0"}
	d.swap(h)
	d.open()
	t.Cleanup(d.close)
	return d
}

func (d *door) swap(h http.Handler) { d.handler.Store(&h) }

func (d *door) open() {
	d.t.Helper()
	ln, err := net.Listen("tcp", d.address)
	if err != nil {
		d.t.Fatal(err)
	}
	d.address, d.done = ln.Addr().String(), make(chan struct{})
	d.server = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*d.handler.Load()).ServeHTTP(w, r) })}
	go func() {
		defer close(d.done)
		d.server.Serve(ln) // ends with close
	}()
}

func (d *door) close() {
	d.server.Close()
	<-d.done
}

// timeServer is a small NTP server whose clock is off by as much as the test wants.
type timeServer struct {
	address string
	offset  *atomic.Int64 // nanoseconds
}

func startTimeServer(t *testing.T, offset *atomic.Int64) *timeServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &timeServer{conn.LocalAddr().String(), offset}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for buf := make([]byte, 512); ; {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if n >= 48 {
				conn.WriteTo(s.answer(buf[:n]), from)
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return s
}

// answer is an NTP header (RFC 5905, section 7.3) in server mode.
func (s *timeServer) answer(question []byte) []byte {
	const from1900to1970 = 2208988800
	at := time.Now().Add(time.Duration(s.offset.Load()))
	now := uint64(at.Unix()+from1900to1970)<<32 | uint64(at.Nanosecond())<<32/uint64(time.Second)
	a := make([]byte, 48)
	a[0], a[1], a[2], a[3] = 4<<3|4, 2, 6, 0xe9
	binary.BigEndian.PutUint32(a[4:], 1<<8)
	binary.BigEndian.PutUint32(a[8:], 1<<8)
	binary.BigEndian.PutUint64(a[16:], now-(10<<32))
	copy(a[24:32], question[40:48])
	binary.BigEndian.PutUint64(a[32:], now)
	binary.BigEndian.PutUint64(a[40:], now+1)
	return a
}

// program is a real server in a process of its own, which can be killed,
// stopped for a while, and started again.
type program struct {
	t     *testing.T
	argv  []string
	env   []string
	ready func(context.Context) error
	proc  *testproc.Process
}

func startProgram(t *testing.T, ready func(context.Context) error, env []string, argv ...string) *program {
	t.Helper()
	p := &program{t: t, argv: argv, env: env, ready: ready}
	p.start()
	t.Cleanup(func() {
		p.signal(syscall.SIGCONT)
		p.proc.Stop(syscall.SIGKILL)
	})
	return p
}

func (p *program) start() {
	p.t.Helper()
	cmd := exec.Command(p.argv[0], p.argv[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	var err error
	if p.proc, err = testproc.Start(cmd); err != nil {
		p.t.Fatal(err)
	}
	if err := p.proc.Await(p.t.Context(), 30*time.Second, p.ready); err != nil {
		p.t.Fatal(err)
	}
}

func (p *program) kill()                   { p.proc.Stop(syscall.SIGKILL) }
func (p *program) signal(s syscall.Signal) { p.proc.Signal(s) }

// answering is ready when GET url answers at all.
func answering(client *http.Client, url string) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		return res.Body.Close()
	}
}

// systemPath is where programs of the machine are. The daemon under test finds
// none of them: no time service of this machine may answer for its clock.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// tool runs a program of the machine to its end.
func tool(t *testing.T, argv ...string) {
	t.Helper()
	// env looks the program up in the path that it is given.
	out, err := exec.CommandContext(t.Context(), "/usr/bin/env", append([]string{"PATH=" + systemPath}, argv...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
}

// startDocker runs a container engine of its own. Its folder is left to the end
// of the process's own disk: the engine mounts it.
func startDocker(t *testing.T) (p *program, socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "docker")
	if err != nil {
		t.Fatal(err)
	}
	onSocket := func(socket string) func(ctx context.Context) (net.Conn, error) {
		return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "unix", socket) }
	}
	// containerd is not the engine's child, so that nothing of it outlives a
	// killed engine.
	inner := onSocket(dir + "/containerd.sock")
	startProgram(t, func(ctx context.Context) error {
		conn, err := inner(ctx)
		if err != nil {
			return err
		}
		return conn.Close()
	}, []string{"PATH=" + systemPath}, "/usr/bin/containerd", "--address", dir+"/containerd.sock", "--root", dir+"/containerd", "--state", dir+"/state")
	socket = filepath.Join(dir, "docker.sock")
	outer := onSocket(socket)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return outer(ctx) }}}
	return startProgram(t, answering(client, "http://unix/version"), []string{"PATH=" + systemPath}, "/usr/sbin/dockerd", "-H", "unix://"+socket,
		"--containerd", dir+"/containerd.sock", "--data-root", dir+"/data", "--exec-root", dir+"/exec", "--pidfile", dir+"/pid",
		"--bridge=none", "--iptables=false", "--storage-driver", "vfs"), socket
}

// startSyncthing runs Syncthing with a folder of its own.
func startSyncthing(t *testing.T) (p *program, url string) {
	t.Helper()
	home := t.TempDir()
	url = "http://" + freeAddress(t)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	return startProgram(t, answering(client, url), []string{"HOME=" + home, "STNODEFAULTFOLDER=1", "STMONITORED=yes"}, "/usr/bin/syncthing", "serve",
		"--home="+home, "--no-browser", "--no-restart", "--no-upgrade", "--skip-port-probing", "--gui-address="+url), url
}

// world is a whole node, as its operator would have it, with everything around
// it in the hands of the test.
type world struct {
	t            *testing.T
	own          string // public address of the node
	dir          string // for everything but the data
	data         string // node.data_dir
	chain        *devnet.Chain
	daemon       *door
	bench        *door
	neighbour    *devnet.Neighbour
	offset       atomic.Int64 // of the network's time to that of this machine, ns
	docker, sync *program
	nat          *gatewaytest.NATPMP
	admin        *wallet.Key
	settings     map[string]string // lines of the configuration, by key
	conf         map[string]string // of flux.conf

	private string
	auth    string // zelidauth of the admin
	log     *output
	stop    func()
}

const rpcUser, rpcPassword = "doctor", "doctors-password"

// equipment is what worlds share that don't break it.
type equipment struct {
	docker, syncthing string // addresses
	disk              string // a folder with room
}

var worlds atomic.Int32

// newWorld makes everything around a node. change is applied before anything
// is started.
func newWorld(t *testing.T, eq equipment, change func(*devnet.Config)) *world {
	t.Helper()
	n := worlds.Add(1)
	w := &world{t: t, own: fmt.Sprintf("198.18.100.%d", n), dir: t.TempDir(), data: filepath.Join(eq.disk, fmt.Sprint(n))}
	dc := devnet.Config{Seed: "doctor", FirstHeight: demoHeight, Own: devnet.Own{IP: w.own}}
	if change != nil {
		change(&dc)
	}
	var err error
	if w.chain, err = devnet.New(dc); err != nil {
		t.Fatal(err)
	}
	w.daemon = newDoor(t, w.chain.Handler(rpcUser, rpcPassword))
	w.bench = newDoor(t, w.newBench(0))
	w.neighbour = devnet.NewNeighbour(devnet.NeighbourConfig{Resolve: net.JoinHostPort})
	neighbour := newDoor(t, w.neighbour)
	if w.admin, err = wallet.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	own := w.chain.Own()
	w.conf = map[string]string{"rpcuser": rpcUser, "rpcpassword": rpcPassword, "zelnode": "1", "zelnodeprivkey": own.PrivateKey,
		"zelnodeoutpoint": own.CollateralTxID, "zelnodeindex": fmt.Sprint(own.CollateralIndex)}
	w.writeConf(nil)
	w.private = freeAddress(t)
	w.settings = map[string]string{
		"node.flux_id": w.admin.FluxID(), "node.public_ip": w.own, "node.data_dir": w.data,
		"api.listen": w.own + ":16127", "api.tls_listen": `""`, "api.private_listen": w.private, "api.max_connections": "500", "api.shutdown_timeout": "2s",
		"network.gateway": "off", "network.firewall": "off", "network.address_services": "[]", "network.geolocation_services": "[]",
		"network.time_servers": fmt.Sprintf("[%q, %q]", startTimeServer(t, &w.offset).address, startTimeServer(t, &w.offset).address),
		"network.probe_nodes":  fmt.Sprintf("[%q]", neighbour.address),
		"daemon.url":           "http://" + w.daemon.address, "daemon.conf": w.dir + "/flux.conf",
		"benchmark.url": "http://" + w.bench.address, "benchmark.user": rpcUser, "benchmark.password": rpcPassword,
		"docker.host": eq.docker, "syncthing.url": eq.syncthing, "team.flux_ids": fmt.Sprintf("[%q]", w.admin.FluxID()),
	}
	return w
}

// newBench is the benchmark daemon of a machine; tier 0 is that of the collateral.
func (w *world) newBench(tier devnet.Tier) http.Handler {
	b, err := devnet.NewBench(w.chain, devnet.BenchConfig{User: rpcUser, Password: rpcPassword, Tier: tier})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// rewriting is a handler whose answers have a text replaced.
func rewriting(h http.Handler, old, to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		maps.Copy(w.Header(), rec.Header())
		w.Header().Del("Content-Length")
		w.WriteHeader(rec.Code)
		w.Write(bytes.ReplaceAll(rec.Body.Bytes(), []byte(old), []byte(to)))
	})
}

// writeConf writes flux.conf with some values replaced; a value of "-" leaves
// the key out.
func (w *world) writeConf(replaced map[string]string) {
	w.t.Helper()
	conf := maps.Clone(w.conf)
	maps.Copy(conf, replaced)
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(conf)) {
		if conf[k] != "-" {
			fmt.Fprintf(&b, "%s=%s\n", k, conf[k])
		}
	}
	w.write("flux.conf", b.String())
}

// write replaces a file at once, as an editor does.
func (w *world) write(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) configFile() string { return filepath.Join(w.dir, "config.yaml") }

// writeConfig writes the configuration.
func (w *world) writeConfig() {
	w.t.Helper()
	var b strings.Builder
	section := ""
	for _, key := range slices.Sorted(maps.Keys(w.settings)) {
		s, name, _ := strings.Cut(key, ".")
		if s != section {
			section = s
			fmt.Fprintf(&b, "%s:\n", s)
		}
		value := w.settings[key]
		if !strings.HasPrefix(value, "[") && !strings.HasPrefix(value, `"`) {
			value = fmt.Sprintf("%q", value)
			if strings.Trim(w.settings[key], "0123456789") == "" || w.settings[key] == "true" {
				value = w.settings[key]
			}
		}
		fmt.Fprintf(&b, "  %s: %s\n", name, value)
	}
	w.write("config.yaml", b.String())
}

// start runs the whole daemon, until halt or the end of the test.
func (w *world) start() {
	w.t.Helper()
	w.writeConfig()
	ctx, cancel := context.WithCancel(context.Background())
	w.log = new(output)
	p := process{args: []string{"serve", "--config", w.configFile()}, env: []string{"HOME=" + w.dir}, out: io.Discard, err: w.log}
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	var once sync.Once
	w.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				w.t.Errorf("the daemon ended with %v", err)
			}
		})
	}
	w.t.Cleanup(w.stop)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	w.until("the private listener", func() bool {
		select {
		case err := <-done:
			w.t.Fatalf("the daemon ended: %v\n%s", err, w.log)
		default:
		}
		return answering(client, "http://"+w.private+"/healthz")(w.t.Context()) == nil
	})
}

// signIn signs the admin in.
func (w *world) signIn() {
	w.t.Helper()
	w.write("admin.wif", w.admin.WIF()+"\n")
	out, stderr, err := runTool(w.t, nil, "login", "--key-file", filepath.Join(w.dir, "admin.wif"), "--url", "http://"+w.own+":16127")
	if err != nil {
		w.t.Fatalf("%v\n%s", err, stderr)
	}
	_, w.auth, _ = strings.Cut(strings.TrimSpace(out), ": ")
}

// until polls, four times a second.
func (w *world) until(what string, ok func() bool) {
	w.t.Helper()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			w.t.Fatalf("no sign of %s", what)
		}
	}
}

// fetch makes a request; an empty body is a GET.
func (w *world) fetch(url, body string) (int, string) {
	w.t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(w.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	req.Header.Set("zelidauth", w.auth)
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	res, err := client.Do(req)
	if err != nil {
		w.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

// post calls the API as the admin, and wants success.
func (w *world) post(path, body string) {
	w.t.Helper()
	if _, got := w.fetch("http://"+w.own+":16127"+path, body); !strings.Contains(got, `"status":"success"`) {
		w.t.Fatalf("%s: %s", path, got)
	}
}

// examine asks the doctor.
func (w *world) examine() doctor.Report {
	w.t.Helper()
	code, body := w.fetch("http://"+w.private+"/doctor", "")
	var r doctor.Report
	if err := json.Unmarshal([]byte(body), &r); err != nil || code != http.StatusOK {
		w.t.Fatalf("doctor: %d %v %s", code, err, body)
	}
	return r
}

// named waits until the first line of the report has the code, and returns the line.
func (w *world) named(code string) doctor.Line {
	w.t.Helper()
	var last doctor.Report
	w.t.Cleanup(func() {
		if w.t.Failed() {
			w.t.Logf("the last report:\n%s", table(last))
		}
	})
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		last = w.examine()
		if first, _ := last.First(); first.Code == code {
			return first
		}
	}
	w.t.Fatalf("the doctor doesn't name %s first:\n%s", code, table(last))
	return doctor.Line{}
}

// table is a report for the log of a test.
func table(r doctor.Report) string {
	var b strings.Builder
	r.Print(&b, false, time.Now())
	return b.String()
}

// standing is the one problem that a healthy node of these worlds has: the
// engine of the distribution is older than the network wants.
const standing = "docker-outdated"

// well waits until nothing but the standing problem is left, and nothing is
// unknown.
func (w *world) well() {
	w.t.Helper()
	var last doctor.Report
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); <-tick.C {
		last = w.examine()
		if first, _ := last.First(); first.Code == standing && !slices.ContainsFunc(last.Lines[1:], func(l doctor.Line) bool { return l.State != doctor.OK }) {
			return
		}
	}
	w.t.Fatalf("the node isn't well:\n%s", table(last))
}
