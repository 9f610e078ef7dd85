package secret

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/secret/secrettest"
)

const hidden = "s3cret-of-the-test"

func TestNothingPrintsTheText(t *testing.T) {
	text := New(hidden)
	// Unexported fields keep fmt from calling methods.
	wrapped := struct {
		t Text
		p *Text
	}{text, &text}
	part := Showing("user:"+hidden, "user:***")
	values := map[string]any{"Text": text, "*Text": &text, "wrapped": wrapped, "*wrapped": &wrapped, "slice": []Text{text},
		"map": map[string]Text{"x": text}, "part": part, "wrapped part": struct{ t Text }{part}}

	for name, v := range values {
		secrettest.Hides(t, name, v, hidden)
	}
	secrettest.Absent(t, "a difference", cmp.Diff(text, New("other")), hidden)
	secrettest.Absent(t, "a difference of lists", cmp.Diff([]Text{text}, []Text{New("other"), text}), hidden)
}

func TestTextsShowThatTheyAreThere(t *testing.T) {
	text, none, part := New(hidden), New(""), Showing("user:x", "user:***")
	for _, tt := range []struct{ got, want string }{
		{fmt.Sprint(text), "***"},
		{fmt.Sprintf("%+v", text), "***"},
		{fmt.Sprintf("%#v", text), `secret.Text("***")`},
		{fmt.Sprintf("%q", text), `"***"`},
		{fmt.Sprintf("%x", text), "2a2a2a"},
		{fmt.Sprintf("%d", text), "***"},
		{fmt.Sprintf("[%5v]", text), "[  ***]"},
		{text.LogValue().String(), "***"},
		{fmt.Sprint(part), "user:***"},
		{fmt.Sprint(none), ""},
		{fmt.Sprintf("%#v", none), `secret.Text("")`},
		{fmt.Sprint(Showing("", "x")), ""},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
	for name, marshal := range map[string]func(any) ([]byte, error){"JSON": json.Marshal, "YAML": yaml.Marshal} {
		got, err := marshal(map[string]Text{"a": text, "b": none})
		var back map[string]string
		if err == nil {
			err = yaml.Unmarshal(got, &back)
		}
		if diff := cmp.Diff(map[string]string{"a": "***", "b": ""}, back); err != nil || diff != "" {
			t.Errorf("%s: error %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestOnlyRevealGivesTheText(t *testing.T) {
	for _, want := range []string{"", hidden, Mask} {
		text := New(want)
		if got := text.Reveal(); got != want || text.IsEmpty() != (want == "") {
			t.Errorf("New(%q): reveals %q, IsEmpty %v", want, got, text.IsEmpty())
		}
	}
	var zero Text
	if zero.Reveal() != "" || !zero.IsEmpty() {
		t.Error("the zero Text is not empty")
	}
}

func TestTextsCompareByTheirText(t *testing.T) {
	if !New("a").Equal(New("a")) || New("a").Equal(New("b")) || New("a").Equal(Text{}) || !(Text{}).Equal(New("")) {
		t.Error("Equal doesn't compare the texts")
	}
	if !New("a").Equal(Showing("a", "-")) {
		t.Error("Equal compares what is shown")
	}
	if reflect.TypeFor[Text]().Comparable() {
		t.Error("== compiles, and compares addresses")
	}
}
