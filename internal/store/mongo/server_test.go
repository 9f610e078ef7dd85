package mongo

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/testproc"
)

// module is the folder of the test server's own Go module.
const module = "../../../test/ferretdb"

// server is a running test server.
type server struct {
	*testproc.Process
	address string
	dir     string
}

func (s *server) uri() string { return "mongodb://" + s.address + "/" }

// startServer starts a server on a free loopback port and waits until it listens.
func startServer(dir string) (*server, error) {
	// Between finding a free port and its use, somebody else may take it.
	var err error
	for range 5 {
		var address string
		if address, err = testproc.FreeAddress(); err != nil {
			break
		}
		var s *server
		if s, err = startServerAt(address, dir); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func startServerAt(address, dir string) (*server, error) {
	ctx := context.Background() // TestMain has no other
	binary, err := testproc.Build(ctx, module, ".", "ferretdb")
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(binary, "-listen", address, "-dir", dir)
	cmd.Dir = dir // FerretDB leaves a state file in its working folder
	p, err := testproc.Start(cmd)
	if err != nil {
		return nil, err
	}
	return &server{p, address, dir}, p.Await(ctx, 20*time.Second, testproc.Listening(address))
}

// shared is the server of the tests that don't stop theirs.
var shared *server

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "fluxosd-mongo-test")
	if err == nil {
		defer os.RemoveAll(dir)
		shared, err = startServer(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the test server:", err)
		return 1
	}
	defer shared.Stop(syscall.SIGTERM)
	return m.Run()
}
