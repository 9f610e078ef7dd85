package edit

import (
	"errors"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// step is by how many columns a new section's keys are indented.
const step = 2

// add returns the document with a key that it doesn't have.
func (d *document) add(c change) (*document, error) {
	names := strings.Split(c.key, ".")
	path := names
	var section *ast.MappingValueNode // nil is the top
	inFlow := d.root != nil && isFlow(d.root)
	in := d.root
	for len(names) > 1 {
		i := slices.IndexFunc(pairs(in), func(p *ast.MappingValueNode) bool {
			name, err := keyOf(p)
			return err == nil && name == names[0]
		})
		if i < 0 {
			break
		}
		section = pairs(in)[i]
		in = section.Value
		switch {
		case pairs(in) != nil || isFlow(in):
			inFlow = isFlow(in)
		case in.Type() != ast.NullType:
			return nil, errors.New("stands in a section that has a value of its own")
		}
		names = names[1:]
	}
	want := d.tree.with(path, c.to)
	nested := *c.to
	for i := len(names) - 1; i > 0; i-- {
		nested = value{kind: kindMap, members: []member{{names[i], nested}}}
	}
	one := value{kind: kindMap, members: []member{{names[0], nested}}}

	var ways [][]splice
	_, written := d.extentOf(in)
	switch {
	case inFlow && pairs(in) == nil && !isFlow(in), pairs(in) == nil && !isFlow(in) && written:
		// An empty section in braces, or one that says null.
		ways = d.replacements(hit{pair: section}, one)
	case isFlow(in):
		ways = d.intoBraces(in.(*ast.MappingNode), one)
	default:
		ways = d.intoLines(section, in, names, *c.to)
	}
	return d.first(want, ways)
}

// extentOf is extent for a node that may be nil.
func (d *document) extentOf(n ast.Node) (span, bool) {
	if n == nil {
		return span{}, false
	}
	return d.extent(n)
}

// intoBraces lists the ways to add a member to a mapping in braces.
func (d *document) intoBraces(m *ast.MappingNode, one value) [][]splice {
	text := name(one.members[0].name) + ": " + one.members[0].value.String()
	if len(m.Values) == 0 {
		at := d.spans[m.Start].end
		return [][]splice{{{span{at, at}, text}}}
	}
	last, _ := d.extent(m.Values[len(m.Values)-1])
	at, text := last.end, ", "+text
	closing := d.spans[m.End]
	for _, t := range d.tokens {
		if s := d.spans[t]; t.Type == token.CollectEntryType && s.start >= last.end && s.end <= closing.start {
			at, text = s.end, text[1:] // after a comma that stands there already
		}
	}
	return [][]splice{{{span{at, at}, text}}}
}

// intoLines lists the ways to add a member to a mapping that has a line for
// each key: below a commented-out sample of it, else at the end.
func (d *document) intoLines(section *ast.MappingValueNode, in ast.Node, names []string, to value) [][]splice {
	outer, from := -1, 0
	if section != nil {
		key, _ := d.extent(section.Key)
		outer, from = d.column(key.start), d.spans[section.Start].end
	}
	end := from // after the last token of the section
	indent := -1
	if s, ok := d.extentOf(in); ok {
		end = s.end
		first, _ := d.extent(pairs(in)[0])
		indent = d.column(first.start)
	}
	until := d.nextKey(end)

	var ways [][]splice
	for _, s := range d.comments(from, until) {
		column, ok := d.sampleOf(s, names[0])
		if !ok || indent >= 0 && column != indent || column <= outer {
			continue
		}
		at := d.afterSample(s)
		ways = append(ways, []splice{d.newLines(at, block(column, names, to))})
	}
	if indent < 0 {
		indent = outer + step
		if outer < 0 {
			indent = 0
		}
	}
	if section == nil {
		at := d.documentEnd()
		lines := block(indent, names, to)
		if at > 0 {
			lines = "\n" + lines
		}
		ways = append(ways, []splice{d.newLines(at, lines)})
		if s, ok := d.extentOf(in); ok {
			// Above all keys, for a file that ends with a literal text without a
			// line end: it would get one.
			at := d.lineStart(s.start)
			ways = append(ways, []splice{d.newLines(at, block(indent, names, to))})
		}
		return ways
	}
	// The end of a section is below the comments that follow its last line and
	// are indented like its keys; where that can't be, below the last line or, if
	// that is of a literal text without a line end, above the first key.
	last := d.lineEnd(max(end-1, 0))
	at := last
	for at < len(d.src) {
		first := at + len(d.src[at:]) - len(strings.TrimLeft(string(d.src[at:]), " \t"))
		if first >= len(d.src) || d.src[first] != '#' || d.column(first) <= outer {
			break
		}
		at = d.lineEnd(at)
	}
	blank := last // below blank lines, which may belong to a literal text
	for blank < until && strings.TrimSpace(string(d.src[blank:d.lineEnd(blank)])) == "" {
		blank = d.lineEnd(blank)
	}
	for _, at := range []int{at, last, blank, d.lineEnd(from - 1)} {
		ways = append(ways, []splice{d.newLines(at, block(indent, names, to))})
	}
	return ways
}

// block writes nested keys, a line for each.
func block(indent int, names []string, to value) string {
	var b strings.Builder
	for i, n := range names {
		b.WriteString(strings.Repeat(" ", indent+i*step) + name(n) + ":")
		if i < len(names)-1 {
			b.WriteByte('\n')
		}
	}
	return b.String() + " " + to.String() + "\n"
}

// nextKey returns the offset of the first key after an offset, or the end of
// the document.
func (d *document) nextKey(after int) int {
	next := d.documentEnd()
	var walk func(ast.Node)
	walk = func(n ast.Node) {
		for _, p := range pairs(n) {
			if s, ok := d.extent(p.Key); ok && s.start >= after {
				next = min(next, s.start)
			}
			walk(p.Value)
		}
	}
	if d.root != nil {
		walk(d.root)
	}
	return next
}

// documentEnd returns where lines can be added to the document: its end, or the
// line that ends it with three dots.
func (d *document) documentEnd() int {
	for _, t := range d.tokens {
		if t.Type == token.DocumentEndType {
			return d.lineStart(d.spans[t].start)
		}
	}
	return len(d.src)
}

// comment is a comment of its own line, taken apart.
type comment struct {
	column int    // of its sign
	blanks int    // between sign and text
	text   string // without sign
}

func (d *document) commentAt(s span) (comment, bool) {
	inner := strings.TrimLeft(string(d.src[s.start:s.end]), "#")
	text := strings.TrimLeft(inner, " ")
	return comment{d.column(s.start), len(inner) - len(text), text}, d.opensLine(s.start)
}

// sampleOf reports whether a comment is a commented-out key, and the column
// that the key has when the comment sign is taken away.
func (d *document) sampleOf(s span, key string) (int, bool) {
	c, ok := d.commentAt(s)
	rest, same := strings.CutPrefix(c.text, key+":")
	if !ok || !same || rest != "" && rest[0] != ' ' {
		return 0, false
	}
	// "#key" and "# key" are signs put before the key; with more blanks the
	// sign was put at the beginning of the line.
	if c.blanks > 1 {
		return c.column + c.blanks, true
	}
	return c.column, true
}

// afterSample returns the offset of the line below a commented-out key and the
// commented-out lines of its value, which are indented or items of a list.
func (d *document) afterSample(s span) int {
	key, _ := d.commentAt(s)
	at := d.lineEnd(s.start)
	for _, next := range d.comments(at, len(d.src)) {
		c, ok := d.commentAt(next)
		item := strings.HasPrefix(c.text, "- ") && c.blanks == key.blanks
		if !ok || d.lineStart(next.start) != at || c.column != key.column || !item && c.blanks < key.blanks+step {
			break
		}
		at = d.lineEnd(at)
	}
	return at
}
