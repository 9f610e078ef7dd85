package chaincopy

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// record is the file that is there while the daemon is down because of us. Its
// text is for a reader; that it exists is what counts.
type record struct{ dir string }

func (r record) path() string { return filepath.Join(r.dir, "chain-copy.json") }

// exists reports whether a record was left behind.
func (r record) exists() (bool, error) {
	_, err := os.Lstat(r.path())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the record of a stopped chain daemon: %w", err)
	}
	return true, nil
}

// save returns when the record is on the disk.
func (r record) save(now time.Time) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("record the stop of the chain daemon: %w", err)
		}
	}()
	text, err := json.Marshal(map[string]string{
		"stopped": now.UTC().Format(time.RFC3339),
		"note":    "fluxosd stopped the chain daemon for a copy and will start it again",
	})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(r.path(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close(), r.sync()); err != nil {
		os.Remove(r.path()) // nothing was stopped
	}
	return err
}

// remove returns when the record is off the disk.
func (r record) remove() error {
	if err := os.Remove(r.path()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return r.sync()
}

// sync brings the folder's list of files to the disk.
func (r record) sync() error {
	dir, err := os.Open(r.dir)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
