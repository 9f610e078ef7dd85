package chaincopy

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fluxosd/fluxosd/internal/logattr"
)

// folderNames are the folders that hold the chain, in the order of the archive.
var folderNames = [...]string{"determ_zelnodes", "chainstate", "blocks"}

// bufferSize is that of each of a transfer's two buffers.
const bufferSize = 256 << 10

// Transfer is one copy of the chain. It has the turn until WriteTo returns,
// Close is called, or its Copier ends it.
type Transfer struct {
	// Size is about how many bytes the archive has before compression.
	Size int64
	// ContentType is application/x-tar or application/gzip.
	ContentType string

	c       *Copier
	o       Options
	from    netip.Addr
	folders folders
	expires time.Time    // when it must have begun
	moved   atomic.Int64 // bytes of the archive, before compression

	mu     sync.Mutex
	began  time.Time // zero before WriteTo
	over   bool
	cancel context.CancelCauseFunc // WriteTo's, nil before it
}

// open makes a transfer. The caller has the turn.
func (c *Copier) open(ctx context.Context, o Options) (*Transfer, error) {
	t := &Transfer{c: c, o: o, ContentType: "application/x-tar"}
	dir, err := c.cfg.DataDir()
	if err == nil {
		t.folders, err = openFolders(dir)
	}
	if err != nil {
		c.log.Warn("The chain can't be copied: its folders can't be opened", logattr.Err(err))
		return nil, refuse(http.StatusInternalServerError, reasonNoChain, err)
	}
	if err := t.check(ctx); err != nil {
		t.folders.close()
		return nil, err
	}
	if o.Compress {
		t.ContentType = "application/gzip"
	}
	return t, nil
}

// check refuses what can't be copied as asked, and measures the rest.
func (t *Transfer) check(ctx context.Context) error {
	if t.o.Unsafe && t.o.Compress {
		return refuse(http.StatusUnprocessableEntity, reasonUnsafe, nil)
	}
	if !t.o.Unsafe {
		if runs, err := t.c.running(ctx); err != nil || runs {
			return unavailable(reasonRunning, err)
		}
	}
	size, err := t.folders.size(ctx)
	if ctx.Err() != nil {
		return refuse(http.StatusBadRequest, reasonClosed, context.Cause(ctx))
	}
	if err != nil {
		t.c.log.Warn("The chain can't be copied: its folders can't be read", logattr.Err(err))
		return refuse(http.StatusInternalServerError, reasonNoChain, err)
	}
	t.Size = size
	return nil
}

// start returns when WriteTo was called, and whether it was.
func (t *Transfer) start() (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.began, !t.began.IsZero()
}

// Close gives up a transfer. One that is being written ends with an error.
func (t *Transfer) Close() { t.finish(errClosed) }

// finish ends the transfer, if it isn't over, and gives the turn back. A
// WriteTo under way stops at its next write, so that one that hangs doesn't
// keep the daemon down.
func (t *Transfer) finish(why error) {
	t.mu.Lock()
	if t.over {
		t.mu.Unlock()
		return
	}
	t.over = true
	if t.cancel != nil {
		t.cancel(why)
	} else {
		t.folders.close()
	}
	t.mu.Unlock()
	c := t.c
	c.mu.Lock()
	c.current, c.due = nil, c.cfg.Now()
	c.mu.Unlock()
	c.give()
}

// WriteTo writes the archive. It stops at the next write after ctx ends or
// after the Copier ended the transfer. After an error the archive is not
// complete, though it may look so if it was cut between two files: the caller
// must break the connection.
//
// An unsafe copy of a file that grew or shrank since its header was written is
// cut or filled with zeros; the archive stays readable.
func (t *Transfer) WriteTo(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.mu.Lock()
	if t.over || t.cancel != nil {
		t.mu.Unlock()
		return errClosed
	}
	t.began, t.cancel = t.c.cfg.Now(), cancel
	t.mu.Unlock()
	defer t.finish(nil)
	defer t.folders.close()

	log := t.c.log.With(logattr.Remote(t.from))
	log.Info("A neighbour begins to copy the chain", slog.Int64("size", t.Size), slog.Bool("unsafe", t.o.Unsafe), slog.Bool("compress", t.o.Compress))
	st, err := t.write(ctx, w)
	if cause := context.Cause(ctx); cause != nil {
		err = cause // also when the last write went through before
	}
	attrs := []any{slog.Int64("bytes", t.moved.Load()), slog.Int("files", st.files), slog.Duration("took", t.c.cfg.Now().Sub(t.began))}
	if st.odd() {
		log.Warn("Files changed during a copy of the chain, or aren't plain files", slog.Int("filled", st.filled), slog.Int("cut", st.cut),
			slog.Int("vanished", st.vanished), slog.Int("skipped", st.skipped), slog.String("first", st.first))
	}
	if err != nil {
		log.Warn("A copy of the chain ended early", append(attrs, logattr.Err(err))...)
		return fmt.Errorf("copy the chain: %w", err)
	}
	log.Info("A neighbour has copied the chain", attrs...)
	return nil
}

func (t *Transfer) write(ctx context.Context, w io.Writer) (stats, error) {
	out := bufio.NewWriterSize(w, bufferSize)
	p := &pipe{ctx: ctx, w: out, moved: &t.moved}
	var zip *gzip.Writer
	if t.o.Compress {
		// The chain is mostly hashes and signatures, of which a better level
		// makes little more, and it must keep the pace.
		zip, _ = gzip.NewWriterLevel(out, gzip.BestSpeed)
		p.w = zip
	}
	a := &archive{tar: tar.NewWriter(p), buf: make([]byte, bufferSize), unsafe: t.o.Unsafe}
	if err := t.folders.walk(ctx, a); err != nil {
		return a.stats, err
	}
	if !t.o.Unsafe {
		// Somebody else may have started it meanwhile.
		if runs, err := t.c.running(ctx); err != nil || runs {
			return a.stats, errors.Join(errChanged, err)
		}
	}
	if err := a.tar.Close(); err != nil {
		return a.stats, err
	}
	if zip != nil {
		if err := zip.Close(); err != nil {
			return a.stats, err
		}
	}
	return a.stats, out.Flush()
}

// pipe counts what goes through, until ctx ends.
type pipe struct {
	ctx   context.Context
	w     io.Writer
	moved *atomic.Int64
}

// Write implements io.Writer.
func (p *pipe) Write(b []byte) (int, error) {
	if p.ctx.Err() != nil {
		return 0, context.Cause(p.ctx)
	}
	n, err := p.w.Write(b)
	p.moved.Add(int64(n))
	return n, err
}
