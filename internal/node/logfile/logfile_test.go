package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// newFile writes a log file and returns its path.
func newFile(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// numbered makes lines of different lengths, n of them.
func numbered(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("%d %s\n", i, strings.Repeat("x", i%300)))
	}
	return out
}

func TestTailReturnsTheLastLines(t *testing.T) {
	many := numbered(5000) // over several blocks
	for name, c := range map[string]struct {
		file string
		n    int
		want string
	}{
		"empty":                    {"", 3, ""},
		"one line end":             {"\n", 3, "\n"},
		"line ends":                {"\n\n\n", 2, "\n\n"},
		"fewer lines than asked":   {"a\nb\n", 3, "a\nb\n"},
		"as many":                  {"a\nb\n", 2, "a\nb\n"},
		"more":                     {"a\nb\nc\n", 2, "b\nc\n"},
		"no line end":              {"a\nb\nc", 2, "b\nc"},
		"one line without end":     {"a", 1, "a"},
		"not UTF-8":                {"ü\xff\n", 1, "ü\uFFFD\n"},
		"over blocks":              {strings.Join(many, ""), 4000, strings.Join(many[1000:], "")},
		"all of many":              {strings.Join(many, ""), MaxLines, strings.Join(many, "")},
		"lines as long as a block": {strings.Repeat(strings.Repeat("y", blockSize-1)+"\n", 4), 2, strings.Repeat(strings.Repeat("y", blockSize-1)+"\n", 2)},
		"line end before a block":  {"a\n" + strings.Repeat("y", blockSize-1) + "\n", 1, strings.Repeat("y", blockSize-1) + "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Tail(t.Context(), newFile(t, c.file), c.n)
			if err != nil {
				t.Fatal(err)
			}
			if got != c.want {
				t.Errorf("got %d bytes %.100q, want %d bytes %.100q", len(got), got, len(c.want), c.want)
			}
		})
	}
}

func TestTailRefusesCountsOutOfBounds(t *testing.T) {
	for _, n := range []int{-1, 0, MaxLines + 1} {
		if got, err := Tail(t.Context(), newFile(t, "a\n"), n); got != "" || err == nil || !strings.Contains(err.Error(), "want 1 to 10000") {
			t.Errorf("%d: got %q, error %v", n, got, err)
		}
	}
}

func TestTailCutsLongLines(t *testing.T) {
	long := strings.Repeat("z", maxLine+500)
	got, err := Tail(t.Context(), newFile(t, "a\n"+long+"\nb\n"), 2)
	if want := long[:maxLine] + "… [cut, 501 bytes more]\nb\n"; err != nil || got != want {
		t.Errorf("got %d bytes, want %d; ends with %q, error %v", len(got), len(want), got[max(0, len(got)-60):], err)
	}
}

func TestTailBoundsTheAnswer(t *testing.T) {
	line := strings.Repeat("z", maxLine-1) + "\n"
	got, err := Tail(t.Context(), newFile(t, strings.Repeat(line, maxTail/maxLine+2)+"last\n"), 100)
	if want := strings.Repeat(line, maxTail/maxLine-1) + "last\n"; err != nil || got != want {
		t.Errorf("got %d bytes, want %d, error %v", len(got), len(want), err)
	}
}

// sparse makes a file of gigabytes that takes no room, with an end.
func sparse(t testing.TB, size int64, end string) string {
	t.Helper()
	path := newFile(t, "")
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte(end), size-int64(len(end)))
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTailOfAHugeFileReadsItsEnd(t *testing.T) {
	lines := strings.Join(numbered(200), "")
	path := sparse(t, 8<<30, "\n"+lines)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := Tail(t.Context(), path, 200)
	runtime.ReadMemStats(&after)
	if err != nil {
		t.Fatal(err)
	}
	if got != lines {
		t.Errorf("got %d bytes, want %d", len(got), len(lines))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
		t.Errorf("used %d bytes of memory", used)
	}
}

func TestTailOfAHoleIsBounded(t *testing.T) {
	got, err := Tail(t.Context(), sparse(t, 8<<30, "\nlast\n"), 2)
	if err != nil || !strings.HasSuffix(got, "bytes more]\nlast\n") || len(got) > maxLine+100 {
		t.Errorf("got %d bytes, error %v", len(got), err)
	}
}

func TestTailEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Tail(ctx, newFile(t, "a\n"), 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// A file that is truncated between its size being asked for and it being read
// is read as it is now; tail does the first half.
func TestTailNoticesATruncatedFile(t *testing.T) {
	path := newFile(t, "a\nb\n")
	f, _, err := open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, size := range []int64{5, 1 << 20, 1 << 40} {
		if got, err := tail(t.Context(), f, size, 2); !errors.Is(err, errShrank) || got != "" {
			t.Errorf("%d: got %q, error %v", size, got, err)
		}
	}
}

func TestTailOfAFileThatIsTruncatedAndRotatedAllTheTime(t *testing.T) {
	path := newFile(t, "")
	whole := strings.Repeat("a whole line\n", 20_000)
	done, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		for i := 0; ; i++ {
			select {
			case <-done:
				ended <- nil
				return
			default:
			}
			err := os.WriteFile(path, []byte(whole), 0o600) // truncates
			if i%3 == 0 && err == nil {
				err = errors.Join(os.WriteFile(path+".1", []byte(whole), 0o600), os.Rename(path+".1", path))
			}
			if err != nil {
				ended <- err
				return
			}
		}
	}()
	for range 200 {
		got, err := Tail(t.Context(), path, 100)
		if err != nil && !errors.Is(err, errShrank) {
			t.Fatal(err)
		}
		// The last line may be half written.
		for line := range strings.Lines(got) {
			if line != "a whole line\n" && !strings.HasPrefix("a whole line\n", line) {
				t.Fatalf("line %q", line)
			}
		}
	}
	close(done)
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
}

