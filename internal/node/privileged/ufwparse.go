package privileged

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ufwRule is a rule as "ufw show added" prints it: the command that adds it.
type ufwRule struct {
	Rule    // what it is about; meaningless when foreign
	action  string
	foreign bool // it has an interface, a source port, a profile, …: not of a kind that fluxosd makes
	comment string
	line    string // as printed
}

// own reports whether fluxosd made the rule.
func (a ufwRule) own() bool {
	return a.comment == ufwComment && a.action == "allow" && !a.foreign
}

// allows reports whether the rule lets all of r through.
func (a ufwRule) allows(r Rule) bool { return a.action == "allow" && !a.foreign && a.covers(r) }

// replacedBy reports whether ufw would overwrite the rule when told to allow r.
func (a ufwRule) replacedBy(r Rule) bool {
	return a.action != "allow" && !a.foreign && a.key() == r.key()
}

// refuses reports whether the rule keeps out some of r.
func (a ufwRule) refuses(r Rule) bool {
	return (a.action == "deny" || a.action == "reject") && !a.foreign && a.overlaps(r)
}

// arguments returns the rule in ufw's full syntax, without a comment.
func (a ufwRule) arguments() []string {
	args := []string{a.action, a.Direction.String()}
	if a.Protocol != Both {
		args = append(args, "proto", a.Protocol.String())
	}
	from, to := "any", "any"
	if a.From.IsValid() {
		other := a.From.Masked().String()
		if a.Direction == In {
			from = other
		} else {
			to = other
		}
	}
	where := fmt.Sprint(a.Port)
	if a.last() != a.Port {
		where = fmt.Sprintf("%d:%d", a.Port, a.last())
	}
	return append(args, "from", from, "to", to, "port", where)
}

// maxUFWRules bounds what is read of ufw's rules.
const maxUFWRules = 10000

// parseAdded reads the answer of "ufw show added".
func parseAdded(text string) ([]ufwRule, error) {
	var all []ufwRule
	header := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.HasPrefix(line, "Added user rules"):
			header = true
		case line == "" || line == "(None)":
		case strings.HasPrefix(line, "ufw ") && header:
			all = append(all, parseUFW(line))
		default:
			return nil, fmt.Errorf("ufw show added: unexpected line %q", clip(line))
		}
		if len(all) > maxUFWRules {
			return nil, fmt.Errorf("ufw show added: more than %d rules", maxUFWRules)
		}
	}
	if !header {
		return nil, fmt.Errorf("ufw show added: unexpected answer %q", clip(text))
	}
	return all, nil
}

// parseUFW reads one line. A rule that it doesn't understand is a foreign one.
func parseUFW(line string) ufwRule {
	a := ufwRule{line: line}
	words, comment := splitComment(strings.TrimPrefix(line, "ufw "))
	a.comment = comment
	a.foreign = !a.read(strings.Fields(words))
	if a.foreign {
		a.Rule = Rule{}
	}
	return a
}

// splitComment parts a line at its comment, which is last and in single quotes,
// of which it has none inside.
func splitComment(line string) (words, comment string) {
	words, comment, _ = strings.Cut(line, " comment '")
	return words, strings.TrimSuffix(comment, "'")
}

// read reads the words of a rule: action, direction, and either port/protocol
// or from, to, port and proto with their values. It reports whether the rule is of
// a kind that fluxosd makes.
func (a *ufwRule) read(w []string) bool {
	if len(w) == 0 {
		return false
	}
	a.action, w = w[0], w[1:]
	if !slices.Contains([]string{"allow", "deny", "reject", "limit"}, a.action) {
		return false
	}
	if len(w) > 0 && (w[0] == "in" || w[0] == "out") {
		a.Direction, _ = named[Direction](directionNames[:], w[0])
		w = w[1:]
	}
	a.Protocol = Both
	if len(w) == 1 {
		return a.readShort(w[0])
	}
	return a.readLong(w)
}

// readShort reads 16127, 16127/tcp or 16100:16110/udp.
func (a *ufwRule) readShort(word string) bool {
	where, protocol, found := strings.Cut(word, "/")
	if found && !a.readProtocol(protocol) {
		return false
	}
	return a.readPorts(where)
}

func (a *ufwRule) readProtocol(word string) (ok bool) {
	a.Protocol, ok = named[Protocol](protocolNames[:Both], word)
	return ok
}

func (a *ufwRule) readPorts(word string) (ok bool) {
	a.Port, a.EndPort, ok = ports(word, ":")
	return ok
}

// readLong reads pairs: from ADDRESS, to ADDRESS, port PORTS (of the end named
// before), proto PROTOCOL.
func (a *ufwRule) readLong(w []string) bool {
	var from, to netip.Prefix
	end := ""
	for ; len(w) >= 2; w = w[2:] {
		ok := true
		switch w[0] {
		case "from":
			from, ok = ufwAddress(w[1])
			end = "from"
		case "to":
			to, ok = ufwAddress(w[1])
			end = "to"
		case "port":
			ok = end == "to" && a.Port == 0 && a.readPorts(w[1])
		case "proto":
			ok = a.readProtocol(w[1])
		default:
			ok = false
		}
		if !ok {
			return false
		}
	}
	here := to
	a.From = from
	if a.Direction == Out {
		here, a.From = from, to
	}
	return len(w) == 0 && a.Port != 0 && !here.IsValid()
}

// ufwAddress reads an address, a network or "any", which is the zero Prefix.
func ufwAddress(word string) (netip.Prefix, bool) {
	if word == "any" {
		return netip.Prefix{}, true
	}
	if addr, err := netip.ParseAddr(word); err == nil && addr.Zone() == "" {
		return netip.PrefixFrom(addr, addr.BitLen()), true
	}
	p, err := netip.ParsePrefix(word)
	return p, err == nil && p.Bits() > 0
}
