package sqlite

import (
	"slices"
	"strings"

	"github.com/fluxosd/fluxosd/internal/store"
	"github.com/fluxosd/fluxosd/internal/store/internal/shape"
)

// rowsPerInsert are the sizes of multi-row INSERTs, so that few statements are
// prepared and most rows go in large ones.
var rowsPerInsert = [...]int{64, 16, 4, 1}

// row is a document ready to be stored.
type row struct {
	key  any // string, int64 or nil
	text string
}

func newRow(c *store.Collection, doc any) (row, error) {
	d, err := shape.New(c, doc)
	if err != nil {
		return row{}, err
	}
	text, err := appendDocument(make([]byte, 0, len(d.Raw)+len(d.Raw)/4), d.Raw)
	return row{key: d.ID, text: string(text)}, err
}

// sameTable counts the inserts at the start of batch that go to one table.
func sameTable(batch []*job) int {
	n := 1
	for n < len(batch) && batch[n].run == nil && batch[n].table == batch[0].table {
		n++
	}
	return n
}

// insert carries out inserts into one table together. If that fails for a
// duplicate, each is tried by itself. It returns failures of the file only.
func (w *writer) insert(jobs []*job) error {
	if len(jobs) > 1 {
		var rows []row
		for _, j := range jobs {
			rows = append(rows, j.rows...)
		}
		if !mayRepeat(jobs[0].table, rows) {
			return w.insertRows(jobs[0].table, rows)
		}
		err := w.savepoint(func() error { return w.insertRows(jobs[0].table, rows) })
		if err == nil || broken(err) {
			return err
		}
	}
	for _, j := range jobs {
		if len(j.rows) == 1 { // one statement undoes itself
			j.err = w.insertRows(j.table, j.rows)
		} else {
			j.err = w.savepoint(func() error { return w.insertRows(j.table, j.rows) })
		}
		if broken(j.err) {
			return j.err
		}
	}
	return nil
}

// mayRepeat says whether a unique key can refuse any of the rows. Where none can,
// no savepoint is needed, which would journal every page a second time.
func mayRepeat(t *table, rows []row) bool {
	return t.unique || slices.ContainsFunc(rows, func(r row) bool { return r.key != nil })
}

func (w *writer) insertRows(t *table, rows []row) error {
	args := make([]any, 0, 2*min(len(rows), rowsPerInsert[0]))
	for i, size := range rowsPerInsert {
		for len(rows) >= size {
			args = args[:0]
			for _, r := range rows[:size] {
				args = append(args, r.key, r.text)
			}
			if err := w.exec(t.inserts[i], args...); err != nil {
				return err
			}
			rows = rows[size:]
		}
	}
	return nil
}

// insertTexts makes the statements for all sizes.
func insertTexts(table string) (texts [len(rowsPerInsert)]string) {
	for i, n := range rowsPerInsert {
		texts[i] = "INSERT INTO " + table + "(key,doc) VALUES " + strings.Repeat("(?,?),", n-1) + "(?,?)"
	}
	return texts
}
