package chaincopy

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAPreparedDaemonStartsAgainAfter30Seconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		must(t, w.Prepare(t.Context(), neighbour))
		if !w.recorded(t) {
			t.Error("no record")
		}
		pass(30*time.Second - time.Millisecond)
		if did := w.unit.history(); did != "stop" {
			t.Fatalf("too early: %s", did)
		}
		pass(2 * time.Millisecond)
		if did := w.unit.history(); did != "stop start" || w.recorded(t) {
			t.Fatalf("did %s, recorded: %v", did, w.recorded(t))
		}
		pass(10 * time.Minute)
		if did := w.unit.history(); did != "stop start" {
			t.Errorf("did %s", did)
		}
		w.unit.change(func(u *unit) { u.tip = time.Now() })
		must(t, w.Prepare(t.Context(), neighbour)) // free again
	})
}

func TestTheDaemonStaysDownForTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		must(t, w.Prepare(t.Context(), neighbour))
		pass(29 * time.Second)
		tr := w.stream(t, Options{})
		pass(29 * time.Second)
		done := make(chan error, 1)
		var archive bytes.Buffer
		go func() {
			// Slow, and over before its pace counts.
			slow := paced(float64(tr.Size) / 30)
			done <- tr.WriteTo(t.Context(), io.MultiWriter(slow, &archive))
		}()
		pass(25 * time.Second)
		if did := w.unit.history(); did != "stop" {
			t.Fatalf("did %s", did)
		}
		must(t, <-done)
		synctest.Wait()
		if did := w.unit.history(); did != "stop start" || w.recorded(t) {
			t.Errorf("did %s", did)
		}
		if int64(archive.Len()) != tr.Size {
			// The tar program reads more into it: see the tests of the archive.
			t.Errorf("%d bytes, announced %d", archive.Len(), tr.Size)
		}
		if err := tr.WriteTo(t.Context(), io.Discard); !errors.Is(err, errClosed) {
			t.Errorf("a second time: %v", err)
		}
	})
}

func TestARefusedStreamKeepsTheTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		must(t, w.Prepare(t.Context(), neighbour))
		pass(20 * time.Second)
		_, err := w.Stream(t.Context(), neighbour, Options{Unsafe: true, Compress: true})
		refusal(t, err, 422, reasonUnsafe)
		pass(9 * time.Second)
		if did := w.unit.history(); did != "stop" {
			t.Fatalf("did %s", did)
		}
		pass(2 * time.Second)
		if did := w.unit.history(); did != "stop start" {
			t.Fatalf("did %s", did)
		}
	})
}

func TestAnUnreadStreamIsAbandoned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		must(t, w.Prepare(t.Context(), neighbour))
		tr := w.stream(t, Options{})
		pass(31 * time.Second)
		if did := w.unit.history(); did != "stop start" {
			t.Fatalf("did %s", did)
		}
		if err := tr.WriteTo(t.Context(), io.Discard); !errors.Is(err, errClosed) {
			t.Errorf("got %v", err)
		}
		w.stream(t, Options{Unsafe: true}).Close()
	})
}

// One big file makes the pace even.
func bigChain(t *testing.T, w *world, size int64) {
	t.Helper()
	must(t, os.Truncate(filepath.Join(w.dir, "blocks/blk00000.dat"), size))
}

