// Package sdnotify tells the service manager how the daemon is doing, by the
// protocol of sd_notify(3): ready, stopping, a line of status, and a sign of
// life for the watchdog.
//
// Without NOTIFY_SOCKET in the environment every method does nothing, so
// callers need not ask whether systemd is there. The package passes no file
// descriptors and reads no answers.
package sdnotify

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// sendTimeout bounds one message: the service manager may be stopped or busy.
const sendTimeout = 2 * time.Second

// Notifier sends messages to the service manager. It is safe for concurrent use.
type Notifier struct {
	address  *net.UnixAddr // nil: nobody listens
	watchdog time.Duration // 0: nobody watches
}

// New reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID through getenv. A
// socket that is neither an absolute path nor an abstract name (@…), and a
// watchdog interval that isn't a positive number of microseconds, are errors.
func New(getenv func(string) string) (*Notifier, error) {
	socket := getenv("NOTIFY_SOCKET")
	if socket == "" {
		return &Notifier{}, nil
	}
	if !strings.HasPrefix(socket, "/") && !strings.HasPrefix(socket, "@") {
		return nil, fmt.Errorf("NOTIFY_SOCKET %q: want an absolute path or an abstract name that begins with @", socket)
	}
	n := &Notifier{address: &net.UnixAddr{Name: socket, Net: "unixgram"}}
	usec := getenv("WATCHDOG_USEC")
	if pid := getenv("WATCHDOG_PID"); usec == "" || pid != "" && pid != strconv.Itoa(os.Getpid()) {
		return n, nil // the watchdog is off, or meant for another process
	}
	us, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || us <= 0 || us > int64(24*time.Hour/time.Microsecond) {
		return nil, fmt.Errorf("WATCHDOG_USEC %q: want microseconds, from 1 to a day", usec)
	}
	n.watchdog = time.Duration(us) * time.Microsecond
	return n, nil
}

// Ready says that the start is over.
func (n *Notifier) Ready() error { return n.send("READY=1") }

// Stopping says that the shutdown has begun.
func (n *Notifier) Stopping() error { return n.send("STOPPING=1") }

// Status shows one line to the operator; line breaks become spaces.
func (n *Notifier) Status(text string) error {
	return n.send("STATUS=" + strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ").Replace(text))
}

// Interval returns how often the service manager wants a sign of life, 0 if
// it doesn't.
func (n *Notifier) Interval() time.Duration { return n.watchdog }

// Serve sends a sign of life twice per watchdog interval for as long as alive
// returns nil, so that a daemon that hangs or is broken gets restarted. It
// returns nil when ctx ends. Without a watchdog it only waits for that. A
// message that can't be sent is tried again at the next turn; what matters is
// the manager's own clock.
func (n *Notifier) Serve(ctx context.Context, alive func(context.Context) error) error {
	if n.watchdog == 0 {
		<-ctx.Done()
		return nil
	}
	tick := time.NewTicker(max(n.watchdog/2, time.Microsecond))
	defer tick.Stop()
	for {
		check, cancel := context.WithTimeout(ctx, n.watchdog/2)
		err := alive(check)
		cancel()
		if err == nil {
			_ = n.send("WATCHDOG=1")
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// send delivers one datagram.
func (n *Notifier) send(message string) (err error) {
	if n.address == nil {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, n.address)
	if err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := conn.SetWriteDeadline(time.Now().Add(sendTimeout)); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	if _, err := conn.Write([]byte(message)); err != nil {
		return fmt.Errorf("notify the service manager: %w", err)
	}
	return nil
}
