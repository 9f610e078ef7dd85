package dos

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fluxosd/fluxosd/internal/node/reach"
)

func addr(text string) reach.Address {
	a, err := reach.ParseAddress(text)
	if err != nil {
		panic(err)
	}
	return a
}

var (
	own   = addr("1.2.3.4:16147")
	other = addr("5.6.7.8")
)

func collateral(i int) reach.Outpoint { return reach.Outpoint{Hash: fmt.Sprintf("%064x", i)} }

func entry(i int, a reach.Address, height int64) reach.Entry {
	return reach.Entry{Collateral: collateral(i), Address: a, IP: a.String(), ConfirmedHeight: height}
}

// healthy are the findings of a node without fault, before anybody is asked.
func healthy(change func(*Findings)) Findings {
	f := Findings{Own: own, Confirmed: true, Collateral: collateral(1), AtOwn: []reach.Entry{entry(1, own, 100)}, ListSize: 13, Uptime: time.Hour}
	if change != nil {
		change(&f)
	}
	return f
}

func asked(verdicts ...reach.Verdict) func(*Findings) {
	return func(f *Findings) { f.Answers = verdicts }
}

func repeat(v reach.Verdict, n int) []reach.Verdict {
	return slices.Repeat([]reach.Verdict{v}, n)
}

