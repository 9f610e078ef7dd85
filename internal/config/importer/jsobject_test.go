package importer

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var ignorePositions = cmp.Options{cmp.AllowUnexported(member{}), cmpopts.IgnoreTypes(position{})}

func TestParseModuleReadsLiterals(t *testing.T) {
	one := func(v any) object { return object{{name: "a", value: v}} }
	tests := []struct {
		name, src string
		want      object
	}{
		{"empty", "module.exports = {}", object{}},
		{"byte order mark", "\ufeffmodule.exports={};", object{}},
		{"ES module", "export default { a: 1 };\n", one(number("1"))},
		{"spread over lines", "module\n.\nexports // x\n=/* y */{\r\n a\r\n:\r\n1,}", one(number("1"))},
		{"quoted names", `module.exports = {"a": 1, 'b-c': 2, $d_1: 3, 4: 5}`,
			object{{name: "a", value: number("1")}, {name: "b-c", value: number("2")}, {name: "$d_1", value: number("3")}, {name: "4", value: number("5")}}},
		{"three quotes", "export default {a: ['x', \"y\", `z`]}", one([]any{"x", "y", "z"})},
		{"lines in a template", "export default {a: `x\r\ny\nz\rw`}", one("x\ny\nz\nw")},
		{"escapes", `export default {a: '\n\t\r\b\f\v\0\'\"\\\/\q\x41\u0042\u{1F600}\uD83D\uDE00'}`, one("\n\t\r\b\f\v\x00'\"\\/qAB😀😀")},
		{"escaped line ends", "export default {a: 'x\\\ny\\\r\nz'}", one("xyz")},
		{"escaped substitution", "export default {a: `\\${x} $ {`}", one("${x} $ {")},
		{"quotes in quotes", `export default {a: "it's", b: '"'}`, object{{name: "a", value: "it's"}, {name: "b", value: `"`}}},
		{"joined literals", "export default {a: 'x' + // c\n \"y\"+`z`}", one("xyz")},
		{"numbers", "export default {a: [0, 16127, -1, +2, 1.5, .5, 2., 1e3, 1E-1, 0x10, 0b11, 0o17]}",
			one([]any{number("0"), number("16127"), number("-1"), number("2"), number("1.5"), number("0.5"), number("2"), number("1000"), number("0.1"), number("16"), number("3"), number("15")})},
		{"words", "export default {a: [true, false, null, undefined]}", one([]any{true, false, nil, nil})},
		{"nesting and trailing commas", "export default {a: {b: [{c: 1,},],},}", one(object{{name: "b", value: []any{object{{name: "c", value: number("1")}}}}})},
		{"words as names", "export default {true: 1, null: 2, default: 3}",
			object{{name: "true", value: number("1")}, {name: "null", value: number("2")}, {name: "default", value: number("3")}}},
		{"repeated names", "export default {a: 1, a: 2}", object{{name: "a", value: number("1")}, {name: "a", value: number("2")}}},
		{"comment signs in strings", "export default {a: '// /* x */'}", one("// /* x */")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseModule(tt.src)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, ignorePositions); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseModuleRefusesWhatWouldBeExecuted(t *testing.T) {
	tests := []struct {
		name, src    string
		line, column int
		want         string
	}{
		{"empty", "", 1, 1, "want module.exports"},
		{"other statement", "const x = 1;", 1, 1, "want module.exports"},
		{"named export", "export const a = 1", 1, 8, "want module.exports"},
		{"export defaults", "export defaults {}", 1, 8, "want module.exports"},
		{"not an object", "module.exports = []", 1, 18, "begins with {"},
		{"call", "module.exports = {\n  a: require('x')\n}", 2, 6, `"require" isn't a literal`},
		{"call as the value", "module.exports = f({})", 1, 18, "begins with {"},
		{"name", "module.exports = { a: process.env.X }", 1, 23, `"process" isn't a literal`},
		{"shorthand", "module.exports = { a, b }", 1, 21, "want : after the name"},
		{"method", "module.exports = { a() {} }", 1, 21, "want : after the name"},
		{"getter", "module.exports = { get a() {} }", 1, 24, "want : after the name"},
		{"spread", "module.exports = { ...x }", 1, 20, "spread"},
		{"spread in an array", "module.exports = { a: [...x] }", 1, 24, "spread"},
		{"computed name", "module.exports = { ['a']: 1 }", 1, 20, "computed name"},
		{"substitution", "module.exports = {\n\n a: `x${1}` }", 3, 7, "substitution"},
		{"joined with a name", "module.exports = { a: 'x' + y }", 1, 29, "only string literals"},
		{"joined with a number", "module.exports = { a: 'x' + 1 }", 1, 29, "only string literals"},
		{"sum", "module.exports = { a: 1 + 1 }", 1, 25, "want , or }"},
		{"product", "module.exports = { a: 1 * 1 }", 1, 25, "want , or }"},
		{"regular expression", "module.exports = { a: /x/ }", 1, 23, "want a value"},
		{"function", "module.exports = { a: function() {} }", 1, 23, `"function" isn't a literal`},
		{"arrow", "module.exports = { a: () => 1 }", 1, 23, "want a value"},
		{"hole", "module.exports = { a: [1,,2] }", 1, 26, "want a value"},
		{"open string", "module.exports = { a: 'x\n' }", 1, 23, "doesn't end on its line"},
		{"open template", "module.exports = { a: `x", 1, 23, "doesn't end"},
		{"open comment", "/* x", 1, 1, "comment doesn't end"},
		{"open object", "module.exports = { a: {", 1, 23, "isn't closed"},
		{"open array", "module.exports = { a: [1,", 1, 23, "isn't closed"},
		{"missing value", "module.exports = { a:", 1, 22, "the file ends"},
		{"missing comma", "module.exports = { a: 1 b: 2 }", 1, 25, "want , or }"},
		{"something after", "module.exports = {}; f()", 1, 22, "want nothing after"},
		{"octal escape", `module.exports = {a: '\07'}`, 1, 23, "octal"},
		{"short escape", `module.exports = {a: '\x4'}`, 1, 23, `\x and two`},
		{"bad code point", `module.exports = {a: '\u{110000}'}`, 1, 23, `\u and four`},
		{"half a pair", `module.exports = {a: '\uD83Dx'}`, 1, 23, "half of a surrogate"},
		{"old octal number", "module.exports = {a: 017}", 1, 22, "isn't a number"},
		{"big integer", "module.exports = {a: 1n}", 1, 22, "isn't a number"},
		{"infinite", "module.exports = {a: 1e999}", 1, 22, "isn't a number"},
		{"two signs", "module.exports = {a: --1}", 1, 22, "isn't a number"},
		{"signed name", "module.exports = {a: -Infinity}", 1, 22, "isn't a number"},
		{"lines are counted", "// a\r\n/* b\n */ module.exports = {\r\r a: x}", 5, 5, "isn't a literal"},
		{"lines in templates are counted", "module.exports = {a: `1\r\n2\n3`, b: x}", 3, 8, "isn't a literal"},
		{"not UTF-8", "module.exports = {a: '\xff'}", 1, 1, "UTF-8"},
		{"too deep", "module.exports = {a:" + strings.Repeat("[", 1000), 1, 53, "nested deeper"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseModule(tt.src)
			e, ok := errors.AsType[*SyntaxError](err)
			if !ok {
				t.Fatalf("got error %v, want a *SyntaxError", err)
			}
			if e.Line != tt.line || e.Column != tt.column || !strings.Contains(e.Msg, tt.want) {
				t.Errorf("got %v, want line %d, column %d: …%s…", e, tt.line, tt.column, tt.want)
			}
		})
	}
}
