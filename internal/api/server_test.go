package api

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/health"
	"github.com/fluxosd/fluxosd/internal/permissions"
	"github.com/fluxosd/fluxosd/internal/version"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// handle gives a row of the running server another handler.
func (w *world) handle(path string, h Handler) {
	w.t.Helper()
	for i := range w.server.table {
		if w.server.table[i].Path == path {
			w.server.table[i].Handle = h
			return
		}
	}
	w.t.Fatalf("no row %s", path)
}

func TestVersionAndHeaders(t *testing.T) {
	w := newWorld(t, nil)
	a := w.request("GET", "/flux/version", "")
	if string(a.raw) != `{"status":"success","data":"8.17.0"}` {
		t.Errorf("body %s", a.raw)
	}
	for name, want := range map[string]string{
		"Content-Type": "application/json; charset=utf-8", "Access-Control-Allow-Origin": "*", "X-Fluxosd-Version": version.Version,
		"Cache-Control": "max-age=30",
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if a.header.Get("X-Request-Id") == "" || !strings.HasPrefix(a.header.Get("ETag"), `W/"`) {
		t.Errorf("headers %v", a.header)
	}
	if b := w.request("GET", "/flux/version", "", "X-Request-Id: abc-1"); b.header.Get("X-Request-Id") != "abc-1" {
		t.Errorf("a given request id isn't kept: %v", b.header)
	}
	if b := w.request("GET", "/flux/version", "", "X-Request-Id: a b=c"); b.header.Get("X-Request-Id") == "a b=c" {
		t.Error("a request id that could forge log lines is kept")
	}
	if b := w.request("GET", "/flux/version", "", "If-None-Match: "+a.header.Get("ETag")); b.code != http.StatusNotModified || len(b.raw) != 0 {
		t.Errorf("conditional GET: %d %q", b.code, b.raw)
	}
	if b := w.request("HEAD", "/flux/version", ""); b.code != http.StatusOK || len(b.raw) != 0 || b.header.Get("Content-Length") != fmt.Sprint(len(a.raw)) {
		t.Errorf("HEAD: %d %q %v", b.code, b.raw, b.header)
	}
}

func TestPagesMayLoadNothingFromElsewhere(t *testing.T) {
	w := newWorld(t, nil)
	for _, path := range []string{"/docs", "/docs/app.js", "/openapi.json"} {
		a := w.request("GET", path, "")
		if a.code != 200 || a.header.Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(a.header.Get("Content-Security-Policy"), "default-src 'self'") {
			t.Errorf("%s: %d %v", path, a.code, a.header)
		}
	}
}

func TestPreflight(t *testing.T) {
	w := newWorld(t, nil)
	a := w.request("OPTIONS", "/id/loggedsessions", "", "Origin: http://example.test", "Access-Control-Request-Headers: zelidauth")
	if a.code != http.StatusNoContent || a.header.Get("Access-Control-Allow-Headers") != "zelidauth" ||
		a.header.Get("Access-Control-Allow-Methods") != "GET,HEAD,PUT,PATCH,POST,DELETE" || a.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%d %v", a.code, a.header)
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct{ method, path string }{
		{"GET", "/"}, {"GET", "/nothing"}, {"POST", "/flux/version"}, {"GET", "/flux//version"}, {"GET", "/flux/version//"},
		{"PUT", "/flux/version"}, {"DELETE", "/id/verifylogin"}, {"GET", "/id/verifylogin"}, {"GET", "/flux/version/x"},
		{"GET", "/" + strings.Repeat("a/", 500)},
	} {
		if a := w.request(c.method, c.path, ""); a.code != http.StatusNotFound || a.Status != "error" {
			t.Errorf("%s %s: %d %s", c.method, c.path, a.code, a.raw)
		}
	}
}

func TestParametersFromPathAndQuery(t *testing.T) {
	w := newWorld(t, nil)
	w.handle("/daemon/help/:command?", func(_ context.Context, r *Request) (any, error) { return r.Text("command"), nil })
	for path, want := range map[string]string{
		"/daemon/help":                          "",
		"/daemon/help/a":                        "a",
		"/daemon/help/?command=b":               "b",
		"/daemon/help/a?command=b":              "a",
		"/DAEMON/Help/MixedCase/":               "MixedCase",
		"/daemon/help/a%2Fb":                    "a/b",
		"/daemon/help/%C3%A9%20%25":             "é %",
		"/daemon/help/a+b":                      "a+b",
		"/daemon/help?command=a&command=b":      "a",
		"/daemon/help?command[$ne]=x":           "",
		"/daemon/help?command=a%2Fb+c&other=%z": "a/b c",
	} {
		a := w.request("GET", path, "", "x-apicache-bypass: 1")
		var got string
		if err := json.Unmarshal(a.Data, &got); err != nil || got != want {
			t.Errorf("%s: %s, want %q", path, a.raw, want)
		}
	}
}

func TestBodiesUnderAnyContentType(t *testing.T) {
	w := newWorld(t, nil)
	w.handle("/id/checkprivilege", func(_ context.Context, r *Request) (any, error) { return r.body, nil })
	for _, ct := range []string{"", "application/json", "text/plain", "application/x-www-form-urlencoded", "nonsense"} {
		for body, want := range map[string]string{
			`{"a":"b","n":1.50,"o":{"x":[1]}}`: `{"a":"b","n":1.50,"o":{"x":[1]}}`,
			` {"a":null} `:                     `{"a":null}`,
			`a=b&c=d%20e&a=z`:                  `{"a":"b","c":"d e"}`,
			`a[b]=c`:                           `{"a[b]":"c"}`,
			`m=100%+done&n=x;y&&%zz=1`:         `{"%zz":"1","m":"100% done","n":"x;y"}`,
			`[1]`:                              `{}`,
			`"text"`:                           `{}`,
			`null`:                             `{}`,
			`{"a":1} trailing`:                 `{"{\"a\":1} trailing":""}`,
		} {
			a := w.request("POST", "/id/checkprivilege", body, "Content-Type: "+ct)
			if string(a.Data) != want {
				t.Errorf("%s as %q: %s, want %s", body, ct, a.Data, want)
			}
		}
	}
}

func TestBodyLimit(t *testing.T) {
	w := newWorld(t, func(ac *Config, _ *permissions.Config) { ac.BodyLimit = 1000 })
	if a := w.request("POST", "/id/checkprivilege", strings.Repeat("x", 1000)); a.code != http.StatusOK {
		t.Errorf("1000 bytes: %d %s", a.code, a.raw)
	}
	if a := w.request("POST", "/id/checkprivilege", strings.Repeat("x", 1001)); a.code != http.StatusRequestEntityTooLarge || a.Status != "error" {
		t.Errorf("1001 bytes: %d %s", a.code, a.raw)
	}
	// Without a length: the limit holds while reading.
	req, err := http.NewRequest("POST", w.base+"/id/checkprivilege", io.MultiReader(strings.NewReader(strings.Repeat("x", 5000))))
	if err != nil {
		t.Fatal(err)
	}
	res, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("5000 bytes in chunks: %d", res.StatusCode)
	}
}

