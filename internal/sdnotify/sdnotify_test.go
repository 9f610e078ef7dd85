package sdnotify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waiting for something that should happen at once.
const patience = 10 * time.Second

// manager is a service manager's socket.
func manager(t *testing.T, address string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// receive returns the next datagram.
func receive(t *testing.T, conn *net.UnixConn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	return string(buf[:n])
}

// env returns a getenv over pairs of name and value.
func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func mustNew(t *testing.T, getenv func(string) string) *Notifier {
	t.Helper()
	n, err := New(getenv)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestMessagesReachTheManager(t *testing.T) {
	for name, address := range map[string]string{
		"path":     filepath.Join(t.TempDir(), "notify"),
		"abstract": fmt.Sprintf("@fluxosd-test-%d-%d", os.Getpid(), time.Now().UnixNano()),
	} {
		t.Run(name, func(t *testing.T) {
			conn := manager(t, address)
			n := mustNew(t, env("NOTIFY_SOCKET", address))
			for _, step := range []struct {
				send func() error
				want string
			}{
				{n.Ready, "READY=1"},
				{func() error { return n.Status("Serving\r\non :16127\nREADY=1") }, "STATUS=Serving on :16127 READY=1"},
				{n.Stopping, "STOPPING=1"},
			} {
				if err := step.send(); err != nil {
					t.Fatal(err)
				}
				if got := receive(t, conn); got != step.want {
					t.Errorf("got %q, want %q", got, step.want)
				}
			}
		})
	}
}

func TestWithoutAManagerNothingHappens(t *testing.T) {
	n := mustNew(t, env("WATCHDOG_USEC", "1000"))
	if err := errors.Join(n.Ready(), n.Status("x"), n.Stopping()); err != nil {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := n.Serve(ctx, func(context.Context) error {
		t.Error("asked for a sign of life that nobody wants")
		return nil
	})
	if err != nil || n.Interval() != 0 {
		t.Errorf("Serve = %v, Interval = %v", err, n.Interval())
	}
}

func TestEnvironment(t *testing.T) {
	self := strconv.Itoa(os.Getpid())
	tests := []struct {
		name              string
		socket, usec, pid string
		want              time.Duration
		fails             bool
	}{
		{name: "no watchdog", socket: "/x"},
		{name: "watchdog", socket: "/x", usec: "120000000", want: 2 * time.Minute},
		{name: "for this process", socket: "/x", usec: "5000", pid: self, want: 5 * time.Millisecond},
		{name: "for another process", socket: "/x", usec: "5000", pid: self + "0"},
		{name: "relative socket", socket: "x", fails: true},
		{name: "not a number", socket: "/x", usec: "soon", fails: true},
		{name: "zero", socket: "/x", usec: "0", fails: true},
		{name: "negative", socket: "/x", usec: "-1", fails: true},
		{name: "overflow", socket: "/x", usec: "9223372036854775807", fails: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			n, err := New(env("NOTIFY_SOCKET", tt.socket, "WATCHDOG_USEC", tt.usec, "WATCHDOG_PID", tt.pid))
			if (err != nil) != tt.fails {
				t.Fatalf("got error %v, want one: %v", err, tt.fails)
			}
			if err == nil && n.Interval() != tt.want {
				t.Errorf("Interval = %v, want %v", n.Interval(), tt.want)
			}
		})
	}
}

func TestAMissingManagerIsAnError(t *testing.T) {
	n := mustNew(t, env("NOTIFY_SOCKET", filepath.Join(t.TempDir(), "gone")))
	if err := n.Ready(); err == nil || !strings.Contains(err.Error(), "notify the service manager") {
		t.Errorf("got %v", err)
	}
}

func TestSignsOfLifeStopWhenTheDaemonIsIll(t *testing.T) {
	address := filepath.Join(t.TempDir(), "notify")
	conn := manager(t, address)
	n := mustNew(t, env("NOTIFY_SOCKET", address, "WATCHDOG_USEC", "2000"))
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	asked := make(chan error) // what alive answers; unbuffered, so the test sets the pace
	go func() {
		done <- n.Serve(ctx, func(context.Context) error {
			select {
			case err := <-asked:
				return err
			case <-ctx.Done():
				return ctx.Err()
			}
		})
	}()
	ill := errors.New("ill")
	for _, answer := range []error{nil, ill, ill, nil, ill} {
		select {
		case asked <- answer:
		case <-time.After(patience):
			t.Fatal("Serve doesn't ask")
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve = %v, want nil", err)
	}
	// Two answers of five were good. The marker shows that no third message came.
	if err := n.Status("marker"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"WATCHDOG=1", "WATCHDOG=1", "STATUS=marker"} {
		if got := receive(t, conn); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestAliveHasADeadline(t *testing.T) {
	address := filepath.Join(t.TempDir(), "notify")
	manager(t, address)
	n := mustNew(t, env("NOTIFY_SOCKET", address, "WATCHDOG_USEC", "2000"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	err := n.Serve(ctx, func(check context.Context) error {
		<-check.Done()
		select {
		case ended <- check.Err():
		default:
		}
		cancel()
		return check.Err()
	})
	if got := <-ended; err != nil || !errors.Is(got, context.DeadlineExceeded) {
		t.Errorf("Serve = %v, the check ended with %v, want its deadline", err, got)
	}
}
