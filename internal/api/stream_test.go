package api

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/permissions"
)

// file is a download that tells when it is closed.
type file struct {
	*bytes.Reader
	closed chan struct{}
}

func (f file) Close() error {
	close(f.closed)
	return nil
}

// serveRow answers one call of a row that the test makes up.
func serveRow(t *testing.T, rt Route, req *http.Request) *http.Response {
	t.Helper()
	w := newWorld(t, nil)
	rt.Method, rt.Path, rt.Level = http.MethodGet, "/test/row", permissions.Public
	w.server.rows[&rt] = &row{Route: &rt, observe: newObserver(w.server.metrics, rt.Path)}
	if err := w.server.router.add(&rt); err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, req)
	return rec.Result()
}

func TestDownloads(t *testing.T) {
	content := strings.Repeat("0123456789", 100_000)
	for _, c := range []struct {
		name, method, ranges string
		status               int
		length               int
		body                 string
	}{
		{"whole", "GET", "", 200, len(content), content},
		{"a range", "GET", "bytes=10-19", 206, 10, "0123456789"},
		{"the end", "GET", "bytes=-5", 206, 5, "56789"},
		{"behind the end", "GET", "bytes=9999999-", 416, -1, ""},
		{"head", "HEAD", "", 200, len(content), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := file{bytes.NewReader([]byte(content)), make(chan struct{})}
			rt := Route{Kind: File, Handle: func(context.Context, *Request) (any, error) {
				return Download{Name: `an "odd" nâme.log`, ModTime: time.Unix(1_700_000_000, 0), Content: f}, nil
			}}
			req := httptest.NewRequest(c.method, "/test/row", nil)
			if c.ranges != "" {
				req.Header.Set("Range", c.ranges)
			}
			res := serveRow(t, rt, req)
			body, _ := io.ReadAll(res.Body)
			if res.StatusCode != c.status || c.body != "" && string(body) != c.body || c.method == "HEAD" && len(body) > 0 {
				t.Errorf("status %d, %d bytes", res.StatusCode, len(body))
			}
			if c.length >= 0 && res.Header.Get("Content-Length") != fmt.Sprint(c.length) {
				t.Errorf("Content-Length %s, want %d", res.Header.Get("Content-Length"), c.length)
			}
			if c.status == 200 {
				if got := res.Header.Get("Content-Disposition"); got != `attachment; filename*=utf-8''an%20%22odd%22%20n%C3%A2me.log` {
					t.Errorf("Content-Disposition %s", got)
				}
				if got := res.Header.Get("Content-Type"); !strings.HasPrefix(got, "text/") {
					t.Errorf("Content-Type %s", got)
				}
			}
			<-f.closed
		})
	}
}

func TestFailedDownloadIsNotSavedAsTheFile(t *testing.T) {
	res := serveRow(t, Route{Kind: File, Handle: func(context.Context, *Request) (any, error) {
		return nil, fault.New(fault.NotFound, "There is no such log")
	}}, httptest.NewRequest("GET", "/test/row", nil))
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 404 || string(body) != `{"status":"error","data":{"name":"Error","message":"There is no such log"}}` {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

func TestRowsThatAreSwitchedOffDoNotExist(t *testing.T) {
	res := serveRow(t, Route{Handle: func(context.Context, *Request) (any, error) {
		return nil, &fault.Error{Kind: fault.SwitchedOff, Msg: "Not available"}
	}}, httptest.NewRequest("GET", "/test/row", nil))
	body, _ := io.ReadAll(res.Body)
	if res.StatusCode != 404 || string(body) != `{"status":"error","data":{"message":"Not available"}}` {
		t.Errorf("%d %s", res.StatusCode, body)
	}
}

// A stream's lines arrive as they are written, and it ends with its client and
// with the daemon.
func TestStreams(t *testing.T) {
	w := newWorld(t, nil)
	ended := make(chan error, 2)
	rt := Route{Method: http.MethodGet, Path: "/test/stream", Level: permissions.Public, Kind: Stream, Handle: func(context.Context, *Request) (any, error) {
		return Flow{ContentType: "text/event-stream", Run: func(ctx context.Context, out io.Writer) error {
			io.WriteString(out, "data: 1\n\n")
			<-ctx.Done()
			ended <- ctx.Err()
			return nil
		}}, nil
	}}
	w.server.rows[&rt] = &row{Route: &rt, observe: newObserver(w.server.metrics, rt.Path)}
	if err := w.server.router.add(&rt); err != nil {
		t.Fatal(err)
	}
	open := func(ctx context.Context) *http.Response {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.base+"/test/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		line := make([]byte, 9)
		if _, err := io.ReadFull(res.Body, line); err != nil || string(line) != "data: 1\n\n" {
			t.Fatalf("first line %q, %v", line, err)
		}
		return res
	}
	ctx, leave := context.WithCancel(t.Context())
	res := open(ctx)
	leave()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("after the client left: %v", err)
	}
	res.Body.Close()

	res = open(t.Context())
	w.server.Stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("after the daemon stopped: %v", err)
	}
	if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 {
		t.Errorf("the stream didn't end in order: %q, %v", rest, err)
	}
	res.Body.Close()
}

// Half an answer must not look like a whole one.
func TestBrokenStreamsBreakTheConnection(t *testing.T) {
	w := newWorld(t, nil)
	closed := make(chan struct{}, 1)
	rt := Route{Method: http.MethodGet, Path: "/test/stream", Level: permissions.Public, Kind: Stream, Handle: func(context.Context, *Request) (any, error) {
		return Flow{ContentType: "application/x-tar", Headers: map[string]string{"Approx-Content-Length": "7"}, Close: func() { closed <- struct{}{} },
			Run: func(_ context.Context, out io.Writer) error {
				io.WriteString(out, "half")
				return errors.New("the disk is gone")
			}}, nil
	}}
	w.server.rows[&rt] = &row{Route: &rt, observe: newObserver(w.server.metrics, rt.Path)}
	if err := w.server.router.add(&rt); err != nil {
		t.Fatal(err)
	}
	res, err := http.Get(w.base + "/test/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got := res.Header.Get("Approx-Content-Length"); got != "7" {
		t.Errorf("Approx-Content-Length %q", got)
	}
	if body, err := io.ReadAll(res.Body); err == nil || string(body) != "half" {
		t.Errorf("%q, %v", body, err)
	}
	select {
	case <-closed:
		t.Error("closed, though it ran")
	default:
	}
	head, err := http.Head(w.base + "/test/stream")
	if err != nil {
		t.Fatal(err)
	}
	head.Body.Close()
	<-closed
}

func TestChangesEndCachedReplies(t *testing.T) {
	k := newReplyCache(time.Now)
	body := okay(jsonType, [][]byte{[]byte("{}")})
	for _, key := range []string{"/flux/routerip", "/Flux/RouterIP/?x=1", "/flux/apiport"} {
		k.put(key, body, time.Hour)
	}
	k.forget("/flux/routerip")
	for key, kept := range map[string]bool{"/flux/routerip": false, "/Flux/RouterIP/?x=1": false, "/flux/apiport": true} {
		if got, _ := k.get(key); (got != nil) != kept {
			t.Errorf("%s: kept %v, want %v", key, got != nil, kept)
		}
	}
}
