package reach

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"

	"github.com/fluxosd/fluxosd/internal/fault"
)

func TestOthersAreAskedForThisNode(t *testing.T) {
	own := addr(t, "127.9.9.9:16147")
	for _, c := range []struct {
		what   string
		answer http.HandlerFunc
		want   Verdict
	}{
		{"reaches", func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("ip") == "127.9.9.9" && r.URL.Query().Get("port") == "16147" {
				success(`{"message":"Asking Flux is available"}`)(w, r)
			}
		}, Reachable},
		{"doesn't reach", text(`{"status":"error","data":{"message":"Asking Flux is not available"}}`), NotReachable},
		{"no such path", http.NotFound, NoAnswer},
		{"no JSON", text("yes"), NoAnswer},
		{"no envelope", text("{}"), NoAnswer},
	} {
		n := newFakeNode(t)
		n.setAPI("/flux/checkfluxavailability", c.answer)
		s, err := NewSelf(SelfConfig{Crowd: listed{n.Address}, Prober: newProber(t, loopback)})
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Ask(t.Context(), own, nil)
		if err != nil || a.Verdict != c.want || a.Node != n.Address || (a.Err != nil) != (c.want == NoAnswer) {
			t.Errorf("%s: got %+v, %v, want %v", c.what, a, err, c.want)
		}
		if _, err := s.Ask(t.Context(), own, []Address{n.Address}); !errors.Is(err, ErrNobody) {
			t.Errorf("%s: the only node is avoided, got %v", c.what, err)
		}
		public, err := NewSelf(SelfConfig{Crowd: listed{n.Address}, Prober: newProber(t, nil)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := public.Ask(t.Context(), own, nil); !errors.Is(err, ErrNobody) {
			t.Errorf("%s: a node that isn't public is asked, got %v", c.what, err)
		}
		if _, err := s.Ask(t.Context(), Address{n.IP, 16197}, nil); !errors.Is(err, ErrNobody) {
			t.Errorf("%s: a neighbour behind the same address is asked, got %v", c.what, err)
		}
	}
}

func TestCheckAsksUntilOneReachesThisNode(t *testing.T) {
	own := addr(t, "127.9.9.9")
	yes, no, gone := newFakeNode(t), newFakeNode(t), newFakeNode(t)
	yes.setAPI("/flux/checkfluxavailability", success(`{}`))
	no.setAPI("/flux/checkfluxavailability", text(`{"status":"error"}`))
	for _, c := range []struct {
		what     string
		probes   []Address
		attempts int
		asked    int
		want     Verdict
	}{
		{"third reaches", []Address{gone.Address, no.Address, yes.Address}, 3, 3, Reachable},
		{"first reaches", []Address{yes.Address, no.Address}, 3, 1, Reachable},
		{"attempts used up", []Address{gone.Address, no.Address, yes.Address}, 2, 2, NotReachable},
		{"fewer nodes than attempts", []Address{gone.Address}, 5, 1, NoAnswer},
	} {
		s, err := NewSelf(SelfConfig{Probes: c.probes, Attempts: c.attempts, Prober: newProber(t, loopback)})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Check(t.Context(), own)
		if err != nil || r.Verdict != c.want || len(r.Answers) != c.asked {
			t.Errorf("%s: got %+v, %v", c.what, r, err)
		}
	}
	s, err := NewSelf(SelfConfig{Crowd: listed{}, Prober: newProber(t, loopback)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(t.Context(), own); !errors.Is(err, ErrNobody) {
		t.Errorf("an empty list: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err = NewSelf(SelfConfig{Probes: []Address{yes.Address}, Prober: newProber(t, loopback)}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Check(ctx, own); !errors.Is(err, context.Canceled) {
		t.Errorf("a cancelled caller: got %v", err)
	}
}

func TestOwnQuestionsGoPastTheQueueOfOthers(t *testing.T) {
	n := newFakeNode(t)
	n.setAPI("/flux/checkfluxavailability", success(`{}`))
	p := newProber(t, loopback, n.Address)
	p.gate = newGate(0, 0, 0)
	s, err := NewSelf(SelfConfig{Probes: []Address{n.Address}, Prober: p})
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Ask(t.Context(), addr(t, "127.9.9.9"), nil)
	version, errVersion := s.Version(t.Context(), n.Address)
	if err != nil || a.Verdict != Reachable || version != "8.17.0" || errVersion != nil {
		t.Errorf("got %+v, %v, %q, %v", a, err, version, errVersion)
	}
	f, ok := errors.AsType[*fault.Error](p.Node(t.Context(), n.IP.String(), strconv.Itoa(int(n.Port))))
	if !ok || f.Kind != fault.TooMany {
		t.Errorf("others wait: got %v", f)
	}
	if _, err := p.Ports(t.Context(), n.IP.String(), []int{80}); fault.KindOf(err) != fault.TooMany {
		t.Errorf("others wait: got %v", err)
	}
}

func TestVerdictsHaveWords(t *testing.T) {
	for v, want := range map[Verdict]string{NoAnswer: "no answer", NotReachable: "not reachable", Reachable: "reachable"} {
		if v.String() != want {
			t.Errorf("%d: %s", v, v)
		}
	}
}

func TestSelfConfigIsChecked(t *testing.T) {
	p := newProber(t, loopback)
	for _, c := range []SelfConfig{{}, {Prober: p}, {Crowd: listed{}}, {Crowd: listed{}, Prober: p, Attempts: -1}} {
		if _, err := NewSelf(c); err == nil {
			t.Errorf("%+v is taken", c)
		}
	}
}