// A body of 1 GB is refused when its length is known, before it is sent.
// A body that was announced and that nobody reads keeps nobody waiting: not the
// client, not the daemon's end.
func TestUnreadBodiesHoldNothing(t *testing.T) {
	w := newWorld(t, nil)
	for _, start := range []string{
		"POST /nope HTTP/1.1", "GET /flux/version HTTP/1.1", "POST /id/logoutspecificsession HTTP/1.1", "OPTIONS /x HTTP/1.1", "POST /apps/appregister HTTP/1.1",
	} {
		for _, address := range []string{strings.TrimPrefix(w.base, "http://"), w.private} {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			conn.SetDeadline(time.Now().Add(5 * time.Second))
			fmt.Fprintf(conn, "%s\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n", start)
			raw, err := io.ReadAll(conn) // to the end: the connection is closed
			if err != nil || !strings.HasPrefix(string(raw), "HTTP/1.1 ") || !strings.Contains(string(raw), "Connection: close") {
				t.Errorf("%s: %v %q", start, err, raw)
			}
		}
	}
	if a := w.request("POST", "/id/checkprivilege", "{}"); a.header.Get("Connection") != "" {
		t.Errorf("a body that was read closes the connection: %v", a.header)
	}
}

func TestHugeBodyIsRefusedEarly(t *testing.T) {
	w := newWorld(t, nil)
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	fmt.Fprintf(conn, "POST /id/verifylogin HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n{", 1<<30)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge || !res.Close {
		t.Errorf("status %d, close %v", res.StatusCode, res.Close)
	}
}