func TestOpenGivesTheFileAsItIsNow(t *testing.T) {
	target := newFile(t, "one\ntwo\n")
	path := filepath.Join(t.TempDir(), "link.log")
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	r, size, modified, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(target)
	if err != nil {
		t.Fatal(err)
	}
	if size != 8 || !modified.Equal(info.ModTime()) {
		t.Errorf("size %d, modified %v, want 8, %v", size, modified, info.ModTime())
	}
	f, err := os.OpenFile(target, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("three\n"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if got, err := io.ReadAll(r); err != nil || string(got) != "one\ntwo\n" {
			t.Errorf("got %q, error %v", got, err)
		}
		if end, err := r.Seek(0, io.SeekEnd); end != 8 || err != nil {
			t.Errorf("end at %d, error %v", end, err)
		}
		if _, err := r.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after Close: %v", err)
	}
}

func TestWhatIsNoFileIsRefusedAtOnce(t *testing.T) {
	folder := t.TempDir()
	pipe := filepath.Join(folder, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		pipe: ErrNotRegular, folder: ErrNotRegular, "/dev/zero": ErrNotRegular, filepath.Join(folder, "none"): fs.ErrNotExist,
	} {
		if r, _, _, err := Open(path); !errors.Is(err, want) || r != nil {
			t.Errorf("Open(%s): error %v, want %v", path, err, want)
		}
		if got, err := Tail(t.Context(), path, 1); !errors.Is(err, want) || got != "" {
			t.Errorf("Tail(%s): error %v, want %v", path, err, want)
		}
	}
}

func TestPlacesOfLogs(t *testing.T) {
	for name, c := range map[string]struct {
		exist              []string // below the home folder
		dataDir, env       string
		testnet            bool
		daemon, benchmarks string
	}{
		"nothing there":                      {daemon: "~/.flux/debug.log", benchmarks: "~/.fluxbenchmark/debug.log"},
		"older installation":                 {exist: []string{".zelcash", ".zelbenchmark"}, daemon: "~/.zelcash/debug.log", benchmarks: "~/.zelbenchmark/debug.log"},
		"both":                               {exist: []string{".zelcash", ".zelbenchmark", ".flux", ".fluxbenchmark"}, daemon: "~/.flux/debug.log", benchmarks: "~/.fluxbenchmark/debug.log"},
		"environment":                        {exist: []string{".flux", ".fluxbenchmark"}, env: "/env", daemon: "/env/debug.log", benchmarks: "/env/debug.log"},
		"configuration":                      {env: "/env", dataDir: "/data", daemon: "/data/debug.log", benchmarks: "/env/debug.log"},
		"test network":                       {exist: []string{".flux/testnet3/debug.log"}, testnet: true, daemon: "~/.flux/testnet3/debug.log", benchmarks: "~/.fluxbenchmark/debug.log"},
		"test network beside the main one's": {exist: []string{".flux/testnet3"}, testnet: true, daemon: "~/.flux/debug.log", benchmarks: "~/.fluxbenchmark/debug.log"},
		"main network":                       {exist: []string{".flux/testnet3/debug.log"}, daemon: "~/.flux/debug.log", benchmarks: "~/.fluxbenchmark/debug.log"},
	} {
		t.Run(name, func(t *testing.T) {
			home := t.TempDir()
			for _, e := range c.exist {
				if err := os.MkdirAll(filepath.Join(home, e), 0o700); err != nil {
					t.Fatal(err)
				}
			}
			getenv := func(name string) string {
				return map[string]string{"FLUXD_PATH": c.env, "FLUXBENCH_PATH": c.env}[name]
			}
			got := []string{DaemonLog(c.dataDir, getenv, home, c.testnet), BenchmarkLog(getenv, home)}
			want := []string{strings.Replace(c.daemon, "~", home, 1), strings.Replace(c.benchmarks, "~", home, 1)}
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

// FuzzTail compares with reading the whole file.
func FuzzTail(f *testing.F) {
	f.Add([]byte("a\nb\n"), 1)
	f.Add([]byte("\n\n\xff"), 2)
	f.Add(bytes.Repeat([]byte("x\n"), blockSize), 70_000)
	f.Fuzz(func(t *testing.T, file []byte, n int) {
		n = 1 + int(uint(n)%MaxLines)
		got, err := Tail(t.Context(), newFile(t, string(file)), n)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.SplitAfter(string(file), "\n")
		if lines[len(lines)-1] == "" {
			lines = lines[:len(lines)-1]
		}
		want := ""
		for _, line := range lines[max(0, len(lines)-n):] {
			want += strings.ToValidUTF8(line, "\uFFFD")
		}
		if got != want || !utf8.ValidString(got) {
			t.Errorf("got %d bytes, want %d", len(got), len(want))
		}
	})
}

func BenchmarkTail(b *testing.B) {
	path := sparse(b, 8<<30, "\n"+strings.Join(numbered(100), ""))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Tail(b.Context(), path, 100); err != nil {
			b.Fatal(err)
		}
	}
}
