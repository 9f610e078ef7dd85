package daemonrpc

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fluxosd/fluxosd/internal/permissions"
)

// contractRow is one route of the API contract.
type contractRow struct {
	Method     string          `json:"method"`
	Path       string          `json:"path"`
	Permission string          `json:"permission"`
	Cached     *string         `json:"cached"`
	AliasOf    *string         `json:"alias_of"`
	Params     []contractParam `json:"params"`
	Effects    string          `json:"side_effects"`
	RPC        struct {
		Method  string          `json:"method"`
		Params  []contractParam `json:"params"`
		Missing string          `json:"if_required_missing"`
	} `json:"rpc"`
}

type contractParam struct {
	Name     *string  `json:"name"`
	In       string   `json:"in"`
	AlsoIn   []string `json:"also_in"`
	Type     string   `json:"type"`
	Required bool     `json:"required"`
	Send     string   `json:"send"`
	Default  any      `json:"default"`
	Value    any      `json:"value"`
}

func contract(t *testing.T) []contractRow {
	t.Helper()
	data, err := os.ReadFile("testdata/routes-daemon.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []contractRow
	if err := json.Unmarshal(data, &rows); err != nil {
		t.Fatal(err)
	}
	return rows
}

// Deliberate deviations from the contract, by "METHOD first-two-path-segments".
var (
	stricterLevels = map[string]permissions.Level{
		"GET /daemon/fundrawtransaction":  permissions.Admin, // wallet calls are
		"POST /daemon/fundrawtransaction": permissions.Admin, // the owner's
		"GET /daemon/gettransaction":      permissions.Admin,
	}
	notCached = []string{
		"GET /daemon/getinfo",         // the reply depends on the caller
		"GET /daemon/validateaddress", // the same
		"GET /daemon/gettransaction",  // not public
		"GET /daemon/prioritisetransaction",
		"GET /daemon/submitblock",
	}
)

func shortName(method, path string) string {
	before, _, _ := strings.Cut(path, "/:")
	return method + " " + before
}

func TestTableIsTheContract(t *testing.T) {
	rows := contract(t)
	table := make(map[string]Endpoint)
	for _, e := range Table() {
		key := e.Method + " " + e.Path
		if _, twice := table[key]; twice {
			t.Errorf("%s is in the table twice", key)
		}
		table[key] = e
	}
	if len(rows) != 159 || len(table) != len(rows) {
		t.Fatalf("table has %d rows, contract %d, want 159", len(table), len(rows))
	}
	for _, row := range rows {
		e, ok := table[row.Method+" "+row.Path]
		if !ok {
			t.Errorf("%s %s is not in the table", row.Method, row.Path)
			continue
		}
		t.Run(strings.Replace(shortName(row.Method, row.Path), " /daemon", "", 1), func(t *testing.T) { compareRow(t, row, e) })
	}
}

func compareRow(t *testing.T, row contractRow, e Endpoint) {
	short := shortName(row.Method, row.Path)
	level := row.Permission
	if stricter, ok := stricterLevels[short]; ok {
		level = stricter.String()
	}
	if e.Level.String() != level {
		t.Errorf("level %v, want %s", e.Level, level)
	}
	var cached time.Duration
	if row.Cached != nil && !slices.Contains(notCached, short) {
		cached = map[string]time.Duration{"30 seconds": 30 * time.Second, "60 seconds": time.Minute, "1 hour": time.Hour}[*row.Cached]
	}
	if e.HTTPCache != cached {
		t.Errorf("HTTP cache %v, want %v", e.HTTPCache, cached)
	}
	alias := ""
	if row.AliasOf != nil {
		alias = *row.AliasOf
	}
	if e.RPC != row.RPC.Method || e.Alias != alias {
		t.Errorf("RPC %q alias %q, want %q and %q", e.RPC, e.Alias, row.RPC.Method, alias)
	}
	if e.ReadOnly != (row.Effects == "none") {
		t.Errorf("read only %v, but its effects are %q", e.ReadOnly, row.Effects)
	}
	if e.Summary == "" || e.Result == "" {
		t.Error("no summary or result")
	}
	if row.RPC.Missing != "" {
		if got, want := e.Missing == MissingIsNull, strings.HasPrefix(row.RPC.Missing, "sent anyway"); got != want {
			t.Errorf("missing argument is null: %v, want %v", got, want)
		}
	}
	if diff := cmp.Diff(contractArgs(row), tableArgs(e)); diff != "" {
		t.Errorf("arguments of the call (-contract +table):\n%s", diff)
	}
	if diff := cmp.Diff(contractParams(row), tableParams(e)); diff != "" {
		t.Errorf("parameters of the request (-contract +table):\n%s", diff)
	}
}

// argFacts is what contract and table must agree on for one RPC argument.
type argFacts struct {
	Name, Kind         string
	Required, Optional bool
	Default            string
}

func asText(v any) string {
	if ahead, ok := v.(BlocksAhead); ok && ahead == 20 {
		v = "<height+20>"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func contractArgs(row contractRow) []argFacts {
	var list []argFacts
	for _, p := range row.RPC.Params {
		if p.Name == nil {
			list = append(list, argFacts{Default: asText(p.Value)})
			continue
		}
		f := argFacts{Name: *p.Name, Kind: p.Type, Required: p.Required, Optional: p.Send == "when given", Default: asText(p.Default)}
		if strings.HasPrefix(f.Name, "{") {
			f.Name = ""
		}
		list = append(list, f)
	}
	return list
}

func tableArgs(e Endpoint) []argFacts {
	var list []argFacts
	for _, a := range e.Args {
		if a.Const != nil {
			list = append(list, argFacts{Default: asText(a.Const)})
			continue
		}
		f := argFacts{Name: a.Name, Kind: a.Kind.String(), Required: a.Required, Optional: a.Optional, Default: asText(a.Default)}
		if a.Kind == List {
			f.Kind = "array of string"
		}
		if a.Members != nil && a.Optional {
			f.Name = "options"
		}
		list = append(list, f)
	}
	return list
}

// paramFacts is what contract and table must agree on for one request parameter.
type paramFacts struct {
	Name, Kind, Default string
	Sources             []Source
	Required            bool
}

// paramKind gives the table's word for a type of the contract.
func paramKind(text string) string {
	switch word, note, _ := strings.Cut(text, " "); {
	case note == "(comma separated)":
		return List.String()
	case word == "integer":
		return Number.String()
	default:
		return word
	}
}

func contractParams(row contractRow) []paramFacts {
	var list []paramFacts
	for _, p := range row.Params {
		if slices.Contains([]string{"maxonf", "noorphans", "logicaltimes"}, *p.Name) && p.In == "path" {
			continue // declared in the path and never read
		}
		f := paramFacts{Name: *p.Name, Kind: paramKind(p.Type), Required: p.Required, Default: asText(p.Default)}
		for _, in := range append([]string{p.In}, p.AlsoIn...) {
			f.Sources = append(f.Sources, map[string]Source{"path": InPath, "query": InQuery, "body": InBody}[in])
		}
		list = append(list, f)
	}
	return list
}

func tableParams(e Endpoint) []paramFacts {
	var list []paramFacts
	for _, a := range e.Parameters() {
		f := paramFacts{Name: a.Name, Kind: a.Kind.String(), Required: a.Required, Default: asText(a.Default)}
		if a.Kind == Single {
			f.Kind = String.String() // the array is made here
		}
		switch {
		case e.Method == post:
			f.Sources = []Source{InBody}
			if a.Name == "noOrphans" || a.Name == "logicalTimes" {
				continue // second names of the members of options
			}
		case a.QueryOnly:
			f.Sources = []Source{InQuery}
		default:
			f.Sources = []Source{InPath, InQuery}
		}
		list = append(list, f)
	}
	return list
}

func TestPathParametersAreArguments(t *testing.T) {
	ignored := []string{"maxonf", "noorphans", "logicaltimes"}
	for _, e := range Table() {
		var want []string
		for segment := range strings.SplitSeq(e.Path, "/") {
			name, ok := strings.CutPrefix(segment, ":")
			if name = strings.TrimSuffix(name, "?"); ok && !slices.Contains(ignored, name) {
				want = append(want, name)
			}
		}
		var got []string
		for _, a := range e.Parameters() {
			if e.Method == get && !a.QueryOnly {
				got = append(got, a.Name)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s %s (-path +arguments):\n%s", e.Method, e.Path, diff)
		}
	}
}

func TestAliasesAreTheirTargets(t *testing.T) {
	byPath := make(map[string]Endpoint)
	for _, e := range Table() {
		byPath[e.Method+" "+e.Path] = e
	}
	aliases := 0
	for _, e := range Table() {
		if e.Alias == "" {
			continue
		}
		aliases++
		target, ok := byPath[e.Method+" "+e.Alias]
		if !ok || target.Alias != "" {
			t.Errorf("%s: no such target %s", e.Path, e.Alias)
			continue
		}
		e.Path, e.Alias, target.Path = "", "", ""
		e.Result, target.Result = "", "" // worded differently where the daemon's versions differ
		if diff := cmp.Diff(target, e); diff != "" {
			t.Errorf("%s (-target +alias):\n%s", target.RPC, diff)
		}
	}
	if aliases == 0 {
		t.Error("no aliases in the table")
	}
}

func TestChainMethodsShareOnlyPublicReads(t *testing.T) {
	methods := ChainMethods()
	if len(methods) != 125+1 {
		t.Errorf("%d methods, want the 125 of the table and createconfirmationtransaction", len(methods))
	}
	for _, e := range Table() {
		sharing := methods[e.RPC]
		if sharing != ShareNothing && (!e.ReadOnly || e.Level != permissions.Public) {
			t.Errorf("%s %s shares its reply (%d)", e.Method, e.RPC, sharing)
		}
		if other := e.sharing(); other != sharing {
			t.Errorf("%s: routes of one method disagree: sharing %d and %d", e.RPC, other, sharing)
		}
	}
	alone := []string{
		"sendrawtransaction", "sendtoaddress", "sendmany", "sendfrom", "getnewaddress", "z_sendmany", "submitblock", "stop",
		"createzelnodekey", "fundrawtransaction", "gettransaction", "getbalance", "dumpprivkey", "signrawtransaction",
		"createconfirmationtransaction", "startzelnode", "zcrawkeygen", "z_getoperationresult",
	}
	for _, name := range alone {
		if sharing, ok := methods[name]; !ok || sharing != ShareNothing {
			t.Errorf("%s: sharing %d (known %v), want nothing shared", name, sharing, ok)
		}
	}
	want := map[string]Sharing{
		"getblock": ShareBlock, "getrawtransaction": ShareTransaction, "getzelnodestatus": ShareFlight, "getinfo": ShareReply,
	}
	for name, sharing := range want {
		if methods[name] != sharing {
			t.Errorf("%s: sharing %d, want %d", name, methods[name], sharing)
		}
	}
}