func TestErrorStatusModes(t *testing.T) {
	failures := map[string]error{
		"/flux/ip":       fault.New(fault.Invalid, "no"),
		"/flux/staticip": fault.New(fault.NotFound, "no"),
		"/flux/kadena":   fault.New(fault.Conflict, "no"),
		"/flux/id":       fault.New(fault.Unavailable, "no"),
		"/flux/pgp":      errors.New("secret detail"),
		"/flux/uptime":   context.DeadlineExceeded,
		"/daemon/getblock/:hashheight?/:verbosity?": nil, // an RPC error of the daemon
	}
	for mode, want := range map[ErrorStatus]map[string]int{
		Documented: {"/flux/ip": 200, "/flux/staticip": 200, "/flux/kadena": 200, "/flux/id": 200, "/flux/pgp": 200, "/flux/uptime": 200, "/daemon/getblock": 200, "/id/loggedusers": 401},
		Compat:     {"/flux/ip": 200, "/flux/staticip": 200, "/flux/kadena": 200, "/flux/id": 200, "/flux/pgp": 200, "/flux/uptime": 200, "/daemon/getblock": 200, "/id/loggedusers": 200},
		Full:       {"/flux/ip": 400, "/flux/staticip": 404, "/flux/kadena": 409, "/flux/id": 503, "/flux/pgp": 500, "/flux/uptime": 503, "/daemon/getblock": 400, "/id/loggedusers": 401},
	} {
		w := newWorld(t, func(ac *Config, _ *permissions.Config) { ac.ErrorStatus = mode })
		for path, err := range failures {
			if err != nil {
				w.handle(path, func(context.Context, *Request) (any, error) { return nil, err })
			}
		}
		for path, code := range want {
			a := w.request("GET", path, "")
			if a.code != code || a.Status != "error" {
				t.Errorf("%s, %s: %d %s, want %d", mode, path, a.code, a.raw, code)
			}
			if strings.Contains(string(a.raw), "secret detail") {
				t.Errorf("%s: an internal error told its text: %s", path, a.raw)
			}
		}
	}
}

