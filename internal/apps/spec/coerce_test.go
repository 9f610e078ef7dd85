package spec

import (
	"math"
	"testing"

	"github.com/fluxosd/fluxosd/internal/jsjson"
)

func TestValuesBecomeTheNumbersOfECMAScript(t *testing.T) {
	type pair struct{ Text, Out string }
	all := load[struct{ Numbers, Values []pair }](t, "ecmascript.json")
	if len(all.Numbers) < 50 || len(all.Values) < 15 {
		t.Error("vectors are missing")
	}
	for _, v := range all.Numbers {
		if got := jsjson.NumberText(textNumber(v.Text)); got != v.Out {
			t.Errorf("Number(%q) is %s, want %s", v.Text, got, v.Out)
		}
	}
	for _, v := range all.Values {
		in, err := jsjson.Decode([]byte(v.Text), maxDepth)
		if err != nil {
			t.Fatal(err)
		}
		if got := jsjson.NumberText(toNumber(in)); got != v.Out {
			t.Errorf("Number(%s) is %s, want %s", v.Text, got, v.Out)
		}
	}
}

func TestCoercions(t *testing.T) {
	for _, c := range []struct{ in, text, boolean string }{
		{`"x"`, `"x"`, ``}, {`1`, `"1"`, `true`}, {`0`, `"0"`, `false`}, {`"1"`, `"1"`, `true`}, {`"0"`, `"0"`, `false`},
		{`true`, `"true"`, `true`}, {`"true"`, `"true"`, `true`}, {`"false"`, `"false"`, `false`}, {`null`, `"null"`, ``},
		{`{"a":[1]}`, `"{\"a\":[1]}"`, ``}, {`"yes"`, `"yes"`, ``}, {`2`, `"2"`, ``}, {`1e999`, `"null"`, ``}, {`"TRUE"`, `"TRUE"`, ``},
	} {
		v, err := jsjson.Decode([]byte(c.in), maxDepth)
		if err != nil {
			t.Fatal(err)
		}
		if got := string(toText(v).Encode()); got != c.text {
			t.Errorf("%s as text: %s, want %s", c.in, got, c.text)
		}
		if got := string(toBool(v).Encode()); got != c.boolean {
			t.Errorf("%s as boolean: %s, want %s", c.in, got, c.boolean)
		}
	}
	for in, want := range map[string]string{`[1]`: `[1]`, `"[1]"`: `[1]`, `"[]"`: `[]`, `"a=1"`: ``, `{}`: ``, `"{}"`: ``, `"\"x\""`: ``, `null`: ``, `""`: ``} {
		v, err := jsjson.Decode([]byte(in), maxDepth)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := toArray(v)
		if ok != (want != "") || ok && string(got.Encode()) != want {
			t.Errorf("%s as array: %s %v", in, got.Encode(), ok)
		}
	}
}

func TestNumbersMayHaveEightDecimals(t *testing.T) {
	for n, want := range map[float64]bool{
		0: true, 15: true, 0.1: true, 0.12345678: true, 0.123456789: false, 1e21: true, 1e-9: true, 1.5e-9: true,
		math.NaN(): false, math.Inf(1): false, 0.30000000000000004: false,
	} {
		if got := fewDecimals(n); got != want {
			t.Errorf("%v: %v", n, got)
		}
	}
}
