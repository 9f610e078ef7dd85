package main

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

const okHead = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "

func TestAnswerReader(t *testing.T) {
	long := strings.Repeat("x", 20<<10)
	for _, tc := range []struct {
		name, in string
		status   int
		body     string
		err      error
	}{
		{name: "success", in: okHead + "2\r\n\r\n{}", status: 200, body: "{}"},
		{name: "empty body", in: okHead + "0\r\n\r\n", status: 200},
		{name: "names in any letter case", in: "HTTP/1.1 200 OK\r\ncontent-length:2\r\n\r\n{}", status: 200, body: "{}"},
		{name: "no reason phrase", in: "HTTP/1.1 503\r\nContent-Length: 4\r\n\r\nbusy", status: 503, body: "busy"},
		{name: "larger than the buffer", in: okHead + "20480\r\n\r\n" + long, status: 200, body: long},
		{name: "head larger than the buffer", in: "HTTP/1.1 200 OK\r\nX: " + long + "\r\nContent-Length: 1\r\n\r\n1", status: 200, body: "1"},
		{name: "keep-alive", in: "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n1", status: 200, body: "1"},
		{name: "chunked", in: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", err: errChunked},
		{name: "close", in: "HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\n{}", err: errHangsUp},
		{name: "no length", in: "HTTP/1.1 200 OK\r\n\r\n{}", err: errNoLength},
		{name: "two lengths", in: okHead + "2\r\nContent-Length: 2\r\n\r\n{}", err: errMalformed},
		{name: "negative length", in: okHead + "-1\r\n\r\n", err: errMalformed},
		{name: "endless length", in: okHead + "99999999999999999999\r\n\r\n", err: errMalformed},
		{name: "body too large", in: okHead + "1048576\r\n\r\n", err: errTooLarge},
		{name: "head too large", in: "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxAnswer), err: errTooLarge},
		{name: "short body", in: okHead + "3\r\n\r\n{}", err: errCutShort},
		{name: "short head", in: "HTTP/1.1 200 OK\r\nContent-", err: errCutShort},
		{name: "nothing", in: "", err: io.EOF},
		{name: "surplus", in: okHead + "2\r\n\r\n{}HTTP/1.1 200", err: errSurplus},
		{name: "HTTP/1.0", in: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", err: errMalformed},
		{name: "no status", in: "HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\n{}", err: errMalformed},
		{name: "status of four digits", in: "HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\n{}", err: errMalformed},
		{name: "header without colon", in: "HTTP/1.1 200 OK\r\nContent-Length\r\n\r\n", err: errMalformed},
		{name: "not HTTP", in: "SSH-2.0-OpenSSH\r\n\r\n", err: errMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			for how, src := range map[string]io.Reader{
				"whole":           strings.NewReader(tc.in),
				"byte by byte":    iotest.OneByteReader(strings.NewReader(tc.in)),
				"end with data":   iotest.DataErrReader(strings.NewReader(tc.in)),
				"in small pieces": iotest.HalfReader(strings.NewReader(tc.in)),
			} {
				if tc.err == errSurplus && how == "byte by byte" {
					continue // the surplus is not there yet when the answer ends
				}
				r := answerReader{src: src, buf: make([]byte, 64)}
				status, body, err := r.next()
				if !errors.Is(err, tc.err) || status != tc.status || string(body) != tc.body {
					t.Errorf("%s: got %d, %d bytes, %v; want %d, %d bytes, %v", how, status, len(body), err, tc.status, len(tc.body), tc.err)
				}
			}
		})
	}
}

func TestAnswerReaderReadsOneAfterTheOther(t *testing.T) {
	r := answerReader{src: iotest.OneByteReader(strings.NewReader(okHead + "1\r\n\r\n1" + okHead + "2\r\n\r\n22")), buf: make([]byte, 64)}
	for _, want := range []string{"1", "22"} {
		if _, body, err := r.next(); err != nil || string(body) != want {
			t.Errorf("got %q, %v; want %q", body, err, want)
		}
	}
	if _, _, err := r.next(); err != io.EOF {
		t.Errorf("at the end: got %v, want %v", err, io.EOF)
	}
}

func TestAnswerReaderDoesNotAllocate(t *testing.T) {
	in := strings.NewReader("")
	r := answerReader{src: in, buf: make([]byte, 4096)}
	if n := testing.AllocsPerRun(100, func() {
		in.Reset(okHead + "2\r\n\r\n{}")
		if _, _, err := r.next(); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("%v allocations for an answer", n)
	}
}

// answering is a client whose server sends the same bytes after every request.
func answering(t *testing.T, answer string) *client {
	t.Helper()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer far.Close()
		b := make([]byte, 4096)
		for {
			if _, err := far.Read(b); err != nil {
				return
			}
			if _, err := io.WriteString(far, answer); err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { near.Close(); <-done })
	near.SetDeadline(time.Now().Add(answerTime))
	return &client{Conn: near, answers: answerReader{src: near, buf: make([]byte, 4096)}}
}

func TestSucceedWantsSuccess(t *testing.T) {
	for _, tc := range []struct{ name, answer, err string }{
		{"success", okHead + "31\r\n\r\n" + `{"status":"success","data":"1"}`, ""},
		{"error envelope", okHead + "27\r\n\r\n" + `{"status":"error","data":1}`, `GET /x HTTP/1.1: answered 200 {"status":"error","data":1}`},
		{"error status", "HTTP/1.1 500 Oh\r\nContent-Length: 20\r\n\r\n" + `{"status":"success"}`, `GET /x HTTP/1.1: answered 500 {"status":"success"}`},
		{"no envelope", okHead + "2\r\n\r\nok", "GET /x HTTP/1.1: answered 200 ok"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := answering(t, tc.answer).succeed(get("127.0.0.1:1", "/x"))
			switch {
			case tc.err == "" && err != nil:
				t.Errorf("got %v", err)
			case tc.err != "" && (err == nil || err.Error() != tc.err):
				t.Errorf("got %v, want %s", err, tc.err)
			}
		})
	}
}

func TestRequests(t *testing.T) {
	if got, want := string(get("127.0.0.1:1", "/a", "b: c")), "GET /a HTTP/1.1\r\nHost: 127.0.0.1:1\r\nb: c\r\n\r\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := string(post("127.0.0.1:1", "/a", []byte("{}"))), "POST /a HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzAnswerReader(f *testing.F) {
	for _, seed := range []string{okHead + "2\r\n\r\n{}", okHead + "0\r\n\r\n", "HTTP/1.1 200\r\nContent-Length: 3\r\n\r\n{}", "HTTP/1.1 200 OK\r\n:\r\n\r\n", "\r\n\r\n", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := answerReader{src: bytes.NewReader(in), buf: make([]byte, 16)}
		status, body, err := r.next()
		if err != nil {
			return
		}
		if status < 0 || status > 999 || !bytes.HasSuffix(in, body) {
			t.Errorf("%q: got %d and the body %q", in, status, body)
		}
	})
}
