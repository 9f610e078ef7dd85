package jsjson

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

const depth = 64

func load[T any](t testing.TB, file string) T {
	t.Helper()
	raw, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	var v T
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// recorded is what an ECMAScript engine made of texts; no Out is a refusal.
type recorded struct {
	JSON []struct {
		Text string
		Out  *string
	}
}

// envelope is a message of the network and the text that its signature is over.
type envelope struct{ What, SignedString, Wire string }

func mustDecode(t testing.TB, text string) Value {
	t.Helper()
	v, err := Decode([]byte(text), depth)
	if err != nil {
		t.Fatalf("%.80q: %v", text, err)
	}
	return v
}

func TestJSONIsWrittenAsECMAScriptDoes(t *testing.T) {
	all := load[recorded](t, "ecmascript.json").JSON
	if len(all) < 350 {
		t.Error("vectors are missing")
	}
	for _, v := range all {
		got, err := Decode([]byte(v.Text), depth)
		switch {
		case v.Out == nil && err == nil:
			t.Errorf("%q is read as %s", v.Text, got.Encode())
		case v.Out != nil && err != nil:
			t.Errorf("%q: %v", v.Text, err)
		case v.Out != nil && string(got.Encode()) != *v.Out:
			t.Errorf("%q: got %s, want %s", v.Text, got.Encode(), *v.Out)
		}
	}
}

func TestSignedTextsOfMessagesAreThoseOfTheNetwork(t *testing.T) {
	all := load[[]envelope](t, "envelopes.json")
	if len(all) == 0 {
		t.Error("vectors are missing")
	}
	for _, c := range all {
		e := mustDecode(t, c.Wire)
		var got []byte
		for _, name := range []string{"version", "data", "timestamp"} {
			got = e.Get(name).Append(got)
		}
		if string(got) != c.SignedString {
			t.Errorf("%s:\ngot  %s\nwant %s", c.What, got, c.SignedString)
		}
	}
}

func TestObjectsAreWrittenAsECMAScriptDoes(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{" {\r\n\t\"a\" : [ 1 , 2 ] , \"b\" : { } , \"c\":[]}\n", `{"a":[1,2],"b":{},"c":[]}`},
		{`{"b":1,"a":2,"b":3}`, `{"b":3,"a":2}`},
		{`{"b":1,"10":1,"9":2,"01":3,"4294967294":4,"4294967295":5,"-1":6}`, `{"9":2,"10":1,"4294967294":4,"b":1,"01":3,"4294967295":5,"-1":6}`},
		{`{"a":{"2":1,"1":2}}`, `{"a":{"1":2,"2":1}}`},
		{`{"n":[-0,0.0,1.0,1e2,1e21,1e20,123456789012345678901,1e-6,1e-7,0.1,1.5e300,1e400,-1e400,5e-324,1e-400,9007199254740993]}`,
			`{"n":[0,0,1,100,1e+21,100000000000000000000,123456789012345680000,0.000001,1e-7,0.1,1.5e+300,null,null,5e-324,0,9007199254740992]}`},
		{`{"t":[true,false,null]}`, `{"t":[true,false,null]}`},
		{`{"s":"\u0041\/\"\\\b\f\n\r\t\u000b\u001f\u007f\u2028<>&"}`, "{\"s\":\"A/\\\"\\\\\\b\\f\\n\\r\\t\\u000b\\u001f\u007f\u2028<>&\"}"},
		{`{"s":"\ud83d\ude00 \uD83D x\ude00 \ud83d\ud83d\ude00"}`, "{\"s\":\"😀 \\ud83d x\\ude00 \\ud83d😀\"}"},
		{`{"\ud83d":1,"\ud83d":2,"\ufffd":3}`, "{\"\\ud83d\":2,\"\ufffd\":3}"},
		{`{"":1,"__proto__":2}`, `{"":1,"__proto__":2}`},
	} {
		if got := string(mustDecode(t, c.in).Encode()); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.in, got, c.want)
		}
	}
	for _, bad := range []string{"", " ", "not-json", `{"a":1,}`, `{"a":NaN}`, `{"a":01}`, "\ufeff{}", "{}{}",
		strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}"} {
		if v, err := Decode([]byte(bad), depth); err == nil {
			t.Errorf("%.40q is taken as %s", bad, v.Encode())
		}
	}
}

func TestBytesThatAreNoTextBecomeReplacementCharacters(t *testing.T) {
	v, err := Decode([]byte("\"a\xff\xed\xa0\x80z\""), depth)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(v.Encode()), "\"a\ufffd\ufffd\ufffd\ufffdz\""; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	for levels, want := range map[int]bool{0: true, depth: true, depth + 1: false, 1 << 20: false} {
		for _, text := range []string{
			strings.Repeat("[", levels) + "1" + strings.Repeat("]", levels),
			strings.Repeat(`{"a":`, levels) + `"x"` + strings.Repeat("}", levels),
			strings.Repeat("[", max(levels, 1)) + strings.Repeat("]", max(levels, 1)),
		} {
			_, err := Decode([]byte(text), depth)
			if (err == nil) != want {
				t.Errorf("%d levels of %.5s: %v", levels, text, err)
			}
		}
	}
	for text, want := range map[string]bool{"1": true, `"[{"`: true, "[]": false, "{}": false} {
		if _, err := Decode([]byte(text), 0); (err == nil) != want {
			t.Errorf("%s at depth 0: %v", text, err)
		}
	}
}

