package mongo

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxosd/fluxosd/internal/store"
)

func TestCheckNamesWhatIsWrong(t *testing.T) {
	const user = "mongodb://user:" + secret + "@"
	for uri, want := range map[string]string{
		"":                               "must begin with",
		"postgres://user:" + secret:      "must begin with",
		user + "h:0/":                    "a port is not a number",
		user + "h:65536/":                "a port is not a number",
		user + "h:" + secret + "/":       "a port is not a number",
		user + "/":                       "at least 1 host",
		user + "h?tls=true":              "must have a / before",
		user + secret + "@h/":            "unescaped @",
		"mongodb://u:a:" + secret + "@h": "unescaped colon in password",
		"mongodb://u:a/" + secret + "@h": "unescaped slash in password",
		"mongodb://u:%zz" + secret + "@h/?tls=true":                                        "percent-encoded",
		user + "h/?authMechanism=" + secret:                                                "authMechanism is unknown; allowed are SCRAM-SHA-1,",
		user + "h/?AUTHMECHANISM=GSSAPI":                                                   "asks for GSSAPI",
		user + "h/?retryWrites=true&tls=" + secret:                                         "option tls is",
		user + "h/?tls=true;MaxPoolSize=" + secret:                                         "option maxPoolSize is",
		user + "h/?max%50oolSize=" + secret:                                                "option maxPoolSize is",
		user + "h/?connectTimeoutMS=-1":                                                    "option connectTimeoutMS is",
		user + "h/?heartbeatFrequencyMS=1":                                                 "option heartbeatFrequencyMS is",
		user + "h/?readPreference=" + secret:                                               "option readPreference is",
		user + "h/?appName=%zz" + secret:                                                   "option appName is",
		user + "h/?" + secret:                                                              "not of the form name=value",
		user + "h/?=" + secret:                                                             "not of the form name=value",
		user + "h/?srvMaxHosts=1":                                                          "srvMaxHosts needs mongodb+srv://",
		user + "h/?tlsCAFile=/none/" + secret:                                              "file of its option tlsCAFile can't be read: no such file",
		user + "h/?w=0&journal=true":                                                       "w=0 and j=true",
		user + "h/?tls=true&ssl=false":                                                     "must be equivalent",
		user + "a,b/?directConnection=true":                                                "multiple hosts",
		user + "a/?minPoolSize=7&maxPoolSize=3":                                            "contradict each other",
		"mongodb://h/?authMechanism=PLAIN":                                                 "username required for PLAIN",
		"mongodb://h/?authMechanism=PLAIN&loadBalanced=" + secret:                          "option loadBalanced is",
		"mongodb+srv://user:" + secret + "@a.example.org,b.example.org/":                   "takes one host",
		"mongodb+srv://user:" + secret + "@a.example.org:27017/":                           "without a port",
		"mongodb+srv://user:" + secret + "@a.example.org/?directConnection=true":           "directConnection",
		"mongodb+srv://user:" + secret + "@a.example.org/?srvMaxHosts=3&w=1&tls=" + secret: "option tls is",
	} {
		t.Run(uri, func(t *testing.T) {
			err := Check(uri)
			if err == nil {
				t.Fatal("accepted")
			}
			if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "mongodb://127.0.0.1:27017/") {
				t.Errorf("got %v, want %q and an example", err, want)
			}
			if strings.Contains(err.Error(), secret) {
				t.Errorf("the password is shown: %v", err)
			}
		})
	}
}

func TestCheckAcceptsWithoutTheNetwork(t *testing.T) {
	for _, uri := range []string{
		"mongodb://127.0.0.1:27017",
		"mongodb://user:p%40ss@a:1,b:2,[::1]:3/db?replicaSet=r&w=majority&unknownToTheDriver=1",
		"mongodb://user:pa?ss@h/?authMechanism=SCRAM-SHA-256",
		"mongodb+srv://user:pass@none.invalid/?srvMaxHosts=3&srvServiceName=x&retryWrites=true",
		"mongodb+srv://none.invalid",
	} {
		if err := Check(uri); err != nil {
			t.Errorf("%s: %v", uri, err)
		}
	}
}

func TestUnknownNameInTheDNSIsUnavailable(t *testing.T) {
	_, err := Open(t.Context(), Config{URI: "mongodb+srv://user:" + secret + "@none.invalid/"})
	if !errors.Is(err, store.ErrUnavailable) || strings.Contains(err.Error(), secret) {
		t.Errorf("got %v, want ErrUnavailable without the password", err)
	}
}

// FuzzCheckKeepsSecrets gives pieces of URIs around a password.
func FuzzCheckKeepsSecrets(f *testing.F) {
	for _, parts := range [][2]string{
		{"mongodb://user:", "@h/"}, {"mongodb+srv://user:", "@h/?tls=1"}, {"mongodb://h/?tls=", ""}, {"mongodb://h:", "/"},
		{"mongodb://u:p@h/", "?x"}, {"mongodb://h/?", "=1"}, {"mongodb://h/?tlsCAFile=", "&w=0"}, {"", ""}, {"mongodb://u:%", "@h"},
	} {
		f.Add(parts[0], parts[1])
	}
	f.Fuzz(func(t *testing.T, before, after string) {
		if strings.Contains(before+after, "dev") {
			return // an option may name a device, whose end is never reached
		}
		if err := Check(before + secret + after); err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("the secret is shown: %v", err)
		}
	})
}

func TestCheckReadsTheFilesOfOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Check("mongodb://h/?tlsCAFile=" + path); err == nil || !strings.Contains(err.Error(), "option tlsCAFile is not allowed") {
		t.Errorf("got %v, want one that names the option", err)
	}
}
