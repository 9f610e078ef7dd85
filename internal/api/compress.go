package api

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"sync"
)

// compressFrom is the size of a body in bytes from which compression pays.
const compressFrom = 1024

var gzipWriters = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed) // the level is a valid one
	return w
}}

// compress returns body as gzip, or nil when that is no smaller.
func compress(body [][]byte, size int) []byte {
	var b bytes.Buffer
	b.Grow(size / 4)
	z := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(z)
	z.Reset(&b)
	for _, p := range body {
		if _, err := z.Write(p); err != nil {
			return nil
		}
	}
	if err := z.Close(); err != nil || b.Len() >= size {
		return nil
	}
	return b.Bytes()
}

// acceptsGzip reads Accept-Encoding (RFC 9110, section 12.5.3): gzip, or
// without a word about gzip *, with a weight above zero.
func acceptsGzip(r *http.Request) bool {
	any := false
	for _, line := range r.Header["Accept-Encoding"] {
		for part := range strings.SplitSeq(line, ",") {
			coding, params, _ := strings.Cut(part, ";")
			q := strings.ToLower(strings.ReplaceAll(params, " ", ""))
			weight, given := strings.CutPrefix(q, "q=")
			wanted := !given || strings.Trim(weight, "0.") != ""
			switch strings.ToLower(strings.TrimSpace(coding)) {
			case "gzip":
				return wanted
			case "*":
				any = wanted
			}
		}
	}
	return any
}

func compressible(contentType string) bool {
	return strings.HasPrefix(contentType, "text/") || strings.HasPrefix(contentType, "application/json") ||
		strings.HasPrefix(contentType, "application/javascript") || strings.HasPrefix(contentType, "image/svg")
}

// notModified compares If-None-Match weakly (RFC 9110, section 13.1.2).
func notModified(r *http.Request, etag string) bool {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	strong := strings.TrimPrefix(etag, "W/")
	for _, line := range r.Header["If-None-Match"] {
		for tag := range strings.SplitSeq(line, ",") {
			tag = strings.TrimSpace(tag)
			if tag == "*" || strings.TrimPrefix(tag, "W/") == strong {
				return true
			}
		}
	}
	return false
}
