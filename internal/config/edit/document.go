package edit

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	// maxFile bounds the file, in bytes, as reading the configuration does.
	maxFile = 1 << 20

	// maxDepth bounds the nesting of a file; the deepest key has three parts
	// and may hold a list.
	maxDepth = 8
)

var bom = []byte("\uFEFF")

// span is a range of bytes of a document.
type span struct{ start, end int }

// document is a YAML file with the place of each of its tokens.
type document struct {
	src    []byte // without byte order mark
	tokens token.Tokens
	spans  map[*token.Token]span
	root   ast.Node // a mapping, or nil when the file has no keys
	tree   value
	eol    string
}

// parse reads a document. Its errors repeat nothing of the file.
func parse(src []byte) (*document, error) {
	if len(src) > maxFile {
		return nil, fmt.Errorf("is larger than %d bytes", maxFile)
	}
	d := &document{src: src, eol: "\n"}
	if 2*bytes.Count(src, []byte("\r\n")) > bytes.Count(src, []byte("\n")) {
		d.eol = "\r\n"
	}
	d.tokens = lexer.Tokenize(string(src))
	if err := d.align(); err != nil {
		return nil, err
	}
	file, err := parser.Parse(d.tokens, 0)
	if err != nil {
		return nil, syntaxError(err)
	}
	for _, doc := range file.Docs {
		if doc.Body == nil || doc.Body.Type() == ast.CommentType {
			continue
		}
		if d.root != nil {
			return nil, errors.New("holds several YAML documents, want one")
		}
		d.root = doc.Body
	}
	if d.root == nil {
		return d, nil
	}
	if d.tree, err = convert(d.root, 0); err != nil {
		return nil, err
	}
	switch d.tree.kind {
	case kindMap:
	case kindNull:
		d.root = nil
	default:
		return nil, errors.New("wants sections with keys at its top")
	}
	return d, nil
}

// syntaxError keeps message and line of an error of the library, whose own text
// repeats lines of the file, and with them secrets.
func syntaxError(err error) error {
	y, ok := errors.AsType[yaml.Error](err)
	if !ok {
		return errors.New("isn't YAML")
	}
	if t := y.GetToken(); t != nil && t.Position != nil {
		return fmt.Errorf("isn't YAML: line %d: %s", t.Position.Line, y.GetMessage())
	}
	return errors.New("isn't YAML: " + y.GetMessage())
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// align finds the bytes of each token. The tokens hold all of the file except
// for some white space, in order; the positions that the lexer notes count
// characters, and not all of them.
func (d *document) align() error {
	d.spans = make(map[*token.Token]span, len(d.tokens))
	at := 0
	for _, t := range d.tokens {
		s := span{at, at}
		for i := range len(t.Origin) {
			c := t.Origin[i]
			if isSpace(c) {
				continue
			}
			for at < len(d.src) && isSpace(d.src[at]) {
				at++
			}
			if at == len(d.src) || d.src[at] != c {
				return fmt.Errorf("has something in line %d that this edit can't place", 1+bytes.Count(d.src[:at], []byte("\n")))
			}
			if s.start == s.end {
				s.start = at
			}
			at++
			s.end = at
		}
		d.spans[t] = s
	}
	if len(bytes.TrimLeft(d.src[at:], " \t\r\n")) != 0 {
		return fmt.Errorf("has something in line %d that this edit can't place", 1+bytes.Count(d.src[:at], []byte("\n")))
	}
	return nil
}

// convert turns a YAML node into a value, and refuses what the daemon refuses
// to read.
func convert(n ast.Node, depth int) (value, error) {
	if depth > maxDepth {
		return value{}, errors.New("is nested too deep")
	}
	switch n := n.(type) {
	case *ast.NullNode:
		return value{}, nil
	case *ast.BoolNode:
		return value{kind: kindBool, text: n.GetToken().Value}, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		return value{kind: kindNumber, text: n.GetToken().Value}, nil
	case *ast.StringNode:
		return value{kind: kindText, text: n.Value}, nil
	case *ast.LiteralNode:
		return value{kind: kindText, text: n.Value.Value}, nil
	case *ast.SequenceNode:
		out := value{kind: kindList}
		for _, item := range n.Values {
			v, err := convert(item, depth+1)
			if err != nil {
				return value{}, err
			}
			out.items = append(out.items, v)
		}
		return out, nil
	case *ast.MappingNode, *ast.MappingValueNode:
		return convertMap(n, depth)
	}
	line := 0
	if t := n.GetToken(); t != nil && t.Position != nil {
		line = t.Position.Line
	}
	return value{}, fmt.Errorf("has %s in line %d: want only sections, lists and plain values", strings.ToLower(n.Type().YAMLName()), line)
}

func convertMap(n ast.Node, depth int) (value, error) {
	out := value{kind: kindMap}
	seen := map[string]bool{}
	for _, p := range pairs(n) {
		key, err := keyOf(p)
		if err != nil {
			return value{}, err
		}
		if seen[key] {
			return value{}, fmt.Errorf("has a key twice, again in line %d", p.Key.GetToken().Position.Line)
		}
		seen[key] = true
		v, err := convert(p.Value, depth+1)
		if err != nil {
			return value{}, err
		}
		out.members = append(out.members, member{key, v})
	}
	return out, nil
}

// keyOf returns the name of a member.
func keyOf(p *ast.MappingValueNode) (string, error) {
	switch k := p.Key.(type) {
	case *ast.StringNode:
		return k.Value, nil
	case *ast.BoolNode, *ast.IntegerNode, *ast.FloatNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, nil
	}
	return "", errors.New("has a key that isn't a word")
}

// pairs returns the members of a mapping; nil if n is none.
func pairs(n ast.Node) []*ast.MappingValueNode {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}
	}
	return nil
}

