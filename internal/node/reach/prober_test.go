package reach

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fluxosd/fluxosd/internal/fault"
)

func TestAHealthyNodeIsAvailable(t *testing.T) {
	n := newFakeNode(t)
	p := newProber(t, loopback, n.Address)
	for _, ui := range []string{"OK", "OK\n", "<html><title>Flux</title>"} {
		n.setUI(text(ui))
		if err := p.Node(t.Context(), n.IP.String(), strconv.Itoa(int(n.Port))); err != nil {
			t.Errorf("%q: %v", ui, err)
		}
	}
}

func TestAnUnhealthyNodeIsNot(t *testing.T) {
	redirect := func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}
	for what, spoil := range map[string]func(*fakeNode){
		"old version":         func(n *fakeNode) { n.setAPI("/flux/version", success(`"8.13.0"`)) },
		"version of no form":  func(n *fakeNode) { n.setAPI("/flux/version", success(`"new"`)) },
		"version is a number": func(n *fakeNode) { n.setAPI("/flux/version", success(`9`)) },
		"error envelope":      func(n *fakeNode) { n.setAPI("/flux/version", text(`{"status":"error","data":"9.0.0"}`)) },
		"other envelope":      func(n *fakeNode) { n.setAPI("/flux/version", text(`{"data":"9.0.0"}`)) },
		"no JSON":             func(n *fakeNode) { n.setAPI("/flux/version", text(`9.0.0`)) },
		"no such path":        func(n *fakeNode) { n.setAPI("/flux/version", http.NotFound) },
		"redirect":            func(n *fakeNode) { n.setAPI("/flux/version", redirect); n.setAPI("/elsewhere", success(`"8.17.0"`)) },
		"longer than the cap": func(n *fakeNode) {
			n.setAPI("/flux/version", success(`"8.17.0"`+strings.Repeat(" ", maxAnswer)))
		},
		"user interface sick": func(n *fakeNode) { n.setUI(text("NOT OK")) },
		"user interface fails": func(n *fakeNode) {
			n.setUI(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500); io.WriteString(w, "OK") })
		},
		"user interface redirects": func(n *fakeNode) { n.setUI(redirect) },
		"no syncthing":             func(n *fakeNode) { n.sync.Close() },
	} {
		t.Run(what, func(t *testing.T) {
			n := newFakeNode(t)
			spoil(n)
			err := newProber(t, loopback, n.Address).Node(t.Context(), n.IP.String(), strconv.Itoa(int(n.Port)))
			var f *fault.Error
			if !errors.As(err, &f) || f.Msg != "Asking Flux is not available" || f.Name != "" || f.Err == nil {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestEndlessAnswersEnd(t *testing.T) {
	n := newFakeNode(t)
	var sent atomic.Int64
	n.setAPI("/flux/version", func(w http.ResponseWriter, r *http.Request) {
		block := make([]byte, 32<<10)
		for r.Context().Err() == nil {
			k, err := w.Write(block)
			sent.Add(int64(k))
			if err != nil {
				return
			}
		}
	})
	p := newProber(t, loopback, n.Address)
	if err := p.Node(t.Context(), n.IP.String(), strconv.Itoa(int(n.Port))); err == nil {
		t.Error("an endless answer passes")
	}
	if sent.Load() > 64<<20 {
		t.Errorf("%d bytes were taken", sent.Load())
	}
}

func TestSilentNodesCostLittleTime(t *testing.T) {
	n := newFakeNode(t)
	release := make(chan struct{})
	n.setAPI("/flux/version", func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	})
	defer close(release)
	o := newOutbound(loopback)
	start := time.Now()
	_, err := o.get(t.Context(), n.at(0), "/flux/version", 50*time.Millisecond)
	if err == nil || time.Since(start) > probeTime {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestOnlyListedNodesOnAPIPortsAreProbed(t *testing.T) {
	for _, c := range []struct{ ip, port, msg string }{
		{"", "", "No ip specified."},
		{"8.8.8.8", "16127", "Asking Flux is not available"},
		{"8.8.4.4", "80", "Asking Flux is not available"},
		{"8.8.4.4", "x", "Asking Flux is not available"},
		{"8.8.4.4", "16137", "Asking Flux is not available"},
		{"dns.google", "16127", "Asking Flux is not available"},
		{"0x08080404", "16127", "Asking Flux is not available"},
		{"134744068", "16127", "Asking Flux is not available"},
		{"8.8.4.4@evil", "16127", "Asking Flux is not available"},
		{"127.0.0.1", "16127", "Asking Flux is not available"}, // listed, but not routable
		{"198.18.1.0", "16127", "Asking Flux is not available"},
	} {
		p := newProber(t, nil, addr(t, "8.8.4.4"), addr(t, "127.0.0.1"), addr(t, "198.18.1.0"))
		p.out.open = nil // a dial would be a panic
		var f *fault.Error
		if err := p.Node(t.Context(), c.ip, c.port); !errors.As(err, &f) || f.Msg != c.msg {
			t.Errorf("%s %s: got %v, want %s", c.ip, c.port, err, c.msg)
		}
	}
}

// The dialler itself refuses, whatever leads to it.
func TestTheDiallerRefusesPrivateAddresses(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := newOutbound(nil)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	for _, target := range []string{l.Addr().String(), "[::1]:" + port, "[::ffff:127.0.0.1]:" + port, "localhost:" + port, "0.0.0.0:" + port} {
		for _, network := range []string{"tcp", "udp"} {
			c, err := o.open(t.Context(), network, target)
			if err == nil {
				c.Close()
				t.Errorf("%s %s was dialled", network, target)
			}
		}
	}
	if err := newOutbound(loopback).touch(t.Context(), "tcp4", netip.MustParseAddrPort(l.Addr().String()), probeTime, ""); err != nil {
		t.Errorf("allowed, but %v", err)
	}
}

func TestPortsAreTriedInTheirOrder(t *testing.T) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	open := l.Addr().(*net.TCPAddr).Port
	p := newProber(t, loopback)
	var tried []string
	dial := p.out.open
	p.out.open = nil
	for _, c := range []struct {
		ports  []int
		failed int
		tried  string
	}{
		{nil, 0, ""},
		{[]int{open, open}, 0, fmt.Sprintf("%d %d", open, open)},
		{[]int{0, -5, 65536, 22, 53, 16127, 26100, 30099, 27017, open}, 0, strconv.Itoa(open)},
		{[]int{open, 1, 2, open}, 1, fmt.Sprintf("%d 1", open)},
	} {
		tried = nil
		p.out.open = recording(dial, &tried)
		failed, err := p.Ports(t.Context(), "127.0.0.1", c.ports)
		if failed != c.failed || err != nil || strings.Join(tried, " ") != c.tried {
			t.Errorf("%v: failed %d, %v, tried %v; want %d, tried %s", c.ports, failed, err, tried, c.failed, c.tried)
		}
	}
	for what, c := range map[string]struct {
		p     *Prober
		ip    string
		ports []int
	}{
		"private":    {newProber(t, nil), "192.168.1.1", []int{80}},
		"name":       {p, "localhost", []int{80}},
		"IPv6":       {p, "::1", []int{80}},
		"many ports": {p, "127.0.0.1", make([]int, maxPorts+1)},
	} {
		var f *fault.Error
		if failed, err := c.p.Ports(t.Context(), c.ip, c.ports); !errors.As(err, &f) || f.Kind != fault.Invalid || failed != 0 {
			t.Errorf("%s: %d, %v", what, failed, err)
		}
	}
}

func TestProberConfigIsChecked(t *testing.T) {
	if _, err := NewProber(ProberConfig{}); err == nil {
		t.Error("no list")
	}
	if _, err := NewProber(ProberConfig{Nodes: listed{}, MinVersion: "8"}); err == nil {
		t.Error("a version of one number")
	}
}

func TestMayProbe(t *testing.T) {
	for port, want := range map[int]bool{1: true, 80: true, 16099: true, 16100: false, 16299: false, 16300: true, 26150: false, 30050: false, 30100: true, 65535: true, 65536: false, 0: false, 8384: false} {
		if got := mayProbe(port); got != want {
			t.Errorf("%d: %v", port, got)
		}
	}
}
