package testproc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// childRole, set in the environment, turns the test binary into a server.
const (
	childRole = "FLUXOSD_TEST_CHILD"
	childAt   = "FLUXOSD_TEST_CHILD_AT"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childRole) {
	case "":
		goleak.VerifyTestMain(m)
	case "fail":
		fmt.Fprintln(os.Stderr, "no room for a server")
		os.Exit(1)
	default:
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		listener, err := net.Listen("tcp", os.Getenv(childAt))
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("listening")
		<-ctx.Done()
		listener.Close()
	}
}

func child(t *testing.T, role, address string) *Process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childAt+"="+address)
	p, err := Start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(os.Kill) })
	return p
}

func free(t *testing.T) string {
	t.Helper()
	address, err := FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func TestServerListensUntilItIsStopped(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		address := free(t)
		p := child(t, "serve", address)
		if err := p.Await(t.Context(), 20*time.Second, Listening(address)); err != nil {
			t.Fatal(err)
		}
		p.Stop(s)
		if err := Listening(address)(t.Context()); err == nil {
			t.Errorf("after %v: somebody listens", s)
		}
		p.Stop(s)
	}
}

func TestFailureIsToldInTheServersWords(t *testing.T) {
	err := child(t, "fail", "").Await(t.Context(), 20*time.Second, func(context.Context) error { return errors.New("not yet") })
	if err == nil || !strings.Contains(err.Error(), "no room for a server") {
		t.Errorf("got %v, want what the server said", err)
	}
}

func TestWaitingHasALimit(t *testing.T) {
	address := free(t)
	p := child(t, "serve", address)
	if err := p.Await(t.Context(), 20*time.Second, Listening(address)); err != nil {
		t.Fatal(err)
	}
	notYet := errors.New("not yet")
	err := p.Await(t.Context(), 30*time.Millisecond, func(context.Context) error { return notYet })
	if !errors.Is(err, notYet) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the reason and the end of the time", err)
	}
	if err := Listening(address)(t.Context()); err == nil {
		t.Error("the process was not stopped")
	}
}

func TestBuildsOncePerVersion(t *testing.T) {
	goCache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOCACHE", strings.TrimSpace(string(goCache))) // which follows the next one
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	module := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(module, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	build := func() string {
		binary, err := Build(t.Context(), module, ".", "hello")
		if err != nil {
			t.Fatal(err)
		}
		return binary
	}
	write("go.mod", "module example.test/hello\n\ngo 1.26\n")
	write("go.sum", "")
	write("main.go", `package main; func main() { println("one") }`)
	first := build()
	built, err := os.Stat(first)
	if err != nil {
		t.Fatal(err)
	}
	if again := build(); again != first {
		t.Errorf("built a second time as %s", again)
	}
	if now, err := os.Stat(first); err != nil || !os.SameFile(built, now) {
		t.Errorf("the file was replaced, error %v", err)
	}
	write("main.go", `package main; func main() { println("two") }`)
	out, err := exec.Command(build()).CombinedOutput()
	if err != nil || string(out) != "two\n" {
		t.Errorf("after a change of the source: got %q, %v", out, err)
	}
	write("main.go", "package main; func main() { nonsense }")
	if _, err := Build(t.Context(), module, ".", "hello"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("got %v, want what the compiler said", err)
	}
	if _, err := Build(t.Context(), t.TempDir(), ".", "hello"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder without a module: got %v", err)
	}
}
