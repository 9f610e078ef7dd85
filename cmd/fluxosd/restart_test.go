package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// startNode runs fluxosd serve, not as a demo, with a simulated chain daemon in
// this process and an owner whose key the test has. It asks nobody outside.
func startNode(t *testing.T, env ...string) (*running, *wallet.Key) {
	t.Helper()
	chain, err := devnet.New(devnet.Config{Seed: "restart", FirstHeight: demoHeight, Height: demoHeight + 20, BlockInterval: -1})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(chain.Handler("u", "p"))
	t.Cleanup(server.Close)
	key, err := wallet.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	api, private := freeAddress(t), freeAddress(t)
	file := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`node: {flux_id: %s, data_dir: %s, public_ip: 198.51.100.7}
api: {listen: %q, tls_listen: "", private_listen: %q}
network: {gateway: "off", firewall: "off", address_services: [], geolocation_services: [], time_servers: []}
daemon: {url: %q, user: u, password: p}
benchmark: {source: native, every: 0s}
`, key.FluxID(), filepath.Join(dir, "data"), api, private, server.URL)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var own []string
	for _, kv := range os.Environ() { // the test itself may run as a service
		if !strings.HasPrefix(kv, "INVOCATION_ID=") && !strings.HasPrefix(kv, "NOTIFY_SOCKET=") && !strings.HasPrefix(kv, "FLUXOSD_") {
			own = append(own, kv)
		}
	}
	r := launch(t, append(append(own, "HOME="+dir), env...), "serve", "--config", file)
	r.base, r.private = "http://"+api, "http://"+private
	r.started(1)
	return r, key
}

// started waits until the process has become ready for the nth time.
func (r *running) started(n int) {
	r.t.Helper()
	r.until(fmt.Sprintf("start %d", n), func() bool { return strings.Count(r.err.String(), "Ready") >= n })
}

// signIn logs a key in without the node's health checks: nothing that they look
// for runs here.
func (r *running) signIn(key *wallet.Key) string {
	r.t.Helper()
	c := apiClient{base: r.base, http: http.DefaultClient}
	var phrase string
	if err := c.call(r.t.Context(), "GET", "/id/emergencyphrase", nil, &phrase); err != nil {
		r.t.Fatal(err)
	}
	sig := key.SignMessage(phrase)
	var into any
	if err := c.call(r.t.Context(), "POST", "/id/verifylogin", map[string]string{"zelid": key.FluxID(), "loginPhrase": phrase, "signature": sig}, &into); err != nil {
		r.t.Fatal(err)
	}
	return "zelidauth: " + zelidauth(key.FluxID(), phrase, sig)
}

// restart asks for one, and wants to be answered.
func (r *running) restart(header string) {
	r.t.Helper()
	code, body := get(r.t, r.base+"/flux/restart", header)
	if code != 200 || body != `{"status":"success","data":"Restarting FluxOS"}` {
		r.t.Fatalf("%d %s", code, body)
	}
}

func TestRestartUnderAServiceManagerIsItsBusiness(t *testing.T) {
	for _, env := range []string{"INVOCATION_ID=0123456789abcdef", "NOTIFY_SOCKET=" + filepath.Join(t.TempDir(), "nobody")} {
		t.Run(env[:6], func(t *testing.T) {
			r, key := startNode(t, env)
			r.restart(r.signIn(key))
			if code := r.ended(); code != exitAgain || exitAgain != 75 {
				t.Errorf("status %d, want 75:\n%s", code, r.err)
			}
			if log := r.err.String(); strings.Count(log, "Stopped") != 1 || strings.Contains(log, "fluxosd: ") {
				t.Errorf("it ended otherwise than in order:\n%s", log)
			}
		})
	}
}

// openFiles are what the process has open, without what differs from start to start.
func openFiles(t *testing.T, pid int) []string {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil && (strings.HasPrefix(target, "/") || strings.HasPrefix(target, "pipe:")) {
			out = append(out, target)
		}
	}
	slices.Sort(out)
	return out
}

// Without a service manager the same process becomes a new fluxosd: whoever
// started it still has its number, and sees it running.
func TestRestartWithoutAServiceManagerIsInPlace(t *testing.T) {
	r, key := startNode(t)
	pid := r.cmd.Process.Pid
	cmdline := func() string {
		raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	header, files, command := r.signIn(key), openFiles(t, pid), cmdline()
	for i := range 3 {
		r.restart(header)
		r.started(i + 2)
		if got := strings.Count(r.err.String(), "Stopped"); got != i+1 {
			t.Errorf("%d orderly ends before start %d:\n%s", got, i+2, r.err)
		}
		// The session is in the store, which is the same.
		if code, body := get(t, r.base+"/id/loggedsessions", header); code != 200 || !strings.Contains(body, key.FluxID()) {
			t.Errorf("the session is gone after restart %d: %d %s", i+1, code, body)
		}
		if got := cmdline(); got != command {
			t.Errorf("arguments %q, want %q", got, command)
		}
	}
	if now := openFiles(t, pid); len(now) > len(files)+2 { // a connection to the database more or less
		t.Errorf("open files grow from %q to %q", files, now)
	}
	if st := r.stop(syscall.SIGTERM); st.ExitCode() != 0 {
		t.Errorf("SIGTERM after restarts: status %d\n%s", st.ExitCode(), r.err)
	}
}

func TestOnlyTheOwnerMayRestart(t *testing.T) {
	r, _ := startNode(t, "INVOCATION_ID=x")
	stranger, err := wallet.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for who, headers := range map[string][]string{"nobody": nil, "a stranger": {r.signIn(stranger)}} {
		_, body := get(t, r.base+"/flux/restart", headers...)
		var env struct {
			Status string
			Data   struct{ Code int }
		}
		if err := json.Unmarshal([]byte(body), &env); err != nil || env.Status != "error" || env.Data.Code != 401 {
			t.Errorf("%s: %s", who, body)
		}
	}
	if code, _ := get(t, r.base+"/flux/version"); code != 200 {
		t.Errorf("afterwards: %d", code)
	}
	if st := r.stop(syscall.SIGTERM); st.ExitCode() != 0 {
		t.Errorf("status %d: a refused call restarts", st.ExitCode())
	}
}

func TestADemoIsNotRestarted(t *testing.T) {
	r := start(t, nil).ready()
	header, _ := r.curl()
	if _, body := get(t, r.base+"/flux/restart", header); !strings.Contains(body, `"status":"error"`) || !strings.Contains(body, "stop it and start it again") {
		t.Errorf("%s", body)
	}
	if code, _ := get(t, r.base+"/flux/version"); code != 200 {
		t.Errorf("afterwards: %d", code)
	}
}

// The unit that is shipped starts a daemon again that ended with exitAgain.
func TestTheUnitTakesTheStatusForAFailure(t *testing.T) {
	raw, err := os.ReadFile("../../systemd/fluxosd.service")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(raw), "\n")
	for _, want := range []string{"Restart=on-failure", "StartLimitIntervalSec=0"} {
		if !slices.Contains(lines, want) {
			t.Errorf("the unit has no line %s", want)
		}
	}
	for _, line := range lines {
		if name, _, _ := strings.Cut(line, "="); name == "SuccessExitStatus" || name == "RestartPreventExitStatus" {
			t.Errorf("%s: status %d must start the daemon again", line, exitAgain)
		}
	}
}
