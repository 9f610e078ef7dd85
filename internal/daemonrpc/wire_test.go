package daemonrpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestRequestsDifferByMethodAndArgumentsOnly(t *testing.T) {
	encode := func(id uint64, method string, params ...any) request {
		t.Helper()
		r, err := newRequest(id, method, params)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := encode(7, `a"b`, "x", json.Number("1.10"))
	if want := `{"jsonrpc":"2.0","id":7,"method":"a\"b","params":["x",1.10]}`; string(first.body) != want || string(first.args) != `["x",1.10]` {
		t.Errorf("body %s with arguments %s, want %s", first.body, first.args, want)
	}
	if again := encode(1000, `a"b`, "x", json.Number("1.10")); again.key() != first.key() {
		t.Error("the id changes the key")
	}
	for _, other := range []request{encode(7, `a"b`), encode(7, `a"b`, "x", json.Number("1.1")), encode(7, "a", "x", json.Number("1.10"))} {
		if other.key() == first.key() {
			t.Errorf("%s has the key of %s", other.body, first.body)
		}
	}
}

func TestDecodeReply(t *testing.T) {
	refusal := &RPCError{Code: -5, Message: "No such block"}
	tests := []struct {
		name, body string
		want       string
		err        error // *RPCError compared by value, others by errors.Is; errAny accepts every other error
	}{
		{"version 1.0", `{"result":{"b":1.10,"a":"x"},"error":null,"id":7}`, `{"b":1.10,"a":"x"}`, nil},
		{"version 2.0", `{"jsonrpc":"2.0","result":5,"id":7}`, `5`, nil},
		{"null result", `{"result":null,"error":null,"id":7}`, `null`, nil},
		{"white space", " {\"id\" : 7 , \"result\" : \"x\"}\n", `"x"`, nil},
		{"refusal", `{"result":null,"error":{"code":-5,"message":"No such block"},"id":7}`, "", refusal},
		{"refusal without result", `{"error":{"code":-5,"message":"No such block"},"id":7}`, "", refusal},
		{"refusal of an unread request", `{"result":null,"error":{"code":-5,"message":"No such block"},"id":null}`, "", refusal},
		{"refusal without id", `{"error":{"code":-5,"message":"No such block"}}`, "", refusal},
		{"refusal without text", `{"error":{"code":-1},"id":7}`, "", &RPCError{Code: -1}},
		{"refusal with an object for text", `{"error":{"code":-1,"message":{"a":1}},"id":7}`, "", &RPCError{Code: -1, Message: `{"a":1}`}},
		{"id of another call", `{"result":5,"error":null,"id":8}`, "", errReplyID},
		{"id as text", `{"result":5,"error":null,"id":"7"}`, "", errReplyID},
		{"no id", `{"result":5,"error":null}`, "", errReplyID},
		{"refusal of another call", `{"error":{"code":-5,"message":"x"},"id":8}`, "", errReplyID},
		{"neither", `{"id":7}`, "", errNotReply},
		{"neither but null", `{"error":null,"id":7}`, "", errNotReply},
		{"both", `{"result":5,"error":{"code":-1,"message":"x"},"id":7}`, "", errTwoValues},
		{"names in another case", `{"Result":5,"ID":7}`, "", errReplyID},
		{"error is text", `{"error":"x","id":7}`, "", errBadError},
		{"error without code", `{"error":{"message":"x"},"id":7}`, "", errBadError},
		{"error with a broken code", `{"error":{"code":1.5},"id":7}`, "", errBadError},
		{"error with a huge code", `{"error":{"code":99999999999},"id":7}`, "", errBadError},
		{"more after the reply", `{"result":5,"id":7}{}`, "", errAny},
		{"cut off", `{"result":[1,2`, "", errAny},
		{"array", `[]`, "", errAny},
		{"null", `null`, "", errReplyID},
		{"empty", ``, "", errAny},
		{"page", `<html>`, "", errAny},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := decodeReply([]byte(tt.body), 7)
			if string(got) != tt.want {
				t.Errorf("result %s, want %s", got, tt.want)
			}
			want, isRefusal := errors.AsType[*RPCError](tt.err)
			refused, wasRefused := errors.AsType[*RPCError](err)
			switch {
			case isRefusal || wasRefused:
				if diff := cmp.Diff(want, refused); diff != "" {
					t.Errorf("refusal (-want +got):\n%s", diff)
				}
			case tt.err == errAny:
				if err == nil {
					t.Error("no error")
				}
			case !errors.Is(err, tt.err):
				t.Errorf("error %v, want %v", err, tt.err)
			}
		})
	}
}

var errAny = errors.New("any error")

func TestReadBodyKeepsTheLimit(t *testing.T) {
	tests := []struct {
		body      string
		announced int64
		err       error
	}{
		{"12345", 5, nil},
		{"12345", -1, nil},
		{"123456", 6, errTooLarge},
		{"123456", -1, errTooLarge},
		{"", 0, nil},
	}
	for _, tt := range tests {
		got, err := readBody(strings.NewReader(tt.body), tt.announced, 5)
		if !errors.Is(err, tt.err) || err == nil && string(got) != tt.body {
			t.Errorf("%q announced %d: got %q, %v, want error %v", tt.body, tt.announced, got, err, tt.err)
		}
	}
	broken := io.MultiReader(strings.NewReader("12"), errReader{})
	if _, err := readBody(broken, -1, 5); !errors.Is(err, errAny) {
		t.Errorf("error %v, want that of the reader", err)
	}
}

type errReader struct{}

func (errReader) Read([]byte) (int, error) { return 0, errAny }

func FuzzDecodeReply(f *testing.F) {
	for _, seed := range []string{
		`{"result":{"b":1.10},"error":null,"id":7}`, `{"jsonrpc":"2.0","result":5,"id":7}`,
		`{"error":{"code":-5,"message":"x"},"id":7}`, `{"error":{"code":-5},"id":null}`, `{"id":7}`, `[`, `null`, "\xff",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		result, err := decodeReply(body, 7)
		if err == nil && (!json.Valid(result) || !bytes.Contains(body, result)) {
			t.Fatalf("result %q is not part of %q", result, body)
		}
		for _, status := range []int{200, 401, 500} {
			_, err := outcome(status, "text/plain", body, 7)
			_, _, message := Envelope(err)
			state := Classify(err)
			if err != nil && (state == StateUnknown || state == StateDown) {
				t.Fatalf("status %d with %q: state %v (%q)", status, body, state, message)
			}
		}
	})
}
