package daemonrpc

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// values is a request's parameters by source.
type values map[Source]map[string]any

func (v values) lookup(in Source, name string) (any, bool) {
	value, ok := v[in][name]
	return value, ok
}

func inPath(kv map[string]any) values  { return values{InPath: kv} }
func inQuery(kv map[string]any) values { return values{InQuery: kv} }
func inBody(kv map[string]any) values  { return values{InBody: kv} }

func endpoint(t *testing.T, name string) Endpoint {
	t.Helper()
	for _, e := range Table() {
		if shortName(e.Method, e.Path) == name {
			return e
		}
	}
	t.Fatalf("no endpoint %s", name)
	return Endpoint{}
}

func heightIs(h int64) Height {
	return func(context.Context) (int64, error) { return h, nil }
}

func heightUnused(t *testing.T) Height {
	return func(context.Context) (int64, error) {
		t.Error("asked for the height")
		return 0, nil
	}
}

func TestParamsOfEndpoints(t *testing.T) {
	type m = map[string]any
	tests := []struct {
		name     string
		endpoint string
		request  values
		want     string
	}{
		{"path wins over query", "GET /daemon/getblock", values{InPath: m{"hashheight": "aa"}, InQuery: m{"hashheight": "bb", "verbosity": "1"}}, `["aa",1]`},
		{"empty path falls back to query", "GET /daemon/getblock", values{InPath: m{"hashheight": ""}, InQuery: m{"hashheight": "bb"}}, `["bb",2]`},
		{"height stays text", "GET /daemon/getblock", inPath(m{"hashheight": "120"}), `["120",2]`},
		{"missing block is null", "GET /daemon/getblock", nil, `[null,2]`},
		{"missing required asks for usage", "GET /daemon/getblockheader", inQuery(m{"verbose": "false"}), `[]`},
		{"default bool", "GET /daemon/getblockheader", inPath(m{"hash": "aa"}), `["aa",true]`},
		{"bad bool is null", "GET /daemon/getblockheader", inPath(m{"hash": "aa", "verbose": "yes"}), `["aa",null]`},
		{"bad number is null", "GET /daemon/gettxout", inPath(m{"txid": "aa", "n": "x"}), `["aa",null,true]`},
		{"zero is given", "GET /daemon/gettxout", inPath(m{"txid": "aa", "n": "0"}), `["aa",0,true]`},
		{"optional left out", "GET /daemon/listfluxnodes", nil, `[]`},
		{"limit is no argument", "GET /daemon/listfluxnodes", inQuery(m{"limit": "3", "filter": "x"}), `["x"]`},
		{"alias takes the same", "GET /daemon/viewdeterministiczelnodelist", inPath(m{"filter": "x"}), `["x"]`},
		{"help of nothing", "GET /daemon/help", nil, `[""]`},
		{"constant first", "GET /daemon/getbalance", inQuery(m{"minconf": "6"}), `["",6,false]`},
		{"constant star", "GET /daemon/listtransactions", nil, `["*",10,0,false]`},
		{"operation ids default", "GET /daemon/zgetoperationstatus", nil, `[[]]`},
		{"operation ids as JSON", "GET /daemon/zgetoperationstatus", inQuery(m{"operationid": `["opid-1"]`}), `[["opid-1"]]`},

		{"block hashes without options", "GET /daemon/getblockhashes", inPath(m{"high": "9", "low": "1", "noorphans": "true"}), `[9,1]`},
		{"block hashes with options", "GET /daemon/getblockhashes", inQuery(m{"high": "9", "low": "1", "noOrphans": "true"}), `[9,1,{"noOrphans":true}]`},
		{"block hashes with documented names", "GET /daemon/getblockhashes", inQuery(m{"high": "9", "low": "1", "noorphans": "1", "logicaltimes": "0"}), `[9,1,{"logicalTimes":false,"noOrphans":true}]`},
		{"gap is null", "GET /daemon/getblockhashes", inQuery(m{"low": "1"}), `[null,1]`},
		{"block hashes by body, unconverted", "POST /daemon/getblockhashes", inBody(m{"high": "9"}), `["9",null]`},
		{"block hashes by body with options", "POST /daemon/getblockhashes", inBody(m{"high": json.Number("9"), "low": 1.0, "options": m{"noOrphans": true}}), `[9,1,{"noOrphans":true}]`},
		{"block hashes by body with documented names", "POST /daemon/getblockhashes", inBody(m{"high": json.Number("9"), "low": json.Number("1"), "noorphans": true}), `[9,1,{"noOrphans":true}]`},

		{"proof list", "GET /daemon/gettxoutproof", inPath(m{"txids": "aa,bb"}), `[["aa","bb"]]`},
		{"ban without time has no absolute", "GET /daemon/setban", inQuery(m{"ip": "1.2.3.4", "command": "add", "absolute": "true"}), `["1.2.3.4","add"]`},
		{"ban with time", "GET /daemon/setban", inQuery(m{"ip": "1.2.3.4", "command": "add", "bantime": "60", "absolute": "true"}), `["1.2.3.4","add",60,true]`},
		{"start node keeps text", "GET /daemon/startfluxnode", inPath(m{"set": "alias", "lockwallet": "false", "alias": "n1"}), `["alias","false","n1"]`},
		{"start node without set", "GET /daemon/startzelnode", nil, `[null,null]`},
		{"start one node", "GET /daemon/startdeterministicfluxnode", inPath(m{"alias": "n1"}), `["n1",false]`},
		{"added node info", "GET /daemon/getaddednodeinfo", inPath(m{"dns": "true"}), `[true]`},

		{"sign with nothing", "GET /daemon/signrawtransaction", inQuery(m{"hexstring": "aa", "privatekeys": `["k"]`, "branchid": "76b809bb"}), `["aa"]`},
		{"sign with outputs only", "GET /daemon/signrawtransaction", inQuery(m{"hexstring": "aa", "prevtxs": `[]`, "sighashtype": "NONE"}), `["aa",[]]`},
		{"sign with keys", "GET /daemon/signrawtransaction", inQuery(m{"hexstring": "aa", "prevtxs": `[]`, "privatekeys": `["k"]`}), `["aa",[],["k"],"ALL"]`},
		{"sign with everything", "POST /daemon/signrawtransaction", inBody(m{"hexstring": "aa", "prevtxs": []any{}, "privatekeys": []any{"k"}, "sighashtype": "NONE", "branchid": "x"}), `["aa",[],["k"],"NONE","x"]`},

		{"maxconf of notes from the query only", "GET /daemon/zlistunspent", values{InPath: m{"minconf": "2", "maxonf": "5", "maxconf": "6"}, InQuery: m{"addresses": `["zs1"]`}}, `[2,9999999,false,["zs1"]]`},
		{"maxconf of notes", "GET /daemon/zlistunspent", inQuery(m{"maxconf": "6"}), `[1,6,false]`},
		{"amount keeps its digits", "GET /daemon/sendtoaddress", inQuery(m{"fluxaddress": "t1", "amount": "0.10"}), `["t1",0.10,"","",false]`},
		{"amount from a body", "POST /daemon/sendtoaddress", inBody(m{"fluxaddress": "t1", "amount": 0.1}), `["t1",0.1,"","",false]`},
		{"fee default", "GET /daemon/zsendmany", inQuery(m{"fromaddress": "t1", "amounts": `[{"address":"z","amount":1.10}]`}), `["t1",[{"address":"z","amount":1.10}],1,0.0001]`},
		{"documented name of the raw transaction", "POST /daemon/fundrawtransaction", inBody(m{"hex": "aa"}), `["aa"]`},
		{"own name wins", "POST /daemon/fundrawtransaction", inBody(m{"hex": "aa", "hexstring": "bb"}), `["bb"]`},
		{"POST ignores the query", "POST /daemon/decodescript", inQuery(m{"hex": "aa"}), `[]`},
		{"null in a body is missing", "POST /daemon/decodescript", inBody(m{"hex": nil}), `[]`},
		{"text is made of other values", "POST /daemon/signmessage", inBody(m{"taddr": "t1", "message": m{"a": "<1>"}}), `["t1","{\"a\":\"\u003c1\u003e\"}"]`},

		{"spent info", "GET /daemon/getspentinfo", inPath(m{"txid": "aa", "index": "0"}), `[{"index":0,"txid":"aa"}]`},
		{"spent info of nothing", "GET /daemon/getspentinfo", nil, `[{"index":null,"txid":null}]`},
		{"spent info by body", "POST /daemon/getspentinfo", inBody(m{"txid": "aa", "index": json.Number("0")}), `[{"index":0,"txid":"aa"}]`},
		{"address ids", "GET /daemon/getaddresstxids", inPath(m{"address": "t1", "start": "5"}), `[{"addresses":["t1"],"start":5}]`},
		{"address ids by body", "POST /daemon/getaddresstxids", inBody(m{"addresses": []any{"t1", "t2"}, "start": "5", "end": json.Number("9")}), `[{"addresses":["t1","t2"],"end":9,"start":5}]`},
		{"addresses as JSON text", "POST /daemon/getaddressbalance", inBody(m{"addresses": `["t1"]`}), `[{"addresses":["t1"]}]`},
		{"address balance of nothing", "GET /daemon/getaddressbalance", nil, `[{"addresses":null}]`},
		{"deltas", "GET /daemon/getaddressdeltas", inPath(m{"address": "t1", "start": "1", "end": "2", "chaininfo": "true"}), `[{"addresses":["t1"],"chainInfo":true,"end":2,"start":1}]`},
		{"deltas by body", "POST /daemon/getaddressdeltas", inBody(m{"addresses": []any{"t1"}, "chaininfo": true}), `[{"addresses":["t1"],"chainInfo":true}]`},
		{"utxos take raw text", "GET /daemon/getaddressutxos", inPath(m{"address": "t1", "chaininfo": "true"}), `[{"addresses":["t1"],"chainInfo":"true"}]`},
		{"utxos by body, unconverted", "POST /daemon/getaddressutxos", inBody(m{"addresses": []any{"t1"}, "chainInfo": json.Number("1")}), `[{"addresses":["t1"],"chainInfo":1}]`},
		{"utxos by body with the documented name", "POST /daemon/getaddressutxos", inBody(m{"addresses": []any{"t1"}, "chaininfo": true}), `[{"addresses":["t1"],"chainInfo":true}]`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := endpoint(t, tt.endpoint)
			params, err := e.Params(t.Context(), tt.request.lookup, heightUnused(t))
			if err != nil {
				t.Fatal(err)
			}
			got, err := encodeParams(params)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, string(got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestExpiryHeightDefaultsToTwentyBlocksAhead(t *testing.T) {
	body := map[string]any{"transactions": json.RawMessage(`[]`), "addresses": json.RawMessage(`{"t2":1.10,"t1":2}`)}
	for _, tt := range []struct {
		name   string
		values values
		want   string
	}{
		{"GET /daemon/createrawtransaction", inQuery(map[string]any{"transactions": "[]", "addresses": `{"t2":1.10,"t1":2}`}), `[[],{"t2":1.10,"t1":2},0,120]`},
		{"POST /daemon/createrawtransaction", inBody(body), `[[],{"t2":1.10,"t1":2},0,120]`},
	} {
		e := endpoint(t, tt.name)
		params, err := e.Params(t.Context(), tt.values.lookup, heightIs(100))
		if err != nil {
			t.Fatal(err)
		}
		got, err := encodeParams(params)
		if err != nil || string(got) != tt.want {
			t.Errorf("%s: got %s, %v, want %s", tt.name, got, err, tt.want)
		}
		down := &TransportError{Code: "ECONNREFUSED"}
		_, err = e.Params(t.Context(), tt.values.lookup, func(context.Context) (int64, error) { return 0, down })
		if !errors.Is(err, down) {
			t.Errorf("%s: error %v does not carry that of the height", tt.name, err)
		}
		// An incomplete request needs no height.
		if params, err = e.Params(t.Context(), values{}.lookup, heightUnused(t)); err != nil || params != nil {
			t.Errorf("%s without arguments: %v, %v", tt.name, params, err)
		}
	}
}

func TestConversions(t *testing.T) {
	tests := []struct {
		kind Kind
		in   any
		want string
	}{
		{Number, "0.1", `0.1`},
		{Number, "1.50000000", `1.50000000`},
		{Number, "21000000.12345678", `21000000.12345678`},
		{Number, " 5\n", `5`},
		{Number, "-1", `-1`},
		{Number, "", `0`},
		{Number, "   ", `0`},
		{Number, "-0", `0`},
		{Number, "0.00", `0`},
		{Number, "0.05", `0.05`},
		{Number, "+5", `5`},
		{Number, "007", `7`},
		{Number, ".5", `0.5`},
		{Number, "5.", `5`},
		{Number, "1e3", `1000`},
		{Number, "1e-8", `1e-8`},
		{Number, "0x10", `16`},
		{Number, "0b11", `3`},
		{Number, "0o17", `15`},
		{Number, "-0x10", `null`},
		{Number, "1_000", `null`},
		{Number, "0x1p4", `null`},
		{Number, "1e400", `null`},
		{Number, "Infinity", `null`},
		{Number, "NaN", `null`},
		{Number, "12 34", `null`},
		{Number, "abc", `null`},
		{Number, true, `1`},
		{Number, false, `0`},
		{Number, nil, `0`},
		{Number, []any{}, `null`},
		{Number, map[string]any{}, `null`},
		{Number, json.Number("1.10"), `1.10`},
		{Number, json.Number("1E2"), `100`},
		{Number, 0.1, `0.1`},
		{Number, 1e21, `1e+21`},
		{Number, json.RawMessage(`"7"`), `7`},
		{Number, json.RawMessage(`0.10`), `0.10`},

		{Bool, "true", `true`}, {Bool, "1", `true`}, {Bool, true, `true`}, {Bool, json.Number("1"), `true`}, {Bool, 1.0, `true`},
		{Bool, "false", `false`}, {Bool, "0", `false`}, {Bool, false, `false`}, {Bool, json.Number("0"), `false`}, {Bool, 0.0, `false`},
		{Bool, "TRUE", `null`}, {Bool, "yes", `null`}, {Bool, 2.0, `null`}, {Bool, "", `null`}, {Bool, []any{}, `null`},

		{Object, map[string]any{"a": 1.5}, `{"a":1.5}`},
		{Object, []any{"a"}, `["a"]`},
		{Object, `{"b":1.10,"a":2}`, `{"b":1.10,"a":2}`},
		{Object, ` [1, 2] `, `[1,2]`},
		{Object, json.RawMessage(`{"b":1.10,"a":2}`), `{"b":1.10,"a":2}`},
		{Object, json.RawMessage(`"{\"a\":1}"`), `{"a":1}`},
		{Object, "t1abc=1.5&t1def=2", `{"t1abc":"1.5","t1def":"2"}`},
		{Object, "a=x%20y&a=z", `{"a":"x y"}`},
		{Object, "a[b]=c", `{"a[b]":"c"}`},
		{Object, "word", `{"word":""}`},
		{Object, "", `{}`}, {Object, "null", `{}`}, {Object, "5", `{}`}, {Object, `"text"`, `{}`}, {Object, true, `{}`}, {Object, nil, `{}`},

		{String, "a", `"a"`}, {String, json.Number("5"), `"5"`}, {String, true, `"true"`},
		{String, json.RawMessage(`"x"`), `"x"`}, {String, json.RawMessage(`{"b":1,"a":2}`), `"{\"b\":1,\"a\":2}"`},

		{Array, []any{"a"}, `["a"]`}, {Array, `["a"]`, `["a"]`}, {Array, "a", `"a"`}, {Array, `{"a":1}`, `"{\"a\":1}"`}, {Array, json.RawMessage(`["a"]`), `["a"]`},
		{List, "a", `["a"]`}, {List, "a,b", `["a","b"]`},
		{Single, "a,b", `["a,b"]`},
		{Any, "5", `"5"`}, {Any, json.RawMessage(`5`), `5`}, {Any, json.RawMessage(`{`), `null`}, {Any, map[string]any{"f": func() {}}, `null`},
	}
	for _, tt := range tests {
		got, err := json.Marshal(convert(tt.kind, tt.in))
		if err != nil || string(got) != tt.want {
			t.Errorf("%v of %#v: got %s, %v, want %s", tt.kind, tt.in, got, err, tt.want)
		}
	}
}

func TestNumberLongerThanAnyAmountIsRefused(t *testing.T) {
	long := make([]byte, maxNumberText+1)
	for i := range long {
		long[i] = '1'
	}
	if got := convert(Number, string(long)); got != nil {
		t.Errorf("got %v, want null", got)
	}
}

// Whatever a request holds, every endpoint makes arguments that JSON can carry,
// never more of them than it declares.
func FuzzParams(f *testing.F) {
	for _, seed := range []string{"", "0.1", "true", "1e400", `{"a":1}`, `[1,`, "a=b&c", "null", "\xff", "-0", `"x"`, "0x"} {
		f.Add(seed, seed)
	}
	table := Table()
	f.Fuzz(func(t *testing.T, text, body string) {
		lookup := func(in Source, _ string) (any, bool) {
			if in == InBody {
				return json.RawMessage(body), true
			}
			return text, true
		}
		for _, e := range table {
			params, err := e.Params(t.Context(), lookup, heightIs(1))
			if err != nil {
				t.Fatalf("%s: %v", e.Path, err)
			}
			if len(params) > len(e.Args) {
				t.Fatalf("%s: %d arguments, declared %d", e.Path, len(params), len(e.Args))
			}
			if raw, err := encodeParams(params); err != nil || !json.Valid(raw) {
				t.Fatalf("%s: %v cannot be sent: %v", e.Path, params, err)
			}
		}
	})
}
