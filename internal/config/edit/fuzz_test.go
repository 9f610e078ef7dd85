package edit

import (
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// changesOf gives the changes of a fuzz input: one of each form of value.
func changesOf(t *testing.T, text string, number int64) []change {
	to := []any{text, number, number%2 == 0, []string{text, "x"}, []int64{}, []int64{number, 1}, map[string]any{text: number}}
	out := []change{unset("node.a")}
	for _, v := range to {
		if c, err := valueOf(v); err == nil {
			out = append(out, change{"node.a", &c})
		}
	}
	return out
}

// FuzzRewrite looks at the result with the library's own decoder: all values
// but the changed one are as before.
func FuzzRewrite(f *testing.F) {
	for _, file := range []string{
		"", "node:\n", "node: {a: 1, b: [2, {c: d}]}\n", "node:\n  a: |+\n    x\n\n  b: >-\n   y\n", "? node\n: a\n", "node.a: 1\n",
		"node:\r\n\ta: 1\r\n", "--- # x\nnode:\n  a:\n  - 1 # one\n  -\n  - {x: 1}\n...\n", "\uFEFFnode:\n  \"a\" : 'x''y' # z", "{}", "a: &x 1\nb: *x\n",
		"node:\n  #a: 1\n  b: 1\nx:\n#  a:\n", "node:\n a: b\n  c\n d: e\n", "node:\n  a: [1, # x\n   2\n  ]\n",
	} {
		f.Add(file, "ü\"\n#: ", int64(65535))
	}
	f.Fuzz(func(t *testing.T, file, text string, number int64) {
		var was any
		if yaml.Unmarshal([]byte(strings.TrimPrefix(file, "\uFEFF")), &was) != nil {
			return
		}
		for _, c := range changesOf(t, text, number) {
			got, err := rewrite([]byte(file), []change{c})
			if err != nil {
				continue
			}
			var is any
			if err := yaml.Unmarshal([]byte(strings.TrimPrefix(string(got), "\uFEFF")), &is); err != nil {
				t.Fatalf("the result isn't YAML: %v\n%q", err, got)
			}
			if d := cmp.Diff(without(was), without(is), cmpopts.EquateNaNs()); d != "" {
				t.Fatalf("other values changed (-want +got)\n%s\n%q", d, got)
			}
			if again, err := rewrite(got, []change{c}); err != nil || string(again) != string(got) {
				t.Fatalf("the same edit again: error %v, changed %v\n%q", err, string(again) != string(got), got)
			}
		}
	})
}

// without removes the key that the fuzz target changes, and sections that are
// empty then.
func without(v any) any {
	top, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	out := map[string]any{}
	for name, v := range top {
		switch section, ok := v.(map[string]any); {
		case name == "node.a" || name == "node" && v == nil:
		case name == "node" && ok:
			delete(section, "a")
			if len(section) > 0 {
				out[name] = section
			}
		default:
			out[name] = v
		}
	}
	if len(out) == 0 {
		return nil
	}
	return out
}

// Files as people write them are never refused, and lose no line but those of
// the changed value.
func TestOrdinaryFilesAreEditedWithoutLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		file, key := ordinaryFile(t)
		to := rapid.SampledFrom([]any{"text # [", 7, true, []int{1, 2, 3}, []string{}, []string{"b", "a"}}).Draw(t, "value")
		v, err := valueOf(to)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []change{{key, &v}, {key, nil}} {
			got, err := rewrite([]byte(file), []change{c})
			if err != nil {
				t.Fatalf("%s: %v\n%s", key, err, file)
			}
			lines := strings.Split(strings.ReplaceAll(string(got), "\r\n", "\n"), "\n")
			for _, line := range strings.Split(strings.ReplaceAll(file, "\r\n", "\n"), "\n") {
				// Marked lines aren't of a value that may be changed; a comment
				// within such a value may move.
				if strings.Contains(line, "# keep") && !slices.Contains(lines, line) || strings.Contains(line, "# stay") && !strings.Contains(string(got), "# stay") {
					t.Errorf("%s: lost line %q\n%s\nbecame\n%s", key, line, file, got)
				}
			}
		}
	})
}

// ordinaryFile makes a file with sections, comments and values in all styles,
// and chooses a key that it has or could have.
func ordinaryFile(t *rapid.T) (file, key string) {
	eol := rapid.SampledFrom([]string{"\n", "\n", "\r\n"}).Draw(t, "eol")
	indent := strings.Repeat(" ", rapid.IntRange(1, 4).Draw(t, "indent"))
	var lines, keys []string
	filler := func(in string) {
		lines = append(lines, rapid.SampledFrom([][]string{nil, {""}, {in + "# keep ü"}, {in + "#keep: 1", ""}, {"", in + "# keep [ \" '"}}).Draw(t, "filler")...)
	}
	for _, section := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"node", "api", "log", "store"}), 1, 4, rapid.ID).Draw(t, "sections") {
		filler("")
		lines = append(lines, section+":"+rapid.SampledFrom([]string{"", " # keep section"}).Draw(t, "beside"))
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(t, "names") {
			filler(indent)
			keys = append(keys, section+"."+name)
			style := rapid.SampledFrom([]string{
				"%: x", "%:", "%: ~ # why", "#%: 0", "# %: 0", "%: \"q # \\\" : \" # c", "%: 'it''s'", "%: [a, b] # c", "%: [", "%: |", "%: >-", "%:- ", "%:  - ", "%: 5 # ü",
			}).Draw(t, "style")
			tail := strings.TrimPrefix(style, "%:")
			style = strings.ReplaceAll(style, "%", name)
			switch tail {
			case " [":
				lines = append(lines, indent+style, indent+"  a, # c", indent+"  # stay", indent+"  b", indent+"]")
			case " |", " >-":
				lines = append(lines, indent+style, indent+"  line", "", indent+"  #no comment")
			case "- ", "  - ":
				in := indent + strings.TrimSuffix(tail, "- ")
				lines = append(lines, indent+name+":", in+"- a", indent+"  # stay", in+"- 'b' # c", in+"- 3")
			default:
				lines = append(lines, indent+style)
			}
		}
	}
	filler("")
	for _, section := range []string{"node", "api", "new"} {
		keys = append(keys, section+".a", section+".d", section+".e.f")
	}
	file = strings.Join(lines, eol)
	if rapid.Bool().Draw(t, "ended") || strings.HasSuffix(file, "\r") {
		file += eol
	}
	return file, rapid.SampledFrom(keys).Draw(t, "key")
}
