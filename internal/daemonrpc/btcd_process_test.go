package daemonrpc

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"
)

// btcdModule pins the btcd that is built, relative to this package.
const btcdModule = "../../test/btcd"

// minerAddress is the pay-to-script-hash address, on regtest, of the script
// OP_TRUE: whoever shows the script may spend, so tests need no keys.
const minerAddress = "2ND8PB9RrfCaAcjfjP1Y6nAgFd9zWHYX4DN"

// btcdBinary gives the path of btcd. It is built when this machine has none of
// the pinned version.
func btcdBinary(t *testing.T) string {
	t.Helper()
	hash := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(btcdModule, name))
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(data)
	}
	io.WriteString(hash, runtime.Version())
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "fluxosd-test")
	binary := filepath.Join(dir, "btcd-"+hex.EncodeToString(hash.Sum(nil)[:8]))
	if _, err := os.Stat(binary); err == nil {
		return binary
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	building, err := os.MkdirTemp(dir, "build-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(building)
	built := filepath.Join(building, "btcd")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", built, "github.com/btcsuite/btcd")
	cmd.Dir = btcdModule
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build btcd: %v\n%s", err, out)
	}
	if err := os.Rename(built, binary); err != nil { // another test process may have done the same; either file is good
		t.Fatal(err)
	}
	return binary
}

// btcd is a regtest daemon in a process of its own.
type btcd struct {
	binary, conf string
	addr         string // of its RPC
	cmd          *exec.Cmd
	output       *bytes.Buffer
}

const (
	btcdUser     = "tester"
	btcdPassword = "pass word/with:signs"
)

func startBtcd(t *testing.T) *btcd {
	t.Helper()
	dir := t.TempDir()
	d := &btcd{binary: btcdBinary(t), conf: filepath.Join(dir, "btcd.conf"), addr: freeAddress(t)}
	conf := fmt.Sprintf(`[Application Options]
rpcuser=%s
rpcpass=%s
notls=1
rpclisten=%s
nolisten=1
txindex=1
nodnsseed=1
datadir=%s
logdir=%s
`, btcdUser, btcdPassword, d.addr, filepath.Join(dir, "data"), filepath.Join(dir, "log"))
	if err := os.WriteFile(d.conf, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	d.start(t)
	t.Cleanup(d.kill)
	return d
}

// freeAddress gives a loopback address where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the process and returns when it takes calls.
func (d *btcd) start(t *testing.T) {
	t.Helper()
	d.output = &bytes.Buffer{}
	d.cmd = exec.Command(d.binary, "-C", d.conf, "--regtest", "--miningaddr="+minerAddress)
	d.cmd.Stdout, d.cmd.Stderr = d.output, d.output
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := newClient(t, d.config())
	deadline := time.Now().Add(30 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		_, err := c.Call(t.Context(), "getblockcount", nil)
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			d.kill()
			t.Fatalf("btcd does not answer: %v\n%s", err, d.output)
		}
	}
}

// kill ends the process without warning and waits for it.
func (d *btcd) kill() {
	if d.cmd == nil {
		return
	}
	d.cmd.Process.Kill()
	d.cmd.Wait() // reports the kill, which is wanted
	d.cmd = nil
}

// config reaches the daemon, with "generate" as a further method.
func (d *btcd) config() Config {
	methods := ChainMethods()
	methods["generate"] = ShareNothing
	return Config{URL: "http://" + d.addr, User: btcdUser, Password: btcdPassword, Methods: methods, Timeout: 20 * time.Second}
}

// mine adds blocks and returns their hashes.
func mine(t *testing.T, c *Client, blocks int) []string {
	t.Helper()
	raw, err := c.Call(t.Context(), "generate", []any{blocks})
	if err != nil {
		t.Fatal(err)
	}
	var hashes []string
	if err := json.Unmarshal(raw, &hashes); err != nil || len(hashes) != blocks {
		t.Fatalf("generate %d: %s, %v", blocks, raw, err)
	}
	return hashes
}

// relay passes connections on to another address and tells when a caller has
// sent something.
type relay struct {
	listener net.Listener
	sent     chan struct{}
	wg       sync.WaitGroup
}

func startRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{listener: l, sent: make(chan struct{}, 100)}
	r.wg.Go(func() {
		for {
			down, err := l.Accept()
			if err != nil {
				return
			}
			up, err := net.Dial("tcp", to)
			if err != nil {
				down.Close()
				continue
			}
			r.wg.Go(func() {
				defer up.Close()
				buf := make([]byte, 4096)
				for {
					n, err := down.Read(buf)
					if n > 0 {
						up.Write(buf[:n])
						r.sent <- struct{}{}
					}
					if err != nil {
						return
					}
				}
			})
			r.wg.Go(func() {
				defer down.Close()
				io.Copy(down, up)
			})
		}
	})
	t.Cleanup(func() { l.Close(); r.wg.Wait() })
	return r
}
