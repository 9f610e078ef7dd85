package spec

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

func TestJSONIsWrittenAsECMAScriptDoes(t *testing.T) {
	type pair struct {
		Text string
		Out  *string
	}
	all := load[struct{ JSON, Numbers, Values []pair }](t, "ecmascript.json")
	if len(all.JSON) < 350 || len(all.Numbers) < 50 || len(all.Values) < 15 {
		t.Error("vectors are missing")
	}
	for _, v := range all.JSON {
		got, err := decode([]byte(v.Text))
		switch {
		case v.Out == nil && err == nil:
			t.Errorf("%q is read as %s", v.Text, got.encode())
		case v.Out != nil && err != nil:
			t.Errorf("%q: %v", v.Text, err)
		case v.Out != nil && string(got.encode()) != *v.Out:
			t.Errorf("%q: got %s, want %s", v.Text, got.encode(), *v.Out)
		}
	}
	for _, v := range all.Numbers {
		if got := numberText(textNumber(v.Text)); got != *v.Out {
			t.Errorf("Number(%q) is %s, want %s", v.Text, got, *v.Out)
		}
	}
	for _, v := range all.Values {
		in, err := decode([]byte(v.Text))
		if err != nil {
			t.Fatal(err)
		}
		if got := numberText(toNumber(in)); got != *v.Out {
			t.Errorf("Number(%s) is %s, want %s", v.Text, got, *v.Out)
		}
	}
}

func TestBytesThatAreNoTextBecomeReplacementCharacters(t *testing.T) {
	v, err := decode([]byte("\"a\xff\xed\xa0\x80z\""))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(v.encode()), "\"a\ufffd\ufffd\ufffd\ufffdz\""; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	for depth, want := range map[int]bool{maxDepth: true, maxDepth + 1: false, 1 << 20: false} {
		_, err := decode([]byte(strings.Repeat("[", depth) + strings.Repeat("]", depth)))
		if (err == nil) != want {
			t.Errorf("depth %d: %v", depth, err)
		}
	}
}

func TestLengthsCountUTF16Units(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "é": 1, "€": 1, "😀": 2, "\xed\xa0\xbd": 1, "a\xed\xa0\xbd😀": 4} {
		if got := units(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}

func TestCoercions(t *testing.T) {
	for _, c := range []struct{ in, text, boolean string }{
		{`"x"`, `"x"`, ``}, {`1`, `"1"`, `true`}, {`0`, `"0"`, `false`}, {`"1"`, `"1"`, `true`}, {`"0"`, `"0"`, `false`},
		{`true`, `"true"`, `true`}, {`"true"`, `"true"`, `true`}, {`"false"`, `"false"`, `false`}, {`null`, `"null"`, ``},
		{`{"a":[1]}`, `"{\"a\":[1]}"`, ``}, {`"yes"`, `"yes"`, ``}, {`2`, `"2"`, ``}, {`1e999`, `"null"`, ``}, {`"TRUE"`, `"TRUE"`, ``},
	} {
		v, err := decode([]byte(c.in))
		if err != nil {
			t.Fatal(err)
		}
		if got := string(toText(v).encode()); got != c.text {
			t.Errorf("%s as text: %s, want %s", c.in, got, c.text)
		}
		if got := string(toBool(v).encode()); got != c.boolean {
			t.Errorf("%s as boolean: %s, want %s", c.in, got, c.boolean)
		}
	}
	for in, want := range map[string]string{`[1]`: `[1]`, `"[1]"`: `[1]`, `"[]"`: `[]`, `"a=1"`: ``, `{}`: ``, `"{}"`: ``, `"\"x\""`: ``, `null`: ``, `""`: ``} {
		v, err := decode([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		got, ok := toArray(v)
		if ok != (want != "") || ok && string(got.encode()) != want {
			t.Errorf("%s as array: %s %v", in, got.encode(), ok)
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

func TestLargeObjectsFindRepeatedMembers(t *testing.T) {
	var in, want strings.Builder
	for i := range 3 * manyMembers {
		fmt.Fprintf(&in, `,"k%d":0`, i)
		fmt.Fprintf(&want, `,"k%d":%d`, i, map[bool]int{true: 1}[i == 0 || i == 2*manyMembers])
	}
	fmt.Fprintf(&in, `,"k%d":1,"k0":1`, 2*manyMembers)
	got, err := decode([]byte("{" + in.String()[1:] + "}"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "{" + want.String()[1:] + "}"; string(got.encode()) != want {
		t.Errorf("got  %s\nwant %s", got.encode(), want)
	}
}

func TestOnlyArrayIndicesComeFirst(t *testing.T) {
	got, err := decode([]byte(`{"b":1,"4294967295":2,"01":3,"4294967294":4,"1":5}`))
	if want := `{"1":5,"4294967294":4,"b":1,"4294967295":2,"01":3}`; err != nil || string(got.encode()) != want {
		t.Errorf("got %s %v, want %s", got.encode(), err, want)
	}
}
