package edit

import (
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// maxPairs bounds the comparison of two lists, items of one times items of the
// other.
const maxPairs = 1 << 20

// items rewrites a list that has a line for each item: items that stay keep
// their lines, those that go lose them, new ones get lines of their own. It
// returns nil when the list isn't of this form, or shall be empty.
func (d *document) items(seq *ast.SequenceNode, to []value) []splice {
	if len(to) == 0 || len(seq.Entries) != len(seq.Values) || len(seq.Values) == 0 {
		return nil
	}
	var lines []span
	var from []value
	for i, entry := range seq.Entries {
		v, err := convert(seq.Values[i], 0)
		dash, placed := d.spans[entry.Start]
		if err != nil || !v.isScalar() || !placed || !d.opensLine(dash.start) {
			return nil
		}
		end := dash.end
		if s, ok := d.extent(seq.Values[i]); ok {
			end = s.end
		}
		lines = append(lines, span{d.lineStart(dash.start), d.lineEnd(end - 1)})
		from = append(from, v)
	}
	dash := d.spans[seq.Entries[0].Start].start
	indent := string(d.src[d.lineStart(dash):dash])

	kept := common(from, to)
	var out []splice
	next := 0 // the first item of to that isn't written yet
	write := func(before, at int) {
		var b strings.Builder
		for ; next < before; next++ {
			b.WriteString(indent + "- " + to[next].String() + "\n")
		}
		if b.Len() > 0 {
			out = append(out, d.newLines(at, b.String()))
		}
	}
	for i, line := range lines {
		if j, ok := kept[i]; ok {
			at := line.start
			if i > 0 {
				at = lines[i-1].end // above a comment that belongs to this item
			}
			write(j, at)
			next = j + 1
			continue
		}
		out = append(out, splice{span: line})
	}
	write(len(to), lines[len(lines)-1].end)
	return out
}

// common returns a longest common subsequence of two lists: indexes of the
// first, each with its index in the second. Between a beginning and an end
// that are the same, long lists are taken to have nothing in common.
func common(a, b []value) map[int]int {
	out := map[int]int{}
	start := 0
	for start < len(a) && start < len(b) && a[start].equal(b[start]) {
		out[start] = start
		start++
	}
	aEnd, bEnd := len(a), len(b)
	for aEnd > start && bEnd > start && a[aEnd-1].equal(b[bEnd-1]) {
		aEnd--
		bEnd--
		out[aEnd] = bEnd
	}
	a, b = a[start:aEnd], b[start:bEnd]
	if len(a)*len(b) > maxPairs {
		return out
	}
	// longest[i][j] is the length for a[i:] and b[j:].
	longest := make([][]int32, len(a)+1)
	for i := range longest {
		longest[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i].equal(b[j]) {
				longest[i][j] = longest[i+1][j+1] + 1
			} else {
				longest[i][j] = max(longest[i+1][j], longest[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i].equal(b[j]):
			out[start+i] = start + j
			i, j = i+1, j+1
		case longest[i+1][j] >= longest[i][j+1]:
			i++
		default:
			j++
		}
	}
	return out
}
