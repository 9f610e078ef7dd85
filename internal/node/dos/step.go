package dos

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fluxosd/fluxosd/internal/node/reach"
)

// Unfit is the score from which on a node runs no applications.
const Unfit = 100

// showAbove is the score above which the message of a finding is shown.
const showAbove = 10

// What findings add to the score.
const (
	pointsNoAddress     = 1
	pointsSetting       = 11
	pointsNoVersion     = 2
	pointsNotReached    = 2
	pointsNoPublic      = 15
	pointsCommunication = 0.13
)

// When a node is judged by others, and how long.
const (
	smallList       = 12               // entries; in a list no longer than this nodes aren't judged at first
	graceUptime     = 6 * time.Hour    // after which they are judged in a small list too
	talkUptime      = 30 * time.Minute // after which peers must be connected
	repetitions     = 7                // further nodes asked in one round
	publicAt        = 4                // repetition on which the public address is asked for
	addressChanges  = 2                // within 20 h
	maxPorts        = 100              // that an operator may block
	maxRepositories = 10               // that an operator may block
	minBench        = "6.2.0"          // version of the benchmark daemon
)

// Messages that other programs know by their text.
const (
	msgNoAddress    = "Flux IP detection failed"
	msgEarlier      = "Flux earlier collision detection on ip:"
	msgOther        = "Flux collision detection. Another ip:port is confirmed on flux network with the same collateral transaction information."
	msgElsewhere    = "Flux collision detection. Node at "
	msgElsewhereEnd = " is confirmed and reachable on flux network with the same collateral transaction information."
	msgChanges      = "IP changes over the limit allowed, one in 20 hours"
	msgPorts        = "User blocked ports above 100 limit"
	msgRepositories = "User blocked repositories above 10 limit"
	msgOldBench     = "Fluxbench Version Error. Current lower version allowed is v" + minBench + " found v"
	msgNoBench      = "Fluxbench Version Error. Error obtaining FluxBench Version."
	msgLimited      = "Flux communication is limited, other nodes on the network cannot reach yours through API calls"
	msgNotAvailable = "Flux is not available for outside communication"
	msgNoPublic     = "Error getting publicIp from FluxBench"
)

// State is the score and the reason that is shown for it.
type State struct {
	DosState   float64 `json:"dosState"`   // 0 is good, Unfit and more is unfit
	DosMessage *string `json:"dosMessage"` // null while there is nothing to say
}

// Findings are the facts of one round. Slices and pointers fill up while Step
// asks for more; the rest is known before the first Step.
type Findings struct {
	Own        reach.Address  // zero while it is not known
	Confirmed  bool           // the chain daemon says CONFIRMED
	Collateral reach.Outpoint // the node's own
	AtOwn      []reach.Entry  // of the node list, at Own
	Elsewhere  *reach.Entry   // the own collateral's, if its address is another
	ListSize   int
	Uptime     time.Duration

	AddressChanges      int // within 20 h
	BlockedPorts        int
	BlockedRepositories int
	Bench               Bench
	Communication       error // why peers are not sufficient; its text is shown

	Looks   []bool          // whether the node at Elsewhere answered
	Answers []reach.Verdict // of nodes asked for this one, in order
	Nobody  bool            // there is no further node to ask
	// AskPublic says that somebody can be asked for the public address, Public
	// what came of it.
	AskPublic bool
	Public    *Public
}

// Bench is the version of the benchmark daemon.
type Bench struct {
	Judged  bool   // false: there is none, the figures are native
	Version string // "" when it could not be obtained
}

// Public is the answer to the question for the own public address.
type Public struct {
	IP  netip.Addr
	Err error
}

// Next is the fact that a round needs before it can go on.
type Next uint8

const (
	// Done: the round is over.
	Done Next = iota
	// Look: does the node at Findings.Elsewhere answer?
	Look
	// LookAgain: does it answer a minute later?
	LookAgain
	// AskNode: does another node reach this one?
	AskNode
	// AskPublic: which is the public address?
	AskPublic
)

// Outcome is what a round has come to. State counts when Next is Done.
type Outcome struct {
	State   State
	Next    Next
	Reasons []string // every finding that is there, with its points
	// Confirm: the chain daemon is to be asked for a confirmation transaction.
	Confirm bool
	// Moved is the public address when it is not the one of Own.
	Moved netip.Addr
}

// Step applies the findings of one round to a state. It is pure: call it
// again with the fact that Outcome.Next names, and the same state.
func Step(s State, f Findings) Outcome {
	r := round{state: s}
	r.run(f)
	return Outcome{State: r.state, Next: r.next, Reasons: r.reasons, Confirm: r.confirm, Moved: r.moved}
}

// round is a Step in progress.
type round struct {
	state   State
	next    Next
	reasons []string
	confirm bool
	moved   netip.Addr
}

