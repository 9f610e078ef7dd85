package reach

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/fault"
	"github.com/fluxosd/fluxosd/internal/wallet"
)

// keys is a list of public keys.
type keys []string

func (k keys) HasKey(pubkey string) bool {
	for _, one := range k {
		if one == pubkey {
			return true
		}
	}
	return false
}

func newKey(t testing.TB) *wallet.Key {
	t.Helper()
	k, err := wallet.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sign writes a body as a node does: members, an object without its brackets,
// then pubKey and signature.
func sign(k *wallet.Key, members string) []byte {
	unsigned := "{" + members + `,"pubKey":"` + k.PublicKeyHex() + `"`
	return []byte(unsigned + `,"signature":"` + k.SignMessage(unsigned+"}") + `"}`)
}

var now = time.Unix(1762000100, 0)

func newRequests(t testing.TB, p *Prober, k ...string) *Requests {
	t.Helper()
	r, err := NewRequests(RequestsConfig{Keys: keys(k), Prober: p, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// vectorKey is the key that the vectors are signed with.
func vectorKey(t testing.TB) string {
	t.Helper()
	var body struct{ PubKey string }
	if err := json.Unmarshal([]byte(readVectors(t).RequestBody[0].Body), &body); err != nil {
		t.Fatal(err)
	}
	return body.PubKey
}

func TestBodiesOfTheNetworkVerify(t *testing.T) {
	listed := keys{vectorKey(t)}
	for _, c := range readVectors(t).RequestBody {
		for what, spoil := range map[string]func(string) string{
			"as sent":      func(s string) string { return s },
			"other blanks": func(s string) string { return strings.ReplaceAll(s, `,"`, " ,\n \"") },
		} {
			b, err := readBody([]byte(spoil(c.Body)))
			if err != nil {
				t.Fatal(err)
			}
			if err := b.verify(listed); err != nil {
				t.Errorf("%s, %s: %v", c.What, what, err)
			}
			if err := b.verify(keys{"02" + listed[0][2:66]}); !errors.Is(err, errNotAuthentic) {
				t.Errorf("%s, %s, key not listed: %v", c.What, what, err)
			}
		}
		for what, spoil := range map[string]func(string) string{
			"other ip":     func(s string) string { return strings.Replace(s, "47.199", "47.198", 1) },
			"other port":   func(s string) string { return strings.Replace(s, "31001", "31002", 1) },
			"added member": func(s string) string { return `{"a":1,` + s[1:] },
			"other order": func(s string) string {
				return strings.TrimSuffix(strings.Replace(s, `"ip":"47.199.51.61",`, "", 1), "}") + `,"ip":"47.199.51.61"}`
			},
			"no signature":       func(s string) string { return strings.Replace(s, `"signature"`, `"signatures"`, 1) },
			"signature a number": func(s string) string { return s[:strings.Index(s, `"signature"`)] + `"signature":5}` },
			"repeated member":    func(s string) string { return s[:len(s)-1] + `,"ip":"1.2.3.4"}` },
		} {
			b, err := readBody([]byte(spoil(c.Body)))
			if err != nil {
				t.Fatalf("%s, %s: %v", c.What, what, err)
			}
			if err := b.verify(listed); !errors.Is(err, errNotAuthentic) {
				t.Errorf("%s, %s: %v", c.What, what, err)
			}
		}
	}
}

func TestAppPortsAnswersWhatTheNetworkKnows(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	open := l.Addr().(*net.TCPAddr).Port
	k := newKey(t)
	r := newRequests(t, newProber(t, loopback), k.PublicKeyHex())
	const unauthorized = "Error: Unable to verify request authenticity"
	for _, c := range []struct {
		what       string
		body       []byte
		authorised bool
		want       string
	}{
		{"periodic test", sign(k, fmt.Sprintf(`"ip":"127.0.0.1","port":"16147","appname":"appPortsTest","ports":[%d]`, open)), false, "Flux Applications on 127.0.0.1:16147 are available."},
		{"before an installation", sign(k, fmt.Sprintf(`"ip":"127.0.0.1","port":16147,"ports":[%d,"%d"]`, open, open)), false, "Flux Applications on 127.0.0.1:16147 are available."},
		{"nothing to try", sign(k, `"ip":"127.0.0.1","port":16147,"ports":[0,null,22,1.5,1000000000]`), false, "Flux Applications on 127.0.0.1:16147 are available."},
		{"closed", sign(k, fmt.Sprintf(`"ip":"127.0.0.1","port":16147,"ports":[%d,"2",3]`, open)), false, "Error: Flux Applications on 127.0.0.1:16147 are not available. Failed port: 2"},
		{"key not listed", sign(newKey(t), `"ip":"127.0.0.1","port":16147,"ports":[1]`), false, unauthorized},
		{"not signed", []byte(`{"ip":"127.0.0.1","port":16147,"ports":[1]}`), false, unauthorized},
		{"empty object", []byte(`{}`), false, unauthorized},
		{"no JSON", []byte(`not-json`), false, unauthorized},
		{"too long", append(sign(k, `"ip":"127.0.0.1","port":16147,"ports":[1]`), make([]byte, maxBody)...), false, unauthorized},
		{"empty object of an admin", []byte(`{}`), true, "TypeError: ports is not iterable"},
		{"no JSON of an admin", []byte(`not-json`), true, "TypeError: ports is not iterable"},
		{"of an admin", fmt.Appendf(nil, `{"ip":"127.0.0.1","port":1,"ports":[%d]}`, open), true, "Flux Applications on 127.0.0.1:1 are available."},
		{"no ip", []byte(`{"port":1,"ports":[1]}`), true, "Error: ip must be a public IPv4 address"},
		{"private ip", []byte(`{"ip":"10.0.0.1","port":1,"ports":[1]}`), true, "Error: ip must be a public IPv4 address"},
		{"no port", []byte(`{"ip":"127.0.0.1","ports":[1]}`), true, "Error: port must be a number from 1 to 65535"},
		{"port of a browser", []byte(`{"ip":"127.0.0.1","port":"<b>","ports":[1]}`), true, "Error: port must be a number from 1 to 65535"},
		{"many ports", []byte(`{"ip":"127.0.0.1","port":1,"ports":[1` + strings.Repeat(",1", maxPorts) + `]}`), true, "Error: at most 100 ports can be checked at once"},
	} {
		got, err := r.AppPorts(t.Context(), c.body, c.authorised)
		if f, ok := errors.AsType[*fault.Error](err); ok {
			got = f.Name + ": " + f.Msg
		}
		if got != c.want {
			t.Errorf("%s: got %q (%v), want %q", c.what, got, err, c.want)
		}
	}
}

func keepBody(k *wallet.Key, a Address, ports string, at time.Time) []byte {
	return sign(k, fmt.Sprintf(`"ip":"%s","apiPort":%d,"ports":%s,"timestamp":%d`, a.IP, a.Port, ports, at.Unix()))
}

func TestKeepOpenRefusesByStatus(t *testing.T) {
	n := newFakeNode(t)
	silent := newFakeNode(t)
	silent.setAPI("/flux/uptime", http.NotFound)
	k := newKey(t)
	other := newKey(t)
	for _, c := range []struct {
		what string
		body []byte
		want int
	}{
		{"good", keepBody(k, n.Address, "[31001]", now), 202},
		{"just in time", keepBody(k, n.Address, "[31001]", now.Add(-requestAge)), 202},
		{"texts for numbers", sign(k, fmt.Sprintf(`"ip":"%s","apiPort":"%d","ports":[],"timestamp":"%d"`, n.IP, n.Port, now.Unix())), 202},
		{"old", keepBody(k, n.Address, "[31001]", now.Add(-requestAge-time.Second)), 422},
		{"of the future", keepBody(k, n.Address, "[31001]", now.Add(requestAge+time.Second)), 422},
		{"far future", keepBody(k, n.Address, "[31001]", time.Unix(1<<60, 0)), 422},
		{"nothing", nil, 422},
		{"no JSON", []byte("not-json"), 422},
		{"empty", []byte("{}"), 422},
		{"port is a text", keepBody(k, n.Address, `["31001"]`, now), 422},
		{"port is no port", keepBody(k, n.Address, `[0]`, now), 422},
		{"port is no whole number", keepBody(k, n.Address, `[1.5]`, now), 422},
		{"ports is a number", keepBody(k, n.Address, `5`, now), 422},
		{"too many ports", keepBody(k, n.Address, `[1`+strings.Repeat(",1", maxKeepOpen)+`]`, now), 422},
		{"no API port", keepBody(k, Address{n.IP, 80}, `[1]`, now), 422},
		{"port beyond 65535", sign(k, fmt.Sprintf(`"ip":"%s","apiPort":%d,"ports":[],"timestamp":%d`, n.IP, 65536+int(n.Port), now.Unix())), 422},
		{"a name", sign(k, fmt.Sprintf(`"ip":"localhost","apiPort":16127,"ports":[1],"timestamp":%d`, now.Unix())), 422},
		{"private", keepBody(k, addr(t, "192.168.1.1"), "[1]", now), 422},
		{"key not listed", keepBody(other, n.Address, "[31001]", now), 401},
		{"changed", []byte(strings.Replace(string(keepBody(k, n.Address, "[31001]", now)), "31001", "31002", 1)), 401},
		{"no API there", keepBody(k, silent.Address, "[31001]", now), 503},
	} {
		r := newRequests(t, newProber(t, loopback), k.PublicKeyHex())
		err := r.KeepOpen(t.Context(), c.body)
		got := http.StatusAccepted
		if err != nil {
			s, ok := errors.AsType[*StatusError](err)
			if !ok {
				t.Errorf("%s: %v is no StatusError", c.what, err)
				continue
			}
			got = s.Status
		}
		if got != c.want {
			t.Errorf("%s: got %d (%v), want %d", c.what, got, err, c.want)
		}
		if queued := len(r.keeper.queue); (queued == 1) != (c.want == 202) {
			t.Errorf("%s: %d tasks", c.what, queued)
		}
	}
}

// A vector of the network passes all checks but the one for its age.
func TestKeepOpenTakesTheNetworksOwnBody(t *testing.T) {
	var body string
	for _, c := range readVectors(t).RequestBody {
		if strings.Contains(c.What, "keepupnp") {
			body = c.Body
		}
	}
	task, b, err := readKeepOpen([]byte(body), now)
	if err != nil {
		t.Fatal(err)
	}
	want := keepTask{addr(t, "47.199.51.61:16147"), []uint16{31001, 16146, 16142, 16148, 16149}}
	if diff := cmp.Diff(want, task, cmp.AllowUnexported(keepTask{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Error(diff)
	}
	if err := b.verify(keys{vectorKey(t)}); err != nil {
		t.Error(err)
	}
}

// The ports are touched over real sockets: a connection and one byte each.
func TestKeepOpenTouchesThePorts(t *testing.T) {
	n := newFakeNode(t)
	udp, err := net.ListenPacket("udp4", netip.AddrPortFrom(n.IP, 0).String())
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	port := udp.LocalAddr().(*net.UDPAddr).Port
	tcp, err := net.Listen("tcp4", netip.AddrPortFrom(n.IP, uint16(port)).String())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	k := newKey(t)
	r := newRequests(t, newProber(t, loopback), k.PublicKeyHex())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- r.Serve(ctx) }()
	if err := r.KeepOpen(t.Context(), keepBody(k, n.Address, fmt.Sprintf("[%d]", port), now)); err != nil {
		t.Fatal(err)
	}
	c, err := tcp.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	buf := make([]byte, 16)
	if err := udp.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	size, _, err := udp.ReadFrom(buf)
	if err != nil || string(buf[:size]) != "D" {
		t.Errorf("got %q, %v", buf[:size], err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// dialled notes what a keeper does, in a bubble of synctest.
type dialled struct {
	mu  sync.Mutex
	log []string
	t0  time.Time
}

func (d *dialled) open(_ context.Context, network, address string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = append(d.log, fmt.Sprintf("%v %s %s", time.Since(d.t0), network, address))
	return nil, errors.New("refused")
}

func TestPortsAreTouchedOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutbound(loopback)
		d := &dialled{t0: time.Now()}
		out.open = d.open
		k := newKeeper(out)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); k.serve(ctx, func(keepTask, error) { t.Error("cut") }) }()
		a := addr(t, "127.0.0.1")
		if !k.add(keepTask{a, []uint16{1, 2}}) || !k.add(keepTask{a, []uint16{3}}) {
			t.Error("refused")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		want := []string{"0s tcp4 127.0.0.1:1", "0s udp4 127.0.0.1:1", "250ms tcp4 127.0.0.1:2", "250ms udp4 127.0.0.1:2"}
		if diff := cmp.Diff(want, d.log); diff != "" {
			t.Errorf("one task for a node at a time (-want +got)\n%s", diff)
		}
		if !k.add(keepTask{a, []uint16{3}}) {
			t.Error("the next task is refused")
		}
		synctest.Wait()
		if len(d.log) != 6 {
			t.Errorf("the next task isn't done: %v", d.log)
		}
		cancel()
		<-done
	})
}

func TestKeepingOpenIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := newOutbound(loopback)
		out.open = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		k := newKeeper(out)
		a := addr(t, "127.0.0.1")
		for i := range keepWaiting {
			if !k.add(keepTask{Address{a.IP, uint16(i + 1)}, make([]uint16, maxKeepOpen)}) {
				t.Fatalf("task %d is refused", i)
			}
		}
		if k.add(keepTask{Address{a.IP, 60000}, nil}) {
			t.Error("the queue has no end")
		}
		var mu sync.Mutex
		var cuts int
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.serve(ctx, func(keepTask, error) { mu.Lock(); defer mu.Unlock(); cuts++ })
		}()
		time.Sleep(keepTime + time.Second)
		mu.Lock()
		if cuts != keepWorkers {
			t.Errorf("%d tasks were cut, want %d", cuts, keepWorkers)
		}
		mu.Unlock()
		cancel()
		<-done
	})
}

