package api

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/permissions"
)

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
