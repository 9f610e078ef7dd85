package mongo

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// module is the folder of the test server's own Go module.
const module = "../../../test/ferretdb"

// serverBinary builds the test server once per machine and version of its
// dependencies and source. A cold build takes about a minute.
func serverBinary() (string, error) {
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum", "main.go"} {
		text, err := os.ReadFile(filepath.Join(module, name))
		if err != nil {
			return "", err
		}
		sum.Write(text)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "fluxosd-test")
	binary := filepath.Join(dir, "ferretdb-"+hex.EncodeToString(sum.Sum(nil)[:8]))
	if _, err := os.Stat(binary); err == nil {
		return binary, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	// Two test processes may build at once: each builds its own and renames it.
	own := fmt.Sprintf("%s.%d", binary, os.Getpid())
	build := exec.Command("go", "build", "-o", own, ".")
	build.Dir = module
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", module, err, out)
	}
	return binary, os.Rename(own, binary)
}

// server is a running test server.
type server struct {
	command *exec.Cmd
	address string
	dir     string
	exited  chan struct{}
}

func (s *server) uri() string { return "mongodb://" + s.address + "/" }

// startServer starts a server on a free loopback port and waits until it listens.
func startServer(dir string) (*server, error) {
	// Between finding a free port and its use, somebody else may take it.
	var err error
	for range 5 {
		var s *server
		if s, err = startServerAt(freeAddress(), dir); err == nil {
			return s, nil
		}
	}
	return nil, err
}

func startServerAt(address, dir string) (*server, error) {
	binary, err := serverBinary()
	if err != nil {
		return nil, err
	}
	s := &server{command: exec.Command(binary, "-listen", address, "-dir", dir), address: address, dir: dir, exited: make(chan struct{})}
	var output strings.Builder
	s.command.Stderr = &output
	// FerretDB leaves a state file in its working folder.
	s.command.Dir = dir
	if err := s.command.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.command.Wait()
		close(s.exited)
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return s, nil
		}
		select {
		case <-s.exited:
			return nil, fmt.Errorf("the server ended: %s", output.String())
		case <-ctx.Done():
			s.stop(syscall.SIGKILL)
			return nil, fmt.Errorf("the server does not listen: %w", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// stop ends the server and waits for its end.
func (s *server) stop(signal syscall.Signal) {
	s.command.Process.Signal(signal)
	select {
	case <-s.exited:
	case <-time.After(10 * time.Second):
		s.command.Process.Kill()
		<-s.exited
	}
}

func freeAddress() string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	return listener.Addr().String()
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
	defer shared.stop(syscall.SIGTERM)
	return m.Run()
}