func TestPanicBecomesAnInternalError(t *testing.T) {
	var log syncBuffer
	w := newWorld(t, func(ac *Config, _ *permissions.Config) { ac.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	w.handle("/flux/ip", func(context.Context, *Request) (any, error) { panic("boom") })
	if a := w.request("GET", "/flux/ip", ""); a.Status != "error" || strings.Contains(string(a.raw), "boom") || !strings.Contains(a.message(), a.header.Get("X-Request-Id")) {
		t.Errorf("%s", a.raw)
	}
	if s := log.String(); !strings.Contains(s, "boom") || !strings.Contains(s, "server_test.go") {
		t.Errorf("the log lacks panic or stack: %s", s)
	}
	if a := w.request("GET", "/flux/version", ""); a.Status != "success" {
		t.Errorf("after the panic: %s", a.raw)
	}
}

// syncBuffer is a bytes.Buffer for several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestCompression(t *testing.T) {
	w := newWorld(t, nil)
	big := strings.Repeat("compress me ", 500)
	w.handle("/flux/ip", func(context.Context, *Request) (any, error) { return big, nil })
	a := w.request("GET", "/flux/ip", "", "Accept-Encoding: br, gzip;q=0.5")
	if a.header.Get("Content-Encoding") != "gzip" || a.header.Get("Vary") != "Accept-Encoding" || len(a.raw) > len(big)/5 {
		t.Fatalf("%d bytes, %v", len(a.raw), a.header)
	}
	z, err := gzip.NewReader(bytes.NewReader(a.raw))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := io.ReadAll(z)
	if err != nil || string(plain) != `{"status":"success","data":"`+big+`"}` {
		t.Errorf("%v %s", err, plain)
	}
	for _, accept := range []string{"", "gzip;q=0", "identity", "br"} {
		if a := w.request("GET", "/flux/ip", "", "Accept-Encoding: "+accept); a.header.Get("Content-Encoding") != "" {
			t.Errorf("Accept-Encoding %q: compressed", accept)
		}
	}
	for accept, want := range map[string]string{"*": "gzip", "gzip;q=0, *": "", "*;q=0, gzip": "gzip"} {
		if a := w.request("GET", "/flux/ip", "", "Accept-Encoding: "+accept); a.header.Get("Content-Encoding") != want {
			t.Errorf("Accept-Encoding %q: %q, want %q", accept, a.header.Get("Content-Encoding"), want)
		}
	}
	if a := w.request("GET", "/flux/version", "", "Accept-Encoding: gzip"); a.header.Get("Content-Encoding") != "" {
		t.Error("a short reply is compressed")
	}
}

func TestReplyCache(t *testing.T) {
	w := newWorld(t, nil)
	calls := 0
	w.handle("/flux/version", func(context.Context, *Request) (any, error) { calls++; return calls, nil })
	data := func(path string, headers ...string) string {
		return string(w.request("GET", path, "", headers...).Data)
	}
	for _, c := range []struct {
		what, path, want string
		headers          []string
	}{
		{"first", "/flux/version", "1", nil},
		{"cached", "/flux/version", "1", nil},
		{"another query", "/flux/version?timestamp=5", "2", nil},
		{"that again", "/flux/version?timestamp=5", "2", nil},
		{"bypass", "/flux/version", "3", []string{"x-apicache-bypass: true"}},
		{"force", "/flux/version", "4", []string{"X-Apicache-Force-Fetch: 1"}},
		{"forced replies are kept", "/flux/version", "4", nil},
	} {
		if got := data(c.path, c.headers...); got != c.want {
			t.Errorf("%s: %s, want %s", c.what, got, c.want)
		}
	}
	w.clock.forward(31 * time.Second)
	if got := data("/flux/version"); got != "5" {
		t.Errorf("after its time: %s, want 5", got)
	}
	fails := true
	w.handle("/flux/version", func(context.Context, *Request) (any, error) {
		if fails {
			return nil, fault.New(fault.Unavailable, "no")
		}
		return "ok", nil
	})
	w.clock.forward(31 * time.Second)
	data("/flux/version")
	fails = false
	if got := data("/flux/version"); got != `"ok"` {
		t.Errorf("an error was kept: %s", got)
	}
}

// What the node owner sees is never served to somebody else, in any order.
func TestPrivateRepliesAreNotShared(t *testing.T) {
	w := newWorld(t, nil)
	for range 3 {
		for _, n := range []who{admin, anonymous, user, fluxTeam, admin} {
			a := w.request("GET", "/daemon/getinfo", "", w.as(n)...)
			if vary := a.header.Get("Vary"); !strings.Contains(vary, "zelidauth") {
				t.Errorf("%s: Vary %q", n, vary)
			}
			if cc := a.header.Get("Cache-Control"); (cc == "no-store") != (n != anonymous) {
				t.Errorf("%s: Cache-Control %q", n, cc)
			}
			if got := strings.Contains(string(a.Data), `"balance"`); a.Status != "success" || got != (n == admin) {
				t.Errorf("%s: balance shown=%v, %s", n, got, a.raw)
			}
		}
	}
	if a := w.request("GET", "/daemon/getinfo", "", "zelidauth: forged"); strings.Contains(string(a.Data), "balance") || a.Status != "success" {
		t.Errorf("forged credentials on a public row: %s", a.raw)
	}
}

func TestRateLimit(t *testing.T) {
	w := newWorld(t, func(ac *Config, _ *permissions.Config) { ac.Limits = Limits{PerSecond: 0.01, Burst: 5} })
	var last answer
	for range 6 {
		last = w.request("GET", "/flux/version", "")
	}
	if last.code != http.StatusTooManyRequests || last.header.Get("Retry-After") != "100" || last.Status != "error" {
		t.Errorf("sixth request: %d %v %s", last.code, last.header, last.raw)
	}
	exempt := newWorld(t, func(ac *Config, _ *permissions.Config) {
		ac.Limits = Limits{PerSecond: 0.01, Burst: 5, Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}
	})
	for range 20 {
		if a := exempt.request("GET", "/flux/version", ""); a.code != http.StatusOK {
			t.Fatalf("an exempt address is limited: %d", a.code)
		}
	}
}

// A call that stores something or verifies a signature costs more.
func TestDearCallsCostMore(t *testing.T) {
	w := newWorld(t, func(ac *Config, _ *permissions.Config) { ac.Limits = Limits{PerSecond: 0.01, Burst: 30} })
	for i, want := range []int{200, 200, 200, 429} {
		if a := w.request("POST", "/id/providesign", "{}"); a.code != want {
			t.Errorf("call %d: %d, want %d", i+1, a.code, want)
		}
	}
}

// A burst smaller than the cost of a call must not shut that call off.
func TestSmallBurstAllowsDearCalls(t *testing.T) {
	l := newLimiters(Limits{PerSecond: 0.01, Burst: 3}, time.Now)
	a := netip.MustParseAddr("192.0.2.1")
	if _, ok := l.allow(a, 10); !ok {
		t.Error("a call that costs 10 is never allowed with a burst of 3")
	}
	if _, ok := l.allow(a, 1); ok {
		t.Error("it cost nothing")
	}
}

// The application is named where the row says, as text, and nowhere else.
func TestAppInTheBodyIsNotTakenFromElsewhere(t *testing.T) {
	w := newWorld(t, nil)
	for body, want := range map[string]int{
		`{"appname":"` + ownedApp + `"}`:   http.StatusNotImplemented,
		`{"appname":"` + otherApp + `"}`:   http.StatusUnauthorized,
		`{"appname":["` + otherApp + `"]}`: http.StatusOK, // an error: it must be text
		`{}`:                               http.StatusUnauthorized,
	} {
		a := w.request("POST", "/apps/appexec?appname="+ownedApp, body, w.as(appOwner)...)
		if a.code != want || a.Status != "error" {
			t.Errorf("%s: %d %s, want %d", body, a.code, a.raw, want)
		}
	}
}

func TestLimitsCountNetworksAndIdentities(t *testing.T) {
	l := newLimiters(Limits{PerSecond: 0.01, Burst: 2}, time.Now)
	allow := func(a string) bool { _, ok := l.allow(netip.MustParseAddr(a), 1); return ok }
	for i, want := range []bool{true, true, false} {
		if got := allow(fmt.Sprintf("2001:db8::%d", i+1)); got != want {
			t.Errorf("address %d of one /64: %v, want %v", i, got, want)
		}
	}
	if !allow("2001:db8:0:1::1") || !allow("192.0.2.1") {
		t.Error("other networks are limited")
	}
	for i, want := range []bool{true, true, false} {
		if _, got := l.allowIdentity(netip.MustParseAddr(fmt.Sprintf("192.0.2.%d", i+10)), "1id"); got != want {
			t.Errorf("identity from address %d: %v, want %v", i, got, want)
		}
	}
}

// A proxy's headers count only when the operator named the proxy.
func TestForwardedAddressesAreBelievedOfTrustedProxiesOnly(t *testing.T) {
	seen := func(trusted []netip.Prefix) string {
		w := newWorld(t, func(ac *Config, _ *permissions.Config) { ac.TrustedProxies = trusted })
		w.handle("/flux/ip", func(_ context.Context, r *Request) (any, error) { return r.Remote.String(), nil })
		var s string
		json.Unmarshal(w.request("GET", "/flux/ip", "", "X-Forwarded-For: 198.51.100.7").Data, &s)
		return s
	}
	if got := seen(nil); got != "127.0.0.1" {
		t.Errorf("without trusted proxies the caller is %s", got)
	}
	if got := seen([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}); got != "198.51.100.7" {
		t.Errorf("behind a trusted proxy the caller is %s", got)
	}
}

func TestTLSWithAnOwnCertificate(t *testing.T) {
	w := newWorld(t, nil)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}}
	defer client.CloseIdleConnections()
	res, err := client.Get(w.tls + "/flux/version")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	if string(body) != `{"status":"success","data":"8.17.0"}` || res.ProtoMajor != 2 {
		t.Errorf("%s over %s", body, res.Proto)
	}
	dir := t.TempDir()
	first, err := Certificate("", "", dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Certificate("", "", dir)
	if err != nil || !bytes.Equal(first.Certificate[0], second.Certificate[0]) {
		t.Errorf("the certificate isn't kept: %v", err)
	}
}

