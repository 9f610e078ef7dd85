package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/config"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// asMain makes the test binary be fluxosd.
const asMain = "FLUXOSD_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asMain) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// running is a fluxosd in a process of its own.
type running struct {
	t        *testing.T
	cmd      *exec.Cmd
	out, err *output
	base     string // of the API
	private  string
	done     chan struct{}
}

// output collects what a process writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// start runs fluxosd serve --demo on free ports.
func start(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	api, private := freeAddress(t), freeAddress(t)
	r := launch(t, append(os.Environ(), env...),
		append([]string{"serve", "--demo", "--set", "api.listen=" + api, "--set", "api.private_listen=" + private, "--set", "api.tls_listen="}, args...)...)
	r.base, r.private = "http://"+api, "http://"+private
	return r
}

// launch runs fluxosd in a process of its own, until the test ends.
func launch(t *testing.T, env []string, args ...string) *running {
	t.Helper()
	r := &running{t: t, out: new(output), err: new(output), done: make(chan struct{})}
	r.cmd = exec.Command(os.Args[0], args...)
	r.cmd.Env = append(slices.Clone(env), asMain+"=1")
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.err
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(r.done)
		r.cmd.Wait()
	}()
	t.Cleanup(func() {
		r.cmd.Process.Kill()
		<-r.done
	})
	return r
}

// ready waits until the greeting is complete.
func (r *running) ready() *running {
	r.t.Helper()
	r.until("the greeting", func() bool { return strings.Contains(r.out.String(), "curl ") })
	return r
}

func (r *running) until(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); time.Sleep(5 * time.Millisecond) {
		select {
		case <-r.done:
			if ok() {
				return
			}
			r.t.Fatalf("the process ended before %s:\n%s%s", what, r.out, r.err)
		default:
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("no sign of %s:\n%s%s", what, r.out, r.err)
		}
	}
}

// stop sends a signal and waits for the end.
func (r *running) stop(sig os.Signal) *os.ProcessState {
	r.t.Helper()
	r.cmd.Process.Signal(sig)
	select {
	case <-r.done:
	case <-time.After(20 * time.Second):
		r.t.Fatalf("still running 20 s after %v:\n%s", sig, r.err)
	}
	return r.cmd.ProcessState
}

func get(t *testing.T, url string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest("GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}

var curlLine = regexp.MustCompile(`curl -H '(zelidauth: [^']+)' (http\S+)`)

func (r *running) curl() (header, url string) {
	r.t.Helper()
	m := curlLine.FindStringSubmatch(r.out.String())
	if m == nil {
		r.t.Fatalf("no curl line in\n%s", r.out)
	}
	return m[1], m[2]
}

// runTool runs another command of fluxosd to its end.
func runTool(t *testing.T, env []string, args ...string) (out, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var o, e bytes.Buffer
	p := process{args: args, env: env, out: &o, err: &e}
	err = p.run(ctx)
	return o.String(), e.String(), err
}

func TestDemoGreetsWithALineThatWorks(t *testing.T) {
	r := start(t, nil).ready()
	header, url := r.curl()
	if code, body := get(t, url, header); code != 200 || !strings.Contains(body, `"status":"success"`) || !strings.Contains(body, `"balance"`) {
		t.Errorf("the line answers %d %s", code, body)
	}
	if code, body := get(t, r.base+"/docs"); code != 200 || !strings.Contains(body, "<html") {
		t.Errorf("docs: %d %.80s", code, body)
	}
	if code, body := get(t, r.private+"/readyz"); code != 200 || !strings.Contains(body, `"ready": true`) {
		t.Errorf("readyz: %d %s", code, body)
	}
	if code, body := get(t, r.private+"/metrics"); code != 200 || !strings.Contains(body, `fluxosd_build_info{`) || !strings.Contains(body, `fluxosd_rpc_calls_total{method="getinfo",outcome="success"} 1`) {
		t.Errorf("metrics: %d %s", code, body)
	}
	for _, line := range []string{"API       " + r.base, "Docs      " + r.base + "/docs", "Admin     1"} {
		if !strings.Contains(r.out.String(), line) {
			t.Errorf("the greeting lacks %q:\n%s", line, r.out)
		}
	}
}

func TestTermEndsInOrderAndLeavesNothing(t *testing.T) {
	tmp := t.TempDir()
	r := start(t, []string{"TMPDIR=" + tmp}).ready()
	if st := r.stop(syscall.SIGTERM); st.ExitCode() != 0 {
		t.Errorf("exit %d:\n%s", st.ExitCode(), r.err)
	}
	left, err := os.ReadDir(tmp)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the temporary folder: %v %v", left, err)
	}
	if !strings.Contains(r.err.String(), "Stopped") {
		t.Errorf("the log doesn't end with a word of farewell:\n%s", r.err)
	}
}

// A closed terminal ends the daemon in order; under a service manager there is
// none to close.
func TestHangup(t *testing.T) {
	r := start(t, nil).ready()
	if st := r.stop(syscall.SIGHUP); st.ExitCode() != 0 || !strings.Contains(r.err.String(), "Stopped") {
		t.Errorf("exit %d:\n%s", st.ExitCode(), r.err)
	}
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r = start(t, []string{"NOTIFY_SOCKET=" + path}).ready()
	r.cmd.Process.Signal(syscall.SIGHUP)
	if code, _ := get(t, r.base+"/flux/version"); code != 200 {
		t.Errorf("after a hangup under a service manager: %d", code)
	}
	if st := r.stop(syscall.SIGTERM); st.ExitCode() != 0 {
		t.Errorf("exit %d:\n%s", st.ExitCode(), r.err)
	}
}

// A client that doesn't finish its request delays the end by shutdown_timeout
// at most, and doesn't make it a failure.
func TestSlowClientDoesNotSpoilTheEnd(t *testing.T) {
	r := start(t, nil, "--set", "api.shutdown_timeout=1s").ready()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /id/verifylogin HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"); err != nil {
		t.Fatal(err)
	}
	r.until("the request in flight", func() bool {
		_, body := get(t, r.private+"/metrics")
		return strings.Contains(body, "\nfluxosd_http_requests_in_flight 1")
	})
	if st := r.stop(syscall.SIGTERM); st.ExitCode() != 0 || !strings.Contains(r.err.String(), "cut off") {
		t.Errorf("exit %d:\n%s", st.ExitCode(), r.err)
	}
}