// isFlow reports whether n is a mapping in braces.
func isFlow(n ast.Node) bool {
	m, ok := n.(*ast.MappingNode)
	return ok && m.IsFlowStyle
}

// extent returns the bytes of a node, from its first to its last token. An
// implicit null has none.
func (d *document) extent(n ast.Node) (span, bool) {
	out := span{math.MaxInt, -1}
	var walk func(ast.Node)
	add := func(tokens ...*token.Token) {
		for _, t := range tokens {
			if s, ok := d.spans[t]; ok {
				out = span{min(out.start, s.start), max(out.end, s.end)}
			}
		}
	}
	walk = func(n ast.Node) {
		switch n := n.(type) {
		case *ast.LiteralNode:
			add(n.Start, n.Value.Token)
		case *ast.SequenceNode:
			add(n.Start, n.End)
			for _, e := range n.Entries {
				add(e.Start)
			}
			for _, v := range n.Values {
				walk(v)
			}
		case *ast.MappingNode:
			if n.IsFlowStyle {
				add(n.Start, n.End)
			}
			for _, p := range n.Values {
				walk(p)
			}
		case *ast.MappingValueNode:
			add(n.Start)
			walk(n.Key)
			walk(n.Value)
		default:
			add(n.GetToken())
		}
	}
	walk(n)
	return out, out.end >= 0
}

// comments returns the spans of the comments between two offsets, in order.
func (d *document) comments(start, end int) []span {
	var out []span
	for _, t := range d.tokens {
		if s := d.spans[t]; t.Type == token.CommentType && s.start >= start && s.end <= end {
			out = append(out, s)
		}
	}
	return out
}

// lineStart returns the offset of the line that holds at.
func (d *document) lineStart(at int) int { return bytes.LastIndexByte(d.src[:at], '\n') + 1 }

// lineEnd returns the offset after the line that holds at, line end included.
func (d *document) lineEnd(at int) int {
	if i := bytes.IndexByte(d.src[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(d.src)
}

// column counts the bytes before at in its line.
func (d *document) column(at int) int { return at - d.lineStart(at) }

// opensLine reports whether only blanks stand before at in its line.
func (d *document) opensLine(at int) bool {
	return len(bytes.Trim(d.src[d.lineStart(at):at], " \t")) == 0
}

// splice is a replacement of bytes; in its text lines end with \n.
type splice struct {
	span
	text string
}

// apply returns the document with splices made. Those at one offset are made in
// their order; the second of two that overlap is an error.
func (d *document) apply(splices []splice) ([]byte, error) {
	splices = slices.Clone(splices)
	slices.SortStableFunc(splices, func(a, b splice) int { return a.start - b.start })
	var out []byte
	at := 0
	for _, s := range splices {
		if s.start < at {
			return nil, errors.New("changes overlap")
		}
		out = append(out, d.src[at:s.start]...)
		out = append(out, strings.ReplaceAll(s.text, "\n", d.eol)...)
		at = s.end
	}
	return append(out, d.src[at:]...), nil
}

// newLines returns the splice that puts lines, each ended by \n, at the line
// start at, or after a last line that has no end.
func (d *document) newLines(at int, lines string) splice {
	if at > 0 && at == len(d.src) && d.src[at-1] != '\n' {
		lines = "\n" + strings.TrimSuffix(lines, "\n")
	}
	return splice{span{at, at}, lines}
}
