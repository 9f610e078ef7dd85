package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/secret"
	"github.com/fluxosd/fluxosd/internal/secret/secrettest"
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

var allSecrets = []string{daemonSecret, benchmarkSecret, storeSecret, optionSecret, armourSecret}

// noSecrets fails if text shows a secret, plainly or in hexadecimal.
func noSecrets(t *testing.T, how, text string) {
	t.Helper()
	secrettest.Absent(t, how, text, allSecrets...)
}

func TestNothingPrintsASecret(t *testing.T) {
	c := configWithSecrets(t)
	// Unexported fields keep fmt from calling methods.
	wrapped := struct {
		c Config
		s secret.Text
		u URI
		p *secret.Text
	}{*c, c.Daemon.Password, c.Store.URI, &c.Daemon.Password}
	values := map[string]any{"*Config": c, "Config": *c, "wrapped": wrapped, "Secret": c.Daemon.Password, "*Secret": &c.Daemon.Password,
		"URI": c.Store.URI, "*URI": &c.Store.URI, "slice": []secret.Text{c.Daemon.Password}, "map": map[string]URI{"x": c.Store.URI}, "Daemon": c.Daemon}

	for name, v := range values {
		secrettest.Hides(t, name, v, allSecrets...)
	}
	noSecrets(t, "YAML()", c.YAML())
	noSecrets(t, "Warnings()", strings.Join(c.Warnings(), "\n"))
	other := mustLoad(t, Options{Demo: true})
	noSecrets(t, "a difference", cmp.Diff(c, other, sameValues))
}

func TestSecretsShowThatTheyAreThere(t *testing.T) {
	c := configWithSecrets(t)
	for got, want := range map[string]string{
		fmt.Sprint(c.Daemon.Password): "***",
		fmt.Sprint(c.Store.URI):       "mongodb://carol:***@h1:1,h2:2/db?tlsCertificateKeyFilePassword=***&w=1",
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

func TestURIsCompareWhole(t *testing.T) {
	a, b := NewURI("mongodb://u:a@h"), NewURI("mongodb://u:b@h")
	if !a.Equal(a) || a.Equal(b) || !NewURI("").Equal(URI{}) {
		t.Error("Equal doesn't compare the whole URIs")
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