// Clients that ask for large replies and don't read them get no more of them.
func TestLargeRepliesThatNobodyReads(t *testing.T) {
	w := newWorld(t, func(ac *Config, _ *permissions.Config) { ac.Limits = Limits{PerSecond: 1e6, Burst: 1e6} })
	big := json.RawMessage(`"` + strings.Repeat("x", 20<<20) + `"`)
	w.handle("/flux/ip", func(context.Context, *Request) (any, error) { return big, nil })
	if a := w.request("GET", "/flux/ip", ""); len(a.raw) != len(big)+len(`{"status":"success","data":}`) || a.Status != "success" {
		t.Fatalf("%d bytes of a large reply: %.60s", len(a.raw), a.raw)
	}
	refused := 0
	for i := range 10 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(w.base, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET /flux/ip?%d HTTP/1.1\r\nHost: x\r\n\r\n", i)
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		line, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, "429") {
			refused++
		}
	}
	if refused != 7 { // three replies of 20 MiB fit into what one network may have
		t.Errorf("%d of 10 clients were refused, want 7", refused)
	}
	if a := w.request("GET", "/flux/version", ""); a.Status != "success" {
		t.Errorf("a small reply: %s", a.raw)
	}
}

func TestOutflowCountsNetworks(t *testing.T) {
	var o outflow
	a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	if !o.enter(a, outflowNetwork*2, false) || o.enter(a, largeReply, false) || !o.enter(a, largeReply, true) || !o.enter(b, largeReply, false) {
		t.Error("one reply is always allowed, a second one over the bound isn't, others are not concerned")
	}
	if o.enter(b, outflowAll, true) {
		t.Error("the bound for all was passed")
	}
	o.leave(a, outflowNetwork*2)
	o.leave(a, largeReply)
	o.leave(b, largeReply)
	if o.all != 0 || len(o.peers) != 0 {
		t.Errorf("left over: %d, %v", o.all, o.peers)
	}
}