func TestEveryRuleOfTheNetwork(t *testing.T) {
	const talk = "Not enough outgoing connections established to Flux network. Minimum required 8 found 3"
	lonely := errors.New(talk)
	moved := netip.MustParseAddr("9.9.9.9")
	elsewhereEntry := entry(1, other, 100)
	movedAway := func(looks ...bool) func(*Findings) {
		return func(f *Findings) { f.AtOwn, f.Elsewhere, f.Looks = nil, &elsewhereEntry, looks }
	}
	type want struct {
		state   State
		next    Next
		confirm bool
		moved   netip.Addr
	}
	for _, c := range []struct {
		what string
		from State
		with func(*Findings)
		want want
	}{
		{"address unknown", State{}, func(f *Findings) { *f = Findings{} }, want{state: newState(1, "")}},
		{"address unknown, at 10", newState(9, ""), func(f *Findings) { *f = Findings{} }, want{state: newState(10, "")}},
		{"address unknown, above 10", newState(10, ""), func(f *Findings) { *f = Findings{} }, want{state: newState(11, "Flux IP detection failed")}},

		{"two at the own address", State{}, func(f *Findings) { f.AtOwn = append(f.AtOwn, entry(2, own, 50)) },
			want{state: newState(100, "Flux earlier collision detection on ip:1.2.3.4:16147")}},
		{"two at the own address, the other later", State{}, func(f *Findings) { f.AtOwn = append(f.AtOwn, entry(2, own, 500)) },
			want{state: newState(100, "Flux earlier collision detection on ip:1.2.3.4:16147")}},
		{"two strangers at the own address", State{}, func(f *Findings) { f.AtOwn = []reach.Entry{entry(2, own, 50), entry(3, own, 60)} }, want{next: AskNode}},
		{"a stranger at the own address", newState(5, ""), func(f *Findings) { f.AtOwn = []reach.Entry{entry(2, own, 50)} },
			want{state: newState(100, "Flux collision detection. Another ip:port is confirmed on flux network with the same collateral transaction information.")}},
		{"a stranger, not confirmed", State{}, func(f *Findings) { f.AtOwn, f.Confirmed = []reach.Entry{entry(2, own, 50)}, false },
			want{state: newState(100, "Flux collision detection. Another ip:port is confirmed on flux network with the same collateral transaction information.")}},

		{"collateral elsewhere", State{}, movedAway(), want{next: Look}},
		{"collateral elsewhere answers", State{}, movedAway(true),
			want{state: newState(100, "Flux collision detection. Node at 5.6.7.8:16127 is confirmed and reachable on flux network with the same collateral transaction information.")}},
		{"collateral elsewhere is silent", State{}, movedAway(false), want{next: LookAgain}},
		{"collateral elsewhere answers late", State{}, movedAway(false, true),
			want{state: newState(100, "Flux collision detection. Node at 5.6.7.8:16127 is confirmed and reachable on flux network with the same collateral transaction information.")}},
		{"collateral elsewhere stays silent", newState(100, msgElsewhere+"x"+msgElsewhereEnd), movedAway(false, false), want{confirm: true}},
		{"collateral elsewhere stays silent, other DOS", newState(12, msgLimited), movedAway(false, false), want{state: newState(12, msgLimited), confirm: true}},
		{"collateral elsewhere, not confirmed", State{}, func(f *Findings) { movedAway()(f); f.Confirmed = false }, want{}},

		{"not confirmed", newState(7, ""), func(f *Findings) { f.Confirmed = false }, want{state: newState(7, "")}},
		{"not listed", newState(7, ""), func(f *Findings) { f.AtOwn = nil }, want{state: newState(7, "")}},
		{"small list", newState(7, ""), func(f *Findings) { f.ListSize = 12; f.BlockedPorts = 101 }, want{state: newState(7, "")}},
		{"small list after six hours", newState(7, ""), func(f *Findings) { f.ListSize, f.Uptime = 12, 6*time.Hour }, want{state: newState(7, ""), next: AskNode}},

		{"one change of address", State{}, func(f *Findings) { f.AddressChanges = 1 }, want{next: AskNode}},
		{"two changes of address", State{}, func(f *Findings) { f.AddressChanges = 2 }, want{state: newState(11, "IP changes over the limit allowed, one in 20 hours")}},
		{"100 blocked ports", State{}, func(f *Findings) { f.BlockedPorts = 100 }, want{next: AskNode}},
		{"101 blocked ports", State{}, func(f *Findings) { f.BlockedPorts = 101 }, want{state: newState(11, "User blocked ports above 100 limit")}},
		{"again", newState(11, msgPorts), func(f *Findings) { f.BlockedPorts = 101 }, want{state: newState(22, "User blocked ports above 100 limit")}},
		{"10 blocked repositories", State{}, func(f *Findings) { f.BlockedRepositories = 10 }, want{next: AskNode}},
		{"11 blocked repositories", State{}, func(f *Findings) { f.BlockedRepositories = 11 }, want{state: newState(11, "User blocked repositories above 10 limit")}},
		{"the first of two ends the round", State{}, func(f *Findings) { f.BlockedPorts, f.BlockedRepositories = 101, 11 }, want{state: newState(11, "User blocked ports above 100 limit")}},
		{"old benchmark daemon", State{}, func(f *Findings) { f.Bench = Bench{true, "6.1.9"} },
			want{state: newState(11, "Fluxbench Version Error. Current lower version allowed is v6.2.0 found v6.1.9")}},
		{"benchmark daemon", State{}, func(f *Findings) { f.Bench = Bench{true, "6.2.0"} }, want{next: AskNode}},
		{"silent benchmark daemon", State{}, func(f *Findings) { f.Bench.Judged = true }, want{state: newState(2, "Fluxbench Version Error. Error obtaining FluxBench Version.")}},
		{"native benchmark", State{}, func(f *Findings) { f.Bench = Bench{false, "1"} }, want{next: AskNode}},

		{"nobody asked yet", newState(4, ""), nil, want{state: newState(4, ""), next: AskNode}},
		{"nobody to ask", newState(4, ""), func(f *Findings) { f.Nobody = true }, want{state: newState(4, "")}},
		{"no answer", State{}, asked(reach.NoAnswer), want{state: newState(2, ""), next: AskNode}},
		{"five without an answer", State{}, asked(repeat(reach.NoAnswer, 5)...), want{state: newState(10, ""), next: AskNode}},
		{"six without an answer", State{}, asked(repeat(reach.NoAnswer, 6)...),
			want{state: newState(12, "Flux communication is limited, other nodes on the network cannot reach yours through API calls")}},
		{"no answer above 10", newState(10, ""), asked(reach.NoAnswer), want{state: newState(12, msgLimited)}},
		{"not available", State{}, asked(reach.NotReachable), want{state: newState(2, ""), next: AskNode}},
		{"not available above 10", newState(9, ""), asked(reach.NotReachable), want{state: newState(11, "Flux is not available for outside communication")}},
		{"both kinds", State{}, asked(append(repeat(reach.NoAnswer, 5), reach.NotReachable)...), want{state: newState(12, msgNotAvailable)}},

		{"fourth repetition asks for the address", State{}, func(f *Findings) { f.AskPublic = true; asked(repeat(reach.NotReachable, 5)...)(f) }, want{state: newState(10, ""), next: AskPublic}},
		{"third does not", State{}, func(f *Findings) { f.AskPublic = true; asked(repeat(reach.NotReachable, 4)...)(f) }, want{state: newState(8, ""), next: AskNode}},
		{"above 10 asks for the address", newState(20, msgLimited), func(f *Findings) { f.AskPublic = true; asked(reach.NotReachable)(f) }, want{state: newState(22, msgNotAvailable), next: AskPublic}},
		{"fourth repetition, same address", State{}, func(f *Findings) {
			f.AskPublic, f.Public = true, &Public{IP: own.IP}
			asked(repeat(reach.NotReachable, 5)...)(f)
		},
			want{state: newState(10, ""), next: AskNode}},
		{"above 10, same address", newState(10, ""), func(f *Findings) { f.AskPublic, f.Public = true, &Public{IP: own.IP}; asked(reach.NotReachable)(f) }, want{state: newState(12, msgNotAvailable)}},
		{"other address", newState(20, msgLimited), func(f *Findings) { f.AskPublic, f.Public = true, &Public{IP: moved}; asked(reach.NotReachable)(f) }, want{moved: moved}},
		{"address unobtainable", State{}, func(f *Findings) {
			f.AskPublic, f.Public = true, &Public{Err: errors.New("x")}
			asked(repeat(reach.NotReachable, 5)...)(f)
		},
			want{state: newState(25, "Error getting publicIp from FluxBench")}},

		{"available", newState(57.39, msgLimited), asked(reach.Reachable), want{}},
		{"available at last", newState(2, ""), asked(reach.NoAnswer, reach.NotReachable, reach.Reachable), want{}},
		{"available, few peers", newState(2, ""), func(f *Findings) { f.Communication = lonely; asked(reach.Reachable)(f) }, want{state: newState(2.13, "")}},
		{"available, few peers above 10", newState(9.9, ""), func(f *Findings) { f.Communication = lonely; asked(reach.Reachable)(f) }, want{state: newState(10.030000000000001, talk)}},
		{"available, few peers at 30 minutes", newState(2, ""), func(f *Findings) { f.Communication, f.Uptime = lonely, 30*time.Minute; asked(reach.Reachable)(f) }, want{}},
		{"available, few peers in a small list", newState(2, ""), func(f *Findings) {
			f.Communication, f.ListSize, f.Uptime = lonely, 12, 7*time.Hour
			asked(reach.Reachable)(f)
		}, want{}},
	} {
		got := Step(c.from, healthy(c.with))
		if diff := cmp.Diff(c.want, want{got.State, got.Next, got.Confirm, got.Moved}, cmp.AllowUnexported(want{}), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
			t.Errorf("%s (-want +got)\n%s", c.what, diff)
		}
	}
}