func TestThePaceOfAStream(t *testing.T) {
	const mbit = 1e6 / 8
	steady := func(rate float64) func() io.Writer { return func() io.Writer { return paced(rate) } }
	for _, c := range []struct {
		name string
		w    func() io.Writer
		o    Options
		fast bool
		took time.Duration // about
	}{
		{"205 Mbit/s", steady(205 * mbit), Options{}, true, 40 * time.Second},
		{"195 Mbit/s", steady(195 * mbit), Options{}, false, 35 * time.Second},
		{"195 Mbit/s, unsafe", steady(195 * mbit), Options{Unsafe: true}, false, 35 * time.Second},
		{"1 Mbit/s", steady(mbit), Options{}, false, 35 * time.Second},
		{"hangs", func() io.Writer {
			return writerFunc(func(p []byte) (int, error) {
				<-time.After(time.Hour)
				return len(p), nil
			})
		}, Options{}, false, 35 * time.Second},
		{"fast, then nothing", func() io.Writer {
			fast, n := paced(400*mbit), 0
			return writerFunc(func(p []byte) (int, error) {
				if n += len(p); n > 900<<20 {
					<-time.After(time.Hour)
				}
				return fast.Write(p)
			})
		}, Options{}, false, 40 * time.Second},
		// What counts is how much of the chain moves: it compresses well here.
		{"0.1 Mbit/s of compressed data", steady(0.1 * mbit), Options{Compress: true}, true, 10 * time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				size := int64(1 << 30)
				if c.o.Compress {
					size = 100 << 20 // as slow to compress under the race detector
				}
				bigChain(t, w, size)
				if !c.o.Unsafe {
					must(t, w.Prepare(t.Context(), neighbour))
				}
				start := time.Now()
				tr := w.stream(t, c.o)
				done := make(chan error, 1)
				go func() { done <- tr.WriteTo(t.Context(), c.w()) }()
				for w.busy() {
					pass(100 * time.Millisecond)
				}
				took := time.Since(start)
				if took < c.took-time.Second || took > c.took+6*time.Second {
					t.Errorf("took %v, want about %v", took, c.took)
				}
				synctest.Wait()
				if want := map[bool]string{false: "stop start", true: ""}[c.o.Unsafe]; w.unit.history() != want {
					t.Errorf("did %q, want %q", w.unit.history(), want)
				}
				err := w.Prepare(t.Context(), neighbour)
				if c.fast {
					must(t, err)
				} else {
					refusal(t, err, 422, "Failed minimium throughput criteria. Disabled.")
				}
				if err := <-done; (err == nil) != c.fast || err != nil && !errors.Is(err, errSlow) {
					t.Errorf("WriteTo: %v", err)
				}
			})
		})
	}
}

// busy reports whether a transfer is under way.
func (w *world) busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.current != nil
}

func TestTheEndOfTheServiceStartsTheDaemon(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, w *world) (check func())
	}{
		{"prepared", func(t *testing.T, w *world) func() {
			must(t, w.Prepare(t.Context(), neighbour))
			return func() {}
		}},
		{"unread stream", func(t *testing.T, w *world) func() {
			must(t, w.Prepare(t.Context(), neighbour))
			tr := w.stream(t, Options{})
			return func() {
				if err := tr.WriteTo(t.Context(), io.Discard); !errors.Is(err, errClosed) {
					t.Errorf("got %v", err)
				}
			}
		}},
		{"stream that hangs", func(t *testing.T, w *world) func() {
			must(t, w.Prepare(t.Context(), neighbour))
			tr := w.stream(t, Options{})
			done, free := make(chan error, 1), make(chan struct{})
			go func() {
				done <- tr.WriteTo(t.Context(), writerFunc(func(p []byte) (int, error) { <-free; return len(p), nil }))
			}()
			synctest.Wait()
			return func() {
				close(free)
				if err := <-done; !errors.Is(err, errStopping) {
					t.Errorf("got %v", err)
				}
			}
		}},
		{"stop under way", func(t *testing.T, w *world) func() {
			w.unit.change(func(u *unit) { u.hold = make(chan struct{}) })
			done := make(chan error, 1)
			go func() { done <- w.Prepare(t.Context(), neighbour) }()
			synctest.Wait()
			return func() { refusal(t, <-done, 503, reasonStop) }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				check := c.do(t, w)
				if did := w.unit.history(); did != "stop" {
					t.Fatalf("did %q", did)
				}
				w.end()
				if did := w.unit.history(); did != "stop start" || w.recorded(t) {
					t.Errorf("did %q, recorded: %v", did, w.recorded(t))
				}
				check()
				refusal(t, w.Prepare(t.Context(), neighbour), 503, reasonAway)
			})
		})
	}
}

func TestAStopIsCarriedThroughWhenItsCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		free := make(chan struct{})
		w.unit.change(func(u *unit) { u.hold = free })
		ctx, leave := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- w.Prepare(ctx, neighbour) }()
		synctest.Wait()
		leave()
		pass(time.Minute)
		if did := w.unit.history(); did != "stop" {
			t.Fatalf("did %q", did)
		}
		close(free)
		must(t, <-done)
		pass(31 * time.Second)
		if did := w.unit.history(); did != "stop start" {
			t.Errorf("did %q", did)
		}
	})
}

func TestAStopThatHangsEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.unit.change(func(u *unit) { u.hold = make(chan struct{}) })
		start := time.Now()
		refusal(t, w.Prepare(t.Context(), neighbour), 503, reasonStop)
		if took := time.Since(start); took != stopTime {
			t.Errorf("took %v", took)
		}
		synctest.Wait()
		if did := w.unit.history(); did != "stop start" {
			t.Errorf("did %q", did)
		}
	})
}

func TestAStartThatFailsIsTriedAgain(t *testing.T) {
	for _, c := range []struct {
		name       string
		breakIt    func(*unit)
		mend       func(*unit)
		complained string
	}{
		{"start fails", func(u *unit) { u.startErr = errors.New("unit is masked") }, func(u *unit) { u.startErr = nil }, "unit is masked"},
		{"it dies", func(u *unit) { u.stillborn = true }, func(u *unit) { u.stillborn = false }, "started, and not running"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.unit.change(c.breakIt)
				must(t, w.Prepare(t.Context(), neighbour))
				// After 30 s, then 5, 10, 20, 40, 60 and 60 more.
				pass(30*time.Second + (5+10+20+40+60+60)*time.Second + time.Second)
				if n := strings.Count(w.unit.history(), "start"); n != 7 {
					t.Errorf("%d attempts, want 7", n)
				}
				if w.Problem() != c.complained || !w.recorded(t) {
					t.Errorf("problem %q, recorded: %v", w.Problem(), w.recorded(t))
				}
				refusal(t, w.Prepare(t.Context(), neighbour), 503, reasonBusy)
				w.unit.change(c.mend)
				pass(time.Minute)
				if w.Problem() != "" || w.recorded(t) {
					t.Errorf("problem %q, recorded: %v", w.Problem(), w.recorded(t))
				}
				w.unit.change(func(u *unit) { u.tip = time.Now() })
				must(t, w.Prepare(t.Context(), neighbour))
			})
		})
	}
}

func TestADaemonThatSomebodyElseStoppedStaysDown(t *testing.T) {
	w := newWorld(t)
	w.unit.change(func(u *unit) { u.up = false })
	must(t, w.stream(t, Options{}).WriteTo(t.Context(), io.Discard))
	w.end()
	if did := w.unit.history(); did != "" {
		t.Errorf("did %q", did)
	}
}

func TestServedTwiceIsAnError(t *testing.T) {
	w := newWorld(t)
	if err := w.Serve(t.Context()); err == nil {
		t.Error("served twice")
	}
	must(t, w.Prepare(t.Context(), neighbour)) // the first goes on
}

// crashVariable is set, to a folder, in the process that crashes.
const crashVariable = "FLUXOSD_TEST_CHAINCOPY_CRASH"

// files is a chain daemon that runs while a file is there, for two processes.
type files struct {
	*unit
	dir string
}

func (f files) flag() string { return filepath.Join(f.dir, "running") }

func (f files) Stop(context.Context) error  { return os.Remove(f.flag()) }
func (f files) Start(context.Context) error { return os.WriteFile(f.flag(), nil, 0o600) }
func (f files) Running(context.Context) (bool, error) {
	_, err := os.Stat(f.flag())
	return err == nil, nil
}

func (f files) copier() (*Copier, error) {
	return New(Config{DataDir: func() (string, error) { return f.dir, nil }, StateDir: f.dir, Control: f, Chain: f.unit,
		Local: func(netip.Addr) bool { return true }})
}

// crash is the other process: it prepares a copy and is killed.
func crash(dir string) {
	c, err := files{newUnit(), dir}.copier()
	if err != nil {
		panic(err)
	}
	go c.Serve(context.Background())
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); {
		if err = c.Prepare(context.Background(), neighbour); err == nil {
			break
		}
	}
	if err != nil {
		panic(err)
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		panic(err)
	}
	self.Kill()
	select {}
}

func TestTheDaemonStartsAgainAfterACrash(t *testing.T) {
	f := files{newUnit(), t.TempDir()}
	must(t, f.Start(t.Context()))
	self, err := os.Executable()
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), crashVariable+"="+f.dir)
	if out, err := cmd.CombinedOutput(); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("%v\n%s", err, out)
	}
	if up, _ := f.Running(t.Context()); up {
		t.Fatal("the daemon runs")
	}
	c, err := f.copier()
	must(t, err)
	w := &world{Copier: c}
	w.serve(t)
	eventually(t, "started again", func() bool { up, _ := f.Running(t.Context()); return up && !w.recorded(t) })
}
