package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/fluxosd/fluxosd/internal/devnet"
	"github.com/fluxosd/fluxosd/internal/node/doctor"
	"github.com/fluxosd/fluxosd/internal/node/gateway/gatewaytest"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// inFaults is set in the process that breaks nodes.
const inFaults = "FLUXOSD_TEST_FAULTS"

// breakdown is something that goes wrong with a node.
type breakdown struct {
	name       string
	begin, end func(w *world)
	code       string // of the problem that the doctor must name first
	fact       string // part of what it must have measured
}

// chainFaults and the tables below are what operators meet. In each the doctor
// must name the cause, not one of its effects.
var chainFaults = []breakdown{
	{"chain daemon is down", func(w *world) { w.daemon.close() }, func(w *world) { w.daemon.open() }, "daemon-unreachable", "ECONNREFUSED"},
	{"chain daemon hangs", func(w *world) { w.chain.Slow("*", time.Hour) }, func(w *world) { w.chain.Slow("*", 0) }, "daemon-hanging", "no answer within 6s"},
	{"chain daemon loads its index", func(w *world) { w.chain.WarmUp(true) }, func(w *world) { w.chain.WarmUp(false) }, "daemon-warming-up", "Loading block index"},
	{"chain daemon has another password", func(w *world) { w.daemon.swap(w.chain.Handler(rpcUser, "changed")) }, restoreDaemon, "daemon-unauthorised", "401"},
	{"another program on the chain daemon's port", func(w *world) { w.chain.Garbage(true) }, func(w *world) { w.chain.Garbage(false) }, "daemon-garbled", ""},
	{"chain daemon is behind", func(w *world) { w.try(w.chain.Stall(true)); w.try(w.chain.Advance(20)) }, func(w *world) { w.try(w.chain.Stall(false)) }, "daemon-syncing", "20 blocks behind"},
	{"no new blocks", func(w *world) {
		old, err := devnet.New(devnet.Config{Seed: "doctor", FirstHeight: demoHeight, Own: devnet.Own{IP: w.own}, Start: time.Now().Add(-4 * time.Hour)})
		w.try(err)
		w.daemon.swap(old.Handler(rpcUser, rpcPassword))
	}, restoreDaemon, "daemon-stale", "1h30m0s old"},
	{"chain daemon is alone", func(w *world) { w.chain.Isolate(true) }, func(w *world) { w.chain.Isolate(false) }, "daemon-isolated", "0 connections"},
	{"chain daemon of another network", func(w *world) { w.chain.Pretend("test") }, func(w *world) { w.chain.Pretend("") }, "daemon-wrong-network", `runs "test", this node is configured for "main"`},
}

// nodeFaults are about key, collateral and confirmation.
var nodeFaults = []breakdown{
	{"no node in flux.conf", conf("zelnode", "0"), restoreConf, "node-not-configured", "zelnode isn't 1"},
	{"no key in flux.conf", conf("zelnodeprivkey", "-"), restoreConf, "node-key-missing", "zelnodeprivkey is empty"},
	{"key with a typing error", conf("zelnodeprivkey", "5KQNwDsYkuPMEhpDzj7PKcYnJmtJyMqc"), restoreConf, "node-key-invalid", "wallet import format"},
	{"key of another node", func(w *world) {
		other, err := wallet.GenerateKey()
		w.try(err)
		w.writeConf(map[string]string{"zelnodeprivkey": other.WIF()})
	}, restoreConf, "node-key-wrong", "the network has "},
	{"no collateral in flux.conf", conf("zelnodeoutpoint", "-"), restoreConf, "collateral-not-configured", "zelnodeoutpoint"},
	{"broken flux.conf", conf("rpcport", "many"), restoreConf, "flux-conf-broken", "rpcport"},
	{"collateral is spent", func(w *world) { w.spend(true) }, func(w *world) { w.spend(false) }, "collateral-spent", "no unspent output"},
	{"node has expired", func(w *world) { w.try(w.chain.Expire(w.own, true)) }, func(w *world) { w.try(w.chain.Expire(w.own, false)) }, "node-expired", "expired at height"},
	{"node is in the chain's DOS list", status("DOS"), status(""), "node-in-dos", "status DOS"},
	{"node was only started", status("STARTED"), status(""), "node-unconfirmed", "status STARTED"},
	{"node has a strange status", status("OFFLINE"), status(""), "node-status-strange", `"OFFLINE"`},
	{"network has another address", func(w *world) { w.try(w.chain.Move(w.own, "198.18.99.99")) }, func(w *world) { w.try(w.chain.Move("198.18.99.99", w.own)) }, "address-differs", "198.18.99.99:16127"},
}