func TestARoundAsksAtMostEightNodes(t *testing.T) {
	f := healthy(asked(repeat(reach.NoAnswer, 7)...))
	low := newState(-100, "") // far below 10, so that only the number of repetitions ends the round
	if got := Step(low, f); got.Next != AskNode {
		t.Errorf("after seven: %+v", got)
	}
	f.Answers = append(f.Answers, reach.NoAnswer)
	if got := Step(low, f); got.Next != Done {
		t.Errorf("after eight: %+v", got)
	}
}

func TestReasonsNameEveryFinding(t *testing.T) {
	got := Step(State{}, healthy(func(f *Findings) { f.BlockedPorts, f.BlockedRepositories, f.AddressChanges = 101, 11, 2 })).Reasons
	want := []string{"+11 " + msgChanges, "+11 " + msgPorts, "+11 " + msgRepositories}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	got = Step(State{}, Findings{BlockedPorts: 101}).Reasons
	if diff := cmp.Diff([]string{"+11 " + msgPorts, "+1 " + msgNoAddress}, got); diff != "" {
		t.Error(diff)
	}
	if got := Step(State{}, healthy(asked(reach.Reachable))).Reasons; len(got) != 0 {
		t.Errorf("a good round: %v", got)
	}
	got = Step(State{}, healthy(asked(reach.NoAnswer, reach.NotReachable))).Reasons
	if diff := cmp.Diff([]string{"+2 " + msgLimited, "+2 " + msgNotAvailable}, got); diff != "" {
		t.Error(diff)
	}
}

func TestStateIsWrittenAsTheAPIHasIt(t *testing.T) {
	few := State{}
	for range 3 {
		few = Step(few, healthy(func(f *Findings) { f.Communication = errors.New("x"); asked(reach.Reachable)(f) })).State
	}
	for want, s := range map[string]State{
		`{"dosState":0,"dosMessage":null}`:     {},
		`{"dosState":2,"dosMessage":null}`:     newState(2, ""),
		`{"dosState":0.39,"dosMessage":null}`:  few,
		`{"dosState":100,"dosMessage":"a <b"}`: newState(100, "a <b"),
	} {
		var got strings.Builder
		enc := json.NewEncoder(&got)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil || strings.TrimSpace(got.String()) != want {
			t.Errorf("got %s, %v, want %s", got.String(), err, want)
		}
	}
}