func TestRequestsConfigIsChecked(t *testing.T) {
	if _, err := NewRequests(RequestsConfig{}); err == nil {
		t.Error("no list and no prober")
	}
}

func FuzzRequests(f *testing.F) {
	for _, c := range readVectors(f).RequestBody {
		f.Add([]byte(c.Body))
	}
	k := newKey(f)
	f.Add(keepBody(k, addr(f, "127.0.0.1"), "[1,2]", now))
	f.Add([]byte(`{"ip":"127.0.0.1","port":"1","ports":["1",2,null]}`))
	p := newProber(f, loopback)
	p.out.open = func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("refused") }
	r := newRequests(f, p, k.PublicKeyHex())
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, authorised := range []bool{false, true} {
			said, err := r.AppPorts(t.Context(), body, authorised)
			if _, ok := errors.AsType[*fault.Error](err); (err != nil && !ok) || (err == nil) == (said == "") {
				t.Errorf("%q, %v", said, err)
			}
			if err == nil && !authorised {
				t.Errorf("%q passes for signed", body)
			}
		}
		// Nobody answers: whatever the body, no request can be accepted.
		if s, ok := errors.AsType[*StatusError](r.KeepOpen(t.Context(), body)); !ok || s.Status < 401 {
			t.Errorf("%q: %v", body, s)
		}
	})
}