// Clients that drip headers or bodies don't keep others from being served.
func TestSlowClientsDoNotStopOthers(t *testing.T) {
	w := newWorld(t, nil)
	address := strings.TrimPrefix(w.base, "http://")
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for i := range 1000 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		start := "GET /flux/version HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 1 {
			start = "POST /id/verifylogin HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"
		}
		if _, err := io.WriteString(c, start); err != nil {
			t.Fatal(err)
		}
	}
	var worst time.Duration
	for range 200 {
		start := time.Now()
		if a := w.request("GET", "/flux/version", ""); a.Status != "success" {
			t.Fatalf("%s", a.raw)
		}
		worst = max(worst, time.Since(start))
		for _, c := range conns[:50] { // they go on dripping
			io.WriteString(c, "x")
		}
	}
	if worst > 2*time.Second {
		t.Errorf("a normal client waited %v", worst)
	}
	t.Logf("1000 slow clients; slowest of 200 normal requests: %v", worst)
}

// Requests in flight end with their answer when the daemon stops.
func TestShutdownFinishesRequestsInFlight(t *testing.T) {
	w := newWorld(t, nil)
	started, release := make(chan struct{}), make(chan struct{})
	w.handle("/flux/ip", func(context.Context, *Request) (any, error) { close(started); <-release; return "done", nil })
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() {
		served <- w.server.ServeListeners(ctx, Listeners{API: ln, MaxConnections: 10, Shutdown: 10 * time.Second}, http.NotFoundHandler())
	}()
	got := make(chan string, 1)
	client := &http.Client{}
	defer client.CloseIdleConnections()
	go func() {
		res, err := client.Get("http://" + ln.Addr().String() + "/flux/ip")
		if err != nil {
			got <- err.Error()
			return
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		got <- string(b)
	}()
	<-started
	cancel()
	for { // wait until nobody new gets in
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			break
		}
		c.Close()
	}
	close(release)
	if s := <-got; s != `{"status":"success","data":"done"}` {
		t.Errorf("the request in flight got %s", s)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestConnectionLimit(t *testing.T) {
	w := newWorld(t, nil)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer inner.Close()
	limit := newConnLimit(2, 2, w.server.metrics.Connections, func(netip.Addr) bool { return false })
	ln := limit.wrap(inner)
	var accepted atomic.Int32
	conns := make(chan net.Conn, 8)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			conns <- c
		}
	}()
	for range 3 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	first := <-conns
	<-conns
	select {
	case <-conns:
		t.Error("a third connection was accepted")
	case <-time.After(100 * time.Millisecond):
	}
	first.Close()
	<-conns // now there is room
	limit.stop()
	inner.Close()
	<-done
	if accepted.Load() != 3 {
		t.Errorf("accepted %d", accepted.Load())
	}
}

