// Package secrettest prints values in every way that could show a secret. It is
// for tests; what must not be found in the texts is the caller's to say.
package secrettest

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
)

// Hides fails the test if a print of v shows one of the secrets, plainly or in
// hexadecimal: with every verb of fmt, in an error, in logs, and encoded. name
// says in the failure what v is. An encoder may refuse v, JSON may not.
func Hides(t *testing.T, name string, v any, secrets ...string) {
	t.Helper()
	for _, verb := range []string{
		"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "% x", "%d", "%t", "%c", "%U", "%e", "%o", "%b", "%p", "%T", "%-20v|", "%020s", "%.3v", "%z",
	} {
		Absent(t, name+" with "+verb, fmt.Sprintf(verb, v), secrets...)
	}
	Absent(t, name+" with Sprint", fmt.Sprint(v)+fmt.Sprintln(v), secrets...)
	Absent(t, name+" in an error", fmt.Errorf("x: %v", v).Error(), secrets...)

	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).With("with", v).WithGroup("g").Info("Loaded", "value", v, slog.Group("h", "v", v), slog.String("s", fmt.Sprint(v)))
	}
	Absent(t, name+" in a log", log.String(), secrets...)
	if log.Len() == 0 {
		t.Error("nothing was logged")
	}

	gobs := func(v any) ([]byte, error) {
		var b bytes.Buffer
		err := gob.NewEncoder(&b).Encode(v)
		return b.Bytes(), err
	}
	for format, encode := range map[string]func(any) ([]byte, error){
		"JSON": json.Marshal, "YAML": yaml.Marshal, "XML": xml.Marshal, "gob": gobs,
	} {
		text, err := encode(v)
		if err != nil {
			Absent(t, name+" in an error of "+format, err.Error(), secrets...)
			if format == "JSON" {
				t.Errorf("%s as JSON: %v", name, err)
			}
		}
		Absent(t, name+" as "+format, string(text), secrets...)
	}
}

// Absent fails the test if text shows one of the secrets, plainly or in
// hexadecimal. how says in the failure where the text comes from.
func Absent(t *testing.T, how, text string, secrets ...string) {
	t.Helper()
	for _, s := range secrets {
		digits := hex.EncodeToString([]byte(s))
		for _, form := range []string{s, digits, strings.ToUpper(digits)} {
			if strings.Contains(text, form) {
				t.Errorf("%s shows %s", how, s)
			}
		}
	}
}
