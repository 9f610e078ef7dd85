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
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
)

// ran is how a command of fluxosd ended.
type ran struct {
	status   int
	out, err string
}

// terminalOf makes a pseudo terminal; programs write to slave.
func terminalOf(t *testing.T) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	fd, _, errno := unix.Syscall(unix.SYS_IOCTL, master.Fd(), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY)
	if errno != 0 {
		t.Fatal(errno)
	}
	slave = os.NewFile(fd, "terminal")
	t.Cleanup(func() { slave.Close() })
	return master, slave
}

// runDoctor runs fluxosd doctor in a process of its own, on a terminal or with
// its output in a pipe.
func runDoctor(t *testing.T, onTerminal bool, env []string, args ...string) ran {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], append([]string{"doctor"}, args...)...)
	cmd.Env = append(append(os.Environ(), asMain+"=1", "HOME=/nonexistent", "NO_COLOR="), env...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	read := make(chan struct{})
	close(read)
	if onTerminal {
		master, slave := terminalOf(t)
		cmd.Stdout, read = slave, make(chan struct{})
		go func() {
			defer close(read)
			io.Copy(&out, master) // ends with an error when the last slave is closed
		}()
		defer slave.Close()
	}
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
		t.Fatal(err)
	}
	if f, ok := cmd.Stdout.(*os.File); ok {
		f.Close()
	}
	<-read
	return ran{cmd.ProcessState.ExitCode(), out.String(), stderr.String()}
}

// decoded reads what doctor prints into a pipe.
func decoded(t *testing.T, r ran) doctor.Report {
	t.Helper()
	var report doctor.Report
	if err := json.Unmarshal([]byte(r.out), &report); err != nil || len(report.Lines) < 20 {
		t.Fatalf("status %d, %v:\n%s%s", r.status, err, r.out, r.err)
	}
	return report
}

// reporting answers as a daemon whose doctor has found that.
func reporting(r doctor.Report) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != "/doctor" {
			http.NotFound(w, req)
			return
		}
		json.NewEncoder(w).Encode(r)
	})
}

// aloneConfig is the configuration of a node that doesn't run and asks nobody
// outside; chain is the address of its chain daemon.
func aloneConfig(t *testing.T, private, chain string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "config.yaml")
	text := "node:\n  flux_id: 14BKBi3zwPG66UmbfKLRfT78Vs1bL4uiMv\n  public_ip: 198.18.0.1\n  data_dir: " + dir + "\n" +
		"api:\n  private_listen: " + private + "\n" +
		"network:\n  gateway: \"off\"\n  firewall: \"off\"\n  address_services: []\n  geolocation_services: []\n  time_servers: []\n" +
		"daemon:\n  url: http://" + chain + "\n  user: " + rpcUser + "\n  password: " + rpcPassword + "\ndocker:\n  host: unix://" + dir + "/none.sock\nsyncthing:\n  url: http://" + freeAddress(t) + "\n" +
		"benchmark:\n  source: native\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// The exit status is 0 when nothing needs attention, 1 with problems.
func TestDoctorOfARunningNode(t *testing.T) {
	answers := map[string]doctor.Report{
		"well": {State: doctor.Info, Lines: []doctor.Line{{Check: "c", Title: "C", State: doctor.Info, Code: "c-unwise", Problem: "It is unwise", Fact: "1"}}},
		"ill":  {State: doctor.Critical, Lines: []doctor.Line{{Check: "c", Title: "C", State: doctor.Critical, Code: "c-bad", Problem: "It is bad", Fact: "2", Advice: "Mend it."}}},
	}
	for name, want := range map[string]int{"well": 0, "ill": 1} {
		d := newDoor(t, reporting(answers[name]))
		args := []string{"--config", aloneConfig(t, d.address, freeAddress(t))}
		r := runDoctor(t, false, nil, args...)
		var report doctor.Report
		if err := json.Unmarshal([]byte(r.out), &report); err != nil || r.status != want || report.Lines[0].Code != answers[name].Lines[0].Code || r.err != "" {
			t.Errorf("%s: status %d, %v\n%s%s", name, r.status, err, r.out, r.err)
		}
		r = runDoctor(t, true, nil, args...)
		if r.status != want || !strings.Contains(r.out, "\x1b[") || !strings.Contains(r.out, answers[name].Lines[0].Problem) || strings.Contains(r.out, `"checks"`) {
			t.Errorf("%s on a terminal: status %d\n%q", name, r.status, r.out)
		}
		if r = runDoctor(t, true, []string{"NO_COLOR=1"}, args...); r.status != want || strings.Contains(r.out, "\x1b[") || !strings.Contains(r.out, answers[name].Lines[0].Problem) {
			t.Errorf("%s without colours: status %d\n%q", name, r.status, r.out)
		}
		if r = runDoctor(t, true, nil, append(args, "--json")...); r.status != want || strings.Contains(r.out, "\x1b[") || !strings.Contains(r.out, `"checks"`) {
			t.Errorf("%s as JSON on a terminal: status %d\n%q", name, r.status, r.out)
		}
	}
}

// Without the daemon that is the first finding, and the others are there.
func TestDoctorOfANodeThatIsDown(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	other := newDoor(t, http.NotFoundHandler())
	chain, err := devnet.New(devnet.Config{FirstHeight: demoHeight})
	if err != nil {
		t.Fatal(err)
	}
	runs, nobody := newDoor(t, chain.Handler(rpcUser, rpcPassword)).address, freeAddress(t)
	for name, c := range map[string]struct{ private, chain, found string }{
		"it hangs":                {silent.Addr().String(), runs, ""},
		"another program":         {other.address, runs, ""},
		"not asked":               {`""`, runs, ""},
		"everything else is down": {nobody, nobody, "daemon-unreachable"},
	} {
		r := runDoctor(t, false, nil, "--config", aloneConfig(t, c.private, c.chain))
		report := decoded(t, r)
		if first, _ := report.First(); r.status != 1 || first.Code != "fluxosd-down" || first.Fact == "" {
			t.Errorf("%s: status %d, first %+v", name, r.status, first)
		}
		if line := report.Lines[slices.IndexFunc(report.Lines, func(l doctor.Line) bool { return l.Check == "chain-daemon" })]; line.Code != c.found {
			t.Errorf("%s: %+v", name, line)
		}
		for _, code := range []string{"docker-unreachable", "syncthing-unreachable", "store-unreachable"} {
			if !slices.ContainsFunc(report.Lines, func(l doctor.Line) bool { return l.Code == code }) {
				t.Errorf("%s: %s isn't found:\n%s", name, code, r.out)
			}
		}
	}
}

// What keeps the command from looking at all is status 2, and told.
func TestDoctorThatCannotLook(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(broken, []byte("node:\n  flux_idd: x\ndaemon:\n  timeout: soon\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no configuration":     {[]string{"--config", broken + ".none"}, "no such file"},
		"broken configuration": {[]string{"--config", broken}, "daemon.timeout"},
		"unknown flag":         {[]string{"--nonsense"}, "nonsense"},
		"an argument":          {[]string{"--config", broken, "please"}, "please"},
	} {
		if r := runDoctor(t, false, nil, c.args...); r.status != 2 || !strings.Contains(r.err, c.want) || r.out != "" {
			t.Errorf("%s: status %d\n%s%s", name, r.status, r.out, r.err)
		}
	}
}
