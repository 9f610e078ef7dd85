package daemonrpc

import (
	"bytes"
	"encoding/json"
	"testing"
)

func TestLimitCutsLists(t *testing.T) {
	const list = ` [ {"rank":0, "amount":1.10} , {"rank":1},{"rank":2}] `
	tests := []struct{ in, limit, want string }{
		{list, "1", `[ {"rank":0, "amount":1.10}]`},
		{list, "2", `[ {"rank":0, "amount":1.10} , {"rank":1}]`},
		{list, "3", list},
		{list, "9999999", list},
		{list, "", list}, {list, "0", list}, {list, "01", list}, {list, "-1", list}, {list, "+1", list},
		{list, "1.0", list}, {list, "10000000", list}, {list, "1x", list}, {list, " 1", list},
		{`[]`, "1", `[]`},
		{`{"a":[1,2]}`, "1", `{"a":[1,2]}`},
		{`null`, "1", `null`},
		{``, "1", ``},
	}
	for _, tt := range tests {
		got, err := Limit(json.RawMessage(tt.in), tt.limit)
		if err != nil || string(got) != tt.want {
			t.Errorf("limit %q of %s: got %s, %v, want %s", tt.limit, tt.in, got, err, tt.want)
		}
	}
}

func TestWithoutKeepsOrderAndDigits(t *testing.T) {
	tests := []struct {
		in    string
		names []string
		want  string
	}{
		{`{"version":1,"balance":1.10,"z":0.00000001,"a":{"balance":5}}`, []string{"balance"}, `{"version":1,"z":0.00000001,"a":{"balance":5}}`},
		{`{"balance":1,"x":2,"balance":3}`, []string{"balance"}, `{"x":2}`},
		{`{"\u0062alance":1,"x":2}`, []string{"balance"}, `{"x":2}`},
		{`{"balance":1}`, []string{"balance"}, `{}`},
		{`{}`, []string{"balance"}, `{}`},
		{`{"ismine":true,"isvalid":true,"iswatchonly":false}`, []string{"ismine", "iswatchonly"}, `{"isvalid":true}`},
		{`["balance"]`, []string{"balance"}, `["balance"]`},
		{`null`, []string{"balance"}, `null`},
		{`"balance"`, []string{"balance"}, `"balance"`},
	}
	for _, tt := range tests {
		in := json.RawMessage(tt.in)
		got, err := Without(in, tt.names...)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s without %v: got %s, %v, want %s", tt.in, tt.names, got, err, tt.want)
		}
		if string(in) != tt.in {
			t.Errorf("%s was changed to %s", tt.in, in)
		}
	}
	if _, err := Without(json.RawMessage(`{"balance":1`), "balance"); err == nil {
		t.Error("a broken object came back without an error")
	}
}

func TestFinishHidesPrivateMembers(t *testing.T) {
	const info = `{"version":1,"balance":5,"blocks":2}`
	const address = `{"isvalid":true,"ismine":true,"iswatchonly":false,"account":""}`
	const list = `[1,2,3]`
	limit2 := inQuery(map[string]any{"limit": "2"})
	tests := []struct {
		endpoint string
		in       string
		request  values
		owner    bool
		want     string
	}{
		{"GET /daemon/getinfo", info, nil, false, `{"version":1,"blocks":2}`},
		{"GET /daemon/getinfo", info, nil, true, info},
		{"GET /daemon/validateaddress", address, nil, false, `{"isvalid":true,"account":""}`},
		{"GET /daemon/validateaddress", address, nil, true, address},
		{"GET /daemon/zvalidateaddress", address, nil, false, address},
		{"GET /daemon/listfluxnodes", list, limit2, false, `[1,2]`},
		{"GET /daemon/listzelnodes", list, limit2, false, `[1,2]`},
		{"GET /daemon/viewdeterministicfluxnodelist", list, limit2, true, `[1,2]`},
		{"GET /daemon/viewdeterministiczelnodelist", list, inPath(map[string]any{"limit": "2"}), false, list},
		{"GET /daemon/getpeerinfo", list, limit2, false, list},
	}
	for _, tt := range tests {
		got, err := endpoint(t, tt.endpoint).Finish(json.RawMessage(tt.in), tt.request.lookup, tt.owner)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s owner=%v: got %s, %v, want %s", tt.endpoint, tt.owner, got, err, tt.want)
		}
	}
}

func FuzzReplyShaping(f *testing.F) {
	for _, seed := range []string{`[1,2]`, `{"balance":1,"a":{"b":[]}}`, `null`, `[[[`, `{"a"`, `{"balance":1}x`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		valid := json.Valid(in)
		before := bytes.Clone(in)
		limited, errLimit := Limit(in, "1")
		hidden, errHide := Without(in, "balance")
		if !bytes.Equal(before, in) {
			t.Fatal("input was changed")
		}
		if !valid {
			return
		}
		if errLimit != nil || errHide != nil || !json.Valid(limited) || !json.Valid(hidden) {
			t.Fatalf("%s: %s %v, %s %v", in, limited, errLimit, hidden, errHide)
		}
		var object map[string]json.RawMessage
		if json.Unmarshal(hidden, &object) == nil && object["balance"] != nil {
			t.Fatalf("%s still shows the balance", hidden)
		}
	})
}
