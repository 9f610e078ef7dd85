package api

import (
	"context"
	"io"
	"mime"
	"net/http"
	"path"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/fluxosd/fluxosd/internal/fault"
)

// Download is returned by a handler of kind File: a file, of which clients may
// ask for ranges (RFC 9110, section 14). It is closed after the answer.
type Download struct {
	Name    string // as the client shall save it
	ModTime time.Time
	Content io.ReadSeekCloser
}

// Flow is returned by a handler that writes while it works. Run writes until it
// returns; every Write reaches the client at once. ctx ends when the client
// leaves or the daemon stops. After an error of Run the connection is broken, so
// that nobody takes half an answer for a whole one.
type Flow struct {
	ContentType string
	Headers     map[string]string // besides the usual ones
	Run         func(ctx context.Context, w io.Writer) error
	// Close is called when Run isn't: nobody may listen, or only the headers are
	// wanted. nil is nothing to do.
	Close func()
}

// steady writes in pieces, each of which the client must take within stallTime.
type steady struct {
	http.ResponseWriter
	ctl     *http.ResponseController
	flushes bool
	err     error // of the first Write that failed
	bytes   int
}

func newSteady(w http.ResponseWriter, flushes bool) *steady {
	return &steady{ResponseWriter: w, ctl: http.NewResponseController(w), flushes: flushes}
}

// Write implements io.Writer.
func (w *steady) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		piece := p[:min(len(p), writePiece)]
		w.ctl.SetWriteDeadline(time.Now().Add(stallTime)) // a test recorder has none
		var done int
		done, err = w.ResponseWriter.Write(piece)
		n, p = n+done, p[done:]
	}
	if err == nil && w.flushes {
		err = w.ctl.Flush()
	}
	w.bytes += n
	if w.err == nil {
		w.err = err
	}
	return n, err
}

// sendDownload answers with a file.
func (s *Server) sendDownload(c *gin.Context, cl *call, d Download) {
	defer d.Content.Close()
	h := c.Writer.Header()
	h["Content-Type"] = []string{contentType(d.Name)}
	h["X-Content-Type-Options"] = noSniff
	h["Content-Security-Policy"] = pagePolicy
	h["Cache-Control"] = noStore
	h["Content-Disposition"] = []string{mime.FormatMediaType("attachment", map[string]string{"filename": d.Name})}
	cl.outcome = statusSuccess
	w := newSteady(c.Writer, false)
	http.ServeContent(w, c.Request, "", d.ModTime, d.Content)
	cl.status, cl.bytes, cl.writeErr = c.Writer.Status(), w.bytes, w.err
}

// contentType tells the type of a file by its name. Logs are text, whatever
// this host's table of types says.
func contentType(name string) string {
	ext := path.Ext(name)
	if ext == ".log" || ext == ".txt" {
		return "text/plain; charset=utf-8"
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// sendStream lets a stream run until it, the client or the daemon ends it.
func (s *Server) sendStream(c *gin.Context, cl *call, st Flow) {
	ran := false
	defer func() {
		if !ran && st.Close != nil {
			st.Close()
		}
	}()
	if !s.open.enter(cl.remote, s.limits.spared(cl.remote)) {
		s.fail(c, cl, fault.New(fault.TooMany, "Too many open streams from this address"))
		return
	}
	defer s.open.leave(cl.remote)
	ctx, cancel := context.WithCancel(c.Request.Context())
	defer cancel()
	defer context.AfterFunc(s.life, cancel)()
	h := c.Writer.Header()
	h["Content-Type"] = []string{st.ContentType}
	h["X-Content-Type-Options"] = noSniff
	h["Cache-Control"] = noStore
	for name, value := range st.Headers {
		h.Set(name, value)
	}
	h["X-Accel-Buffering"] = []string{"no"} // proxies that know it pass every line on at once
	c.Writer.WriteHeader(http.StatusOK)
	c.Writer.WriteHeaderNow()
	cl.status, cl.outcome = http.StatusOK, statusSuccess
	if c.Request.Method == http.MethodHead {
		return
	}
	w := newSteady(c.Writer, true)
	err := w.ctl.Flush()
	if err == nil {
		ran = true
		err = st.Run(ctx, w)
	}
	cl.bytes, cl.writeErr = w.bytes, w.err
	if err != nil {
		if ctx.Err() == nil && w.err == nil {
			cl.err, cl.outcome = err, fault.Internal.String()
		}
		panic(http.ErrAbortHandler)
	}
}
