package reach

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestSignedTextsAreThoseOfTheNetwork(t *testing.T) {
	v := readVectors(t)
	for _, c := range v.RequestBody {
		b, err := readBody([]byte(c.Body))
		if err != nil {
			t.Fatalf("%s: %v", c.What, err)
		}
		if got := jsText(b.members, "signature"); got != c.SignedString {
			t.Errorf("%s:\ngot  %s\nwant %s", c.What, got, c.SignedString)
		}
	}
	for _, c := range v.Envelope {
		var e struct {
			Version   json.Number
			Timestamp json.Number
			Data      json.RawMessage
		}
		if err := json.Unmarshal([]byte(c.Wire), &e); err != nil {
			t.Fatal(err)
		}
		members, err := jsObject(e.Data)
		if err != nil {
			t.Fatalf("%s: %v", c.What, err)
		}
		if got := e.Version.String() + jsText(members, noName) + e.Timestamp.String(); got != c.SignedString {
			t.Errorf("%s:\ngot  %s\nwant %s", c.What, got, c.SignedString)
		}
	}
}

func TestBodiesAreWrittenAsECMAScriptWritesThem(t *testing.T) {
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
		members, err := jsObject([]byte(c.in))
		if err != nil {
			t.Errorf("%s: %v", c.in, err)
			continue
		}
		if got := jsText(members, noName); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", c.in, got, c.want)
		}
	}
	for _, bad := range []string{"", " ", "not-json", "[]", "1", `"a"`, "null", `{"a":1,}`, `{"a":NaN}`, `{"a":01}`, "\ufeff{}", "{}{}",
		strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100), `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}"} {
		if members, err := jsObject([]byte(bad)); err == nil {
			t.Errorf("%.40q is taken as %v", bad, members)
		}
	}
}

// What is written must be JSON of the same meaning, and writing it again must
// not change it.
func FuzzJSText(f *testing.F) {
	for _, c := range readVectors(f).RequestBody {
		f.Add([]byte(c.Body))
	}
	f.Add([]byte(`{"2":1,"1":[1e400,-0,{"a":"\ud800\u0000"}],"2":{}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b, err := readBody(raw)
		if err != nil {
			return
		}
		once := jsText(b.members, noName)
		members, err := jsObject([]byte(once))
		if err != nil {
			t.Fatalf("%q is written as %q: %v", raw, once, err)
		}
		if twice := jsText(members, noName); twice != once {
			t.Errorf("%q is written as %q, then as %q", raw, once, twice)
		}
		var in, out map[string]any
		if json.Unmarshal(raw, &in) == nil && json.Unmarshal([]byte(once), &out) == nil && len(in) > len(out) {
			t.Errorf("%q has %d members, %q has %d", raw, len(in), once, len(out))
		}
	})
}
