package measure

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Sizes of writing, in bytes.
const (
	syncedBlock = 64 << 10
	directBlock = 1 << 20
	// syncSlice is synced at a time, so that syncing to a slow disk can be
	// ended; the next slice is always under way already.
	syncSlice = 32 << 20
)

// writer makes one run of writing to an empty file.
type writer struct {
	file   *os.File
	size   int64
	limit  time.Duration
	within func(done float64) // progress of this run

	started time.Time
	written int64
}

// run writes and returns bytes per second. A run over its time limit counts
// what reached the disk until then.
func (w *writer) run(ctx context.Context, mode Mode) (float64, error) {
	size := syncedBlock
	if mode == Direct {
		size = directBlock
	}
	// Mapped memory begins at a page, as O_DIRECT demands.
	block, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return 0, fmt.Errorf("allocate a block: %w", err)
	}
	defer unix.Munmap(block)
	if mode == Direct {
		rand.Read(block)
	}

	w.started = time.Now()
	if err := w.write(ctx, block); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	done := w.written
	if mode == Synced {
		if done, err = w.sync(ctx); err != nil {
			return 0, fmt.Errorf("sync: %w", err)
		}
	}
	return float64(done) / time.Since(w.started).Seconds(), nil
}

// late says whether the run is over its time limit.
func (w *writer) late() bool { return time.Since(w.started) >= w.limit }

// write fills the file with copies of block. The part of the run's progress
// that writing stands for is half, since syncing takes as long or longer.
func (w *writer) write(ctx context.Context, block []byte) error {
	for w.written < w.size && !(w.late() && w.written > 0) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := w.file.Write(block[:min(int64(len(block)), w.size-w.written)])
		w.written += int64(n)
		if errors.Is(err, unix.EINVAL) && w.written == 0 {
			return ErrNoDirect
		}
		if err != nil {
			return err
		}
		if w.written%syncSlice == 0 {
			w.within(float64(w.written) / float64(w.size) / 2)
		}
	}
	return nil
}

// sync brings what was written to the disk and returns how many bytes of it
// arrived before the time limit. It is one fdatasync cut in slices: the device
// always has the next slice to write while this waits for one. Where the file
// system cannot do that, the fdatasync that ends it does everything.
func (w *writer) sync(ctx context.Context) (int64, error) {
	fd := int(w.file.Fd())
	push := func(at int64) error {
		if at >= w.written {
			return nil
		}
		return unix.SyncFileRange(fd, at, syncSlice, unix.SYNC_FILE_RANGE_WRITE)
	}
	if err := push(0); err == nil {
		for at := int64(0); at < w.written; at += syncSlice {
			if ctx.Err() != nil {
				return 0, context.Cause(ctx)
			}
			if at > 0 && w.late() {
				return at, nil
			}
			if err := push(at + syncSlice); err != nil {
				return 0, err
			}
			if err := unix.SyncFileRange(fd, at, syncSlice, unix.SYNC_FILE_RANGE_WAIT_BEFORE); err != nil {
				return 0, err
			}
			w.within((1 + float64(at)/float64(w.size)) / 2)
		}
	}
	if err := unix.Fdatasync(fd); err != nil {
		return 0, err
	}
	return w.written, nil
}
