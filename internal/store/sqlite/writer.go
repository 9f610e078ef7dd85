package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
)

const (
	// maxWaiting bounds the queue. When it is full, callers wait for room, or
	// for the end of their context.
	maxWaiting = 1024
	// maxBatch bounds how many calls share a transaction, so that the first
	// does not wait for long.
	maxBatch = 512
	// maxStatements bounds a cache of prepared statements. Texts depend on
	// declared queries only, so that it fills up once.
	maxStatements = 256
)

// writer owns the one connection that writes. Its goroutine takes whatever calls
// wait, carries them out in one transaction, and answers each after the commit.
// It never waits for more calls to come.
type writer struct {
	ctx    context.Context // ends never: a claimed write is carried out
	db     *sql.DB
	conn   *sql.Conn
	files  *identity
	queue  chan *job
	ended  chan struct{}
	failed error // of closing the connection; set before ended is closed

	failure failure // of the last transaction

	statements map[string]*sql.Stmt // used by the goroutine only
	relaxed    bool                 // synchronous is NORMAL now; used by the goroutine only

	mu     sync.RWMutex // held for reading while a call enters the queue
	closed bool         // guarded by mu
}

// job is one call of the store. A job has rows to insert, or work to run.
type job struct {
	table *table
	rows  []row

	run func(w *writer) error
	// atomic says that run has several statements, to be undone together.
	atomic bool
	// alone says that run makes its own transaction.
	alone bool

	state atomic.Int32
	err   error // set before done is closed
	done  chan struct{}
}

// States of a job. Only a waiting job can be given up.
const (
	waiting int32 = iota
	claimed
	abandoned
)

func newWriter(db *sql.DB, conn *sql.Conn, files *identity) *writer {
	w := &writer{
		ctx:        context.Background(),
		db:         db,
		conn:       conn,
		files:      files,
		queue:      make(chan *job, maxWaiting),
		ended:      make(chan struct{}),
		statements: map[string]*sql.Stmt{},
	}
	go w.serve()
	return w
}

// do has the job carried out and returns its error. If ctx ends before the job
// has begun, the job never happens; if later, do waits for its end.
func (w *writer) do(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.done = make(chan struct{})
	if err := w.enqueue(ctx, j); err != nil {
		return err
	}
	select {
	case <-j.done:
	case <-ctx.Done():
		if j.state.CompareAndSwap(waiting, abandoned) {
			return ctx.Err()
		}
		<-j.done
	}
	return j.err
}

func (w *writer) enqueue(ctx context.Context, j *job) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return errClosed
	}
	select {
	case w.queue <- j:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close lets the queue run empty and closes the file.
func (w *writer) close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		<-w.ended
		return nil
	}
	w.closed = true
	close(w.queue)
	w.mu.Unlock()
	<-w.ended
	return w.failed
}

func (w *writer) serve() {
	defer close(w.ended)
	for first := range w.queue {
		batch := w.gather(first)
		for len(batch) > 0 {
			n := 1
			for !batch[0].alone && n < len(batch) && !batch[n].alone {
				n++
			}
			w.carryOut(batch[:n])
			for _, j := range batch[:n] {
				close(j.done)
			}
			batch = batch[n:]
		}
	}
	w.failed = w.shut()
}

// carryOut makes one transaction of the jobs, unless its file is gone. It keeps
// in mind whether the file was to blame for a failure, until something was
// written again.
func (w *writer) carryOut(batch []*job) {
	err := w.files.check(identityAge)
	switch {
	case err != nil:
		for _, j := range batch {
			j.err = err
		}
	case batch[0].alone:
		batch[0].err = wrap(batch[0].run(w))
		w.failure.set(batch[0].err)
	default:
		failing, before := w.failure.get() != nil, int64(0)
		if failing {
			before = w.changed()
		}
		if err = w.commit(batch); err != nil {
			w.failure.set(err)
		} else if failing && w.changed() > before {
			w.failure.clear()
		}
	}
}

// changed counts the rows that the connection has ever changed.
func (w *writer) changed() (n int64) {
	if err := w.query("SELECT total_changes()", nil, func(rows *sql.Rows) error { return rows.Scan(&n) }); err != nil {
		return 0
	}
	return n
}

// gather claims first and what else waits right now.
func (w *writer) gather(first *job) []*job {
	var batch []*job
	claim := func(j *job) {
		if j.state.CompareAndSwap(waiting, claimed) {
			batch = append(batch, j)
		}
	}
	claim(first)
	for len(batch) < maxBatch {
		select {
		case j, open := <-w.queue:
			if !open {
				return batch
			}
			claim(j)
		default:
			return batch
		}
	}
	return batch
}

