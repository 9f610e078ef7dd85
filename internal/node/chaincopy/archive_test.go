package chaincopy

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestTheCopyIsTheChain(t *testing.T) {
	for _, c := range []struct {
		name        string
		o           Options
		contentType string
		flags       []string
	}{
		{"plain", Options{}, "application/x-tar", nil},
		{"compressed", Options{Compress: true}, "application/gzip", []string{"-z"}},
		{"unsafe", Options{Unsafe: true}, "application/x-tar", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			if !c.o.Unsafe {
				must(t, w.Prepare(t.Context(), neighbour))
			}
			tr := w.stream(t, c.o)
			if tr.ContentType != c.contentType {
				t.Errorf("content type %s", tr.ContentType)
			}
			var archive bytes.Buffer
			must(t, tr.WriteTo(t.Context(), &archive))
			same(t, untar(t, archive.Bytes(), c.flags...), chainFiles)
			if c.o.Compress == (int64(archive.Len()) == tr.Size) {
				t.Errorf("%d bytes, announced %d", archive.Len(), tr.Size)
			}
		})
	}
}

func TestTheOrderAndTheHeadersOfTheArchive(t *testing.T) {
	w := newWorld(t)
	must(t, os.Chmod(filepath.Join(w.dir, "chainstate/LOCK"), 0o640|os.ModeSetuid))
	var archive bytes.Buffer
	must(t, w.stream(t, Options{Unsafe: true}).WriteTo(t.Context(), &archive))
	info, err := os.Stat(filepath.Join(w.dir, "blocks/blk00000.dat"))
	must(t, err)
	var order []string
	r := tar.NewReader(&archive)
	for {
		h, err := r.Next()
		if err == io.EOF {
			break
		}
		must(t, err)
		if h.Typeflag == tar.TypeDir && !strings.Contains(strings.Trim(h.Name, "/"), "/") {
			order = append(order, h.Name)
		}
		switch h.Name {
		case "chainstate/LOCK":
			if h.Mode != 0o640 {
				t.Errorf("mode %o", h.Mode)
			}
		case "blocks/blk00000.dat":
			if d := h.ModTime.Sub(info.ModTime()).Seconds(); d < -1 || d > 1 {
				t.Errorf("of %v, want %v", h.ModTime, info.ModTime())
			}
		}
		if h.Uname != "" || h.Gname != "" {
			t.Errorf("%s names %q and %q", h.Name, h.Uname, h.Gname)
		}
	}
	if got := strings.Join(order, " "); got != "determ_zelnodes/ chainstate/ blocks/" {
		t.Errorf("got %s", got)
	}
}

