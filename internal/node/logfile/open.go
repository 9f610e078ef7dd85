package logfile

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// ErrNotRegular is wrapped when a path names something else than a regular file.
var ErrNotRegular = errors.New("isn't a regular file")

// Open opens a log file for a download: its size in bytes and the time of the
// last write come with it. The reader ends at this size, however much the file
// grows meanwhile. Errors wrap fs.ErrNotExist, fs.ErrPermission or
// ErrNotRegular. The caller closes the reader.
func Open(path string) (r io.ReadSeekCloser, size int64, modified time.Time, err error) {
	f, info, err := open(path)
	if err != nil {
		return nil, 0, time.Time{}, err
	}
	return &section{io.NewSectionReader(f, 0, info.Size()), f}, info.Size(), info.ModTime(), nil
}

// section is the part of a file that it had when it was opened.
type section struct {
	*io.SectionReader
	file *os.File
}

// Close implements io.Closer.
func (s *section) Close() error { return s.file.Close() }

// open opens a regular file without waiting for anybody.
func open(path string) (*os.File, os.FileInfo, error) {
	// Asked first, because opening some devices is an act in itself; asked again
	// of what was opened, because the path may have changed.
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("open %s: %w", path, ErrNotRegular)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if err != nil {
		return nil, nil, err
	}
	if info, err = f.Stat(); err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("open %s: %w", path, ErrNotRegular)
	}
	if err != nil {
		_ = f.Close() // was only read
		return nil, nil, err
	}
	return f, info, nil
}
