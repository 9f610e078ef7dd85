package edit

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// resolve follows symbolic links to the file that is edited, which need not
// exist; its folder must.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	target, err := filepath.EvalSymlinks(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return target, err
	}
	if _, lerr := os.Lstat(path); lerr == nil {
		return "", fmt.Errorf("is a symbolic link to nothing: %w", err)
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(path))
	return filepath.Join(folder, filepath.Base(path)), err
}

// folderLock keeps other editors away from a file. It is taken on the folder,
// because a rename gives the file a new inode, and leaves nothing behind.
type folderLock struct{ folder *os.File }

func lockFolder(ctx context.Context, target string) (*folderLock, error) {
	folder, err := os.Open(filepath.Dir(target))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lockTimeout, ErrBusy)
	defer cancel()
	retry := time.NewTicker(5 * time.Millisecond)
	defer retry.Stop()
	for {
		err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return &folderLock{folder}, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			return nil, errors.Join(fmt.Errorf("lock the folder: %w", err), folder.Close())
		}
		select {
		case <-ctx.Done():
			_ = folder.Close() // was only read
			return nil, context.Cause(ctx)
		case <-retry.C:
		}
	}
}

func (l *folderLock) release() { _ = l.folder.Close() } // was only read

// snapshot is a file as it was read; the zero snapshot is one that didn't exist.
type snapshot struct {
	data []byte
	info fs.FileInfo
}

func read(path string) (snapshot, error) {
	// Non-blocking, so that a pipe in the file's place is refused, not waited for.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return snapshot{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return snapshot{}, err
	}
	if !info.Mode().IsRegular() {
		return snapshot{}, errors.New("isn't a regular file")
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	return snapshot{data, info}, err
}

// unchanged returns errChanged unless the file still is what old says.
func unchanged(path string, old snapshot) error {
	now, err := read(path)
	switch {
	case errors.Is(err, fs.ErrNotExist) && old.info == nil:
		return nil
	case errors.Is(err, fs.ErrNotExist) || err == nil && old.info == nil:
		return errChanged
	case err != nil:
		return err
	}
	was, is := old.info, now.info
	if !os.SameFile(was, is) || !was.ModTime().Equal(is.ModTime()) || was.Mode() != is.Mode() ||
		owner(was) != owner(is) || !bytes.Equal(old.data, now.data) {
		return errChanged
	}
	return nil
}

type ownership struct{ uid, gid int }

func owner(info fs.FileInfo) ownership {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return ownership{-1, -1} // which chown leaves alone
	}
	return ownership{int(st.Uid), int(st.Gid)}
}

// newMode is that of a file made by an edit: it may hold secrets.
const newMode = 0o600

// replace puts data in the place of old, which it must still be and which ready
// must agree to, just before the rename.
func replace(target string, old snapshot, data []byte, ready func() error) (err error) {
	temp, err := os.OpenFile(leftoverPrefix(target)+randomName(), os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, newMode)
	if err != nil {
		return fmt.Errorf("write beside the file: %w", err)
	}
	defer func() {
		if err != nil {
			_ = temp.Close()
			_ = os.Remove(temp.Name()) // else the next edit does
		}
	}()
	if _, err := temp.Write(data); err != nil {
		return fmt.Errorf("write beside the file: %w", err)
	}
	if old.info != nil {
		// The owner before the mode: at no moment may anybody read the new file
		// who might not read the old one.
		made, err := temp.Stat()
		if err != nil {
			return fmt.Errorf("write beside the file: %w", err)
		}
		if o := owner(old.info); o != owner(made) {
			if err := temp.Chown(o.uid, o.gid); err != nil {
				return fmt.Errorf("keep owner %d and group %d: %w", o.uid, o.gid, err)
			}
		}
		if err := temp.Chmod(old.info.Mode()); err != nil {
			return fmt.Errorf("keep the mode: %w", err)
		}
	}
	if err := temp.Sync(); err != nil {
		return fmt.Errorf("write beside the file: %w", err)
	}
	if err := temp.Close(); err != nil {
		return fmt.Errorf("write beside the file: %w", err)
	}
	if err := ready(); err != nil {
		return err
	}
	if err := unchanged(target, old); err != nil {
		return err
	}
	if err := os.Rename(temp.Name(), target); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(target))
}

// syncFolder makes a rename last through a power failure.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.Sync(); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOTSUP) {
		return fmt.Errorf("the file is changed, but a power failure now may undo it: %w", err)
	}
	return nil
}

const randomBytes = 8

// leftoverPrefix begins the names of new files that aren't in place yet.
func leftoverPrefix(target string) string {
	folder, base := filepath.Split(target)
	return folder + "." + base + ".edit-"
}

func randomName() string {
	b := make([]byte, randomBytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// removeLeftovers removes what killed editors left. The caller holds the lock,
// so that no living editor has such a file.
func removeLeftovers(target string) error {
	entries, err := os.ReadDir(filepath.Dir(target))
	if err != nil {
		return err
	}
	prefix := filepath.Base(leftoverPrefix(target))
	var errs []error
	for _, e := range entries {
		name, ok := strings.CutPrefix(e.Name(), prefix)
		if b, err := hex.DecodeString(name); ok && err == nil && len(b) == randomBytes && e.Type().IsRegular() {
			errs = append(errs, os.Remove(filepath.Join(filepath.Dir(target), e.Name())))
		}
	}
	return errors.Join(errs...)
}

// explain says what to do about an error of the file system.
func explain(err error, path string) error {
	folder := filepath.Dir(path)
	advice := ""
	switch {
	case errors.Is(err, unix.EROFS):
		advice = ": the file system is read-only: change the file by hand, or let the daemon write to " + folder + " (ReadWritePaths= of its unit)"
	case errors.Is(err, unix.EBUSY):
		advice = ": the file is mounted by itself and can't be replaced: mount its folder " + folder + " instead"
	case errors.Is(err, fs.ErrPermission):
		advice = ": the daemon must be allowed to read and replace the file and to write to " + folder
	case errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT):
		advice = ": there is no room for a second copy: free some space"
	}
	return fmt.Errorf("edit %s: %w%s", path, err, advice)
}