// hostFaults are about this machine and its services.
var hostFaults = []breakdown{
	{"neighbours don't see the node", func(w *world) { w.neighbour.Blind(true) }, func(w *world) { w.neighbour.Blind(false) }, "unreachable-from-outside", ":16127"},
	{"no route to the node", func(w *world) { tool(w.t, "ip", "route", "add", "blackhole", w.own, "table", "local") },
		func(w *world) { tool(w.t, "ip", "route", "del", "blackhole", w.own, "table", "local") }, "unreachable-from-outside", ":16127"},
	{"clock is slow", func(w *world) { w.offset.Store(int64(25 * time.Second)) }, func(w *world) { w.offset.Store(0) }, "clock-off", "s slow, says ntp"},
	{"clock drifts", func(w *world) { w.offset.Store(-int64(3 * time.Second)) }, func(w *world) { w.offset.Store(0) }, "clock-drifting", "s fast, says ntp"},
	{"disk is full", func(w *world) { w.fill(0) }, unfill, "disk-full", "free at "},
	{"disk is almost full", func(w *world) { w.fill(500 << 20) }, unfill, "disk-low", "MB of "},
	{"store is read-only", func(w *world) {
		w.protectStore(true)
		w.fetch("http://"+w.own+":16127/id/loginphrase", "") // SQLite learns of it at the next write
	}, func(w *world) { w.protectStore(false) }, "store-read-only", "last write failed"},
	{"store is gone", func(w *world) { w.try(os.Rename(w.data+"/fluxosd.db", w.data+"/away.db")) },
		func(w *world) { w.try(os.Rename(w.data+"/away.db", w.data+"/fluxosd.db")) }, "store-unreachable", "deleted or moved away"},
	{"Docker is missing", func(w *world) { w.docker.kill() }, func(w *world) { w.docker.start() }, "docker-unreachable", "connection refused"},
	{"Docker hangs", func(w *world) { w.docker.signal(syscall.SIGSTOP) }, func(w *world) { w.docker.signal(syscall.SIGCONT) }, "docker-hanging", "no answer within 6s"},
	{"Syncthing is missing", func(w *world) { w.sync.kill() }, func(w *world) { w.sync.start() }, "syncthing-unreachable", "connection refused"},
	{"Syncthing hangs", func(w *world) { w.sync.signal(syscall.SIGSTOP) }, func(w *world) { w.sync.signal(syscall.SIGCONT) }, "syncthing-hanging", "no answer within 6s"},
	{"too many blocked ports", func(w *world) {
		var ports []string
		for p := range 101 {
			ports = append(ports, fmt.Sprint(30000+p))
		}
		w.post("/flux/adjustblockedports", `{"blockedPorts":[`+strings.Join(ports, ",")+`]}`)
	}, func(w *world) { w.post("/flux/adjustblockedports", `{"blockedPorts":[]}`) }, "blocked-too-many", "101 of at most 100 ports"},
	{"too many blocked images", func(w *world) {
		w.post("/flux/adjustblockedrepositories", `{"blockedRepositories":["a/a","b/b","c/c","d/d","e/e","f/f","g/g","h/h","i/i","j/j","k/k"]}`)
	}, func(w *world) { w.post("/flux/adjustblockedrepositories", `{"blockedRepositories":[]}`) }, "blocked-too-many", "11 of at most 10 repositories"},
}