// commit carries out the jobs in one transaction. A job that fails by itself is
// undone alone; a failure of the file fails all of them and is returned.
func (w *writer) commit(batch []*job) error {
	err := w.transaction(volatile(batch), func() error {
		for i := 0; i < len(batch); {
			n := 1
			if batch[i].run == nil {
				n = sameTable(batch[i:])
				if err := w.insert(batch[i : i+n]); err != nil {
					return err
				}
			} else if batch[i].err = w.attempt(batch[i]); broken(batch[i].err) {
				return batch[i].err
			}
			i += n
		}
		return nil
	})
	for _, j := range batch {
		if err != nil {
			j.err = err
		}
		j.err = wrap(j.err)
	}
	return wrap(err)
}

// volatile says whether all jobs insert into volatile tables.
func volatile(batch []*job) bool {
	return !slices.ContainsFunc(batch, func(j *job) bool { return j.run != nil || !j.table.volatile })
}

// transaction runs work in one write transaction. The commit reaches the disk
// before it returns, unless it is relaxed: then the operating system has it.
func (w *writer) transaction(relaxed bool, work func() error) error {
	if relaxed != w.relaxed {
		mode := "PRAGMA synchronous=FULL"
		if relaxed {
			mode = "PRAGMA synchronous=NORMAL"
		}
		if err := w.exec(mode); err != nil {
			return err
		}
		w.relaxed = relaxed
	}
	if err := w.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := work()
	if err == nil {
		err = w.exec("COMMIT")
	}
	if err != nil {
		// After some errors SQLite has rolled back already; this then fails.
		_ = w.exec("ROLLBACK")
	}
	return err
}

// attempt runs one job so that nothing of it is left if it fails.
func (w *writer) attempt(j *job) error {
	if !j.atomic {
		return j.run(w)
	}
	return w.savepoint(func() error { return j.run(w) })
}

// savepoint undoes what work did if it fails, and keeps the transaction.
func (w *writer) savepoint(work func() error) error {
	if err := w.exec("SAVEPOINT job"); err != nil {
		return errors.Join(errTransaction, err)
	}
	err := work()
	if err != nil {
		if back := w.exec("ROLLBACK TO job"); back != nil {
			return errors.Join(errTransaction, err, back)
		}
	}
	if end := w.exec("RELEASE job"); end != nil {
		return errors.Join(errTransaction, err, end)
	}
	return err
}

// errTransaction says that the transaction can't go on.
var errTransaction = errors.New("the transaction was given up")

// broken says whether err is about the file rather than about the call.
func broken(err error) bool {
	var engine *sqlite.Error
	return errors.Is(err, errTransaction) || errors.As(err, &engine) && breaksTransaction(engine.Code())
}

// prepare returns the statement for a text, cached as long as there is room.
func (w *writer) prepare(text string) (stmt *sql.Stmt, done func(), err error) {
	if stmt := w.statements[text]; stmt != nil {
		return stmt, func() {}, nil
	}
	if stmt, err = w.conn.PrepareContext(w.ctx, text); err != nil {
		return nil, nil, err
	}
	if len(w.statements) >= maxStatements || len(text) > maxCachedText {
		return stmt, func() { stmt.Close() }, nil
	}
	w.statements[text] = stmt
	return stmt, func() {}, nil
}

func (w *writer) exec(text string, args ...any) error {
	_, err := w.change(text, args...)
	return err
}

// change runs a statement and returns how many rows it touched.
func (w *writer) change(text string, args ...any) (int64, error) {
	stmt, done, err := w.prepare(text)
	if err != nil {
		return 0, err
	}
	defer done()
	result, err := stmt.ExecContext(w.ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query reads all rows of a statement.
func (w *writer) query(text string, args []any, scan func(*sql.Rows) error) error {
	stmt, done, err := w.prepare(text)
	if err != nil {
		return err
	}
	defer done()
	return each(w.ctx, stmt, args, scan)
}

// shut moves the log into the file and closes it.
func (w *writer) shut() error {
	ctx, cancel := context.WithTimeout(w.ctx, closeTimeout)
	defer cancel()
	for _, stmt := range w.statements {
		stmt.Close()
	}
	_, err := w.conn.ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)")
	if err = errors.Join(err, w.conn.Close(), w.db.Close()); err != nil {
		return fmt.Errorf("close database: %w", err)
	}
	return nil
}
