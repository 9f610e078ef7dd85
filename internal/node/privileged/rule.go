package privileged

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/fluxosd/fluxosd/internal/fault"
)

// Protocol is what a rule is about.
type Protocol uint8

const (
	// TCP is connections.
	TCP Protocol = iota
	// UDP is datagrams.
	UDP
	// Both is TCP and UDP.
	Both
)

var protocolNames = [...]string{"tcp", "udp", "both"}

// String returns tcp, udp or both.
func (p Protocol) String() string {
	if int(p) < len(protocolNames) {
		return protocolNames[p]
	}
	return fmt.Sprintf("protocol(%d)", uint8(p))
}

// Direction is which way the first packet goes.
type Direction uint8

const (
	// In is from others to this host.
	In Direction = iota
	// Out is from this host to others.
	Out
)

var directionNames = [...]string{"in", "out"}

// String returns in or out.
func (d Direction) String() string {
	if int(d) < len(directionNames) {
		return directionNames[d]
	}
	return fmt.Sprintf("direction(%d)", uint8(d))
}

// maxNote is how many characters a note may have: with the rule it has to fit
// into a comment of nftables, 128 bytes.
const maxNote = 40

// Rule lets traffic to some ports through. Every rule allows; there is none
// that denies.
type Rule struct {
	// Port and EndPort are the first and the last port, 1 to 65535, at the
	// receiving end: of this host for In, of the other for Out. EndPort 0 means
	// Port alone.
	Port, EndPort uint16
	Protocol      Protocol
	Direction     Direction
	// From is the other end: where In comes from, where Out goes to. The zero
	// Prefix is everybody, by IPv4 and IPv6.
	From netip.Prefix
	// Note says what it is for, in at most 40 plain characters. It is no part of
	// what the rule is: rules that differ only here are the same. ufw doesn't
	// keep it.
	Note string
}

// Validate says what is wrong with the rule.
func (r Rule) Validate() error {
	var errs []error
	if r.Port == 0 {
		errs = append(errs, errors.New("port 0: want 1 to 65535"))
	}
	if r.EndPort != 0 && r.EndPort < r.Port {
		errs = append(errs, fmt.Errorf("ports %d to %d: the last is below the first", r.Port, r.EndPort))
	}
	if r.Protocol > Both {
		errs = append(errs, fmt.Errorf("%v: want tcp, udp or both", r.Protocol))
	}
	if r.Direction > Out {
		errs = append(errs, fmt.Errorf("%v: want in or out", r.Direction))
	}
	if r.From != (netip.Prefix{}) && (!r.From.IsValid() || r.From.Bits() == 0 || r.From.Addr().Is4In6()) {
		errs = append(errs, fmt.Errorf("from %v: want a network such as 192.0.2.0/24, or none for everybody", r.From))
	}
	if len(r.Note) > maxNote || strings.ContainsFunc(r.Note, unfitForNote) || strings.TrimSpace(r.Note) != r.Note {
		errs = append(errs, fmt.Errorf("note %q: want at most %d letters, digits, spaces and .,:+/()- characters", clip(r.Note), maxNote))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("firewall rule: %w", err)
	}
	return nil
}

// unfitForNote keeps out what ends a comment in ufw, in nft or here.
func unfitForNote(c rune) bool {
	return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(" .,:+/()-", c)
}

// last returns the last port.
func (r Rule) last() uint16 { return max(r.Port, r.EndPort) }

// key is what makes the rule the rule it is: comparable, without the note.
func (r Rule) key() Rule {
	r.EndPort, r.Note = r.last(), ""
	if r.From.IsValid() {
		r.From = r.From.Masked()
	}
	return r
}

// covers reports whether the rule lets through all that other does.
func (r Rule) covers(other Rule) bool {
	return r.Direction == other.Direction && (r.Protocol == Both || r.Protocol == other.Protocol) &&
		r.Port <= other.Port && r.last() >= other.last() && prefixCovers(r.From, other.From)
}

