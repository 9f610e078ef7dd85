package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

const (
	readyTime = 30 * time.Second       // for a server to become ready
	pollEvery = time.Millisecond       // between two looks
	killAfter = 10 * time.Second       // from SIGTERM to SIGKILL
	tailBytes = 2 << 10                // of a log, shown when its server failed
	settle    = 100 * time.Millisecond // for the end of a server to be noticed
)

// child is a server process that this program started. It ends with its
// context, at stop, or with this program, whatever ends that.
type child struct {
	api     string // address of what is measured
	private string // address of what tells readiness
	probe   string // path there
	log     string // file with its output
	start   time.Time
	pid     int

	cancel context.CancelFunc
	exited chan struct{}
	err    error // of the process; read after exited
}

// startChild starts a program with its output in the file c.log. It gets none of
// this program's settings from the environment.
func startChild(ctx context.Context, c child, program string, args ...string) (*child, error) {
	out, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer out.Close() // the process has its own
	ctx, c.cancel = context.WithCancel(ctx)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Dir = filepath.Dir(c.log)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + cmd.Dir, "TMPDIR=" + cmd.Dir}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killAfter
	// A group of its own: an interrupt at the terminal reaches only this program,
	// which then stops the child. Should it be killed, the kernel kills the child.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	c.start = time.Now()
	if err := cmd.Start(); err != nil {
		c.cancel()
		return nil, err
	}
	c.pid = cmd.Process.Pid
	c.exited = make(chan struct{})
	started := &c
	go func() {
		started.err = cmd.Wait()
		close(started.exited)
	}()
	return started, nil
}

// stop ends the process and waits for its end.
func (c *child) stop() {
	c.cancel()
	<-c.exited
}

// startFluxosd starts a demo node with an empty store in dir, which must exist.
func startFluxosd(ctx context.Context, binary, dir string) (*child, error) {
	addrs, err := freeAddresses(2)
	if err != nil {
		return nil, err
	}
	c := child{api: addrs[0], private: addrs[1], probe: "/readyz", log: filepath.Join(dir, "fluxosd.log")}
	return startChild(ctx, c, binary, "serve", "--demo",
		"--set", "node.data_dir="+dir,
		"--set", "store.uri=sqlite:"+filepath.Join(dir, "fluxosd.db"),
		"--set", "api.listen="+c.api,
		"--set", "api.private_listen="+c.private,
		"--set", "api.tls_listen=")
}

// startBaseline starts this program again, as the baseline server.
func startBaseline(ctx context.Context, self, dir string) (*child, error) {
	addrs, err := freeAddresses(1)
	if err != nil {
		return nil, err
	}
	c := child{api: addrs[0], private: addrs[0], probe: "/", log: filepath.Join(dir, "baseline.log")}
	return startChild(ctx, c, self, baselineFlag, c.api)
}

// freeAddresses returns n loopback addresses that nobody listens on right now.
func freeAddresses(n int) ([]string, error) {
	addrs := make([]string, n)
	for i := range addrs {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer l.Close() // all stay taken until the last is found
		addrs[i] = l.Addr().String()
	}
	return addrs, nil
}

// ready waits until the probe answers 200, and returns the time since the start
// of the process.
func (c *child) ready(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, readyTime)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	request := get(c.private, c.probe)
	for {
		last := c.ask(ctx, request)
		if last == nil {
			return time.Since(c.start), nil
		}
		select {
		case <-tick.C:
		case <-c.exited:
			return 0, c.explain(errors.New("ended before it was ready"))
		case <-ctx.Done():
			return 0, c.explain(fmt.Errorf("not ready %v after its start: %w", time.Since(c.start).Round(time.Millisecond), last))
		}
	}
}

func (c *child) ask(ctx context.Context, request []byte) error {
	cl, err := dial(ctx, c.private)
	if err != nil {
		return err
	}
	defer cl.Close()
	cl.SetDeadline(time.Now().Add(time.Second))
	status, body, err := cl.do(request)
	if err == nil && status != 200 {
		err = &refusedError{status, string(body)}
	}
	return err
}

