package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const mark = "\uFEFF"

// Editors of Windows put a byte order mark at the beginning of a file.
func TestAFileWithAByteOrderMarkIsReadAsWithout(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{ // want is node.flux_id
		{"key in the first line", "node:\n  flux_id: " + ownerID + "\n", ownerID},
		{"Windows line ends", "node:\r\n  flux_id: " + ownerID + "\r\n", ownerID},
		{"comment in the first line", "# mine\nnode:\n  flux_id: " + ownerID + "\n", ownerID},
		{"document sign", "---\nnode:\n  flux_id: " + ownerID + "\n", ownerID},
		{"braces", "{node: {flux_id: " + ownerID + "}}", ownerID},
		{"nothing else", "", ""},
		{"a line end", "\n", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			with := mustLoad(t, Options{File: writeFile(t, mark+c.text), FileRequired: true, Demo: true})
			without := mustLoad(t, Options{File: writeFile(t, c.text), FileRequired: true, Demo: true})
			if with.Node.FluxID != c.want {
				t.Errorf("node.flux_id is %q, want %q", with.Node.FluxID, c.want)
			}
			if diff := cmp.Diff(without, with, sameValues); diff != "" {
				t.Errorf("the mark changes the configuration (-without +with):\n%s", diff)
			}
			if err := Check([]byte(mark+c.text), Options{Demo: true}); err != nil {
				t.Errorf("Check: %v", err)
			}
		})
	}
}

func TestPositionsAfterAByteOrderMarkAreRight(t *testing.T) {
	for _, c := range []struct {
		name, text string
		line       string
	}{
		{"first line", "nodes: {}\n", "line 1"},
		{"third line", "node:\n  testnet: true\n  flux_ix: a\n", "line 3"},
		{"bad value", "log:\n  level: loud\n", "line 2"},
		{"no YAML", "log:\n  level: [\n", "line 2"},
		{"anchor in the first line", "log: &a {}\n", "line 1"},
		{"Windows line ends", "log:\r\n  level: loud\r\n", "line 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := writeFile(t, mark+c.text)
			got := problemsOf(t, Options{File: path, Demo: true})
			if len(got) != 1 || got[0].Source != c.line+" of "+path || strings.Contains(got[0].String(), mark) {
				t.Errorf("got %+v, want one problem in %s", got, c.line)
			}
			if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(problemsOf(t, Options{File: path, Demo: true}), got); diff != "" {
				t.Errorf("the mark changes the problems (-without +with):\n%s", diff)
			}
		})
	}
}

// Only the first mark is one; others are characters, and a problem that shows.
func TestAMarkElsewhereIsNoMark(t *testing.T) {
	for _, text := range []string{mark + mark + "node: {testnet: true}\n", "node:\n  " + mark + "testnet: true\n"} {
		if got := problemsOf(t, Options{File: writeFile(t, text), Demo: true}); len(got) == 0 {
			t.Errorf("%q is taken", text)
		}
	}
}

// Check is asked before a file is written: it must say what Load will say of it.
func TestCheckSaysWhatLoadWould(t *testing.T) {
	mongo := func(uri string) error {
		if strings.Contains(uri, "bad") {
			return errors.New("is no server")
		}
		return nil
	}
	for _, c := range []struct {
		name, text string
		env, flags []string
		demo       bool
		problems   int
	}{
		{name: "empty", problems: 1}, // node.flux_id
		{name: "empty demo", demo: true},
		{name: "good", text: "node: {flux_id: " + ownerID + "}"},
		{name: "owner from elsewhere", env: []string{"FLUXOSD_NODE_FLUX_ID=" + ownerID}},
		{name: "unknown keys", text: "node: {flux_id: " + ownerID + ", x: 1}\ny: 2", problems: 2},
		{name: "no YAML", text: "a: [", demo: true, problems: 1},
		{name: "two documents", text: "node: {testnet: true}\n---\nnode: {testnet: false}", demo: true, problems: 1},
		{name: "a rule between file and flag", text: "api: {listen: ':5'}", flags: []string{"api.tls_listen=:5"}, demo: true, problems: 1},
		{name: "a flag mends the file", text: "api: {listen: ':5', tls_listen: ':5'}", flags: []string{"api.tls_listen=:6"}, demo: true},
		{name: "a bad flag", flags: []string{"log.level=loud"}, demo: true, problems: 1},
		{name: "a bad variable", env: []string{"FLUXOSD_LOG_LEVEL=loud"}, demo: true, problems: 1},
		{name: "MongoDB", text: "store: {uri: 'mongodb://good'}", demo: true},
		{name: "no MongoDB", text: "store: {uri: 'mongodb://bad'}", demo: true, problems: 1},
		{name: "secrets", text: "daemon: {password: " + daemonSecret + "}\nstore: {uri: 'mongodb://a:" + storeSecret + "@bad'}", demo: true, problems: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := Options{File: writeFile(t, c.text), FileRequired: true, Env: c.env, Flags: c.flags, Demo: c.demo, CheckMongoDB: mongo}
			_, loaded := Load(o)
			// The file on the disk is the old one, or none at all.
			if err := os.Remove(o.File); err != nil {
				t.Fatal(err)
			}
			checked := Check([]byte(c.text), o)
			if (loaded == nil) != (checked == nil) || loaded != nil && loaded.Error() != checked.Error() {
				t.Fatalf("Check says\n%v\nLoad says\n%v", checked, loaded)
			}
			got := 0
			if e, ok := errors.AsType[*Error](checked); ok {
				got = len(e.Problems)
				noSecrets(t, "the error", e.Error())
			}
			if got != c.problems {
				t.Errorf("%d problems, want %d: %v", got, c.problems, checked)
			}
		})
	}
}

func TestSetByNamesWhatWinsOverTheFile(t *testing.T) {
	file := writeFile(t, "node:\n  kadena: ''\n  router_ip: 10.0.0.1\n  blocked_ports: []\nlog: {level: warn}\n")
	c := mustLoad(t, Options{File: file, Demo: true,
		Env:   []string{"FLUXOSD_NODE_ROUTER_IP=10.0.0.2", "FLUXOSD_LOG_LEVEL=error", "FLUXOSD_NODE_UPDATE_CHANNEL=stable", "FLUXOSD_LOG_FORMAT=json"},
		Flags: []string{"log.level=debug", "api.listen=:16137", "log.format=json"}})
	for key, want := range map[string]string{
		"node.kadena":         "", // in the file, even though it is empty
		"node.blocked_ports":  "",
		"node.router_ip":      "variable FLUXOSD_NODE_ROUTER_IP",
		"node.update_channel": "variable FLUXOSD_NODE_UPDATE_CHANNEL", // though it is the default
		"log.level":           "--set",
		"log.format":          "--set",
		"api.listen":          "--set",
		"api.tls_listen":      "", // default
		"store.uri":           "", // derived
		"no.such.key":         "",
	} {
		if got := c.SetBy(key); got != want {
			t.Errorf("SetBy(%s) = %q, want %q", key, got, want)
		}
	}
	if changed, err := c.ReplaceDefault("node.data_dir", filepath.Dir(file)); err != nil || !changed || c.SetBy("node.data_dir") != "" || c.SetBy("store.uri") != "" {
		t.Errorf("a replaced default: %v, %v, %q", changed, err, c.SetBy("node.data_dir"))
	}
}
