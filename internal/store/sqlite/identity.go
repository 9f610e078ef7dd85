package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/store"
)

// identityAge is for how long the writer trusts the last look at the files, and
// so for how long a write may still be acknowledged after its file is gone.
const identityAge = time.Second

// identity knows which files were opened, and tells whether their paths still
// lead to them. It never opens a file: closing it again would drop the locks
// that SQLite holds for this process.
type identity struct {
	files []opened

	mu     sync.Mutex // guards the fields below
	looked time.Time
	err    error // what the last look found
}

// opened is a file as it was opened.
type opened struct {
	path string
	info fs.FileInfo
	lost string // what follows when it is gone
}

// newIdentity looks at the files right after they were opened. The database must
// still be the one that was there before.
func newIdentity(path string, before fs.FileInfo) (*identity, error) {
	i := &identity{looked: time.Now(), files: []opened{
		{path: path, info: before, lost: "what is written now would be lost: stop fluxosd, look for the file or a backup, and put it back; " +
			"if it is missing at the next start, a new, empty one is made"},
		{path: path + "-wal", lost: "what is written now would be lost by a crash: stop fluxosd, which moves " +
			"the log into the database, and start it again"},
	}}
	for n := range i.files {
		f := &i.files[n]
		now, err := os.Stat(f.path)
		if err != nil {
			return nil, err
		}
		if f.info != nil && !os.SameFile(f.info, now) {
			return nil, fmt.Errorf("%s was replaced while it was being opened: start fluxosd again", f.path)
		}
		f.info = now
	}
	return i, nil
}

// check says whether the paths lead to the opened files. A look that is younger
// than age serves again. The error wraps store.ErrUnavailable; it goes away when
// the files are back.
func (i *identity) check(age time.Duration) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if now := time.Now(); now.Sub(i.looked) >= age {
		i.looked, i.err = now, i.look()
	}
	return i.err
}

func (i *identity) look() error {
	for _, f := range i.files {
		now, err := os.Stat(f.path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("%w: the file %s was deleted or moved away while it was open, and %s", store.ErrUnavailable, f.path, f.lost)
		case err != nil:
			return fmt.Errorf("%w: can't tell whether the opened file is still in its place: %w", store.ErrUnavailable, err)
		case !os.SameFile(f.info, now):
			return fmt.Errorf("%w: the file %s was replaced by another while it was open, and %s", store.ErrUnavailable, f.path, f.lost)
		}
	}
	return nil
}

// connector opens connections to the files that were opened first, and to no
// others that now have their names.
type connector struct {
	driver driver.Driver
	dsn    string
	files  *identity
}

func (c *connector) Driver() driver.Driver { return c.driver }

func (c *connector) Connect(context.Context) (driver.Conn, error) {
	if err := c.files.check(0); err != nil {
		return nil, err
	}
	conn, err := c.driver.Open(c.dsn)
	if err != nil {
		return nil, err
	}
	if err := c.files.check(0); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}