// run puts a load on the server's API, and counts what it costs the server.
func (c *child) run(ctx context.Context, l load) (sample, error) {
	l.addr = c.api
	before, err := c.cpu()
	if err != nil {
		return sample{}, err
	}
	got, err := l.run(ctx)
	if err != nil {
		return sample{}, c.explain(err)
	}
	after, err := c.cpu()
	got.cpu = after - before
	return got, err
}

// explain adds to an error what the process said last, and how it ended.
func (c *child) explain(err error) error {
	name := filepath.Base(c.log)
	select {
	case <-c.exited:
		err = fmt.Errorf("%w; the process ended: %w", err, exitError(c.err))
	case <-time.After(settle):
	}
	if tail := lastBytes(c.log, tailBytes); len(tail) > 0 {
		err = fmt.Errorf("%w\nlast lines of %s:\n%s", err, name, tail)
	}
	return err
}

func exitError(err error) error {
	if err == nil {
		return errors.New("exit status 0")
	}
	return err
}

// lastBytes returns the whole lines among the last n bytes of a file, or nil.
func lastBytes(file string, n int64) []byte {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil
	}
	tail, _ := io.ReadAll(io.NewSectionReader(f, max(0, size-n), n)) // what can be read is shown
	if size > n {
		_, tail, _ = bytes.Cut(tail, []byte("\n"))
	}
	return bytes.TrimSpace(tail)
}

// emptyLog drops what the process has logged so far: a line for every request
// would fill a small disk.
func (c *child) emptyLog() error { return os.Truncate(c.log, 0) }

// proc reads a file of the process in /proc.
func (c *child) proc(name string) ([]byte, error) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(c.pid) + "/" + name)
	if err != nil {
		return nil, c.explain(err)
	}
	return b, nil
}

// memory returns the resident memory of the process in bytes.
func (c *child) memory() (int64, error) {
	status, err := c.proc("status")
	if err != nil {
		return 0, err
	}
	return residentMemory(status)
}

// cpu returns the processor time that the process has used.
func (c *child) cpu() (time.Duration, error) {
	stat, err := c.proc("stat")
	if err != nil {
		return 0, err
	}
	return processorTime(stat)
}

// tick is the unit of times in /proc/PID/stat: USER_HZ is 100 for every program.
const tick = 10 * time.Millisecond

// processorTime reads utime and stime of /proc/PID/stat (proc_pid_stat(5)).
func processorTime(stat []byte) (time.Duration, error) {
	// The second field, the name in parentheses, may hold spaces and parentheses.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	const utime, stime = 14 - 3, 15 - 3 // counted from the third field
	if len(fields) <= stime {
		return 0, errors.New("read processor time: fields are missing")
	}
	var ticks int64
	for _, f := range [][]byte{fields[utime], fields[stime]} {
		n, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil || n < 0 {
			return 0, fmt.Errorf("read processor time: %q is no number of ticks", f)
		}
		ticks += n
	}
	return time.Duration(ticks) * tick, nil
}

// residentMemory reads VmRSS of /proc/PID/status, in bytes (proc_pid_status(5)).
func residentMemory(status []byte) (int64, error) {
	for line := range bytes.Lines(status) {
		rest, ok := bytes.CutPrefix(line, []byte("VmRSS:"))
		if !ok {
			continue
		}
		kib, ok := bytes.CutSuffix(bytes.TrimSpace(rest), []byte(" kB"))
		n, err := strconv.ParseInt(string(bytes.TrimSpace(kib)), 10, 64)
		if !ok || err != nil || n < 0 {
			return 0, fmt.Errorf("read VmRSS: %q is not a size in kB", bytes.TrimSpace(rest))
		}
		return n << 10, nil
	}
	return 0, errors.New("read VmRSS: there is none")
}
