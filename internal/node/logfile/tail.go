package logfile

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

const (
	// MaxLines is the most lines that Tail returns.
	MaxLines = 10_000

	// maxLine bounds a line in an answer, in bytes.
	maxLine = 1 << 20

	// maxTail bounds an answer, in bytes. With lines as long as they may be it
	// holds fewer than were asked for.
	maxTail = 16 << 20

	// maxScan bounds how far back the beginnings of lines are looked for, in
	// bytes: a crash can leave gigabytes without a line end. It leaves room for
	// lines of which only a part is shown.
	maxScan = 4 * maxTail

	blockSize = 64 << 10

	// attempts bounds how often reading begins again because the file shrank.
	attempts = 3
)

// errShrank says that the file is shorter than it was when it was opened.
var errShrank = errors.New("the file is being truncated")

// Tail returns the last n lines of a file, 1 to MaxLines, oldest first, each
// with its line end, but for a last line that has none. A line over 1 MiB is
// cut and says so; of an answer over 16 MiB the oldest lines are left out, and a
// line that begins more than 64 MiB before the end lacks its beginning.
// Bytes that aren't UTF-8 become U+FFFD. The file is the one that path names
// at the time of the call, also if it is replaced meanwhile.
//
// Errors wrap fs.ErrNotExist, fs.ErrPermission, ErrNotRegular or that of ctx.
func Tail(ctx context.Context, path string, n int) (string, error) {
	if n < 1 || n > MaxLines {
		return "", fmt.Errorf("last lines of %s: %d lines, want 1 to %d", path, n, MaxLines)
	}
	f, info, err := open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for range attempts {
		var text string
		if text, err = tail(ctx, f, info.Size(), n); !errors.Is(err, errShrank) {
			return text, err
		}
		if info, err = f.Stat(); err != nil {
			return "", err
		}
		err = fmt.Errorf("last lines of %s: %w", path, errShrank)
	}
	return "", err
}

// tail returns the last n lines of the first size bytes of f.
func tail(ctx context.Context, f *os.File, size int64, n int) (string, error) {
	starts, err := lineStarts(ctx, f, size, n)
	if err != nil {
		return "", err
	}
	// Which lines fit is known before any is read.
	first, room := len(starts), int64(maxTail)
	for first > 0 {
		if room -= min(lineLength(starts, first-1, size), maxLine); room < 0 {
			break
		}
		first--
	}
	var b strings.Builder
	for i := first; i < len(starts); i++ {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		length := lineLength(starts, i, size)
		line := make([]byte, min(length, maxLine))
		if err := readAt(f, line, starts[i]); err != nil {
			return "", err
		}
		b.WriteString(strings.ToValidUTF8(string(line), "\uFFFD"))
		if length > maxLine {
			fmt.Fprintf(&b, "… [cut, %d bytes more]\n", length-maxLine)
		}
	}
	return b.String(), nil
}

// lineLength returns the bytes of line i, line end included.
func lineLength(starts []int64, i int, size int64) int64 {
	if i+1 < len(starts) {
		return starts[i+1] - starts[i]
	}
	return size - starts[i]
}

// lineStarts returns where the last n lines begin, in order. It reads from the
// end in blocks.
func lineStarts(ctx context.Context, f *os.File, size int64, n int) ([]int64, error) {
	if size == 0 {
		return nil, nil
	}
	limit := max(0, size-maxScan)
	var starts []int64 // last line first
	block := make([]byte, blockSize)
	for end := size - 1; end > limit && len(starts) < n; { // a final line end begins no line
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		part := block[:min(blockSize, end-limit)]
		from := end - int64(len(part))
		if err := readAt(f, part, from); err != nil {
			return nil, err
		}
		for len(starts) < n {
			i := bytes.LastIndexByte(part, '\n')
			if i < 0 {
				break
			}
			starts = append(starts, from+int64(i)+1)
			part = part[:i]
		}
		end = from
	}
	if len(starts) < n {
		starts = append(starts, limit)
	}
	slices.Reverse(starts)
	return starts, nil
}

// readAt fills b from offset at.
func readAt(f *os.File, b []byte, at int64) error {
	_, err := f.ReadAt(b, at)
	if errors.Is(err, io.EOF) {
		return errShrank
	}
	return err
}