// benchFaults take the time for which replies of the benchmark daemon are kept,
// so that each has a node of its own.
var benchFaults = []breakdown{
	{"benchmark daemon is down", func(w *world) { w.bench.close() }, func(w *world) { w.bench.open() }, "benchmark-unreachable", "ECONNREFUSED"},
	{"benchmark daemon refuses the password", func(w *world) {
		w.bench.swap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	},
		restoreBench, "benchmark-unreachable", "401"},
	{"benchmark failed", func(w *world) { w.failBench("failed", "Failed: CPU") }, func(w *world) { w.failBench("", "") }, "benchmark-failed", "Failed: CPU"},
	{"benchmark daemon is too old", func(w *world) { w.bench.swap(rewriting(w.newBench(0), "6.2.0", "5.9.1")) }, restoreBench, "benchmark-outdated", "version 5.9.1"},
	{"machine is below its tier", func(w *world) { w.bench.swap(w.newBench(devnet.Cumulus)) }, restoreBench, "tier-too-low", "measured CUMULUS, the collateral is that of NIMBUS; NIMBUS: "},

	// A cause and its effect at once: the cause comes first.
	{"benchmark failed, and so the node expired", func(w *world) { w.failBench("failed", "Failed: CPU"); w.try(w.chain.Expire(w.own, true)) },
		func(w *world) { w.failBench("", ""); w.try(w.chain.Expire(w.own, false)) }, "benchmark-failed", "Failed: CPU"},
	{"machine is below its tier, and so the chain refuses it", func(w *world) { w.bench.swap(w.newBench(devnet.Cumulus)); w.chain.SetOwnStatus("DOS") },
		func(w *world) { restoreBench(w); w.chain.SetOwnStatus("") }, "tier-too-low", "NIMBUS"},
	{"nobody reaches the node, and so it expired", func(w *world) { w.neighbour.Blind(true); w.try(w.chain.Expire(w.own, true)) },
		func(w *world) { w.neighbour.Blind(false); w.try(w.chain.Expire(w.own, false)) }, "unreachable-from-outside", ":16127"},
	{"chain daemon starts, and its benchmark daemon not yet", func(w *world) { w.chain.WarmUp(true); w.bench.close() },
		func(w *world) { w.chain.WarmUp(false); w.bench.open() }, "daemon-warming-up", "Loading block index"},
}

// startFaults are there when the node starts, and end with another start.
var startFaults = []breakdown{
	{"API on a port that nobody knows", setting("api.listen", ":20127"), setting("api.listen", ":16127"), "api-port-unknown", "port 20127"},
	{"address isn't known", func(w *world) { w.settings["node.public_ip"] = `""`; w.bench.swap(rewriting(w.newBench(0), w.own, "")) },
		func(w *world) { w.settings["node.public_ip"] = w.own; restoreBench(w) }, "address-unknown", "no public IPv4 address is known"},
	{"too few open files", setting("api.max_connections", "1000000"), setting("api.max_connections", "500"), "open-files-low", "for up to 1000000 connections"},
	{"router refuses mappings", func(w *world) { w.router(gatewaytest.NATPMPBehaviour{ResultCode: 3}, "9.9.9.9") },
		func(w *world) { w.router(gatewaytest.NATPMPBehaviour{}, "9.9.9.9") }, "port-mapping-failed", "16127/tcp"},
	{"router is behind another one", func(w *world) { w.router(gatewaytest.NATPMPBehaviour{}, "10.1.2.3") },
		func(w *world) { w.router(gatewaytest.NATPMPBehaviour{}, "9.9.9.9") }, "router-behind-nat", "10.1.2.3"},
}

// testnetFaults are what only the test network lets the team provoke.
var testnetFaults = []breakdown{
	{"node is unfit", func(w *world) { w.post("/flux/dosstate", `{"dosState":100,"dosMessage":"IP changes over the limit"}`) },
		func(w *world) { w.post("/flux/dosstate", `{"dosState":0,"dosMessage":""}`) }, "dos-state", "DOS state 100: IP changes over the limit"},
	{"self-tests fail", func(w *world) { w.post("/flux/dosstate", `{"dosState":44,"dosMessage":"not reached"}`) },
		func(w *world) { w.post("/flux/dosstate", `{"dosState":0,"dosMessage":""}`) }, "dos-rising", "DOS state 44: not reached"},
}

func conf(key, value string) func(*world) {
	return func(w *world) { w.writeConf(map[string]string{key: value}) }
}
func restoreConf(w *world)   { w.writeConf(nil) }
func restoreDaemon(w *world) { w.daemon.swap(w.chain.Handler(rpcUser, rpcPassword)) }
func restoreBench(w *world)  { w.bench.swap(w.newBench(0)) }
func status(s string) func(*world) {
	return func(w *world) { w.chain.SetOwnStatus(s) }
}

// setting changes the configuration of the next start. A value that begins with a
// colon is a port of the node's own address.
func setting(key, value string) func(*world) {
	return func(w *world) {
		if strings.HasPrefix(value, ":") {
			w.settings[key] = w.own + value
			return
		}
		w.settings[key] = value
	}
}

func (w *world) try(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) spend(on bool) {
	own := w.chain.Own()
	w.chain.Spend(own.CollateralTxID, own.CollateralIndex, on)
}

// failBench gives the benchmark a status; "" is the tier again.
func (w *world) failBench(status, reason string) {
	b, err := devnet.NewBench(w.chain, devnet.BenchConfig{User: rpcUser, Password: rpcPassword})
	w.try(err)
	b.SetStatus(status, reason)
	w.bench.swap(b)
}

