package daemonrpc

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/secret"
	"github.com/fluxosd/fluxosd/internal/testproc"
)

// btcdModule pins the btcd that is built, relative to this package.
const btcdModule = "../../test/btcd"

// minerAddress is the pay-to-script-hash address, on regtest, of the script
// OP_TRUE: whoever shows the script may spend, so tests need no keys.
const minerAddress = "2ND8PB9RrfCaAcjfjP1Y6nAgFd9zWHYX4DN"

// btcd is a regtest daemon in a process of its own.
type btcd struct {
	binary, conf string
	addr         string // of its RPC
	process      *testproc.Process
}

const (
	btcdUser     = "tester"
	btcdPassword = "pass word/with:signs"
)

func startBtcd(t *testing.T) *btcd {
	t.Helper()
	binary, err := testproc.Build(t.Context(), btcdModule, "github.com/btcsuite/btcd", "btcd")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	d := &btcd{binary: binary, conf: filepath.Join(dir, "btcd.conf"), addr: freeAddress(t)}
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
	address, err := testproc.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// start runs the process and returns when it takes calls.
func (d *btcd) start(t *testing.T) {
	t.Helper()
	process, err := testproc.Start(exec.Command(d.binary, "-C", d.conf, "--regtest", "--miningaddr="+minerAddress))
	if err != nil {
		t.Fatal(err)
	}
	d.process = process
	c := newClient(t, d.config())
	err = process.Await(t.Context(), 30*time.Second, func(ctx context.Context) error {
		_, err := c.Call(ctx, "getblockcount", nil)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// kill ends the process without warning and waits for it.
func (d *btcd) kill() { d.process.Stop(os.Kill) }

// config reaches the daemon, with "generate" as a further method.
func (d *btcd) config() Config {
	methods := ChainMethods()
	methods["generate"] = ShareNothing
	return Config{URL: "http://" + d.addr, User: btcdUser, Password: secret.New(btcdPassword), Methods: methods, Timeout: 20 * time.Second}
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