// One address can't take all connections; the one too many is closed at once.
func TestConnectionLimitOfOneAddress(t *testing.T) {
	w := newWorld(t, nil)
	for _, exempt := range []bool{false, true} {
		inner, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		limit := newConnLimit(10, 2, w.server.metrics.Connections, func(netip.Addr) bool { return exempt })
		ln := limit.wrap(inner)
		accepted := make(chan net.Conn, 10)
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				accepted <- c
			}
		}()
		var clients []net.Conn
		for range 4 {
			c, err := net.Dial("tcp", inner.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			clients = append(clients, c)
		}
		clients[3].SetReadDeadline(time.Now().Add(300 * time.Millisecond))
		_, err = clients[3].Read(make([]byte, 1))
		if closed := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET); closed == exempt {
			t.Errorf("exempt=%v: the fourth connection: %v", exempt, err)
		}
		(<-accepted).Close() // makes room for one more
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		clients = append(clients, c)
		for range 2 {
			<-accepted
		}
		limit.stop()
		inner.Close()
		<-done
		for _, c := range clients {
			c.Close()
		}
	}
}

func TestPrivateListener(t *testing.T) {
	registry := health.New(health.Config{})
	cond, err := registry.Await("store")
	if err != nil {
		t.Fatal(err)
	}
	problem, err := registry.Register(health.Problem{Code: "disk-full", Severity: health.Critical, Title: "Full", Advice: "Make room", BlocksReady: true})
	if err != nil {
		t.Fatal(err)
	}
	metricsHandler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "metrics here") })
	h := Private(registry, metricsHandler)
	get := func(path, host string) (int, string) {
		req, _ := http.NewRequest("GET", path, nil)
		req.Host = host
		rec := &recorder{header: http.Header{}}
		h.ServeHTTP(rec, req)
		return rec.code, rec.body.String()
	}
	if code, body := get("/readyz", "localhost:1"); code != 503 || !strings.Contains(body, `"store"`) {
		t.Errorf("not ready: %d %s", code, body)
	}
	cond.Met()
	if code, body := get("/readyz", "127.0.0.1"); code != 200 || !strings.Contains(body, `"ready": true`) {
		t.Errorf("ready: %d %s", code, body)
	}
	problem.Set("0 bytes left")
	if code, body := get("/readyz", "[::1]:99"); code != 503 || !strings.Contains(body, "0 bytes left") || !strings.Contains(body, "Make room") {
		t.Errorf("with a problem: %d %s", code, body)
	}
	for _, path := range []string{"/healthz", "/metrics", "/debug/pprof/"} {
		if code, _ := get(path, "localhost"); code != 200 {
			t.Errorf("%s: %d", path, code)
		}
	}
	for _, host := range []string{"evil.example", "192.0.2.1", "localhost.evil.example:80"} {
		if code, _ := get("/metrics", host); code != http.StatusForbidden {
			t.Errorf("Host %s: %d, want 403", host, code)
		}
	}
}

type recorder struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header { return r.header }
func (r *recorder) WriteHeader(c int)   { r.code = c }
func (r *recorder) Write(p []byte) (int, error) {
	if r.code == 0 {
		r.code = 200
	}
	return r.body.Write(p)
}