func TestOnlyPlainFilesAreCopied(t *testing.T) {
	for _, o := range []Options{{}, {Unsafe: true}} {
		var log strings.Builder
		w := newWorld(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
		w.unit.change(func(u *unit) { u.up = o.Unsafe })
		in := func(name string) string { return filepath.Join(w.dir, name) }
		must(t, errors.Join(
			os.Symlink("../wallet.dat", in("blocks/blk00001.dat")),
			os.Symlink("/etc/hostname", in("blocks/blk00002.dat")),
			os.Symlink("..", in("chainstate/up")),
			os.Symlink("nowhere", in("chainstate/dangling")),
			syscall.Mkfifo(in("determ_zelnodes/pipe"), 0o600),
		))
		var archive bytes.Buffer
		must(t, w.stream(t, o).WriteTo(t.Context(), &archive))
		same(t, untar(t, archive.Bytes()), chainFiles)
		w.end()
		if !strings.Contains(log.String(), "skipped=5") {
			t.Errorf("the log says nothing of it:\n%s", log.String())
		}
	}
}

func TestFoldersNestedTooDeeplyAreRefused(t *testing.T) {
	w := newWorld(t)
	must(t, os.MkdirAll(filepath.Join(w.dir, "blocks", strings.Repeat("a/", maxDepth+1)), 0o755))
	_, err := w.Stream(t.Context(), neighbour, Options{Unsafe: true})
	refusal(t, err, 500, reasonNoChain)
}

func TestManyNamesAndLongOnes(t *testing.T) {
	w := newWorld(t)
	want := map[string]string{}
	for name, text := range chainFiles {
		want[name] = text
	}
	long := "blocks/" + strings.Repeat("n", 250)
	for i := range 3*batch + 1 {
		want["chainstate/"+strings.Repeat("x", i%40)+string(rune('a'+i%26))+strings.Repeat("y", i/26)+".ldb"] = "coin"
	}
	want[long] = "long"
	w.dir = makeChain(t, want)
	var archive bytes.Buffer
	must(t, w.stream(t, Options{Unsafe: true}).WriteTo(t.Context(), &archive))
	same(t, untar(t, archive.Bytes()), want)
}

// onceAt does something when the archive has that many bytes.
func onceAt(n int, do func()) writerFunc {
	seen := 0
	return func(p []byte) (int, error) {
		if seen < n && seen+len(p) >= n {
			do()
		}
		seen += len(p)
		return len(p), nil
	}
}

// changes happen to the files while the first bytes of a big file are on their
// way; what lies in a buffer then is older.
var changes = []struct {
	name string
	do   func(dir string) error
	says string
}{
	{"shrinks", func(dir string) error { return os.Truncate(dir+"/blocks/blk00000.dat", 3<<20) }, "filled=1"},
	{"grows", func(dir string) error { return os.Truncate(dir+"/blocks/blk00000.dat", 40<<20) }, "cut=1"},
	{"empties", func(dir string) error { return os.Truncate(dir+"/blocks/blk00000.dat", 0) }, "filled=1"},
}

func TestAnUnsafeCopyOfAChangingFileStaysReadable(t *testing.T) {
	for _, c := range changes {
		t.Run(c.name, func(t *testing.T) {
			var log strings.Builder
			w := newWorld(t, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			must(t, os.WriteFile(filepath.Join(w.dir, "blocks/blk00000.dat"), bytes.Repeat([]byte("b"), 8<<20), 0o644))
			tr := w.stream(t, Options{Unsafe: true})
			var archive bytes.Buffer
			change := onceAt(2<<20, func() { must(t, c.do(w.dir)) })
			must(t, tr.WriteTo(t.Context(), io.MultiWriter(change, &archive)))
			files := untar(t, archive.Bytes())
			got := files["blocks/blk00000.dat"]
			kept := len(strings.TrimRight(got, "\x00"))
			if len(got) != 8<<20 || strings.Trim(got[:kept], "b") != "" || (kept == len(got)) != (c.name == "grows") {
				t.Errorf("%d bytes, %d of them before the zeros", len(got), kept)
			}
			delete(files, "blocks/blk00000.dat")
			want := map[string]string{}
			for name, text := range chainFiles {
				if name != "blocks/blk00000.dat" {
					want[name] = text
				}
			}
			same(t, files, want)
			w.end()
			if !strings.Contains(log.String(), c.says) || !strings.Contains(log.String(), "first=blocks/blk00000.dat") {
				t.Errorf("the log doesn't say %s:\n%s", c.says, log.String())
			}
		})
	}
}

func TestASafeCopyEndsWhenTheChainChanges(t *testing.T) {
	all := append(changes[:len(changes):len(changes)], struct {
		name string
		do   func(dir string) error
		says string
	}{name: "daemon started"})
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			bigChain(t, w, 8<<20)
			must(t, w.Prepare(t.Context(), neighbour))
			tr := w.stream(t, Options{})
			var archive bytes.Buffer
			change := onceAt(2<<20, func() {
				if c.do == nil {
					w.unit.change(func(u *unit) { u.up = true })
					return
				}
				must(t, c.do(w.dir))
			})
			err := tr.WriteTo(t.Context(), io.MultiWriter(change, &archive))
			if !errors.Is(err, errChanged) {
				t.Fatalf("got %v", err)
			}
			if int64(archive.Len()) >= tr.Size {
				t.Error("the archive is whole")
			}
			eventually(t, "started again", func() bool { return w.unit.history() == "stop start" })
		})
	}
}

// A daemon at work, as rough as can be: files come, go, grow, shrink, and are
// replaced, by other kinds too.
func TestUnsafeCopiesUnderConcurrentWrites(t *testing.T) {
	w := newWorld(t)
	bigChain(t, w, 4<<20)
	stop, done := make(chan struct{}), make(chan error, 1)
	var rounds atomic.Int64
	go func() {
		done <- func() error {
			for i := int64(0); ; i++ {
				select {
				case <-stop:
					return nil
				default:
				}
				table := filepath.Join(w.dir, "chainstate", string(rune('a'+i%26))+".ldb")
				if err := errors.Join(
					os.WriteFile(table, bytes.Repeat([]byte("t"), int(i*7919%200_000)), 0o644),
					os.Truncate(filepath.Join(w.dir, "blocks/blk00000.dat"), 4<<20+(i*104729)%(1<<20)-1<<19),
					os.WriteFile(table+".new", []byte("replaced"), 0o644),
					os.Rename(table+".new", table),
				); err != nil {
					return err
				}
				switch i % 5 {
				case 0, 1:
					os.Remove(table)
				case 2:
					os.Remove(table)
					os.Symlink("../../wallet.dat", table)
				case 3:
					os.Remove(table)
					syscall.Mkfifo(table, 0o600)
				}
				if i%5 >= 2 {
					os.Remove(table)
				}
				rounds.Add(1)
			}
		}()
	}()
	for range 15 {
		before := rounds.Load()
		tr := w.stream(t, Options{Unsafe: true})
		var archive bytes.Buffer
		must(t, tr.WriteTo(t.Context(), &archive))
		files := untar(t, archive.Bytes())
		for _, name := range []string{"determ_zelnodes/000003.log", "chainstate/000005.ldb", "blocks/index/000001.ldb"} {
			if files[name] != chainFiles[name] {
				t.Errorf("%s differs", name)
			}
		}
		for name, text := range files {
			if strings.Contains(text, others["wallet.dat"]) {
				t.Errorf("%s holds keys", name)
			}
		}
		eventually(t, "files change", func() bool { return rounds.Load() > before })
	}
	close(stop)
	must(t, <-done)
}

