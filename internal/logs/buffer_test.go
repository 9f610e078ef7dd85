package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/secret"
)

func newBuffer(t testing.TB, bytes int) *Buffer {
	t.Helper()
	b, err := NewBuffer(BufferConfig{Bytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// texts returns the lines of a level without their times.
func texts(b *Buffer, l slog.Level) []string {
	var out []string
	for _, line := range b.Tail(l, 1000) {
		_, text, _ := strings.Cut(line, lineGap)
		out = append(out, text)
	}
	return out
}

func TestLinesAreKeptForTheirLevelAndForDebug(t *testing.T) {
	b := newBuffer(t, 0)
	log := New(Config{Out: io.Discard, Format: "json", Level: slog.LevelDebug, Buffer: b})
	log.Debug("d")
	log.Info("i")
	log.Warn("w")
	log.Error("e")
	log.Log(t.Context(), slog.LevelWarn+1, "between")
	log.Log(t.Context(), slog.LevelError+4, "worse")
	log.Log(t.Context(), slog.LevelDebug-4, "trace")
	for level, want := range map[slog.Level][]string{
		slog.LevelDebug: {"d", "i", "w", "e", "between", "worse"},
		slog.LevelInfo:  {"i"},
		slog.LevelWarn:  {"w", "between"},
		slog.LevelError: {"e", "worse"},
	} {
		if d := cmp.Diff(want, texts(b, level)); d != "" {
			t.Errorf("%v (-want +got)\n%s", level, d)
		}
	}
}

func TestOnlyWhatTheConsoleIsGivenIsKept(t *testing.T) {
	b := newBuffer(t, 0)
	log := New(Config{Out: io.Discard, Level: slog.LevelInfo, Levels: map[string]slog.Level{"loud": slog.LevelDebug}, Buffer: b})
	log.Debug("plain")
	log.With("sub", "loud").Debug("loud")
	if d := cmp.Diff([]string{"loud sub=loud"}, texts(b, slog.LevelDebug)); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

func TestBufferKeepsLinesThatTheConsoleFailsToWrite(t *testing.T) {
	b := newBuffer(t, 0)
	New(Config{Out: brokenWriter{}, Buffer: b}).Info("x")
	if got := texts(b, slog.LevelInfo); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

type brokenWriter struct{}

var errBroken = errors.New("broken")

func (brokenWriter) Write([]byte) (int, error) { return 0, errBroken }

type point struct{ X, Y int }

type nilMarshaler struct{ text string }

func (m *nilMarshaler) MarshalText() ([]byte, error) { return []byte(m.text), nil }

type failingMarshaler struct{}

func (failingMarshaler) MarshalText() ([]byte, error) { return nil, errBroken }

type lazy struct{}

func (lazy) LogValue() slog.Value { return slog.GroupValue(slog.Int("a", 1), slog.String("b", "c d")) }

func TestFormOfALine(t *testing.T) {
	at := time.Date(2026, 11, 22, 6, 1, 14, 75_900_000, time.FixedZone("", 2*3600))
	for name, c := range map[string]struct {
		log  func(*slog.Logger)
		want string
	}{
		"message": {func(l *slog.Logger) { l.Info(`Flux "listening" on ünï = 1!`) }, `Flux "listening" on ünï = 1!`},
		"attributes": {func(l *slog.Logger) {
			l.Info("m", "s", "a-b/c:1", "n", -1, "u", uint(2), "f", 1.5, "b", true, "d", time.Second)
		}, "m s=a-b/c:1 n=-1 u=2 f=1.5 b=true d=1s"},
		"texts in quotes": {func(l *slog.Logger) {
			l.Info("m", "a", "", "b", "x y", "c", `"`, "d", "k=v", "e", `\`, "f", "ü", "g", "\u2028", "k y", 1)
		}, `m a="" b="x y" c="\"" d="k=v" e="\\" f=ü g="\u2028" "k y"=1`},
		"one line": {func(l *slog.Logger) { l.Info("m\n2026-11-22T04:01:14.075Z\r\x1b[31m\xff", "a", "b\nc") }, `m\n2026-11-22T04:01:14.075Z\r\x1b[31m\xff a="b\nc"`},
		"logger's": {func(l *slog.Logger) { l.With("sub", "api").With("x", 1).Info("m", "y", 2) }, "m sub=api x=1 y=2"},
		"groups": {func(l *slog.Logger) {
			l.WithGroup("g").With("a", 1).WithGroup("h").Info("m", slog.Group("i", "b", 2), slog.Group("", "c", 3))
		}, "m g.a=1 g.h.i.b=2 g.h.c=3"},
		"no attribute":      {func(l *slog.Logger) { l.Info("m", slog.Attr{}, slog.Group("empty")) }, "m"},
		"error":             {func(l *slog.Logger) { l.Info("m", "err", errBroken) }, "m err=broken"},
		"time":              {func(l *slog.Logger) { l.Info("m", "t", at) }, "m t=2026-11-22T06:01:14.0759+02:00"},
		"struct":            {func(l *slog.Logger) { l.Info("m", "p", point{1, 2}, "q", []byte("x")) }, `m p="{X:1 Y:2}" q=x`},
		"value made late":   {func(l *slog.Logger) { l.Info("m", "v", lazy{}) }, `m v.a=1 v.b="c d"`},
		"nil":               {func(l *slog.Logger) { l.Info("m", "v", nil, "w", (*nilMarshaler)(nil)) }, "m v=<nil> w=!PANIC"},
		"failing marshaler": {func(l *slog.Logger) { l.Info("m", "v", failingMarshaler{}) }, "m v=!ERROR:broken"},
		"secrets": {func(l *slog.Logger) {
			s := secret.New("hidden")
			l.With("a", s).Info("m", "b", &s, "c", struct{ T secret.Text }{s}, "d", []secret.Text{s})
		}, "m a=*** b=*** c={T:***} d=[***]"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBuffer(t, 0)
			c.log(New(Config{Out: io.Discard, Buffer: b}))
			if d := cmp.Diff([]string{c.want}, texts(b, slog.LevelInfo)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
			line := b.Tail(slog.LevelInfo, 1)[0]
			if !regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {10}\S`).MatchString(line) {
				t.Errorf("line: %q", line)
			}
		})
	}
	b := newBuffer(t, 0)
	r := slog.NewRecord(at, slog.LevelInfo, "m", 0)
	if err := New(Config{Out: io.Discard, Buffer: b}).Handler().Handle(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	if got, want := b.Tail(slog.LevelInfo, 1)[0], "2026-11-22T04:01:14.075Z          m"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestFullBufferLosesTheOldestLines(t *testing.T) {
	const size = 32 << 10
	b := newBuffer(t, size)
	log := New(Config{Out: io.Discard, Buffer: b})
	log.Error("first error")
	const lines = 5000
	for i := range lines {
		log.Info(fmt.Sprintf("line %05d", i))
	}
	got := texts(b, slog.LevelInfo)
	if b.Len(slog.LevelInfo) > size || b.Len(slog.LevelInfo) < size*7/8 {
		t.Errorf("holds %d bytes of %d", b.Len(slog.LevelInfo), size)
	}
	for i, text := range got {
		if want := fmt.Sprintf("line %05d", lines-len(got)+i); text != want {
			t.Fatalf("line %d is %q, want %q", i, text, want)
		}
	}
	if got := texts(b, slog.LevelError); len(got) != 1 {
		t.Errorf("information pushed out errors: %q", got)
	}
	if d := cmp.Diff([]string{"line 04998", "line 04999"}, texts(b, slog.LevelInfo)[len(got)-2:]); d != "" {
		t.Error(d)
	}
	for _, n := range []int{-1, 0, 1, 2} {
		if tail := b.Tail(slog.LevelInfo, n); len(tail) != max(0, n) || n > 0 && !strings.HasSuffix(tail[n-1], "line 04999") {
			t.Errorf("Tail of %d: %q", n, tail)
		}
	}
}

func TestLongLineIsCut(t *testing.T) {
	for _, size := range []int{minBufferBytes, 1 << 20} {
		b := newBuffer(t, size)
		New(Config{Out: io.Discard, Buffer: b}).Info(strings.Repeat("ü", 1<<20))
		got := b.Tail(slog.LevelInfo, 2)
		if limit := min(maxLine, size/chunksPerLevel); len(got) != 1 || len(got[0]) >= limit || len(got[0]) < limit-4 || !strings.HasSuffix(got[0], "ü… [cut]") {
			t.Errorf("buffer of %d: %d lines, first of %d bytes", size, len(got), len(got[0]))
		}
	}
}

func TestBufferSizesOutOfBoundsAreRefused(t *testing.T) {
	for _, bytes := range []int{-1, 1, minBufferBytes - 1, maxBufferBytes + 1} {
		if b, err := NewBuffer(BufferConfig{Bytes: bytes}); err == nil || b != nil || !strings.Contains(err.Error(), "want 16384 to 67108864") {
			t.Errorf("%d: got error %v", bytes, err)
		}
	}
}

func TestWriteToGivesASnapshot(t *testing.T) {
	b := newBuffer(t, minBufferBytes)
	log := New(Config{Out: io.Discard, Buffer: b})
	for i := range 100 {
		log.Info("line", "i", i)
	}
	want := strings.Join(b.Tail(slog.LevelInfo, 1000), "\n") + "\n"
	var out bytes.Buffer
	// The reader is slow: the buffer turns over twice while it reads.
	n, err := b.WriteTo(slog.LevelInfo, writerFunc(func(p []byte) (int, error) {
		for range 1000 {
			log.Info("later")
		}
		return out.Write(p)
	}))
	if err != nil || n != int64(len(want)) || out.String() != want {
		t.Errorf("got %d bytes, error %v, equal %v", n, err, out.String() == want)
	}
	if _, err := b.WriteTo(slog.LevelInfo, brokenWriter{}); !errors.Is(err, errBroken) {
		t.Errorf("error of the writer: %v", err)
	}
	if n, err := newBuffer(t, 0).WriteTo(slog.LevelInfo, brokenWriter{}); n != 0 || err != nil {
		t.Errorf("empty: %d bytes, error %v", n, err)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestLinesWrittenAtTheSameTimeAreWhole(t *testing.T) {
	b := newBuffer(t, minBufferBytes)
	log := New(Config{Out: io.Discard, Buffer: b})
	whole := regexp.MustCompile(`^\S{24} {10}m who=\d i=\d+$`)
	var writers, readers sync.WaitGroup
	for who := range 4 {
		writers.Go(func() {
			own := log.With("who", who)
			for i := range 2000 {
				own.Info("m", "i", i)
			}
		})
	}
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for running := true; running; {
				select {
				case <-done:
					running = false // and read once more
				default:
				}
				var out bytes.Buffer
				if _, err := b.WriteTo(slog.LevelDebug, &out); err != nil {
					t.Error(err)
				}
				for _, line := range append(b.Tail(slog.LevelInfo, 50), strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")...) {
					if line != "" && !whole.MatchString(line) {
						t.Errorf("line %q", line)
						return
					}
				}
			}
		})
	}
	writers.Wait()
	close(done)
	readers.Wait()
}

func BenchmarkLine(b *testing.B) {
	for name, buffer := range map[string]*Buffer{"plain": nil, "buffered": newBuffer(b, 1<<20)} {
		b.Run(name, func(b *testing.B) {
			log := New(Config{Out: io.Discard, Format: "json", Buffer: buffer}).With("sub", "api")
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				log.LogAttrs(ctx, slog.LevelInfo, "Request", slog.String("route", "/flux/info"), slog.Int("status", 200),
					slog.Duration("took", 1234*time.Microsecond), slog.Any("err", errBroken))
			}
		})
	}
}

func FuzzLine(f *testing.F) {
	f.Add("message", "key", "value")
	f.Add("m\n", "", "\x00\xff")
	f.Add(strings.Repeat("ü", 3000), "a=b", strings.Repeat("\n", 9000))
	f.Fuzz(func(t *testing.T, message, key, value string) {
		b := newBuffer(t, minBufferBytes)
		log := New(Config{Out: io.Discard, Buffer: b})
		log.Info(message, key, value)
		log.Info("second")
		got := b.Tail(slog.LevelDebug, 10)
		if len(got) != 2 || !strings.HasSuffix(got[1], lineGap+"second") || strings.ContainsAny(got[0], "\n\r\x1b\x00") {
			t.Errorf("got %q", got)
		}
	})
}
