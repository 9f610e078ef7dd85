package edit

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"
)

// change is what an edit does to one key.
type change struct {
	key string // sections and name, joined by dots
	to  *value // nil removes the key
}

// errUnsafe says that no way to write a change kept the rest of the file as it
// is.
var errUnsafe = errors.New("can't be changed without touching other lines: change it by hand")

// rewrite returns the file with changes made one after the other. The file is
// returned as it came when it already is as wanted.
func rewrite(file []byte, changes []change) ([]byte, error) {
	src, marked := bytes.CutPrefix(file, bom)
	d, err := parse(src)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		if d, err = d.change(c); err != nil {
			return nil, fmt.Errorf("%s %w", c.key, err)
		}
	}
	if marked {
		return append(bytes.Clone(bom), d.src...), nil
	}
	return d.src, nil
}

// hit is a key that the file has.
type hit struct {
	path []string // names from the top
	pair *ast.MappingValueNode
	in   ast.Node // the mapping that holds it
}

// change returns the document with one change made, in the first way that passes
// verify.
func (d *document) change(c change) (*document, error) {
	var hits []hit
	if d.root != nil {
		hits = d.find(d.root, nil, c.key)
	}
	switch {
	case len(hits) > 1:
		return nil, fmt.Errorf("is set twice, in lines %d and %d: keep one of them",
			hits[0].pair.Key.GetToken().Position.Line, hits[1].pair.Key.GetToken().Position.Line)
	case len(hits) == 1 && c.to == nil:
		h := hits[0]
		return d.first(d.tree.with(h.path, nil), d.removals(h))
	case len(hits) == 1:
		h := hits[0]
		if old, err := convert(h.pair.Value, 0); err != nil || old.equal(*c.to) && old.kind == c.to.kind {
			return d, err
		}
		return d.first(d.tree.with(h.path, c.to), d.replacements(h, *c.to))
	case c.to == nil:
		return d, nil
	}
	return d.add(c)
}

// find returns the members of m, which stand under path, that set key. A name
// may hold dots, too: node.kadena: "…" at the top is read like kadena in node.
func (d *document) find(m ast.Node, path []string, key string) []hit {
	var out []hit
	for _, p := range pairs(m) {
		name, err := keyOf(p)
		if err != nil {
			continue
		}
		here := append(path[:len(path):len(path)], name)
		if name == key {
			out = append(out, hit{here, p, m})
		} else if rest, ok := strings.CutPrefix(key, name+"."); ok {
			out = append(out, d.find(p.Value, here, rest)...)
		}
	}
	return out
}

// first makes the first of the ways whose result verifies.
func (d *document) first(want value, ways [][]splice) (*document, error) {
	for _, way := range ways {
		out, err := d.apply(way)
		if err == nil && len(out) > maxFile {
			return nil, fmt.Errorf("would make the file larger than %d bytes", maxFile)
		}
		if err != nil {
			continue
		}
		if n, err := parse(out); err == nil && d.verify(n, want, way) == nil {
			return n, nil
		}
	}
	return nil, errUnsafe
}

// verify compares the values of n, the result of splices, with those wanted and
// its comments with those that no splice removed.
func (d *document) verify(n *document, want value, way []splice) error {
	if !n.tree.equal(want) {
		return errors.New("values differ")
	}
	left := map[string]int{}
	for _, s := range n.comments(0, len(n.src)) {
		left[string(n.src[s.start:s.end])]++
	}
	for _, s := range d.comments(0, len(d.src)) {
		removed := false
		for _, w := range way {
			removed = removed || s.start >= w.start && s.end <= w.end
		}
		if text := string(d.src[s.start:s.end]); !removed {
			if left[text]--; left[text] < 0 {
				return errors.New("a comment is lost")
			}
		}
	}
	return nil
}

// replacements lists the ways to give a key that is there a new value.
func (d *document) replacements(h hit, to value) [][]splice {
	old, there := d.extent(h.pair.Value)
	colon := d.spans[h.pair.Start].end
	if !there {
		return [][]splice{{{span{colon, colon}, " " + to.String()}}}
	}
	if d.lineStart(old.start) != d.lineStart(colon) {
		// A value below its key moves up beside it; its lines go, and comments
		// between them stay.
		way := append([]splice{{span{colon, colon}, " " + to.String()}}, d.withoutLines(old)...)
		if seq, ok := h.pair.Value.(*ast.SequenceNode); ok && !seq.IsFlowStyle && to.kind == kindList {
			if items := d.items(seq, to.items); items != nil {
				return [][]splice{items, way}
			}
		}
		return [][]splice{way}
	}
	inside := d.comments(old.start, old.end)
	way := []splice{{old, to.String()}}
	if key, ok := d.extent(h.pair.Key); len(inside) > 0 && ok && d.opensLine(key.start) {
		// Comments between the items of a list in brackets move above its key.
		start := d.lineStart(key.start)
		way = append(way, splice{span{start, start}, d.moved(old, string(d.src[start:key.start]))})
	} else if len(inside) > 0 {
		return nil
	}
	return [][]splice{way}
}

// moved returns the comments between two offsets as lines of their own.
func (d *document) moved(s span, indent string) string {
	var b strings.Builder
	for _, c := range d.comments(s.start, s.end) {
		b.WriteString(indent + string(d.src[c.start:c.end]) + "\n")
	}
	return b.String()
}

// removals lists the ways to remove a key with its value.
func (d *document) removals(h hit) [][]splice {
	all, ok := d.extent(h.pair)
	if !ok {
		return nil
	}
	if !isFlow(h.in) {
		if !d.opensLine(all.start) {
			return nil
		}
		// Comments between the lines stay where they are or, where a literal text
		// above would take them in, move to the column of the key.
		lines := span{d.lineStart(all.start), d.lineEnd(all.end - 1)}
		moved := d.moved(all, string(d.src[lines.start:all.start]))
		return [][]splice{d.withoutLines(all), {{lines, moved}}}
	}
	members := pairs(h.in)
	for i, p := range members {
		if p != h.pair {
			continue
		}
		switch {
		case i > 0:
			before, _ := d.extent(members[i-1])
			all.start = before.end
		case len(members) > 1:
			after, _ := d.extent(members[1])
			all.end = after.start
		}
	}
	if len(d.comments(all.start, all.end)) > 0 {
		return nil
	}
	return [][]splice{{{all, ""}}}
}

// withoutLines removes the lines that hold tokens between two offsets, with the
// comments beside them. Lines that hold only a comment, or nothing, stay.
func (d *document) withoutLines(s span) []splice {
	var out []splice
	for _, t := range d.tokens {
		ts := d.spans[t]
		if t.Type == token.CommentType || ts.start == ts.end || ts.start < s.start || ts.end > s.end {
			continue
		}
		lines := span{d.lineStart(ts.start), d.lineEnd(ts.end - 1)}
		if n := len(out); n > 0 && out[n-1].end > lines.start {
			out[n-1].end = max(out[n-1].end, lines.end)
			continue
		}
		out = append(out, splice{span: lines})
	}
	return out
}