// No key, signature or parameter reaches a log; privileged calls are recorded.
func TestLogsTellWhoAndWhatWithoutSecrets(t *testing.T) {
	var log, access syncBuffer
	w := newWorld(t, func(ac *Config, _ *permissions.Config) {
		ac.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		ac.AccessLog = &access
	})
	headers := w.as(admin)
	const secret = "KxSecretWalletKeyThatMustNotBeLogged"
	w.request("GET", "/daemon/importprivkey/"+secret, "", headers...)
	w.request("GET", "/daemon/importprivkeyy/"+secret+"?"+secret, "", headers...)
	w.request("GET", "/apps/applog/"+ownedApp, "", headers...)
	w.request("GET", "/daemon/getbalance", "")
	deadline := time.Now().Add(5 * time.Second)
	for !strings.Contains(access.String(), "applog") && time.Now().Before(deadline) {
		w.request("GET", "/flux/version", "")
	}
	all := log.String() + access.String()
	q, _ := url.ParseQuery(w.auth[admin])
	signature := q.Get("signature")
	for _, s := range []string{secret, w.auth[admin], signature[len(signature)-30:]} {
		if strings.Contains(all, s) {
			t.Errorf("%s is in the log", s)
		}
	}
	for _, want := range []string{`route="GET /daemon/importprivkey/:fluxprivkey?/:label?/:rescan?"`, "who=" + w.keys[admin].FluxID(), "app=" + ownedApp, "outcome=", "remote=127.0.0.1",
		`who="nobody proved" route="GET /daemon/getbalance/:minconf?/:includewatchonly?" remote=127.0.0.1 outcome=refused_no_credentials`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the audit log lacks %s:\n%s", want, log.String())
		}
	}
	if !strings.Contains(access.String(), "route=unmatched status=404") || !strings.Contains(access.String(), " sub=access id=") {
		t.Errorf("access log:\n%s", access.String())
	}
}

func TestLoginGate(t *testing.T) {
	w := newWorld(t, nil)
	refuse := errors.New("down")
	if err := w.health.AddLoginCheck("syncthing", time.Second, func(context.Context) error {
		return &fault.Error{Kind: fault.Unavailable, Name: "Error", Msg: "Syncthing is not running properly", Err: refuse}
	}); err != nil {
		t.Fatal(err)
	}
	if a := w.request("GET", "/id/loginphrase", ""); a.Status != "error" || a.message() != "Syncthing is not running properly" {
		t.Errorf("loginphrase: %s", a.raw)
	}
	if a := w.request("GET", "/id/emergencyphrase", ""); a.Status != "success" {
		t.Errorf("emergencyphrase: %s", a.raw)
	}
}

// A store that is gone is an error envelope on every route that needs it.
func TestLostStore(t *testing.T) {
	w := newWorld(t, nil)
	headers := w.as(user)
	w.store.Close()
	w.clock.forward(time.Minute) // past the cache of sessions
	for _, path := range []string{"/id/loginphrase", "/id/emergencyphrase"} {
		if a := w.request("GET", path, ""); a.Status != "error" || a.message() != "The node's database can't be reached. Please try again." {
			t.Errorf("%s: %s", path, a.raw)
		}
	}
	for _, path := range []string{"/id/loggedsessions", "/id/logoutcurrentsession", "/apps/applog/" + ownedApp} {
		if a := w.request("GET", path, "", headers...); a.Status != "error" || a.message() != "The node's database can't be reached. Please try again." {
			t.Errorf("%s without a store: %d %s", path, a.code, a.raw)
		}
	}
	texts, code := frames(t, w.dial("/ws/id/"+strings.Repeat("1", 56)))
	if code != 4011 || !strings.Contains(texts[0], "database") {
		t.Errorf("socket: %d %q", code, texts)
	}
	texts, code = frames(t, w.dial("/ws/sign/x"))
	if code != 4014 || !strings.Contains(texts[0], "database") {
		t.Errorf("socket: %d %q", code, texts)
	}
	if a := w.request("GET", "/flux/version", ""); a.Status != "success" {
		t.Errorf("a route that needs no store: %s", a.raw)
	}
}

func TestTooManySockets(t *testing.T) {
	w := newWorld(t, func(ac *Config, _ *permissions.Config) { ac.Limits = Limits{PerSecond: 1e6, Burst: 1e6} })
	p := w.phrase()
	for range maxSocketsPerAddress {
		w.dial("/ws/id/" + p)
	}
	if a := w.request("GET", "/ws/id/"+p, "", "Connection: Upgrade", "Upgrade: websocket"); a.code != http.StatusTooManyRequests {
		t.Errorf("one socket too many: %d %s", a.code, a.raw)
	}
}
