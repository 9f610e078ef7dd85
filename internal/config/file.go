package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds the configuration file, in bytes.
const maxFile = 1 << 20

// file applies the YAML file, if there is one.
func (l *loader) file(path string, required bool) {
	if path == "" {
		return
	}
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) && !required {
		return
	}
	if err != nil {
		l.problems = append(l.problems, Problem{Source: path, Reason: "read the configuration file: " + err.Error()})
		return
	}
	l.yaml(data, path)
}

// Check says what Load would, with o, say of a file with this content: nil or an
// *Error. o.File is only the name in its messages.
func Check(file []byte, o Options) error {
	_, err := load(o, func(l *loader) { l.yaml(file, o.File) })
	return err
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("is larger than %d bytes", maxFile)
	}
	return data, nil
}

// byteOrderMark is what some editors put at the beginning of a file.
var byteOrderMark = []byte("\uFEFF")

// yaml applies a YAML document; name says where it comes from.
func (l *loader) yaml(data []byte, name string) {
	fail := func(line int, reason string) {
		l.problems = append(l.problems, Problem{Source: place(line, name), Reason: reason})
	}
	file, err := parser.ParseBytes(bytes.TrimPrefix(data, byteOrderMark), 0)
	if err != nil {
		// Only the message and the line: the library's own text repeats lines
		// of the file, and with them secrets.
		if y, ok := errors.AsType[yaml.Error](err); ok {
			line := 0
			if t := y.GetToken(); t != nil && t.Position != nil {
				line = t.Position.Line
			}
			fail(line, "isn't YAML: "+y.GetMessage())
			return
		}
		fail(0, "isn't YAML")
		return
	}
	var top raw
	documents := 0
	for _, d := range file.Docs {
		if d.Body == nil || d.Body.Type() == ast.CommentType {
			continue
		}
		documents++
		if top, err = convert(d.Body, 0); err != nil {
			fail(d.Body.GetToken().Position.Line, err.Error())
			return
		}
	}
	switch {
	case documents == 0 || top.kind == kindNull:
	case documents > 1:
		fail(0, "holds several YAML documents, want one")
	case top.kind != kindMap:
		fail(top.line, "want sections with keys, for example node: and below it, indented, flux_id: "+exampleID)
	default:
		l.section(top, "", name)
	}
}

func place(line int, name string) string {
	if line == 0 {
		return name
	}
	return fmt.Sprintf("line %d of %s", line, name)
}

// section applies the members of a mapping whose keys begin with prefix.
func (l *loader) section(m raw, prefix, name string) {
	for _, p := range m.pairs {
		path, source := prefix+p.name, place(p.line, name)
		_, known := l.bindings[path]
		switch {
		case known:
			l.set(path, p.value, source)
		case !isSection(path):
			l.problems = append(l.problems, unknownKey(path, source))
		case p.value.kind == kindMap:
			l.section(p.value, path+".", name)
		case p.value.kind != kindNull: // a section whose keys are all commented out
			l.problems = append(l.problems, Problem{Key: path, Source: source, Reason: "is a section: want keys below it, indented"})
		}
	}
}

// maxDepth bounds the nesting of a file; the deepest key has three parts and
// may hold a list.
const maxDepth = 8

// convert turns a YAML node into a raw value. It refuses anchors, aliases,
// tags and merge keys: in a file with secrets every line should mean what it
// says.
func convert(n ast.Node, depth int) (raw, error) {
	if depth > maxDepth {
		return raw{}, errors.New("is nested too deep")
	}
	r := raw{}
	if t := n.GetToken(); t != nil {
		r.text = t.Value
		if t.Position != nil {
			r.line = t.Position.Line
		}
	}
	switch n := n.(type) {
	case *ast.NullNode:
		r.kind = kindNull
	case *ast.BoolNode:
		r.kind = kindBool
	case *ast.IntegerNode, *ast.FloatNode, *ast.InfinityNode, *ast.NanNode:
		r.kind = kindNumber
	case *ast.StringNode:
		r.kind, r.text = kindText, n.Value
	case *ast.LiteralNode:
		r.kind, r.text = kindText, n.Value.Value
	case *ast.SequenceNode:
		r.kind, r.text = kindList, ""
		for _, item := range n.Values {
			v, err := convert(item, depth+1)
			if err != nil {
				return raw{}, err
			}
			r.items = append(r.items, v)
		}
	case *ast.MappingNode:
		r.kind, r.text = kindMap, ""
		for _, member := range n.Values {
			p, err := convertPair(member, depth)
			if err != nil {
				return raw{}, err
			}
			r.pairs = append(r.pairs, p)
		}
	case *ast.MappingValueNode:
		p, err := convertPair(n, depth)
		if err != nil {
			return raw{}, err
		}
		r.kind, r.text, r.pairs = kindMap, "", []pair{p}
	default:
		return raw{}, fmt.Errorf("has %s in line %d: want only sections, lists and plain values", strings.ToLower(n.Type().YAMLName()), r.line)
	}
	return r, nil
}

func convertPair(n *ast.MappingValueNode, depth int) (pair, error) {
	key, err := convert(n.Key, depth+1)
	if err != nil {
		return pair{}, err
	}
	if key.kind == kindMap || key.kind == kindList {
		return pair{}, fmt.Errorf("has a key in line %d that isn't a word", key.line)
	}
	value, err := convert(n.Value, depth+1)
	return pair{name: key.text, value: value, line: key.line}, err
}