func TestACopyEndsWithItsCaller(t *testing.T) {
	t.Run("context", func(t *testing.T) {
		w := newWorld(t)
		bigChain(t, w, 64<<20)
		must(t, w.Prepare(t.Context(), neighbour))
		ctx, leave := context.WithCancelCause(t.Context())
		gone := errors.New("gone")
		var written bytes.Buffer
		err := w.stream(t, Options{}).WriteTo(ctx, io.MultiWriter(onceAt(2<<20, func() { leave(gone) }), &written))
		if !errors.Is(err, gone) || written.Len() > 3<<20 {
			t.Errorf("got %v after %d bytes", err, written.Len())
		}
		eventually(t, "started again", func() bool { return w.unit.history() == "stop start" })
	})
	t.Run("writer", func(t *testing.T) {
		w := newWorld(t)
		must(t, w.Prepare(t.Context(), neighbour))
		err := w.stream(t, Options{}).WriteTo(t.Context(), writerFunc(func([]byte) (int, error) { return 0, syscall.EPIPE }))
		if !errors.Is(err, syscall.EPIPE) {
			t.Errorf("got %v", err)
		}
		eventually(t, "started again", func() bool { return w.unit.history() == "stop start" })
	})
	t.Run("close", func(t *testing.T) {
		w := newWorld(t)
		bigChain(t, w, 64<<20)
		tr := w.stream(t, Options{Unsafe: true})
		if err := tr.WriteTo(t.Context(), onceAt(2<<20, tr.Close)); !errors.Is(err, errClosed) {
			t.Errorf("got %v", err)
		}
		w.stream(t, Options{Unsafe: true}).Close() // free again
	})
}

// A block file of 3 GiB, most of it a hole, doesn't pass through memory.
func TestMemoryOfABigCopy(t *testing.T) {
	const size, room = 3 << 30, 32 << 20
	w := newWorld(t)
	bigChain(t, w, size)
	must(t, w.Prepare(t.Context(), neighbour))
	tr := w.stream(t, Options{})
	if tr.Size < size || tr.Size > size+4<<20 {
		t.Errorf("size %d", tr.Size)
	}
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var peak, next, seen uint64
	err := tr.WriteTo(t.Context(), writerFunc(func(p []byte) (int, error) {
		if seen += uint64(len(p)); seen >= next {
			next += 64 << 20
			runtime.ReadMemStats(&now)
			peak = max(peak, now.Sys)
		}
		return len(p), nil
	}))
	must(t, err)
	if seen != uint64(tr.Size) {
		t.Errorf("%d bytes, announced %d", seen, tr.Size)
	}
	runtime.ReadMemStats(&now)
	allocated := now.TotalAlloc - before.TotalAlloc
	t.Logf("%d bytes copied, %d allocated, %d more from the system", seen, allocated, peak-min(peak, before.Sys))
	if peak > before.Sys+room || allocated > room {
		t.Errorf("%d bytes allocated, %d more from the system", allocated, peak-before.Sys)
	}
}

func TestACompressedCopyKeepsThePace(t *testing.T) {
	// BenchmarkCopy has the figures; here only that the level is the fastest.
	w := newWorld(t)
	w.unit.change(func(u *unit) { u.up = false })
	var archive bytes.Buffer
	must(t, w.stream(t, Options{Compress: true}).WriteTo(t.Context(), &archive))
	if _, err := gzip.NewReader(bytes.NewReader(archive.Bytes())); err != nil || archive.Bytes()[8] != 4 {
		t.Errorf("%v, extra flags %d, want those of the fastest level (RFC 1952)", err, archive.Bytes()[8])
	}
}

func BenchmarkCopy(b *testing.B) {
	for _, c := range []struct {
		name string
		o    Options
	}{{"Plain", Options{}}, {"Compressed", Options{Compress: true}}} {
		b.Run(c.name, func(b *testing.B) {
			dir := b.TempDir()
			for _, name := range folderNames {
				if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
					b.Fatal(err)
				}
			}
			// Half noise, half runs: about as dense as blocks.
			block := make([]byte, 64<<20)
			x := uint64(88172645463325252)
			for i := range block {
				if i/64%2 == 0 {
					x ^= x << 13
					x ^= x >> 7
					x ^= x << 17
				}
				block[i] = byte(x)
			}
			if err := os.WriteFile(filepath.Join(dir, "blocks/blk00000.dat"), block, 0o644); err != nil {
				b.Fatal(err)
			}
			u := newUnit()
			u.up = false
			c0, err := New(Config{DataDir: func() (string, error) { return dir, nil }, StateDir: b.TempDir(), Control: u, Chain: u})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(block)))
			b.ReportAllocs()
			for b.Loop() {
				t, err := c0.open(b.Context(), c.o)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := t.write(b.Context(), io.Discard); err != nil {
					b.Fatal(err)
				}
				t.folders.close()
			}
		})
	}
}
