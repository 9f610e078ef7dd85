package api

import (
	"io"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/fluxosd/fluxosd/internal/logattr"
)

// accessLog writes one line for each request, in the order in which they end.
// Lines are collected and written once a second or when there is much of them,
// so that a request never waits for the disk. It never holds more than
// accessBuffer bytes: what would be more is counted and left out.
type accessLog struct {
	out  io.Writer
	json bool // one JSON object a line, else key=value
	log  *slog.Logger

	mu      sync.Mutex
	second  int64  // Unix time that stamp is for
	stamp   []byte // that second as text
	buf     []byte
	spare   []byte
	dropped int
	full    chan struct{}
}

const (
	accessBuffer = 4 << 20
	accessFlush  = 64 << 10
)

func newAccessLog(out io.Writer, json bool, log *slog.Logger) *accessLog {
	return &accessLog{out: out, json: json, log: log, full: make(chan struct{}, 1)}
}

// add appends the line of a finished call. Parameters are not logged: paths of
// wallet calls carry private keys. The pattern of the route tells what was called.
func (a *accessLog) add(cl *call, method string, end time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.buf) > accessBuffer {
		a.dropped++
		return
	}
	f := fields{buf: a.buf, json: a.json}
	if sec := end.Unix(); sec != a.second {
		a.second, a.stamp = sec, end.UTC().AppendFormat(a.stamp[:0], "2006-01-02T15:04:05.")
	}
	f.begin(a.stamp, end.Nanosecond()/int(time.Millisecond))
	f.text("sub", "access")
	f.text("id", cl.id)
	f.text("remote", cl.remote.String())
	f.text("method", method)
	f.text("route", cl.pattern())
	f.number("status", int64(cl.status))
	f.text("outcome", cl.outcome)
	f.number("bytes", int64(cl.bytes))
	f.number("us", end.Sub(cl.start).Microseconds())
	if !cl.identity.Anonymous() {
		f.text("who", cl.identity.FluxID)
	}
	b := f.end()
	a.buf = append(b, '\n')
	if len(a.buf) > accessFlush {
		select {
		case a.full <- struct{}{}:
		default: // the writer is on its way
		}
	}
}

// serve writes until done is closed, then once more.
func (a *accessLog) serve(done <-chan struct{}) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-done:
			a.flush()
			return
		case <-tick.C:
		case <-a.full:
		}
		a.flush()
	}
}

func (a *accessLog) flush() {
	a.mu.Lock()
	lines, dropped := a.buf, a.dropped
	a.buf, a.spare, a.dropped = a.spare[:0], nil, 0
	a.mu.Unlock()
	if len(lines) > 0 {
		if _, err := a.out.Write(lines); err != nil {
			a.log.Warn("Access log can't be written", logattr.Err(err))
		}
	}
	if dropped > 0 {
		a.log.Warn("Access log was too slow", slog.Int("dropped", dropped))
	}
	a.mu.Lock()
	if cap(lines) <= 4*accessFlush {
		a.spare = lines[:0]
	}
	a.mu.Unlock()
}

// fields appends the members of one line. Values are words of our own, tokens,
// addresses and numbers: none needs quoting in either form.
type fields struct {
	buf  []byte
	json bool
}

func (f *fields) begin(second []byte, ms int) {
	if f.json {
		f.buf = append(f.buf, `{"time":"`...)
	} else {
		f.buf = append(f.buf, "time="...)
	}
	f.buf = append(f.buf, second...)
	f.buf = append(f.buf, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
	if f.json {
		f.buf = append(f.buf, `","level":"INFO","msg":"Request"`...)
	} else {
		f.buf = append(f.buf, " level=INFO msg=Request"...)
	}
}

func (f *fields) key(name string) {
	if f.json {
		f.buf = append(f.buf, `,"`...)
		f.buf = append(f.buf, name...)
		f.buf = append(f.buf, `":`...)
		return
	}
	f.buf = append(f.buf, ' ')
	f.buf = append(f.buf, name...)
	f.buf = append(f.buf, '=')
}

func (f *fields) text(name, value string) {
	f.key(name)
	if f.json {
		f.buf = append(f.buf, '"')
	}
	f.buf = append(f.buf, value...)
	if f.json {
		f.buf = append(f.buf, '"')
	}
}

func (f *fields) number(name string, value int64) {
	f.key(name)
	f.buf = strconv.AppendInt(f.buf, value, 10)
}

func (f *fields) end() []byte {
	if f.json {
		f.buf = append(f.buf, '}')
	}
	return f.buf
}
