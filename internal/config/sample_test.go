package config

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/fluxosd/fluxosd/internal/secret"
)

const shippedSample = "../../deploy/config.yaml"

func TestShippedSampleIsTheGeneratedOne(t *testing.T) {
	got, err := os.ReadFile(shippedSample)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Sample(), string(got)); diff != "" {
		t.Errorf("deploy/config.yaml is out of date, write it anew with `fluxosd config sample` (-generated +shipped):\n%s", diff)
	}
}

func TestSampleChangesNothing(t *testing.T) {
	want := mustLoad(t, Options{Demo: true})
	got := mustLoad(t, Options{Demo: true, File: writeFile(t, Sample())})
	if diff := cmp.Diff(want, got, sameValues); diff != "" {
		t.Errorf("(-defaults +sample):\n%s", diff)
	}
	for _, k := range keys {
		if got.IsSet(k.path) {
			t.Errorf("the sample sets %s", k.path)
		}
	}
}

func TestSampleShowsEveryDefault(t *testing.T) {
	all := regexp.MustCompile(`(?m)^( *)#([a-z_]+:)`).ReplaceAllString(Sample(), "$1$2")
	want := mustLoad(t, Options{Demo: true})
	got := mustLoad(t, Options{Demo: true, File: writeFile(t, all)})
	if diff := cmp.Diff(want, got, sameValues, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-defaults +uncommented sample):\n%s", diff)
	}
	for _, k := range keys {
		if !got.IsSet(k.path) {
			t.Errorf("the sample lacks %s", k.path)
		}
	}
}

func TestPrintedConfigurationLoads(t *testing.T) {
	c := mustLoad(t, Options{Demo: true, Flags: []string{"node.blocked_ports=1,2", "log.levels=b=warn,a=debug", "node.public_ip=1.2.3.4",
		"api.trusted_proxies=10.0.0.1", "daemon.user=a\"b\\c # d\u2028\u00e9"}})
	got := mustLoad(t, Options{Demo: true, File: writeFile(t, c.YAML())})
	if diff := cmp.Diff(c, got, sameValues, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("(-first +printed and loaded):\n%s", diff)
	}
}

func TestTableOfKeys(t *testing.T) {
	path := regexp.MustCompile(`^[a-z]+(_[a-z]+)*(\.[a-z]+(_[a-z]+)*)+$`)
	names, paths := map[string]string{}, map[string]bool{}
	for _, k := range keys {
		if !path.MatchString(k.path) || paths[k.path] {
			t.Errorf("%s: not well-formed, or there twice", k.path)
		}
		paths[k.path] = true
		if other := names[envName(k.path)]; other != "" {
			t.Errorf("%s and %s have the same variable", k.path, other)
		}
		names[envName(k.path)] = k.path
		if !isSection(k.path[:strings.LastIndexByte(k.path, '.')]) {
			t.Errorf("%s: its section has no description", k.path)
		}
		if !strings.HasSuffix(k.doc, ".") || k.example == "" {
			t.Errorf("%s: wants a sentence and an example", k.path)
		}
		// The example is what the messages recommend, so it must be accepted.
		section, name := k.path[:strings.LastIndexByte(k.path, '.')], k.path[strings.LastIndexByte(k.path, '.')+1:]
		text := "{" + name + ": " + k.example + "}"
		for part := range strings.SplitSeq(reversePath(section), ".") {
			text = "{" + part + ": " + text + "}"
		}
		l := loader{cfg: &Config{sources: map[string]string{}}}
		l.bind()
		l.yaml([]byte(text), "example")
		if len(l.problems) != 0 || !l.cfg.IsSet(k.path) {
			t.Errorf("%s: the example isn't accepted: %v", k.path, l.problems)
		}
	}
	if got, want := envName("api.rate_limit.burst"), "FLUXOSD_API_RATE_LIMIT_BURST"; got != want {
		t.Errorf("envName = %s, want %s", got, want)
	}
}

// reversePath turns a.b into b.a.
func reversePath(path string) string {
	parts := strings.Split(path, ".")
	for i, j := 0, len(parts)-1; i < j; i, j = i+1, j-1 {
		parts[i], parts[j] = parts[j], parts[i]
	}
	return strings.Join(parts, ".")
}

func TestFileLeavesOutWhatIsRefused(t *testing.T) {
	out, problems := File("Head", []Setting{
		{Key: "api.listen", Value: ":16137", Note: "a note\nin two lines"},
		{Key: "daemon.user", Value: "u"},
		{Key: "daemon.password", Value: "a \"b\" \\ #"},
		{Key: "daemon.timeout", Value: "soon"},
		{Key: "daemon.tmeout", Value: "1s"},
	})
	if len(problems) != 2 || problems[0].Key != "daemon.timeout" || problems[1].Key != "daemon.tmeout" {
		t.Errorf("problems: %v", problems)
	}
	if strings.Contains(string(out), "timeout") || !strings.HasPrefix(string(out), "# Head\n") {
		t.Errorf("got\n%s", out)
	}
	c := mustLoad(t, Options{Demo: true, File: writeFile(t, string(out))})
	if c.API.Listen != ":16137" || c.Daemon.Password.Reveal() != "a \"b\" \\ #" {
		t.Errorf("got %s, %q", c.API.Listen, c.Daemon.Password.Reveal())
	}
}

func TestAnyTextSurvivesTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	rapid.Check(t, func(t *rapid.T) {
		password := rapid.String().Filter(func(s string) bool { return s != secret.Mask }).Draw(t, "password")
		out, problems := File("", []Setting{{Key: "daemon.user", Value: "u"}, {Key: "daemon.password", Value: password}})
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		if err := os.WriteFile(path, out, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := Load(Options{Demo: true, File: path})
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if got := c.Daemon.Password.Reveal(); got != password {
			t.Fatalf("got %q, want %q, written as\n%s", got, password, out)
		}
	})
	if out, problems := File("", []Setting{{Key: "daemon.user", Value: "caf\xe9"}}); len(problems) != 1 || len(out) != 0 {
		t.Errorf("Latin-1: got %v and %q", problems, out)
	}
}