// router puts the node behind a router.
func (w *world) router(b gatewaytest.NATPMPBehaviour, external string) {
	w.t.Helper()
	at := netip.MustParseAddr(strings.Replace(w.own, "198.18.100.", "198.18.200.", 1))
	if w.nat == nil {
		var err error
		w.nat, err = gatewaytest.StartNATPMP(netip.AddrPortFrom(at, 5351))
		w.try(err)
		w.t.Cleanup(func() { w.nat.Close() })
		w.settings["network.gateway"], w.settings["node.router_ip"] = "nat-pmp", at.String()
	}
	w.nat.Set(func(now *gatewaytest.NATPMPBehaviour) { *now = b })
	w.nat.SetExternal(netip.MustParseAddr(external))
}

// fill leaves that many bytes of the data folder's disk to everybody.
func (w *world) fill(leave int64) {
	w.t.Helper()
	f, err := os.Create(filepath.Join(w.data, "filler"))
	w.try(err)
	defer f.Close()
	var st syscall.Statfs_t
	w.try(syscall.Statfs(w.data, &st))
	w.try(syscall.Fallocate(int(f.Fd()), 0, 0, int64(st.Bavail)*st.Bsize-leave))
}

func unfill(w *world) { w.try(os.Remove(filepath.Join(w.data, "filler"))) }

// immutable is FS_IMMUTABLE_FL, which chattr calls i.
const immutable = 0x10

// protectStore makes the files of the store such that nobody can write them,
// open or not.
func (w *world) protectStore(on bool) {
	w.t.Helper()
	for _, name := range []string{"fluxosd.db", "fluxosd.db-wal"} {
		f, err := os.Open(filepath.Join(w.data, name))
		w.try(err)
		flags, err := unix.IoctlGetInt(int(f.Fd()), unix.FS_IOC_GETFLAGS)
		w.try(err)
		if flags |= immutable; !on {
			flags &^= immutable
		}
		w.try(unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, flags))
		f.Close()
	}
}

// toldToAdminsOnly wants the same list over the API, and nothing for others.
func (w *world) toldToAdminsOnly() {
	w.t.Helper()
	url := "http://" + w.own + ":16127/flux/doctor"
	var env struct{ Data doctor.Report }
	if _, body := w.fetch(url, ""); json.Unmarshal([]byte(body), &env) != nil || len(env.Data.Lines) != len(w.examine().Lines) || env.Data.Lines[0].Code != standing {
		w.t.Errorf("over the API: %s", body)
	}
	auth := w.auth
	w.auth = ""
	if _, body := w.fetch(url, ""); !strings.Contains(body, "Unauthorized") || strings.Contains(body, standing) {
		w.t.Errorf("to anybody: %s", body)
	}
	w.auth = auth
}

// suffer lets a fault begin and end, and looks at what is said of it.
func (w *world) suffer(t *testing.T, f breakdown) {
	defer func(outer *testing.T) { w.t = outer }(w.t)
	w.t = t
	f.begin(w)
	func() {
		defer f.end(w) // also when the doctor doesn't see it
		w.shows(f)
	}()
	w.heals(f)
}

// shows waits until the fault is named first, with a fact and an advice, and
// wants probe and metrics to say the same.
func (w *world) shows(f breakdown) {
	w.t.Helper()
	line := w.named(f.code)
	if !strings.Contains(line.Fact, f.fact) || line.Fact == "" || line.Advice == "" || line.Problem == "" {
		w.t.Errorf("want a fact with %q, and an advice: %+v", f.fact, line)
	}
	if _, ready := w.fetch("http://"+w.private+"/readyz", ""); strings.Count(ready, fmt.Sprintf(`"code": %q`, f.code)) != 2 {
		w.t.Errorf("readyz doesn't show it as active and as a check:\n%s", ready)
	}
	_, exported := w.fetch("http://"+w.private+"/metrics", "")
	for _, want := range []string{fmt.Sprintf("fluxosd_health_problem{code=%q,severity=%q} 1\n", f.code, line.State), fmt.Sprintf("fluxosd_doctor_check{check=%q,state=%q} 1\n", line.Check, line.State)} {
		if !strings.Contains(exported, want) {
			w.t.Errorf("the metrics lack %s\n%s", want, linesWith(exported, line.Check))
		}
	}
}

// linesWith returns the lines of a text that have a word.
func linesWith(text, word string) string {
	var b strings.Builder
	for l := range strings.Lines(text) {
		if strings.Contains(l, word) {
			b.WriteString(l)
		}
	}
	return b.String()
}

