package api

import (
	"fmt"
	"net/url"
	"strings"
)

// router finds the row of a path. Static segments match without regard to
// ASCII letter case unless the router is exact, one trailing slash is allowed,
// and a parameter matches one non-empty segment, which is decoded after
// matching: %2F inside a parameter doesn't split it. Where two rows match,
// the one declared first wins.
type router struct {
	methods map[string]*branch
	exact   bool
	count   int
}

type branch struct {
	static map[string]*branch
	param  *branch
	leaf   *leaf
}

// leaf is the end of one form of a path: optional parameters make several.
type leaf struct {
	order  int
	route  *Route
	params []string // names in order, those of this form only
}

// maxSegments bounds the depth of a search; the longest row has 9.
const maxSegments = 16

func newRouter(exact bool) *router { return &router{methods: make(map[string]*branch), exact: exact} }

// add enters every form of the row's path.
func (t *router) add(r *Route) error {
	root := t.methods[r.Method]
	if root == nil {
		root = &branch{}
		t.methods[r.Method] = root
	}
	t.count++
	at, names := root, []string(nil)
	segments := strings.Split(strings.Trim(r.Path, "/"), "/")
	for i, seg := range segments {
		name, isParam := strings.CutPrefix(seg, ":")
		name, optional := strings.CutSuffix(name, "?")
		if optional {
			at.end(t.count, r, names)
		}
		switch {
		case isParam:
			if at.param == nil {
				at.param = &branch{}
			}
			at, names = at.param, append(names[:len(names):len(names)], name)
		case i < len(segments)-1 && len(names) > 0 && optional:
			return fmt.Errorf("%s %s: an optional static segment", r.Method, r.Path)
		default:
			if !t.exact {
				seg = strings.ToLower(seg)
			}
			if at.static == nil {
				at.static = make(map[string]*branch)
			}
			if at.static[seg] == nil {
				at.static[seg] = &branch{}
			}
			at = at.static[seg]
		}
	}
	at.end(t.count, r, names)
	return nil
}

// end marks a form of a row, unless an earlier row has the same one.
func (n *branch) end(order int, r *Route, names []string) {
	if n.leaf == nil {
		n.leaf = &leaf{order, r, names}
	}
}

// find returns the row for a method and an escaped path, and the undecoded
// values of its parameters. HEAD finds GET rows.
func (t *router) find(method, escaped string) (*leaf, []string) {
	if method == "HEAD" {
		method = "GET"
	}
	root := t.methods[method]
	if root == nil || !strings.HasPrefix(escaped, "/") {
		return nil, nil
	}
	path := strings.TrimSuffix(escaped[1:], "/")
	var buf [maxSegments]string
	segs := buf[:0]
	for path != "" || len(segs) > 0 {
		seg, rest, more := strings.Cut(path, "/")
		if len(segs) == maxSegments {
			return nil, nil
		}
		segs = append(segs, seg)
		if !more {
			break
		}
		path = rest
	}
	s := search{exact: t.exact}
	s.walk(root, segs, 0)
	if s.best == nil {
		return nil, nil
	}
	if s.n == 0 {
		return s.best, nil
	}
	return s.best, append([]string(nil), s.values[:s.n]...)
}

// search is one walk: stack holds the values on the way, values those of best.
type search struct {
	exact  bool
	best   *leaf
	n      int
	stack  [maxSegments]string
	values [maxSegments]string
}

func (s *search) walk(n *branch, segs []string, depth int) {
	if len(segs) == 0 {
		if n.leaf != nil && (s.best == nil || n.leaf.order < s.best.order) {
			s.best, s.n, s.values = n.leaf, depth, s.stack
		}
		return
	}
	seg := segs[0]
	if !s.exact {
		seg = strings.ToLower(seg) // returns seg itself when there is nothing to lower
	}
	if c := n.static[seg]; c != nil {
		s.walk(c, segs[1:], depth)
	}
	if n.param != nil && segs[0] != "" {
		s.stack[depth] = segs[0]
		s.walk(n.param, segs[1:], depth+1)
	}
}

// pair is one decoded path parameter.
type pair struct{ name, value string }

// decode turns the raw values of a leaf into pairs.
func (l *leaf) decode(raw []string) ([]pair, error) {
	if len(raw) == 0 {
		return nil, nil
	}
	ps := make([]pair, len(raw))
	for i, v := range raw {
		dec, err := url.PathUnescape(v)
		if err != nil {
			return nil, err
		}
		ps[i] = pair{l.params[i], dec}
	}
	return ps, nil
}
