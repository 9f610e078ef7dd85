package config

import (
	"bytes"
	"encoding/gob"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// The secrets that the tests hide.
const (
	daemonSecret    = "s3cret-daemon"
	benchmarkSecret = "s3cret-benchmark"
	storeSecret     = "s3cret-store"
	optionSecret    = "s3cret-option"
	armourSecret    = "s3cretArmour"
)

func configWithSecrets(t *testing.T) *Config {
	t.Helper()
	return mustLoad(t, Options{Demo: true, Flags: []string{
		"daemon.user=alice", "daemon.password=" + daemonSecret,
		"benchmark.user=bob", "benchmark.password=" + benchmarkSecret,
		"store.uri=mongodb://carol:" + storeSecret + "@h1:1,h2:2/db?tlsCertificateKeyFilePassword=" + optionSecret + "&w=1",
		"node.pgp_private_key=-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + armourSecret + "\n-----END PGP PRIVATE KEY BLOCK-----",
	}})
}

// noSecrets fails if text shows a secret, plainly or in hexadecimal.
func noSecrets(t *testing.T, how, text string) {
	t.Helper()
	for _, s := range []string{daemonSecret, benchmarkSecret, storeSecret, optionSecret, armourSecret} {
		for _, form := range []string{s, hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s)))} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows %s", how, s)
			}
		}
	}
}

func TestNothingPrintsASecret(t *testing.T) {
	c := configWithSecrets(t)
	// Unexported fields keep fmt from calling methods.
	wrapped := struct {
		c Config
		s Secret
		u URI
		p *Secret
	}{*c, c.Daemon.Password, c.Store.URI, &c.Daemon.Password}
	values := map[string]any{"*Config": c, "Config": *c, "wrapped": wrapped, "Secret": c.Daemon.Password, "*Secret": &c.Daemon.Password,
		"URI": c.Store.URI, "*URI": &c.Store.URI, "slice": []Secret{c.Daemon.Password}, "map": map[string]URI{"x": c.Store.URI}, "Daemon": c.Daemon}

	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%c", "%U", "%e", "%o", "%b", "%p", "%T", "%-20v|", "%020s", "%.3v", "%z"} {
			noSecrets(t, name+" with "+verb, fmt.Sprintf(verb, v))
		}
		noSecrets(t, name+" with Sprint", fmt.Sprint(v)+fmt.Sprintln(v))
		noSecrets(t, name+" in an error", fmt.Errorf("x: %v", v).Error())

		var log bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
			slog.New(h).With("with", v).WithGroup("g").Info("Loaded", "config", v, slog.Group("h", "v", v), slog.String("s", fmt.Sprint(v)))
		}
		noSecrets(t, name+" in a log", log.String())
		if log.Len() == 0 {
			t.Error("nothing was logged")
		}

		if j, err := json.Marshal(v); err != nil {
			t.Errorf("%s as JSON: %v", name, err)
		} else {
			noSecrets(t, name+" as JSON", string(j))
		}
		if y, err := yaml.Marshal(v); err == nil {
			noSecrets(t, name+" as YAML", string(y))
		} else {
			noSecrets(t, name+" in a YAML error", err.Error())
		}
		if x, err := xml.Marshal(v); err == nil {
			noSecrets(t, name+" as XML", string(x))
		}
		var g bytes.Buffer
		if err := gob.NewEncoder(&g).Encode(v); err == nil {
			noSecrets(t, name+" as gob", g.String())
		}
	}
	noSecrets(t, "YAML()", c.YAML())
	noSecrets(t, "Warnings()", strings.Join(c.Warnings(), "\n"))
	other := mustLoad(t, Options{Demo: true})
	noSecrets(t, "a difference", cmp.Diff(c, other, sameValues))
}

func TestSecretsShowThatTheyAreThere(t *testing.T) {
	c := configWithSecrets(t)
	for got, want := range map[string]string{
		fmt.Sprint(c.Daemon.Password):     "***",
		fmt.Sprintf("%#v", NewSecret("")): `config.Secret("")`,
		NewSecret("").String():            "",
		fmt.Sprintf("%q", NewSecret("x")): `"***"`,
		fmt.Sprint(c.Store.URI):           "mongodb://carol:***@h1:1,h2:2/db?tlsCertificateKeyFilePassword=***&w=1",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if c.Daemon.Password.Reveal() != daemonSecret || !strings.Contains(c.Store.URI.Reveal(), storeSecret) {
		t.Error("Reveal doesn't give the secret")
	}
	if y := c.YAML(); !strings.Contains(y, `password: "***" # --set`) || !strings.Contains(y, `user: "alice" # --set`) {
		t.Errorf("YAML() doesn't show where the password was set:\n%s", y)
	}
}

func TestURIsHideTooMuchRatherThanTooLittle(t *testing.T) {
	for text, want := range map[string]string{
		"sqlite:/x/y.db":              "sqlite:/x/y.db",
		"mongodb://h:1/db":            "mongodb://h:1/db",
		"mongodb://u@h":               "mongodb://u@h",
		"mongodb://u:p@h":             "mongodb://u:***@h",
		"mongodb://u:p@ss@h":          "mongodb://u:***@h",
		"mongodb://u:p/s@h":           "mongodb://u:***@h",
		"mongodb://u:p:q@h":           "mongodb://u:***@h",
		"mongodb+srv://u:p@h/?a=b":    "mongodb+srv://u:***@h/?a=b",
		"mongodb://h/?PASSWORD=a&x=1": "mongodb://h/?PASSWORD=***&x=1",
		"mongodb://h/?authMechanismProperties=AWS_SESSION_TOKEN:t": "mongodb://h/?authMechanismProperties=***",
		"": "",
	} {
		if got := NewURI(text).String(); got != want {
			t.Errorf("%s prints as %s, want %s", text, got, want)
		}
	}
	if p, ok := NewURI("sqlite:/x.db").SQLitePath(); !ok || p != "/x.db" {
		t.Errorf("SQLitePath = %q, %v", p, ok)
	}
	if _, ok := NewURI("mongodb://h").SQLitePath(); ok {
		t.Error("a MongoDB URI has an SQLite path")
	}
}

func TestSecretsCompareByText(t *testing.T) {
	if !NewSecret("a").Equal(NewSecret("a")) || NewSecret("a").Equal(NewSecret("b")) || NewSecret("a").Equal(Secret{}) || !(Secret{}).Equal(NewSecret("")) {
		t.Error("Equal doesn't compare the texts")
	}
}

func TestRefusedURLsAreShownWithoutTheirPassword(t *testing.T) {
	got := problemsOf(t, Options{Demo: true, Flags: []string{"daemon.url=http://alice:" + daemonSecret + "@10.0.0.1:1",
		"store.uri=postgres://x:" + storeSecret + "@h", "benchmark.url=ftp://x:" + benchmarkSecret + "@h", "docker.host=tcp://x:" + optionSecret + "@h:1"}})
	text := (&Error{Problems: got}).Error()
	noSecrets(t, "the error", text)
	if len(got) != 4 || !strings.Contains(text, "put them under their own keys") {
		t.Errorf("got %s", text)
	}
}
