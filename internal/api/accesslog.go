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
	out io.Writer
	log *slog.Logger

	mu      sync.Mutex
	buf     []byte
	spare   []byte
	dropped int
	full    chan struct{}
}

const (
	accessBuffer = 4 << 20
	accessFlush  = 64 << 10
)

func newAccessLog(out io.Writer, log *slog.Logger) *accessLog {
	return &accessLog{out: out, log: log, full: make(chan struct{}, 1)}
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
	b := a.buf
	b = append(b, "time="...)
	b = end.UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, " sub=access id="...)
	b = append(b, cl.id...)
	b = append(b, " remote="...)
	b = cl.remote.AppendTo(b)
	b = append(b, " method="...)
	b = append(b, method...)
	b = append(b, " route="...)
	b = append(b, cl.pattern()...)
	b = append(b, " status="...)
	b = strconv.AppendInt(b, int64(cl.status), 10)
	b = append(b, " outcome="...)
	b = append(b, cl.outcome...)
	b = append(b, " bytes="...)
	b = strconv.AppendInt(b, int64(cl.bytes), 10)
	b = append(b, " us="...)
	b = strconv.AppendInt(b, end.Sub(cl.start).Microseconds(), 10)
	if !cl.identity.Anonymous() {
		b = append(b, " who="...)
		b = append(b, cl.identity.FluxID...)
	}
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
