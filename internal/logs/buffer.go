package logs

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
)

const (
	// minBufferBytes keeps room for some lines of any length.
	minBufferBytes = 16 << 10

	// maxBufferBytes bounds a level to what a small node can spare.
	maxBufferBytes = 64 << 20

	// chunksPerLevel is into how many parts a level is divided. The oldest part
	// goes as a whole, so that a full level holds about 15/16 of its bytes or more.
	chunksPerLevel = 16

	// maxLine bounds a line, in bytes; chunks of small buffers bound it more.
	maxLine = 16 << 10
)

// BufferConfig says how much a Buffer keeps.
type BufferConfig struct {
	Bytes int // for each of the four levels: 16 KiB to 64 MiB; 0 is 1 MiB
}

// Buffer holds the last lines that a logger wrote, in the form of FluxOS's log
// files: the time in UTC as 2006-01-02T15:04:05.000Z, ten spaces, the message
// and the attributes as key=value. An entry is one line: line ends in it are
// escaped, and one that is too long is cut.
//
// Each line is kept for slog.LevelDebug, which has all, and for the level that
// it has: a line between two levels has the lower. When a level is full its
// oldest lines go. Memory is taken as lines come. Methods may be called at the
// same time.
type Buffer struct {
	max int // bytes of a chunk

	mu     sync.Mutex // guards levels
	levels [4][]chunk // debug, info, warn, error; oldest chunk first
}

// chunk is a run of whole lines. Bytes once written stay as they are, so that
// readers need the lock only to learn how many there are.
type chunk []byte

// NewBuffer returns an empty buffer.
func NewBuffer(cfg BufferConfig) (*Buffer, error) {
	if cfg.Bytes == 0 {
		cfg.Bytes = 1 << 20
	}
	if cfg.Bytes < minBufferBytes || cfg.Bytes > maxBufferBytes {
		return nil, fmt.Errorf("log buffer: %d bytes for a level, want %d to %d", cfg.Bytes, minBufferBytes, maxBufferBytes)
	}
	return &Buffer{max: cfg.Bytes / chunksPerLevel}, nil
}

// index returns the place of a level in Buffer.levels.
func index(l slog.Level) int {
	switch {
	case l >= slog.LevelError:
		return 3
	case l >= slog.LevelWarn:
		return 2
	case l >= slog.LevelInfo:
		return 1
	}
	return 0
}

// add keeps a line, which ends with \n and isn't longer than a chunk.
func (b *Buffer) add(l slog.Level, line []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.append(0, line)
	if i := index(l); i > 0 {
		b.append(i, line)
	}
}

func (b *Buffer) append(level int, line []byte) {
	chunks := b.levels[level]
	last := len(chunks) - 1
	if last < 0 || len(chunks[last])+len(line) > b.max {
		if len(chunks) == chunksPerLevel {
			chunks = slices.Delete(chunks, 0, 1)
		}
		chunks = append(chunks, make(chunk, 0, b.max))
		last = len(chunks) - 1
	}
	chunks[last] = append(chunks[last], line...)
	b.levels[level] = chunks
}

// lines returns what a level holds now, oldest first.
func (b *Buffer) lines(l slog.Level) []chunk {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.levels[index(l)])
}

// Tail returns the last lines of a level, at most n, oldest first, without their
// line ends.
func (b *Buffer) Tail(l slog.Level, n int) []string {
	var out []string
	for _, c := range slices.Backward(b.lines(l)) {
		for rest := []byte(c); len(rest) > 0 && len(out) < n; {
			start := bytes.LastIndexByte(rest[:len(rest)-1], '\n') + 1
			out = append(out, string(rest[start:len(rest)-1]))
			rest = rest[:start]
		}
	}
	slices.Reverse(out)
	return out
}

// WriteTo writes the lines that a level holds at the time of the call, oldest
// first, and returns how many bytes it wrote. Logging goes on meanwhile.
func (b *Buffer) WriteTo(l slog.Level, w io.Writer) (int64, error) {
	var written int64
	for _, c := range b.lines(l) {
		n, err := w.Write(c)
		written += int64(n)
		if err != nil {
			return written, fmt.Errorf("write the log: %w", err)
		}
	}
	return written, nil
}

// Len returns the bytes that a level holds.
func (b *Buffer) Len(l slog.Level) int {
	n := 0
	for _, c := range b.lines(l) {
		n += len(c)
	}
	return n
}
