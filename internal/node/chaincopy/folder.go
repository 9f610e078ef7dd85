package chaincopy

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
	"time"
)

const (
	// maxDepth is far below the two levels of a chain daemon's folders.
	maxDepth = 8
	// batch is how many names of a folder are read at a time.
	batch = 256
	// block is the unit of a tar archive, of headers, and at its end two.
	block = 512
)

// folders are the chain's, held open: what they are called later doesn't matter.
type folders []*os.Root

func openFolders(dir string) (all folders, err error) {
	data, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer data.Close()
	for _, name := range folderNames {
		root, err := openFolder(data, name)
		if err != nil {
			all.close()
			return nil, err
		}
		all = append(all, root)
	}
	return all, nil
}

// errOdd says that a name belongs to something other than a file or folder.
var errOdd = errors.New("not a plain file or folder")

// replaced is the error of a name that belongs to another file than a moment
// ago: the one that was meant is gone.
func replaced(name string) error { return fmt.Errorf("%s: replaced: %w", name, fs.ErrNotExist) }

// openFolder opens a folder within another, and no symbolic link to one.
func openFolder(in *os.Root, name string) (*os.Root, error) {
	before, err := in.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.IsDir() {
		return nil, fmt.Errorf("%s: %w", name, errOdd)
	}
	root, err := in.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	if after, err := root.Stat("."); err != nil || !os.SameFile(before, after) {
		root.Close()
		return nil, errors.Join(replaced(name), err)
	}
	return root, nil
}

// openFile opens a plain file of that folder, and no symbolic link to one.
func openFile(in *os.Root, name string) (*os.File, fs.FileInfo, error) {
	before, err := in.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: %w", name, errOdd)
	}
	// Should it have become a pipe meanwhile, opening it doesn't wait for a writer.
	f, err := in.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !os.SameFile(before, info) {
		err = replaced(name)
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

func (all folders) close() {
	for _, root := range all {
		root.Close()
	}
}

// visitor is told of every folder and file. Names are those of the archive.
type visitor interface {
	folder(name string, info fs.FileInfo) error
	file(in *os.Root, name string) error
	// missed is told of a name that couldn't be visited; nil goes on.
	missed(name string, err error) error
}

// walk visits the folders in order, each before what it holds.
func (all folders) walk(ctx context.Context, v visitor) error {
	for i, root := range all {
		if err := walk(ctx, root, folderNames[i], 0, v); err != nil {
			return err
		}
	}
	return nil
}

func walk(ctx context.Context, root *os.Root, name string, depth int, v visitor) error {
	if depth > maxDepth {
		return fmt.Errorf("%s: folders nested too deeply", name)
	}
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	defer dir.Close()
	info, err := dir.Stat()
	if err != nil {
		return err
	}
	if err := v.folder(name, info); err != nil {
		return err
	}
	for {
		entries, err := dir.ReadDir(batch)
		for _, e := range entries {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := visit(ctx, root, name, e, depth, v); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func visit(ctx context.Context, in *os.Root, folder string, e fs.DirEntry, depth int, v visitor) error {
	name := path.Join(folder, e.Name())
	if !e.IsDir() {
		return v.file(in, name)
	}
	root, err := openFolder(in, e.Name())
	if err != nil {
		return v.missed(name, err)
	}
	defer root.Close()
	return walk(ctx, root, name, depth+1, v)
}

// size is about how many bytes the archive will have.
func (all folders) size(ctx context.Context) (int64, error) {
	var s sizer
	err := all.walk(ctx, &s)
	return int64(s) + 2*block, err
}

type sizer int64

func (s *sizer) folder(string, fs.FileInfo) error { *s += block; return nil }

func (s *sizer) file(in *os.Root, name string) error {
	// What is odd is met again by the archive.
	if info, err := in.Lstat(path.Base(name)); err == nil && info.Mode().IsRegular() {
		*s += sizer(block + (info.Size()+block-1)/block*block)
	}
	return nil
}

func (*sizer) missed(string, error) error { return nil }

// stats are what came of an archive.
type stats struct {
	files                          int
	filled, cut, vanished, skipped int
	first                          string // of the odd ones
}

func (s *stats) odd() bool { return s.filled+s.cut+s.vanished+s.skipped > 0 }

func (s *stats) count(which *int, name string) {
	*which++
	if s.first == "" {
		s.first = name
	}
}

// archive writes what it visits.
type archive struct {
	tar    *tar.Writer
	buf    []byte
	unsafe bool
	stats
}

func (a *archive) folder(name string, info fs.FileInfo) error {
	h := header(name+"/", info)
	h.Typeflag = tar.TypeDir
	return a.tar.WriteHeader(h)
}

func (a *archive) missed(name string, err error) error {
	switch {
	case errors.Is(err, errOdd):
		a.count(&a.skipped, name)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	default:
		a.count(&a.vanished, name)
		return a.changed(name)
	}
	return nil
}

// changed is the error of a file that isn't what it was, in a copy in which
// nothing may change.
func (a *archive) changed(name string) error {
	if a.unsafe {
		return nil
	}
	return fmt.Errorf("%s: %w", name, errChanged)
}

func (a *archive) file(in *os.Root, name string) error {
	f, info, err := openFile(in, path.Base(name))
	if err != nil {
		return a.missed(name, err)
	}
	defer f.Close()
	h := header(name, info)
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := a.tar.WriteHeader(h); err != nil {
		return err
	}
	a.files++
	n, err := io.CopyBuffer(a.tar, io.LimitReader(f, h.Size), a.buf)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if n < h.Size {
		a.count(&a.filled, name)
		if err := a.changed(name); err != nil {
			return err
		}
		return a.zeros(h.Size - n)
	}
	if more, _ := f.Read(a.buf[:1]); more > 0 {
		a.count(&a.cut, name)
		return a.changed(name)
	}
	return nil
}

func (a *archive) zeros(n int64) error {
	clear(a.buf)
	for n > 0 {
		done, err := a.tar.Write(a.buf[:min(n, int64(len(a.buf)))])
		if err != nil {
			return err
		}
		n -= int64(done)
	}
	return nil
}

// header has no names of users: they are nobody's business. Times are cut to
// seconds, as the archive would round them, and tar warns of files from the future.
func header(name string, info fs.FileInfo) *tar.Header {
	h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), ModTime: info.ModTime().Truncate(time.Second)}
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		h.Uid, h.Gid = int(s.Uid), int(s.Gid)
	}
	return h
}
