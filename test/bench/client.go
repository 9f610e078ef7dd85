package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// Times of a connection.
const (
	dialTime   = 5 * time.Second
	answerTime = 10 * time.Second // for one answer; nothing measured takes a second
)

// maxAnswer bounds an answer, head and body, in bytes.
const maxAnswer = 1 << 20

// client sends prepared requests over one connection, one at a time, and reads
// just enough of HTTP/1.1 to know where an answer ends and whether it is a
// success. It is not safe for concurrent use.
type client struct {
	net.Conn
	answers answerReader
}

// dial connects to a loopback address, host:port.
func dial(ctx context.Context, addr string) (*client, error) {
	d := net.Dialer{Timeout: dialTime}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{Conn: c, answers: answerReader{src: c, buf: make([]byte, 8<<10)}}, nil
}

// do sends a whole request and reads its answer. The body is good until the
// next call. The deadline is that of the connection.
func (c *client) do(request []byte) (status int, body []byte, err error) {
	if _, err := c.Write(request); err != nil {
		return 0, nil, err
	}
	return c.answers.next()
}

// succeed is do for answers that must be 200 with the envelope of a success.
func (c *client) succeed(request []byte) (body []byte, err error) {
	status, body, err := c.do(request)
	if err == nil && (status != 200 || !bytes.HasPrefix(body, successPrefix)) {
		err = &refusedError{status, string(body[:min(len(body), 300)])}
	}
	if err != nil {
		line, _, _ := bytes.Cut(request, crlf)
		return nil, fmt.Errorf("%s: %w", line, err)
	}
	return body, nil
}

// refusedError is an answer that is not a success.
type refusedError struct {
	status int
	body   string // the beginning of it
}

func (e *refusedError) Error() string { return fmt.Sprintf("answered %d %s", e.status, e.body) }

// What can be wrong with an answer.
var (
	errNoLength  = errors.New("answer without Content-Length")
	errChunked   = errors.New("answer with Transfer-Encoding, which is not read here")
	errHangsUp   = errors.New("answer with Connection: close; the connection must stay open")
	errSurplus   = errors.New("answer is followed by bytes that nobody asked for")
	errTooLarge  = fmt.Errorf("answer is larger than %d bytes", maxAnswer)
	errMalformed = errors.New("malformed answer")
	errCutShort  = errors.New("connection was closed in the middle of an answer")
)

var (
	crlf          = []byte("\r\n")
	headEnd       = []byte("\r\n\r\n")
	successPrefix = []byte(`{"status":"success"`)
)

// answerReader reads answers that have a Content-Length, one at a time. It
// allocates only when an answer outgrows buf.
type answerReader struct {
	src io.Reader
	buf []byte
}

// next reads one answer. Its error is one of the above, or that of the source;
// io.EOF means that the source ended before an answer began.
func (r *answerReader) next() (status int, body []byte, err error) {
	have, head := 0, 0
	for head == 0 {
		from := max(0, have-len(headEnd)+1)
		n, err := r.more(have)
		have += n
		if i := bytes.Index(r.buf[from:have], headEnd); i >= 0 {
			head = from + i + len(headEnd)
		} else if err != nil {
			return 0, nil, cutShort(err, have)
		}
	}
	status, length, err := parseHead(r.buf[:head])
	if err != nil {
		return 0, nil, err
	}
	if length > maxAnswer-head {
		return 0, nil, errTooLarge
	}
	end := head + length
	for have < end {
		n, err := r.more(have)
		have += n
		if err != nil && have < end {
			return 0, nil, cutShort(err, have)
		}
	}
	if have > end {
		return 0, nil, errSurplus
	}
	return status, r.buf[head:end], nil
}

// more reads behind the first have bytes of buf, which it enlarges when full.
func (r *answerReader) more(have int) (int, error) {
	if have == len(r.buf) {
		if have >= maxAnswer {
			return 0, errTooLarge
		}
		r.buf = append(r.buf, make([]byte, min(max(have, 512), maxAnswer-have))...)
	}
	return r.src.Read(r.buf[have:])
}

func cutShort(err error, have int) error {
	if err == io.EOF && have > 0 {
		return errCutShort
	}
	return err
}

// parseHead reads the status and the Content-Length of a head that ends with
// its empty line.
func parseHead(head []byte) (status, length int, err error) {
	line, rest, _ := bytes.Cut(head, crlf)
	after, ok := bytes.CutPrefix(line, []byte("HTTP/1.1 "))
	if !ok || len(after) < 3 || (len(after) > 3 && after[3] != ' ') {
		return 0, 0, errMalformed
	}
	if status, ok = digits(after[:3]); !ok {
		return 0, 0, errMalformed
	}
	length = -1
	for {
		line, rest, _ = bytes.Cut(rest, crlf)
		if len(line) == 0 {
			break
		}
		colon := bytes.IndexByte(line, ':')
		if colon < 0 {
			return 0, 0, errMalformed
		}
		name := line[:colon]
		switch {
		case isName(name, "Content-Length"):
			n, ok := digits(bytes.TrimSpace(line[colon+1:]))
			if !ok || length >= 0 {
				return 0, 0, errMalformed
			}
			length = n
		case isName(name, "Transfer-Encoding"):
			return 0, 0, errChunked
		case isName(name, "Connection"):
			if bytes.EqualFold(bytes.TrimSpace(line[colon+1:]), []byte("close")) {
				return 0, 0, errHangsUp
			}
		}
	}
	if length < 0 {
		return 0, 0, errNoLength
	}
	return status, length, nil
}

// isName compares header names; the length tells most of them apart.
func isName(name []byte, want string) bool {
	return len(name) == len(want) && bytes.EqualFold(name, []byte(want))
}

// digits reads 1 to 9 decimal digits.
func digits(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 9 {
		return 0, false
	}
	for _, d := range b {
		if d < '0' || d > '9' {
			return 0, false
		}
	}
	n, err := strconv.Atoi(string(b))
	return n, err == nil
}

// get is a GET request for path at addr, with further header lines "Name: value".
func get(addr, path string, header ...string) []byte {
	b := []byte("GET " + path + " HTTP/1.1\r\nHost: " + addr + "\r\n")
	for _, h := range header {
		b = append(b, h+"\r\n"...)
	}
	return append(b, crlf...)
}

// post is a POST request of a JSON body.
func post(addr, path string, body []byte) []byte {
	b := fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", path, addr, len(body))
	return append(b, body...)
}