// run follows the order of the network's rules; most findings end the round.
func (r *round) run(f Findings) {
	settings := f.settings()
	r.mention(settings...)
	if f.Own == (reach.Address{}) {
		r.add(pointsNoAddress, msgNoAddress)
		return
	}
	if !r.collisions(f) {
		return
	}
	judged := f.ListSize > smallList || f.Uptime >= graceUptime
	switch {
	case !f.Confirmed || len(f.AtOwn) == 0 || !judged:
	case len(settings) > 0:
		r.count(settings[0])
	default:
		r.available(f)
	}
}

// collisions looks for others who hold the own address or collateral. It
// returns false when the round is over or needs another fact.
func (r *round) collisions(f Findings) bool {
	mine := func(e reach.Entry) bool { return e.Collateral == f.Collateral }
	switch {
	case len(f.AtOwn) > 1 && slices.ContainsFunc(f.AtOwn, mine):
		// The network compares confirmation heights here, its own entry
		// included, so that the condition always holds.
		r.unfit(msgEarlier + f.Own.String())
		return false
	case len(f.AtOwn) == 1 && !mine(f.AtOwn[0]):
		r.unfit(msgOther)
		return false
	case !f.Confirmed || f.Elsewhere == nil:
		return true
	case slices.Contains(f.Looks, true):
		r.unfit(elsewhere(f.Elsewhere.Address))
		return false
	case len(f.Looks) == 0:
		r.next = Look
		return false
	case len(f.Looks) == 1:
		r.next = LookAgain
		return false
	}
	r.confirm = true
	r.reasons = append(r.reasons, fmt.Sprintf("+0 the collateral is listed at %s, where nobody answers", f.Elsewhere.Address.Full()))
	if m := r.state.DosMessage; m != nil && strings.HasPrefix(*m, msgElsewhere) {
		r.state = State{}
	}
	return true
}

func elsewhere(a reach.Address) string { return msgElsewhere + a.Full() + msgElsewhereEnd }

// finding is something about this node that needs nobody else to find.
type finding struct {
	points  float64
	message string
	always  bool // the message is shown at any score
}

func (f Findings) settings() []finding {
	var out []finding
	for _, c := range []struct {
		there bool
		finding
	}{
		{f.AddressChanges >= addressChanges, finding{pointsSetting, msgChanges, false}},
		{f.BlockedPorts > maxPorts, finding{pointsSetting, msgPorts, false}},
		{f.BlockedRepositories > maxRepositories, finding{pointsSetting, msgRepositories, false}},
		{f.Bench.Judged && f.Bench.Version == "", finding{pointsNoVersion, msgNoBench, true}},
		{f.Bench.Judged && f.Bench.Version != "" && !reach.AtLeast(f.Bench.Version, minBench), finding{pointsSetting, msgOldBench + f.Bench.Version, false}},
	} {
		if c.there {
			out = append(out, c.finding)
		}
	}
	return out
}

// available is the check by other nodes.
func (r *round) available(f Findings) {
	for i, v := range f.Answers {
		switch v {
		case reach.Reachable:
			if f.Communication != nil && f.Uptime > talkUptime && f.ListSize > smallList {
				r.add(pointsCommunication, f.Communication.Error())
			} else {
				r.state = State{}
			}
			return
		case reach.NotReachable:
			if r.notAvailable(f, i) {
				return
			}
		case reach.NoAnswer:
			if r.add(pointsNotReached, msgLimited) {
				return
			}
		}
		if i == repetitions {
			return
		}
	}
	if !f.Nobody {
		r.next = AskNode
	}
}

// notAvailable counts the verdict of the node asked on a repetition. It
// returns true when the round is over or needs another fact.
func (r *round) notAvailable(f Findings, repetition int) bool {
	above := r.add(pointsNotReached, msgNotAvailable)
	if !f.AskPublic || (!above && repetition != publicAt) {
		return above
	}
	switch {
	case f.Public == nil:
		r.next = AskPublic
		return true
	case f.Public.Err != nil:
		r.add(pointsNoPublic, msgNoPublic)
		return true
	case f.Public.IP != f.Own.IP:
		r.state, r.moved = State{}, f.Public.IP
		return true
	}
	return above
}

// add mentions and counts a finding, and reports whether the score is above 10.
func (r *round) add(points float64, message string) bool {
	c := finding{points: points, message: message}
	r.mention(c)
	r.count(c)
	return r.state.DosState > showAbove
}

// count applies a finding. Its message is shown above 10.
func (r *round) count(c finding) {
	r.state.DosState += c.points
	if c.always || r.state.DosState > showAbove {
		r.state.DosMessage = &c.message
	}
}

// unfit applies a finding that settles the score.
func (r *round) unfit(message string) {
	r.reasons = append(r.reasons, "="+strconv.Itoa(Unfit)+" "+message)
	r.state = State{DosState: Unfit, DosMessage: &message}
}

func (r *round) mention(findings ...finding) {
	for _, c := range findings {
		r.reasons = append(r.reasons, "+"+strconv.FormatFloat(c.points, 'g', -1, 64)+" "+c.message)
	}
}