// A session, and the admin's key, outlive a killed process.
func TestSessionSurvivesAKill(t *testing.T) {
	dir := t.TempDir()
	r := start(t, nil, "--set", "node.data_dir="+dir).ready()
	header, _ := r.curl()
	r.stop(syscall.SIGKILL)
	again := start(t, nil, "--set", "node.data_dir="+dir).ready()
	if code, body := get(t, again.base+"/id/loggedusers", header); code != 200 || !strings.Contains(body, `"loginPhrase"`) {
		t.Errorf("after the kill: %d %s", code, body)
	}
}

func TestLoginCommand(t *testing.T) {
	key, err := wallet.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key.WIF()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := start(t, nil, "--demo-key-file", file).ready()
	for _, kind := range [][]string{nil, {"--ethereum"}} {
		out, stderr, err := runTool(t, nil, append([]string{"login", "--key-file", file, "--url", r.base}, kind...)...)
		if err != nil || !strings.HasPrefix(out, "zelidauth: zelid=") {
			t.Fatalf("%v %s %s", err, out, stderr)
		}
		if code, body := get(t, r.base+"/id/loggedsessions", strings.TrimSpace(out)); code != 200 || !strings.Contains(body, "success") {
			t.Errorf("%v: %d %s", kind, code, body)
		}
		if want := map[bool]string{true: "privilege admin", false: "privilege user"}[kind == nil]; !strings.Contains(stderr, want) {
			t.Errorf("%v: %s, want %s", kind, stderr, want)
		}
		if strings.Contains(out+stderr, key.WIF()) {
			t.Error("the key was printed")
		}
	}
	if _, _, err := runTool(t, nil, "login", "--key-file", file, "--url", "http://"+freeAddress(t)); err == nil {
		t.Error("login at nobody succeeded")
	}
	if _, _, err := runTool(t, nil, "login"); !errors.Is(err, errUsage) {
		t.Errorf("login without a key: %v", err)
	}
}

func TestStatusCommand(t *testing.T) {
	r := start(t, nil).ready()
	address := strings.TrimPrefix(r.private, "http://")
	out, _, err := runTool(t, []string{"FLUXOSD_API_PRIVATE_LISTEN=" + address}, "status")
	if err != nil || !strings.HasPrefix(out, "ready") || !strings.Contains(out, "Docker") {
		t.Errorf("%v %s", err, out)
	}
	_, _, err = runTool(t, []string{"FLUXOSD_API_PRIVATE_LISTEN=" + freeAddress(t)}, "status")
	if err == nil || !strings.Contains(err.Error(), "doesn't answer") {
		t.Errorf("nobody there: %v", err)
	}
}

func TestBadStartsAreClearErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	garbage := filepath.Join(dir, "garbage.db")
	if err := os.WriteFile(garbage, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"taken port":        {[]string{"--set", "api.listen=" + taken.Addr().String()}, "api.listen: listen tcp"},
		"not a database":    {[]string{"--set", "store.uri=sqlite:" + garbage}, "store.uri: "},
		"missing folder":    {[]string{"--set", "store.uri=sqlite:" + dir + "/none/x.db"}, "store.uri: "},
		"bad MongoDB URI":   {[]string{"--set", "store.uri=mongodb://u:hidden@bad host:99999/?x=y", "--set", "daemon.timeout=soon"}, "store.uri"},
		"no MongoDB there":  {[]string{"--set", "store.uri=mongodb://u:hidden@" + freeAddress(t) + "/"}, "store.uri: "},
		"missing flux.conf": {[]string{"--set", "daemon.conf=" + dir + "/none.conf"}, "daemon.conf"},
		"missing key file":  {[]string{"--demo-key-file", dir + "/none"}, "demo key file"},
		"unknown key":       {[]string{"--set", "api.lisen=:1"}, "api.lisen"},
		"three problems":    {[]string{"--set", "api.lisen=:1", "--set", "daemon.timeout=soon", "--set", "node.flux_id=x"}, "daemon.timeout"},
		"unknown flag":      {[]string{"--nonsense"}, "nonsense"},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, nil, c.args...)
			select {
			case <-r.done:
			case <-time.After(20 * time.Second):
				t.Fatal("it runs")
			}
			said := r.err.String()
			if r.cmd.ProcessState.ExitCode() == 0 || !strings.Contains(said, c.want) {
				t.Errorf("exit %d: %s", r.cmd.ProcessState.ExitCode(), said)
			}
			if strings.Contains(said, "panic") || strings.Contains(said, "hidden") {
				t.Errorf("a panic or a password: %s", said)
			}
		})
	}
	raw, err := os.ReadFile(garbage)
	if err != nil || !bytes.Equal(raw, bytes.Repeat([]byte("no database "), 1000)) {
		t.Error("a file that is no database was changed")
	}
}

// A chain daemon that is down is a state to report, not a reason to stop.
func TestChainDaemonThatIsDown(t *testing.T) {
	address := freeAddress(t)
	r := start(t, nil, "--set", "daemon.url=http://"+address).ready()
	_, body := get(t, r.base+"/daemon/getblockcount")
	if want := `{"status":"error","data":{"code":"ECONNREFUSED","name":"Error","message":"connect ECONNREFUSED ` + address + `"}}`; body != want {
		t.Errorf("%s, want %s", body, want)
	}
	r.until("the problem", func() bool {
		_, body := get(t, r.private+"/readyz")
		return strings.Contains(body, "daemon-unreachable") && strings.Contains(body, `"ready": true`)
	})
	if code, body := get(t, r.base+"/flux/info"); code != 200 || !strings.Contains(body, `"daemon":{"info":null`) {
		t.Errorf("flux/info: %d %s", code, body)
	}
}

// A database file that is deleted under a running daemon is a problem at once,
// and nothing is acknowledged that would be lost.
func TestDeletedDatabaseIsNoticed(t *testing.T) {
	dir := t.TempDir()
	r := start(t, nil, "--set", "node.data_dir="+dir).ready()
	for _, name := range []string{"fluxosd.db", "fluxosd.db-wal", "fluxosd.db-shm"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	r.until("refused phrases", func() bool {
		_, body := get(t, r.base+"/id/emergencyphrase")
		return strings.Contains(body, "database can't be reached")
	})
	r.until("the problem", func() bool {
		_, body := get(t, r.private+"/readyz")
		return strings.Contains(body, `"ready": false`) && strings.Contains(body, "store-unreachable")
	})
	if code, _ := get(t, r.base+"/flux/version"); code != 200 {
		t.Errorf("a route that needs no store: %d", code)
	}
}

// systemd is told when the daemon is ready, and when it stops.
func TestServiceManagerIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := start(t, []string{"NOTIFY_SOCKET=" + path})
	read := func() string {
		conn.SetReadDeadline(time.Now().Add(20 * time.Second))
		buf := make([]byte, 1000)
		n, err := conn.Read(buf)
		if err != nil {
			t.Fatalf("no message: %v\n%s", err, r.err)
		}
		return string(buf[:n])
	}
	if m := read(); !strings.Contains(m, "READY=1") {
		t.Errorf("first message %q", m)
	}
	r.ready().stop(syscall.SIGTERM)
	if m := read(); !strings.Contains(m, "STOPPING=1") {
		t.Errorf("last message %q", m)
	}
}

