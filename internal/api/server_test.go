package api

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fluxosd/fluxosd/internal/fault"
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
