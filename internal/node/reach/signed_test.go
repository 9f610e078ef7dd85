package reach

import (
	"strings"
	"testing"
)

func TestSignedTextsAreThoseOfTheNetwork(t *testing.T) {
	for _, c := range readVectors(t).RequestBody {
		b, err := readBody([]byte(c.Body))
		if err != nil {
			t.Fatalf("%s: %v", c.What, err)
		}
		if got := b.signedText(); got != c.SignedString {
			t.Errorf("%s:\ngot  %s\nwant %s", c.What, got, c.SignedString)
		}
	}
}

func TestOnlyObjectsOfFewLevelsAreBodies(t *testing.T) {
	nested := func(levels int) string {
		return `{"a":` + strings.Repeat("[", levels-1) + "1" + strings.Repeat("]", levels-1) + "}"
	}
	for _, bad := range []string{"", " ", "not-json", "[]", "1", `"a"`, "null", `{"a":1,}`, "{}{}", nested(maxDepth + 1), nested(100),
		`{"a":"` + strings.Repeat("x", maxBody) + `"}`} {
		if b, err := readBody([]byte(bad)); err == nil {
			t.Errorf("%.40q is taken as %.40q", bad, b.object.Encode())
		}
	}
	for _, good := range []string{"{}", " {} ", nested(maxDepth), strings.Repeat(`{"a":`, maxDepth-1) + "{}" + strings.Repeat("}", maxDepth-1)} {
		if _, err := readBody([]byte(good)); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
}