func TestRoutesCommand(t *testing.T) {
	out, _, err := runTool(t, nil, "routes", "--json")
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		Path  string
		Built bool
	}
	count := func(out string) (all, missing int) {
		var lines []line
		if err := json.Unmarshal([]byte(out), &lines); err != nil {
			t.Fatal(err)
		}
		for _, l := range lines {
			if !l.Built {
				missing++
			}
		}
		return len(lines), missing
	}
	all, missing := count(out)
	out, _, err = runTool(t, nil, "routes", "--missing", "--json")
	if err != nil {
		t.Fatal(err)
	}
	if n, m := count(out); n != missing || m != missing {
		t.Errorf("--missing lists %d rows, %d of them missing; all %d rows have %d missing", n, m, all, missing)
	}
	text, _, err := runTool(t, nil, "routes", "--missing")
	if err != nil || strings.Contains(text, "/daemon/") || strings.Contains(text, "/id/loginphrase") || !strings.Contains(text, "/apps/appstart") {
		t.Errorf("%v\n%s", err, text)
	}
}

func TestConfigCommands(t *testing.T) {
	sample, _, err := runTool(t, nil, "config", "sample")
	if err != nil || sample != config.Sample() {
		t.Errorf("sample: %v", err)
	}
	file := filepath.Join(t.TempDir(), "config.yaml")
	text := "node:\n  flux_id: 14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMv\ndaemon:\n  user: me\n  password: hushhush\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _, err := runTool(t, nil, "config", "check", "--config", file)
	if err != nil || strings.Contains(out, "hushhush") || !strings.Contains(out, "14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMv") {
		t.Errorf("check: %v\n%s", err, out)
	}
	for _, args := range [][]string{{"config"}, {"config", "print"}, {"config", "check", "--config", file + ".none"}, {"nonsense"}, {}} {
		if _, _, err := runTool(t, nil, args...); err == nil {
			t.Errorf("%v succeeded", args)
		}
	}
}

func TestImportCommand(t *testing.T) {
	dir := t.TempDir()
	userconfig, conf, result := filepath.Join(dir, "userconfig.js"), filepath.Join(dir, "flux.conf"), filepath.Join(dir, "config.yaml")
	js := "module.exports = {\n  initial: {\n    ipaddress: '198.51.100.7',\n    zelid: '14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMv',\n    testnet: false,\n    apiport: 16137,\n  },\n};\n"
	if err := errors.Join(os.WriteFile(userconfig, []byte(js), 0o600), os.WriteFile(conf, []byte("rpcuser=me\nrpcpassword=mypass\nrpcport=16999\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, stderr, err := runTool(t, nil, "import", "--userconfig", userconfig, "--daemon-conf", conf, "--output", result); err != nil {
		t.Fatalf("%v %s", err, stderr)
	}
	if info, err := os.Stat(result); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	cfg, err := config.Load(config.Options{File: result, FileRequired: true})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Node.FluxID != "14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMv" || cfg.API.Listen != ":16137" || cfg.API.TLSListen != ":16138" || cfg.Node.PublicIP.String() != "198.51.100.7" {
		t.Errorf("imported %+v %+v", cfg.Node, cfg.API)
	}
	if _, _, err := runTool(t, nil, "import", "--userconfig", userconfig, "--output", result); err == nil {
		t.Error("an existing file was overwritten")
	}
	if _, _, err := runTool(t, nil, "import"); !errors.Is(err, errUsage) {
		t.Errorf("import of nothing: %v", err)
	}
}

func TestDevnetCommand(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	chain, bench := freeAddress(t), freeAddress(t)
	p := process{args: []string{"devnet", "--listen", chain, "--bench-listen", bench, "--user", "u", "--password", "p"}, out: new(output), err: new(output)}
	done := make(chan error, 1)
	go func() { done <- p.run(ctx) }()
	var body string
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		req, err := http.NewRequest("POST", "http://"+chain, strings.NewReader(`{"id":1,"method":"getblockcount","params":[]}`))
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("u", "p")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue
		}
		raw, _ := io.ReadAll(res.Body)
		res.Body.Close()
		body = string(raw)
		break
	}
	if !strings.Contains(body, `"result":2200300`) {
		t.Errorf("the simulated daemon answered %s", body)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestVersionAndHelp(t *testing.T) {
	out, _, err := runTool(t, nil, "version", "--json")
	if err != nil || !strings.Contains(out, `"fluxos":"8.17.0"`) {
		t.Errorf("%v %s", err, out)
	}
	out, _, err = runTool(t, nil, "help")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range commands() {
		if !strings.Contains(out, c.name) || !strings.Contains(out, c.summary) {
			t.Errorf("help lacks %s", c.name)
		}
	}
}