// heals waits until the node is as well as before.
func (w *world) heals(f breakdown) {
	w.t.Helper()
	w.well()
	if _, ready := w.fetch("http://"+w.private+"/readyz", ""); strings.Contains(ready, fmt.Sprintf(`"code": %q`, f.code)) || !strings.Contains(ready, `"ready": true`) {
		w.t.Errorf("readyz afterwards:\n%s", ready)
	}
	_, exported := w.fetch("http://"+w.private+"/metrics", "")
	if line := linesWith(exported, fmt.Sprintf("fluxosd_health_problem{code=%q,", f.code)); !strings.HasSuffix(line, "} 0\n") {
		w.t.Errorf("the metrics afterwards: %s", line)
	}
}

// ownDisk is where the process that breaks nodes mounts a disk of its own: a
// path that is short enough for sockets.
const ownDisk = "/mnt"

// TestFaults breaks real nodes in every way that operators know, and wants the
// doctor to name the cause first, and to be content again afterwards. It needs
// root: networks, disks and a container engine of its own.
func TestFaults(t *testing.T) {
	if os.Getenv(inFaults) != "" {
		breakNodes(t)
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	child := exec.CommandContext(ctx, os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v", "-test.parallel=32")
	child.Env = append(os.Environ(), inFaults+"=1", "PATH=/nonexistent", "TMPDIR="+ownDisk, "HOME=/nonexistent")
	// With the process end all others in its namespaces, and the mounts.
	child.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Pdeathsig: syscall.SIGKILL}
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+t.Name()) {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%d faults", len(chainFaults)+len(nodeFaults)+len(hostFaults)+len(benchFaults)+len(startFaults)+len(testnetFaults))
}

func breakNodes(t *testing.T) {
	// Everything below is this process's own: mounts, network, processes.
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", ownDisk, "tmpfs", 0, "size=4g"); err != nil {
		t.Fatal(err)
	}
	tool(t, "ip", "link", "set", "lo", "up")
	tool(t, "ip", "route", "add", "local", "198.18.0.0/15", "dev", "lo")
	_, steadyDocker := startDocker(t)
	_, steadySync := startSyncthing(t)
	steady := equipment{docker: "unix://" + steadyDocker, syncthing: steadySync, disk: t.TempDir()}

	t.Run("group", func(t *testing.T) {
		run := func(w *world, faults []breakdown) {
			w.start()
			w.well()
			w.signIn()
			w.toldToAdminsOnly()
			for _, f := range faults {
				w.t.Run(f.name, func(t *testing.T) { w.suffer(t, f) })
			}
		}
		t.Run("group_chain", func(t *testing.T) {
			t.Parallel()
			run(newWorld(t, steady, nil), chainFaults)
		})
		t.Run("group_node", func(t *testing.T) {
			t.Parallel()
			run(newWorld(t, steady, nil), nodeFaults)
		})
		t.Run("group_host", func(t *testing.T) {
			t.Parallel()
			own := equipment{disk: mountDisk(t)}
			docker, socket := startDocker(t)
			sync, url := startSyncthing(t)
			own.docker, own.syncthing = "unix://"+socket, url
			w := newWorld(t, own, nil)
			w.docker, w.sync = docker, sync
			run(w, hostFaults)
		})
		t.Run("group_testnet", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, steady, nil)
			w.chain.Pretend("test")
			w.settings["node.testnet"], w.settings["node.test_controls"] = "true", "true"
			run(w, testnetFaults)
		})
		for _, f := range benchFaults {
			t.Run("group_bench", func(t *testing.T) {
				t.Parallel()
				run(newWorld(t, steady, func(c *devnet.Config) { c.Own.Tier = devnet.Nimbus }), []breakdown{f})
			})
		}
		for _, f := range startFaults {
			t.Run("group_start", func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, steady, nil)
				t.Run(f.name, func(t *testing.T) {
					w.t = t
					f.begin(w)
					w.start()
					w.shows(f)
					w.stop()
					f.end(w)
					w.start()
					w.heals(f)
					w.stop()
				})
			})
		}
	})
}

// mountDisk makes a disk of 4 GB, which takes room only for what is on it, and
// returns its folder. It ends with the process.
func mountDisk(t *testing.T) string {
	t.Helper()
	image, mounted := filepath.Join(ownDisk, "image"), filepath.Join(ownDisk, "disk")
	for _, err := range []error{os.WriteFile(image, nil, 0o600), os.Truncate(image, 4<<30), os.Mkdir(mounted, 0o700)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	tool(t, "mkfs.ext4", "-q", image)
	tool(t, "mount", "-o", "loop", image, mounted)
	return mounted
}