func TestLengthsCountUTF16Units(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "é": 1, "€": 1, "😀": 2, "\xed\xa0\xbd": 1, "a\xed\xa0\xbd😀": 4} {
		if got := Units(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
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
	got, err := Decode([]byte("{"+in.String()[1:]+"}"), depth)
	if err != nil {
		t.Fatal(err)
	}
	if want := "{" + want.String()[1:] + "}"; string(got.Encode()) != want {
		t.Errorf("got  %s\nwant %s", got.Encode(), want)
	}
}

func TestOnlyArrayIndicesComeFirst(t *testing.T) {
	got, err := Decode([]byte(`{"b":1,"4294967295":2,"01":3,"4294967294":4,"1":5}`), depth)
	if want := `{"1":5,"4294967294":4,"b":1,"4294967295":2,"01":3}`; err != nil || string(got.Encode()) != want {
		t.Errorf("got %s %v, want %s", got.Encode(), err, want)
	}
}

func TestSetKeepsTheOrderOfECMAScript(t *testing.T) {
	v := mustDecode(t, `{"b":1,"7":2,"a":3}`)
	for i, name := range []string{"a", "10", "c", "8", "01", "0", "7", "4294967295"} {
		v.Set(name, NumberValue(float64(10+i)))
	}
	v.Set("b", Value{})
	v.Set("d", Value{})
	if got, want := string(v.Encode()), `{"0":15,"7":16,"8":13,"10":11,"b":1,"a":10,"c":12,"01":14,"4294967295":17}`; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := v.Get("8"); got.Kind != Number || got.Number != 13 {
		t.Errorf("8 is %+v", got)
	}
	if got := v.Get("d"); got.Kind != Undefined {
		t.Errorf("d is %+v", got)
	}
}

func TestValuesMadeHereAreWrittenAsECMAScriptDoes(t *testing.T) {
	for _, c := range []struct {
		in   Value
		want string
	}{
		{Value{}, ``},
		{Value{Kind: Null}, `null`},
		{BoolValue(true), `true`},
		{TextValue("\x01\"é"), `"\u0001\"é"`},
		{NumberValue(math.Copysign(0, -1)), `0`},
		{NumberValue(math.NaN()), `null`},
		{NumberValue(math.Inf(-1)), `null`},
		{ArrayValue(nil), `[]`},
		{ArrayValue([]Value{{}, NumberValue(1), {}}), `[null,1,null]`},
		{ObjectValue(nil), `{}`},
		{ObjectValue([]Member{{"a", Value{}}, {"b", BoolValue(false)}, {"c", Value{}}, {"d", NumberValue(2)}}), `{"b":false,"d":2}`},
	} {
		if got := string(c.in.Encode()); got != c.want {
			t.Errorf("%+v: got %s, want %s", c.in, got, c.want)
		}
	}
}

func TestNumbersHaveTheTextsOfECMAScript(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0", math.Copysign(0, -1): "0", 1e21: "1e+21", 1e-7: "1e-7", -1.5e-10: "-1.5e-10", 999999999999999900000: "999999999999999900000",
		1e-6: "0.000001", math.Inf(1): "Infinity", math.Inf(-1): "-Infinity", math.NaN(): "NaN",
	} {
		if got := NumberText(n); got != want {
			t.Errorf("%v: got %s, want %s", n, got, want)
		}
	}
}

// Exactly what encoding/json holds for JSON is read. What is written must be
// JSON of the same meaning, and writing it again must not change it.
func FuzzDecode(f *testing.F) {
	for _, c := range load[recorded](f, "ecmascript.json").JSON {
		f.Add([]byte(c.Text))
	}
	for _, c := range load[[]envelope](f, "envelopes.json") {
		f.Add([]byte(c.Wire))
	}
	f.Add([]byte(`{"2":1,"1":[1e400,-0,{"a":"\ud800\u0000"}],"2":{}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		v, err := Decode(raw, depth)
		if valid := json.Valid(raw); valid != (err == nil) && (!valid || !errors.Is(err, errDepth)) {
			t.Fatalf("%q: %v, encoding/json says %v", raw, err, valid)
		}
		if err != nil {
			return
		}
		once := v.Encode()
		again, err := Decode(once, depth)
		if err != nil {
			t.Fatalf("%q is written as %q: %v", raw, once, err)
		}
		if twice := again.Encode(); string(twice) != string(once) {
			t.Errorf("%q is written as %q, then as %q", raw, once, twice)
		}
		var in, out map[string]any
		if json.Unmarshal(raw, &in) == nil && json.Unmarshal(once, &out) == nil && len(in) > len(out) {
			t.Errorf("%q has %d members, %q has %d", raw, len(in), once, len(out))
		}
	})
}