// overlaps reports whether some traffic belongs to both rules.
func (r Rule) overlaps(other Rule) bool {
	return r.Direction == other.Direction && (r.Protocol == Both || other.Protocol == Both || r.Protocol == other.Protocol) &&
		r.Port <= other.last() && other.Port <= r.last() &&
		(!r.From.IsValid() || !other.From.IsValid() || r.From.Overlaps(other.From))
}

// prefixCovers reports whether a, or everybody, contains b.
func prefixCovers(a, b netip.Prefix) bool {
	if !a.IsValid() {
		return true
	}
	return b.IsValid() && a.Bits() <= b.Bits() && a.Contains(b.Addr())
}

// String returns the rule on one line: "in tcp 16126-16129 from 192.0.2.0/24 #
// note", with "to" for Out. ParseRule reads it.
func (r Rule) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %v %d", r.Direction, r.Protocol, r.Port)
	if r.last() != r.Port {
		fmt.Fprintf(&b, "-%d", r.EndPort)
	}
	if r.From.IsValid() {
		word := "from"
		if r.Direction == Out {
			word = "to"
		}
		fmt.Fprintf(&b, " %s %v", word, r.From.Masked())
	}
	if r.Note != "" {
		b.WriteString(" # " + r.Note)
	}
	return b.String()
}

// ParseRule reads what String writes.
func ParseRule(text string) (Rule, error) {
	bad := func(why string) (Rule, error) {
		return Rule{}, fmt.Errorf("firewall rule %q: %s, want a line such as: in tcp 16127 from 192.0.2.0/24 # note", clip(text), why)
	}
	var r Rule
	spec, note, _ := strings.Cut(text, " # ")
	r.Note = note
	f := strings.Split(spec, " ")
	if len(f) != 3 && len(f) != 5 {
		return bad("wrong number of words")
	}
	var ok bool
	if r.Direction, ok = named[Direction](directionNames[:], f[0]); !ok {
		return bad("no direction")
	}
	if r.Protocol, ok = named[Protocol](protocolNames[:], f[1]); !ok {
		return bad("no protocol")
	}
	if r.Port, r.EndPort, ok = ports(f[2], "-"); !ok {
		return bad("no ports")
	}
	if len(f) == 5 {
		prefix, err := netip.ParsePrefix(f[4])
		if err != nil || (f[3] == "from") != (r.Direction == In) || (f[3] == "to") != (r.Direction == Out) {
			return bad("no other end")
		}
		r.From = prefix.Masked()
	}
	if err := r.Validate(); err != nil {
		return Rule{}, err
	}
	return r, nil
}

func named[T ~uint8](names []string, word string) (T, bool) {
	for i, name := range names {
		if name == word {
			return T(i), true
		}
	}
	return 0, false
}

// ports reads one port, or two around sep. The second is 0 when there is one,
// or when both are the same.
func ports(text, sep string) (first, last uint16, ok bool) {
	low, high, two := strings.Cut(text, sep)
	if first, ok = port(low); !ok || !two {
		return first, 0, ok
	}
	if last, ok = port(high); !ok || last < first {
		return 0, 0, false
	}
	if last == first {
		last = 0
	}
	return first, last, true
}

// port reads a decimal number from 1 to 65535, without sign or spaces.
func port(text string) (uint16, bool) {
	n, err := strconv.ParseUint(text, 10, 16)
	return uint16(n), err == nil && n != 0
}

// ParsePort reads a port that a caller of the API gave: decimal digits, 1 to
// 65535. Its errors are for that caller and carry the text as code and name.
func ParsePort(text string) (uint16, error) {
	if text == "" {
		return 0, &fault.Error{Kind: fault.Invalid, Msg: "No Port address specified."}
	}
	n, ok := port(text)
	if !ok {
		return 0, &fault.Error{Kind: fault.Invalid, Code: clip(text), Name: clip(text), Msg: "Port needs to be a number"}
	}
	return n, nil
}