// drawFindings draws the facts of a round.
func drawFindings(t *rapid.T) Findings {
	address := rapid.SampledFrom([]reach.Address{own, other, {}})
	entries := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) reach.Entry {
		return entry(rapid.IntRange(1, 3).Draw(t, "collateral"), own, rapid.Int64Range(0, 200).Draw(t, "height"))
	}), 0, 3)
	f := Findings{
		Own: address.Draw(t, "own"), Confirmed: rapid.Bool().Draw(t, "confirmed"), Collateral: collateral(1), AtOwn: entries.Draw(t, "at own"),
		ListSize: rapid.IntRange(0, 30).Draw(t, "list"), Uptime: time.Duration(rapid.IntRange(0, 600).Draw(t, "minutes")) * time.Minute,
		AddressChanges: rapid.IntRange(0, 3).Draw(t, "changes"), BlockedPorts: rapid.IntRange(90, 110).Draw(t, "ports"), BlockedRepositories: rapid.IntRange(5, 15).Draw(t, "repositories"),
		Bench:     Bench{rapid.Bool().Draw(t, "judged"), rapid.SampledFrom([]string{"", "6.1.0", "6.2.0", "x"}).Draw(t, "version")},
		Looks:     rapid.SliceOfN(rapid.Bool(), 0, 2).Draw(t, "looks"),
		Answers:   rapid.SliceOfN(rapid.SampledFrom([]reach.Verdict{reach.NoAnswer, reach.NotReachable, reach.Reachable}), 0, 9).Draw(t, "answers"),
		Nobody:    rapid.Bool().Draw(t, "nobody"),
		AskPublic: rapid.Bool().Draw(t, "ask public"),
	}
	if rapid.Bool().Draw(t, "elsewhere") {
		e := entry(1, other, 5)
		f.Elsewhere = &e
	}
	if rapid.Bool().Draw(t, "lonely") {
		f.Communication = errors.New("few peers")
	}
	if f.AskPublic && rapid.Bool().Draw(t, "public known") {
		f.Public = rapid.SampledFrom([]*Public{{IP: own.IP}, {IP: other.IP}, {Err: errors.New("x")}}).Draw(t, "public")
	}
	return f
}

func TestScoresStayWithinTheRules(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s State
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			f := drawFindings(t)
			out := Step(s, f)
			again := Step(s, f)
			if !cmp.Equal(out, again, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })) {
				t.Fatalf("the same facts gave %+v and %+v", out, again)
			}
			if out.Next != Done {
				continue
			}
			before := s
			s = out.State
			if s.DosState < 0 || math.IsNaN(s.DosState) || math.IsInf(s.DosState, 0) {
				t.Fatalf("score %v", s.DosState)
			}
			fresh := s.DosMessage != nil && (before.DosMessage == nil || *before.DosMessage != *s.DosMessage)
			if fresh && s.DosState <= showAbove && *s.DosMessage != msgNoBench {
				t.Fatalf("%q at %v", *s.DosMessage, s.DosState)
			}
			if s.DosState > before.DosState && s.DosState > showAbove && (s.DosMessage == nil || len(out.Reasons) == 0) {
				t.Fatalf("score went to %v without a word", s.DosState)
			}
			if s.DosState > before.DosState+pointsNotReached*(repetitions+1)+pointsNoPublic && s.DosState != Unfit {
				t.Fatalf("score went from %v to %v in one round", before.DosState, s.DosState)
			}
		}
		if good := Step(s, healthy(asked(reach.Reachable))); good.Next != Done || good.State != (State{}) {
			t.Fatalf("a good self-test after %+v leaves %+v", s, good)
		}
	})
}

// A round must come to an end whatever is answered, and never needs more than
// eight nodes, two looks and one address.
func TestEveryRoundEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := drawFindings(t)
		f.Looks, f.Answers, f.Public, f.Nobody = nil, nil, nil, false
		s := newState(rapid.Float64Range(0, 200).Draw(t, "score"), "")
		for range 2 + repetitions + 1 + 1 {
			switch out := Step(s, f); out.Next {
			case Done:
				return
			case Look, LookAgain:
				f.Looks = append(f.Looks, rapid.Bool().Draw(t, "look"))
			case AskNode:
				f.Answers = append(f.Answers, rapid.SampledFrom([]reach.Verdict{reach.NoAnswer, reach.NotReachable, reach.Reachable}).Draw(t, "answer"))
			case AskPublic:
				f.Public = &Public{IP: own.IP}
			}
		}
		if out := Step(s, f); out.Next != Done {
			t.Fatalf("still wants %v with %+v", out.Next, f)
		}
	})
}
