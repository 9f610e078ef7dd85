package edit

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/config"
	"github.com/fluxosd/fluxosd/internal/secret"
)

// set and unset make the changes of a test.
func set(t testing.TB, key string, v any) change {
	t.Helper()
	to, err := valueOf(v)
	if err != nil {
		t.Fatal(err)
	}
	return change{key, &to}
}

func unset(key string) change { return change{key: key} }

func TestOnlyTheBytesOfAValueChange(t *testing.T) {
	for name, c := range map[string]struct {
		file    string
		changes []change
		want    string
	}{
		"a plain value": {
			"# a\nnode:\n  kadena:   old  # mine\n  x: 'y'\n",
			[]change{set(t, "node.kadena", "new")},
			"# a\nnode:\n  kadena:   \"new\"  # mine\n  x: 'y'\n",
		},
		"a value in quotes that holds signs": {
			"node:\n  kadena: \"a # b: [c\" # d\n  b: 1\n",
			[]change{set(t, "node.kadena", `x"\ü`+"\n")},
			"node:\n  kadena: \"x\\\"\\\\ü\\n\" # d\n  b: 1\n",
		},
		"the same value": {
			"node:\n  kadena:   'old' # mine\n",
			[]change{set(t, "node.kadena", "old")},
			"node:\n  kadena:   'old' # mine\n",
		},
		"a number that becomes a text": {
			"node:\n  kadena: 1\n",
			[]change{set(t, "node.kadena", "1")},
			"node:\n  kadena: \"1\"\n",
		},
		"no value": {
			"node:\n  kadena:   # none yet\n  b: 1\n",
			[]change{set(t, "node.kadena", "x")},
			"node:\n  kadena: \"x\"   # none yet\n  b: 1\n",
		},
		"CRLF": {
			"node:\r\n  # a\r\n  kadena: x # b\r\n  b: 1\r\n",
			[]change{set(t, "node.kadena", "y"), set(t, "node.c", true), set(t, "api.listen", ":1")},
			"node:\r\n  # a\r\n  kadena: \"y\" # b\r\n  b: 1\r\n  c: true\r\n\r\napi:\r\n  listen: \":1\"\r\n",
		},
		"a byte order mark": {
			"\uFEFFnode:\n  a: 1\n",
			[]change{set(t, "node.a", 2)},
			"\uFEFFnode:\n  a: 2\n",
		},
		"no last line end": {
			"node:\n  a: 1",
			[]change{set(t, "node.b", 2), set(t, "api.c", 3)},
			"node:\n  a: 1\n  b: 2\n\napi:\n  c: 3",
		},
		"a text of several lines": {
			"node:\n  key: |\n    -----BEGIN\n    #no comment\n\n    x\n\n  # next\n  b: 1\n",
			[]change{set(t, "node.key", "short")},
			"node:\n  key: \"short\"\n\n  # next\n  b: 1\n",
		},
		"a folded plain text": {
			"node:\n  a: one\n    two\n  b: 1\n",
			[]change{set(t, "node.a", "x")},
			"node:\n  a: \"x\"\n  b: 1\n",
		},
		"a value below its key": {
			"node:\n  a: # why\n    one\n  b: 1\n",
			[]change{set(t, "node.a", "x")},
			"node:\n  a: \"x\" # why\n  b: 1\n",
		},
		"a list in brackets": {
			"node:\n  p: [1, 2] # c\n  q: [3]\n",
			[]change{set(t, "node.p", []int{4, 5, 6})},
			"node:\n  p: [4, 5, 6] # c\n  q: [3]\n",
		},
		"a list in brackets on several lines keeps comments": {
			"node:\n  p: [\n    1, # one\n    # two\n    2,\n  ] # c\n",
			[]change{set(t, "node.p", []int{4})},
			"node:\n  # one\n  # two\n  p: [4] # c\n",
		},
		"a list of lines": {
			"node:\n  p: # ports\n    # mongo\n    - 27017 # db\n    # pg\n    - 5432\n\n    - 80\n  q: 1\n",
			[]change{set(t, "node.p", []int{27017, 443, 80, 81})},
			"node:\n  p: # ports\n    # mongo\n    - 27017 # db\n    # pg\n    - 443\n\n    - 80\n    - 81\n  q: 1\n",
		},
		"a list of lines not indented": {
			"node:\n  p:\n  - \"a\"\n  - 'b'\n  q: 1\n",
			[]change{set(t, "node.p", []string{"0", "a", "b"})},
			"node:\n  p:\n  - \"0\"\n  - \"a\"\n  - 'b'\n  q: 1\n",
		},
		"a list of lines that becomes empty": {
			"node:\n  p:\n    # first\n    - 1 # one\n    # second\n    - 2\n  q: 1\n",
			[]change{set(t, "node.p", []int(nil))},
			"node:\n  p: []\n    # first\n    # second\n  q: 1\n",
		},
		"a list of lines at the end without a line end": {
			"node:\n  p:\n    - 1",
			[]change{set(t, "node.p", []int{1, 2})},
			"node:\n  p:\n    - 1\n    - 2",
		},
		"an empty list that gets items": {
			"node:\n  p: []\n",
			[]change{set(t, "node.p", []int{1})},
			"node:\n  p: [1]\n",
		},
		"a mapping": {
			"log:\n  levels: {api: debug} # l\n  level: info\n",
			[]change{set(t, "log.levels", map[string]string{"store": "warn", "api": "info"})},
			"log:\n  levels: {api: \"info\", store: \"warn\"} # l\n  level: info\n",
		},
		"a member of a mapping in braces": {
			"node: {a: 1, 'ü': x, b: 2} # n\napi: {}\nlog: { a: 1, }\n",
			[]change{set(t, "node.b", 3), set(t, "node.c", "d"), set(t, "api.x", true), set(t, "log.b", 2)},
			"node: {a: 1, 'ü': x, b: 3, c: \"d\"} # n\napi: {x: true}\nlog: { a: 1, b: 2 }\n",
		},
		"a section that says null": {
			"node: ~ # n\n",
			[]change{set(t, "node.a", 1)},
			"node: {a: 1} # n\n",
		},
		"a file in braces": {
			"{node: {a: 1}}\n",
			[]change{set(t, "node.a", 2), set(t, "api.b.c", 3)},
			"{node: {a: 2}, api: {b: {c: 3}}}\n",
		},
		"an empty file": {
			"",
			[]change{set(t, "api.rate_limit.burst", 5)},
			"api:\n  rate_limit:\n    burst: 5\n",
		},
		"a file of comments": {
			"# nothing here\n",
			[]change{set(t, "node.a", 5)},
			"# nothing here\n\nnode:\n  a: 5\n",
		},
		"a new key at the end of its section": {
			"node:\n  a: 1 # one\n  # about nothing\n\n# The API.\napi:\n  b: 2\n",
			[]change{set(t, "node.c", 3)},
			"node:\n  a: 1 # one\n  # about nothing\n  c: 3\n\n# The API.\napi:\n  b: 2\n",
		},
		"a new key in a section indented by four": {
			"node:\n    a: 1\n\napi:\n    b: 2\n",
			[]change{set(t, "node.c", 3)},
			"node:\n    a: 1\n    c: 3\n\napi:\n    b: 2\n",
		},
		"a new key below a text that keeps its blank lines": {
			"node:\n  a: |+\n    x\n\n\napi:\n  b: 2\n",
			[]change{set(t, "node.c", 3)},
			"node:\n  a: |+\n    x\n\n\n  c: 3\napi:\n  b: 2\n",
		},
		"a new key below its sample": {
			"node:\n  # What a is.\n  #a: 0\n  # What b is.\n  #b: 0\napi:\n  #a: 0\n",
			[]change{set(t, "node.a", 1)},
			"node:\n  # What a is.\n  #a: 0\n  a: 1\n  # What b is.\n  #b: 0\napi:\n  #a: 0\n",
		},
		"a new key below its sample of several lines": {
			"node:\n  x: 1\n  # a:\n  #   - 1\n  # - 2\n  # Another.\n  y: 2\n",
			[]change{set(t, "node.a", []int{3})},
			"node:\n  x: 1\n  # a:\n  #   - 1\n  # - 2\n  a: [3]\n  # Another.\n  y: 2\n",
		},
		"a new key below a sample with its sign at the beginning of the line": {
			"node:\n  x: 1\n#  a: 0\n  y: 2\n",
			[]change{set(t, "node.a", 3)},
			"node:\n  x: 1\n#  a: 0\n  a: 3\n  y: 2\n",
		},
		"what looks like a sample in a text isn't one": {
			"node:\n  x: |\n    y\n  #a: 0\n  z: |\n    v\n    #b: 1\n",
			[]change{set(t, "node.b", 3)},
			"node:\n  x: |\n    y\n  #a: 0\n  z: |\n    v\n    #b: 1\n  b: 3\n",
		},
		"new keys beside a literal text without a line end": {
			"# a\nnode:\n  a: |\n    x",
			[]change{set(t, "node.b", 2), set(t, "api.c", 3)},
			"# a\napi:\n  c: 3\nnode:\n  b: 2\n  a: |\n    x",
		},
		"a new section before three dots": {
			"---\nnode:\n  a: 1\n...\n",
			[]change{set(t, "api.b", 2)},
			"---\nnode:\n  a: 1\n\napi:\n  b: 2\n...\n",
		},
		"a new section in a section": {
			"api:\n  a: 1\nnode:\n  b: 1\n",
			[]change{set(t, "api.rate_limit.burst", 2)},
			"api:\n  a: 1\n  rate_limit:\n    burst: 2\nnode:\n  b: 1\n",
		},
		"a name with dots": {
			"node.a: 1\nb: 2\n",
			[]change{set(t, "node.a", 3)},
			"node.a: 3\nb: 2\n",
		},
		"names in quotes": {
			"\"node\":\n  'a' : 1\n",
			[]change{set(t, "node.a", 3)},
			"\"node\":\n  'a' : 3\n",
		},
		"a removed key": {
			"node:\n  # about a\n  a: 1 # one\n  b: 2\n",
			[]change{unset("node.a"), unset("node.none"), unset("none.a")},
			"node:\n  # about a\n  b: 2\n",
		},
		"a removed list": {
			"node:\n  a:\n    - 1\n    # about 2\n    - 2\n\n  b: 2\n",
			[]change{unset("node.a")},
			"node:\n    # about 2\n\n  b: 2\n",
		},
		"a removed list below a literal text": {
			"node:\n  t: |\n    x\n  a:\n    - 1 # one\n    # about 2\n    - 2\n  b: 2\n",
			[]change{unset("node.a")},
			"node:\n  t: |\n    x\n  # one\n  # about 2\n  b: 2\n",
		},
		"a removed last key": {
			"node:\n  a: 1\napi:\n  b: 2\n",
			[]change{unset("node.a")},
			"node:\napi:\n  b: 2\n",
		},
		"removed members of a mapping in braces": {
			"n: {a: 1, b: 2, c: 3}\nm: {a: 1}\n",
			[]change{unset("n.a"), unset("n.c"), unset("m.a")},
			"n: {b: 2}\nm: {}\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rewrite([]byte(c.file), c.changes)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, string(got)); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestFilesThatCannotBeEditedAreRefused(t *testing.T) {
	for name, c := range map[string]struct{ file, want string }{
		"not YAML":         {"node: [1\nsecret: x\n", "isn't YAML"},
		"two documents":    {"a: 1\n---\nb: 2\n", "several YAML documents"},
		"an anchor":        {"node: &x\n  a: 1\n", "line 1: want only sections"},
		"an alias":         {"a: &x 1\nnode: *x\n", "want only sections"},
		"a tag":            {"node:\n  b: !!str 1\n", "line 2: want only sections"},
		"a merge":          {"node:\n  <<: {b: 1}\n", "isn't a word"},
		"a list at top":    {"- 1\n", "sections"},
		"a section's text": {"node: x\n", "value of its own"},
		"a section's list": {"node: [1]\n", "value of its own"},
		"a key twice":      {"node.a: 1\nnode:\n  a: 2\n", "twice, in lines 1 and 3"},
		"depth":            {"a: " + strings.Repeat("[", 20) + strings.Repeat("]", 20) + "\n", "too deep"},
		"size":             {"#" + strings.Repeat("x", maxFile) + "\n", "larger than"},
		"growth":           {"#" + strings.Repeat("x", maxFile-8) + "\n", "larger than"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := rewrite([]byte(c.file), []change{set(t, "node.a", "supersecret")})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
			if got != nil {
				t.Errorf("got a file, want none: %q", got)
			}
			if err != nil && strings.Contains(err.Error(), "secret") {
				t.Errorf("the error shows a value: %v", err)
			}
		})
	}
}

// Every key of the shipped sample can be set in it, lands below its line and is
// accepted by the daemon.
func TestKeysOfTheSampleAreSetBelowTheirLines(t *testing.T) {
	sample := config.Sample()
	for key, v := range map[string]any{
		"node.kadena":                 "kadena:k:0123456789abcdef?chainid=0",
		"node.blocked_ports":          []int{27017, 5432},
		"node.blocked_repositories":   []string{"docker.io/library"},
		"node.router_ip":              "192.168.1.1",
		"api.listen":                  ":16137",
		"api.rate_limit.burst":        7,
		"api.shutdown_timeout":        90 * time.Second,
		"daemon.password":             secret.New("p\"#: \\"),
		"log.levels":                  map[string]string{"api": "debug"},
		"permissions.siwe_domains":    []string{},
		"node.testnet":                true,
		"benchmark.url":               "http://127.0.0.1:16224",
		"api.rate_limit.exempt":       []string{"127.0.0.0/8"},
		"syncthing.config":            "/x/config.xml",
		"docker.host":                 "unix:///var/run/docker.sock",
		"permissions.signature_cache": time.Minute,
	} {
		t.Run(key, func(t *testing.T) {
			got, err := rewrite([]byte(sample), []change{set(t, key, v)})
			if err != nil {
				t.Fatal(err)
			}
			o := config.Options{Demo: true}
			if key == "daemon.password" { // goes only with a user
				o.Env = []string{"FLUXOSD_DAEMON_USER=u"}
			}
			if err := config.Check(got, o); err != nil {
				t.Errorf("the daemon refuses the result: %v", err)
			}
			name := key[strings.LastIndexByte(key, '.')+1:]
			old, lines := strings.Split(sample, "\n"), strings.Split(string(got), "\n")
			at := 0
			for at < len(old) && lines[at] == old[at] {
				at++
			}
			added := strings.TrimSpace(lines[at])
			if !strings.HasPrefix(strings.TrimSpace(lines[at-1]), "#"+name+":") || !strings.HasPrefix(added, name+": ") {
				t.Errorf("after %q comes %q", lines[at-1], lines[at])
			}
			if d := cmp.Diff(old, append(lines[:at:at], lines[at+1:]...)); d != "" {
				t.Errorf("other lines changed (-want +got)\n%s", d)
			}
			back, err := rewrite(got, []change{unset(key)})
			if err != nil || string(back) != sample {
				t.Errorf("removing the key doesn't give the sample again, error %v", err)
			}
		})
	}
}

func TestDaemonReadsEditedFilesInEveryDress(t *testing.T) {
	for name, file := range map[string]string{
		"CRLF":       "node:\r\n  flux_id: 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2\r\n",
		"three dots": "---\nnode:\n  flux_id: 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2\n...\n",
		"braces":     "{node: {flux_id: 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2}}",
	} {
		t.Run(name, func(t *testing.T) {
			if err := config.Check([]byte(file), config.Options{}); err != nil {
				t.Fatal(err)
			}
			got, err := rewrite([]byte(file), []change{set(t, "node.blocked_ports", []int{1, 65535}), set(t, "log.levels", map[string]string{"api": "debug"})})
			if err != nil {
				t.Fatal(err)
			}
			if err := config.Check(got, config.Options{}); err != nil {
				t.Errorf("%v\n%s", err, got)
			}
		})
	}
}

func TestValuesOfOtherTypesAreRefused(t *testing.T) {
	for name, v := range map[string]any{
		"nil": nil, "float": 1.5, "struct": struct{}{}, "pointer": new(int), "func": func() {},
		"numbers as names": map[int]string{1: "a"}, "nested": []any{1, []any{2.5}}, "bytes that aren't UTF-8": "\xff",
		"a name that isn't UTF-8": map[string]int{"\xff": 1},
	} {
		if got, err := valueOf(v); err == nil || !strings.Contains(err.Error(), "want a text") {
			t.Errorf("%s: got %v, error %v, want an error that says what is allowed", name, got, err)
		}
	}
}
