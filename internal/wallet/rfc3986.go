package wallet

import (
	"net/netip"
	"strings"
)

// The productions of RFC 3986 that EIP-4361 imports. net/url is not used: it
// takes much that the grammar does not.

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func isAlpha(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isHexDigit(c byte) bool { return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'f' }

func isUnreserved(c byte) bool {
	return isAlpha(c) || isDigit(c) || strings.IndexByte("-._~", c) >= 0
}

func isSubDelim(c byte) bool { return strings.IndexByte("!$&'()*+,;=", c) >= 0 }

func isReserved(c byte) bool { return isSubDelim(c) || strings.IndexByte(":/?#[]@", c) >= 0 }

func isRegNameByte(c byte) bool { return isUnreserved(c) || isSubDelim(c) }

func isUserInfoByte(c byte) bool { return isRegNameByte(c) || c == ':' }

// isPathByte is pchar, but for percent-encoding.
func isPathByte(c byte) bool { return isUserInfoByte(c) || c == '@' }

// isQueryByte is a character of a query or a fragment.
func isQueryByte(c byte) bool { return isPathByte(c) || c == '/' || c == '?' }

func allBytes(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

// isEncoded reports whether s is made of ok bytes and "%" with two hex digits.
func isEncoded(s string, ok func(byte) bool) bool {
	for i := 0; i < len(s); i++ {
		switch {
		case ok(s[i]):
		case s[i] == '%' && i+2 < len(s) && isHexDigit(s[i+1]) && isHexDigit(s[i+2]):
			i += 2
		default:
			return false
		}
	}
	return true
}

func isScheme(s string) bool {
	return s != "" && isAlpha(s[0]) &&
		allBytes(s, func(c byte) bool { return isAlpha(c) || isDigit(c) || strings.IndexByte("+-.", c) >= 0 })
}

// isURI reports whether s is a URI: scheme ":" hier-part [ "?" query ] [ "#" fragment ].
func isURI(s string) bool {
	s, fragment, _ := strings.Cut(s, "#")
	s, query, _ := strings.Cut(s, "?")
	scheme, rest, ok := strings.Cut(s, ":")
	if !ok || !isScheme(scheme) || !isEncoded(query, isQueryByte) || !isEncoded(fragment, isQueryByte) {
		return false
	}
	path := rest
	if after, ok := strings.CutPrefix(rest, "//"); ok {
		end := strings.IndexByte(after, '/')
		if end < 0 {
			end = len(after)
		}
		if _, ok := authorityHost(after[:end]); !ok {
			return false
		}
		path = after[end:]
	}
	return isEncoded(path, func(c byte) bool { return isPathByte(c) || c == '/' })
}

// authorityHost returns the host of [ userinfo "@" ] host [ ":" port ], which
// may be empty, and whether s is such an authority.
func authorityHost(s string) (string, bool) {
	if user, rest, ok := strings.Cut(s, "@"); ok {
		if !isEncoded(user, isUserInfoByte) {
			return "", false
		}
		s = rest
	}
	if literal, ok := strings.CutPrefix(s, "["); ok {
		literal, port, ok := strings.Cut(literal, "]")
		return literal, ok && isIPLiteral(literal) && (port == "" || port[0] == ':' && allBytes(port[1:], isDigit))
	}
	host, port, _ := strings.Cut(s, ":")
	return host, isEncoded(host, isRegNameByte) && allBytes(port, isDigit)
}

// isIPLiteral reports whether s, without its brackets, is an IPv6 address or an
// address of a future version ("v1.…").
func isIPLiteral(s string) bool {
	if s != "" && s[0]|0x20 == 'v' {
		version, address, _ := strings.Cut(s[1:], ".")
		return version != "" && allBytes(version, isHexDigit) && address != "" && allBytes(address, isUserInfoByte)
	}
	ip, err := netip.ParseAddr(s)
	return err == nil && ip.Is6() && ip.Zone() == ""
}
