package importer

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// object is a JavaScript object literal: its members in the order of the
// text, repeated names included.
type object []member

type member struct {
	name  string
	value any // string, number, bool, nil, []any or object
	pos   position
}

// number is a numeric literal, in Go's shortest decimal form.
type number string

// position counts lines and columns (in characters) from 1.
type position struct {
	line, column int
}

// SyntaxError says where a userconfig.js holds something that isn't read.
type SyntaxError struct {
	Line, Column int // from 1; columns count characters
	Msg          string
}

// Error returns position and message.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d: %s", e.Line, e.Column, e.Msg)
}

// maxNesting bounds objects within objects.
const maxNesting = 32

// parseModule reads a module that exports one object literal, either as
// `module.exports = {…}` or as `export default {…}`. It knows the literals of
// ECMA-262 (strings in all three quotes, numbers, booleans, null, arrays,
// objects), comments, trailing commas, and + between string literals. Anything
// that would have to be evaluated is a *SyntaxError.
func parseModule(src string) (object, error) {
	p := &jsParser{src: strings.TrimPrefix(src, "\ufeff"), line: 1, column: 1}
	if !utf8.ValidString(src) {
		return nil, p.fail(position{1, 1}, "the file isn't UTF-8")
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	start := p.pos()
	var header []string
	switch word := p.word(); word {
	case "module":
		header = []string{".", "exports", "="}
	case "export":
		header = []string{"default"}
	default:
		return nil, p.fail(start, "want module.exports = {…} or export default {…}")
	}
	for _, want := range header {
		if err := p.space(); err != nil {
			return nil, err
		}
		at := p.pos()
		if !p.take(want) || len(want) > 1 && isWordRune(p.peek()) {
			return nil, p.fail(at, "want module.exports = {…} or export default {…}")
		}
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	if p.peek() != '{' {
		return nil, p.fail(p.pos(), "want an object literal that begins with {")
	}
	v, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if err := p.space(); err != nil {
		return nil, err
	}
	for p.take(";") {
		if err := p.space(); err != nil {
			return nil, err
		}
	}
	if p.off < len(p.src) {
		return nil, p.fail(p.pos(), "want nothing after the exported object")
	}
	return v.(object), nil
}

type jsParser struct {
	src          string
	off          int
	line, column int
}

func (p *jsParser) pos() position { return position{p.line, p.column} }

func (p *jsParser) fail(at position, format string, args ...any) error {
	return &SyntaxError{Line: at.line, Column: at.column, Msg: fmt.Sprintf(format, args...)}
}

// peek returns the next character, or 0 at the end of the text.
func (p *jsParser) peek() rune {
	if p.off >= len(p.src) {
		return 0
	}
	r, _ := utf8.DecodeRuneInString(p.src[p.off:])
	return r
}

// next consumes a character. A CR that an LF follows doesn't begin a line.
func (p *jsParser) next() rune {
	r, n := utf8.DecodeRuneInString(p.src[p.off:])
	p.off += n
	if isLineEnd(r) && (r != '\r' || p.peek() != '\n') {
		p.line, p.column = p.line+1, 1
	} else {
		p.column++
	}
	return r
}

func isLineEnd(r rune) bool { return r == '\n' || r == '\r' || r == 0x2028 || r == 0x2029 }

// take consumes text if it comes next. The text has no line ends in it.
func (p *jsParser) take(text string) bool {
	if !strings.HasPrefix(p.src[p.off:], text) {
		return false
	}
	p.off += len(text)
	p.column += utf8.RuneCountInString(text)
	return true
}

// space consumes white space and comments.
func (p *jsParser) space() error {
	for p.off < len(p.src) {
		at := p.pos()
		switch r := p.peek(); {
		case isLineEnd(r) || unicode.IsSpace(r) || r == '\ufeff':
			p.next()
		case p.take("//"):
			for p.off < len(p.src) && !isLineEnd(p.peek()) {
				p.next()
			}
		case p.take("/*"):
			for !p.take("*/") {
				if p.off >= len(p.src) {
					return p.fail(at, "this comment doesn't end")
				}
				p.next()
			}
		default:
			return nil
		}
	}
	return nil
}

const spread = "a spread (...) would have to be executed"

func isWordRune(r rune) bool {
	return r == '_' || r == '$' || unicode.IsLetter(r) || unicode.IsDigit(r)
}

// word consumes letters, digits, _ and $; "" if there are none.
func (p *jsParser) word() string {
	start := p.off
	for p.off < len(p.src) && isWordRune(p.peek()) {
		p.next()
	}
	return p.src[start:p.off]
}

func (p *jsParser) value(depth int) (any, error) {
	at := p.pos()
	if depth > maxNesting {
		return nil, p.fail(at, "nested deeper than %d", maxNesting)
	}
	switch r := p.peek(); {
	case r == '{':
		return p.object(depth)
	case r == '[':
		return p.array(depth)
	case r == '\'' || r == '"' || r == '`':
		return p.texts()
	case strings.HasPrefix(p.src[p.off:], "..."):
		return nil, p.fail(at, spread)
	case r == '-' || r == '+' || r == '.' || r >= '0' && r <= '9':
		return p.number()
	case p.off >= len(p.src):
		return nil, p.fail(at, "the file ends where a value is wanted")
	}
	switch word := p.word(); word {
	case "true":
		return true, nil
	case "false":
		return false, nil
	case "null", "undefined":
		return nil, nil
	case "":
		return nil, p.fail(at, "want a value, not %q", p.peek())
	default:
		return nil, p.fail(at, "%.40q isn't a literal; this file is read, not executed", word)
	}
}

func (p *jsParser) object(depth int) (object, error) {
	open := p.pos()
	p.next()
	out := object{}
	for {
		if err := p.space(); err != nil {
			return nil, err
		}
		at := p.pos()
		if p.take("}") {
			return out, nil
		}
		if p.off >= len(p.src) {
			return nil, p.fail(open, "this { isn't closed")
		}
		name, err := p.memberName()
		if err != nil {
			return nil, err
		}
		if err := p.space(); err != nil {
			return nil, err
		}
		if !p.take(":") {
			return nil, p.fail(p.pos(), "want : after the name %.40q", name)
		}
		if err := p.space(); err != nil {
			return nil, err
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, member{name, v, at})
		if closed, err := p.separator('}'); err != nil || closed {
			return out, err
		}
	}
}

// memberName reads an identifier, a string or a number before a colon.
func (p *jsParser) memberName() (string, error) {
	at := p.pos()
	switch r := p.peek(); {
	case r == '\'' || r == '"':
		return p.text()
	case r == '[':
		return "", p.fail(at, "a computed name would have to be executed")
	case strings.HasPrefix(p.src[p.off:], "..."):
		return "", p.fail(at, spread)
	}
	if name := p.word(); name != "" {
		return name, nil
	}
	return "", p.fail(at, "want the name of a member, not %q", p.peek())
}

func (p *jsParser) array(depth int) ([]any, error) {
	open := p.pos()
	p.next()
	out := []any{}
	for {
		if err := p.space(); err != nil {
			return nil, err
		}
		if p.take("]") {
			return out, nil
		}
		if p.off >= len(p.src) {
			return nil, p.fail(open, "this [ isn't closed")
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if closed, err := p.separator(']'); err != nil || closed {
			return out, err
		}
	}
}

// separator consumes the comma after an item, or the end of the collection.
func (p *jsParser) separator(end rune) (closed bool, err error) {
	if err := p.space(); err != nil {
		return false, err
	}
	at := p.pos()
	switch {
	case p.take(","):
		return false, nil
	case p.take(string(end)):
		return true, nil
	case p.off >= len(p.src):
		return false, p.fail(at, "the file ends where , or %c is wanted", end)
	}
	return false, p.fail(at, "want , or %c, not %q: calls, operators and names would have to be executed", end, p.peek())
}

// texts reads string literals joined by +.
func (p *jsParser) texts() (string, error) {
	out, err := p.text()
	for err == nil {
		if err = p.space(); err != nil || !p.take("+") {
			break
		}
		if err = p.space(); err != nil {
			break
		}
		if r := p.peek(); r != '\'' && r != '"' && r != '`' {
			return "", p.fail(p.pos(), "only string literals can be joined by +; this file is read, not executed")
		}
		var more string
		more, err = p.text()
		out += more
	}
	return out, err
}

// text reads one string literal.
func (p *jsParser) text() (string, error) {
	open := p.pos()
	quote := p.next()
	var b strings.Builder
	for {
		at := p.pos()
		if p.off >= len(p.src) {
			return "", p.fail(open, "this string doesn't end")
		}
		r := p.next()
		switch {
		case r == quote:
			return b.String(), nil
		case r == '\\':
			if err := p.escape(&b, at); err != nil {
				return "", err
			}
		case quote == '`' && r == '$' && p.peek() == '{':
			return "", p.fail(at, "a substitution ${…} would have to be executed")
		case quote == '`' && r == '\r':
			if p.peek() == '\n' {
				p.next()
			}
			b.WriteByte('\n') // ECMA-262: template text has LF line ends
		case quote != '`' && (r == '\n' || r == '\r'):
			return "", p.fail(open, "this string doesn't end on its line; only `…` may have several")
		default:
			b.WriteRune(r)
		}
	}
}

var simpleEscapes = map[rune]string{'n': "\n", 't': "\t", 'r': "\r", 'b': "\b", 'f': "\f", 'v': "\v"}

// escape reads what follows a backslash. An unknown letter stands for itself;
// a line end stands for nothing.
func (p *jsParser) escape(b *strings.Builder, at position) error {
	if p.off >= len(p.src) {
		return p.fail(at, "the file ends in an escape")
	}
	switch r := p.next(); {
	case simpleEscapes[r] != "":
		b.WriteString(simpleEscapes[r])
	case r == '\r':
		if p.peek() == '\n' {
			p.next()
		}
	case isLineEnd(r):
	case r == '0' && (p.peek() < '0' || p.peek() > '9'):
		b.WriteByte(0)
	case r >= '0' && r <= '9':
		return p.fail(at, "octal escapes aren't allowed in modules")
	case r == 'x':
		c, ok := p.hex(2, 2)
		if !ok {
			return p.fail(at, `want \x and two hex digits`)
		}
		b.WriteRune(c)
	case r == 'u':
		c, ok := p.unicodeEscape()
		if !ok {
			return p.fail(at, `want \u and four hex digits, or \u{…}`)
		}
		if utf16.IsSurrogate(c) {
			low, ok := rune(0), p.take(`\u`)
			if ok {
				low, ok = p.unicodeEscape()
			}
			if c = utf16.DecodeRune(c, low); !ok || c == utf8.RuneError {
				return p.fail(at, "half of a surrogate pair")
			}
		}
		b.WriteRune(c)
	default:
		b.WriteRune(r)
	}
	return nil
}

func (p *jsParser) unicodeEscape() (rune, bool) {
	if !p.take("{") {
		return p.hex(4, 4)
	}
	c, ok := p.hex(1, 6)
	return c, ok && p.take("}") && c <= unicode.MaxRune
}

// hex reads from least to most hex digits.
func (p *jsParser) hex(least, most int) (rune, bool) {
	n := 0
	for n < most && p.off+n < len(p.src) && strings.IndexByte("0123456789abcdefABCDEF", p.src[p.off+n]) >= 0 {
		n++
	}
	v, err := strconv.ParseUint(p.src[p.off:p.off+n], 16, 32)
	p.off, p.column = p.off+n, p.column+n
	return rune(v), err == nil && n >= least
}

// number reads a signed decimal, hexadecimal, octal or binary literal.
func (p *jsParser) number() (number, error) {
	at, start := p.pos(), p.off
	for p.off < len(p.src) {
		r := p.peek()
		afterE := p.off > start && (p.src[p.off-1] == 'e' || p.src[p.off-1] == 'E')
		if !isWordRune(r) && r != '.' && !((r == '-' || r == '+') && (p.off == start || afterE)) {
			break
		}
		p.next()
	}
	text := p.src[start:p.off]
	digits := strings.TrimLeft(text, "+-")
	plain := len(text)-len(digits) <= 1 && !strings.ContainsRune(digits, '_')
	if leading := len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9'; !plain || leading {
		return "", p.fail(at, "%.40q isn't a number that is read here", text)
	}
	if len(digits) > 2 && digits[0] == '0' && strings.IndexByte("xXoObB", digits[1]) >= 0 {
		n, err := strconv.ParseInt(text, 0, 64)
		if err != nil {
			return "", p.fail(at, "%.40q isn't a number that is read here", text)
		}
		return number(strconv.FormatInt(n, 10)), nil
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) || math.IsNaN(f) || strings.ContainsAny(digits, "xXpP") {
		return "", p.fail(at, "%.40q isn't a number that is read here", text)
	}
	return number(strconv.FormatFloat(f, 'f', -1, 64)), nil
}
